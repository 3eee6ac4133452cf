//! Text parts of a finished mail, changed where they stand; everything round them stays octet for octet.
//!
//! Decides   which parts are its text, in which charset and encoding their new words are written.
//! Follows   RFC 2045 section 6 (encodings).
//! Never     changes a mail whose body is signed, encrypted or a calendar's, or words that cannot be written as they were.

use encoding_rs::Encoding as Charset;
use lettre::message::Body;
use lettre::message::header::ContentTransferEncoding;
use mail_parser::{Encoding, Message, MessageParser, MessagePart, MimeHeaders, PartType};

/// What a text part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// text/plain.
    Plain,
    /// text/html.
    Html,
}

/// The body of a mail, from the empty line on, with its text parts changed. `None` if none was.
#[must_use]
pub fn in_body(mail: &[u8], mut change: impl FnMut(Kind, &str) -> Option<String>) -> Option<Vec<u8>> {
    let message = MessageParser::default().parse(mail)?;
    let (header, _) = super::edit::split(mail);
    if message.parts.iter().any(is_sealed) {
        return None;
    }
    let mut out = Vec::with_capacity(mail.len());
    let mut done = header.len();
    let mut changed = false;
    for part in texts(&message) {
        let (kind, words) = match &part.body {
            PartType::Text(words) => (Kind::Plain, words),
            PartType::Html(words) => (Kind::Html, words),
            _ => continue,
        };
        let start = usize::try_from(part.offset_body).unwrap_or(usize::MAX);
        let end = usize::try_from(part.offset_end).unwrap_or(usize::MAX);
        // what could not be decoded must not be lost
        if start < done || words.contains(char::REPLACEMENT_CHARACTER) {
            continue;
        }
        let Some(written) = change(kind, words).and_then(|new| encoded(part, &new)) else {
            continue;
        };
        out.extend_from_slice(mail.get(done..start)?);
        out.extend_from_slice(&written);
        done = end;
        changed = true;
    }
    out.extend_from_slice(mail.get(done..)?);
    changed.then_some(out)
}

/// All parts that are read as text, files apart.
fn texts<'a>(message: &'a Message<'a>) -> impl Iterator<Item = &'a MessagePart<'a>> {
    message
        .parts
        .iter()
        .filter(|part| !part.content_disposition().is_some_and(|d| d.ctype().eq_ignore_ascii_case("attachment")))
}

fn is_sealed(part: &MessagePart<'_>) -> bool {
    part.content_type().is_some_and(|kind| {
        let subtype = kind.subtype().unwrap_or_default().to_ascii_lowercase();
        matches!(subtype.as_str(), "signed" | "encrypted" | "calendar") || subtype.contains("pkcs7")
    })
}

/// Words in the charset and the encoding of their part. `None` if its charset does not have them.
fn encoded(part: &MessagePart<'_>, words: &str) -> Option<Vec<u8>> {
    let words = words.replace("\r\n", "\n").replace('\n', "\r\n");
    let label = part.content_type().and_then(|kind| kind.attribute("charset"));
    let octets = match label.map(|label| Charset::for_label(label.as_bytes())) {
        _ if words.is_ascii() => words.into_bytes(),
        // a charset that nobody declared, or nobody knows
        None | Some(None) => return None,
        Some(Some(charset)) if charset.output_encoding() == charset => {
            let (octets, _, unknown) = charset.encode(&words);
            (!unknown).then(|| octets.into_owned())?
        }
        Some(Some(_)) => return None,
    };
    let encoding = match part.encoding {
        Encoding::None => return Some(octets),
        Encoding::QuotedPrintable => ContentTransferEncoding::QuotedPrintable,
        Encoding::Base64 => ContentTransferEncoding::Base64,
    };
    let body = Body::new_with_encoding(octets, encoding).ok()?;
    let mut bytes = body.as_ref().to_vec();
    if encoding == ContentTransferEncoding::Base64 && !bytes.ends_with(b"\r\n") {
        bytes.extend_from_slice(b"\r\n");
    }
    Some(bytes)
}

/// The body of a mail with these lines below its words: as text below the text, as HTML below the HTML. `None` if there
/// is no text that may be changed.
#[must_use]
pub fn below(mail: &[u8], plain: &str, html: &str) -> Option<Vec<u8>> {
    let (mut has_plain, mut has_html) = (false, false);
    in_body(mail, |kind, words| match kind {
        Kind::Plain if !std::mem::replace(&mut has_plain, true) => Some(below_text(words, plain)),
        Kind::Html if !std::mem::replace(&mut has_html, true) => Some(below_html(words, html)),
        Kind::Plain | Kind::Html => None,
    })
}

/// Above the signature, where there is one (RFC 3676 section 4.3).
fn below_text(words: &str, lines: &str) -> String {
    let words = words.replace("\r\n", "\n");
    let (above, signature) = match words.rfind("\n-- \n") {
        Some(at) => words.split_at_checked(at).unwrap_or((&words, "")),
        None => (words.as_str(), "\n"),
    };
    format!("{}\n\n{}\n{signature}", above.trim_end(), lines.trim_end())
}

fn below_html(words: &str, block: &str) -> String {
    let lower = words.to_ascii_lowercase();
    let at = lower.rfind("</body").or_else(|| lower.rfind("</html")).unwrap_or(words.len());
    let (above, rest) = words.split_at_checked(at).unwrap_or((words, ""));
    format!("{above}{}\n{rest}", block.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn appended(mail: &str) -> Option<String> {
        let body = below(mail.replace('\n', "\r\n").as_bytes(), "cancel: Cancel", "<p>cancel</p>")?;
        Some(String::from_utf8_lossy(&body).replace("\r\n", "\n"))
    }

    #[test]
    fn lines_stand_below_the_words_and_above_the_signature() {
        for (mail, expected) in [
            ("From: a@b\n\nHello.\n", Some("\nHello.\n\ncancel: Cancel\n\n")),
            ("From: a@b\n\nHello.\n\n-- \nShop\n", Some("\nHello.\n\ncancel: Cancel\n\n-- \nShop\n")),
            (
                "Content-Type: text/html\n\n<html><body><p>Hello</p></BODY></html>\n",
                Some("\n<html><body><p>Hello</p><p>cancel</p>\n</BODY></html>\n"),
            ),
            ("Content-Type: text/plain; charset=x-unknown\n\nHello.\n", Some("\nHello.\n\ncancel: Cancel\n\n")),
            ("Content-Type: multipart/signed; boundary=x\n\n--x\n\nHello.\n--x--\n", None),
            ("Content-Type: text/calendar\n\nBEGIN:VCALENDAR\n", None),
            ("Content-Type: application/pdf\n\n%PDF\n", None),
        ] {
            assert_eq!(appended(mail).as_deref(), expected, "{mail}");
        }
    }

    #[test]
    fn words_keep_their_charset_and_encoding() {
        for (head, body) in [
            (
                "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable",
                "Gr=FC=DFe.\r\n",
            ),
            ("Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: base64", "R3L832Uu\r\n"),
            ("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64", "R3LDvMOfZS4=\r\n"),
        ] {
            let mail = format!("{head}\r\n\r\n{body}");
            let changed = below(mail.as_bytes(), "cancel: Cancel", "").unwrap_or_default();
            let whole = [format!("{head}\r\n").into_bytes(), changed].concat();
            let message = MessageParser::default().parse(&whole);
            let text = message.and_then(|m| m.body_text(0).map(|t| t.into_owned())).unwrap_or_default();
            assert!(
                text.starts_with("Grüße.\r\n\r\ncancel: Cancel") || text.starts_with("Grüße.\n\ncancel: Cancel"),
                "{text:?}"
            );
        }
        let parts = "Content-Type: multipart/mixed; boundary=x\n\n--x\n\nHello.\n--x\nContent-Disposition: attachment\nContent-Type: text/plain\n\nFile.\n--x--\n";
        let changed = appended(parts).unwrap_or_default();
        assert!(changed.contains("Hello.\n\ncancel: Cancel") && changed.contains("\n\nFile.\n--x--\n"), "{changed}");
    }
}
