//! Lines and their classes.
//!
//! Decides   for each line whether it is words, quote, attribution, separator, signature, marker or in doubt,
//!           by its depth, its shape and what is known; one rule for text and HTML, customers and agents.

use super::frames::{Below, frames};
use super::known::is_short;
use super::signature::signatures;
use super::{Reader, is_marker};
use crate::limits::QUOTE_MARKS_MAX;

/// A line of a body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Line {
    /// Its text without quote marks.
    pub text: String,
    /// Quote depth.
    pub depth: usize,
    /// The text with `*` round the words that stand out, where its author is shown in text.
    pub emphasised: Option<String>,
    /// The marks as its author's client wrote them, those of blockquotes first.
    pub marks: String,
}

/// Capitals before a mark: `JD> `.
const INITIALS_MAX: usize = 3;

/// Blanks before a mark.
const INDENT_MAX: usize = 8;

impl Line {
    /// A line without its quote marks, which some clients write into HTML too, inside of `around` blockquotes.
    #[must_use]
    pub fn of(line: &str, around: usize) -> Self {
        if around == 0 && !line.starts_with('>') {
            return Line { text: line.to_owned(), ..Line::default() };
        }
        let mut rest = line;
        let mut depth = 0usize;
        while depth < QUOTE_MARKS_MAX {
            let unspaced = rest.strip_prefix(' ').filter(|_| depth > 0).unwrap_or(rest);
            let Some(shorter) = unspaced.strip_prefix('>') else {
                break;
            };
            rest = shorter;
            depth = depth.saturating_add(1);
        }
        let text = if depth > 0 { rest.strip_prefix(' ').unwrap_or(rest) } else { rest };
        let own = line.strip_suffix(rest).unwrap_or_default();
        let marks = format!("{}{own}", ">".repeat(around.min(QUOTE_MARKS_MAX)));
        Line { text: text.to_owned(), depth: depth.saturating_add(around), marks, ..Line::default() }
    }

    /// The line with its marks.
    #[must_use]
    pub fn written(&self) -> String {
        if self.depth == 0 {
            self.emphasised.as_ref().unwrap_or(&self.text).clone()
        } else {
            format!("{} {}", self.marks, self.text)
        }
    }

    /// The mark of a line that does not begin with one: its author's initials before it, blanks, or both (`JD>`, ` > `);
    /// the initials, and the octets up to its text.
    fn unusual_mark(&self, indent_max: usize) -> Option<(&str, usize)> {
        let indent = self.text.bytes().take_while(|b| matches!(b, b' ' | b'\t')).count();
        let (initials, rest) = self.text.get(indent..)?.split_once('>')?;
        let fits = indent <= indent_max
            && initials.len() <= INITIALS_MAX
            && initials.chars().all(|c| c.is_ascii_uppercase())
            && (indent > 0 || !initials.is_empty());
        let more = rest.bytes().take_while(|b| *b == b'>').take(QUOTE_MARKS_MAX).count();
        fits.then(|| (initials, indent.saturating_add(initials.len()).saturating_add(more).saturating_add(1)))
    }

    /// The line with so many octets at its beginning as its marks.
    fn quoted_from(&self, length: usize) -> Option<Line> {
        let (marks, text) = self.text.split_at_checked(length)?;
        let depth = marks.bytes().filter(|b| *b == b'>').count();
        let inner = text.trim_start();
        if inner.starts_with('>') {
            let inner = Line::of(inner, 0);
            let marks = format!("{marks} {}", inner.marks);
            return Some(Line { text: inner.text, depth: depth.saturating_add(inner.depth), marks, ..Line::default() });
        }
        let text = text.strip_prefix(' ').unwrap_or(text);
        Some(Line { text: text.to_owned(), depth, marks: marks.to_owned(), ..Line::default() })
    }
}

/// Lines with the same unusual mark, two or more in a row but for empty and quoted lines, are quoted. Blanks before a
/// mark make one for customers alone: no client of agents writes so, and what an agent indents would not be sent.
pub fn mark_unusual(lines: &mut [Line], strict: bool) {
    let indent_max = if strict { 0 } else { INDENT_MAX };
    let mut found: Vec<(usize, usize)> = Vec::new();
    let mut last: Option<(usize, &str, usize)> = None;
    let mut indented = false;
    for (index, line) in lines.iter().enumerate().filter(|(_, l)| l.depth == 0 && !l.text.trim().is_empty()) {
        let mark = line.unusual_mark(indent_max).map(|(initials, length)| (index, initials, length));
        if let (Some((before, of_before, length_before)), Some((_, initials, length))) = (last, mark)
            && (of_before == initials || (line.text.starts_with([' ', '\t']) && indented))
        {
            if found.last().is_none_or(|(at, _)| *at != before) {
                found.push((before, length_before));
            }
            found.push((index, length));
        }
        last = mark;
        indented = line.text.starts_with([' ', '\t']);
    }
    for (index, length) in found {
        if let Some(line) = lines.get_mut(index)
            && let Some(quoted) = line.quoted_from(length)
        {
            *line = quoted;
        }
    }
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
    /// A provider's.
    Banner,
}

/// Characters of a line that a client may have broken.
const LONG_LINE: usize = 65;

/// The classes of all lines.
pub(super) fn classify(lines: &[Line], reader: &Reader<'_>) -> Vec<Class> {
    let mut classes: Vec<Class> = lines.iter().map(|l| if l.depth > 0 { Class::Quote } else { Class::Words }).collect();
    let below = frames(lines, &mut classes, reader);
    if let Some(at) = classes.iter().position(|c| *c == Class::Frame).filter(|_| reader.keeps_forwarded()) {
        forwarded(lines, &mut classes, reader, at);
        if let (Some(lines), Some(classes)) = (lines.get(..at), classes.get_mut(..at)) {
            signatures(lines, classes, reader.is_strict());
        }
        return classes;
    }
    known_lines(lines, &mut classes, reader, below);
    if !reader.is_strict() {
        wrapped_quotes(lines, &mut classes);
    }
    signatures(lines, &mut classes, reader.is_strict());
    classes
}

/// What a customer forwards is what they want to show: from its frame on all is kept but what we know.
fn forwarded(lines: &[Line], classes: &mut [Class], reader: &Reader<'_>, from: usize) {
    for (line, class) in lines.iter().zip(classes.iter_mut()).skip(from) {
        *class = match (is_marker(&line.text), reader.knows(&line.text)) {
            (true, _) => Class::Frame,
            (_, true) => Class::Quote,
            _ => Class::Words,
        };
    }
}

/// Gives a line its class.
pub fn set(classes: &mut [Class], index: usize, class: Class) {
    if let Some(slot) = classes.get_mut(index) {
        *slot = class;
    }
}

/// The first line with text from here on.
pub fn first_text(lines: &[Line], from: usize) -> Option<&Line> {
    lines.iter().skip(from).find(|l| !l.text.trim().is_empty())
}

/// The end of a long quoted line that a client broke without a mark: one line that goes on in small letters, or the
/// rest of a link.
fn wrapped_quotes(lines: &[Line], classes: &mut [Class]) {
    for (index, three) in lines.windows(3).enumerate() {
        let [before, line, after] = three else {
            continue;
        };
        if line.depth > 0 || before.depth == 0 || after.depth == 0 {
            continue;
        }
        let ended = before.text.trim_end().ends_with(['.', '?', '!', ':', '。', '？', '！']);
        let long = before.text.chars().count() >= LONG_LINE && !ended;
        let goes_on = long && line.text.chars().next().is_some_and(char::is_lowercase);
        if goes_on || is_rest_of_link(&before.text, &line.text) {
            set(classes, index.saturating_add(1), Class::Quote);
        }
    }
}

/// One word that closes the bracket which the line before opened round a link.
fn is_rest_of_link(before: &str, line: &str) -> bool {
    let open = |opens: char, closes: char| {
        let (_, inside) = before.rsplit_once(opens).unwrap_or_default();
        inside.contains("://") && !inside.contains([closes, ' ']) && line.ends_with(closes) && !line.contains(opens)
    };
    !line.contains(' ') && (open('(', ')') || open('<', '>') || open('[', ']'))
}

fn is_command_like(text: &str) -> bool {
    let text = text.trim_start();
    text.strip_prefix('#').is_some_and(|rest| rest.starts_with(char::is_alphabetic))
}

/// Unmarked lines that we know are quotes; below a frame, what we do not know is quote for customers, and in
/// doubt for agents who have words elsewhere.
fn known_lines(lines: &[Line], classes: &mut [Class], reader: &Reader<'_>, below: Option<Below>) {
    let strict = reader.is_strict();
    let firm = below.is_some_and(|from| from.firm);
    let nothing_known = reader.ours.is_empty() && reader.shared.is_empty();
    let words_above = below.is_some_and(|from| {
        lines.iter().zip(classes.iter()).take(from.at).any(|(l, c)| *c == Class::Words && !l.text.trim().is_empty())
    });
    let below = below.filter(|from| !from.marked || (strict && words_above));
    // a frame in a case above words of which the case holds none: somebody else's mail, which its author pasted
    let foreign = !strict
        && !nothing_known
        && below.is_some_and(|from| !lines.iter().skip(from.at.saturating_add(1)).any(|l| reader.knows(&l.text)));
    if let Some(from) = below.filter(|_| foreign) {
        let frame = classes.iter_mut().zip(lines).skip(from.at).filter(|(class, _)| **class == Class::Frame);
        frame.filter(|(_, line)| !is_marker(&line.text)).for_each(|(class, _)| *class = Class::Words);
    }
    for (index, line) in lines.iter().enumerate() {
        let unmarked = line.depth == 0 && classes.get(index) == Some(&Class::Words) && !line.text.trim().is_empty();
        let inside = below.is_some_and(|from| index > from.at);
        if !unmarked {
            continue;
        }
        if strict && is_command_like(&line.text) {
            // nobody quotes a command; an agent who writes one below an unmarked quote means it (R41)
            set(classes, index, Class::Words);
            continue;
        }
        let known = reader.knows(&line.text);
        let class = match (known, inside) {
            (true, true) => Class::Quote,
            // what only agents have seen, outside of any frame: pasted, or a client that does not mark quotes
            (true, false) if strict && !reader.shared.holds(&line.text) && !is_short(&line.text) => Class::Doubtful,
            (_, false) => Class::Words,
            (false, true) if strict && !words_above => Class::Words,
            (false, true) if strict => Class::Doubtful,
            (false, true) if (words_above && !foreign) || (nothing_known && firm) => Class::Quote,
            (false, true) => Class::Words,
        };
        set(classes, index, class);
    }
}
