//! The outbox: claim with a lease, mark that DATA has begun, settle.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::AnyConnection;
use sqlx::{AssertSqlSafe, any::AnyRow};

use crate::desk::Purpose;
use crate::mail::render::{encode_blob, splice};

use super::Store;
use super::bodies;
use super::insert::{chunks, repeated};
use super::load::placeholders;
use super::rows;
use super::types::{Claimed, Ended, Settlement, Wanted};

/// A message of more octets than this, attachments included, is sent alone.
const HEAVY_BYTES_MIN: i64 = 512 * 1024;

/// Rows whose lease ran out: those that had begun DATA are uncertain, the others merely unsent.
async fn reap(connection: &mut AnyConnection, mailbox: &str, now_ms: i64) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE outbox SET state = 'uncertain', uncertain = uncertain + 1, last_reply = 'the sender ended before the answer'
         WHERE mailbox = $1 AND state = 'sending' AND lease_until <= $2 AND data_started = 1",
    )
    .bind(mailbox.to_owned())
    .bind(now_ms)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "UPDATE outbox SET state = 'queued' WHERE mailbox = $1 AND state = 'sending' AND lease_until <= $2 AND data_started = 0",
    )
    .bind(mailbox.to_owned())
    .bind(now_ms)
    .execute(&mut *connection)
    .await?;
    Ok(())
}

/// At start: no sender of an earlier run of this daemon is alive, so its leases end now.
///
/// # Errors
/// The database's.
pub async fn release_leases(connection: &mut AnyConnection, now_ms: i64) -> sqlx::Result<()> {
    sqlx::query("UPDATE outbox SET lease_until = $1 WHERE state = 'sending'")
        .bind(now_ms)
        .execute(&mut *connection)
        .await?;
    Ok(())
}

/// Claims due rows, in the order of R60: a short walk along the index for each state and priority, however many rows wait.
/// The conditions stand twice: PostgreSQL looks at the outer ones again after it has waited for another claim of the same
/// row, and not at those of the subquery.
///
/// # Errors
/// The database's.
pub async fn claim(
    connection: &mut AnyConnection,
    mailbox: &str,
    (limit, wanted): (u32, Wanted),
    lease_ms: i64,
    now_ms: i64,
) -> sqlx::Result<Vec<Claimed>> {
    reap(connection, mailbox, now_ms).await?;
    let found = sqlx::query(AssertSqlSafe(claim_sql(wanted)))
        .bind(now_ms.saturating_add(lease_ms))
        .bind(mailbox.to_owned())
        .bind(now_ms)
        .bind(i64::from(limit))
        .fetch_all(&mut *connection)
        .await?;
    let parts: Vec<Vec<String>> = found.iter().map(parts).collect::<sqlx::Result<_>>()?;
    let sizes = sizes(connection, parts.iter().flatten().cloned().collect()).await?;
    let mut claimed = Vec::with_capacity(found.len());
    for (row, parts) in found.iter().zip(&parts) {
        // what has no size here is a whole mail
        let stored = parts.iter().try_fold(0_i64, |sum, id| Some(sum.saturating_add(*sizes.get(id)?)));
        claimed.push((rows::number(row, "priority")?, claimed_row(row, stored)?));
    }
    claimed.sort_by_key(|(priority, row)| (*priority, row.id));
    Ok(claimed.into_iter().map(|(_, row)| row).collect())
}

/// States of rows that wait to be sent, with each priority: what the index of what is due begins with.
fn waiting() -> impl Iterator<Item = (&'static str, i64)> {
    ["uncertain", "queued"].into_iter().flat_map(|state| Purpose::ALL.map(|purpose| (state, purpose.priority())))
}

/// The first of each range of the index: a long queue behind a relay that is away is not walked through.
fn next_due_sql() -> String {
    let firsts: Vec<String> = waiting()
        .map(|(state, priority)| {
            format!(
                "SELECT min(next_attempt_at) AS due FROM outbox
                 WHERE mailbox = $1 AND state = '{state}' AND priority = {priority}"
            )
        })
        .collect();
    format!(
        "SELECT min(due) AS due FROM (
             SELECT min(lease_until) AS due FROM outbox WHERE mailbox = $1 AND state = 'sending'
             UNION ALL {}) AS firsts",
        firsts.join(" UNION ALL ")
    )
}

fn claim_sql(wanted: Wanted) -> String {
    let walks: Vec<String> = waiting()
        .filter(|(_, priority)| wanted == Wanted::Any || *priority == Purpose::Answer.priority())
        .enumerate()
        .map(|(number, (state, priority))| {
            format!(
                "SELECT * FROM (SELECT id, priority, next_attempt_at FROM outbox
                 WHERE mailbox = $2 AND state = '{state}' AND priority = {priority} AND next_attempt_at <= $3
                 ORDER BY next_attempt_at, id LIMIT $4) AS walk{number}"
            )
        })
        .collect();
    format!(
        "UPDATE outbox SET state = 'sending', attempts = attempts + 1, attempt = attempt + 1, lease_until = $1,
                           data_started = 0
         WHERE id IN (SELECT id FROM ({}) AS due ORDER BY priority, next_attempt_at, id LIMIT $4)
           AND state IN ('queued', 'uncertain') AND next_attempt_at <= $3
         RETURNING id, attempt, attempts, reverse_path, recipient, message_id, length(bytes) AS size, splices,
                   created_at, uncertain, priority",
        walks.join(" UNION ALL ")
    )
}

/// What is stored once and stands in a row's message.
fn parts(row: &AnyRow) -> sqlx::Result<Vec<String>> {
    let splices: Vec<(u64, String)> =
        serde_json::from_str(&rows::text(row, "splices")?).map_err(|e| rows::bad("splices", e))?;
    Ok(splices.into_iter().map(|(_, id)| id).collect())
}

/// Octets of these blobs.
async fn sizes(connection: &mut AnyConnection, ids: BTreeSet<String>) -> sqlx::Result<BTreeMap<String, i64>> {
    let mut sizes = BTreeMap::new();
    for chunk in chunks(ids.into_iter().collect()) {
        let list = placeholders(0, chunk.len());
        let sql = format!(
            "SELECT id, CAST(length(content) AS BIGINT) AS size FROM blobs WHERE id IN ({list})
             UNION ALL SELECT id, CAST(COALESCE(size, length(content)) AS BIGINT) AS size FROM bodies WHERE id IN ({list})"
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for id in chunk {
            query = query.bind(id);
        }
        for row in query.fetch_all(&mut *connection).await? {
            sizes.insert(rows::text(&row, "id")?, rows::number(&row, "size")?);
        }
    }
    Ok(sizes)
}

/// `stored`: octets of what is stored apart; `None`: nobody knows.
fn claimed_row(row: &AnyRow, stored: Option<i64>) -> sqlx::Result<Claimed> {
    let size = rows::number(row, "size").or_else(|_| sqlx::Row::try_get::<i32, _>(row, "size").map(i64::from))?;
    Ok(Claimed {
        id: rows::number(row, "id")?,
        attempt: rows::number(row, "attempt")?,
        attempts: rows::number(row, "attempts")?,
        reverse_path: rows::maybe_text(row, "reverse_path")?,
        recipient: rows::text(row, "recipient")?,
        message_id: rows::text(row, "message_id")?,
        heavy: stored.is_none_or(|stored| size.saturating_add(stored) > HEAVY_BYTES_MIN),
        queued_ms: rows::number(row, "created_at")?,
        uncertain_count: rows::number(row, "uncertain")?,
    })
}

/// What stands for a mail that is not there any more as it came (R80).
const KEPT_NO_LONGER: &[u8] =
    b"Subject: kept no longer\r\n\r\nThe mail as it came is kept no longer ([retention] raw in the configuration).\r\n";

/// An attachment, encoded; `mail:ENTRY` is the whole mail of an entry (R92), `body:HASH` the body of a notification.
async fn blob(connection: &mut AnyConnection, id: &str) -> sqlx::Result<Vec<u8>> {
    if let Some(entry) = id.strip_prefix("mail:") {
        let entry: i64 = entry.parse().map_err(|e| rows::bad("splices", e))?;
        let row = sqlx::query("SELECT raw FROM mails WHERE entry_id = $1 ORDER BY id LIMIT 1")
            .bind(entry)
            .fetch_one(&mut *connection)
            .await?;
        let raw = rows::bytes(&row, "raw")?;
        return Ok(encode_blob(if raw.is_empty() { KEPT_NO_LONGER } else { &raw }));
    }
    if id.starts_with(bodies::PREFIX) {
        return bodies::load(connection, id).await;
    }
    let row =
        sqlx::query("SELECT content FROM blobs WHERE id = $1").bind(id.to_owned()).fetch_one(&mut *connection).await?;
    rows::bytes(&row, "content")
}

/// DATA of these rows and attempts has begun: from here on a row without an answer is uncertain. Returns the rows whose
/// lease was not lost.
///
/// # Errors
/// The database's.
pub async fn data_started(
    connection: &mut AnyConnection,
    starts: &[(i64, i64)],
    now_ms: i64,
) -> sqlx::Result<Vec<i64>> {
    let mut started = Vec::with_capacity(starts.len());
    for chunk in chunks(starts.to_vec()) {
        let sql = format!(
            "UPDATE outbox SET data_started = 1 FROM (VALUES {}) AS given
             WHERE outbox.id = given.column1 AND outbox.attempt = given.column2 AND state = 'sending'
               AND lease_until > $1 RETURNING outbox.id",
            repeated("($2, $3)", chunk.len(), 2)
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(now_ms);
        let query = chunk.into_iter().fold(query, |query, (id, attempt)| query.bind(id).bind(attempt));
        started.extend(ids(&query.fetch_all(&mut *connection).await?)?);
    }
    Ok(started)
}

/// Ends attempts. Returns the rows that were still theirs; the others were lost to somebody else meanwhile, and nothing
/// of them changes.
///
/// # Errors
/// The database's.
pub async fn settle(connection: &mut AnyConnection, ended: &[&Ended], now_ms: i64) -> sqlx::Result<Vec<i64>> {
    let mut settled = Vec::with_capacity(ended.len());
    for chunk in chunks(ended.to_vec()) {
        let sql = format!(
            "UPDATE outbox SET state = given.column3, status = given.column4, last_reply = given.column5,
                               next_attempt_at = given.column6, ended_at = given.column7,
                               uncertain = uncertain + given.column8, attempts = attempts - given.column9,
                               lease_until = 0
             FROM (VALUES {}) AS given
             WHERE outbox.id = given.column1 AND outbox.attempt = given.column2
               AND outbox.state IN ('sending', 'uncertain') RETURNING outbox.id",
            repeated("($1, $2, $3, $4, $5, $6, $7, $8, $9)", chunk.len(), 9)
        );
        let query = chunk.into_iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, ended| {
            let (state, status, reply, next_ms, ended_ms, uncertain, refund) = words(&ended.settlement, now_ms);
            let query = query.bind(ended.id).bind(ended.attempt).bind(state).bind(status.to_owned());
            query.bind(reply.to_owned()).bind(next_ms).bind(ended_ms).bind(uncertain).bind(refund)
        });
        settled.extend(ids(&query.fetch_all(&mut *connection).await?)?);
    }
    Ok(settled)
}

/// State, enhanced status, reply, next attempt, end, times uncertain, attempts that do not count.
fn words(settlement: &Settlement, now_ms: i64) -> (&'static str, &str, &str, i64, Option<i64>, i64, i64) {
    match settlement {
        Settlement::Sent { reply } => ("sent", "2.0.0", reply, now_ms, Some(now_ms), 0, 0),
        Settlement::Retry { at_ms, reply } => ("queued", "", reply, *at_ms, None, 0, 0),
        Settlement::Failed { status, reply } => ("failed", status, reply, now_ms, Some(now_ms), 0, 0),
        Settlement::Uncertain { at_ms: Some(at_ms), reply } => ("uncertain", "", reply, *at_ms, None, 1, 0),
        Settlement::Uncertain { at_ms: None, reply } => ("held", "", reply, now_ms, None, 1, 0),
        Settlement::Returned { at_ms, reply } => ("queued", "", reply, *at_ms, None, 0, 1),
    }
}

fn ids(rows: &[AnyRow]) -> sqlx::Result<Vec<i64>> {
    rows.iter().map(|row| rows::number(row, "id")).collect()
}

/// The whole message of a row, CRLF line ends, the same at every attempt.
///
/// # Errors
/// The database's; a blob that is not there.
pub async fn content(connection: &mut AnyConnection, id: i64) -> sqlx::Result<Vec<u8>> {
    let row =
        sqlx::query("SELECT bytes, splices FROM outbox WHERE id = $1").bind(id).fetch_one(&mut *connection).await?;
    let bytes = rows::bytes(&row, "bytes")?;
    if bytes.is_empty() {
        return Err(rows::bad("bytes", "the mail is kept no longer (R80)"));
    }
    let splices: Vec<(u64, String)> =
        serde_json::from_str(&rows::text(&row, "splices")?).map_err(|e| rows::bad("splices", e))?;
    if splices.is_empty() {
        return Ok(bytes);
    }
    let mut blobs = Vec::with_capacity(splices.len());
    for (_, id) in &splices {
        if !blobs.iter().any(|(known, _)| known == id) {
            blobs.push((id.clone(), blob(connection, id).await?));
        }
    }
    let find = |id: &str| blobs.iter().find(|(known, _)| known == id).map(|(_, content)| content.as_slice());
    splice(&bytes, &splices, find).ok_or_else(|| rows::bad("splices", "no such blob"))
}

/// A row of the outbox as `outbox list` shows it.
#[derive(Debug, Clone)]
pub struct Queued {
    /// Row id.
    pub id: i64,
    /// Number of its case.
    pub case: Option<i64>,
    /// Recipient.
    pub recipient: String,
    /// State.
    pub state: String,
    /// Attempts.
    pub attempts: i64,
    /// When it is tried next, milliseconds.
    pub next_attempt_ms: Option<i64>,
    /// What the relay said last.
    pub last_reply: String,
}

impl Store {
    /// When the next row of a mailbox is due, milliseconds.
    ///
    /// # Errors
    /// The database's.
    pub async fn next_due(&self, mailbox: &str) -> sqlx::Result<Option<i64>> {
        let row = sqlx::query(AssertSqlSafe(next_due_sql())).bind(mailbox.to_owned()).fetch_one(self.reader()).await?;
        rows::maybe_number(&row, "due")
    }

    /// When mails of a mailbox that left after this time did so, milliseconds: the newest.
    ///
    /// # Errors
    /// The database's.
    pub async fn sent_since(&self, mailbox: &str, since_ms: i64, limit: u32) -> sqlx::Result<Vec<i64>> {
        let sql = "SELECT ended_at FROM outbox WHERE mailbox = $1 AND state = 'sent' AND ended_at > $2
                   ORDER BY ended_at DESC LIMIT $3";
        let query = sqlx::query(sql).bind(mailbox.to_owned()).bind(since_ms).bind(i64::from(limit));
        query.fetch_all(self.reader()).await?.iter().map(|row| rows::number(row, "ended_at")).collect()
    }

    /// How many rows wait.
    ///
    /// # Errors
    /// The database's.
    pub async fn outbox_waiting(&self) -> sqlx::Result<i64> {
        let row = sqlx::query("SELECT count(*) AS n FROM outbox WHERE state IN ('queued', 'uncertain', 'sending')")
            .fetch_one(self.reader())
            .await?;
        rows::number(&row, "n")
    }

    /// Rows of the outbox; without `all` those that have not ended well.
    ///
    /// # Errors
    /// The database's.
    pub async fn outbox(&self, all: bool, limit: i64) -> sqlx::Result<Vec<Queued>> {
        let condition = if all { "1 = 1" } else { "outbox.state NOT IN ('sent', 'cancelled')" };
        let sql = format!(
            "SELECT outbox.id, reference, recipient, state, attempts, next_attempt_at, last_reply
             FROM outbox LEFT JOIN cases ON cases.case_key = outbox.case_key
             WHERE {condition} ORDER BY outbox.id DESC LIMIT $1"
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(limit)
            .fetch_all(self.reader())
            .await?
            .iter()
            .map(|row| {
                let state = rows::text(row, "state")?;
                let waits = matches!(state.as_str(), "queued" | "uncertain");
                Ok(Queued {
                    id: rows::number(row, "id")?,
                    case: rows::maybe_number(row, "reference")?,
                    recipient: rows::text(row, "recipient")?,
                    attempts: rows::number(row, "attempts")?,
                    next_attempt_ms: if waits { Some(rows::number(row, "next_attempt_at")?) } else { None },
                    last_reply: rows::text(row, "last_reply")?,
                    state,
                })
            })
            .collect()
    }

    /// Puts rows back into the queue, now. Returns those that were changed.
    ///
    /// # Errors
    /// The database's.
    pub async fn outbox_retry(&self, ids: &[i64], now_ms: i64) -> sqlx::Result<Vec<i64>> {
        self.outbox_change(
            ids,
            "UPDATE outbox SET state = 'queued', next_attempt_at = $1, ended_at = NULL
             WHERE state IN ('held', 'queued', 'uncertain', 'failed', 'cancelled') AND length(bytes) > 0 AND id IN",
            now_ms,
        )
        .await
    }

    /// Takes rows out of the queue. Returns those that were changed.
    ///
    /// # Errors
    /// The database's.
    pub async fn outbox_cancel(&self, ids: &[i64], now_ms: i64) -> sqlx::Result<Vec<i64>> {
        self.outbox_change(
            ids,
            "UPDATE outbox SET state = 'cancelled', ended_at = $1
             WHERE state IN ('held', 'queued', 'uncertain', 'failed') AND id IN",
            now_ms,
        )
        .await
    }

    async fn outbox_change(&self, ids: &[i64], sql: &str, now_ms: i64) -> sqlx::Result<Vec<i64>> {
        let list = placeholders(1, ids.len());
        let mut transaction = self.begin().await?;
        let mut query = sqlx::query(AssertSqlSafe(format!("{sql} ({list}) RETURNING id"))).bind(now_ms);
        for id in ids {
            query = query.bind(*id);
        }
        let changed = query
            .fetch_all(&mut *transaction)
            .await?
            .iter()
            .map(|row| rows::number(row, "id"))
            .collect::<sqlx::Result<_>>()?;
        transaction.commit().await?;
        Ok(changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_long_queue_is_not_walked_through_to_find_what_is_due() {
        let store = Store::open_empty().await.unwrap();
        let plan = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", next_due_sql())))
            .bind("support".to_owned())
            .fetch_all(store.reader())
            .await
            .unwrap();
        let steps: Vec<String> = plan.iter().map(|row| rows::text(row, "detail").unwrap()).collect();
        let walks: Vec<&String> = steps.iter().filter(|step| step.contains(" outbox")).collect();
        assert_eq!(walks.len(), 2 * Purpose::ALL.len() + 1, "{steps:?}");
        let by_index = |step: &&&String| step.contains("(mailbox=? AND state=? AND priority=?)");
        assert_eq!(walks.iter().filter(by_index).count(), 2 * Purpose::ALL.len(), "{steps:?}");
        assert_eq!(store.next_due("support").await.unwrap(), None);
    }
}
