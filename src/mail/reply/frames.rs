//! What stands between the author's words and a quote: attributions, header blocks, separators, markers.
//!
//! Decides   which lines are such a frame, and where a quote without marks begins.
//! Follows   the habits of real clients in many languages; RFC 3676 section 4 for marks.
//! Never     takes a line for an attribution by one word alone: it needs a date or an address too, or a quote below.

use super::is_marker;
use super::known::Shingles;
use super::lines::{Class, Line, first_text, set};
use super::vocabulary::{ABOVE, FROM_LABELS, OPENERS, ORIGINAL, OTHER_LABELS, WROTE};

/// Lines of one attribution at most.
const ATTRIBUTION_LINES_MAX: usize = 6;
/// Characters of one attribution at most.
const ATTRIBUTION_CHARS_MAX: usize = 400;
/// Lines of a header block at most.
const BLOCK_LINES_MAX: usize = 12;

/// Where a quote without marks begins.
#[derive(Debug, Clone, Copy)]
pub struct Below {
    /// The line of its frame.
    pub at: usize,
    /// The frame is a header block, a separator or our marker, not a mere "… wrote:".
    pub firm: bool,
}

/// How sure an attribution is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sure {
    /// By itself.
    Strong,
    /// If a quote follows.
    Weak,
}

/// Marks attributions, header blocks and markers; returns where an unmarked quote begins, if one does.
pub fn frames(lines: &[Line], classes: &mut [Class], ours: &Shingles, shared: &Shingles) -> Option<Below> {
    let mut below: Option<Below> = None;
    for (index, line) in lines.iter().enumerate() {
        let next = lines.get(index.saturating_add(1)).map(|l| l.text.as_str()).unwrap_or_default();
        let marker = is_marker(&line.text) || (!is_marker(next) && is_marker(&format!("{} {next}", line.text)));
        if marker {
            set(classes, index, Class::Frame);
        }
        if line.depth > 0 {
            continue;
        }
        let framed = marker || is_original(&line.text) || says_above(&line.text) || header_block(lines, index);
        if framed {
            set(classes, index, Class::Frame);
            below = below.or(Some(Below { at: index, firm: true }));
            if !marker {
                frame_block(lines, classes, index);
            }
        } else if classes.get(index) == Some(&Class::Words)
            && let Some(length) = attribution(lines, index, ours, shared)
        {
            for offset in 0..length {
                set(classes, index.saturating_add(offset), Class::Frame);
            }
            ruler_before(lines, classes, index);
            let first = first_text(lines, index.saturating_add(length));
            if first.is_some_and(|l| l.depth == 0) {
                below = below.or(Some(Below { at: index, firm: false }));
            }
        }
    }
    below
}

/// A ruler above a frame belongs to it, empty lines between them or not.
fn ruler_before(lines: &[Line], classes: &mut [Class], start: usize) {
    let before = (0..start).rev().take(3).find(|i| lines.get(*i).is_some_and(|l| !l.text.trim().is_empty()));
    if let Some(before) = before.filter(|i| lines.get(*i).is_some_and(|l| is_ruler(&l.text))) {
        set(classes, before, Class::Frame);
    }
}

/// The label lines of a header block, and a ruler before it.
fn frame_block(lines: &[Line], classes: &mut [Class], start: usize) {
    ruler_before(lines, classes, start);
    for (index, line) in lines.iter().enumerate().skip(start).take(BLOCK_LINES_MAX) {
        if kind_of(&line.text).is_some() {
            set(classes, index, Class::Frame);
        }
    }
}

fn is_ruler(text: &str) -> bool {
    let text = text.trim();
    text.len() >= 4 && text.chars().all(|c| matches!(c, '_' | '-' | '=' | '*' | '─'))
}

/// `-----Original Message-----`, `Begin forwarded message:` in many languages.
pub fn is_original(text: &str) -> bool {
    let text = text.trim().trim_matches('*');
    if text.len() > ATTRIBUTION_CHARS_MAX {
        return false;
    }
    let ruled = ["--", "__", "==", "──"].iter().any(|r| text.starts_with(r));
    let alone = text.ends_with([':', '：']) && text.chars().count() <= 60;
    if !ruled && !alone {
        return false;
    }
    let core = text.trim_matches(|c: char| matches!(c, '-' | '_' | '=' | '>' | '─') || c.is_whitespace());
    let lower = core.to_lowercase();
    ORIGINAL.iter().any(|w| lower.starts_with(w))
}

/// `## Please type your reply above this line ##`
fn says_above(text: &str) -> bool {
    let text = text.trim();
    text.len() <= ATTRIBUTION_CHARS_MAX && text.starts_with(['#', '-', '=', '*', '_', '[', '~', '—']) && {
        let lower = text.to_lowercase();
        ABOVE.iter().any(|w| lower.contains(w))
    }
}

/// What a line of a header block labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Label {
    From,
    Other,
}

fn kind_of(text: &str) -> Option<Label> {
    let text = text.trim().trim_start_matches(['*', '|', '>']).trim_start();
    let (label, _) = text.split_once([':', '：'])?;
    let label = label.trim().trim_end_matches('*').trim();
    if label.chars().count() > 20 {
        return None;
    }
    let label = label.to_lowercase();
    if FROM_LABELS.contains(&label.as_str()) {
        Some(Label::From)
    } else if OTHER_LABELS.contains(&label.as_str()) {
        Some(Label::Other)
    } else {
        None
    }
}

/// Labels for the time of sending that nobody writes in a letter.
const SENT: [&str; 12] = [
    "sent:",
    "gesendet:",
    "envoyé:",
    "envoyé :",
    "verzonden:",
    "enviado:",
    "inviato:",
    "skickat:",
    "sendt:",
    "wysłano:",
    "lähetetty:",
    "отправлено:",
];

/// Lines that label author, date, recipient and subject, one below the other.
fn header_block(lines: &[Line], index: usize) -> bool {
    let Some(line) = lines.get(index) else {
        return false;
    };
    let Some(first) = kind_of(&line.text) else {
        return false;
    };
    let after: Vec<&str> =
        lines.iter().skip(index.saturating_add(1)).map(|l| l.text.trim()).filter(|t| !t.is_empty()).take(5).collect();
    let kinds: Vec<Label> = after.iter().filter_map(|t| kind_of(t)).collect();
    let run = after.iter().take_while(|t| kind_of(t).is_some()).count();
    let dated = |text: &str| text.chars().filter(char::is_ascii_digit).count() >= 6;
    if first == Label::From {
        let lower = line.text.to_lowercase();
        let next = after.first().map(|t| t.trim_matches('*').to_lowercase().replace("*:", ":")).unwrap_or_default();
        let others = kinds.iter().filter(|k| **k == Label::Other).count();
        let sent = SENT.iter().any(|s| next.trim_start_matches('*').starts_with(s));
        let date_next = run >= 1 && line.text.contains('@') && dated(&next);
        let in_one = line.text.contains('@') && (lower.contains(" date: ") || lower.contains(" sent: "));
        return others >= 2 || sent || date_next || in_one;
    }
    let from_follows = after.iter().take(run).any(|t| kind_of(t) == Some(Label::From));
    let addressed = dated(&line.text) && after.iter().take(run).any(|t| t.contains('@'));
    (run >= 2 && from_follows) || (run >= 1 && addressed) || (run >= 1 && from_follows && dated(&line.text))
}

/// The number of lines of an attribution that begins here. One that is not sure by itself must be followed by a
/// quote, a frame, known words, or nothing.
fn attribution(lines: &[Line], index: usize, ours: &Shingles, shared: &Shingles) -> Option<usize> {
    let first = lines.get(index)?.text.trim();
    if first.is_empty() {
        return None;
    }
    let dated = begins(first) && digits(first) >= 5;
    let alone = index.checked_sub(1).and_then(|i| lines.get(i)).is_none_or(|l| l.text.trim().is_empty());
    let may_wrap =
        alone || begins(first) || first.contains(['@', '<']) || digits(first) >= 3 || first.contains(" via ");
    let mut joined = String::new();
    for length in 1..=ATTRIBUTION_LINES_MAX {
        let at = index.saturating_add(length).saturating_sub(1);
        let line = lines.get(at)?;
        let text = line.text.trim();
        let ends_it = dated && length > 1 && line.depth == 1 && wrote_at(&text.to_lowercase()) == Some(0);
        if (line.depth > 0 && !ends_it) || joined.len() > ATTRIBUTION_CHARS_MAX || (length > 1 && !may_wrap) {
            return None;
        }
        if text.is_empty() {
            if dated && length <= 2 {
                continue;
            }
            return None;
        }
        if length > 1
            && ((sure(text).is_some() && !opens(&joined) && digits(first) < 5) || (begins(text) && digits(text) >= 3))
        {
            // The line is an attribution by itself; those before it are words.
            return None;
        }
        joined.push(' ');
        joined.push_str(text);
        let Some(sure) = sure(&joined) else {
            continue;
        };
        let next = first_text(lines, at.saturating_add(1));
        let fits = sure == Sure::Strong
            || next.is_none_or(|l| l.depth > 0 || is_marker(&l.text) || ours.holds(&l.text) || shared.holds(&l.text));
        return fits.then_some(length);
    }
    None
}

fn opens(text: &str) -> bool {
    let text = text.trim_start();
    OPENERS.iter().any(|o| text.starts_with(o))
}

/// An opener, a date, or dashes.
fn begins(text: &str) -> bool {
    let text = text.trim_start();
    opens(text) || text.starts_with(|c: char| c.is_ascii_digit()) || text.starts_with("--")
}

fn digits(text: &str) -> usize {
    text.chars().filter(char::is_ascii_digit).count()
}

/// Where a word for "wrote" begins, the last one; `text` is in lower case.
fn wrote_at(text: &str) -> Option<usize> {
    WROTE
        .iter()
        .filter_map(|word| {
            let at = text.rfind(word)?;
            let glued = |c: Option<char>| c.is_some_and(|c| c.is_alphabetic() && c < '\u{2e80}');
            let before = text.get(..at).and_then(|t| t.chars().next_back());
            let after = text.get(at.saturating_add(word.len())..).and_then(|t| t.chars().next());
            (!glued(before) && !glued(after)).then_some(at)
        })
        .max()
}

/// Is this an attribution: who wrote, and when or from which address?
fn sure(text: &str) -> Option<Sure> {
    let text = text.trim().trim_matches(['*', '_']).trim();
    if text.chars().count() > ATTRIBUTION_CHARS_MAX {
        return None;
    }
    let may_end = text.ends_with([':', '：', '-', '>']);
    if !may_end && (!opens(text) || !text.contains('@')) {
        return None;
    }
    let ruled = text.starts_with("--") && text.ends_with("--") && text.chars().any(char::is_alphanumeric);
    let head = text.strip_suffix([':', '：']);
    let lower = text.to_lowercase();
    let wrote = wrote_at(&lower);
    let numbers = digits(text);
    if let Some(at) = wrote.filter(|_| head.is_some() || ruled) {
        let near = lower.get(at..).is_some_and(|rest| rest.chars().count() <= 170);
        let addressed = text.contains('@') && (numbers >= 3 || text.contains('<') || ruled);
        if near && (numbers >= 5 || addressed || (ruled && at > 0)) {
            return Some(Sure::Strong);
        }
    }
    let ends = WROTE.iter().any(|w| lower.ends_with(w));
    if ends && opens(text) && text.contains('@') && numbers >= 6 {
        return Some(Sure::Strong);
    }
    let timed = has_time(text);
    if head.is_some() && text.contains('@') && numbers >= 8 && timed {
        return Some(Sure::Strong);
    }
    if text.ends_with('>') && text.contains('@') && numbers >= 5 && text.starts_with(|c: char| c.is_ascii_digit()) {
        return Some(Sure::Weak);
    }
    let head = head?;
    let names = head.contains('@') || numbers >= 3 || lower.contains(" via ");
    let dated = head.contains('@') && numbers >= 4 && opens(head);
    ((wrote.is_some() && (names || opens(head))) || dated).then_some(Sure::Weak)
}

/// `14:41`
fn has_time(text: &str) -> bool {
    text.as_bytes()
        .windows(4)
        .any(|w| matches!(w, [a, b':', c, d] if a.is_ascii_digit() && c.is_ascii_digit() && d.is_ascii_digit()))
}

/// `unterwegs.On 2026-11-21 23:58, Jane wrote:` becomes two lines.
#[must_use]
pub fn split_glued_attributions(lines: &[Line]) -> Vec<Line> {
    let mut split = Vec::with_capacity(lines.len());
    for (index, line) in lines.iter().enumerate() {
        let candidate = line.depth == 0 && !opens(&line.text) && sure(&line.text).is_some();
        let quote_follows = candidate && first_text(lines, index.saturating_add(1)).is_some_and(|l| l.depth > 0);
        let cut = quote_follows
            .then(|| OPENERS.iter().filter_map(|o| line.text.rfind(o)).filter(|at| *at > 0).max())
            .flatten();
        match cut.and_then(|at| line.text.split_at_checked(at)) {
            Some((words, frame)) if sure(frame).is_some() => {
                split.push(Line { text: words.to_owned(), depth: 0 });
                split.push(Line { text: frame.to_owned(), depth: 0 });
            }
            _ => split.push(line.clone()),
        }
    }
    split
}
