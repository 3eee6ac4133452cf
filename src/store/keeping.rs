//! What is kept no longer (R80): found here, and gone in the transaction of the event that says so.

use sqlx::{AnyConnection, AssertSqlSafe};

use crate::desk::token::CaseKey;

use super::load::placeholders;
use super::{Store, rows};

/// Notifications that go at once; one statement names them all.
pub const EXPIRED_MAX: i64 = 200;

/// States of mail that may still leave.
const MAY_LEAVE: &str = "('held', 'queued', 'sending', 'uncertain')";

/// Notifications go, with their bodies, deliveries, calls and events, and are counted: the sums of `audit` add up. What has
/// become a case keeps its delivery and its body.
///
/// # Errors
/// The database's.
pub async fn forget_notifications(
    connection: &mut AnyConnection,
    cases: &[CaseKey],
    before_ms: i64,
) -> sqlx::Result<()> {
    let list = placeholders(1, cases.len());
    let bodies = format!(
        "DELETE FROM bodies WHERE used_at < $1 AND id IN (
             SELECT body FROM notifications WHERE case_key IN ({list})
             AND NOT EXISTS (SELECT 1 FROM cases WHERE cases.case_key = notifications.case_key)
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
    for sql in [bodies, counted, events, deliveries, calls, notifications] {
        let query = sqlx::query(AssertSqlSafe(sql)).bind(before_ms);
        let query = cases.iter().fold(query, |query, case| query.bind(case.to_i64()));
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

impl Store {
    /// Notifications from before this time that wait for nothing any more, oldest first, with the time they were taken.
    ///
    /// # Errors
    /// The database's.
    pub async fn old_notifications(&self, before_ms: i64, limit: i64) -> sqlx::Result<Vec<(CaseKey, i64)>> {
        let sql = format!(
            "SELECT case_key, at FROM notifications WHERE at < $1 AND event_id <> ''
             AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.case_key = notifications.case_key
                             AND outbox.purpose = 'notification' AND outbox.state IN {MAY_LEAVE})
             AND NOT EXISTS (SELECT 1 FROM calls WHERE calls.notification = notifications.case_key
                             AND calls.state = 'queued')
             ORDER BY at LIMIT $2"
        );
        let found = sqlx::query(AssertSqlSafe(sql)).bind(before_ms).bind(limit).fetch_all(self.reader()).await?;
        found.iter().map(|row| Ok((rows::case_key(row, "case_key")?, rows::number(row, "at")?))).collect()
    }
}
