//! The header of a mail: its fields, addresses, ids and traces.
//!
//! Decides   what is an address, where a field is not written as one; which ids a mail names.
//! Follows   RFC 5322 sections 3.4 and 3.6, RFC 2047, RFC 6532 (UTF-8 in header fields).
//! Never     fails: what cannot be read is left out.

use std::borrow::Cow;

use mail_parser::{Address as Parsed, Header, HeaderForm, HeaderValue, Message, MessageParser};

use super::{charset, words};
use crate::limits::{ADDRESSES_MAX, HEADER_FIELDS_MAX, REFERENCES_MAX};
use crate::mail::verdict::TraceField;
use crate::mail::{Address, MessageId, NameAddr, ReturnPath, text};

/// The header as text: name in lower case, raw value unfolded, in order.
pub struct Fields(pub Vec<(String, String)>);

impl Fields {
    pub fn of(raw: &[u8], headers: &[Header<'_>]) -> Self {
        let list = headers
            .iter()
            .take(HEADER_FIELDS_MAX)
            .map(|header| {
                let range =
                    usize::try_from(header.offset_start).unwrap_or(0)..usize::try_from(header.offset_end).unwrap_or(0);
                let value = String::from_utf8_lossy(raw.get(range).unwrap_or_default());
                (header.name().to_ascii_lowercase(), text::field(&value))
            })
            .collect();
        Fields(list)
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// All of it, a line a field.
    pub fn text(&self) -> String {
        self.0.iter().map(|(n, v)| format!("{n}: {v}\n")).collect()
    }

    pub fn first<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).next()
    }
}

/// The subject; encoded words that were split inside a character are joined first, and octets of no charset detected.
pub fn subject(message: &Message<'_>) -> String {
    let decoded = message.subject().unwrap_or_default();
    let better = decoded.contains('\u{fffd}').then(|| {
        let field = message.headers().iter().rev().find(|h| h.name().eq_ignore_ascii_case("subject"))?;
        let range = usize::try_from(field.offset_start).ok()?..usize::try_from(field.offset_end).ok()?;
        let text = charset::text(message.raw_message.get(range)?, None, None).into_owned();
        if text.contains("=?") { words::decoded(&text) } else { Some(text) }
    });
    text::header(better.flatten().as_deref().unwrap_or(decoded))
}

/// Mailboxes of all fields of this name, groups flattened.
pub fn addresses(message: &Message<'_>, name: &'static str) -> Vec<NameAddr> {
    let mut found: Vec<NameAddr> = Vec::new();
    for value in message.header_as(name, HeaderForm::Addresses) {
        let HeaderValue::Address(parsed) = value else {
            continue;
        };
        collect(&parsed, &mut found);
    }
    found
}

/// The one address in a field that is not written as one: `Jane Doe jane@mail.example`, `jane@mail(home).example`.
pub fn loose_address(value: &str) -> Option<NameAddr> {
    let bare: String = value
        .split('(')
        .enumerate()
        .filter_map(
            |(i, piece)| if i == 0 { Some(piece) } else { piece.split_once(')').map(|(_, rest)| rest.trim_start()) },
        )
        .collect();
    let bare = bare.replace(". ", ".").replace('"', "");
    let word =
        bare.split(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | ',' | ';')).find(|w| w.contains('@'))?;
    let address = Address::parse(word)?;
    let name = bare.split(word).next().unwrap_or_default();
    Some(NameAddr::new(name.trim_matches(|c: char| c.is_whitespace() || c == '<'), address))
}

/// A name in From that turns letters round, so that it shows as another one (UAX #9: the overrides; what honest names
/// in Arabic and Hebrew have, embeddings and marks, turns no letters).
pub fn turned(message: &Message<'_>) -> Option<String> {
    let names = message.from().into_iter().flat_map(|from| from.iter()).filter_map(|addr| addr.name());
    let turns = names.take(ADDRESSES_MAX).any(|name| name.contains(['\u{202d}', '\u{202e}']));
    turns.then(|| "the name of its author held signs that turn letters round; they were taken out".to_owned())
}

fn collect(parsed: &Parsed<'_>, found: &mut Vec<NameAddr>) {
    for addr in parsed.iter().take(ADDRESSES_MAX.saturating_sub(found.len())) {
        let address = addr.address().or(addr.name()).and_then(|a| Address::parse(&text::header(a)));
        if let Some(address) = address {
            let name = addr.name().filter(|n| *n != addr.address().unwrap_or_default()).unwrap_or_default();
            found.push(NameAddr::new(name, address));
        }
    }
}

pub fn delivered_to(message: &Message<'_>, fields: &Fields) -> Vec<Address> {
    let mut names: Vec<&'static str> = Vec::new();
    for (name, _) in &fields.0 {
        let known = match name.as_str() {
            "delivered-to" => "Delivered-To",
            "x-original-to" => "X-Original-To",
            "envelope-to" => "Envelope-To",
            "x-envelope-to" => "X-Envelope-To",
            _ => continue,
        };
        if !names.contains(&known) {
            names.push(known);
        }
    }
    let mut found: Vec<Address> = Vec::new();
    for one in names.into_iter().flat_map(|name| addresses(message, name)) {
        if !found.contains(&one.address) {
            found.push(one.address);
        }
    }
    found
}

pub fn return_path(fields: &Fields) -> Option<ReturnPath> {
    let value = fields.first("return-path")?.trim();
    let inner = value.trim_start_matches('<').trim_end_matches('>').trim();
    if inner.is_empty() {
        return Some(ReturnPath::Null);
    }
    Address::parse(inner).map(ReturnPath::Address)
}

pub fn ids(fields: &Fields, name: &str) -> Vec<MessageId> {
    let mut ids: Vec<MessageId> = fields.all(name).flat_map(|value| MessageId::scan(&plain(value))).collect();
    if ids.len() > REFERENCES_MAX {
        let half = REFERENCES_MAX / 2;
        let tail = ids.split_off(ids.len().saturating_sub(half));
        ids.truncate(half);
        ids.extend(tail);
    }
    ids
}

/// Python's email package (seen with 3.11, 2026) writes ids that are too long for a line as encoded words, which RFC 2047
/// section 5 forbids.
fn plain(value: &str) -> Cow<'_, str> {
    if !value.contains("=?") {
        return Cow::Borrowed(value);
    }
    let field = format!("Subject: {value}\r\n\r\n");
    let decoded = MessageParser::default().parse_headers(field.as_bytes()).and_then(|m| m.subject().map(str::to_owned));
    decoded.map_or(Cow::Borrowed(value), Cow::Owned)
}

pub fn trace(fields: &Fields) -> Vec<TraceField> {
    fields
        .0
        .iter()
        .filter_map(|(name, value)| match name.as_str() {
            "received" => Some(TraceField::Received(value.clone())),
            "authentication-results" => Some(TraceField::AuthenticationResults(value.clone())),
            "x-ms-exchange-organization-authas" => Some(TraceField::AuthAs(value.clone())),
            "arc-seal" => Some(TraceField::ArcSeal(value.clone())),
            "arc-authentication-results" => Some(TraceField::ArcResults(value.clone())),
            _ => None,
        })
        .collect()
}

pub fn suppress(fields: &Fields) -> Vec<String> {
    fields
        .all("x-auto-response-suppress")
        .flat_map(|v| v.split(','))
        .map(|word| word.trim().to_ascii_lowercase())
        .filter(|word| !word.is_empty())
        .collect()
}
/// What our own server says of spam. What another server on the way wrote stands between two Received lines, and is its
/// opinion, not ours; ours writes on top, or, as a filter does that adds at the end, below the last one.
pub fn is_spam(fields: &Fields) -> bool {
    let received: Vec<usize> = (0..).zip(&fields.0).filter(|(_, (n, _))| n == "received").map(|(at, _)| at).collect();
    let between =
        |at: usize| received.first().is_some_and(|first| at > *first) && received.last().is_some_and(|last| at < *last);
    (0..).zip(&fields.0).filter(|(at, _)| !between(*at)).any(|(_, (name, value))| {
        let value = value.trim().to_ascii_lowercase();
        match name.as_str() {
            "x-spam-flag" | "x-spam-status" | "x-spam" => value.starts_with("yes"),
            // Exchange's own scale: 5 and more goes into the folder for spam
            "x-ms-exchange-organization-scl" => value.parse::<i32>().is_ok_and(|level| level >= 5),
            _ => false,
        }
    })
}
