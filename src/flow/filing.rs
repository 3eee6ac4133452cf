//! The folders of the desk, as their loop sees them (R94): what should lie where, of what a copy is made, what was moved.

use anyhow::Context;

use crate::clock;
use crate::desk::case::{Direction, Entry};
use crate::desk::filing::{self, FIELD, Moved};
use crate::desk::policy::Mailbox;
use crate::desk::token::{CaseKey, Class, PartyId, Token, TokenKeys, message_id};
use crate::desk::{Event, What};
use crate::mail::edit::{Header, split};
use crate::mail::read::read;
use crate::mail::render::{Draft, can_be_written, render};
use crate::mail::{Address, MessageId, NameAddr, html};
use crate::store::copies::Source;
use crate::store::types::Filed;

use super::{Flow, Handled};

/// A mail that somebody moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// The key of its case.
    pub case: i64,
    /// The folder's name below the desk's own; `None` for any other folder.
    pub folder: Option<String>,
    /// The folder's whole name.
    pub whole: String,
    /// UIDVALIDITY of the folder.
    pub uidvalidity: u32,
    /// The mail's UID there.
    pub uid: u32,
    /// The newest entry of the case that was in the folders.
    pub shown: i64,
}

/// A mail that is to lie in a folder.
#[derive(Debug, Clone)]
pub struct Copy {
    /// What stands in its header.
    pub marker: String,
    /// All of it, CRLF line ends.
    pub bytes: Vec<u8>,
    /// When it was said, milliseconds.
    pub at_ms: i64,
    /// Nobody has to be told of it: it is no mail from outside, or lay there before.
    pub seen: bool,
}

impl Flow {
    /// The folders of a mailbox, below the desk's own.
    #[must_use]
    pub fn folders(&self, mailbox: &str) -> Vec<String> {
        filing::folders(self.policy(), mailbox)
    }

    /// All copies that should lie in folders of this mailbox, or may. Closed cases stay as long as they may reopen (R12).
    ///
    /// # Errors
    /// The store's.
    pub async fn filed(&self, mailbox: &str) -> anyhow::Result<Vec<Filed>> {
        let closed_after_ms = clock::now_ms().saturating_sub(self.policy().reopen_ms);
        let wanted = |standing: &crate::store::copies::Standing| {
            filing::wanted(standing.status, standing.owner.as_deref(), self.policy(), mailbox)
        };
        self.store().filed(mailbox, closed_after_ms, wanted).await.context("look up what lies in the folders")
    }

    /// People moved these mails.
    ///
    /// # Errors
    /// The store's; then nothing of it counts yet.
    pub async fn moved(&self, mailbox: &str, moves: Vec<Move>) -> anyhow::Result<Vec<Handled>> {
        let at_ms = clock::now_ms();
        let event = |moved: Move| Event {
            id: format!("folder/{mailbox}/{}/{}/{}", moved.whole, moved.uidvalidity, moved.uid),
            at_ms,
            what: What::Moved(Moved {
                case: CaseKey::from_i64(moved.case),
                folder: moved.folder,
                whole: moved.whole,
                shown: moved.shown,
            }),
        };
        self.handle(moves.into_iter().map(event).collect()).await
    }

    /// The copy of an entry; `None` if the entry, or its mailbox, is gone.
    ///
    /// # Errors
    /// The store's.
    pub async fn copy(&self, filed: &Filed, mailbox: &str) -> anyhow::Result<Option<Copy>> {
        let Some(source) = self.store().source(filed.entry).await.context("read a mail of a case")? else {
            return Ok(None);
        };
        let Some(mailbox) = self.policy().mailboxes.get(mailbox).cloned() else {
            return Ok(None);
        };
        let (keys, entry, seen) = (self.policy().keys.clone(), filed.entry, !filed.marker.is_empty());
        let copy = move || copy(entry, &source, &mailbox, &keys).map(|copy| Copy { seen: copy.seen || seen, ..copy });
        // what cannot be read, or written, without a fault of ours has no copy
        Ok(tokio::task::spawn_blocking(copy).await.unwrap_or(None))
    }

    /// Is this mail, as it lies on the server, a copy with this marker, and nothing else?
    pub async fn is_copy(&self, marker: &str, raw: Vec<u8>) -> bool {
        let (keys, marker) = (self.policy().keys.clone(), marker.to_owned());
        let look = move || {
            let mail = read(&raw);
            mail.copy_of.as_ref() == Some(&marker) && filing::is_copy(&keys, &mail)
        };
        tokio::task::spawn_blocking(look).await.unwrap_or(false)
    }
}

fn copy(entry: i64, source: &Source, mailbox: &Mailbox, keys: &TokenKeys) -> Option<Copy> {
    let raw = match &source.raw {
        Some(raw) => canonical(raw),
        None => render(&draft(entry, source, mailbox, keys)).ok()?.bytes,
    };
    let is_ours = source.entry.direction != Direction::Inbound;
    // the marker is no part of what it seals
    let content = read(&marked(&raw, "", is_ours)).content_hash;
    let marker = filing::marker(keys, entry, &content);
    Some(Copy { bytes: marked(&raw, &marker, is_ours), marker, at_ms: source.entry.at_ms, seen: is_ours })
}

/// A mail with a marker on top. The answer to a mail of ours goes to whom it went, and not to the desk.
fn marked(raw: &[u8], marker: &str, is_ours: bool) -> Vec<u8> {
    let (header, body) = split(raw);
    let mut header = Header::parse(header);
    header.remove(|name| name.eq_ignore_ascii_case(FIELD) || (is_ours && name == "reply-to"));
    header.prepend(FIELD, marker);
    let mut bytes = header.to_bytes();
    bytes.extend_from_slice(if body.is_empty() { b"\r\n" } else { body });
    bytes
}

/// CRLF line ends and no NUL: what a literal may hold (RFC 3501 section 9, `CHAR8`).
fn canonical(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    for line in raw.split_inclusive(|octet| *octet == b'\n') {
        let bare = line.strip_suffix(b"\n").unwrap_or(line);
        let bare = bare.strip_suffix(b"\r").unwrap_or(bare);
        out.extend(bare.iter().map(|octet| if matches!(octet, 0 | b'\r') { b' ' } else { *octet }));
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// A note, or a mail that is not kept as it was: what is known of it.
fn draft(entry: i64, source: &Source, mailbox: &Mailbox, keys: &TokenKeys) -> Draft {
    let said: &Entry = &source.entry;
    let token = Token { class: Class::Agent, case: source.case, party: PartyId::NOBODY };
    let writable = |bare: &String| Address::parse(bare).filter(can_be_written);
    let people = |list: &[String]| list.iter().filter_map(writable).map(|a| NameAddr::new("", a)).collect::<Vec<_>>();
    let from = writable(&said.from).unwrap_or_else(|| mailbox.address.clone());
    let to = Some(people(&said.to)).filter(|to| !to.is_empty());
    let before = source.before.as_deref().and_then(MessageId::parse);
    let word = if said.direction == Direction::Note { "Note: " } else { "" };
    Draft {
        from: NameAddr::new(&said.author_name, from),
        to: to.unwrap_or_else(|| vec![NameAddr::new(&mailbox.display_name, mailbox.address.clone())]),
        cc: people(&said.cc),
        reply_to: None,
        subject: format!("{word}{}", said.subject),
        message_id: message_id(keys, mailbox, token, &keys.unique(&format!("copy/{}/{entry}", mailbox.name), 0)),
        in_reply_to: before.clone(),
        references: before.into_iter().collect(),
        date_ms: said.at_ms,
        headers: Vec::new(),
        text: said.text.clone(),
        html: if said.html.is_empty() { html::from_text(&said.text) } else { said.html.clone() },
        parts: Vec::new(),
    }
}
