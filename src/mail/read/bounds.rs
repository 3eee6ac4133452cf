//! What of a mail's octets is parsed.
//!
//! Decides   where a header ends that is too long, and which mail is too deep or has too many parts to be taken apart: of
//!           such a mail the header is read, and its body is shown as it stands.
//! Follows   RFC 5322 section 2.1 (header and body), RFC 2046 section 5.1.1 (delimiter lines).
//! Never     looks at an octet more than a few times.

use std::borrow::Cow;

use super::{charset, words};
use crate::limits::{DELIMITER_LINES_MAX, HEADER_BYTES_MAX, NESTED_MESSAGES_MAX};

/// Octets in which a charset may be declared, for header fields that declare none.
const HINT_BYTES_MAX: usize = 65_536;

/// Octets that may be parsed.
pub struct Bounded<'a> {
    /// The mail: as it came, or with a shorter or a re-coded header.
    pub raw: Cow<'a, [u8]>,
    /// Only the header may be parsed.
    pub header_only: bool,
    /// What was cut.
    pub remarks: Vec<String>,
}

/// Looks at a mail before it is parsed.
pub fn bounded(raw: &[u8]) -> Bounded<'_> {
    let mut remarks = Vec::new();
    let mut bounded = Cow::Borrowed(raw);
    let end = header_end(raw);
    let header = raw.get(..end).unwrap_or_default();
    if header.len() > HEADER_BYTES_MAX {
        remarks.push(format!("its header is longer than {HEADER_BYTES_MAX} octets; the rest was not read"));
        let kept = header.get(..HEADER_BYTES_MAX).unwrap_or_default();
        let line = kept.iter().rposition(|b| *b == b'\n').map_or(0, |at| at.saturating_add(1));
        bounded = [kept.get(..line).unwrap_or_default(), b"\r\n", raw.get(end..).unwrap_or_default()].concat().into();
    } else if std::str::from_utf8(header).is_err() {
        let hint = charset::named(raw.get(..HINT_BYTES_MAX).unwrap_or(raw)).filter(|h| !charset::is_latin(h));
        bounded = [legible(header, hint.as_deref()).as_slice(), raw.get(end..).unwrap_or_default()].concat().into();
    }
    let end = header_end(&bounded);
    if let Some(padded) = words::padded(bounded.get(..end).unwrap_or_default()) {
        bounded = [padded.as_slice(), bounded.get(end..).unwrap_or_default()].concat().into();
    }
    let too_deep = announcements(&bounded) > NESTED_MESSAGES_MAX;
    let too_many = delimiter_lines(&bounded) > DELIMITER_LINES_MAX;
    if too_deep {
        remarks.push(
            "it holds more messages inside messages than can be taken apart; it is shown as it stands".to_owned(),
        );
    } else if too_many {
        remarks.push("it has more parts than can be taken apart; it is shown as it stands".to_owned());
    }
    Bounded { raw: bounded, header_only: too_deep || too_many, remarks }
}

/// A header in UTF-8. Each line is looked at alone: one server's Latin-1 stands beside another's UTF-8.
fn legible(header: &[u8], hint: Option<&str>) -> Vec<u8> {
    let lines = header.split_inclusive(|b| *b == b'\n');
    let decoded = |line: &[u8]| match std::str::from_utf8(line) {
        Ok(_) => line.to_vec(),
        Err(_) => charset::text(&words::escaped(line), None, hint).into_owned().into_bytes(),
    };
    lines.flat_map(decoded).collect()
}

/// What follows the header.
pub fn body(raw: &[u8]) -> &[u8] {
    let rest = raw.get(header_end(raw)..).unwrap_or_default();
    rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n")).unwrap_or(rest)
}

/// Where the empty line after the header begins; the end if there is none.
fn header_end(raw: &[u8]) -> usize {
    let mut at = 0usize;
    for line in raw.split_inclusive(|b| *b == b'\n') {
        if matches!(line, b"\n" | b"\r\n") {
            break;
        }
        at = at.saturating_add(line.len());
    }
    at
}

/// Announcements of a message inside a message; the parser goes down into each, on the stack.
fn announcements(raw: &[u8]) -> usize {
    let announces = |window: &[u8]| {
        window.eq_ignore_ascii_case(b"message/rfc822") || window.eq_ignore_ascii_case(b"message/global")
    };
    memchr::memchr_iter(b'/', raw)
        .filter(|at| at.checked_sub(7).and_then(|from| raw.get(from..at.saturating_add(7))).is_some_and(announces))
        .take(NESTED_MESSAGES_MAX.saturating_add(1))
        .count()
}

/// Lines that may part a multipart.
fn delimiter_lines(raw: &[u8]) -> usize {
    memchr::memmem::find_iter(raw, b"\n--").take(DELIMITER_LINES_MAX.saturating_add(1)).count()
}
