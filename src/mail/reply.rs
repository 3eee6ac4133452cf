//! The new words of a reply.
//!
//! Decides   which lines are the author's own, which are quoted, which are a signature, and, for agents, which
//!           may leave (R41–R44).
//! Follows   RFC 3676 section 4.3 (signatures), habits of real clients in many languages.
//! Never     trusts names of HTML elements; where an agent's words and ours cannot be told apart it says so
//!           ([`Reading::doubtful`]); where a customer's are in doubt it keeps them.

mod attributions;
mod banner;
pub(super) mod frames;
pub mod known;
pub(super) mod lines;
pub mod notice;
mod signature;
pub(super) mod vocabulary;

use super::html::{self, HtmlBody};
use super::links;
use super::links::restore;
use crate::limits::REPLY_CHARS_MAX;

use known::Shingles;
use lines::{Class, Line, classify, mark_unusual};

/// The marker of our relays: nothing below it is sent. It does not begin with `-- ` (R43).
pub const MARKER: &str = "=== yesreply: below this line nothing is sent to the customer ===";

/// Words of a greeting below a quote.
const GREETING_WORDS_MAX: usize = 4;

/// What of the marker is looked for: it survives a client's wrapping.
const MARKER_CORE: &str = "yesreply: below this line";

/// The word that begins it.
const MARKER_WORD: &[u8] = b"yesreply";

/// Is the marker in this line, wherever in it?
#[must_use]
pub fn is_marker(line: &str) -> bool {
    // The word decides quickly; most lines do not have it.
    names_us(line) && super::text::fold(line).to_lowercase().contains(MARKER_CORE)
}

/// Does the word that begins the marker stand in this line?
fn names_us(line: &str) -> bool {
    let line = line.as_bytes();
    let begins = MARKER_WORD.first().map_or((0, 0), |b| (b.to_ascii_lowercase(), b.to_ascii_uppercase()));
    memchr::memchr2_iter(begins.0, begins.1, line).any(|at| {
        let word = line.get(at..at.saturating_add(MARKER_WORD.len()));
        word.is_some_and(|w| w.eq_ignore_ascii_case(MARKER_WORD))
    })
}

/// What is known of a mail before its words are read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    /// Internal to agents: relays, notes. Never leaves.
    pub ours: &'a [&'a str],
    /// What the customer wrote or has received. May leave as a quote that is answered.
    pub shared: &'a [&'a str],
    /// What a provider writes into mail from outside, `[intake] banner` (R44).
    pub banners: &'a [&'a str],
    /// Words of the notice on top of it that opens mails of many authors, as [`notice::of`] gives them (R44).
    pub notice: Option<&'a str>,
    /// What stands below the words is meant to be read ([`super::references::shows_another`]): a customer's is kept.
    pub forwarded: bool,
}

/// A reply, read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// The new words; interleaved answers with the quoted lines that they answer, marked `> `.
    pub words: String,
    /// The same as HTML, not sanitised; `None` if the mail had no HTML that could be read.
    pub words_html: Option<String>,
    /// What was quoted.
    pub quoted: String,
    /// The signature.
    pub signature: String,
    /// Lines that may be the author's or ours (agents only).
    pub doubtful: Vec<String>,
    /// It holds words that we know.
    pub quotes_ours: bool,
}

/// How a mail is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Customer,
    Agent,
}

/// A customer's mail, for the agents: in doubt, words are kept.
#[must_use]
pub fn read_customer(text: &str, html: Option<&str>, known: &Known<'_>) -> Reading {
    read(text, html, known, Manner::Customer)
}

/// An agent's mail: what of it may go to the customer.
#[must_use]
pub fn read_agent(text: &str, html: Option<&str>, known: &Known<'_>) -> Reading {
    read(text, html, known, Manner::Agent)
}

/// Who reads, and what they know.
#[derive(Debug)]
struct Reader<'a> {
    known: Known<'a>,
    ours: Shingles,
    shared: Shingles,
    manner: Manner,
}

impl<'a> Reader<'a> {
    fn new(known: &Known<'a>, manner: Manner) -> Self {
        let (ours, shared) = (Shingles::of(known.ours), Shingles::of(known.shared));
        Reader { known: *known, ours, shared, manner }
    }

    /// What was said and relayed.
    fn texts(&self) -> impl Iterator<Item = &'a str> {
        self.known.ours.iter().chain(self.known.shared).copied()
    }

    /// Is this line one that we wrote, or a customer?
    fn knows(&self, line: &str) -> bool {
        self.ours.holds(line) || self.shared.holds(line)
    }

    /// Only agents have seen it.
    fn is_internal(&self, line: &str) -> bool {
        self.ours.holds(line) && !self.shared.holds(line)
    }

    /// Unknown lines below a frame are in doubt.
    fn is_strict(&self) -> bool {
        self.manner == Manner::Agent
    }

    fn keeps_forwarded(&self) -> bool {
        self.known.forwarded && self.manner == Manner::Customer
    }
}

fn read(text: &str, html: Option<&str>, known: &Known<'_>, manner: Manner) -> Reading {
    if text.len() > REPLY_CHARS_MAX {
        return too_long(text, manner);
    }
    let reader = Reader::new(known, manner);
    match html.and_then(html::parse).filter(|body| body.lines().iter().any(|l| !l.text.is_empty())) {
        Some(body) => from_html(&body, &reader),
        None => {
            let mut lines = plain_lines(text);
            restored(&mut lines, &reader);
            chosen(&lines, false, &reader).0
        }
    }
}

/// Longer than any letter: a customer's is kept whole, an agent's is in doubt.
fn too_long(text: &str, manner: Manner) -> Reading {
    match manner {
        Manner::Customer => Reading { words: text.to_owned(), ..Reading::default() },
        Manner::Agent => Reading {
            words: text.to_owned(),
            doubtful: vec!["it is too long to tell your words from quoted ones".to_owned()],
            ..Reading::default()
        },
    }
}

fn from_html(body: &HtmlBody, reader: &Reader<'_>) -> Reading {
    let mut lines = html_lines(body);
    if reader.manner == Manner::Customer {
        emphasised(&mut lines, body);
    }
    let restored = restored(&mut lines, reader);
    let (mut reading, keep) = chosen(&lines, true, reader);
    reading.words_html = keep.map(|keep| body.keep_restored(&keep, &restored));
    // a link whose target is too long to be shown beside its words
    let hidden = reading.words_html.as_deref().is_some_and(links::has_opaque);
    if reader.manner == Manner::Agent && hidden && reading.doubtful.is_empty() {
        reading.doubtful.push("a link in it leads to where only your mail provider knows".to_owned());
    }
    reading
}

/// Puts the links that stood in what an agent quotes in place of those that only their provider can undo.
fn restored(lines: &mut [Line], reader: &Reader<'_>) -> restore::Restored {
    let mut done = restore::Restored::new();
    let is_wanted = |line: &&mut Line| line.depth > 0 && links::has_opaque(&line.text);
    let mut wanted = lines.iter_mut().filter(is_wanted).peekable();
    if reader.manner == Manner::Agent && wanted.peek().is_some() {
        let stored = restore::Lines::of(reader.texts());
        for line in wanted {
            if let Some(text) = stored.restored(&line.text, &mut done) {
                line.text = text;
            }
        }
    }
    done
}

/// Lines of HTML with their quote depth.
fn html_lines(body: &HtmlBody) -> Vec<Line> {
    body.lines().iter().map(|l| Line::of(&links::unwrapped(&l.text), l.depth)).collect()
}

/// Marks what stands out in a customer's lines, for those who read them as text.
fn emphasised(lines: &mut [Line], body: &HtmlBody) {
    for (line, html) in lines.iter_mut().zip(body.lines()).filter(|(line, _)| line.depth == 0) {
        line.emphasised = html.emphasised.as_deref().map(|words| links::unwrapped(words).into_owned());
    }
}

/// Lines of plain text with their quote depth.
pub(super) fn plain_lines(text: &str) -> Vec<Line> {
    text.split('\n').map(|line| Line::of(&links::unwrapped(line), 0)).collect()
}

/// What the lines of a mail are, of which nothing is known.
pub(super) fn classes_of(lines: &[Line]) -> Vec<Class> {
    classify(lines, &Reader::new(&Known::default(), Manner::Customer))
}

/// The reading, and which lines of the body it keeps (`None` where a line was split: the HTML is made anew).
fn chosen(lines: &[Line], is_html: bool, reader: &Reader<'_>) -> (Reading, Option<Vec<bool>>) {
    let mut split = attributions::split_glued_attributions(lines);
    mark_unusual(&mut split, reader.is_strict());
    let (mut banners, cut) = banner::take(&mut split, reader.known.banners);
    if let Some(notice) = reader.known.notice {
        banner::take_notice(&mut split, is_html, notice, &mut banners);
    }
    let whole = split.len() == lines.len() && !cut;
    let mut classes = classify(&split, reader);
    if reader.manner == Manner::Customer && classes.contains(&Class::Signature) && only_signature(&split, &classes) {
        classes.iter_mut().filter(|c| **c == Class::Signature).for_each(|c| *c = Class::Words);
    }
    classes.iter_mut().zip(banners).filter(|(_, banner)| *banner).for_each(|(class, _)| *class = Class::Banner);
    let keep = selected(&split, &classes, reader);
    let of =
        |wanted: Class| split.iter().zip(&classes).filter(move |(_, c)| **c == wanted).map(|(l, _)| l.text.as_str());
    let gather = |wanted: Class| of(wanted).collect::<Vec<_>>().join("\n").trim().to_owned();
    let kept: Vec<&str> =
        split.iter().zip(&keep).filter(|(_, keep)| **keep).map(|(line, _)| line.text.as_str()).collect();
    let words: Vec<String> =
        split.iter().zip(&keep).filter(|(_, keep)| **keep).map(|(line, _)| line.written()).collect();
    let doubtful = match reader.manner {
        Manner::Agent => of(Class::Doubtful)
            .chain(kept.iter().copied().filter(|text| links::has_opaque(text)))
            .filter(|text| !text.trim().is_empty())
            .map(str::to_owned)
            .collect(),
        Manner::Customer => Vec::new(),
    };
    let reading = Reading {
        words: squeezed(&words),
        words_html: None,
        quoted: gather(Class::Quote),
        signature: gather(Class::Signature),
        doubtful,
        quotes_ours: split.iter().any(|line| reader.knows(&line.text) || is_marker(&line.text)),
    };
    (reading, whole.then_some(keep))
}

/// No empty lines at the ends, at most one between.
fn squeezed(lines: &[String]) -> String {
    let mut out: Vec<&str> = Vec::with_capacity(lines.len());
    for line in lines {
        let line = line.trim_end();
        if !(line.is_empty() && out.last().is_none_or(|l| l.is_empty())) {
            out.push(line);
        }
    }
    while out.last().is_some_and(|l| l.is_empty()) {
        out.pop();
    }
    out.join("\n")
}

/// Own words, and the quoted lines that interleaved answers belong to.
fn selected(lines: &[Line], classes: &[Class], reader: &Reader<'_>) -> Vec<bool> {
    let manner = reader.manner;
    let own = |index: usize| {
        let class = classes.get(index).copied().unwrap_or(Class::Quote);
        class == Class::Words || (class == Class::Doubtful && manner == Manner::Customer)
    };
    let has_text = |index: usize| lines.get(index).is_some_and(|l| !l.text.trim().is_empty());
    let mut keep: Vec<bool> = (0..lines.len()).map(own).collect();
    let mut blocks: Vec<(usize, usize)> = Vec::new();
    for index in (0..lines.len()).filter(|i| own(*i) && has_text(*i)) {
        let joined = blocks.last_mut().is_some_and(|(_, end)| {
            let quote_between = (end.saturating_add(1)..index).any(|i| !own(i) && has_text(i));
            if !quote_between {
                *end = index;
            }
            !quote_between
        });
        if !joined {
            blocks.push((index, index));
        }
    }
    let answered = match blocks.as_slice() {
        [(start, _)] => manner == Manner::Customer && picked_by_hand(lines, classes, *start),
        _ => blocks.len() > 1,
    };
    if !answered || (manner == Manner::Customer && closes(lines, classes, &blocks)) {
        return keep;
    }
    let mut from = 0usize;
    for (start, end) in blocks {
        for index in from..start {
            let class = classes.get(index).copied().unwrap_or(Class::Quote);
            let text = lines.get(index).map(|l| l.text.as_str()).unwrap_or_default();
            let may = match manner {
                Manner::Customer => true,
                Manner::Agent => reader.shared.holds(text) && !is_marker(text) && !reader.is_internal(text),
            };
            if class == Class::Quote
                && may
                && let Some(flag) = keep.get_mut(index)
            {
                *flag = true;
            }
        }
        from = end.saturating_add(1);
    }
    keep
}

/// Is what stands before the words a quote that nothing introduces? No client writes that: its author picked the lines.
fn picked_by_hand(lines: &[Line], classes: &[Class], words_at: usize) -> bool {
    let marked = classes.iter().take(words_at).all(|c| matches!(*c, Class::Quote | Class::Words));
    marked && !(0..words_at).any(|index| frames::header_block(lines, index))
}

/// Nothing but what looks like a signature: it is what its author wanted to say.
fn only_signature(lines: &[Line], classes: &[Class]) -> bool {
    lines.iter().zip(classes).all(|(line, class)| *class == Class::Signature || line.text.trim().is_empty())
}

/// Words above a framed quote, and only a greeting below it: the greeting answers nothing.
fn closes(lines: &[Line], classes: &[Class], blocks: &[(usize, usize)]) -> bool {
    let [(_, above), (below, end)] = blocks else {
        return false;
    };
    let framed = classes.iter().take(*below).skip(*above).any(|c| *c == Class::Frame);
    let last = lines.iter().take(end.saturating_add(1)).skip(*below);
    framed && last.map(|l| l.text.split_whitespace().count()).sum::<usize>() <= GREETING_WORDS_MAX
}

impl Reading {
    /// The words after the first `lines` lines of the author's own that say something, as text and as HTML.
    #[must_use]
    pub fn without_leading(&self, lines: usize) -> (String, Option<String>) {
        if lines == 0 {
            return (self.words.clone(), self.words_html.clone());
        }
        let all: Vec<&str> = self.words.split('\n').collect();
        let keep = after_leading(all.iter().map(|line| (*line, line.starts_with('>'))), lines);
        let rest: Vec<String> =
            all.iter().zip(keep).filter(|(_, keep)| *keep).map(|(line, _)| (*line).to_owned()).collect();
        let html = self.words_html.as_deref().and_then(html::parse).map(|body| {
            let quoted = |line: &html::HtmlLine| line.depth > 0 || line.text.starts_with('>');
            body.keep(&after_leading(body.lines().iter().map(|line| (line.text.as_str(), quoted(line))), lines))
        });
        (squeezed(&rest), html)
    }
}

/// Which lines are left without the first so many; quoted ones stay, and a bullet without words does not count.
fn after_leading<'a>(all: impl Iterator<Item = (&'a str, bool)>, lines: usize) -> Vec<bool> {
    let mut left = lines;
    all.map(|(text, quoted)| {
        let keep = left == 0 || quoted;
        if !keep && text.chars().any(char::is_alphanumeric) {
            left = left.saturating_sub(1);
        }
        keep
    })
    .collect()
}

#[cfg(test)]
#[path = "reply/tests.rs"]
mod tests;

#[cfg(test)]
#[path = "reply/client_tests.rs"]
mod client_tests;

#[cfg(test)]
#[path = "reply/work_tests.rs"]
mod work_tests;

#[cfg(test)]
#[path = "reply/lost_tests.rs"]
mod lost_tests;
