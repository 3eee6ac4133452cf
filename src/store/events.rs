//! What happened, once each, and the mails as they came.

use sqlx::AnyConnection;

use crate::desk::token::CaseKey;
use crate::desk::{Arrival, Decision, Effect};

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

/// Has this event been handled?
///
/// # Errors
/// The database's.
pub async fn is_known(connection: &mut AnyConnection, id: &str) -> sqlx::Result<bool> {
    let row = sqlx::query("SELECT outcome FROM events WHERE id = $1")
        .bind(id.to_owned())
        .fetch_optional(&mut *connection)
        .await?;
    Ok(row.is_some())
}

/// Records that it has.
///
/// # Errors
/// The database's; a unique violation if it had been.
pub async fn add(connection: &mut AnyConnection, event: &Happened<'_>) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO events (id, at, kind, outcome, rule, because, case_key) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(event.id.to_owned())
    .bind(event.at_ms)
    .bind(event.kind.to_owned())
    .bind(event.outcome.to_owned())
    .bind(event.rule.to_owned())
    .bind(event.because.to_owned())
    .bind(event.case.map(CaseKey::to_i64))
    .execute(&mut *connection)
    .await?;
    Ok(())
}

/// Keeps the mail as it came.
///
/// # Errors
/// The database's.
pub async fn add_mail(
    connection: &mut AnyConnection,
    event: &Happened<'_>,
    arrival: &Arrival,
    decision: &Decision,
    raw: &[u8],
    entry: Option<i64>,
) -> sqlx::Result<()> {
    let opened = decision.effects.iter().any(|e| matches!(e, Effect::Open(_)));
    sqlx::query(
        "INSERT INTO mails (event_id, mailbox, message_id, content_hash, case_key, opened, entry_id, at, size, raw)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(event.id.to_owned())
    .bind(arrival.mailbox.clone())
    .bind(arrival.mail.message_id.as_ref().map(|id| id.as_str().to_owned()))
    .bind(arrival.mail.content_hash.to_vec())
    .bind(event.case.map(CaseKey::to_i64))
    .bind(i64::from(opened))
    .bind(entry)
    .bind(event.at_ms)
    .bind(i64::try_from(arrival.size_bytes).unwrap_or(i64::MAX))
    .bind(raw.to_vec())
    .execute(&mut *connection)
    .await?;
    Ok(())
}

/// Keeps attachments, encoded for sending, once each.
///
/// # Errors
/// The database's.
pub async fn add_blobs(connection: &mut AnyConnection, blobs: &[(String, Vec<u8>)]) -> sqlx::Result<()> {
    for (id, content) in blobs {
        sqlx::query("INSERT INTO blobs (id, content) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING")
            .bind(id.clone())
            .bind(content.clone())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
