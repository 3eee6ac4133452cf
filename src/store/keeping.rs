//! What is kept no longer (R80): found here, and gone in the transaction of the event that says so.

use sqlx::{AnyConnection, AssertSqlSafe};

use crate::desk::keeping::{Kept, Old};
use crate::desk::token::CaseKey;

use super::load::placeholders;
use super::{Store, rows, search};

/// States of mail that may still leave.
const MAY_LEAVE: &str = "('held', 'queued', 'sending', 'uncertain')";

/// Cases that were merged into one, at most.
const FAMILY_MAX: usize = 1_000;

/// `family`: this case and all that were merged into it, one into the other.
fn with_family(case: &str) -> String {
    format!(
        "WITH RECURSIVE family (member) AS (SELECT {case}
             UNION SELECT part.case_key FROM cases AS part JOIN family ON part.merged_into = family.member)"
    )
}

/// Cases from before `$1` that may go, or their mails: closed, part of no other one, held by nobody, and nothing waits.
fn closed() -> String {
    let family = with_family("cases.case_key");
    format!(
        "FROM cases WHERE closed_at < $1 AND status = 'closed' AND merged_into IS NULL AND on_hold = 0
         AND NOT EXISTS ({family} SELECT 1 FROM family JOIN outbox ON outbox.case_key = family.member
                         WHERE outbox.state IN {MAY_LEAVE})
         AND NOT EXISTS ({family} SELECT 1 FROM family JOIN calls ON calls.case_key = family.member
                         WHERE calls.state = 'queued')"
    )
}

/// These go, as far as they are older and nothing waits for them.
///
/// # Errors
/// The database's.
pub async fn expire(connection: &mut AnyConnection, kept: Kept, ids: &[i64], before_ms: i64) -> sqlx::Result<()> {
    match kept {
        Kept::Notifications => forget_notifications(connection, ids, before_ms).await,
        Kept::Unfiled => forget_unfiled(connection, ids, before_ms).await,
        Kept::Summaries => forget_summaries(connection, ids, before_ms).await,
        Kept::Quarantine => forget_quarantined(connection, ids, before_ms).await,
        Kept::Raw | Kept::Cases => {
            for id in ids {
                let sql = format!("SELECT 1 AS n {} AND case_key = $2", closed());
                let query = sqlx::query(AssertSqlSafe(sql)).bind(before_ms).bind(*id);
                match query.fetch_optional(&mut *connection).await? {
                    Some(_) if kept == Kept::Raw => forget_raw(connection, CaseKey::from_i64(*id)).await?,
                    Some(_) => forget(connection, CaseKey::from_i64(*id)).await?,
                    None => {}
                }
            }
            Ok(())
        }
    }
}

/// The case stays, whatever `[retention]` says, or no longer so; with those that were merged into it.
///
/// # Errors
/// The database's.
pub async fn hold(connection: &mut AnyConnection, case: CaseKey, on: bool) -> sqlx::Result<()> {
    for case in family(connection, case).await? {
        let query = sqlx::query("UPDATE cases SET on_hold = $1 WHERE case_key = $2");
        query.bind(i64::from(on)).bind(case).execute(&mut *connection).await?;
    }
    Ok(())
}

/// A case and all that were merged into it, one into the other.
async fn family(connection: &mut AnyConnection, case: CaseKey) -> sqlx::Result<Vec<i64>> {
    let sql = format!("{} SELECT member FROM family LIMIT {FAMILY_MAX}", with_family("CAST($1 AS BIGINT)"));
    let found = sqlx::query(AssertSqlSafe(sql)).bind(case.to_i64()).fetch_all(&mut *connection).await?;
    found.iter().map(|row| rows::number(row, "member")).collect()
}

/// Carries these out with the time as `$1` and the ids behind it.
async fn each(
    connection: &mut AnyConnection,
    statements: impl IntoIterator<Item = String>,
    before_ms: i64,
    ids: &[i64],
) -> sqlx::Result<()> {
    for sql in statements {
        let query = sqlx::query(AssertSqlSafe(sql)).bind(before_ms);
        ids.iter().fold(query, |query, id| query.bind(*id)).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Notifications go, with their bodies, deliveries, calls and events, and are counted: the sums of `audit` add up. What has
/// become a case keeps its delivery and its body.
async fn forget_notifications(connection: &mut AnyConnection, cases: &[i64], before_ms: i64) -> sqlx::Result<()> {
    let list = placeholders(1, cases.len());
    let bodies = format!(
        "DELETE FROM bodies WHERE used_at < $1 AND id IN (
             SELECT body FROM notifications WHERE case_key IN ({list})
             AND NOT EXISTS (SELECT 1 FROM adopted WHERE adopted.body = notifications.body)
             AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.mailbox = notifications.mailbox
                             AND outbox.state IN {MAY_LEAVE} AND outbox.splices LIKE '%' || notifications.body || '%'))"
    );
    let counted = format!(
        "UPDATE counters SET value = value + (SELECT count(*) FROM notifications WHERE at < $1 AND case_key IN ({list}))
         WHERE name = 'notifications_forgotten'"
    );
    let events = format!(
        "DELETE FROM events WHERE id IN (SELECT event_id FROM notifications WHERE at < $1 AND case_key IN ({list}))"
    );
    let deliveries = format!(
        "DELETE FROM outbox WHERE created_at < $1 AND case_key IN ({list}) AND entry_id IS NULL
         AND purpose = 'notification'"
    );
    let calls = format!("DELETE FROM calls WHERE created_at < $1 AND notification IN ({list}) AND state <> 'queued'");
    let notifications = format!("DELETE FROM notifications WHERE at < $1 AND case_key IN ({list})");
    each(connection, [bodies, counted, events, deliveries, calls, notifications], before_ms, cases).await
}

/// Mails that belong to no case are there as they came no longer; that they came stays.
async fn forget_unfiled(connection: &mut AnyConnection, ids: &[i64], before_ms: i64) -> sqlx::Result<()> {
    let list = placeholders(2, ids.len());
    let sql = format!("UPDATE mails SET raw = $2 WHERE at < $1 AND case_key IS NULL AND id IN ({list})");
    let query = sqlx::query(AssertSqlSafe(sql)).bind(before_ms).bind(Vec::<u8>::new());
    ids.iter().fold(query, |query, id| query.bind(*id)).execute(&mut *connection).await?;
    Ok(())
}

async fn forget_summaries(connection: &mut AnyConnection, ids: &[i64], before_ms: i64) -> sqlx::Result<()> {
    let list = placeholders(1, ids.len());
    let sql = format!(
        "DELETE FROM outbox WHERE created_at < $1 AND case_key IS NULL AND state NOT IN {MAY_LEAVE} AND id IN ({list})"
    );
    each(connection, [sql], before_ms, ids).await
}

/// Nobody released them. Their events stay, so that they are not fetched again, and they are counted: the sums of `audit`
/// add up.
async fn forget_quarantined(connection: &mut AnyConnection, ids: &[i64], before_ms: i64) -> sqlx::Result<()> {
    let list = placeholders(1, ids.len());
    let these = format!("FROM quarantine WHERE at < $1 AND id IN ({list})");
    let statements = [
        format!("UPDATE events SET outcome = 'deleted', kind = 'dropped' WHERE id IN (SELECT event_id {these})"),
        format!("UPDATE counters SET value = value + (SELECT count(*) {these}) WHERE name = 'quarantine_forgotten'"),
        format!("DELETE {these}"),
    ];
    each(connection, statements, before_ms, ids).await
}

/// The mails of a case are there as they came and left no longer; what was said in them, and their attachments, stay.
async fn forget_raw(connection: &mut AnyConnection, case: CaseKey) -> sqlx::Result<()> {
    for case in family(connection, case).await? {
        for sql in [
            "UPDATE mails SET raw = $2 WHERE case_key = $1",
            "UPDATE outbox SET bytes = $2, splices = '[]'
             WHERE case_key = $1 AND state IN ('sent', 'failed', 'cancelled')",
        ] {
            sqlx::query(sql).bind(case).bind(Vec::<u8>::new()).execute(&mut *connection).await?;
        }
        sqlx::query("UPDATE cases SET has_raw = 0 WHERE case_key = $1").bind(case).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Deletes a case, those that were merged into it, and their mails. That they came, and how they ended, stays: they are
/// not taken in again, and the sums of `audit` add up.
///
/// # Errors
/// The database's.
pub async fn forget(connection: &mut AnyConnection, case: CaseKey) -> sqlx::Result<()> {
    for case in family(connection, case).await? {
        forget_one(connection, CaseKey::from_i64(case)).await?;
    }
    Ok(())
}

async fn forget_one(connection: &mut AnyConnection, case: CaseKey) -> sqlx::Result<()> {
    forget_blobs(connection, case).await?;
    search::forget(connection, case).await?;
    for sql in [
        "UPDATE events SET outcome = 'deleted', because = '' WHERE id IN (SELECT event_id FROM mails WHERE case_key = $1)",
        "UPDATE mails SET raw = $2, case_key = NULL, entry_id = NULL WHERE case_key = $1",
        "DELETE FROM outbox WHERE case_key = $1",
        "DELETE FROM known_ids WHERE case_key = $1",
        "DELETE FROM entries WHERE case_key = $1",
        "DELETE FROM case_log WHERE case_key = $1",
        "DELETE FROM parties WHERE case_key = $1",
        "DELETE FROM digest WHERE case_key = $1",
        "DELETE FROM agenda WHERE case_key = $1",
        "DELETE FROM adopted WHERE case_key = $1",
        // a customer's word acts once for each notification (R72): that it did stays as long as that
        "UPDATE calls SET case_key = NULL, payload = '', last_reply = '' WHERE case_key = $1 AND state <> 'queued'
         AND EXISTS (SELECT 1 FROM notifications WHERE notifications.case_key = calls.notification)",
        "DELETE FROM calls WHERE case_key = $1",
        "DELETE FROM cases WHERE case_key = $1",
    ] {
        let query = sqlx::query(sql).bind(case.to_i64());
        let query = if sql.contains("$2") { query.bind(Vec::<u8>::new()) } else { query };
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Attachments that no entry of another case has, and that wait in no other case of its mailbox to leave.
async fn forget_blobs(connection: &mut AnyConnection, case: CaseKey) -> sqlx::Result<()> {
    let found = sqlx::query(
        "SELECT DISTINCT attached.blob FROM attached JOIN entries ON entries.id = attached.entry_id
         WHERE entries.case_key = $1",
    );
    let waits = format!(
        "DELETE FROM blobs WHERE id = $1
         AND NOT EXISTS (SELECT 1 FROM attached JOIN entries ON entries.id = attached.entry_id
                         WHERE attached.blob = $1 AND entries.case_key <> $2)
         AND NOT EXISTS (SELECT 1 FROM outbox WHERE mailbox = (SELECT mailbox FROM cases WHERE case_key = $2)
                         AND state IN {MAY_LEAVE} AND (case_key IS NULL OR case_key <> $2) AND splices LIKE $3)"
    );
    for row in found.bind(case.to_i64()).fetch_all(&mut *connection).await? {
        let blob = rows::text(&row, "blob")?;
        let query = sqlx::query(AssertSqlSafe(waits.clone())).bind(blob.clone()).bind(case.to_i64());
        query.bind(format!("%{blob}%")).execute(&mut *connection).await?;
    }
    let sql = "DELETE FROM attached WHERE entry_id IN (SELECT id FROM entries WHERE case_key = $1)";
    sqlx::query(sql).bind(case.to_i64()).execute(&mut *connection).await?;
    Ok(())
}

/// Those from before `$1` that may go, at most `$2`, oldest first, with the time since when they are kept.
fn query_of(kept: Kept) -> String {
    match kept {
        Kept::Notifications => format!(
            "SELECT case_key AS id, at FROM notifications WHERE at < $1 AND event_id <> ''
             AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.case_key = notifications.case_key
                             AND outbox.purpose = 'notification' AND outbox.state IN {MAY_LEAVE})
             AND NOT EXISTS (SELECT 1 FROM calls WHERE calls.notification = notifications.case_key
                             AND calls.state = 'queued')
             AND NOT EXISTS (SELECT 1 FROM cases WHERE cases.case_key = notifications.case_key)
             ORDER BY at LIMIT $2"
        ),
        Kept::Raw => {
            format!("SELECT case_key AS id, closed_at AS at {} AND has_raw = 1 ORDER BY closed_at LIMIT $2", closed())
        }
        Kept::Cases => {
            format!("SELECT case_key AS id, closed_at AS at {} ORDER BY closed_at LIMIT $2", closed())
        }
        Kept::Unfiled => "SELECT id, at FROM mails WHERE case_key IS NULL AND length(raw) > 0 AND at < $1
                          ORDER BY at LIMIT $2"
            .to_owned(),
        Kept::Summaries => format!(
            "SELECT id, created_at AS at FROM outbox WHERE case_key IS NULL AND created_at < $1
             AND state NOT IN {MAY_LEAVE} ORDER BY created_at LIMIT $2"
        ),
        Kept::Quarantine => "SELECT id, at FROM quarantine WHERE at < $1 ORDER BY at LIMIT $2".to_owned(),
    }
}

impl Store {
    /// The numbers of the cases that were merged into this one, and how many mails of all of them wait to leave.
    ///
    /// # Errors
    /// The database's.
    pub async fn parts_of(&self, case: CaseKey) -> sqlx::Result<(Vec<i64>, i64)> {
        let mut connection = self.reader().acquire().await?;
        let (mut parts, mut waiting) = (Vec::new(), 0i64);
        for member in family(&mut connection, case).await? {
            let sql = format!(
                "SELECT reference, (SELECT count(*) FROM outbox WHERE outbox.case_key = cases.case_key
                                    AND outbox.state IN {MAY_LEAVE}) AS waiting
                 FROM cases WHERE case_key = $1"
            );
            let row = sqlx::query(AssertSqlSafe(sql)).bind(member).fetch_one(&mut *connection).await?;
            waiting = waiting.saturating_add(rows::number(&row, "waiting")?);
            if member != case.to_i64() {
                parts.push(rows::number(&row, "reference")?);
            }
        }
        Ok((parts, waiting))
    }

    /// What may have been kept for long enough: a batch of the oldest.
    ///
    /// # Errors
    /// The database's.
    pub async fn old(&self, kept: Kept, before_ms: i64) -> sqlx::Result<Old> {
        let query = sqlx::query(AssertSqlSafe(query_of(kept))).bind(before_ms).bind(kept.batch());
        let found = query.fetch_all(self.reader()).await?;
        let found = found.iter().map(|row| Ok((rows::number(row, "id")?, rows::number(row, "at")?)));
        Ok(Old { kept, found: found.collect::<sqlx::Result<_>>()? })
    }
}
