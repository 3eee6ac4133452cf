//! File names of parts.
//!
//! Decides   how a name reads that the parser could not: cut inside a character, in a charset with states, or in none.
//! Follows   RFC 2183 section 2.3, RFC 2231, RFC 2047 as clients use it here against its section 5.
//! Never     fails: the parser's reading is kept where nothing better is found.

use std::borrow::Cow;

use mail_parser::{MessagePart, MimeHeaders};

use super::{charset, words};

/// Pieces of one name (RFC 2231 section 3).
const PIECES_MAX: usize = 100;

/// The name that a part bears, not cleaned yet; empty if it bears none.
pub fn of_part<'a>(part: &'a MessagePart<'_>, raw: &[u8]) -> Cow<'a, str> {
    let parsed = part.attachment_name().unwrap_or_default();
    if !parsed.contains(['\u{fffd}', '\u{1b}']) && !parsed.contains("=?") {
        return Cow::Borrowed(parsed);
    }
    let field = |name: &str| {
        let header = part.headers.iter().find(|h| h.name().eq_ignore_ascii_case(name))?;
        raw.get(usize::try_from(header.offset_start).ok()?..usize::try_from(header.offset_end).ok()?)
    };
    let disposition = field("content-disposition").and_then(|value| parameter(value, "filename"));
    let named = disposition.or_else(|| field("content-type").and_then(|value| parameter(value, "name")));
    named.filter(|n| !n.is_empty()).map_or(Cow::Borrowed(parsed), Cow::Owned)
}

/// A parameter of a field, its pieces joined as octets before they are decoded.
fn parameter(value: &[u8], wanted: &str) -> Option<String> {
    let mut pieces: Vec<(usize, bool, Vec<u8>)> = Vec::new();
    for one in split(value) {
        let Some(at) = one.iter().position(|b| *b == b'=') else {
            continue;
        };
        let (key, content) = one.split_at(at);
        let key = String::from_utf8_lossy(key).trim().to_ascii_lowercase();
        let content = unquoted(content.get(1..).unwrap_or_default());
        let Some(rest) = key.strip_prefix(wanted) else {
            continue;
        };
        let encoded = rest.ends_with('*');
        let number = rest.trim_matches('*');
        match number.parse() {
            _ if rest.is_empty() => return Some(plain(&content)),
            Ok(number) if pieces.len() < PIECES_MAX => pieces.push((number, encoded, content)),
            Err(_) if rest == "*" => pieces.push((0, true, content)),
            _ => {}
        }
    }
    pieces.sort_by_key(|(number, _, _)| *number);
    joined(&pieces)
}

/// RFC 2231 section 4.1: the charset stands before the first piece.
fn joined(pieces: &[(usize, bool, Vec<u8>)]) -> Option<String> {
    let (_, first_encoded, first) = pieces.first()?;
    let mut label = None;
    let mut octets = Vec::new();
    let marked: Vec<&[u8]> = first.splitn(3, |b| *b == b'\'').collect();
    match marked.as_slice() {
        [charset, _, rest] if *first_encoded => {
            label = Some(String::from_utf8_lossy(charset).into_owned());
            octets.extend(percent_decoded(rest));
        }
        _ if *first_encoded => octets.extend(percent_decoded(first)),
        _ => octets.extend(first),
    }
    for (_, encoded, piece) in pieces.iter().skip(1) {
        if *encoded {
            octets.extend(percent_decoded(piece));
        } else {
            octets.extend(piece);
        }
    }
    Some(charset::text(&octets, label.as_deref(), None).into_owned())
}

/// A name that is not extended: encoded words, or octets of some charset.
fn plain(content: &[u8]) -> String {
    let text = charset::text(content, None, None).into_owned();
    if text.contains("=?") { words::decoded(&text).unwrap_or(text) } else { text }
}

/// The parameters of a field: split at semicolons that are not quoted.
fn split(value: &[u8]) -> Vec<&[u8]> {
    let mut quoted = false;
    let mut escaped = false;
    value
        .split(|byte| {
            let quote = *byte == b'"' && !escaped;
            escaped = *byte == b'\\' && quoted && !escaped;
            quoted ^= quote;
            *byte == b';' && !quoted
        })
        .collect()
}

fn unquoted(content: &[u8]) -> Vec<u8> {
    let trimmed = content.trim_ascii();
    let inner = trimmed.strip_prefix(b"\"").map(|i| i.strip_suffix(b"\"").unwrap_or(i));
    let unfolded = |bytes: &[u8]| bytes.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect::<Vec<u8>>();
    inner.map_or_else(
        || unfolded(trimmed),
        |inner| {
            let mut escaped = false;
            let kept = |byte: &u8| {
                escaped = *byte == b'\\' && !escaped;
                !escaped
            };
            unfolded(inner).into_iter().filter(kept).collect()
        },
    )
}

fn percent_decoded(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len());
    let mut rest = octets;
    while let Some((first, tail)) = rest.split_first() {
        let hex = |at: usize| tail.get(at).and_then(|b| char::from(*b).to_digit(16));
        match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high.saturating_mul(16).saturating_add(low)).unwrap_or_default());
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_joined_before_they_are_decoded() {
        for (field, name) in [
            ("attachment; filename*0*=utf-8''%c3; filename*1*=%a4.txt", "ä.txt"),
            ("attachment;\r\n filename*1*=%FC%DF.txt;\r\n filename*0*=ISO-8859-1'de'gr", "grüß.txt"),
            ("attachment; filename*=windows-1251''%EF%F0%E8%E2%E5%F2.txt", "привет.txt"),
            ("attachment; filename*0*=iso-2022-jp''%1B$B%25F; filename*1*=%259%25H%1B(B.txt", "テスト.txt"),
            ("attachment; filename=\"=?utf-8?q?=C3?= =?utf-8?q?=A4.txt?=\"", "ä.txt"),
            ("attachment; filename=\"a;b\\\"c.txt\"; size=1", "a;b\"c.txt"),
            ("attachment; filename*0=\"one \"; filename*1=two.txt", "one two.txt"),
            ("attachment; filename*0*=nothing", "nothing"),
        ] {
            assert_eq!(parameter(field.as_bytes(), "filename").as_deref(), Some(name), "{field}");
        }
        assert_eq!(
            parameter(b"attachment; filename=gr\xfc\xdfe aus k\xf6ln.txt", "filename").as_deref(),
            Some("grüße aus köln.txt")
        );
        assert_eq!(parameter(b"attachment", "filename"), None);
    }
}
