//! What agents change by their words: a case's handling, merges and splits, absences.
//!
//! Promises   a merge can be undone: whatever moves remembers the case where it was (R15).

use std::collections::BTreeMap;

use sqlx::AnyConnection;

use super::rows;
use crate::desk::case::{Mend, Priority, Status};
use crate::desk::change::Change;
use crate::desk::token::CaseKey;
use crate::desk::view::{Load, Work};
use crate::desk::{Absence, Effect};

/// Cases in a list for their owner.
const WORK_MAX: i64 = 100;

/// Rows of a case that move with it.
const MOVED: [&str; 3] = ["entries", "known_ids", "mails"];

/// Carries out the effects that are about how a case is handled.
///
/// # Errors
/// The database's.
pub async fn change(connection: &mut AnyConnection, at_ms: i64, effect: &Effect) -> sqlx::Result<()> {
    match effect {
        Effect::Change(case, change) => handled(connection, *case, change).await,
        Effect::MergeInto(case, target) => merge(connection, *case, *target, at_ms).await,
        Effect::Unmerge(case, status) => unmerge(connection, *case, *status, at_ms).await,
        Effect::SplitOff { entry, from, to } => split_off(connection, *entry, *from, *to, at_ms).await,
        Effect::Absent(agent, absence) => absent(connection, agent, absence.as_ref(), at_ms).await,
        Effect::Given(agent) => given(connection, agent, at_ms).await,
        Effect::Cancel(delivery) => cancel(connection, *delivery, at_ms).await,
        _ => Ok(()),
    }
}

async fn handled(connection: &mut AnyConnection, case: CaseKey, change: &Change) -> sqlx::Result<()> {
    let json = |words: &[String]| serde_json::Value::from(words).to_string();
    let (sql, value) = match change {
        Change::Tags(tags) => ("UPDATE cases SET tags = $1 WHERE case_key = $2", json(tags)),
        Change::Priority(priority) => {
            ("UPDATE cases SET priority = $1 WHERE case_key = $2", priority.word().to_owned())
        }
        Change::Subject(subject) => ("UPDATE cases SET subject = $1 WHERE case_key = $2", subject.clone()),
        Change::Watchers(agents) => ("UPDATE cases SET watchers = $1 WHERE case_key = $2", json(agents)),
        Change::Mend(mend) => ("UPDATE cases SET mend = $1 WHERE case_key = $2", mend_word(*mend)),
        Change::Snoozed(until_ms) => {
            sqlx::query("UPDATE cases SET snoozed_until = $1 WHERE case_key = $2")
                .bind(*until_ms)
                .bind(case.to_i64())
                .execute(&mut *connection)
                .await?;
            return Ok(());
        }
    };
    sqlx::query(sql).bind(value).bind(case.to_i64()).execute(&mut *connection).await?;
    Ok(())
}

/// `merged:KEY`, `split:KEY`, or nothing.
fn mend_word(mend: Option<Mend>) -> String {
    match mend {
        Some(Mend::Merged(case)) => format!("merged:{}", case.to_i64()),
        Some(Mend::Split(case)) => format!("split:{}", case.to_i64()),
        None => String::new(),
    }
}

/// The other way round.
#[must_use]
pub fn mend(word: &str) -> Option<Mend> {
    let (kind, key) = word.split_once(':')?;
    let key = CaseKey::from_i64(key.parse().ok()?);
    match kind {
        "merged" => Some(Mend::Merged(key)),
        "split" => Some(Mend::Split(key)),
        _ => None,
    }
}

/// What was said, and the people, move; the tokens of the merged case stay alive and lead to the other (R15).
async fn merge(connection: &mut AnyConnection, case: CaseKey, target: CaseKey, at_ms: i64) -> sqlx::Result<()> {
    for table in MOVED {
        let sql = format!("UPDATE {table} SET origin = coalesce(origin, case_key), case_key = $1 WHERE case_key = $2");
        let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(target.to_i64()).bind(case.to_i64());
        query.execute(&mut *connection).await?;
    }
    sqlx::query(
        "INSERT INTO parties (case_key, party, address, address_key, name, has_passed, copied, replaced_by, aside, origin)
         SELECT $1, party, address, address_key, name, has_passed, 0, replaced_by, aside, coalesce(origin, case_key)
         FROM parties WHERE case_key = $2 ON CONFLICT (case_key, party) DO NOTHING",
    )
    .bind(target.to_i64())
    .bind(case.to_i64())
    .execute(&mut *connection)
    .await?;
    sqlx::query("UPDATE cases SET merged_into = $1, status = 'closed', closed_at = $2 WHERE case_key = $3")
        .bind(target.to_i64())
        .bind(at_ms)
        .bind(case.to_i64())
        .execute(&mut *connection)
        .await?;
    // what joins a closed case is kept from now on, and a hold holds both (R80)
    sqlx::query(
        "UPDATE cases SET has_raw = 1, closed_at = CASE WHEN status = 'closed' THEN $1 ELSE closed_at END,
             on_hold = CASE WHEN EXISTS (SELECT 1 FROM cases AS part WHERE part.case_key = $2 AND part.on_hold = 1)
                            THEN 1 ELSE on_hold END
         WHERE case_key = $3",
    )
    .bind(at_ms)
    .bind(case.to_i64())
    .bind(target.to_i64())
    .execute(&mut *connection)
    .await?;
    recount(connection, &[case, target], at_ms).await
}

/// What came from a merged case, or from one that had been merged into it, goes back to it.
async fn unmerge(connection: &mut AnyConnection, case: CaseKey, status: Status, at_ms: i64) -> sqlx::Result<()> {
    let row = sqlx::query("SELECT merged_into FROM cases WHERE case_key = $1")
        .bind(case.to_i64())
        .fetch_one(&mut *connection)
        .await?;
    let Some(target) = rows::maybe_number(&row, "merged_into")? else {
        return Ok(());
    };
    let came = "origin = $2 OR origin IN (SELECT case_key FROM cases WHERE merged_into = $2)";
    for table in MOVED {
        let sql = format!(
            "UPDATE {table} SET case_key = $2, origin = CASE WHEN origin = $2 THEN NULL ELSE origin END
             WHERE case_key = $1 AND ({came})"
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(target).bind(case.to_i64());
        query.execute(&mut *connection).await?;
    }
    let sql = format!("DELETE FROM parties WHERE case_key = $1 AND ({came})");
    sqlx::query(sqlx::AssertSqlSafe(sql)).bind(target).bind(case.to_i64()).execute(&mut *connection).await?;
    sqlx::query("UPDATE cases SET merged_into = NULL, status = $1, closed_at = $2, has_raw = 1 WHERE case_key = $3")
        .bind(status.word())
        .bind((status == Status::Closed).then_some(at_ms))
        .bind(case.to_i64())
        .execute(&mut *connection)
        .await?;
    recount(connection, &[case, CaseKey::from_i64(target)], at_ms).await
}

/// One mail gets a case of its own.
async fn split_off(
    connection: &mut AnyConnection,
    entry: i64,
    from: CaseKey,
    to: CaseKey,
    at_ms: i64,
) -> sqlx::Result<()> {
    for (table, column) in [("entries", "id"), ("known_ids", "entry_id"), ("mails", "entry_id")] {
        // ids of mails that agents got of it stay where they were: those mails bear the old case's tokens
        let inbound = if table == "known_ids" { " AND side = 'inbound'" } else { "" };
        let sql =
            format!("UPDATE {table} SET case_key = $1, origin = $2 WHERE {column} = $3 AND case_key = $2{inbound}");
        let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(to.to_i64()).bind(from.to_i64()).bind(entry);
        query.execute(&mut *connection).await?;
    }
    recount(connection, &[from, to], at_ms).await
}

async fn recount(connection: &mut AnyConnection, cases: &[CaseKey; 2], at_ms: i64) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE cases SET messages = (SELECT count(*) FROM entries WHERE entries.case_key = cases.case_key),
             updated_at = $1
         WHERE case_key = $2 OR case_key = $3",
    )
    .bind(at_ms)
    .bind(cases[0].to_i64())
    .bind(cases[1].to_i64())
    .execute(&mut *connection)
    .await?;
    Ok(())
}

/// An agent is away, or back.
async fn absent(
    connection: &mut AnyConnection,
    agent: &str,
    absence: Option<&Absence>,
    at_ms: i64,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO agents (agent, welcomed_at, heard_at, opinion, proven_by, away_since, away_until, away_noticed)
         VALUES ($1, NULL, NULL, '', '', $2, $3, $4)
         ON CONFLICT (agent) DO UPDATE SET
             away_since = CASE WHEN excluded.away_since IS NULL THEN NULL
                               ELSE coalesce(agents.away_since, excluded.away_since) END,
             away_until = excluded.away_until, away_noticed = excluded.away_noticed",
    )
    .bind(agent.to_owned())
    .bind(absence.map(|_| at_ms))
    .bind(absence.and_then(|a| a.until_ms))
    .bind(i64::from(absence.is_some_and(|a| a.noticed)))
    .execute(&mut *connection)
    .await?;
    Ok(())
}

/// A case was given to an agent in turn.
async fn given(connection: &mut AnyConnection, agent: &str, at_ms: i64) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO agents (agent, welcomed_at, heard_at, opinion, proven_by, given_at)
         VALUES ($1, NULL, NULL, '', '', $2)
         ON CONFLICT (agent) DO UPDATE SET given_at = excluded.given_at",
    )
    .bind(agent.to_owned())
    .bind(at_ms)
    .execute(&mut *connection)
    .await?;
    Ok(())
}

/// A mail that has not left is called back.
async fn cancel(connection: &mut AnyConnection, delivery: i64, at_ms: i64) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE outbox SET state = 'cancelled', ended_at = $1, last_reply = 'called back'
         WHERE id = $2 AND state = 'queued' AND attempts = 0",
    )
    .bind(at_ms)
    .bind(delivery)
    .execute(&mut *connection)
    .await?;
    Ok(())
}

/// Agents who are away.
///
/// # Errors
/// The database's.
pub async fn away(connection: &mut AnyConnection) -> sqlx::Result<BTreeMap<String, Absence>> {
    sqlx::query("SELECT agent, away_since, away_until, away_noticed FROM agents WHERE away_since IS NOT NULL")
        .fetch_all(&mut *connection)
        .await?
        .iter()
        .map(|row| {
            let absence = Absence {
                until_ms: rows::maybe_number(row, "away_until")?,
                noticed: rows::number(row, "away_noticed")? != 0,
                since_ms: rows::maybe_number(row, "away_since")?.unwrap_or_default(),
            };
            Ok((rows::text(row, "agent")?, absence))
        })
        .collect()
}

/// How much each agent has to do.
///
/// # Errors
/// The database's.
pub async fn loads(connection: &mut AnyConnection) -> sqlx::Result<BTreeMap<String, Load>> {
    let mut loads: BTreeMap<String, Load> = BTreeMap::new();
    let owned = "SELECT owner, count(*) AS n FROM cases
                 WHERE owner IS NOT NULL AND status IN ('new', 'open', 'waiting') GROUP BY owner";
    for row in sqlx::query(owned).fetch_all(&mut *connection).await? {
        let cases = u32::try_from(rows::number(&row, "n")?).unwrap_or(u32::MAX);
        loads.entry(rows::text(&row, "owner")?).or_default().cases = cases;
    }
    for row in sqlx::query("SELECT agent, given_at FROM agents").fetch_all(&mut *connection).await? {
        loads.entry(rows::text(&row, "agent")?).or_default().given_ms = rows::number(&row, "given_at")?;
    }
    Ok(loads)
}

/// An agent's open cases, longest untouched first.
///
/// # Errors
/// The database's.
pub async fn work(connection: &mut AnyConnection, agent: &str) -> sqlx::Result<Vec<Work>> {
    sqlx::query(
        "SELECT reference, status, priority, customer, subject, updated_at FROM cases
         WHERE owner = $1 AND status IN ('new', 'open', 'waiting') ORDER BY updated_at LIMIT $2",
    )
    .bind(agent.to_owned())
    .bind(WORK_MAX)
    .fetch_all(&mut *connection)
    .await?
    .iter()
    .map(|row| {
        let (status, priority) = (rows::text(row, "status")?, rows::text(row, "priority")?);
        Ok(Work {
            reference: rows::number(row, "reference")?,
            status: Status::from_word(&status).ok_or_else(|| rows::bad("status", status))?,
            priority: Priority::from_word(&priority).ok_or_else(|| rows::bad("priority", priority))?,
            customer: rows::text(row, "customer")?,
            subject: rows::text(row, "subject")?,
            updated_ms: rows::number(row, "updated_at")?,
        })
    })
    .collect()
}
