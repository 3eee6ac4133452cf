//! What stands between the author's words and a quote: attributions, header blocks, separators, markers.
//!
//! Decides   which lines are such a frame, and where a quote without marks begins.
//! Follows   the habits of real clients in many languages; RFC 3676 section 4 for marks.
//! Never     takes a line for an attribution by one word alone: it needs a date or an address too, or a quote below.

use super::lines::{Class, Line, first_text, set};
use super::vocabulary::{
    ABOVE, FORWARDED, FROM_LABELS, OPENERS, ORIGINAL, OTHER_LABELS, SENT_LABELS, SUBJECT_LABELS, WROTE,
};
use super::{Reader, is_marker, names_us};

/// Lines of one attribution at most.
const ATTRIBUTION_LINES_MAX: usize = 6;
/// Characters of one attribution at most.
const ATTRIBUTION_CHARS_MAX: usize = 400;
/// Octets of a label at most.
const LABEL_BYTES_MAX: usize = 60;
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

/// How sure an attribution is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sure {
    /// By itself.
    Strong,
    /// If a quote follows.
    Weak,
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
        let firm = marker || is_original(lines, index) || says_above(&line.text);
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
            let first = first_text(lines, index.saturating_add(length));
            if first.is_some_and(|l| l.depth == 0) {
                below = below.or(Some(Below { at: index, firm: false, marked: false }));
            }
        }
    }
    below.map(|from| Below { marked: marked_after(lines, classes, from.at), ..from })
}

/// Is the first line with text after a frame quoted with marks?
fn marked_after(lines: &[Line], classes: &[Class], frame: usize) -> bool {
    let after = lines.iter().zip(classes).skip(frame);
    let first =
        after.filter(|(line, class)| **class != Class::Frame && !line.text.trim().is_empty()).map(|(line, _)| line);
    first.take(1).any(|line| line.depth > 0)
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

const RULES: [char; 13] = ['_', '-', '=', '*', '‐', '‑', '‒', '–', '—', '―', '─', '━', '＿'];

fn is_ruler(text: &str) -> bool {
    let text = text.trim();
    text.len() >= 4 && text.chars().all(|c| RULES.contains(&c))
}

/// `-----Original Message-----`, `Begin forwarded message:` in many languages; without dashes only if it is nothing
/// else, or a header block follows.
fn is_original(lines: &[Line], index: usize) -> bool {
    let text = lines.get(index).map(|l| l.text.trim()).unwrap_or_default();
    if text.is_empty() || text.len() > ATTRIBUTION_CHARS_MAX {
        return false;
    }
    if !names_original(text) {
        return false;
    }
    let core = unruled(text);
    let lower = core.to_lowercase();
    let ruled = text.chars().take_while(|c| RULES.contains(c)).count() >= 2;
    let labelled = || first_text(lines, index.saturating_add(1)).is_some_and(|l| kind_of(&l.text).is_some());
    let colon = lower.strip_suffix([':', '：']).map(str::trim_end);
    let alone = || colon.is_some_and(|c| ORIGINAL.iter().chain(FORWARDED).any(|w| *w == c));
    ruled || alone() || (core.chars().count() <= 60 && labelled())
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
    } else if OTHER_LABELS.contains(&label.as_str()) {
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
    let dated = |text: &str| text.chars().filter(char::is_ascii_digit).count() >= 6;
    if first == Label::From {
        let lower = line.text.to_lowercase();
        let next = after.first().copied().unwrap_or_default();
        let others = kinds.iter().filter(|k| **k == Label::Other).count();
        let says = |text: &str, labels: &[&str]| label_of(text).is_some_and(|l| labels.contains(&l.as_str()));
        let sent = says(next, SENT_LABELS);
        // people write where a journey goes from and to, and when; a mail has an address or a subject besides
        let of_mail = || {
            line.text.contains('@')
                || after.iter().any(|t| (t.contains('@') && kind_of(t).is_some()) || says(t, SUBJECT_LABELS))
        };
        let date_next = run >= 1 && line.text.contains('@') && dated(next);
        let in_one = line.text.contains('@') && (lower.contains(" date: ") || lower.contains(" sent: "));
        return (others >= 2 && of_mail()) || sent || date_next || in_one;
    }
    let from_follows = after.iter().take(run).any(|t| kind_of(t) == Some(Label::From));
    let addressed = dated(&line.text) && after.iter().take(run).any(|t| t.contains('@'));
    (run >= 2 && from_follows) || (run >= 1 && addressed) || (run >= 1 && from_follows && dated(&line.text))
}

/// The number of lines of an attribution that begins here. One that is not sure by itself must be followed by a
/// quote, a frame, known words, or nothing.
fn attribution(lines: &[Line], index: usize, reader: &Reader<'_>) -> Option<usize> {
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
        let fits =
            sure == Sure::Strong || next.is_none_or(|l| l.depth > 0 || is_marker(&l.text) || reader.knows(&l.text));
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
    if is_stamped(text) {
        return Some(Sure::Strong);
    }
    let may_end = text.ends_with([':', '：', '-', '>']);
    if !may_end && (!opens(text) || !text.contains('@')) {
        return None;
    }
    let ruled = text.starts_with("--") && text.ends_with("--") && text.chars().any(char::is_alphanumeric);
    let head = text.strip_suffix([':', '：']);
    let lower = text.to_lowercase();
    let wrote = (head.is_some() || ruled).then(|| wrote_at(&lower)).flatten();
    let numbers = digits(text);
    if let Some(at) = wrote {
        let near = lower.get(at..).is_some_and(|rest| rest.chars().count() <= 170);
        let addressed = text.contains('@') && (numbers >= 3 || text.contains('<') || ruled);
        if near && (numbers >= 5 || addressed || (ruled && at > 0)) {
            return Some(Sure::Strong);
        }
    }
    if opens(text) && text.contains('@') && numbers >= 6 && WROTE.iter().any(|w| lower.ends_with(w)) {
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

/// `2026-11-24 10:00 GMT+01:00 Jane Doe`: an old way of Gmail's, which needs no verb.
fn is_stamped(text: &str) -> bool {
    let mut words = text.split_whitespace();
    let (date, time, zone) = (words.next(), words.next(), words.next());
    let iso = date.is_some_and(|d| d.len() == 10 && digits(d) == 8 && d.split('-').count() == 3);
    iso && time.is_some_and(has_time)
        && zone.is_some_and(|z| z.starts_with("GMT+") || z.starts_with("GMT-"))
        && (1..=6).contains(&words.count())
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
                split.push(Line { text: words.to_owned(), ..Line::default() });
                split.push(Line { text: frame.to_owned(), ..Line::default() });
            }
            _ => split.push(line.clone()),
        }
    }
    split
}
