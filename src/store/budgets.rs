//! How much was sent to authors, and opened by them, lately: what `[limits]` bound.

use std::collections::BTreeMap;

use sqlx::{AnyConnection, AssertSqlSafe};

use crate::desk::policy::{Budget, Policy};
use crate::desk::{Counts, Purpose};
use crate::mail::Address;

use super::load::placeholders;
use super::rows;

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
    let row =
        sqlx::query("SELECT count(*) AS n FROM outbox WHERE purpose = $1 AND unauthenticated = 1 AND created_at > $2")
            .bind(Purpose::Acknowledgement.word())
            .bind(since(limits.ack_total))
            .fetch_one(&mut *connection)
            .await?;
    let ack_total = small(rows::number(&row, "n")?);
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
        })
        .collect())
}

/// `$1` is the time, `$2` the purpose if there is one, LIST the keys.
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
