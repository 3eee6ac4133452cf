//! A draft becomes bytes.
//!
//! Decides   the MIME shape: text and HTML as alternatives, inline images related to them, attachments beside.
//! Follows   RFC 5322, RFC 2045–2047, RFC 2231, RFC 2387 (through lettre's builder); CRLF line ends throughout.
//! Never     edits a received message: a draft names all that goes out, and nothing else does. Date, ids
//!           and boundaries are given, so that rendering twice gives the same bytes.

use std::time::{Duration, UNIX_EPOCH};

use data_encoding::BASE64_MIME;
use lettre::message::header::{ContentDisposition, ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, Message, MultiPart, SinglePart};

use super::{MessageId, NameAddr, text};

/// Name of a stored, encoded part: SHA-256 of its decoded content, in hex.
pub type BlobId = String;

/// An attachment whose content lies in the store once, whoever gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// File name; may be empty.
    pub name: String,
    /// Media type `type/subtype`.
    pub media_type: String,
    /// Content-ID without brackets, of inline images.
    pub content_id: Option<String>,
    /// Shown inside the text.
    pub inline: bool,
    /// Where its content is.
    pub blob: BlobId,
    /// Decoded size, octets.
    pub size_bytes: u64,
}

/// All of an outgoing mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// From.
    pub from: NameAddr,
    /// To: what all copies show (R2).
    pub to: Vec<NameAddr>,
    /// Cc: what all copies show (R2).
    pub cc: Vec<NameAddr>,
    /// Reply-To.
    pub reply_to: Option<NameAddr>,
    /// Subject.
    pub subject: String,
    /// Message-ID.
    pub message_id: MessageId,
    /// In-Reply-To.
    pub in_reply_to: Option<MessageId>,
    /// References, oldest first.
    pub references: Vec<MessageId>,
    /// Date, milliseconds since 1970.
    pub date_ms: i64,
    /// Further fields from the allow-list of the letter, name and value.
    pub headers: Vec<(&'static str, String)>,
    /// The text body.
    pub text: String,
    /// The HTML body, sanitised.
    pub html: String,
    /// Attachments and inline images.
    pub parts: Vec<Part>,
}

/// The rendered mail: at each offset of `bytes` the encoded content of a blob is to be put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// All bytes but the blobs.
    pub bytes: Vec<u8>,
    /// Offsets into `bytes`, ascending, and what belongs there.
    pub splices: Vec<(u64, BlobId)>,
}

/// The form in which a blob is stored: base64 in lines of 76 with CRLF (RFC 2045 section 6.8).
#[must_use]
pub fn encode_blob(content: &[u8]) -> Vec<u8> {
    let mut encoded = BASE64_MIME.encode(content).into_bytes();
    while encoded.ends_with(b"\r\n") {
        encoded.truncate(encoded.len().saturating_sub(2));
    }
    encoded
}

/// Puts the blobs into their places. `None` if one is missing.
#[must_use]
pub fn splice<'a>(bytes: &[u8], splices: &[(u64, BlobId)], blob: impl Fn(&str) -> Option<&'a [u8]>) -> Option<Vec<u8>> {
    let mut whole = Vec::with_capacity(bytes.len());
    let mut done = 0usize;
    for (offset, id) in splices {
        let offset = usize::try_from(*offset).ok()?;
        whole.extend_from_slice(bytes.get(done..offset)?);
        whole.extend_from_slice(blob(id)?);
        done = offset;
    }
    whole.extend_from_slice(bytes.get(done..)?);
    Some(whole)
}

/// Can this address stand in a header and in RCPT? Some that people write from cannot (`a..b@carrier.example`).
#[must_use]
pub fn can_be_written(address: &super::Address) -> bool {
    address.to_string().parse::<lettre::Address>().is_ok()
}

/// The bytes of a draft.
///
/// # Errors
/// In words, if an address cannot be written in a header field (lettre refuses it).
pub fn render(draft: &Draft) -> Result<Rendered, String> {
    let mut message = Message::builder()
        .from(mailbox(&draft.from)?)
        .date(UNIX_EPOCH + Duration::from_millis(u64::try_from(draft.date_ms).unwrap_or(0)))
        .message_id(Some(draft.message_id.as_str().to_owned()))
        .subject(unencoded(&draft.subject));
    for to in &draft.to {
        message = message.to(mailbox(to)?);
    }
    for cc in &draft.cc {
        message = message.cc(mailbox(cc)?);
    }
    if let Some(reply_to) = &draft.reply_to {
        message = message.reply_to(mailbox(reply_to)?);
    }
    if let Some(id) = &draft.in_reply_to {
        message = message.in_reply_to(id.as_str().to_owned());
    }
    if !draft.references.is_empty() {
        let ids: Vec<&str> = draft.references.iter().map(MessageId::as_str).collect();
        message = message.references(ids.join(" "));
    }
    for (name, value) in &draft.headers {
        let name = HeaderName::new_from_ascii((*name).to_owned()).map_err(|e| format!("header name {name}: {e}"))?;
        message = message.raw_header(HeaderValue::new(name, unencoded(value)));
    }
    let seed = draft.message_id.left().replace('.', "_");
    let whole = message.multipart(body(draft, &seed)).map_err(|e| format!("build the message: {e}"))?.formatted();
    Ok(cut_at_placeholders(&whole, &draft.parts, &seed))
}

/// Header text that nobody decodes: what looks like an encoded word (RFC 2047) is words that somebody typed. A joiner that
/// nobody sees makes it none, and is encoded itself.
fn unencoded(words: &str) -> String {
    text::writable(words).replace("=?", "=\u{2060}?")
}

fn mailbox(address: &NameAddr) -> Result<Mailbox, String> {
    let email = lettre::Address::new(address.address.local(), address.address.domain())
        .map_err(|e| format!("address {}: {e}", address.address))?;
    let name = unencoded(&address.name);
    Ok(Mailbox::new((!name.is_empty()).then_some(name), email))
}

fn body(draft: &Draft, seed: &str) -> MultiPart {
    let alternative = MultiPart::alternative()
        .boundary(format!("alt_{seed}"))
        .singlepart(text_part(ContentType::TEXT_PLAIN, &draft.text))
        .singlepart(text_part(ContentType::TEXT_HTML, &draft.html));
    let numbered = || draft.parts.iter().enumerate();
    let mut related = alternative;
    if draft.parts.iter().any(is_related) {
        let mut multi = MultiPart::related().boundary(format!("rel_{seed}")).multipart(related);
        for (index, part) in numbered().filter(|(_, p)| is_related(p)) {
            multi = multi.singlepart(blob_part(part, index, seed));
        }
        related = multi;
    }
    if draft.parts.iter().all(is_related) {
        return related;
    }
    let mut mixed = MultiPart::mixed().boundary(format!("mix_{seed}")).multipart(related);
    for (index, part) in numbered().filter(|(_, p)| !is_related(p)) {
        mixed = mixed.singlepart(blob_part(part, index, seed));
    }
    mixed
}

fn is_related(part: &Part) -> bool {
    part.inline && part.content_id.is_some()
}

/// An escape left in the words would be one of another charset to who reads them (ISO-2022), and an order to a terminal.
fn text_part(kind: ContentType, words: &str) -> SinglePart {
    let words = text::body(words).replace('\n', "\r\n");
    let plain = words.is_ascii() && words.split("\r\n").all(|line| line.len() <= 900);
    let encoding = if plain { ContentTransferEncoding::SevenBit } else { ContentTransferEncoding::QuotedPrintable };
    let body = Body::new_with_encoding(words, encoding).unwrap_or_else(Body::new);
    SinglePart::builder().header(kind).body(body)
}

fn blob_part(part: &Part, index: usize, seed: &str) -> SinglePart {
    let main = part.media_type.split('/').next().unwrap_or_default();
    // Base64 is not allowed on composite types (RFC 2046 section 5.2.1, RFC 2045 section 6.4).
    let kind = if matches!(main, "multipart" | "message") { "application/octet-stream" } else { &part.media_type };
    let kind = ContentType::parse(kind)
        .or_else(|_| ContentType::parse("application/octet-stream"))
        .unwrap_or(ContentType::TEXT_PLAIN);
    let name = text::file_name(&part.name);
    let disposition = match (part.inline, name.is_empty()) {
        (true, true) => ContentDisposition::inline(),
        (true, false) => ContentDisposition::inline_with_name(&name),
        (false, true) => ContentDisposition::attachment("attachment"),
        (false, false) => ContentDisposition::attachment(&name),
    };
    let mut builder = SinglePart::builder().header(kind).header(disposition);
    if let Some(id) = &part.content_id {
        builder = builder.header(lettre::message::header::ContentId::from(format!("<{}>", text::header(id))));
    }
    let body = Body::dangerous_pre_encoded(placeholder(index, seed).into_bytes(), ContentTransferEncoding::Base64);
    builder.body(body)
}

/// Unguessable, since the Message-ID's token is a MAC: no text can imitate it.
fn placeholder(index: usize, seed: &str) -> String {
    format!("@@{index}.{seed}@@")
}

fn cut_at_placeholders(whole: &[u8], parts: &[Part], seed: &str) -> Rendered {
    let mut found: Vec<(usize, usize, &Part)> = parts
        .iter()
        .enumerate()
        .filter_map(|(index, part)| {
            let mark = placeholder(index, seed);
            find(whole, mark.as_bytes()).map(|at| (at, mark.len(), part))
        })
        .collect();
    found.sort_by_key(|(at, _, _)| *at);
    let mut rendered = Rendered { bytes: Vec::with_capacity(whole.len()), splices: Vec::new() };
    let mut done = 0usize;
    for (at, length, part) in found {
        rendered.bytes.extend_from_slice(whole.get(done..at).unwrap_or_default());
        let offset = u64::try_from(rendered.bytes.len()).unwrap_or_default();
        rendered.splices.push((offset, part.blob.clone()));
        done = at.saturating_add(length);
    }
    rendered.bytes.extend_from_slice(whole.get(done..).unwrap_or_default());
    rendered
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len().max(1)).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_look_encoded_stay_words() {
        assert_eq!(unencoded("=?utf-8?q?=0D=0AX:_y?= x"), "=\u{2060}?utf-8?q?=0D=0AX:_y?= x");
        assert_eq!(unencoded("a =b?\r\nc"), "a =b? c");
    }
}
