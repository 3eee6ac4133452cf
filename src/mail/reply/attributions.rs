//! Attributions: the lines in which a client says who wrote what is quoted below.
//!
//! Decides   where one begins and ends, however it is broken, and how sure that is.
//! Follows   the habits of real clients in many languages.
//! Never     takes a line for one by one word alone: it needs a date with a time, or an address, or a quote below; what
//!           people say of letters of their own is none. What stands before it in the same paragraph is words.

use super::frames::RULES;
use super::lines::{Line, first_text};
use super::vocabulary::{OPENERS, QUOTING, SELF, WROTE, YOU};
use super::{Reader, is_marker};

/// Lines of one attribution at most.
const ATTRIBUTION_LINES_MAX: usize = 6;
/// Characters of one attribution at most.
pub(super) const ATTRIBUTION_CHARS_MAX: usize = 400;
/// Octets and words of the beginning of one that is broken, at most.
const HEAD_BYTES_MAX: usize = 120;
const HEAD_WORDS_MAX: usize = 12;
/// Words of a line that says whose words are quoted, at most.
const QUOTING_WORDS_MAX: usize = 6;

/// How sure an attribution is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sure {
    /// By itself.
    Strong,
    /// If a quote follows, known words, or nothing.
    Weak,
    /// Only if lines with quote marks follow.
    Marked,
}

/// The number of lines of an attribution that begins here. One that is not sure by itself must be followed by a
/// quote, a frame, known words, or nothing.
pub(super) fn attribution(lines: &[Line], index: usize, reader: &Reader<'_>) -> Option<usize> {
    let first = lines.get(index)?.text.trim();
    if first.is_empty() {
        return None;
    }
    let dated = begins(first) && digits(first) >= 5;
    let may_wrap = may_wrap(lines, index);
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
        joined.push(' ');
        joined.push_str(text);
        let Some(sure) = sure(&joined) else {
            continue;
        };
        if (1..length).any(|words| begins_later(lines, index, words, length)) {
            return None;
        }
        let next = first_text(lines, at.saturating_add(1));
        let follows = match sure {
            Sure::Strong => true,
            Sure::Weak => next.is_none_or(|l| l.depth > 0 || is_marker(&l.text) || reader.knows(&l.text)),
            Sure::Marked => next.is_some_and(|l| l.depth > 0),
        };
        if follows {
            return Some(length);
        }
    }
    None
}

/// May this line be the first of several of an attribution?
fn may_wrap(lines: &[Line], index: usize) -> bool {
    let first = lines.get(index).map(|l| l.text.trim()).unwrap_or_default();
    let alone = index.checked_sub(1).and_then(|i| lines.get(i)).is_none_or(|l| l.text.trim().is_empty());
    let ended = first.ends_with(['.', ',', '!', '?', ':', ';']);
    (alone && !ended) || begins(first) || first.contains(['@', '<']) || digits(first) >= 3 || first.contains(" via ")
}

/// Are so many of these lines words, and the rest an attribution by itself? It is not, where the former begin one.
fn begins_later(lines: &[Line], index: usize, words: usize, length: usize) -> bool {
    let joined = |from: usize, count: usize| {
        let texts: Vec<&str> = lines.iter().skip(from).take(count).map(|l| l.text.trim()).collect();
        texts.join(" ")
    };
    let rest = joined(index.saturating_add(words), length.saturating_sub(words));
    sure(&rest).is_some() && (opens(&rest) || !is_head(&joined(index, words)))
}

/// Does it look like the beginning of an attribution: a date first, or a name with an address and little else?
fn is_head(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    let year = words.iter().any(|w| {
        w.split(|c: char| !c.is_ascii_digit()).any(|n| n.len() == 4 && (n.starts_with("19") || n.starts_with("20")))
    });
    let date_first = year && digits(text) >= 5 && words.iter().take(3).any(|w| digits(w) > 0);
    let named = text.contains('<') && text.contains('@') && words.len() <= HEAD_WORDS_MAX;
    text.len() <= HEAD_BYTES_MAX
        && !text.ends_with(['!', '?'])
        && ((opens(text) && digits(text) > 0) || date_first || named)
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
    WROTE.iter().filter_map(|word| word_at(text, word)).max()
}

/// Where this word stands last, if no letters touch it; scripts without spaces apart.
fn word_at(text: &str, word: &str) -> Option<usize> {
    let at = text.rfind(word)?;
    let glued = |c: Option<char>| c.is_some_and(|c| c.is_alphabetic() && c < '\u{2e80}');
    let before = text.get(..at).and_then(|t| t.chars().next_back());
    let after = text.get(at.saturating_add(word.len())..).and_then(|t| t.chars().next());
    (!glued(before) && !glued(after)).then_some(at)
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
    if wrote.is_some() && SELF.iter().any(|own| word_at(&lower, own).is_some()) {
        return None;
    }
    let numbers = digits(text);
    if let Some(at) = wrote {
        let near = lower.get(at..).is_some_and(|rest| rest.chars().count() <= 170);
        let addressed = text.contains('@') && (numbers >= 3 || text.contains('<') || ruled);
        let by_client = has_time(&lower) || text.contains('@') || YOU.iter().any(|you| word_at(&lower, you).is_some());
        if near && ((numbers >= 5 && by_client) || addressed || (ruled && at > 0)) {
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
    if is_quoting(head) {
        return Some(Sure::Marked);
    }
    ((wrote.is_some() && (names || opens(head))) || dated).then_some(Sure::Weak)
}

/// `Quoting Jane Doe <jane@mail.example>`: a name, its address, and nothing else.
fn is_quoting(head: &str) -> bool {
    let words: Vec<&str> = head.split_whitespace().collect();
    let lower = head.to_lowercase();
    words.len() <= QUOTING_WORDS_MAX
        && words.last().is_some_and(|last| last.contains('@'))
        && QUOTING.iter().any(|q| lower.starts_with(q))
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

/// `14:41`, `kl. 14.41`, `24.11.2026 14.41`
pub(super) fn has_time(text: &str) -> bool {
    let of_day = |rest: &str| rest.trim_start().starts_with(|c: char| c.is_ascii_digit());
    text.as_bytes()
        .windows(4)
        .any(|w| matches!(w, [a, b':', c, d] if a.is_ascii_digit() && c.is_ascii_digit() && d.is_ascii_digit()))
        || [" kl.", " kl ", " klo "].iter().any(|word| text.split_once(word).is_some_and(|(_, rest)| of_day(rest)))
        || text
            .split_whitespace()
            .zip(text.split_whitespace().skip(1))
            .any(|(day, time)| is_date(day) && is_dotted(time))
}

/// `24.11.2026`
fn is_date(text: &str) -> bool {
    let numbers: Vec<&str> = text.split(['.', '/', '-']).collect();
    numbers.len() == 3
        && (5..=8).contains(&digits(text))
        && numbers.iter().all(|n| !n.is_empty() && digits(n) == n.len())
}

/// `14.41,`: what a comma ends, for a price has its currency behind it.
fn is_dotted(text: &str) -> bool {
    let numbers = text.strip_suffix(',').and_then(|time| time.split_once('.'));
    numbers.is_some_and(|(hour, minute)| {
        let below = |number: &str, end: u8| number.parse::<u8>().is_ok_and(|n| n < end);
        (1..=2).contains(&hour.len()) && minute.len() == 2 && below(hour, 24) && below(minute, 60)
    })
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
                let words = words.trim_end().trim_end_matches(RULES).to_owned();
                split.push(Line { text: words, ..Line::default() });
                split.push(Line { text: frame.to_owned(), ..Line::default() });
            }
            _ => split.push(line.clone()),
        }
    }
    split
}
