//! What is done to a mail before the transaction: read it, tell its new words from quotes, clean its HTML,
//! encode its attachments. On blocking threads, a bounded number at a time.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use anyhow::Context;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::clock;
use crate::desk::policy::Policy;
use crate::desk::routing::agent_by_address;
use crate::desk::token::{CaseKey, Class, Found, Token};
use crate::desk::{Arrival, Event, What};
use crate::mail::references::ancestors;
use crate::mail::render::{Part, encode_blob};
use crate::mail::reply::{Known, Reading, read_agent, read_customer};
use crate::mail::verdict::Opinion;
use crate::mail::{Incoming, html, read};
use crate::store::Store;
use crate::store::load::{KnownTexts, known_texts};
use crate::store::quarantine::Quarantined;
use crate::store::types::{Content, IntakeBatch};

use super::signatures::Signatures;

/// Octets that are parsed in one blocking piece of work.
const PIECE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// With what a mail is prepared.
#[derive(Debug, Clone, Copy)]
pub struct Desk<'a> {
    /// The store, for the texts of cases.
    pub store: &'a Store,
    /// The settings.
    pub policy: &'a Policy,
    /// Looks at signatures, where that is wanted.
    pub signatures: Option<&'a Arc<Signatures>>,
}

/// An event, ready for the transaction.
#[derive(Debug)]
pub struct Prepared {
    /// The event; `Err` says why the mail could not be read (a panic of ours).
    pub event: Result<Event, Broken>,
    /// The mail as it came, if it is one.
    pub raw: Option<Vec<u8>>,
    /// Attachments to store once.
    pub blobs: Vec<(String, Vec<u8>)>,
}

/// A mail that made us fail.
#[derive(Debug)]
pub struct Broken {
    /// Its event id.
    pub id: String,
    /// Its mailbox.
    pub mailbox: String,
    /// Older than the first start.
    pub old: bool,
    /// Why.
    pub reason: String,
}

impl Prepared {
    /// An event that is no mail.
    #[must_use]
    pub fn bare(event: Event) -> Self {
        Prepared { event: Ok(event), raw: None, blobs: Vec::new() }
    }

    /// Its event's id.
    #[must_use]
    pub fn id(&self) -> &str {
        match &self.event {
            Ok(event) => &event.id,
            Err(broken) => &broken.id,
        }
    }

    /// The mail as it came; empty if it is none.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        self.raw.as_deref().unwrap_or_default()
    }
}

/// A restored mailbox may have new INTERNALDATEs: the author's own Date counts too, where it is older than this.
const DATE_MARGIN_MS: i64 = 24 * 3_600_000;

/// A mail on its way to [`Prepared`].
struct Piece {
    id: String,
    mailbox: String,
    old: bool,
    at_ms: i64,
    raw: Vec<u8>,
    size_bytes: u64,
    headers_only: bool,
    /// Why it must not be read.
    broken: Option<String>,
    /// An earlier Date makes it old.
    old_before_ms: i64,
}

/// Prepares all mails of a batch, in their order.
///
/// # Errors
/// The store's, when texts of cases are looked up.
pub async fn batch(desk: Desk<'_>, batch: &IntakeBatch) -> anyhow::Result<Vec<Prepared>> {
    let cursor = &batch.cursor;
    let now = clock::now_ms();
    let mut pieces = Vec::new();
    for mail in &batch.mails {
        let length = |raw: &[u8]| u64::try_from(raw.len()).unwrap_or_default();
        let (raw, size_bytes, headers_only, broken) = match &mail.content {
            Content::Whole(raw) => (raw.clone(), length(raw), false, None),
            Content::HeadersOnly { headers, size_bytes } => (headers.clone(), *size_bytes, true, None),
            Content::Short { bytes, reason } => (bytes.clone(), length(bytes), false, Some(reason.clone())),
        };
        pieces.push(Piece {
            id: cursor.event_id(mail.uid),
            mailbox: cursor.mailbox.clone(),
            old: mail.old,
            at_ms: if mail.old { mail.internal_date_ms.unwrap_or(now) } else { now },
            raw,
            size_bytes,
            headers_only,
            broken,
            old_before_ms: if mail.uid <= cursor.uid_old {
                cursor.fresh_from_ms.saturating_sub(DATE_MARGIN_MS)
            } else {
                i64::MIN
            },
        });
    }
    all(desk, pieces).await
}

/// Prepares a quarantined mail.
///
/// # Errors
/// As [`batch`].
pub async fn one(desk: Desk<'_>, row: &Quarantined, raw: Vec<u8>) -> anyhow::Result<Prepared> {
    let piece = Piece {
        id: row.event_id.clone(),
        mailbox: row.mailbox.clone(),
        old: row.old,
        at_ms: clock::now_ms(),
        size_bytes: u64::try_from(raw.len()).unwrap_or_default(),
        raw,
        headers_only: false,
        broken: None,
        old_before_ms: i64::MIN,
    };
    all(desk, vec![piece]).await?.pop().context("a mail went missing while it was read")
}

async fn all(desk: Desk<'_>, pieces: Vec<Piece>) -> anyhow::Result<Vec<Prepared>> {
    let mut prepared = Vec::with_capacity(pieces.len());
    let mut pieces = pieces.into_iter().peekable();
    while pieces.peek().is_some() {
        let mut group = Vec::new();
        let mut size = 0usize;
        while let Some(piece) =
            pieces.next_if(|p| group.is_empty() || size.saturating_add(p.raw.len()) <= PIECE_BYTES_MAX)
        {
            size = size.saturating_add(piece.raw.len());
            group.push(piece);
        }
        let read = tokio::task::spawn_blocking(move || group.into_iter().map(read_piece).collect::<Vec<_>>())
            .await
            .context("reading mail")?;
        let opinions = opinions(desk, &read).await;
        let mut with_texts = Vec::with_capacity(read.len());
        for ((piece, mail), checked) in read.into_iter().zip(opinions) {
            let background = match &mail {
                Ok(mail) => Background { checked, ..background(desk.store, desk.policy, mail).await? },
                Err(_) => Background::default(),
            };
            with_texts.push((piece, mail, background));
        }
        let done = tokio::task::spawn_blocking(move || {
            with_texts.into_iter().map(|(piece, mail, background)| finish(piece, mail, &background)).collect::<Vec<_>>()
        })
        .await
        .context("reading mail")?;
        prepared.extend(done);
    }
    Ok(prepared)
}

/// What our own look at their signatures says, where one is taken.
async fn opinions(desk: Desk<'_>, read: &[(Piece, Result<Incoming, String>)]) -> Vec<Option<Opinion>> {
    let Some(signatures) = desk.signatures else {
        return vec![None; read.len()];
    };
    let mails = read.iter().map(|(piece, mail)| match mail {
        Ok(mail) if !piece.headers_only => Some((piece.raw.clone(), mail.clone())),
        _ => None,
    });
    signatures.look_at(mails.collect()).await
}

fn read_piece(piece: Piece) -> (Piece, Result<Incoming, String>) {
    let mail = match &piece.broken {
        Some(reason) => Err(reason.clone()),
        None => guarded(|| read::read(&piece.raw)),
    };
    (piece, mail)
}

fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let words = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        format!("reading it panicked: {words}")
    })
}

/// What a mail is read against.
#[derive(Default)]
struct Background {
    /// What was said in the cases that it may belong to.
    texts: KnownTexts,
    /// An agent may have written it.
    of_agent: bool,
    /// What our own look at its signatures says.
    checked: Option<Opinion>,
}

async fn background(store: &Store, policy: &Policy, mail: &Incoming) -> anyhow::Result<Background> {
    let mailboxes: Vec<_> = policy.mailboxes.values().collect();
    let ids = ancestors(mail);
    let in_addresses = mail.recipients().filter_map(|a| policy.keys.read_address(a, &mailboxes));
    let in_ids = ids.iter().filter_map(|id| policy.keys.read_message_id(id));
    let tokens: Vec<Token> = in_addresses
        .chain(in_ids)
        .filter_map(|found| match found {
            Found::Good(token) => Some(token),
            Found::Forged => None,
        })
        .collect();
    let of_agent = tokens.iter().any(|t| t.class == Class::Agent)
        || mail.from.iter().any(|from| agent_by_address(policy, &from.address).is_some());
    let cases: BTreeSet<CaseKey> = tokens.iter().map(|t| t.case).collect();
    if cases.is_empty() && ids.is_empty() {
        return Ok(Background { of_agent, ..Background::default() });
    }
    let mut reader = store.reader().acquire().await.context("read the texts of a case")?;
    let texts = known_texts(&mut reader, &cases, &ids).await.context("read the texts of a case")?;
    Ok(Background { texts, of_agent, checked: None })
}

fn finish(piece: Piece, mail: Result<Incoming, String>, background: &Background) -> Prepared {
    let read = mail.and_then(|mail| guarded(|| arrival(&piece, mail, background)));
    match read {
        Ok((arrival, blobs)) => Prepared {
            event: Ok(Event { id: piece.id, at_ms: piece.at_ms, what: What::Arrived(Box::new(arrival)) }),
            raw: Some(piece.raw),
            blobs,
        },
        Err(reason) => Prepared {
            event: Err(Broken { id: piece.id, mailbox: piece.mailbox, old: piece.old, reason }),
            raw: Some(piece.raw),
            blobs: Vec::new(),
        },
    }
}

fn arrival(piece: &Piece, mail: Incoming, background: &Background) -> (Arrival, Vec<(String, Vec<u8>)>) {
    let texts = &background.texts;
    let internal: Vec<&str> = texts.internal.iter().map(String::as_str).collect();
    let shared: Vec<&str> = texts.shared.iter().map(String::as_str).collect();
    let known = Known { ours: &internal, shared: &shared };
    let reading: Reading = read_customer(&mail.text, mail.html.as_deref(), &known);
    let agent_reading: Reading =
        if background.of_agent { read_agent(&mail.text, mail.html.as_deref(), &known) } else { Reading::default() };
    let clean_html = reading.words_html.as_deref().map(html::clean).unwrap_or_default();
    let mut parts = Vec::new();
    let mut blobs = Vec::new();
    for attachment in &mail.attachments {
        let id = HEXLOWER.encode(&Sha256::digest(&attachment.content));
        blobs.push((id.clone(), encode_blob(&attachment.content)));
        parts.push(Part {
            name: attachment.name.clone(),
            media_type: attachment.media_type.clone(),
            content_id: attachment.content_id.clone(),
            inline: attachment.inline,
            blob: id,
            size_bytes: u64::try_from(attachment.content.len()).unwrap_or_default(),
        });
    }
    let arrival = Arrival {
        mailbox: piece.mailbox.clone(),
        old: piece.old || mail.date_ms.is_some_and(|date| date < piece.old_before_ms),
        reading,
        agent_reading,
        clean_html,
        parts,
        size_bytes: piece.size_bytes,
        headers_only: piece.headers_only,
        checked: background.checked.clone(),
        mail,
    };
    (arrival, blobs)
}
