//! What is done to a mail before the transaction: read it, tell its new words from quotes, clean its HTML,
//! encode its attachments. On blocking threads, a bounded number at a time.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use anyhow::Context;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::clock;
use crate::desk::forward::Forwarded;
use crate::desk::policy::Policy;
use crate::desk::routing::agent_by_address;
use crate::desk::token::{CaseKey, Class, Found, Token};
use crate::desk::{Arrival, Event, What};
use crate::failpoint;
use crate::mail::references::{ancestors, shows_another, without_external};
use crate::mail::render::{Part, encode_blob};
use crate::mail::reply::{Known, Reading, read_agent, read_customer};
use crate::mail::verdict::Opinion;
use crate::mail::{Attachment, Incoming, forward, html, read};
use crate::store::Store;
use crate::store::bodies::Body;
use crate::store::load::{KnownTexts, known_texts};
use crate::store::notices::{Sighting, is_a_providers};
use crate::store::pending::Blob;
use crate::store::quarantine::Quarantined;
use crate::store::types::{Content, FetchedMail, Progress};

use super::notices::{self, Seen};
use super::signatures::Signatures;

/// Octets that are parsed in one blocking piece of work.
const PIECE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Agents through whose hands a mail goes before it comes to the desk.
const FORWARDS_MAX: usize = 4;

/// How ids of events begin whose mail lay in the folder of what people sent: so it is known again in quarantine.
const SENT: &str = "sent/";

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
    pub raw: Option<Arc<Vec<u8>>>,
    /// Attachments to store once.
    pub blobs: Vec<Blob>,
    /// The body of a notification.
    pub body: Option<Body>,
    /// What looks like a provider's notice on top of it (R44).
    pub notice: Option<Sighting>,
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
        Prepared { event: Ok(event), raw: None, blobs: Vec::new(), body: None, notice: None }
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
    pub fn raw(&self) -> Arc<Vec<u8>> {
        self.raw.clone().unwrap_or_default()
    }
}

/// A restored mailbox may have new INTERNALDATEs: the author's own Date counts too, where it is older than this.
const DATE_MARGIN_MS: i64 = 24 * 3_600_000;

/// What a provider does to mail from outside (R44).
struct Habits {
    /// `[intake] banner`.
    banners: Vec<String>,
    /// `[intake] strip_subject`.
    prefixes: Vec<String>,
}

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
    /// What looks like a provider's notice on top of it.
    notice: Option<Seen>,
    /// It lay in the folder for spam.
    junk: bool,
    /// It lay in the folder of what people sent.
    sent: bool,
    /// An earlier Date makes it old.
    old_before_ms: i64,
}

/// Prepares all mails of a batch, in their order.
///
/// # Errors
/// The store's, when texts of cases are looked up.
pub async fn batch(desk: Desk<'_>, progress: &Progress, mails: Vec<FetchedMail>) -> anyhow::Result<Vec<Prepared>> {
    let cursor = &progress.cursor;
    let now = clock::now_ms();
    let mut pieces = Vec::new();
    for mail in mails {
        let length = |raw: &[u8]| u64::try_from(raw.len()).unwrap_or_default();
        let (size_bytes, raw, headers_only, broken) = match mail.content {
            Content::Whole(raw) => (length(&raw), raw, false, None),
            Content::HeadersOnly { headers, size_bytes } => (size_bytes, headers, true, None),
            Content::Unread { bytes, reason } => (length(&bytes), bytes, false, Some(reason)),
        };
        pieces.push(Piece {
            id: event_id(progress, mail.uid),
            mailbox: cursor.mailbox.clone(),
            old: mail.old,
            at_ms: if mail.old { mail.internal_date_ms.unwrap_or(now) } else { now },
            raw,
            size_bytes,
            headers_only,
            broken,
            notice: None,
            junk: progress.junk,
            sent: progress.sent,
            old_before_ms: if mail.uid <= cursor.uid_old {
                cursor.fresh_from_ms.saturating_sub(DATE_MARGIN_MS)
            } else {
                i64::MIN
            },
        });
    }
    all(desk, pieces).await
}

/// The event id of a mail of a folder.
pub(super) fn event_id(progress: &Progress, uid: u32) -> String {
    let id = progress.cursor.event_id(uid);
    if progress.sent { format!("{SENT}{id}") } else { id }
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
        notice: None,
        junk: false,
        sent: row.event_id.starts_with(SENT),
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
                Ok(mail) => {
                    let has_notice = knows_notice(desk.store, piece.notice.as_ref()).await?;
                    Background { checked, has_notice, ..background(desk.store, desk.policy, mail).await? }
                }
                Err(_) => Background::default(),
            };
            with_texts.push((piece, mail, background));
        }
        let habits = Habits { banners: desk.policy.banner.clone(), prefixes: desk.policy.strip_subject.clone() };
        let done = tokio::task::spawn_blocking(move || {
            with_texts
                .into_iter()
                .map(|(piece, mail, background)| finish(piece, mail, &background, &habits))
                .collect::<Vec<_>>()
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
        Ok(mail) if !piece.headers_only && !piece.sent => Some((piece.raw.clone(), mail.clone())),
        _ => None,
    });
    signatures.look_at(mails.collect()).await
}

fn read_piece(mut piece: Piece) -> (Piece, Result<Incoming, String>) {
    let read = match &piece.broken {
        Some(reason) => Err(reason.clone()),
        None => guarded(|| {
            failpoint::poison("mail.read", &piece.raw);
            failpoint::deadly("mail.ends", &piece.raw);
            let mail = read::read(&piece.raw);
            let from_outside = !piece.junk && !piece.sent;
            let notice = from_outside.then(|| notices::on_top(&piece.mailbox, &mail)).flatten();
            (mail, notice)
        }),
    };
    let mail = read.map(|(mail, notice)| {
        piece.notice = notice;
        mail
    });
    let by_id_alone = |mut mail: Incoming| {
        if let Some(id) = mail.message_id.as_ref().filter(|_| failpoint::fault("dedup_by_message_id")) {
            mail.content_hash = Sha256::digest(id.as_str()).into();
        }
        mail
    };
    (piece, mail.map(by_id_alone))
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
    /// What looks like a notice on top of it opens mails of many authors.
    has_notice: bool,
}

async fn knows_notice(store: &Store, seen: Option<&Seen>) -> anyhow::Result<bool> {
    let Some(seen) = seen else {
        return Ok(false);
    };
    let mut reader = store.reader().acquire().await.context("look up a notice")?;
    is_a_providers(&mut reader, &seen.sighting, clock::now_ms()).await.context("look up a notice")
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
    Ok(Background { texts, of_agent, ..Background::default() })
}

fn finish(piece: Piece, mail: Result<Incoming, String>, background: &Background, habits: &Habits) -> Prepared {
    let read = mail.and_then(|mail| {
        guarded(|| {
            let mut blobs = Vec::new();
            let arrival = arrival(&piece, mail, background, habits, FORWARDS_MAX, &mut blobs);
            (arrival, blobs)
        })
    });
    match read {
        Ok((arrival, blobs)) => Prepared {
            event: Ok(Event { id: piece.id, at_ms: piece.at_ms, what: What::Arrived(Box::new(arrival)) }),
            raw: Some(Arc::new(piece.raw)),
            blobs,
            body: None,
            notice: piece.notice.map(|seen| seen.sighting),
        },
        Err(reason) => Prepared {
            event: Err(Broken { id: piece.id, mailbox: piece.mailbox, old: piece.old, reason }),
            raw: Some(Arc::new(piece.raw)),
            blobs: Vec::new(),
            body: None,
            notice: None,
        },
    }
}

/// A mail as the desk sees it, and within it the mails that agents passed on, from hand to hand at most `forwards` times.
fn arrival(
    piece: &Piece,
    mut mail: Incoming,
    background: &Background,
    habits: &Habits,
    forwards: usize,
    blobs: &mut Vec<Blob>,
) -> Arrival {
    let texts = &background.texts;
    mail.subject = without_external(&mail.subject, &habits.prefixes);
    let internal: Vec<&str> = texts.internal.iter().map(String::as_str).collect();
    let shared: Vec<&str> = texts.shared.iter().map(String::as_str).collect();
    let banners: Vec<&str> = habits.banners.iter().map(String::as_str).collect();
    let known = Known {
        ours: &internal,
        shared: &shared,
        banners: &banners,
        notice: piece.notice.as_ref().filter(|_| background.has_notice).map(|seen| seen.words.as_str()),
        forwarded: shows_another(&mail),
    };
    let reading: Reading = read_customer(&mail.text, mail.html.as_deref(), &known);
    let agent_reading: Reading = if failpoint::fault("uncut") {
        // the guard alone must stop what quotes carry
        Reading { words: mail.text.clone(), words_html: mail.html.clone(), quotes_ours: true, ..Reading::default() }
    } else if background.of_agent {
        read_agent(&mail.text, mail.html.as_deref(), &known)
    } else {
        Reading::default()
    };
    let clean_html = reading.words_html.as_deref().map(html::clean).unwrap_or_default();
    let may_forward = background.of_agent && forwards > 0 && !piece.headers_only;
    let forward = may_forward.then(|| forward::read(&mail)).flatten();
    let parts: Vec<Part> = mail.attachments.iter().map(|attachment| part(attachment, blobs)).collect();
    if !background.of_agent {
        // only the leak guard looks into files again, and only into those that agents send
        mail.attachments.iter_mut().for_each(|attachment| attachment.content = Arc::default());
    }
    let old = piece.old || mail.date_ms.is_some_and(|date| date < piece.old_before_ms);
    let forward = forward.map(|forward| {
        // what stands in the text is the original's, and so is what was attached to it
        let mut beside = parts.clone();
        match forward.attachment {
            Some(index) if index < beside.len() => drop(beside.remove(index)),
            _ => beside.clear(),
        }
        let original = arrival(piece, forward.original, background, habits, forwards.saturating_sub(1), blobs);
        Box::new(Forwarded { note: forward.note, parts: beside, original: Arrival { old, ..original } })
    });
    Arrival {
        mailbox: piece.mailbox.clone(),
        old,
        reading,
        agent_reading,
        clean_html,
        parts,
        size_bytes: piece.size_bytes,
        vouched: false,
        context: Vec::new(),
        form: false,
        headers_only: piece.headers_only,
        checked: background.checked.clone(),
        forward,
        junk: piece.junk,
        sent: piece.sent,
        mail,
    }
}

/// An attachment, stored once whoever gets it.
fn part(attachment: &Attachment, blobs: &mut Vec<Blob>) -> Part {
    let content = &attachment.content;
    let id = HEXLOWER.encode(&Sha256::digest(content));
    if !blobs.iter().any(|(known, _)| *known == id) {
        blobs.push((id.clone(), Arc::new(encode_blob(content))));
    }
    Part {
        name: attachment.name.clone(),
        media_type: attachment.media_type.clone(),
        content_id: attachment.content_id.clone(),
        inline: attachment.inline,
        blob: id,
        size_bytes: u64::try_from(content.len()).unwrap_or_default(),
    }
}
