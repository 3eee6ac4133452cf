//! A header that is changed field by field, and otherwise stays octet for octet.
//!
//! Decides   where a field begins and ends, and which DKIM signatures a change breaks.
//! Follows   RFC 5322 section 2.2 (fields, folding), RFC 6376 section 3.5 (what a signature covers).
//! Never     touches a field that is not named, or the body.

use lettre::message::Mailbox;
use lettre::message::header::{From, Headers, ReplyTo};

use super::{MessageId, NameAddr, text};

/// One field as it stands, with its line ends.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    /// Lower case; empty for a line that is no field.
    name: String,
    bytes: Vec<u8>,
}

/// A header, and what was changed of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    fields: Vec<Field>,
    changed: Vec<String>,
}

/// The header of a mail, up to the empty line, and the rest from that line on.
#[must_use]
pub fn split(mail: &[u8]) -> (&[u8], &[u8]) {
    if mail.starts_with(b"\r\n") {
        return (&[], mail);
    }
    let end = mail.windows(4).position(|w| w == b"\r\n\r\n").map_or(mail.len(), |at| at.saturating_add(2));
    mail.split_at_checked(end).unwrap_or((mail, &[]))
}

impl Header {
    /// Reads a header; a line that is no field belongs to the field before it.
    #[must_use]
    pub fn parse(header: &[u8]) -> Self {
        let mut fields: Vec<Field> = Vec::new();
        for line in header.split_inclusive(|b| *b == b'\n') {
            let name = field_name(line);
            match (name, fields.last_mut()) {
                (None, Some(last)) => last.bytes.extend_from_slice(line),
                (name, _) => fields.push(Field { name: name.unwrap_or_default(), bytes: line.to_vec() }),
            }
        }
        // the last line of a mail without a body may lack its end
        if let Some(last) = fields.last_mut().filter(|f| !f.bytes.ends_with(b"\r\n")) {
            last.bytes.extend_from_slice(b"\r\n");
        }
        Header { fields, changed: Vec::new() }
    }

    /// The values of all fields of this name (lower case), unfolded and cleaned.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = String> + 'a {
        self.fields.iter().filter(move |f| f.name == name).map(|f| {
            let whole = String::from_utf8_lossy(&f.bytes).into_owned();
            text::field(whole.split_once(':').map_or("", |(_, value)| value))
        })
    }

    /// The first of them.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<String> {
        self.values(name).next()
    }

    /// The first of them with its encoded words as text (RFC 2047).
    #[must_use]
    pub fn decoded(&self, name: &str) -> Option<String> {
        let value = self.value(name)?;
        if !value.contains("=?") {
            return Some(value);
        }
        let mail = format!("Subject: {value}\r\n\r\n");
        let read = mail_parser::MessageParser::default().parse(mail.as_bytes())?.subject().map(text::field);
        Some(read.unwrap_or(value))
    }

    /// Takes out all fields whose name (lower case) fits.
    pub fn remove(&mut self, fits: impl Fn(&str) -> bool) {
        let gone: Vec<String> = self.fields.iter().filter(|f| fits(&f.name)).map(|f| f.name.clone()).collect();
        self.fields.retain(|f| !fits(&f.name));
        self.changed.extend(gone);
    }

    /// Puts a field into the place of the first of its name, or at the end; no other of that name stays.
    fn set(&mut self, name: &str, bytes: Vec<u8>) {
        let lower = name.to_ascii_lowercase();
        self.changed.push(lower.clone());
        let place = self.fields.iter().position(|f| f.name == lower).unwrap_or(self.fields.len());
        self.fields.retain(|f| f.name != lower);
        let place = place.min(self.fields.len());
        self.fields.insert(place, Field { name: lower, bytes });
    }

    /// From.
    ///
    /// # Errors
    /// In words, if the address cannot be written.
    pub fn set_from(&mut self, from: &NameAddr) -> Result<(), String> {
        let mut headers = Headers::new();
        headers.set(From::from(lettre::message::Mailboxes::from(mailbox(from)?)));
        self.set("From", headers.to_string().into_bytes());
        Ok(())
    }

    /// Reply-To.
    ///
    /// # Errors
    /// In words, if the address cannot be written.
    pub fn set_reply_to(&mut self, to: &NameAddr) -> Result<(), String> {
        let mut headers = Headers::new();
        headers.set(ReplyTo::from(lettre::message::Mailboxes::from(mailbox(to)?)));
        self.set("Reply-To", headers.to_string().into_bytes());
        Ok(())
    }

    /// A field of one line, of ASCII that needs no encoding.
    pub fn set_plain(&mut self, name: &str, value: &str) {
        self.set(name, format!("{name}: {value}\r\n").into_bytes());
    }

    /// A field above all others (trace fields, RFC 5321 section 4.4).
    pub fn prepend(&mut self, name: &str, value: &str) {
        let field = Field { name: name.to_ascii_lowercase(), bytes: format!("{name}: {value}\r\n").into_bytes() };
        self.fields.insert(0, field);
    }

    /// An id behind those that References has; what stands there stays as it is.
    pub fn add_reference(&mut self, id: &MessageId) {
        let written = self.fields.iter_mut().find(|f| f.name == "references");
        match written {
            Some(field) => {
                while field.bytes.last().is_some_and(|b| b.is_ascii_whitespace()) {
                    field.bytes.pop();
                }
                field.bytes.extend_from_slice(format!("\r\n {}\r\n", id.as_str()).as_bytes());
                self.changed.push("references".to_owned());
            }
            None => self.set_plain("References", id.as_str()),
        }
    }

    /// Takes out DKIM signatures that cover a field that was changed, or all if the body was. Returns how many.
    pub fn remove_broken_signatures(&mut self, body_changed: bool) -> usize {
        let before = self.fields.len();
        let changed = std::mem::take(&mut self.changed);
        self.fields.retain(|field| {
            field.name != "dkim-signature"
                || !(body_changed || covered(&field.bytes).iter().any(|name| changed.contains(name)))
        });
        self.changed = changed;
        before.saturating_sub(self.fields.len())
    }

    /// All of it, without the empty line.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.fields.iter().flat_map(|f| f.bytes.iter().copied()).collect()
    }
}

/// RFC 5322 section 3.6.8; `None` for a folded line and for what is no field.
fn field_name(line: &[u8]) -> Option<String> {
    let at = line.iter().position(|b| *b == b':')?;
    let name = String::from_utf8_lossy(line.get(..at)?).trim_end_matches([' ', '\t']).to_ascii_lowercase();
    let good = !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic());
    good.then_some(name)
}

fn mailbox(person: &NameAddr) -> Result<Mailbox, String> {
    let email = lettre::Address::new(person.address.local(), person.address.domain())
        .map_err(|e| format!("address {}: {e}", person.address))?;
    let name = text::header(&person.name);
    Ok(Mailbox::new((!name.is_empty()).then_some(name), email))
}

/// Names in the `h=` tag of a DKIM-Signature, lower case.
fn covered(field: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(field).into_owned();
    let value = text.split_once(':').map_or("", |(_, value)| value);
    value
        .split(';')
        .filter_map(|tag| tag.split_once('='))
        .filter(|(name, _)| name.trim() == "h")
        .flat_map(|(_, names)| names.split(':').map(|n| n.split_whitespace().collect::<String>().to_ascii_lowercase()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Address;

    const MAIL: &str = "Received: by x;\r\n\tsome day\r\nFROM : Shop <noreply@shop.example>\r\nTo: jane@customer.example\r\n\
                        X-Odd:   two  spaces \r\nReferences: <a@b>\r\n  <c@d>\r\nSubject: =?utf-8?q?x?=\r\n";

    fn changed(mail: &str, edit: impl FnOnce(&mut Header)) -> String {
        let mut header = Header::parse(mail.as_bytes());
        edit(&mut header);
        String::from_utf8_lossy(&header.to_bytes()).into_owned()
    }

    fn person(name: &str, address: &str) -> NameAddr {
        NameAddr::new(name, Address::parse(address).unwrap_or_else(Address::unknown))
    }

    #[test]
    fn r70_what_is_not_named_stays_octet_for_octet() {
        assert_eq!(changed(MAIL, |_| {}), MAIL);
        let from = changed(MAIL, |h| assert_eq!(h.set_from(&person("Bücher", "support@shop.example")), Ok(())));
        assert_eq!(
            from.replace(
                "From: =?utf-8?b?QsO8Y2hlcg==?= <support@shop.example>\r\n",
                "FROM : Shop <noreply@shop.example>\r\n"
            ),
            MAIL
        );
        let reference = changed(MAIL, |h| h.add_reference(&MessageId::from_parts("case", "shop.example")));
        assert_eq!(reference.replace("\r\n <case@shop.example>", ""), MAIL);
        let gone = changed(MAIL, |h| h.remove(|n| n.starts_with("x-odd")));
        assert_eq!(gone, MAIL.replace("X-Odd:   two  spaces \r\n", ""));
    }

    #[test]
    fn r70_a_signature_goes_if_it_covers_what_was_changed() {
        for (signed, body_changed, left) in [
            ("h=To:Subject", false, true),
            ("h=To:Subject", true, false),
            ("h=From : \r\n Subject", false, false),
            ("h=to:reply-to:subject", false, true),
            ("bh=from; h=Subject", false, true),
        ] {
            let mail = format!("DKIM-Signature: v=1; {signed}; b=abc\r\n{MAIL}");
            let after = changed(&mail, |h| {
                assert_eq!(h.set_from(&person("Shop", "support@shop.example")), Ok(()));
                h.remove_broken_signatures(body_changed);
            });
            assert_eq!(after.contains("DKIM-Signature"), left, "{signed}");
        }
    }

    #[test]
    fn header_and_body_part_at_the_empty_line() {
        for (mail, header, body) in [
            ("a: b\r\n\r\nx\r\n\r\ny", "a: b\r\n", "\r\nx\r\n\r\ny"),
            ("a: b\r\n", "a: b\r\n", ""),
            ("\r\nx", "", "\r\nx"),
            ("", "", ""),
        ] {
            assert_eq!(split(mail.as_bytes()), (header.as_bytes(), body.as_bytes()), "{mail:?}");
        }
        assert_eq!(changed("a: b", |_| {}), "a: b\r\n");
        assert_eq!(changed("no field\r\n folded\r\na: b\r\n", |_| {}), "no field\r\n folded\r\na: b\r\n");
    }
}
