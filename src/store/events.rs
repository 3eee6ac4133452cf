//! What happened, once each, and the mails as they came.

use std::sync::Arc;

use sqlx::AnyConnection;

use crate::desk::token::CaseKey;
use crate::desk::{Arrival, Decision, Effect, Outcome};

use super::insert::{Row, Value};
use super::pending::{Blob, EntryRef, Pending};

/// A row of `events`.
#[derive(Debug, Clone, Copy)]
pub struct Happened<'a> {
    /// Id from the outside world.
    pub id: &'a str,
    /// When, milliseconds.
    pub at_ms: i64,
    /// `arrived`, `undeliverable` …
    pub kind: &'a str,
    /// The one visible state.
    pub outcome: &'a str,
    /// The rule that decided.
    pub rule: &'a str,
    /// Why, in words.
    pub because: &'a str,
    /// Its case.
    pub case: Option<CaseKey>,
}

/// A write that changes nothing of the desk: the database can be written.
///
/// # Errors
/// The database's.
pub async fn probe(connection: &mut AnyConnection) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO counters (name, value) VALUES ('probe', 1)
         ON CONFLICT (name) DO UPDATE SET value = counters.value + 1",
    )
    .execute(&mut *connection)
    .await?;
    Ok(())
}

impl Happened<'_> {
    fn row(&self) -> Row {
        vec![
            Value::Text(self.id.to_owned()),
            Value::Number(self.at_ms),
            Value::Text(self.kind.to_owned()),
            Value::Text(self.outcome.to_owned()),
            Value::Text(self.rule.to_owned()),
            Value::Text(self.because.to_owned()),
            Value::MaybeNumber(self.case.map(CaseKey::to_i64)),
        ]
    }
}

/// Records that it was handled; a unique violation follows if it had been.
pub fn add(pending: &mut Pending, event: &Happened<'_>) {
    pending.happened(event.row());
}

/// Keeps the mail as it came, with its attachments. What people sent elsewhere is counted and not kept; and its copy in
/// another of our mailboxes is no copy of a mail that we have.
pub fn add_mail(
    pending: &mut Pending,
    event: &Happened<'_>,
    arrival: &Arrival,
    decision: &Decision,
    (raw, blobs): (Arc<Vec<u8>>, &[Blob]),
    entry: Option<EntryRef>,
) {
    let is_kept = !arrival.sent || decision.outcome == Outcome::Handled;
    let (raw, blobs) = if is_kept { (raw, blobs) } else { (Arc::default(), [].as_slice()) };
    let content_hash = if is_kept { arrival.mail.content_hash.to_vec() } else { Vec::new() };
    // what nothing says or carries would have nobody with whom it goes (R80)
    let carries = |e: &Effect| matches!(e, Effect::Send(dispatch) if !dispatch.draft.parts.is_empty());
    let blobs = if entry.is_some() || decision.effects.iter().any(carries) { blobs } else { &[] };
    let opened = decision.effects.iter().any(|e| matches!(e, Effect::Open(_)));
    let row = vec![
        Value::Text(event.id.to_owned()),
        Value::Text(arrival.mailbox.clone()),
        Value::MaybeText(arrival.mail.message_id.as_ref().map(|id| id.as_str().to_owned())),
        Value::Bytes(content_hash.into()),
        Value::MaybeNumber(event.case.map(CaseKey::to_i64)),
        Value::Number(i64::from(opened)),
        Value::Number(event.at_ms),
        Value::Number(i64::try_from(arrival.size_bytes).unwrap_or(i64::MAX)),
        Value::Bytes(raw),
        Value::Number(i64::from(arrival.junk)),
    ];
    pending.mail(row, entry);
    pending.blobs(blobs);
}
