//! Lines and their classes.
//!
//! Decides   for each line whether it is words, quote, attribution, separator, signature, marker or in doubt,
//!           by its depth, its shape and what is known; one rule for text and HTML, customers and agents.

use super::frames::{Below, frames};
use super::known::{Shingles, is_short};
use super::signature::signatures;

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

/// Characters of a line that a client may have broken.
const LONG_LINE: usize = 65;

/// The classes of all lines. `strict`: an agent's mail, in which unknown lines below a frame are in doubt.
#[must_use]
pub fn classify(lines: &[Line], ours: &Shingles, shared: &Shingles, strict: bool) -> Vec<Class> {
    let mut classes: Vec<Class> = lines.iter().map(|l| if l.depth > 0 { Class::Quote } else { Class::Words }).collect();
    let below = frames(lines, &mut classes, ours, shared);
    known_lines(lines, &mut classes, ours, shared, below, strict);
    if !strict {
        wrapped_quotes(lines, &mut classes);
    }
    signatures(lines, &mut classes);
    classes
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

/// The end of a long quoted line that a client broke without a mark: one line that goes on in small letters.
fn wrapped_quotes(lines: &[Line], classes: &mut [Class]) {
    for (index, three) in lines.windows(3).enumerate() {
        let [before, line, after] = three else {
            continue;
        };
        let goes_on = line.text.chars().next().is_some_and(char::is_lowercase);
        if line.depth == 0 && before.depth > 0 && after.depth > 0 && goes_on && before.text.chars().count() >= LONG_LINE
        {
            set(classes, index.saturating_add(1), Class::Quote);
        }
    }
}

fn is_command_like(text: &str) -> bool {
    let text = text.trim_start();
    text.strip_prefix('#').is_some_and(|rest| rest.starts_with(char::is_alphabetic))
}

/// Unmarked lines that we know are quotes; below a frame, what we do not know is quote for customers, and in
/// doubt for agents who have words elsewhere.
fn known_lines(
    lines: &[Line],
    classes: &mut [Class],
    ours: &Shingles,
    shared: &Shingles,
    below: Option<Below>,
    strict: bool,
) {
    let firm = below.is_some_and(|from| from.firm);
    let nothing_known = ours.is_empty() && shared.is_empty();
    let words_above = below.is_some_and(|from| {
        lines.iter().zip(classes.iter()).take(from.at).any(|(l, c)| *c == Class::Words && !l.text.trim().is_empty())
    });
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
        let known = ours.holds(&line.text) || shared.holds(&line.text);
        let class = match (known, inside) {
            (true, true) => Class::Quote,
            // what only agents have seen, outside of any frame: pasted, or a client that does not mark quotes
            (true, false) if strict && !shared.holds(&line.text) && !is_short(&line.text) => Class::Doubtful,
            (_, false) => Class::Words,
            (false, true) if strict && !words_above => Class::Words,
            (false, true) if strict => Class::Doubtful,
            (false, true) if words_above || (nothing_known && firm) => Class::Quote,
            (false, true) => Class::Words,
        };
        set(classes, index, class);
    }
}
