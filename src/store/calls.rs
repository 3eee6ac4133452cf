//! What applications are to be told: rows of `calls`.

use serde_json::json;
use sqlx::{AnyConnection, AssertSqlSafe, any::AnyRow};

use crate::desk::call::{Call, Called, Ending, Kind, Way};
use crate::desk::token::CaseKey;

use super::Store;
use super::load::placeholders;
use super::rows;

/// Characters of a reply that are kept.
const REPLY_CHARS_MAX: usize = 1_000;

/// A call that is due.
#[derive(Debug, Clone)]
pub struct Due {
    /// Row id.
    pub row: i64,
    /// The same at every attempt.
    pub call_id: String,
    /// JSON, the same at every attempt.
    pub payload: String,
    /// Attempts so far.
    pub attempts: i64,
    /// What is not taken by then is given up, milliseconds.
    pub until_ms: i64,
}

/// A call as lists show it.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Row id.
    pub row: i64,
    /// The same at every attempt.
    pub call_id: String,
    /// Short name of the application.
    pub application: String,
    /// What it is about.
    pub kind: String,
    /// The word of an action.
    pub word: String,
    /// Who got the notification.
    pub recipient: String,
    /// Number of its case.
    pub case: Option<i64>,
    /// `queued`, `taken`, `failed`, `cancelled`, `mailed`, `noted`.
    pub state: String,
    /// Attempts so far.
    pub attempts: i64,
    /// The next one, milliseconds.
    pub next_attempt_ms: Option<i64>,
    /// What was answered last.
    pub last_reply: String,
    /// When it was made, milliseconds.
    pub created_ms: i64,
}

/// The event as the application reads it; the shape is that of Standard Webhooks.
fn payload(call: &Call) -> String {
    let at = jiff::Timestamp::from_millisecond(call.at_ms).map(|t| t.to_string()).unwrap_or_default();
    let context: serde_json::Map<String, serde_json::Value> =
        call.context.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let mut data = json!({
        "application": call.application,
        "mailbox": call.mailbox,
        "recipient": call.recipient.to_string(),
        "message_id": call.message_id.as_str(),
        "subject": call.subject,
        "context": context,
        "case": call.case.map(|(_, reference)| reference.to_string()),
        "text": call.text,
    });
    if let Some(fields) = data.as_object_mut() {
        match call.kind {
            Kind::Action => {
                fields.insert("action".to_owned(), json!(call.word));
                fields.insert("label".to_owned(), json!(call.label));
            }
            Kind::Suppressed => {
                fields.insert("status".to_owned(), json!(call.status));
            }
            Kind::Unsubscribed | Kind::Complaint => {}
        }
    }
    json!({ "id": call.id, "type": call.kind.word(), "timestamp": at, "data": data }).to_string()
}

/// Queues a call, or notes what was told otherwise.
///
/// # Errors
/// The database's.
pub async fn add(connection: &mut AnyConnection, call: &Call) -> sqlx::Result<()> {
    let (state, ended) = match call.way {
        Way::Called => ("queued", None),
        Way::Mailed => ("mailed", Some(call.at_ms)),
        Way::Noted => ("noted", Some(call.at_ms)),
    };
    sqlx::query(
        "INSERT INTO calls (call_id, application, kind, word, label, recipient, notification, case_key, payload, state,
                            attempts, next_attempt_at, until, last_reply, created_at, ended_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11, $12, '', $11, $13)",
    )
    .bind(call.id.clone())
    .bind(call.application.clone())
    .bind(call.kind.word())
    .bind(call.word.clone())
    .bind(call.label.clone())
    .bind(call.recipient.to_string())
    .bind(call.notification.to_i64())
    .bind(call.case.map(|(key, _)| key.to_i64()))
    .bind(payload(call))
    .bind(state)
    .bind(call.at_ms)
    .bind(call.until_ms)
    .bind(ended)
    .execute(&mut *connection)
    .await?;
    Ok(())
}

/// A call ends, in the transaction of what follows from it.
///
/// # Errors
/// The database's.
pub async fn end(connection: &mut AnyConnection, row: i64, ending: &Ending, at_ms: i64) -> sqlx::Result<()> {
    let reply = match ending {
        Ending::Taken { answer } => answer.as_str(),
        Ending::NotTaken { reason } => reason.as_str(),
        Ending::Cancelled => "",
    };
    sqlx::query("UPDATE calls SET state = $1, last_reply = $2, ended_at = $3, attempts = attempts + 1 WHERE id = $4")
        .bind(ending.word())
        .bind(short(reply))
        .bind(at_ms)
        .bind(row)
        .execute(&mut *connection)
        .await?;
    Ok(())
}

/// Has something that a customer chose in answer to this notification been passed on?
///
/// # Errors
/// The database's.
pub async fn is_acted(connection: &mut AnyConnection, notification: CaseKey) -> sqlx::Result<bool> {
    let row = sqlx::query("SELECT count(*) AS n FROM calls WHERE notification = $1 AND kind IN ($2, $3)")
        .bind(notification.to_i64())
        .bind(Kind::Action.word())
        .bind(Kind::Unsubscribed.word())
        .fetch_one(&mut *connection)
        .await?;
    Ok(rows::number(&row, "n")? > 0)
}

fn short(reply: &str) -> String {
    reply.chars().take(REPLY_CHARS_MAX).collect()
}

fn called(row: &AnyRow, ending: Ending) -> sqlx::Result<Called> {
    let kind = rows::text(row, "kind")?;
    Ok(Called {
        row: rows::number(row, "id")?,
        kind: Kind::from_word(&kind).ok_or_else(|| rows::bad("kind", kind))?,
        application: rows::text(row, "application")?,
        case: rows::maybe_number(row, "case_key")?.map(CaseKey::from_i64),
        recipient: rows::address(row, "recipient")?,
        word: rows::text(row, "word")?,
        label: rows::text(row, "label")?,
        ending,
    })
}

impl Store {
    /// Calls of an application that are due, the oldest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn calls_due(&self, application: &str, now_ms: i64, limit: i64) -> sqlx::Result<Vec<Due>> {
        sqlx::query(
            "SELECT id, call_id, payload, attempts, until FROM calls
             WHERE application = $1 AND state = 'queued' AND next_attempt_at <= $2 ORDER BY next_attempt_at, id LIMIT $3",
        )
        .bind(application.to_owned())
        .bind(now_ms)
        .bind(limit)
        .fetch_all(self.reader())
        .await?
        .iter()
        .map(|row| {
            Ok(Due {
                row: rows::number(row, "id")?,
                call_id: rows::text(row, "call_id")?,
                payload: rows::text(row, "payload")?,
                attempts: rows::number(row, "attempts")?,
                until_ms: rows::number(row, "until")?,
            })
        })
        .collect()
    }

    /// A call as it would end so, if it waits still, with its attempts so far.
    ///
    /// # Errors
    /// The database's.
    pub async fn waiting_call(&self, row: i64, ending: Ending) -> sqlx::Result<Option<(Called, i64)>> {
        let found = sqlx::query("SELECT * FROM calls WHERE id = $1 AND state = 'queued'")
            .bind(row)
            .fetch_optional(self.reader())
            .await?;
        found.map(|row| Ok((called(&row, ending)?, rows::number(&row, "attempts")?))).transpose()
    }

    /// Rows that wait for applications that can be told nothing: they are not among these.
    ///
    /// # Errors
    /// The database's.
    pub async fn calls_to_nobody(&self, applications: &[&str], limit: i64) -> sqlx::Result<Vec<i64>> {
        let list = if applications.is_empty() { "''".to_owned() } else { placeholders(1, applications.len()) };
        let sql =
            format!("SELECT id FROM calls WHERE state = 'queued' AND application NOT IN ({list}) ORDER BY id LIMIT $1");
        let query = sqlx::query(AssertSqlSafe(sql)).bind(limit);
        let query = applications.iter().fold(query, |query, name| query.bind((*name).to_owned()));
        query.fetch_all(self.reader()).await?.iter().map(|row| rows::number(row, "id")).collect()
    }

    /// An attempt failed: the next one is at this time.
    ///
    /// # Errors
    /// The database's.
    pub async fn call_later(&self, row: i64, next_ms: i64, reply: &str) -> sqlx::Result<()> {
        let mut transaction = self.begin().await?;
        sqlx::query(
            "UPDATE calls SET attempts = attempts + 1, next_attempt_at = $1, last_reply = $2
             WHERE id = $3 AND state = 'queued'",
        )
        .bind(next_ms)
        .bind(short(reply))
        .bind(row)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await
    }

    /// Calls; without `all` those that wait or failed.
    ///
    /// # Errors
    /// The database's.
    pub async fn calls(&self, all: bool, limit: i64) -> sqlx::Result<Vec<Listed>> {
        let condition = if all { "1 = 1" } else { "calls.state IN ('queued', 'failed')" };
        let sql = format!(
            "SELECT calls.*, reference FROM calls LEFT JOIN cases ON cases.case_key = calls.case_key
             WHERE {condition} ORDER BY calls.id DESC LIMIT $1"
        );
        let found = sqlx::query(AssertSqlSafe(sql)).bind(limit).fetch_all(self.reader()).await?;
        found.iter().map(listed).collect()
    }

    /// Calls are made once more, now, for another quarter of an hour at least. Returns those that were changed.
    ///
    /// # Errors
    /// The database's.
    pub async fn calls_retry(&self, ids: &[i64], now_ms: i64) -> sqlx::Result<Vec<i64>> {
        let mut transaction = self.begin().await?;
        let mut changed = Vec::new();
        for id in ids {
            let done = sqlx::query(
                "UPDATE calls SET state = 'queued', next_attempt_at = $1, ended_at = NULL,
                                  until = CASE WHEN until > $2 THEN until ELSE $2 END
                 WHERE id = $3 AND state IN ('queued', 'failed', 'cancelled') AND payload <> ''",
            )
            .bind(now_ms)
            .bind(now_ms.saturating_add(RETRIED_MS))
            .bind(*id)
            .execute(&mut *transaction)
            .await?;
            changed.extend((done.rows_affected() == 1).then_some(*id));
        }
        transaction.commit().await?;
        Ok(changed)
    }
}

/// How long at least a call is tried that an operator wants to be tried again, milliseconds.
const RETRIED_MS: i64 = 15 * 60_000;

fn listed(row: &AnyRow) -> sqlx::Result<Listed> {
    let state = rows::text(row, "state")?;
    Ok(Listed {
        row: rows::number(row, "id")?,
        call_id: rows::text(row, "call_id")?,
        application: rows::text(row, "application")?,
        kind: rows::text(row, "kind")?,
        word: rows::text(row, "word")?,
        recipient: rows::text(row, "recipient")?,
        case: rows::maybe_number(row, "reference")?,
        attempts: rows::number(row, "attempts")?,
        next_attempt_ms: if state == "queued" { Some(rows::number(row, "next_attempt_at")?) } else { None },
        last_reply: rows::text(row, "last_reply")?,
        created_ms: rows::number(row, "created_at")?,
        state,
    })
}
