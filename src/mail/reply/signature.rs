//! Signatures, and what phones write under a letter.
//!
//! Decides   which lines at the end of somebody's words are a signature.
//! Follows   RFC 3676 section 4.3, habits of mail clients.
//! Never     takes a sentence for one: in doubt a line stays with the words.

use super::lines::{Class, Line, set};
use super::vocabulary::MOBILE;

/// Lines of a signature after `---` at most.
const SIGNATURE_LINES_MAX: usize = 8;
/// Octets of a line that a phone writes.
const PHONE_BYTES_MAX: usize = 140;
/// Words of a line that a phone writes.
const PHONE_WORDS_MAX: usize = 14;

/// What a plug-in that tracks mail leaves at its end.
const TRACKED: &str = "ᐧ";

/// `-- ` and what follows it up to a quote or frame; `---` before a short end; what phones and lists write.
pub fn signatures(lines: &[Line], classes: &mut [Class]) {
    let mut index = 0usize;
    while index < lines.len() {
        if classes.get(index) != Some(&Class::Words) {
            index = index.saturating_add(1);
            continue;
        }
        let is_words = |i: &usize| classes.get(*i) == Some(&Class::Words);
        let end = (index..lines.len()).find(|i| !is_words(i)).unwrap_or(lines.len());
        if let Some(start) = start_of(lines, index, end) {
            for slot in start..end {
                set(classes, slot, Class::Signature);
            }
        }
        index = end;
    }
}

/// Where in these lines a signature begins.
fn start_of(lines: &[Line], from: usize, end: usize) -> Option<usize> {
    let text = |i: usize| lines.get(i).map(|l| l.text.as_str()).unwrap_or_default();
    let delimiter = (from..end).find(|i| text(*i) == "-- " || text(*i).trim_end() == "--");
    let mut left = 0usize;
    let mut addressed = false;
    let mut start = None;
    for i in (from..delimiter.unwrap_or(end)).rev() {
        let line = text(i).trim();
        let short = left <= SIGNATURE_LINES_MAX;
        let listed = line.len() >= 10 && line.chars().all(|c| c == '_') && addressed;
        if short && (matches!(line, "---" | "----" | "__") || listed) {
            start = Some(i);
        }
        if !line.is_empty() {
            left = left.saturating_add(1);
            addressed = addressed || line.contains("://") || line.contains('@');
        }
        if left > SIGNATURE_LINES_MAX {
            break;
        }
    }
    let mut start = start.or(delimiter);
    // Upwards from there: what phones write, and a name after a dash.
    for i in (from..start.unwrap_or(end)).rev() {
        let line = text(i).trim();
        let above = i.checked_sub(1).map(|a| text(a).trim());
        if is_phone(line) || (above.is_some_and(str::is_empty) && i > from && is_dashed_name(line)) {
            start = Some(i);
        } else if !line.is_empty() {
            break;
        }
    }
    start
}

/// `Sent from my phone`, in many languages; no sentence.
fn is_phone(line: &str) -> bool {
    if line.is_empty() || line.len() > PHONE_BYTES_MAX {
        return false;
    }
    if line == TRACKED {
        return true;
    }
    let lower = line.trim_matches(|c: char| matches!(c, '(' | ')' | '<' | '>' | '*' | '_' | '[' | ']')).to_lowercase();
    let sentence = [" is ", " was ", " are ", " i ", " ist ", " war ", " est "].iter().any(|w| lower.contains(w));
    !sentence
        && !lower.ends_with([':', '?'])
        && lower.split_whitespace().count() <= PHONE_WORDS_MAX
        && MOBILE.iter().any(|m| lower.starts_with(m))
}

/// `-Jane Doe`
fn is_dashed_name(line: &str) -> bool {
    let Some(name) = line.strip_prefix('-').filter(|n| n.starts_with(char::is_alphabetic)) else {
        return false;
    };
    let words: Vec<&str> = name.split(' ').collect();
    words.len() <= 3
        && words.iter().all(|w| {
            w.starts_with(char::is_uppercase) && w.chars().all(|c| c.is_alphabetic() || matches!(c, '.' | '-' | '\''))
        })
}
