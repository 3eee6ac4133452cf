//! Signatures, and what phones write under a letter.
//!
//! Decides   which lines at the end of somebody's words are a signature.
//! Follows   RFC 3676 section 4.3, habits of mail clients.
//! Never     takes a sentence for one: in doubt a line stays with the words.

use super::lines::{Class, Line, set};
use super::vocabulary::{DEVICES, FROM_MY, OFFERS, SENT, SENT_AT_END, WHOLE};

/// Lines of a signature after `---` at most.
const SIGNATURE_LINES_MAX: usize = 8;
/// Lines of one after a ruler that follows the words without an empty line, at most.
const UNSPACED_LINES_MAX: usize = 2;
/// Words of a line that is a sentence, at least.
const PROSE_WORDS_MIN: usize = 9;
/// Octets of a line that a phone writes.
const PHONE_BYTES_MAX: usize = 140;
/// Words of a line that a phone writes.
const PHONE_WORDS_MAX: usize = 14;

/// What a plug-in that tracks mail leaves at its end.
const TRACKED: &str = "ᐧ";

/// `-- ` and what follows it up to a quote or frame; `---` before a short end; what phones and lists write.
/// A customer's short ruler must have a signature below it; an agent's is believed, for a disclaimer is not sent (R42).
pub fn signatures(lines: &[Line], classes: &mut [Class], strict: bool) {
    let mut index = 0usize;
    while index < lines.len() {
        if classes.get(index) != Some(&Class::Words) {
            index = index.saturating_add(1);
            continue;
        }
        let is_words = |i: &usize| classes.get(*i) == Some(&Class::Words);
        let end = (index..lines.len()).find(|i| !is_words(i)).unwrap_or(lines.len());
        if let Some(start) = start_of(lines, index, end, strict) {
            for slot in start..end {
                set(classes, slot, Class::Signature);
            }
        }
        index = end;
    }
}

/// Where in these lines a signature begins.
fn start_of(lines: &[Line], from: usize, end: usize, strict: bool) -> Option<usize> {
    let text = |i: usize| lines.get(i).map(|l| l.text.as_str()).unwrap_or_default();
    let delimiter = (from..end).find(|i| text(*i) == "-- " || text(*i).trim_end() == "--");
    let mut left = 0usize;
    let mut addressed = false;
    let mut prose = false;
    let mut start = None;
    let spaced = |i: usize| i.checked_sub(1).is_none_or(|above| text(above).trim().is_empty());
    for i in (from..delimiter.unwrap_or(end)).rev() {
        let line = text(i).trim();
        let short = left <= SIGNATURE_LINES_MAX;
        let listed = line.len() >= 10 && line.chars().all(|c| c == '_') && addressed;
        let signed = strict || (!prose && (left <= UNSPACED_LINES_MAX || spaced(i)));
        let ruled = matches!(line, "---" | "----" | "__") && signed;
        if short && (ruled || listed) {
            start = Some(i);
        }
        if !line.is_empty() {
            left = left.saturating_add(1);
            addressed = addressed || line.contains("://") || line.contains('@');
            prose = prose || (start.is_none() && is_prose(line));
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

/// A sentence, a footnote, or an item of a list: what a ruler parts, not what a signature holds.
fn is_prose(line: &str) -> bool {
    let words = line.split_whitespace().count();
    let contact = line.contains('@') || line.contains("://") || line.contains("www.");
    let footnote = line.starts_with('[') && line.chars().nth(1).is_some_and(|c| c.is_ascii_digit());
    let item = ["- ", "* ", "• "].iter().any(|bullet| line.starts_with(bullet)) && words > 1
        || line.split_once(['.', ')']).is_some_and(|(n, rest)| {
            (1..=2).contains(&n.len()) && n.chars().all(|c| c.is_ascii_digit()) && rest.starts_with(' ')
        });
    footnote || item || (!contact && (words >= PROSE_WORDS_MIN || (words >= 4 && line.ends_with(['.', '?', '!']))))
}

/// `Sent from my phone`, in many languages; no sentence.
fn is_phone(line: &str) -> bool {
    if line.is_empty() || line.len() > PHONE_BYTES_MAX {
        return false;
    }
    if line == TRACKED {
        return true;
    }
    let plain: String =
        unlinked(line).chars().filter(|c| !matches!(c, '(' | ')' | '<' | '>' | '*' | '_' | '[' | ']')).collect();
    let plain = plain.trim();
    let lower = plain.to_lowercase();
    let sentence = [" is ", " was ", " are ", " i ", " ist ", " war ", " est "].iter().any(|w| lower.contains(w));
    if sentence || lower.ends_with([':', '?']) || lower.split_whitespace().count() > PHONE_WORDS_MAX {
        return false;
    }
    let bare = lower.trim_end_matches(['.', '!', '。']);
    WHOLE.contains(&bare)
        || OFFERS.iter().any(|o| lower.starts_with(o))
        || (FROM_MY.iter().any(|o| lower.starts_with(o)) && SENT_AT_END.iter().any(|w| bare.ends_with(w)))
        || SENT.iter().any(|o| {
            lower.strip_prefix(o).is_some_and(|rest| names_device(rest) || plain.get(o.len()..).is_some_and(is_product))
        })
}

/// A line without the links in it.
fn unlinked(line: &str) -> String {
    let mut out = String::new();
    for word in line.split_inclusive(char::is_whitespace) {
        let link = ["http://", "https://"].iter().filter_map(|s| word.find(s)).min();
        out.push_str(link.and_then(|at| word.get(..at)).unwrap_or(word));
    }
    out
}

/// Is one of the things named that mail is sent with?
fn names_device(words: &str) -> bool {
    DEVICES.iter().any(|device| {
        if device.len() < 4 {
            words.split(|c: char| !c.is_alphanumeric()).any(|w| w == *device)
        } else {
            words.contains(device)
        }
    })
}

/// `my iMachine`, `Mailbird`: one or two words that are names, and no full stop.
fn is_product(rest: &str) -> bool {
    let mut words = rest.strip_prefix("my ").unwrap_or(rest).split_whitespace();
    let is_name = |w: &str| w.chars().any(char::is_uppercase) && w.chars().all(|c| c.is_alphanumeric() || c == '-');
    match (words.next(), words.next(), words.next()) {
        (Some(one), None, None) => is_name(one),
        (Some(first), Some(last), None) => is_name(first) && is_name(last),
        _ => false,
    }
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
