//! The body of a mail: decoded, unflowed.
//!
//! Decides   which parts are the body, and what an undeclared charset is.
//! Follows   RFC 2045–2047, RFC 3676 section 4, IEEE Std 1003.1 (uuencode).
//! Never     fails: parts that are announced and never come are read as what stands there.

use std::borrow::Cow;

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::{Encoding, Message, MessagePart, MimeHeaders, PartType};

use super::parts::Parts;
use super::{calendar, charset, uuencode};

use crate::limits::{PARTS_MAX, TEXT_CHARS_MAX};
use crate::mail::{html, text};

/// Octets of HTML in which its `meta` may name a charset (HTML standard section 13.2.3.2).
const META_BYTES_MAX: usize = 1_024;

/// What of a mail is its body.
pub struct Body {
    /// The decoded text.
    pub text: String,
    /// It was flowed.
    pub flowed: bool,
    /// The decoded HTML.
    pub html: Option<String>,
}

/// The text and HTML parts that are the body. Files that stand uuencoded in the text go to `parts`; what came out of a
/// `winmail.dat` is the body where there is no other.
pub fn body(message: &Message<'_>, raw: &[u8], parts: &mut Parts, defects: &mut Vec<String>) -> Body {
    let at = |id: &u32| message.parts.get(usize::try_from(*id).unwrap_or(usize::MAX));
    let mut words = Vec::new();
    let mut flowed = false;
    for part in message.text_body.iter().take(PARTS_MAX).filter_map(at) {
        match &part.body {
            PartType::Text(content) if is_calendar(part) => {
                let content = text::body(&decoded(part, content, raw));
                words.push(calendar::described(&content).unwrap_or(content));
                if !message.attachments.iter().filter_map(at).any(|attached| std::ptr::eq(attached, part)) {
                    parts.push_part(part, raw);
                }
            }
            PartType::Text(content) => {
                let clean = text::body(&decoded(part, content, raw));
                match flow(part) {
                    Some(delsp) => {
                        flowed = true;
                        words.push(unflowed(&clean, delsp));
                    }
                    None => words.push(without_files(clean, parts)),
                }
            }
            PartType::Html(content) => words.push(html::to_text(&decoded(part, content, raw))),
            _ => {}
        }
    }
    let htmls: Vec<&MessagePart<'_>> = message.html_body.iter().take(PARTS_MAX).filter_map(at).collect();
    let has_html = htmls.iter().any(|p| matches!(p.body, PartType::Html(_)));
    let mut html = has_html.then(|| {
        let pieces: Vec<Cow<'_, str>> = htmls
            .iter()
            .filter_map(|p| match &p.body {
                PartType::Html(content) => Some(decoded(p, content, raw)),
                PartType::Text(content) => Some(html::from_text(&text::body(&decoded(p, content, raw))).into()),
                _ => None,
            })
            .collect();
        pieces.join("\n")
    });
    if words.iter().all(|w| w.trim().is_empty()) {
        if let Some(bare) = without_parts(message, raw) {
            defects.push("it says that it has parts, and has none".to_owned());
            words.push(bare);
        }
        if html.is_none() {
            let calendars = message.parts.iter().take(PARTS_MAX).filter(|part| is_calendar(part));
            words.extend(calendars.filter_map(MessagePart::text_contents).find_map(calendar::described));
            html = parts.html.take().map(|h| {
                charset::text(&h, charset::named(h.get(..META_BYTES_MAX).unwrap_or(&h)).as_deref(), None).into_owned()
            });
        }
        words.extend(parts.text.take().map(|t| text::body(&t)).or_else(|| html.as_deref().map(html::to_text)));
    }
    let whole = words.join("\n");
    if whole.len() > TEXT_CHARS_MAX {
        parts.remarks.push(format!("its text is longer than {TEXT_CHARS_MAX} octets; the rest was cut"));
    }
    Body { text: capped(&whole), flowed, html }
}

fn is_calendar(part: &MessagePart<'_>) -> bool {
    part.content_type().is_some_and(|t| {
        t.ctype().eq_ignore_ascii_case("text") && t.subtype().is_some_and(|s| s.eq_ignore_ascii_case("calendar"))
    })
}

fn without_files(words: String, parts: &mut Parts) -> String {
    let Some((rest, files)) = uuencode::extracted(&words, PARTS_MAX) else {
        return words;
    };
    files.into_iter().for_each(|file| parts.push_file(file));
    rest
}

/// The body of what announces parts whose boundary never comes; with a first line of dashes it is one part's.
fn without_parts(message: &Message<'_>, raw: &[u8]) -> Option<String> {
    let lost = message.parts.iter().take(PARTS_MAX).find(|part| {
        let announced = part.content_type().is_some_and(|t| t.ctype().eq_ignore_ascii_case("multipart"));
        let empty = match &part.body {
            PartType::Multipart(parts) => parts.is_empty(),
            PartType::Message(_) => false,
            _ => true,
        };
        announced && empty
    })?;
    let range = usize::try_from(lost.offset_body).ok()?..usize::try_from(lost.offset_end).ok()?;
    let whole = text::body(&String::from_utf8_lossy(raw.get(range)?));
    let whole = whole.trim_start();
    let Some((dashes, rest)) = whole.split_once('\n').filter(|(first, _)| first.starts_with("--") && first.len() > 10)
    else {
        return Some(whole.to_owned());
    };
    let (_, words) = rest.split_once("\n\n")?;
    Some(words.split(dashes.trim_end()).next().unwrap_or_default().to_owned())
}

/// No longer than the limit.
pub fn capped(words: &str) -> String {
    words.get(..words.floor_char_boundary(TEXT_CHARS_MAX)).unwrap_or(words).to_owned()
}

/// The text of a part, where the declared charset, or none, cannot be right.
fn decoded<'a>(part: &MessagePart<'_>, content: &'a str, raw: &[u8]) -> Cow<'a, str> {
    let declared = part.content_type().and_then(|t| t.attribute("charset"));
    let broken = content.contains('\u{fffd}') || content.contains("\u{1b}$");
    let latin = declared.is_some_and(charset::is_latin) && !content.is_ascii();
    if !broken && !latin {
        return Cow::Borrowed(content);
    }
    let Some(octets) = octets(part, raw) else {
        return Cow::Borrowed(content);
    };
    let utf8 = std::str::from_utf8(&octets).is_ok();
    if !broken && !utf8 {
        return Cow::Borrowed(content);
    }
    let told = declared.map(str::to_owned).or_else(|| charset::named(octets.get(..META_BYTES_MAX).unwrap_or(&octets)));
    Cow::Owned(charset::text(&octets, told.as_deref(), None).into_owned())
}

/// The octets of a part, its transfer encoding undone (RFC 2045 section 6).
fn octets<'a>(part: &MessagePart<'_>, raw: &'a [u8]) -> Option<Cow<'a, [u8]>> {
    let range = usize::try_from(part.offset_body).ok()?..usize::try_from(part.offset_end).ok()?;
    let body = raw.get(range)?;
    match part.encoding {
        Encoding::None => Some(Cow::Borrowed(body)),
        Encoding::Base64 => base64_decode(body).map(Cow::Owned),
        Encoding::QuotedPrintable => quoted_printable_decode(body).map(Cow::Owned),
    }
}

/// `Some(delsp)` if the part is flowed (RFC 3676 section 4).
fn flow(part: &MessagePart<'_>) -> Option<bool> {
    let kind = part.content_type()?;
    let is = |name: &str, value: &str| kind.attribute(name).is_some_and(|v| v.eq_ignore_ascii_case(value));
    is("format", "flowed").then(|| is("delsp", "yes"))
}

/// Joins soft-wrapped lines of the same quote depth; signature separators stay lines of their own.
fn unflowed(words: &str, delsp: bool) -> String {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for line in words.split('\n') {
        let depth = line.chars().take_while(|c| *c == '>').count();
        let rest = line.get(depth..).unwrap_or_default();
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        let soft = rest.ends_with(' ') && rest != "-- ";
        let content = if soft && delsp { rest.get(..rest.len().saturating_sub(1)).unwrap_or(rest) } else { rest };
        match lines.last_mut() {
            Some((last_depth, last)) if open && *last_depth == depth && rest != "-- " => last.push_str(content),
            _ => lines.push((depth, content.to_owned())),
        }
        open = soft;
    }
    let whole: Vec<String> = lines
        .into_iter()
        .map(|(depth, line)| {
            let line = if line == "-- " { line } else { line.trim_end().to_owned() };
            if depth == 0 { line } else { format!("{} {line}", ">".repeat(depth)).trim_end().to_owned() }
        })
        .collect();
    whole.join("\n")
}
