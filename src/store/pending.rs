//! Rows that decisions caused and that are not written yet: those of many events go out in a few statements.
//!
//! Promises   after [`Pending::flush`] the database holds what writing each effect at once would have left.
//! Never      is read from: who asks for what may be pending flushes first ([`Pending::holds`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sqlx::AnyConnection;

use crate::desk::case::{Case, Entry, Party};
use crate::desk::token::CaseKey;
use crate::desk::{Dispatch, LogLine, Side};
use crate::mail::render::Rendered;
use crate::mail::{MessageId, NameAddr};

use super::bodies::{self, Body};
use super::insert::{Insert, Row, Value};
use super::{rows, search};

/// Octets of pending mail at which a group is written: memory stays bounded whatever mails weigh.
pub const PENDING_BYTES_MAX: usize = 2 * 1024 * 1024;

const CASES: Insert = Insert {
    into: "cases (case_key, reference, mailbox, subject, status, owner, customer, customer_key, customer_name,
                  opened_at, updated_at, closed_at, old, messages, merged_into, successor, context)",
    row: "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
    tail: "",
};
const PARTIES: Insert = Insert {
    into: "parties (case_key, party, address, address_key, name, has_passed, aside)",
    row: "($1, $2, $3, $4, $5, $6, $7)",
    tail: " ON CONFLICT (case_key, party) DO NOTHING",
};
const ENTRIES: Insert = Insert {
    into: "entries (case_key, event_id, direction, author, author_name, standing, party, sender, recipients, copies,
                    subject, message_id, ancestors, at, text, html, body, parts, thread_topic, thread_index, silent,
                    relay_text, held, answers, holder, origin)",
    row: "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23,
           $24, $25, $26)",
    tail: " RETURNING id",
};
const ATTACHED: Insert =
    Insert { into: "attached (blob, entry_id)", row: "($1, $2)", tail: " ON CONFLICT (blob, entry_id) DO NOTHING" };
const WORDS_SQLITE: Insert = Insert { into: "entry_words (rowid, words)", row: "($1, $2)", tail: "" };
const WORDS_POSTGRES: Insert =
    Insert { into: "entry_words (entry_id, words)", row: "($1, to_tsvector('simple', $2))", tail: "" };
/// The mailbox of a known id is its case's: ids count only in the mailbox where they were seen (R10).
const KNOWN_IDS: Insert = Insert {
    into: "known_ids (hash, message_id, case_key, side, agent, entry_id, mailbox)",
    row: "($1, $2, $3, $4, $5, $6, (SELECT mailbox FROM cases WHERE case_key = $3))",
    tail: "",
};
const CASE_LOG: Insert =
    Insert { into: "case_log (case_key, at, kind, by_whom, rule, detail)", row: "($1, $2, $3, $4, $5, $6)", tail: "" };
const BLOBS: Insert = Insert { into: "blobs (id, content)", row: "($1, $2)", tail: " ON CONFLICT (id) DO NOTHING" };
const OUTBOX: Insert = Insert {
    into: "outbox (event_id, number, case_key, entry_id, mailbox, purpose, priority, agent, recipient, recipient_key,
                   recipient_domain, reverse_path, bounce, message_id, message_hash, unauthenticated, bytes, splices,
                   state, attempts, attempt, uncertain, next_attempt_at, lease_until, data_started, last_reply, status,
                   created_at)",
    row: "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, 'queued', 0, 0, 0, $20, 0,
           0, '', '', $19)",
    tail: "",
};
const EVENTS: Insert = Insert {
    into: "events (id, at, kind, outcome, rule, because, case_key)",
    row: "($1, $2, $3, $4, $5, $6, $7)",
    tail: "",
};
const MAILS: Insert = Insert {
    into: "mails (event_id, mailbox, message_id, content_hash, case_key, opened, entry_id, at, size, raw, junk)",
    row: "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    tail: "",
};

/// An attachment, encoded for sending: its name in the store and its content.
pub type Blob = (String, Arc<Vec<u8>>);

/// An entry that is stored, or is about to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryRef {
    /// By its id.
    Stored(i64),
    /// The nth that was added to this [`Pending`].
    New(usize),
}

#[derive(Debug)]
struct NewCase {
    case: Case,
    updated_ms: i64,
    messages: i64,
}

#[derive(Debug)]
struct NewEntry {
    event_id: String,
    case: CaseKey,
    entry: Entry,
}

/// Rows by table.
#[derive(Debug, Default)]
pub struct Pending {
    /// First number that was not taken when this began, and the next one that is free.
    references: Option<(i64, i64)>,
    cases: BTreeMap<CaseKey, NewCase>,
    parties: Vec<Row>,
    entries: Vec<NewEntry>,
    /// Ids of the entries that were written, in their order.
    written: Vec<i64>,
    known_ids: Vec<(Row, Option<EntryRef>)>,
    case_log: Vec<Row>,
    blobs: BTreeMap<String, Arc<Vec<u8>>>,
    bodies: BTreeMap<String, (Body, i64)>,
    outbox: Vec<(Row, Option<EntryRef>)>,
    events: Vec<Row>,
    mails: Vec<(Row, Option<EntryRef>)>,
    touched: BTreeSet<CaseKey>,
    size_bytes: usize,
}

impl Pending {
    /// Are there rows of this case that a look-up would miss?
    #[must_use]
    pub fn holds(&self, case: CaseKey) -> bool {
        self.touched.contains(&case)
    }

    /// Are there any rows?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.touched.is_empty() && self.outbox.is_empty()
    }

    /// Is it time to write?
    #[must_use]
    pub fn is_large(&self) -> bool {
        self.size_bytes >= PENDING_BYTES_MAX
    }

    /// A case that is not written yet, to be changed.
    pub(super) fn case_mut(&mut self, key: CaseKey, at_ms: i64) -> Option<&mut Case> {
        let new = self.cases.get_mut(&key)?;
        new.updated_ms = new.updated_ms.max(at_ms);
        Some(&mut new.case)
    }

    /// A case that was not there.
    pub(super) fn open(&mut self, case: &Case) {
        let next = case.reference.saturating_add(1);
        self.references = Some((self.references.map_or(case.reference, |(first, _)| first), next));
        self.open_in_place(case);
    }

    /// A case that takes the number of one that is deleted.
    pub(super) fn open_in_place(&mut self, case: &Case) {
        self.touched.insert(case.key);
        self.cases.insert(case.key, NewCase { case: case.clone(), updated_ms: case.opened_ms, messages: 0 });
    }

    pub(super) fn add_party(&mut self, case: CaseKey, party: &Party) {
        self.touched.insert(case);
        self.parties.push(vec![
            Value::Number(case.to_i64()),
            Value::Number(i64::from(party.id.0)),
            Value::Text(party.person.address.to_string()),
            Value::Text(party.person.address.key()),
            Value::Text(party.person.name.clone()),
            Value::Number(i64::from(party.has_passed)),
            Value::Number(i64::from(party.aside)),
        ]);
    }

    /// Something was said. `false`: its case is stored, and its counts are the caller's to move.
    pub(super) fn append(&mut self, event_id: &str, case: CaseKey, entry: &Entry, at_ms: i64) -> (EntryRef, bool) {
        self.touched.insert(case);
        let number = self.written.len().saturating_add(self.entries.len());
        self.size_bytes = self.size_bytes.saturating_add(entry.body.len());
        self.entries.push(NewEntry { event_id: event_id.to_owned(), case, entry: entry.clone() });
        let counted = self.cases.get_mut(&case).map(|new| {
            new.messages = new.messages.saturating_add(1);
            new.updated_ms = new.updated_ms.max(at_ms);
        });
        (EntryRef::New(number), counted.is_some())
    }

    /// What the agents got of an entry. `false`: it is stored, and the caller's to change.
    pub(super) fn relayed(&mut self, entry: EntryRef, text: &str) -> bool {
        let EntryRef::New(number) = entry else {
            return false;
        };
        let Some(new) = number.checked_sub(self.written.len()).and_then(|n| self.entries.get_mut(n)) else {
            return false;
        };
        if new.entry.relay_text.is_empty() {
            text.clone_into(&mut new.entry.relay_text);
        }
        true
    }

    pub(super) fn remember(&mut self, id: &MessageId, case: CaseKey, side: &Side, entry: Option<EntryRef>) {
        let (word, agent) = match side {
            Side::Inbound => ("inbound", None),
            Side::Customer => ("customer", None),
            Side::Agent(name) => ("agent", Some(name.clone())),
        };
        self.touched.insert(case);
        let row = vec![
            Value::Bytes(id.hash16().to_vec().into()),
            Value::Text(id.as_str().to_owned()),
            Value::Number(case.to_i64()),
            Value::Text(word.to_owned()),
            Value::MaybeText(agent),
        ];
        self.known_ids.push((row, entry));
    }

    pub(super) fn log(&mut self, case: CaseKey, at_ms: i64, line: &LogLine) {
        self.touched.insert(case);
        self.case_log.push(vec![
            Value::Number(case.to_i64()),
            Value::Number(at_ms),
            Value::Text(line.kind.to_owned()),
            Value::Text(line.by.clone()),
            Value::Text(line.rule.to_owned()),
            Value::Text(line.detail.clone()),
        ]);
    }

    pub(super) fn queue(
        &mut self,
        (event_id, number): (&str, i64),
        at_ms: i64,
        dispatch: &Dispatch,
        entry: Option<EntryRef>,
        rendered: Rendered,
    ) {
        self.touched.extend(dispatch.case);
        self.size_bytes = self.size_bytes.saturating_add(rendered.bytes.len());
        let row = vec![
            Value::Text(event_id.to_owned()),
            Value::Number(number),
            Value::MaybeNumber(dispatch.case.map(CaseKey::to_i64)),
            Value::Text(dispatch.mailbox.clone()),
            Value::Text(dispatch.purpose.word().to_owned()),
            Value::Number(dispatch.purpose.priority()),
            Value::MaybeText(dispatch.agent.clone()),
            Value::Text(dispatch.recipient.to_string()),
            Value::Text(dispatch.recipient.key()),
            Value::Text(dispatch.recipient.domain().to_owned()),
            Value::MaybeText(dispatch.reverse_path.as_ref().map(ToString::to_string)),
            Value::Number(i64::from(dispatch.bounce.0)),
            Value::Text(dispatch.draft.message_id.as_str().to_owned()),
            Value::Bytes(dispatch.draft.message_id.hash16().to_vec().into()),
            Value::Number(i64::from(dispatch.unauthenticated)),
            Value::Bytes(rendered.bytes.into()),
            Value::Text(serde_json::json!(rendered.splices).to_string()),
            Value::Number(at_ms),
            Value::Number(dispatch.not_before_ms.max(at_ms)),
        ];
        self.outbox.push((row, entry));
    }

    /// What happened, and what the desk made of it.
    pub(super) fn happened(&mut self, row: Row) {
        self.events.push(row);
    }

    /// A mail as it came.
    pub(super) fn mail(&mut self, row: Row, entry: Option<EntryRef>) {
        self.size_bytes = self.size_bytes.saturating_add(row.iter().map(weight).sum());
        self.mails.push((row, entry));
    }

    /// Attachments, encoded for sending, once each.
    pub(super) fn blobs(&mut self, blobs: &[Blob]) {
        for (id, content) in blobs {
            self.size_bytes = self.size_bytes.saturating_add(content.len());
            self.blobs.entry(id.clone()).or_insert_with(|| content.clone());
        }
    }

    /// The body of a notification that was taken at this time.
    pub fn body(&mut self, body: &Body, used_ms: i64) {
        self.size_bytes = self.size_bytes.saturating_add(body.content.len());
        let kept = self.bodies.entry(body.id.clone()).or_insert_with(|| (body.clone(), used_ms));
        kept.1 = kept.1.max(used_ms);
    }

    /// The id of an entry that is written.
    pub(super) fn id(&self, entry: EntryRef) -> Option<i64> {
        match entry {
            EntryRef::Stored(id) => Some(id),
            EntryRef::New(number) => self.written.get(number).copied(),
        }
    }

    /// Writes everything.
    ///
    /// # Errors
    /// The database's; the caller rolls back.
    pub async fn flush(&mut self, connection: &mut AnyConnection) -> sqlx::Result<()> {
        self.touched.clear();
        self.size_bytes = 0;
        if let Some((first, next)) = self.references.take() {
            take_references(connection, first, next).await?;
        }
        CASES.rows(connection, std::mem::take(&mut self.cases).into_values().map(case_row).collect()).await?;
        PARTIES.rows(connection, std::mem::take(&mut self.parties)).await?;
        let entries = std::mem::take(&mut self.entries);
        let words: Vec<String> = entries.iter().map(|new| search::words(&new.entry)).collect();
        let blobs: Vec<Vec<String>> =
            entries.iter().map(|new| new.entry.parts.iter().map(|part| part.blob.clone()).collect()).collect();
        let ids = ENTRIES.numbered(connection, entries.into_iter().map(entry_row).collect()).await?;
        let index = if connection.backend_name() == "SQLite" { WORDS_SQLITE } else { WORDS_POSTGRES };
        let searched = ids.iter().zip(words).map(|(id, words)| vec![Value::Number(*id), Value::Text(words)]);
        index.rows(connection, searched.collect()).await?;
        let attached = ids.iter().zip(blobs).flat_map(|(id, blobs)| blobs.into_iter().map(|blob| (*id, blob)));
        ATTACHED.rows(connection, attached.map(|(id, b)| vec![Value::Text(b), Value::Number(id)]).collect()).await?;
        self.written.extend(ids);
        let known_ids = std::mem::take(&mut self.known_ids);
        KNOWN_IDS.rows(connection, known_ids.into_iter().map(|(row, e)| self.with_entry(row, 5, e)).collect()).await?;
        CASE_LOG.rows(connection, std::mem::take(&mut self.case_log)).await?;
        let blobs = std::mem::take(&mut self.blobs).into_iter();
        BLOBS.rows(connection, blobs.map(|(id, c)| vec![Value::Text(id), Value::Bytes(c)]).collect()).await?;
        bodies::add(connection, std::mem::take(&mut self.bodies).into_values().collect()).await?;
        let outbox = std::mem::take(&mut self.outbox);
        OUTBOX.rows(connection, outbox.into_iter().map(|(row, e)| self.with_entry(row, 3, e)).collect()).await?;
        EVENTS.rows(connection, std::mem::take(&mut self.events)).await?;
        let mails = std::mem::take(&mut self.mails);
        MAILS.rows(connection, mails.into_iter().map(|(row, e)| self.with_entry(row, 6, e)).collect()).await
    }

    fn with_entry(&self, mut row: Row, at: usize, entry: Option<EntryRef>) -> Row {
        row.insert(at.min(row.len()), Value::MaybeNumber(entry.and_then(|e| self.id(e))));
        row
    }
}

/// Numbers of cases are taken only if nobody else took them meanwhile: else the whole batch is decided anew.
async fn take_references(connection: &mut AnyConnection, first: i64, next: i64) -> sqlx::Result<()> {
    let taken = sqlx::query("UPDATE counters SET value = $1 WHERE name = 'reference' AND value = $2")
        .bind(next)
        .bind(first)
        .execute(&mut *connection)
        .await?;
    if taken.rows_affected() == 1 { Ok(()) } else { Err(sqlx::Error::WorkerCrashed) }
}

fn weight(value: &Value) -> usize {
    match value {
        Value::Bytes(bytes) => bytes.len(),
        Value::Text(text) => text.len(),
        Value::Number(_) | Value::MaybeNumber(_) | Value::MaybeText(_) => 0,
    }
}

fn case_row(new: NewCase) -> Row {
    let Case { key, reference, mailbox, subject, status, owner, customer, .. } = new.case;
    let NameAddr { name, address } = customer;
    vec![
        Value::Number(key.to_i64()),
        Value::Number(reference),
        Value::Text(mailbox),
        Value::Text(subject),
        Value::Text(status.word().to_owned()),
        Value::MaybeText(owner),
        Value::Text(address.to_string()),
        Value::Text(address.key()),
        Value::Text(name),
        Value::Number(new.case.opened_ms),
        Value::Number(new.updated_ms),
        Value::MaybeNumber(new.case.closed_ms),
        Value::Number(i64::from(new.case.old)),
        Value::Number(new.messages),
        Value::MaybeNumber(new.case.merged_into.map(CaseKey::to_i64)),
        Value::MaybeNumber(new.case.successor.map(CaseKey::to_i64)),
        Value::Text(serde_json::json!(new.case.context).to_string()),
    ]
}

fn entry_row(new: NewEntry) -> Row {
    let Entry { direction, author, author_name, standing, party, from, to, cc, subject, message_id, .. } = new.entry;
    let ids: Vec<&str> = new.entry.references.iter().map(MessageId::as_str).collect();
    vec![
        Value::Number(new.case.to_i64()),
        Value::Text(new.event_id),
        Value::Text(direction.word().to_owned()),
        Value::Text(author),
        Value::Text(author_name),
        Value::Text(standing.word().to_owned()),
        Value::Number(i64::from(party.0)),
        Value::Text(from),
        Value::Text(serde_json::json!(to).to_string()),
        Value::Text(serde_json::json!(cc).to_string()),
        Value::Text(subject),
        Value::MaybeText(message_id.map(|id| id.as_str().to_owned())),
        Value::Text(serde_json::json!(ids).to_string()),
        Value::Number(new.entry.at_ms),
        Value::Text(new.entry.text),
        Value::Text(new.entry.html),
        Value::Text(new.entry.body),
        Value::Text(rows::parts_text(&new.entry.parts)),
        Value::MaybeText(new.entry.thread_topic),
        Value::MaybeText(new.entry.thread_index),
        Value::Number(i64::from(new.entry.silent)),
        Value::Text(new.entry.relay_text),
        Value::Text(new.entry.held.word().to_owned()),
        Value::MaybeNumber(new.entry.answers),
        Value::Number(i64::from(new.entry.holder.0)),
        Value::MaybeNumber(new.entry.origin.map(CaseKey::to_i64)),
    ]
}
