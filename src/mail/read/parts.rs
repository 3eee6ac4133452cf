//! The parts of a mail that are not its body.
//!
//! Decides   what is an attachment, what a sealed part is called, and what comes out of containers.
//! Follows   RFC 2183, RFC 2387, RFC 1847, RFC 3156 (PGP/MIME), RFC 8551 (S/MIME), MS-OXTNEF.
//! Never     changes the content of a part that is signed or encrypted.

use std::sync::Arc;

use mail_parser::{Message, MessagePart, MimeHeaders, PartType};
use sha2::{Digest, Sha256};

use super::header::{Fields, subject};
use super::{names, tnef, uuencode};
use crate::limits::{DECODED_BYTES_MAX, PARTS_MAX};
use crate::mail::{Attachment, text};

/// The parts that are not the body, and what came out of containers for it.
#[derive(Default)]
pub struct Parts {
    /// All attachments.
    pub attachments: Vec<Attachment>,
    /// Text of a `winmail.dat`.
    pub text: Option<String>,
    /// HTML of one.
    pub html: Option<Vec<u8>>,
    /// What a reader must know.
    pub remarks: Vec<String>,
    bytes: usize,
}

impl Parts {
    /// Adds a part, as far as there is room.
    pub fn push(&mut self, mut attachment: Attachment) {
        if self.attachments.len() >= PARTS_MAX {
            return self.cut(format!("it has more than {PARTS_MAX} attachments; the rest was not read"));
        }
        self.bytes = self.bytes.saturating_add(attachment.content.len());
        if self.bytes > DECODED_BYTES_MAX {
            self.bytes = self.bytes.saturating_sub(attachment.content.len());
            attachment.content = Arc::new([]);
            self.cut(format!("its attachments hold more than {DECODED_BYTES_MAX} octets; some were left out"));
        }
        self.attachments.push(attachment);
    }

    fn cut(&mut self, remark: String) {
        if !self.remarks.contains(&remark) {
            self.remarks.push(remark);
        }
    }

    /// A file that stood uuencoded in the text.
    pub fn push_file(&mut self, file: uuencode::File) {
        self.push(bare(text::file_name(&file.name), "application/octet-stream".to_owned(), file.content));
    }

    /// A part whose words are the body's, and which is a file too.
    pub fn push_part(&mut self, part: &MessagePart<'_>, raw: &[u8]) {
        self.push(attachment(part, raw));
    }

    /// The parts of a `winmail.dat` in its place; the file itself if it is none.
    fn open(&mut self, container: Attachment) {
        let Some(opened) = tnef::open(&container.content, PARTS_MAX) else {
            return self.push(container);
        };
        if opened.cut {
            self.cut("its winmail.dat is damaged or too large; what could be read of it is here".to_owned());
        }
        for file in opened.files {
            let media_type = file.media_type.map(|t| text::header(&t).to_ascii_lowercase());
            let media_type =
                media_type.filter(|t| t.contains('/')).unwrap_or_else(|| type_of(&file.content).to_owned());
            let inline = file.content_id.is_some();
            let content_id =
                file.content_id.map(|id| text::header(id.trim_matches(['<', '>']))).filter(|id| !id.is_empty());
            let attachment = bare(text::file_name(&file.name), media_type, file.content);
            self.push(Attachment { content_id, inline, ..attachment });
        }
        if let Some(rtf) = opened.rtf {
            self.push(bare("message.rtf".to_owned(), "application/rtf".to_owned(), rtf));
        }
        self.text = self.text.take().or(opened.text);
        self.html = self.html.take().or(opened.html);
    }
}

fn bare(name: String, media_type: String, content: Vec<u8>) -> Attachment {
    Attachment { name, media_type, content_id: None, inline: false, content: content.into() }
}

/// A container inside a container is none of ours: it is named, not opened.
fn type_of(content: &[u8]) -> &'static str {
    if content.starts_with(b"\x78\x9f\x3e\x22") { "application/ms-tnef" } else { "application/octet-stream" }
}

/// All parts that the body does not show.
pub fn parts(message: &Message<'_>, raw: &[u8]) -> Parts {
    let mut parts = Parts { remarks: sealed(message), ..Parts::default() };
    for part in message.attachments.iter().filter_map(|id| message.parts.get(usize::try_from(*id).ok()?)) {
        let attachment = attachment(part, raw);
        if is_tnef(&attachment) { parts.open(attachment) } else { parts.push(attachment) }
    }
    parts
}

fn is_tnef(attachment: &Attachment) -> bool {
    matches!(attachment.media_type.as_str(), "application/ms-tnef" | "application/vnd.ms-tnef")
        || attachment.name.eq_ignore_ascii_case("winmail.dat")
}

/// Content-Type in lower case, with its report-type and method.
pub fn content_type(part: &MessagePart<'_>) -> String {
    part.content_type().map_or_else(String::new, |t| {
        let kind = format!("{}/{}", t.ctype(), t.subtype().unwrap_or_default()).to_ascii_lowercase();
        let attribute = |name: &str| t.attribute(name).map(|v| format!("; {name}={}", v.to_ascii_lowercase()));
        let method = attribute("method").or_else(|| (kind == "text/calendar").then(|| method_inside(part)).flatten());
        format!("{kind}{}{}", attribute("report-type").unwrap_or_default(), method.unwrap_or_default())
    })
}

/// The method that calendar data names itself (RFC 5545 section 3.7.2).
fn method_inside(part: &MessagePart<'_>) -> Option<String> {
    let text = part.text_contents()?;
    let line = text.lines().take(100).find_map(|l| l.strip_prefix("METHOD:"))?;
    Some(format!("; method={}", line.trim().to_ascii_lowercase()))
}

/// Content-Type and disposition.
pub fn facts(part: &MessagePart<'_>) -> (String, String) {
    let disposition = part.content_disposition().map(|d| d.ctype().to_ascii_lowercase()).unwrap_or_default();
    (content_type(part), disposition)
}

/// What is signed or encrypted, by name.
fn sealed(message: &Message<'_>) -> Vec<String> {
    let mut found: Vec<&str> = Vec::new();
    for part in message.parts.iter().take(PARTS_MAX) {
        let Some(kind) = part.content_type() else {
            continue;
        };
        let attribute = |name: &str| kind.attribute(name).unwrap_or_default().to_ascii_lowercase();
        let name = format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default()).to_ascii_lowercase();
        let what = match name.as_str() {
            "multipart/encrypted" => "it is encrypted (PGP/MIME)",
            "multipart/signed" if attribute("protocol").contains("pgp") => "it is signed (PGP/MIME)",
            "multipart/signed" => "it is signed (S/MIME)",
            "application/pkcs7-mime" | "application/x-pkcs7-mime" if attribute("smime-type").starts_with("signed") => {
                "it is signed (S/MIME), and its text stands inside the signature"
            }
            "application/pkcs7-mime" | "application/x-pkcs7-mime" => "it is encrypted (S/MIME)",
            _ => continue,
        };
        if !found.contains(&what) {
            found.push(what);
        }
    }
    found.into_iter().map(str::to_owned).collect()
}

fn attachment(part: &MessagePart<'_>, raw: &[u8]) -> Attachment {
    let content_id = part.content_id().map(|id| text::header(id.trim_matches(['<', '>'])));
    let declared = text::file_name(&names::of_part(part, raw));
    let nested = matches!(part.body, PartType::Message(_));
    let media_type = part.content_type().map_or_else(
        || "application/octet-stream".to_owned(),
        |t| text::header(&format!("{}/{}", t.ctype(), t.subtype().unwrap_or("octet-stream"))).to_ascii_lowercase(),
    );
    let name = if nested && declared.is_empty() {
        let subject = part.message().map(subject).unwrap_or_default().replace(['/', '\\'], " ");
        let subject = text::file_name(&subject);
        if subject.is_empty() { "message.eml".to_owned() } else { format!("{subject}.eml") }
    } else {
        declared
    };
    let inline = part.content_disposition().is_none_or(|d| !d.is_attachment()) && content_id.is_some();
    let encoded = part
        .content_transfer_encoding()
        .is_some_and(|e| matches!(e.to_ascii_lowercase().as_str(), "x-uuencode" | "uuencode" | "x-uue" | "uue"));
    let content: Arc<[u8]> = match &part.body {
        PartType::Message(inner) => inner.raw_message().into(),
        _ => match encoded.then(|| uuencode::decoded(part.contents())).flatten() {
            Some(decoded) => decoded.into(),
            None => part.contents().into(),
        },
    };
    Attachment { name, media_type, content_id, inline, content }
}

/// What the author wrote: named fields and decoded parts; trace fields, transfer encodings and line ends apart.
pub fn content_hash(message: &Message<'_>, fields: &Fields) -> [u8; 32] {
    let mut hash = Sha256::new();
    for name in ["from", "to", "cc", "subject", "date", "message-id", "in-reply-to", "references"] {
        for value in fields.all(name) {
            hash.update(name);
            hash.update([0]);
            hash.update(value);
            hash.update([0]);
        }
    }
    for part in message.parts.iter().take(PARTS_MAX) {
        hash.update([1]);
        match &part.body {
            PartType::Text(words) | PartType::Html(words) => hash.update(words.replace("\r\n", "\n").trim_end()),
            PartType::Binary(bytes) | PartType::InlineBinary(bytes) => hash.update(bytes),
            PartType::Message(inner) => hash.update(inner.raw_message()),
            PartType::Multipart(parts) => hash.update(parts.len().to_le_bytes()),
        }
    }
    hash.finalize().into()
}
