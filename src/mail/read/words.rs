//! Encoded words that cut a character in two.
//!
//! Decides   how a header reads whose encoded words were split between the octets of one character.
//! Follows   RFC 2045–2047, and the clients that break them here.
//! Never     answers where it would not read better: `None` then.

use data_encoding::BASE64;
use mail_parser::decoders::charsets::map::charset_decoder;

use super::charset;

/// Octets of the name of a charset, at most.
const CHARSET_BYTES_MAX: usize = 64;

/// Octets of one charset in a row.
struct Run {
    charset: String,
    octets: Vec<u8>,
}

/// The text of a raw header field, neighbouring words of one charset decoded as one; `None` if it stays broken.
#[must_use]
pub fn decoded(raw: &str) -> Option<String> {
    let unfolded = raw.replace(['\r', '\n'], "");
    let mut out = String::new();
    let mut run: Option<Run> = None;
    let mut rest = unfolded.as_str();
    while let Some((before, after)) = rest.split_once("=?") {
        let mut pieces = after.splitn(3, '?');
        let (charset, encoding, tail) = (pieces.next()?, pieces.next()?, pieces.next()?);
        let (content, after) = tail.split_once("?=")?;
        if !before.trim().is_empty() {
            finish(&mut run, &mut out)?;
            out.push_str(before);
        }
        let octets = octets(encoding, content)?;
        match &mut run {
            Some(open) if open.charset.eq_ignore_ascii_case(charset) => open.octets.extend(octets),
            _ => {
                finish(&mut run, &mut out)?;
                run = Some(Run { charset: charset.to_owned(), octets });
            }
        }
        rest = after;
    }
    finish(&mut run, &mut out)?;
    out.push_str(rest);
    (!out.contains('\u{fffd}')).then_some(out)
}

/// The header with the padding that some clients leave out of their base64 words; `None` if none is missing.
#[must_use]
pub fn padded(header: &[u8]) -> Option<Vec<u8>> {
    let mut out: Option<Vec<u8>> = None;
    let mut copied = 0usize;
    let mut at = 0usize;
    while let Some(found) = header.get(at..)?.windows(3).position(|w| w.eq_ignore_ascii_case(b"?b?")) {
        at = at.saturating_add(found).saturating_add(3);
        let content = header.get(at..)?;
        let length =
            content.iter().position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))).unwrap_or_default();
        let missing = length.next_multiple_of(4).saturating_sub(length);
        let end = at.saturating_add(length);
        let is_word = header.get(..at.saturating_sub(3)).is_some_and(names_charset);
        if missing > 0 && is_word && header.get(end..).is_some_and(|rest| rest.starts_with(b"?=")) {
            let done = out.get_or_insert_default();
            done.extend(header.get(copied..end)?);
            done.extend(std::iter::repeat_n(b'=', missing));
            copied = end;
        }
        at = end;
    }
    let mut done = out?;
    done.extend(header.get(copied..)?);
    Some(done)
}

/// Does it end with the beginning of an encoded word, `=?charset`?
fn names_charset(before: &[u8]) -> bool {
    let is_of_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'*' | b'+');
    let length = before.iter().rev().take(CHARSET_BYTES_MAX).take_while(|b| is_of_name(b)).count();
    let start = before.len().saturating_sub(length);
    length > 0 && before.get(..start).is_some_and(|rest| rest.ends_with(b"=?"))
}

/// A line whose quoted words hold bare octets, with these encoded as they should be.
#[must_use]
pub fn escaped(line: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len());
    let mut inside = false;
    for (at, byte) in line.iter().enumerate() {
        let from = |back: usize, length: usize| {
            let start = at.checked_sub(back)?;
            line.get(start..start.saturating_add(length))
        };
        inside |= from(3, 3).is_some_and(|w| w.eq_ignore_ascii_case(b"?q?"))
            && line.get(..at.saturating_sub(3)).is_some_and(names_charset);
        inside &= from(0, 2).is_none_or(|w| w != b"?=");
        if inside && !byte.is_ascii() {
            out.extend(format!("={byte:02X}").bytes());
        } else {
            out.push(*byte);
        }
    }
    out
}

/// Decodes what was collected.
fn finish(run: &mut Option<Run>, out: &mut String) -> Option<()> {
    if let Some(done) = run.take() {
        let name = done.charset.split('*').next().unwrap_or_default();
        match charset_decoder(name.as_bytes()).filter(|_| !name.eq_ignore_ascii_case("utf-8")) {
            Some(decoder) => out.push_str(&decoder(&done.octets)),
            // cut inside a character: nothing tells another charset
            None if std::str::from_utf8(&done.octets).is_err_and(|e| e.error_len().is_none()) => {
                out.push_str(&String::from_utf8_lossy(&done.octets));
            }
            None => out.push_str(&charset::text(&done.octets, Some(name), None)),
        }
    }
    Some(())
}

fn octets(encoding: &str, content: &str) -> Option<Vec<u8>> {
    if encoding.eq_ignore_ascii_case("b") {
        let mut padded: String = content.chars().filter(|c| !c.is_whitespace() && *c != '=').collect();
        while !padded.len().is_multiple_of(4) {
            padded.push('=');
        }
        return BASE64.decode(padded.as_bytes()).ok();
    }
    let mut octets = Vec::with_capacity(content.len());
    let mut bytes = content.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'_' => octets.push(b' '),
            b'=' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                octets.push(u8::try_from(high.saturating_mul(16).saturating_add(low)).ok()?);
            }
            other => octets.push(other),
        }
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_cut_in_two_is_whole_again() {
        assert_eq!(decoded("=?UTF-8?B?w6TD?= =?UTF-8?B?tg==?= x").as_deref(), Some("äö x"));
        assert_eq!(decoded("=?utf-8?q?=C3?=\r\n =?utf-8?q?=A4?=").as_deref(), Some("ä"));
        assert_eq!(decoded("=?utf-8?q?=C3?="), None);
        assert_eq!(decoded("=?utf-8?q?=Z"), None);
        assert_eq!(
            padded(b"S: =?utf-8?B?Y2Fmw6k?= =?x?b?YQ?=\r\n").as_deref(),
            Some(&b"S: =?utf-8?B?Y2Fmw6k=?= =?x?b?YQ==?=\r\n"[..])
        );
        assert_eq!(padded(b"S: =?utf-8?B?Y2Fmw6k=?= what?b?no"), None);
        assert_eq!(padded(b"S: =?utf-8?B?Y2Fmw6k=?= what?b?no?="), None, "no encoded word");
        assert_eq!(escaped("S: what?q?\u{e4}?=".as_bytes()), "S: what?q?\u{e4}?=".as_bytes());
        assert_eq!(escaped("S: =?utf-8?q?\u{e4}?=".as_bytes()), b"S: =?utf-8?q?=C3=A4?=");
    }
}
