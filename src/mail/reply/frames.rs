//! What stands between the author's words and a quote: attributions, header blocks, separators, titles, markers.
//!
//! Decides   which lines are such a frame, and where a quote without marks begins.
//! Follows   the habits of real clients in many languages; RFC 3676 section 4 for marks.
//! Never     takes a line for an attribution by one word alone: it needs a date or an address too, or a quote below.

use super::attributions::{self, ATTRIBUTION_CHARS_MAX, attribution};
use super::lines::{Class, Line, first_text, set};
use super::vocabulary::{ABOVE, EARLIER, FORWARDED, FROM_LABELS, ORIGINAL, OTHER_LABELS, SENT_LABELS, SUBJECT_LABELS};
use super::{Reader, is_marker, names_us};

/// Octets of a label at most.
const LABEL_BYTES_MAX: usize = 60;
/// Octets of a note of what was left out, at most.
const OMISSION_BYTES_MAX: usize = 40;
/// Characters of a ruler at least.
const RULER_CHARS_MIN: usize = 3;
/// Dashes on each side of a word that says little by itself, at least.
const DASHES_MIN: usize = 6;
/// Lines of a header block at most.
const BLOCK_LINES_MAX: usize = 12;

/// Where a quote without marks begins.
#[derive(Debug, Clone, Copy)]
pub struct Below {
    /// The line of its frame.
    pub at: usize,
    /// The frame says itself that another's mail follows: a separator, or our marker.
    pub firm: bool,
    /// What follows it is quoted with marks.
    pub marked: bool,
}

/// Marks attributions, header blocks and markers; returns where an unmarked quote begins, if one does.
pub(super) fn frames(lines: &[Line], classes: &mut [Class], reader: &Reader<'_>) -> Option<Below> {
    let mut below: Option<Below> = None;
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| !line.text.trim().is_empty()) {
        let next = lines.get(index.saturating_add(1)).map(|l| l.text.as_str()).unwrap_or_default();
        let broken = || names_us(&line.text) && !is_marker(next) && is_marker(&format!("{} {next}", line.text));
        let marker = is_marker(&line.text) || broken();
        if marker {
            set(classes, index, Class::Frame);
        }
        if line.depth > 0 {
            continue;
        }
        let firm = marker || is_original(lines, index) || says_above(&line.text) || is_title_of_earlier(lines, index);
        if firm || header_block(lines, index) {
            set(classes, index, Class::Frame);
            if !marker {
                frame_block(lines, classes, index);
            }
            below = below.or(Some(Below { at: index, firm, marked: false }));
        } else if classes.get(index) == Some(&Class::Words)
            && let Some(length) = attribution(lines, index, reader)
        {
            for offset in 0..length {
                set(classes, index.saturating_add(offset), Class::Frame);
            }
            ruler_before(lines, classes, index);
            if first_quoted(lines, index.saturating_add(length)).is_some_and(|l| l.depth == 0) {
                below = below.or(Some(Below { at: index, firm: false, marked: false }));
            }
        }
    }
    below.map(|from| Below { marked: marked_after(lines, classes, from.at), ..from })
}

/// The first line with text from here on that does not stand for what its author left out.
fn first_quoted(lines: &[Line], from: usize) -> Option<&Line> {
    lines.iter().skip(from).find(|l| !l.text.trim().is_empty() && !is_omission(&l.text))
}

/// `[...]`, `<snip>`
fn is_omission(text: &str) -> bool {
    let text = text.trim();
    let inside = [('[', ']'), ('<', '>'), ('(', ')'), ('{', '}')]
        .iter()
        .find_map(|(opens, closes)| text.strip_prefix(*opens)?.strip_suffix(*closes));
    inside.is_some_and(|words| words.len() <= OMISSION_BYTES_MAX && !words.contains(['@', '/']))
        || text.chars().all(|c| matches!(c, '.' | '…' | '-' | '*' | ' '))
}

/// Is the first line with text after a frame quoted with marks?
fn marked_after(lines: &[Line], classes: &[Class], frame: usize) -> bool {
    let after = lines.iter().zip(classes).skip(frame);
    let mut quoted = after.filter(|(line, class)| **class != Class::Frame && !line.text.trim().is_empty());
    quoted.find(|(line, _)| line.depth > 0 || !is_omission(&line.text)).is_some_and(|(line, _)| line.depth > 0)
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

/// What rulers are made of.
pub(super) const RULES: [char; 13] = ['_', '-', '=', '*', '‐', '‑', '‒', '–', '—', '―', '─', '━', '＿'];

fn is_ruler(text: &str) -> bool {
    let text = text.trim();
    text.chars().count() >= RULER_CHARS_MIN && text.chars().all(|c| RULES.contains(&c))
}

/// `-----Original Message-----`, `Begin forwarded message:` in many languages; without dashes only if it is nothing
/// else, or a header block follows.
fn is_original(lines: &[Line], index: usize) -> bool {
    let text = lines.get(index).map(|l| l.text.trim()).unwrap_or_default();
    if text.is_empty() || text.len() > ATTRIBUTION_CHARS_MAX {
        return false;
    }
    let core = unruled(text);
    let ruled = text.chars().take_while(|c| RULES.contains(c)).count() >= 2;
    let labelled = || first_text(lines, index.saturating_add(1)).is_some_and(|l| kind_of(&l.text).is_some());
    let alone = || {
        core.strip_suffix([':', '：']).is_some_and(|colon| {
            let colon = colon.trim_end().to_lowercase();
            ORIGINAL.iter().chain(FORWARDED).any(|w| *w == colon)
        })
    };
    if is_between_dashes(text) && core.eq_ignore_ascii_case("original") && labelled() {
        return true;
    }
    // the words come last: there are many
    (ruled || alone() || (core.chars().count() <= 60 && labelled())) && names_original(text)
}

/// `------------------ Original ------------------`
fn is_between_dashes(text: &str) -> bool {
    let dashes = |chars: &mut dyn Iterator<Item = char>| chars.take_while(|c| *c == '-').count() >= DASHES_MIN;
    dashes(&mut text.chars()) && dashes(&mut text.chars().rev())
}

/// `*Previous Replies*` below a ruler, or between two.
fn is_title_of_earlier(lines: &[Line], index: usize) -> bool {
    let text = lines.get(index).map(|l| l.text.trim()).unwrap_or_default();
    let title = unruled(text).trim_matches(['*', '_', '#', ':', ' ']);
    if title.is_empty() || title.len() > LABEL_BYTES_MAX {
        return false;
    }
    let ruled = |text: &str| text.chars().take_while(|c| RULES.contains(c)).count() >= 3;
    let above = || {
        (0..index).rev().take(2).filter_map(|i| lines.get(i)).find(|l| !l.text.trim().is_empty()).map(|l| l.text.trim())
    };
    (ruled(text) || above().is_some_and(ruled)) && EARLIER.contains(&title.to_lowercase().as_str())
}

/// Does a line begin with words for an original or a forwarded mail, rulers apart?
#[must_use]
pub fn names_original(text: &str) -> bool {
    let lower = unruled(text).to_lowercase();
    ORIGINAL.iter().chain(FORWARDED).any(|w| lower.starts_with(w))
}

fn unruled(text: &str) -> &str {
    text.trim_matches(|c: char| c == '>' || RULES.contains(&c) || c.is_whitespace())
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

/// The label of a line, lower case.
fn label_of(text: &str) -> Option<String> {
    let text = text.trim().trim_start_matches(['*', '|', '>']).trim_start();
    let (label, _) = text.split_once([':', '：'])?;
    let label = label.trim().trim_end_matches('*').trim();
    (label.len() <= LABEL_BYTES_MAX).then(|| label.to_lowercase())
}

fn kind_of(text: &str) -> Option<Label> {
    let label = label_of(text)?;
    if FROM_LABELS.contains(&label.as_str()) {
        Some(Label::From)
    } else if [OTHER_LABELS, SENT_LABELS, SUBJECT_LABELS].iter().any(|labels| labels.contains(&label.as_str())) {
        Some(Label::Other)
    } else {
        None
    }
}

/// Lines that label author, date, recipient and subject, one below the other.
#[must_use]
pub fn header_block(lines: &[Line], index: usize) -> bool {
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
    let dated = |text: &str| text.chars().filter(|c| c.is_numeric()).count() >= 6;
    if first == Label::From {
        let lower = line.text.to_lowercase();
        let next = after.first().copied().unwrap_or_default();
        let others = kinds.iter().filter(|k| **k == Label::Other).count();
        let says = |text: &str, labels: &[&str]| label_of(text).is_some_and(|l| labels.contains(&l.as_str()));
        let left_out = |t: &str| t.split_once([':', '：']).is_some_and(|(_, v)| !v.contains(char::is_alphanumeric));
        let sent = says(next, SENT_LABELS) && (line.text.contains('@') || dated(next) || left_out(next));
        // people write where a journey goes from and to, and when; a mail has an address or the minute besides
        let of_mail = || {
            let stamped = |t: &str| dated(t) && attributions::has_time(t);
            line.text.contains('@') || after.iter().any(|t| kind_of(t).is_some() && (t.contains('@') || stamped(t)))
        };
        let date_next = run >= 1 && line.text.contains('@') && dated(next);
        let in_one = line.text.contains('@') && (lower.contains(" date: ") || lower.contains(" sent: "));
        return (others >= 2 && of_mail()) || sent || date_next || in_one;
    }
    let from_follows = after.iter().take(run).any(|t| kind_of(t) == Some(Label::From));
    let addressed = dated(&line.text) && after.iter().take(run).any(|t| t.contains('@'));
    (run >= 2 && from_follows) || (run >= 1 && addressed) || (run >= 1 && from_follows && dated(&line.text))
}
