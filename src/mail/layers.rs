//! All that a finished message says, decoded: whatever a client, a search or a curious person could find in it.
//!
//! Decides   which texts a message is made of: names and values of fields, text, HTML as it stands, as it is shown and
//!           with everything hidden, files and the messages inside; transfer encodings, charsets, entities and percent
//!           escapes undone.
//! Follows   RFC 2045–2047, RFC 3986 section 2.1 (percent escapes), UTS #39 section 4 (skeletons of look-alikes).
//! Never     opens compressed content, and never goes deeper than `limits` allows.

use ego_tree::iter::Edge;
use mail_parser::{Message, MessageParser, MessagePart, MimeHeaders, PartType};
use scraper::{Html, Node};
use unicode_security::skeleton;

use super::{Attachment, html, text};
use crate::limits::{GUARD_BYTES_MAX, GUARD_DEPTH_MAX, PARTS_MAX};

/// What kind of text it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Name of a header field of the message itself.
    FieldName,
    /// Value of a header field, decoded.
    Field,
    /// Text that people read: a text part, or HTML as it is shown.
    Words,
    /// What stands in the source beside it: markup, hidden text, comments, targets of links, file names.
    Source,
    /// The octets of a file, as far as they are text.
    Octets,
}

/// One text of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// What it is.
    pub kind: Kind,
    /// The file that it stands in; empty for the message's own text.
    pub file: String,
    /// The text, decoded.
    pub text: String,
}

/// Layers while they are collected.
#[derive(Default)]
struct Layers {
    list: Vec<Layer>,
    bytes: usize,
    /// Something was too large or too deep to be looked at.
    unseen: bool,
}

/// What was found, and whether all of it could be looked at.
#[derive(Debug, Clone, Default)]
pub struct Exposed {
    /// The texts.
    pub layers: Vec<Layer>,
    /// Something was too large or too deep: what it holds is not known.
    pub unseen: bool,
}

/// The layers of a finished message and of the files that are spliced into it.
#[must_use]
pub fn exposed(message: &[u8], files: &[Attachment]) -> Exposed {
    let mut layers = Layers::default();
    layers.message(message, "", 0);
    for file in files {
        layers.file(&file.name, &file.media_type, &file.content, 0);
    }
    Exposed { layers: layers.list, unseen: layers.unseen }
}

impl Layers {
    fn add(&mut self, kind: Kind, file: &str, text: &str) {
        if text.is_empty() {
            return;
        }
        self.bytes = self.bytes.saturating_add(text.len());
        if self.bytes > GUARD_BYTES_MAX {
            self.unseen = true;
            return;
        }
        self.list.push(Layer { kind, file: file.to_owned(), text: text.to_owned() });
    }

    fn message(&mut self, raw: &[u8], file: &str, depth: usize) {
        let Some(message) = MessageParser::default().parse(raw) else {
            self.add(Kind::Octets, file, &printable(raw.iter().copied()));
            return;
        };
        self.parsed(&message, file, depth);
    }

    fn parsed(&mut self, message: &Message<'_>, file: &str, depth: usize) {
        for (name, value) in message.headers_raw() {
            let kind = if file.is_empty() && depth == 0 { Kind::FieldName } else { Kind::Source };
            self.add(kind, file, name);
            self.add(Kind::Field, file, value);
            self.add(Kind::Field, file, &decoded_field(value));
        }
        self.unseen |= message.parts.len() > PARTS_MAX;
        for part in message.parts.iter().take(PARTS_MAX) {
            self.part(part, file, depth);
        }
    }

    fn part(&mut self, part: &MessagePart<'_>, file: &str, depth: usize) {
        for header in part.headers() {
            self.add(Kind::Source, file, header.name());
        }
        let name = part.attachment_name().unwrap_or_default();
        self.add(Kind::Source, file, name);
        self.add(Kind::Source, file, part.content_id().unwrap_or_default());
        match &part.body {
            PartType::Text(words) => self.words(words, file),
            PartType::Html(source) => self.html(source, file),
            PartType::Binary(content) | PartType::InlineBinary(content) if !content.is_empty() => {
                let kind = part.content_type().map(|t| format!("{}/{}", t.ctype(), t.subtype().unwrap_or_default()));
                let name = if name.is_empty() { file } else { name };
                self.file(name, &kind.unwrap_or_default().to_ascii_lowercase(), content, depth);
            }
            PartType::Message(inner) if depth < GUARD_DEPTH_MAX => {
                let name = if name.is_empty() { "message.eml" } else { name };
                self.parsed(inner, name, depth.saturating_add(1));
            }
            PartType::Message(_) => self.unseen = true,
            PartType::Binary(_) | PartType::InlineBinary(_) | PartType::Multipart(_) => {}
        }
    }

    fn words(&mut self, words: &str, file: &str) {
        self.add(Kind::Words, file, words);
        if words.contains('%') {
            self.add(Kind::Source, file, &percent_decoded(words));
        }
        if words.contains('&') {
            self.add(Kind::Source, file, &mail_parser::decoders::html::html_to_text(words));
        }
    }

    /// As it stands, as it is shown, and everything that a browser would not show.
    fn html(&mut self, source: &str, file: &str) {
        self.add(Kind::Source, file, source);
        self.add(Kind::Words, file, &html::to_text(source));
        if html::parse(source).is_none() {
            self.add(Kind::Source, file, &percent_decoded(&mail_parser::decoders::html::html_to_text(source)));
            return;
        }
        let tree = Html::parse_document(source);
        let mut glued = String::new();
        let mut spaced = String::new();
        for edge in tree.tree.root().traverse() {
            let Edge::Open(node) = edge else { continue };
            match node.value() {
                Node::Text(words) => {
                    glued.push_str(words);
                    spaced.push_str(words);
                    spaced.push(' ');
                }
                Node::Comment(words) => spaced.push_str(&format!(" {} ", &**words)),
                Node::Element(element) => {
                    for (_, value) in element.attrs() {
                        spaced.push_str(&format!(" {value} "));
                    }
                }
                _ => {}
            }
        }
        self.add(Kind::Source, file, &glued);
        self.add(Kind::Source, file, &percent_decoded(&spaced));
    }

    fn file(&mut self, name: &str, media_type: &str, content: &[u8], depth: usize) {
        let lower = name.to_lowercase();
        self.add(Kind::Source, name, name);
        if media_type.starts_with("message/") || lower.ends_with(".eml") {
            if depth < GUARD_DEPTH_MAX {
                self.message(content, if name.is_empty() { "message.eml" } else { name }, depth.saturating_add(1));
            } else {
                self.unseen = true;
            }
            return;
        }
        let words = String::from_utf8_lossy(content);
        if media_type == "text/html" || lower.ends_with(".html") || lower.ends_with(".htm") {
            self.html(&words, name);
        } else if media_type.starts_with("text/") || lower.ends_with(".txt") {
            self.words(&words, name);
        }
        self.add(Kind::Octets, name, &printable(content.iter().copied()));
        if content.contains(&0) {
            // UTF-16, in any file
            self.add(Kind::Octets, name, &printable(content.iter().copied().filter(|b| *b != 0)));
        }
    }
}

/// A value whose encoded words are decoded (RFC 2047).
fn decoded_field(value: &str) -> String {
    if !value.contains("=?") && !value.contains('%') {
        return String::new();
    }
    let field = format!("Subject: {}\r\n\r\n", text::field(value));
    let decoded = MessageParser::default().parse_headers(field.as_bytes()).and_then(|m| m.subject().map(str::to_owned));
    percent_decoded(&decoded.unwrap_or_else(|| value.to_owned()))
}

/// What of some octets is ASCII text; one space for everything between.
fn printable(octets: impl Iterator<Item = u8>) -> String {
    let mut out = String::new();
    for octet in octets {
        if octet.is_ascii_graphic() {
            out.push(char::from(octet));
        } else if !out.ends_with(' ') {
            out.push(' ');
        }
    }
    out
}

/// RFC 3986 section 2.1.
fn percent_decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escape = (*first == b'%')
            .then(|| tail.get(..2))
            .flatten()
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(escape.unwrap_or(*first));
        rest = if escape.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The text as an eye takes it: nothing that is not seen, look-alikes as one letter, small letters. Two texts that look
/// the same have the same form.
#[must_use]
pub fn as_seen(words: &str) -> String {
    if words.is_ascii() {
        return words.to_ascii_lowercase();
    }
    let seen: String = words.chars().filter(|c| matches!(c, '\n' | '\t') || !text::is_unseen(*c)).collect();
    // line by line, and only where look-alikes can be: the table is no fast one
    let lines: Vec<String> =
        seen.split('\n').map(|line| if line.is_ascii() { line.to_ascii_lowercase() } else { latin(line) }).collect();
    lines.join("\n")
}

/// Letters of other alphabets that look like Latin ones become those; all others stay.
fn latin(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for c in line.chars() {
        if c.is_ascii() {
            out.push(c);
            continue;
        }
        let mut bytes = [0u8; 4];
        let like: String = skeleton(c.encode_utf8(&mut bytes)).collect();
        if like.is_ascii() { out.push_str(&like) } else { out.push(c) }
    }
    out.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(raw: &str, needle: &str) -> bool {
        let found = exposed(raw.replace('\n', "\r\n").as_bytes(), &[]);
        assert!(!found.unseen);
        found.layers.iter().any(|l| as_seen(&l.text).contains(needle))
    }

    #[test]
    fn every_disguise_is_taken_off() {
        for (what, raw) in [
            ("base64", "Content-Transfer-Encoding: base64\n\nc2VjcmV0QGEuZXhhbXBsZQ=="),
            ("quoted-printable", "Content-Transfer-Encoding: quoted-printable\n\nsecre=\nt=40a.example"),
            ("entities", "Content-Type: text/html\n\n<p>secret&#64;a&period;example</p>"),
            ("a link", "Content-Type: text/html\n\n<a href=\"mailto:secret%40a.example\">us</a>"),
            ("hidden", "Content-Type: text/html\n\n<p style='display:none'>secret@a.example</p>"),
            ("a comment", "Content-Type: text/html\n\n<!-- secret@a.example -->x"),
            ("split tags", "Content-Type: text/html\n\nsec<b></b>ret@a<i>.example</i>"),
            ("encoded words", "Subject: =?utf-8?b?c2VjcmV0QGEuZXhhbXBsZQ==?=\n\nx"),
            ("no width", "Content-Type: text/plain; charset=utf-8\n\nsec\u{200b}ret@a\u{2060}.example"),
            ("look-alikes", "Content-Type: text/plain; charset=utf-8\n\nsеcrеt@а.example"),
            ("full width", "Content-Type: text/plain; charset=utf-8\n\nsecret\u{ff20}a.example"),
            (
                "a nested message",
                "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\nSubject: x\n\nsecret@a.example\n--b--",
            ),
            (
                "a file",
                "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: application/x; name=y\nContent-Transfer-Encoding: base64\n\nAHNlY3JldEBhLmV4YW1wbGUA\n--b--",
            ),
        ] {
            assert!(holds(raw, "secret@a.example"), "{what}");
        }
    }

    #[test]
    fn other_scripts_stay_what_they_are() {
        assert_eq!(as_seen("Größe 日本 Привет"), "größe 日本 привет".replace("привет", &as_seen("Привет")));
        assert!(as_seen("日本語の文").contains("日本語の文"));
    }
}
