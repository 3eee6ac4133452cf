//! How much was sent to authors, and opened by them, lately: what `[limits]` bound.

use std::collections::BTreeMap;

use sqlx::{AnyConnection, AssertSqlSafe};

use crate::desk::case::Status;
use crate::desk::policy::{Budget, Policy};
use crate::desk::standing::Standing;
use crate::desk::token::CaseKey;
use crate::desk::{Counts, Purpose};
use crate::mail::Address;

use super::load::placeholders;
use super::{agenda, rows};

/// Milliseconds of an hour.
const HOUR_MS: i64 = 3_600_000;

/// The counts of these authors, in their order.
///
/// # Errors
/// The database's.
pub async fn of(
    connection: &mut AnyConnection,
    authors: &[&Address],
    policy: &Policy,
    at_ms: i64,
) -> sqlx::Result<Vec<Counts>> {
    if authors.is_empty() {
        return Ok(Vec::new());
    }
    let limits = &policy.limits;
    let since = |budget: Option<Budget>| at_ms.saturating_sub(budget.map_or(0, |b| b.window_ms));
    let keys: Vec<String> = authors.iter().map(|a| a.key()).collect();
    let domains: Vec<String> = authors.iter().map(|a| a.domain().to_owned()).collect();
    let acknowledgement = Some(Purpose::Acknowledgement.word());
    let to_addresses = "SELECT recipient_key AS k, count(*) AS n FROM outbox
        WHERE created_at > $1 AND purpose = $2 AND recipient_key IN (LIST) GROUP BY recipient_key";
    let acknowledged = counted(connection, to_addresses, since(limits.ack_per_address), acknowledgement, &keys).await?;
    let noticed =
        counted(connection, to_addresses, at_ms.saturating_sub(HOUR_MS), Some(Purpose::Notice.word()), &keys).await?;
    let to_domains = "SELECT recipient_domain AS k, count(*) AS n FROM outbox
        WHERE created_at > $1 AND purpose = $2 AND unauthenticated = 1 AND recipient_domain IN (LIST)
        GROUP BY recipient_domain";
    let in_domain = counted(connection, to_domains, since(limits.ack_per_domain), acknowledgement, &domains).await?;
    let opened_by = "SELECT customer_key AS k, count(*) AS n FROM cases
        WHERE opened_at > $1 AND customer_key IN (LIST) GROUP BY customer_key";
    let opened = counted(connection, opened_by, since(limits.cases_per_address), None, &keys).await?;
    let customers = "SELECT customer_key AS k, count(*) AS n FROM cases
        WHERE opened_at > $1 AND status <> $2 AND old = 0 AND customer_key IN (LIST) GROUP BY customer_key";
    let known = counted(connection, customers, i64::MIN, Some(Status::Spam.word()), &keys).await?;
    // that they wrote before proves nothing: anybody can write in their name
    let answered = "SELECT customer_key AS k, count(*) AS n FROM cases
        WHERE opened_at > $1 AND EXISTS (SELECT 1 FROM entries WHERE entries.case_key = cases.case_key
            AND entries.direction = 'outbound' AND entries.standing = $2)
        AND customer_key IN (LIST) GROUP BY customer_key";
    let answered = counted(connection, answered, i64::MIN, Some(Standing::Agent.word()), &keys).await?;
    let ack_total = ack_total(connection, policy, at_ms).await?;
    let breaker_is_open = agenda::breaker_is_open(connection).await?;
    let get = |found: &BTreeMap<String, u32>, key: &str| found.get(key).copied().unwrap_or_default();
    Ok(keys
        .iter()
        .zip(&domains)
        .map(|(key, domain)| Counts {
            ack_address: get(&acknowledged, key),
            ack_domain: get(&in_domain, domain),
            ack_total,
            cases_address: get(&opened, key),
            notices_address: get(&noticed, key),
            is_known: known.contains_key(key),
            is_answered: answered.contains_key(key),
            breaker_is_open,
        })
        .collect())
}

/// Notifications of an hour that are counted.
const SENT_COUNTED_MAX: i64 = 50_000;

/// Acknowledgements to unauthenticated mail in all, within their window (R51).
///
/// # Errors
/// The database's.
pub async fn ack_total(connection: &mut AnyConnection, policy: &Policy, at_ms: i64) -> sqlx::Result<u32> {
    let window_ms = policy.limits.ack_total.map_or(0, |b| b.window_ms);
    let row =
        sqlx::query("SELECT count(*) AS n FROM outbox WHERE purpose = $1 AND unauthenticated = 1 AND created_at > $2")
            .bind(Purpose::Acknowledgement.word())
            .bind(at_ms.saturating_sub(window_ms))
            .fetch_one(&mut *connection)
            .await?;
    Ok(small(rows::number(&row, "n")?))
}

/// Notices to agents about a case within the last hour (R52).
///
/// # Errors
/// The database's.
pub async fn notices_about(connection: &mut AnyConnection, case: CaseKey, at_ms: i64) -> sqlx::Result<u32> {
    let row = sqlx::query("SELECT count(*) AS n FROM outbox WHERE case_key = $1 AND purpose = $2 AND created_at > $3")
        .bind(case.to_i64())
        .bind(Purpose::Notice.word())
        .bind(at_ms.saturating_sub(HOUR_MS))
        .fetch_one(&mut *connection)
        .await?;
    Ok(small(rows::number(&row, "n")?))
}

/// Notices to an address within the last hour.
///
/// # Errors
/// The database's.
pub async fn notices_to(connection: &mut AnyConnection, address: &Address, at_ms: i64) -> sqlx::Result<u32> {
    let sql = "SELECT count(*) AS n FROM outbox WHERE recipient_key = $1 AND purpose = $2 AND created_at > $3";
    let row = sqlx::query(sql)
        .bind(address.key())
        .bind(Purpose::Notice.word())
        .bind(at_ms.saturating_sub(HOUR_MS))
        .fetch_one(&mut *connection)
        .await?;
    Ok(small(rows::number(&row, "n")?))
}

/// Mails relayed to each agent within the window of `limits.relays_per_agent` (R60).
///
/// # Errors
/// The database's.
pub async fn relays(
    connection: &mut AnyConnection,
    policy: &Policy,
    at_ms: i64,
) -> sqlx::Result<BTreeMap<String, u32>> {
    let window_ms = policy.limits.relays_per_agent.map_or(0, |b| b.window_ms);
    sqlx::query(
        "SELECT agent, count(*) AS n FROM outbox
         WHERE purpose IN ($1, $2) AND unauthenticated = 0 AND created_at > $3 AND agent IS NOT NULL GROUP BY agent",
    )
    .bind(Purpose::RelayOwner.word())
    .bind(Purpose::RelayAll.word())
    .bind(at_ms.saturating_sub(window_ms))
    .fetch_all(&mut *connection)
    .await?
    .iter()
    .map(|row| Ok((rows::text(row, "agent")?, small(rows::number(row, "n")?))))
    .collect()
}

/// Addresses to which notifications came back within the last hour, and notifications that left, as far as they are
/// counted (R64).
///
/// # Errors
/// The database's.
pub async fn bounces(connection: &mut AnyConnection, at_ms: i64) -> sqlx::Result<(u32, u32)> {
    let row = sqlx::query(
        "SELECT (SELECT count(*) FROM suppressions WHERE last_at > $1) AS back,
                (SELECT count(*) FROM (SELECT 1 AS one FROM outbox WHERE purpose = $2 AND unauthenticated = 0
                                       AND created_at > $1 LIMIT $3) AS counted) AS sent",
    )
    .bind(at_ms.saturating_sub(HOUR_MS))
    .bind(Purpose::Notification.word())
    .bind(SENT_COUNTED_MAX)
    .fetch_one(&mut *connection)
    .await?;
    Ok((small(rows::number(&row, "back")?), small(rows::number(&row, "sent")?)))
}

/// `$1` is the time, `$2` a word if there is one, LIST the keys.
async fn counted(
    connection: &mut AnyConnection,
    sql: &str,
    since_ms: i64,
    purpose: Option<&'static str>,
    keys: &[String],
) -> sqlx::Result<BTreeMap<String, u32>> {
    let before = if purpose.is_some() { 2 } else { 1 };
    let sql = sql.replace("LIST", &placeholders(before, keys.len()));
    let mut query = sqlx::query(AssertSqlSafe(sql)).bind(since_ms);
    if let Some(purpose) = purpose {
        query = query.bind(purpose);
    }
    for key in keys {
        query = query.bind(key.clone());
    }
    let found = query.fetch_all(&mut *connection).await?;
    found.iter().map(|row| Ok((rows::text(row, "k")?, small(rows::number(row, "n")?)))).collect()
}

fn small(n: i64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
