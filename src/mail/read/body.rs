//! The body of a mail: decoded, unflowed.
//!
//! Decides   which parts are the body, and what an undeclared charset is.
//! Follows   RFC 2045–2047, RFC 3676 section 4.
//! Never     fails: parts that are announced and never come are read as what stands there.

use mail_parser::{Message, MessagePart, MimeHeaders, PartType};

use crate::limits::{PARTS_MAX, TEXT_CHARS_MAX};
use crate::mail::{html, text};

/// What of a mail is its body.
pub struct Body {
    /// The decoded text.
    pub text: String,
    /// It was flowed.
    pub flowed: bool,
    /// The decoded HTML.
    pub html: Option<String>,
}

/// The text and HTML parts that are the body.
pub fn body(message: &Message<'_>, raw: &[u8], defects: &mut Vec<String>) -> Body {
    let part = |id: &u32| message.parts.get(usize::try_from(*id).unwrap_or(usize::MAX));
    let mut words = Vec::new();
    let mut flowed = false;
    for part in message.text_body.iter().take(PARTS_MAX).filter_map(part) {
        match &part.body {
            PartType::Text(content) => {
                let decoded = undeclared(part, content, raw);
                let clean = text::body(&decoded);
                match flow(part) {
                    Some(delsp) => {
                        flowed = true;
                        words.push(unflowed(&clean, delsp));
                    }
                    None => words.push(clean),
                }
            }
            PartType::Html(content) => words.push(html::to_text(content)),
            _ => {}
        }
    }
    let htmls: Vec<&MessagePart<'_>> = message.html_body.iter().take(PARTS_MAX).filter_map(part).collect();
    let has_html = htmls.iter().any(|p| matches!(p.body, PartType::Html(_)));
    let html = has_html.then(|| {
        let pieces: Vec<String> = htmls
            .iter()
            .filter_map(|p| match &p.body {
                PartType::Html(content) => Some(content.to_string()),
                PartType::Text(content) => Some(html::from_text(&text::body(content))),
                _ => None,
            })
            .collect();
        pieces.join("\n")
    });
    if words.iter().all(String::is_empty)
        && let Some(bare) = without_parts(message, raw)
    {
        defects.push("it says that it has parts, and has none".to_owned());
        words.push(bare);
    }
    let whole = words.join("\n");
    if whole.len() > TEXT_CHARS_MAX {
        defects.push(format!("its text is longer than {TEXT_CHARS_MAX} octets; the rest was cut"));
    }
    Body { text: capped(&whole), flowed, html }
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
    if words.len() <= TEXT_CHARS_MAX { words.to_owned() } else { words.chars().take(TEXT_CHARS_MAX / 4).collect() }
}

/// Eight-bit text without a charset that is not UTF-8: read as Latin-1, which is what it mostly is.
fn undeclared<'a>(part: &MessagePart<'_>, content: &'a str, raw: &[u8]) -> std::borrow::Cow<'a, str> {
    let declared = part.content_type().is_some_and(|t| t.attribute("charset").is_some());
    let plain = part
        .content_transfer_encoding()
        .is_none_or(|e| matches!(e.to_ascii_lowercase().as_str(), "7bit" | "8bit" | "binary"));
    if declared || !plain || !content.contains('\u{fffd}') {
        return content.into();
    }
    let range = usize::try_from(part.offset_body).unwrap_or(0)..usize::try_from(part.offset_end).unwrap_or(0);
    raw.get(range)
        .map_or_else(|| content.into(), |bytes| bytes.iter().map(|b| char::from(*b)).collect::<String>().into())
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
