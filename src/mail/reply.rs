//! The new words of a reply.
//!
//! Decides   which lines are the author's own, which are quoted, which are a signature, and, for agents, which
//!           may leave (R41–R44).
//! Follows   RFC 3676 section 4.3 (signatures), habits of real clients in many languages.
//! Never     trusts names of HTML elements; where an agent's words and ours cannot be told apart it says so
//!           ([`Reading::doubtful`]); where a customer's are in doubt it keeps them.

pub(super) mod frames;
pub mod known;
pub mod lines;
mod signature;
pub(super) mod vocabulary;

use super::html::{self, HtmlBody};
use crate::limits::REPLY_CHARS_MAX;

use known::Shingles;
use lines::{Class, Line, classify};

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
    let word = line.as_bytes().windows(MARKER_WORD.len()).any(|w| w.eq_ignore_ascii_case(MARKER_WORD));
    word && super::text::fold(line).to_lowercase().contains(MARKER_CORE)
}

/// Texts that may be quoted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    /// Internal to agents: relays, notes. Never leaves.
    pub ours: &'a [&'a str],
    /// What the customer wrote or has received. May leave as a quote that is answered.
    pub shared: &'a [&'a str],
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

fn read(text: &str, html: Option<&str>, known: &Known<'_>, manner: Manner) -> Reading {
    if text.len() > REPLY_CHARS_MAX {
        return too_long(text, manner);
    }
    let ours = Shingles::of(known.ours);
    let shared = Shingles::of(known.shared);
    match html.and_then(html::parse).filter(|body| body.lines().iter().any(|l| !l.text.is_empty())) {
        Some(body) => from_html(&body, &ours, &shared, manner),
        None => chosen(&plain_lines(text), &ours, &shared, manner).0,
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

fn from_html(body: &HtmlBody, ours: &Shingles, shared: &Shingles, manner: Manner) -> Reading {
    let lines: Vec<Line> = body.lines().iter().map(|l| marked(&l.text, l.depth)).collect();
    let (mut reading, keep) = chosen(&lines, ours, shared, manner);
    reading.words_html = keep.map(|keep| body.keep(&keep));
    reading
}

/// Lines of plain text with their quote depth.
pub(super) fn plain_lines(text: &str) -> Vec<Line> {
    text.split('\n').map(|line| marked(line, 0)).collect()
}

/// A line without its quote marks; some clients write them into HTML too.
pub(super) fn marked(line: &str, around: usize) -> Line {
    let mut rest = line;
    let mut depth = 0usize;
    loop {
        let unspaced = rest.strip_prefix(' ').filter(|_| depth > 0).unwrap_or(rest);
        match unspaced.strip_prefix('>') {
            Some(shorter) if depth < 50 => {
                rest = shorter;
                depth = depth.saturating_add(1);
            }
            _ => break,
        }
    }
    let words = if depth > 0 { rest.strip_prefix(' ').unwrap_or(rest) } else { rest };
    Line { text: words.to_owned(), depth: depth.saturating_add(around) }
}

/// The reading, and which lines of the body it keeps (`None` where a line was split: the HTML is made anew).
fn chosen(lines: &[Line], ours: &Shingles, shared: &Shingles, manner: Manner) -> (Reading, Option<Vec<bool>>) {
    let split = frames::split_glued_attributions(lines);
    let whole = split.len() == lines.len();
    let mut classes = classify(&split, ours, shared, manner == Manner::Agent);
    if manner == Manner::Customer && classes.contains(&Class::Signature) && only_signature(&split, &classes) {
        classes.iter_mut().filter(|c| **c == Class::Signature).for_each(|c| *c = Class::Words);
    }
    let keep = selected(&split, &classes, ours, shared, manner);
    let gather = |wanted: Class| -> String {
        let found: Vec<&str> =
            split.iter().zip(&classes).filter(|(_, c)| **c == wanted).map(|(l, _)| l.text.as_str()).collect();
        found.join("\n").trim().to_owned()
    };
    let words: Vec<String> = split
        .iter()
        .zip(&keep)
        .filter(|(_, keep)| **keep)
        .map(|(line, _)| html::quoted(&line.text, line.depth))
        .collect();
    let quotes_ours =
        split.iter().any(|line| ours.holds(&line.text) || shared.holds(&line.text) || is_marker(&line.text));
    let doubtful = match manner {
        Manner::Agent => split
            .iter()
            .zip(&classes)
            .filter(|(line, class)| **class == Class::Doubtful && !line.text.trim().is_empty())
            .map(|(line, _)| line.text.clone())
            .collect(),
        Manner::Customer => Vec::new(),
    };
    let reading = Reading {
        words: squeezed(&words),
        words_html: None,
        quoted: gather(Class::Quote),
        signature: gather(Class::Signature),
        doubtful,
        quotes_ours,
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
fn selected(lines: &[Line], classes: &[Class], ours: &Shingles, shared: &Shingles, manner: Manner) -> Vec<bool> {
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
    if blocks.len() < 2 || (manner == Manner::Customer && closes(lines, classes, &blocks)) {
        return keep;
    }
    let mut from = 0usize;
    for (start, end) in blocks {
        for index in from..start {
            let class = classes.get(index).copied().unwrap_or(Class::Quote);
            let text = lines.get(index).map(|l| l.text.as_str()).unwrap_or_default();
            let may = match manner {
                Manner::Customer => true,
                Manner::Agent => shared.holds(text) && !is_marker(text) && !only_internal(text, ours, shared),
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

fn only_internal(text: &str, ours: &Shingles, shared: &Shingles) -> bool {
    ours.holds(text) && !shared.holds(text)
}

impl Reading {
    /// The words after the first `lines` lines that are not empty, as text and as HTML.
    #[must_use]
    pub fn without_leading(&self, lines: usize) -> (String, Option<String>) {
        if lines == 0 {
            return (self.words.clone(), self.words_html.clone());
        }
        let mut left = lines;
        let rest: Vec<String> = self
            .words
            .split('\n')
            .filter(|line| {
                let drop = left > 0;
                if drop && !line.trim().is_empty() {
                    left = left.saturating_sub(1);
                }
                !drop
            })
            .map(str::to_owned)
            .collect();
        let html = self.words_html.as_deref().and_then(html::parse).map(|body| {
            let mut left = lines;
            let keep: Vec<bool> = body
                .lines()
                .iter()
                .map(|line| {
                    let drop = left > 0;
                    if drop && !line.text.is_empty() {
                        left = left.saturating_sub(1);
                    }
                    !drop
                })
                .collect();
            body.keep(&keep)
        });
        (squeezed(&rest), html)
    }
}

#[cfg(test)]
#[path = "reply/tests.rs"]
mod tests;
