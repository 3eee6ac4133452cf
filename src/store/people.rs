//! Parties of cases, and agents whose mail has been heard.

use std::collections::BTreeSet;

use sqlx::{AnyConnection, AssertSqlSafe};

use crate::desk::Effect;
use crate::desk::case::Held;
use crate::desk::effect::Lesson;
use crate::desk::token::{CaseKey, PartyId};
use crate::mail::NameAddr;

use super::Store;
use super::load::placeholders;
use super::rows;

/// What is known of an agent's mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentState {
    /// Short name.
    pub agent: String,
    /// When they were last welcomed, milliseconds.
    pub welcomed_ms: Option<i64>,
    /// When their mail was last looked at, milliseconds.
    pub heard_ms: Option<i64>,
    /// What was said of it, in words.
    pub opinion: String,
    /// What was trusted when it passed; empty if it never has.
    pub proven_by: String,
    /// Since when they are away, milliseconds.
    pub away_since_ms: Option<i64>,
    /// Until when, milliseconds; `None`: until they say otherwise.
    pub away_until_ms: Option<i64>,
}

impl AgentState {
    /// Are they away now?
    #[must_use]
    pub fn is_away(&self, now_ms: i64) -> bool {
        self.away_since_ms.is_some() && self.away_until_ms.is_none_or(|until| until > now_ms)
    }
}

/// Changes what is stored of people: the effects that are about them.
///
/// # Errors
/// The database's.
pub async fn change(connection: &mut AnyConnection, at_ms: i64, effect: &Effect) -> sqlx::Result<()> {
    match effect {
        Effect::PartyPassed(case, party) => passed(connection, *case, *party).await,
        Effect::Copied(case, party, gets) => copied(connection, *case, *party, *gets).await,
        Effect::Replaced(case, old, new) => replaced(connection, *case, *old, *new).await,
        Effect::SetCustomer(case, person) => set_customer(connection, *case, person).await,
        Effect::Settled(case, author) => settled(connection, *case, *author).await,
        Effect::SetHeld(entry, held) => set_held(connection, *entry, *held).await,
        Effect::Renewed(case) => renewed(connection, *case).await,
        Effect::AgentTold(agent, Lesson::Welcome) => welcomed(connection, agent, at_ms).await,
        Effect::AgentTold(agent, Lesson::PrivateAddress) => told_of_address(connection, agent).await,
        Effect::AgentHeard { agent, opinion, proven_by } => {
            heard(connection, agent, at_ms, opinion, proven_by.as_deref()).await
        }
        _ => Ok(()),
    }
}

/// Mail of theirs has passed.
async fn passed(connection: &mut AnyConnection, case: CaseKey, party: PartyId) -> sqlx::Result<()> {
    sqlx::query("UPDATE parties SET has_passed = 1 WHERE case_key = $1 AND party = $2")
        .bind(case.to_i64())
        .bind(i64::from(party.0))
        .execute(&mut *connection)
        .await?;
    Ok(())
}

/// They get copies of answers, or no more.
async fn copied(connection: &mut AnyConnection, case: CaseKey, party: PartyId, copied: bool) -> sqlx::Result<()> {
    sqlx::query("UPDATE parties SET copied = $1 WHERE case_key = $2 AND party = $3")
        .bind(i64::from(copied))
        .bind(case.to_i64())
        .bind(i64::from(party.0))
        .execute(&mut *connection)
        .await?;
    Ok(())
}

/// One person, two addresses.
async fn replaced(connection: &mut AnyConnection, case: CaseKey, old: PartyId, new: PartyId) -> sqlx::Result<()> {
    sqlx::query("UPDATE parties SET replaced_by = $1 WHERE case_key = $2 AND party = $3")
        .bind(i64::from(new.0))
        .bind(case.to_i64())
        .bind(i64::from(old.0))
        .execute(&mut *connection)
        .await?;
    // whoever comes back to an address they had before has that one now
    sqlx::query("UPDATE parties SET replaced_by = NULL WHERE case_key = $1 AND party = $2")
        .bind(case.to_i64())
        .bind(i64::from(new.0))
        .execute(&mut *connection)
        .await?;
    Ok(())
}

/// Somebody else is the customer.
async fn set_customer(connection: &mut AnyConnection, case: CaseKey, person: &NameAddr) -> sqlx::Result<()> {
    sqlx::query("UPDATE cases SET customer = $1, customer_key = $2, customer_name = $3 WHERE case_key = $4")
        .bind(person.address.to_string())
        .bind(person.address.key())
        .bind(person.name.clone())
        .bind(case.to_i64())
        .execute(&mut *connection)
        .await?;
    Ok(())
}

/// The mails of an unverified author are a party's.
async fn settled(connection: &mut AnyConnection, case: CaseKey, author: PartyId) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE entries SET standing = 'party'
         WHERE case_key = $1 AND party = $2 AND direction = 'inbound' AND standing = 'unverified'",
    )
    .bind(case.to_i64())
    .bind(i64::from(author.0))
    .execute(&mut *connection)
    .await?;
    Ok(())
}

/// What became of an agent's held words.
async fn set_held(connection: &mut AnyConnection, entry: i64, held: Held) -> sqlx::Result<()> {
    sqlx::query("UPDATE entries SET held = $1 WHERE id = $2")
        .bind(held.word())
        .bind(entry)
        .execute(&mut *connection)
        .await?;
    Ok(())
}

/// All tokens of a case are revoked.
async fn renewed(connection: &mut AnyConnection, case: CaseKey) -> sqlx::Result<()> {
    sqlx::query("UPDATE cases SET generation = generation + 1 WHERE case_key = $1")
        .bind(case.to_i64())
        .execute(&mut *connection)
        .await?;
    Ok(())
}

/// An agent was welcomed.
async fn welcomed(connection: &mut AnyConnection, agent: &str, at_ms: i64) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO agents (agent, welcomed_at, heard_at, opinion, proven_by) VALUES ($1, $2, NULL, '', '')
         ON CONFLICT (agent) DO UPDATE SET welcomed_at = excluded.welcomed_at",
    )
    .bind(agent.to_owned())
    .bind(at_ms)
    .execute(&mut *connection)
    .await?;
    Ok(())
}

/// Beginning of the counter's name that says whether an agent was told of their private address.
const TOLD: &str = "told_of_address/";

/// An agent was told that their private address is taken out (R46).
async fn told_of_address(connection: &mut AnyConnection, agent: &str) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO counters (name, value) VALUES ($1, 1) ON CONFLICT (name) DO NOTHING")
        .bind(format!("{TOLD}{agent}"))
        .execute(&mut *connection)
        .await?;
    Ok(())
}

/// Was this agent told so?
///
/// # Errors
/// The database's.
pub async fn was_told(connection: &mut AnyConnection, agent: &str) -> sqlx::Result<bool> {
    let row = sqlx::query("SELECT 1 FROM counters WHERE name = $1")
        .bind(format!("{TOLD}{agent}"))
        .fetch_optional(&mut *connection)
        .await?;
    Ok(row.is_some())
}

/// What was said of an agent's mail; what has been proven stays so.
async fn heard(
    connection: &mut AnyConnection,
    agent: &str,
    at_ms: i64,
    opinion: &str,
    proven_by: Option<&str>,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO agents (agent, welcomed_at, heard_at, opinion, proven_by) VALUES ($1, NULL, $2, $3, $4)
         ON CONFLICT (agent) DO UPDATE SET heard_at = excluded.heard_at, opinion = excluded.opinion,
             proven_by = CASE WHEN excluded.proven_by = '' THEN agents.proven_by ELSE excluded.proven_by END",
    )
    .bind(agent.to_owned())
    .bind(at_ms)
    .bind(opinion.to_owned())
    .bind(proven_by.unwrap_or_default().to_owned())
    .execute(&mut *connection)
    .await?;
    Ok(())
}

/// What was trusted when an agent's mail passed; `None` if it never has.
///
/// # Errors
/// The database's.
pub async fn proven_by(connection: &mut AnyConnection, agent: &str) -> sqlx::Result<Option<String>> {
    let row = sqlx::query("SELECT proven_by FROM agents WHERE agent = $1 AND proven_by <> ''")
        .bind(agent.to_owned())
        .fetch_optional(&mut *connection)
        .await?;
    row.map(|row| rows::text(&row, "proven_by")).transpose()
}

/// Which of these addresses, as they are compared, have passed before, in whatever case?
///
/// # Errors
/// The database's.
pub async fn have_passed(connection: &mut AnyConnection, keys: &[String]) -> sqlx::Result<BTreeSet<String>> {
    if keys.is_empty() {
        return Ok(BTreeSet::new());
    }
    let sql = format!(
        "SELECT DISTINCT address_key FROM parties WHERE has_passed = 1 AND address_key IN ({})",
        placeholders(0, keys.len())
    );
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for key in keys {
        query = query.bind(key.clone());
    }
    query.fetch_all(&mut *connection).await?.iter().map(|row| rows::text(row, "address_key")).collect()
}

impl Store {
    /// What is known of agents' mail.
    ///
    /// # Errors
    /// The database's.
    pub async fn agents(&self) -> sqlx::Result<Vec<AgentState>> {
        sqlx::query("SELECT agent, welcomed_at, heard_at, opinion, proven_by, away_since, away_until FROM agents ORDER BY agent")
            .fetch_all(self.reader())
            .await?
            .iter()
            .map(|row| {
                Ok(AgentState {
                    agent: rows::text(row, "agent")?,
                    welcomed_ms: rows::maybe_number(row, "welcomed_at")?,
                    heard_ms: rows::maybe_number(row, "heard_at")?,
                    opinion: rows::text(row, "opinion")?,
                    proven_by: rows::text(row, "proven_by")?,
                    away_since_ms: rows::maybe_number(row, "away_since")?,
                    away_until_ms: rows::maybe_number(row, "away_until")?,
                })
            })
            .collect()
    }
}
