//! Lines and their classes.
//!
//! Decides   for each line whether it is words, quote, attribution, separator, signature, marker or in doubt,
//!           by its depth, its shape and what is known; one rule for text and HTML, customers and agents.

use super::is_marker;
use super::known::{Shingles, is_short};

/// A line of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its text without quote marks.
    pub text: String,
    /// Quote depth.
    pub depth: usize,
}

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The author's own.
    Words,
    /// Quoted, or ours without marks.
    Quote,
    /// `On …, Jane wrote:`, `From: … Sent: …`, `-----Original Message-----`, our marker.
    Frame,
    /// A signature.
    Signature,
    /// The author's or ours.
    Doubtful,
}

/// Lines of one attribution at most.
const ATTRIBUTION_LINES_MAX: usize = 4;
/// Characters of one attribution at most.
const ATTRIBUTION_CHARS_MAX: usize = 400;
/// Lines of a signature after `---` at most.
const SIGNATURE_LINES_MAX: usize = 8;

/// Words for "wrote", lower case.
const WROTE: [&str; 26] = [
    "wrote",
    "writes",
    "schrieb",
    "a écrit",
    "écrit",
    "schreef",
    "heeft geschreven",
    "escribió",
    "ha scritto",
    "scritto",
    "escreveu",
    "napisał",
    "napisała",
    "pisze",
    "skrev",
    "kirjoitti",
    "napsal",
    "napsala",
    "пишет",
    "написал",
    "писал",
    "のメール",
    "書きました",
    "写道",
    "님이 작성",
    "yazdı",
];

/// Beginnings of attributions, for those that are glued to words.
const OPENERS: [&str; 14] = [
    "On ", "Am ", "Le ", "El ", "Il ", "Op ", "Em ", "Den ", "W dniu ", "Dnia ", "Dne ", "Am\u{a0}", "Le\u{a0}",
    "On\u{a0}",
];

/// Labels of header blocks in quotes: author, then date, recipient and subject; lower case.
const FROM_LABELS: [&str; 18] = [
    "from",
    "von",
    "de",
    "van",
    "da",
    "från",
    "fra",
    "lähettäjä",
    "od",
    "от",
    "差出人",
    "发件人",
    "寄件者",
    "보낸 사람",
    "kimden",
    "gönderen",
    "nadawca",
    "odesílatel",
];
const OTHER_LABELS: [&str; 60] = [
    "sent",
    "date",
    "to",
    "cc",
    "subject",
    "gesendet",
    "datum",
    "an",
    "betreff",
    "envoyé",
    "date d'envoi",
    "à",
    "objet",
    "verzonden",
    "aan",
    "onderwerp",
    "enviado",
    "enviado el",
    "fecha",
    "para",
    "asunto",
    "inviato",
    "data",
    "a",
    "oggetto",
    "assunto",
    "wysłano",
    "do",
    "temat",
    "skickat",
    "till",
    "ämne",
    "sendt",
    "dato",
    "til",
    "emne",
    "lähetetty",
    "päivämäärä",
    "vastaanottaja",
    "aihe",
    "odesláno",
    "komu",
    "předmět",
    "отправлено",
    "дата",
    "кому",
    "тема",
    "送信日時",
    "宛先",
    "件名",
    "发送时间",
    "收件人",
    "主题",
    "보낸 날짜",
    "받는 사람",
    "제목",
    "gönderildi",
    "kime",
    "konu",
    "reply-to",
];

/// Words between dashes that announce the original, lower case.
const ORIGINAL: [&str; 18] = [
    "original message",
    "original-nachricht",
    "ursprüngliche nachricht",
    "originalnachricht",
    "message d'origine",
    "message original",
    "mensaje original",
    "messaggio originale",
    "oorspronkelijk bericht",
    "mensagem original",
    "wiadomość oryginalna",
    "oryginalna wiadomość",
    "originalmeddelande",
    "oprindelig meddelelse",
    "alkuperäinen viesti",
    "původní zpráva",
    "исходное сообщение",
    "原始邮件",
];

/// Beginnings of signatures that phones write, lower case.
const MOBILE: [&str; 20] = [
    "sent from my ",
    "sent from mail for",
    "sent from yahoo mail",
    "sent from outlook",
    "get outlook for",
    "sent with proton",
    "sent via ",
    "von meinem ",
    "gesendet von mein",
    "gesendet mit der",
    "envoyé de mon ",
    "envoyé depuis mon",
    "verstuurd vanaf mijn",
    "verzonden vanaf mijn",
    "enviado desde mi ",
    "enviado do meu ",
    "inviato da ",
    "skickat från min",
    "sendt fra min",
    "wysłane z ",
];

/// The classes of all lines. `strict`: an agent's mail, in which unknown lines below a frame are in doubt.
#[must_use]
pub fn classify(lines: &[Line], ours: &Shingles, shared: &Shingles, strict: bool) -> Vec<Class> {
    let mut classes: Vec<Class> = lines.iter().map(|l| if l.depth > 0 { Class::Quote } else { Class::Words }).collect();
    let below = frames(lines, &mut classes, ours, shared);
    known_lines(lines, &mut classes, ours, shared, below, strict);
    signatures(lines, &mut classes);
    classes
}

fn set(classes: &mut [Class], index: usize, class: Class) {
    if let Some(slot) = classes.get_mut(index) {
        *slot = class;
    }
}

/// Marks attributions, header blocks and markers; returns where an unmarked quote begins, if one does.
fn frames(lines: &[Line], classes: &mut [Class], ours: &Shingles, shared: &Shingles) -> Option<usize> {
    let mut below = None;
    for (index, line) in lines.iter().enumerate() {
        let next = lines.get(index.saturating_add(1)).map(|l| l.text.as_str()).unwrap_or_default();
        let marker = is_marker(&line.text) || (!is_marker(next) && is_marker(&format!("{} {next}", line.text)));
        if marker {
            set(classes, index, Class::Frame);
        }
        if line.depth > 0 {
            continue;
        }
        let framed = marker || is_original(&line.text) || header_block(lines, index);
        if framed {
            set(classes, index, Class::Frame);
            below = below.or(Some(index));
            if !marker {
                frame_block(lines, classes, index);
            }
        } else if let Some(length) = attribution(lines, index, ours, shared) {
            for offset in 0..length {
                set(classes, index.saturating_add(offset), Class::Frame);
            }
            let first = first_text(lines, index.saturating_add(length));
            if first.is_some_and(|l| l.depth == 0) {
                below = below.or(Some(index));
            }
        }
    }
    below
}

fn first_text(lines: &[Line], from: usize) -> Option<&Line> {
    lines.iter().skip(from).find(|l| !l.text.trim().is_empty())
}

/// The label lines of a header block, and a ruler before it.
fn frame_block(lines: &[Line], classes: &mut [Class], start: usize) {
    let before = start.checked_sub(1).filter(|i| lines.get(*i).is_some_and(|l| is_ruler(&l.text)));
    if let Some(before) = before {
        set(classes, before, Class::Frame);
    }
    for (index, line) in lines.iter().enumerate().skip(start).take(12) {
        if label(&line.text).is_some_and(|l| FROM_LABELS.contains(&l.as_str()) || OTHER_LABELS.contains(&l.as_str())) {
            set(classes, index, Class::Frame);
        }
    }
}

fn is_ruler(text: &str) -> bool {
    let text = text.trim();
    text.len() >= 5 && text.chars().all(|c| matches!(c, '_' | '-' | '=' | '*' | '─'))
}

/// `-----Original Message-----` in many languages.
fn is_original(text: &str) -> bool {
    let text = text.trim();
    let lower = text.trim_matches(['-', ' ', '_', '=', '>']).to_lowercase();
    (text.starts_with("--") || text.starts_with("__") || text.starts_with("=="))
        && ORIGINAL.iter().any(|w| lower.starts_with(w))
}

fn label(text: &str) -> Option<String> {
    let text = text.trim().trim_start_matches(['*', '|']).trim_start();
    let (label, _) = text.split_once([':', '：'])?;
    let label = label.trim().trim_end_matches('*').trim();
    (label.chars().count() <= 20).then(|| label.to_lowercase())
}

/// `From:` and at least two of date, recipient and subject in the lines after it.
fn header_block(lines: &[Line], index: usize) -> bool {
    let is_from = lines.get(index).and_then(|l| label(&l.text)).is_some_and(|l| FROM_LABELS.contains(&l.as_str()));
    is_from && {
        let others = lines
            .iter()
            .skip(index.saturating_add(1))
            .filter(|l| !l.text.trim().is_empty())
            .take(5)
            .filter_map(|l| label(&l.text))
            .filter(|l| OTHER_LABELS.contains(&l.as_str()))
            .count();
        others >= 2
    }
}

/// The number of lines of an attribution that begins here; it must be followed by a quote, a frame, known
/// words, or nothing.
fn attribution(lines: &[Line], index: usize, ours: &Shingles, shared: &Shingles) -> Option<usize> {
    let mut joined = String::new();
    for length in 1..=ATTRIBUTION_LINES_MAX {
        let at = index.saturating_add(length).saturating_sub(1);
        let line = lines.get(at).filter(|l| l.depth == 0)?;
        let text = line.text.trim();
        if text.is_empty() || joined.len() > ATTRIBUTION_CHARS_MAX {
            return None;
        }
        joined.push(' ');
        joined.push_str(text);
        if length > 1 && is_attribution(text) && !opens(&joined) {
            // The next line is an attribution by itself; this one is words.
            return None;
        }
        if is_attribution(&joined) {
            let next = first_text(lines, at.saturating_add(1));
            let fits =
                next.is_none_or(|l| l.depth > 0 || is_marker(&l.text) || ours.holds(&l.text) || shared.holds(&l.text));
            return fits.then_some(length);
        }
    }
    None
}

fn opens(text: &str) -> bool {
    let text = text.trim_start();
    OPENERS.iter().any(|o| text.starts_with(o))
}

/// Ends with a colon and says "wrote", or names an address and a date.
fn is_attribution(text: &str) -> bool {
    let text = text.trim();
    let Some(head) = text.strip_suffix([':', '：']) else {
        return false;
    };
    if text.chars().count() > ATTRIBUTION_CHARS_MAX {
        return false;
    }
    let lower = head.to_lowercase();
    let wrote = WROTE.iter().any(|w| lower.ends_with(w) || lower.contains(&format!("{w} ")));
    let names =
        lower.contains('@') || head.chars().filter(char::is_ascii_digit).count() >= 3 || lower.contains(" via ");
    let dated = lower.contains('@') && head.chars().filter(char::is_ascii_digit).count() >= 4 && opens(head);
    (wrote && (names || opens(head))) || dated
}

/// `unterwegs.On 2026-11-21 23:58, Jane wrote:` becomes two lines.
#[must_use]
pub fn split_glued_attributions(lines: &[Line]) -> Vec<Line> {
    let mut split = Vec::with_capacity(lines.len());
    for (index, line) in lines.iter().enumerate() {
        let quote_follows = || first_text(lines, index.saturating_add(1)).is_some_and(|l| l.depth > 0);
        let cut = (line.depth == 0 && is_attribution(&line.text) && !opens(&line.text) && quote_follows())
            .then(|| OPENERS.iter().filter_map(|o| line.text.rfind(o)).filter(|at| *at > 0).max())
            .flatten();
        match cut.and_then(|at| line.text.split_at_checked(at)) {
            Some((words, frame)) if is_attribution(frame) => {
                split.push(Line { text: words.to_owned(), depth: 0 });
                split.push(Line { text: frame.to_owned(), depth: 0 });
            }
            _ => split.push(line.clone()),
        }
    }
    split
}

/// Unmarked lines that we know are quotes; below a frame, what we do not know is quote for customers, and in
/// doubt for agents who have words elsewhere.
fn known_lines(
    lines: &[Line],
    classes: &mut [Class],
    ours: &Shingles,
    shared: &Shingles,
    below: Option<usize>,
    strict: bool,
) {
    let nothing_known = ours.is_empty() && shared.is_empty();
    let words_above = below.is_some_and(|from| {
        lines.iter().zip(classes.iter()).take(from).any(|(l, c)| *c == Class::Words && !l.text.trim().is_empty())
    });
    for (index, line) in lines.iter().enumerate() {
        let unmarked = line.depth == 0 && classes.get(index) == Some(&Class::Words) && !line.text.trim().is_empty();
        let inside = below.is_some_and(|from| index > from);
        if !unmarked {
            continue;
        }
        if strict && is_command_like(&line.text) {
            // nobody quotes a command; an agent who writes one below an unmarked quote means it (R41)
            set(classes, index, Class::Words);
            continue;
        }
        let known = ours.holds(&line.text) || shared.holds(&line.text);
        let class = match (known, inside) {
            (true, true) => Class::Quote,
            // what only agents have seen, outside of any frame: pasted, or a client that does not mark quotes
            (true, false) if strict && !shared.holds(&line.text) && !is_short(&line.text) => Class::Doubtful,
            (_, false) => Class::Words,
            (false, true) if strict && !words_above => Class::Words,
            (false, true) if strict => Class::Doubtful,
            (false, true) if nothing_known || words_above => Class::Quote,
            (false, true) => Class::Words,
        };
        set(classes, index, class);
    }
}

fn is_command_like(text: &str) -> bool {
    let text = text.trim_start();
    text.strip_prefix('#').is_some_and(|rest| rest.starts_with(char::is_alphabetic))
}

/// `-- ` and what follows it up to a quote or frame; `---` before a short end; what phones write.
fn signatures(lines: &[Line], classes: &mut [Class]) {
    let is_words = |classes: &[Class], index: usize| classes.get(index) == Some(&Class::Words);
    // where the run of words that a line stands in ends, from the back: one look at each line
    let mut ends = vec![lines.len(); lines.len()];
    let mut end = lines.len();
    for index in (0..lines.len()).rev() {
        if !is_words(classes, index) {
            end = index;
        }
        if let Some(slot) = ends.get_mut(index) {
            *slot = end;
        }
    }
    let mut index = 0usize;
    while index < lines.len() {
        let text = lines.get(index).map(|l| l.text.as_str()).unwrap_or_default();
        if !is_words(classes, index) {
            index = index.saturating_add(1);
            continue;
        }
        let end = ends.get(index).copied().unwrap_or(lines.len());
        let tail = lines.get(index.saturating_add(1)..end).unwrap_or_default();
        let few = SIGNATURE_LINES_MAX.saturating_add(1);
        let short = || tail.iter().filter(|l| !l.text.trim().is_empty()).take(few).count() < few;
        let separator = text == "-- " || text.trim_end() == "--";
        let ruler = matches!(text.trim(), "---" | "----" | "—" | "__") && short();
        let lower = text.trim().to_lowercase();
        let phone = lower.len() < 80
            && MOBILE.iter().any(|m| lower.starts_with(m))
            && tail.iter().all(|l| l.text.trim().is_empty());
        if separator || ruler || phone {
            for slot in index..end {
                set(classes, slot, Class::Signature);
            }
            index = end;
        } else {
            index = index.saturating_add(1);
        }
    }
}
