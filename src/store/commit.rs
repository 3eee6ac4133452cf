//! Effects → rows, an arm for each effect.

use sqlx::AnyConnection;

use crate::desk::case::{Case, Entry, Party, Status};
use crate::desk::token::CaseKey;
use crate::desk::{Decision, Dispatch, Effect, EntryLink, LogLine, Purpose, Side};
use crate::mail::html;
use crate::mail::render::{Rendered, render};
use crate::mail::{MessageId, NameAddr};

use super::rows;

/// What the edges are to be told after the commit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    /// Rows were queued.
    pub queued: bool,
    /// The entry of the mail that arrived.
    pub first_entry: Option<i64>,
}

/// Writes all effects of a decision, in their order.
///
/// # Errors
/// The database's; the caller rolls back to its savepoint.
pub async fn commit(
    connection: &mut AnyConnection,
    event_id: &str,
    at_ms: i64,
    decision: &Decision,
) -> sqlx::Result<Told> {
    let mut told = Told::default();
    let mut last_entry = None;
    let mut number = 0i64;
    for effect in &decision.effects {
        match effect {
            Effect::Open(case) => open(connection, case).await?,
            Effect::AddParty(case, party) => add_party(connection, *case, party).await?,
            Effect::PartyPassed(case, party) => {
                sqlx::query("UPDATE parties SET has_passed = 1 WHERE case_key = $1 AND party = $2")
                    .bind(case.to_i64())
                    .bind(i64::from(party.0))
                    .execute(&mut *connection)
                    .await?;
            }
            Effect::Append(case, entry) => {
                let id = append(connection, event_id, *case, entry, at_ms).await?;
                told.first_entry = told.first_entry.or(Some(id));
                last_entry = Some(id);
            }
            Effect::SetStatus(case, status) => set_status(connection, *case, *status, at_ms).await?,
            Effect::SetOwner(case, owner) => {
                sqlx::query("UPDATE cases SET owner = $1, updated_at = $2 WHERE case_key = $3")
                    .bind(owner.clone())
                    .bind(at_ms)
                    .bind(case.to_i64())
                    .execute(&mut *connection)
                    .await?;
            }
            Effect::SetSuccessor(case, successor) => {
                sqlx::query("UPDATE cases SET successor = $1 WHERE case_key = $2")
                    .bind(successor.to_i64())
                    .bind(case.to_i64())
                    .execute(&mut *connection)
                    .await?;
            }
            Effect::MergeInto(case, target) => merge(connection, *case, *target, at_ms).await?,
            Effect::Send(dispatch) => {
                let entry = match dispatch.entry {
                    EntryLink::Appended => last_entry,
                    EntryLink::Stored(id) => Some(id),
                    EntryLink::Nothing => None,
                };
                told.queued |= send(connection, event_id, number, at_ms, dispatch, entry).await?;
                number = number.saturating_add(1);
            }
            Effect::DeliveryFailed { delivery, status, diagnostic } => {
                sqlx::query(
                    "UPDATE outbox SET state = 'failed', status = $1, last_reply = $2, ended_at = $3 WHERE id = $4",
                )
                .bind(status.clone())
                .bind(diagnostic.clone())
                .bind(at_ms)
                .bind(*delivery)
                .execute(&mut *connection)
                .await?;
            }
            Effect::Log(case, line) => log(connection, *case, at_ms, line).await?,
        }
    }
    Ok(told)
}

async fn open(connection: &mut AnyConnection, case: &Case) -> sqlx::Result<()> {
    let taken = sqlx::query("UPDATE counters SET value = $1 WHERE name = 'reference' AND value = $2")
        .bind(case.reference.saturating_add(1))
        .bind(case.reference)
        .execute(&mut *connection)
        .await?;
    if taken.rows_affected() != 1 {
        // somebody else opened a case meanwhile: the whole batch is decided anew
        return Err(sqlx::Error::WorkerCrashed);
    }
    let NameAddr { name, address } = &case.customer;
    sqlx::query(
        "INSERT INTO cases (case_key, reference, mailbox, subject, status, owner, customer, customer_key,
                            customer_name, opened_at, updated_at, closed_at, old, messages)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11, $12, 0)",
    )
    .bind(case.key.to_i64())
    .bind(case.reference)
    .bind(case.mailbox.clone())
    .bind(case.subject.clone())
    .bind(case.status.word())
    .bind(case.owner.clone())
    .bind(address.to_string())
    .bind(address.key())
    .bind(name.clone())
    .bind(case.opened_ms)
    .bind(case.closed_ms)
    .bind(i64::from(case.old))
    .execute(&mut *connection)
    .await?;
    Ok(())
}

async fn add_party(connection: &mut AnyConnection, case: CaseKey, party: &Party) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO parties (case_key, party, address, name, has_passed) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (case_key, party) DO NOTHING",
    )
    .bind(case.to_i64())
    .bind(i64::from(party.id.0))
    .bind(party.person.address.to_string())
    .bind(party.person.name.clone())
    .bind(i64::from(party.has_passed))
    .execute(&mut *connection)
    .await?;
    Ok(())
}

async fn append(
    connection: &mut AnyConnection,
    event_id: &str,
    case: CaseKey,
    entry: &Entry,
    at_ms: i64,
) -> sqlx::Result<i64> {
    let ids: Vec<&str> = entry.references.iter().map(MessageId::as_str).collect();
    let row = sqlx::query(
        "INSERT INTO entries (case_key, event_id, direction, author, author_name, standing, party, sender, recipients,
                              copies, subject, message_id, ancestors, at, text, html, body, parts, thread_topic,
                              thread_index, silent, relay_text)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, '')
         RETURNING id",
    )
    .bind(case.to_i64())
    .bind(event_id.to_owned())
    .bind(entry.direction.word())
    .bind(entry.author.clone())
    .bind(entry.author_name.clone())
    .bind(entry.standing.word())
    .bind(i64::from(entry.party.0))
    .bind(entry.from.clone())
    .bind(json(&entry.to))
    .bind(json(&entry.cc))
    .bind(entry.subject.clone())
    .bind(entry.message_id.as_ref().map(|id| id.as_str().to_owned()))
    .bind(serde_json::json!(ids).to_string())
    .bind(entry.at_ms)
    .bind(entry.text.clone())
    .bind(entry.html.clone())
    .bind(entry.body.clone())
    .bind(rows::parts_text(&entry.parts))
    .bind(entry.thread_topic.clone())
    .bind(entry.thread_index.clone())
    .bind(i64::from(entry.silent))
    .fetch_one(&mut *connection)
    .await?;
    let id = rows::number(&row, "id")?;
    sqlx::query("UPDATE cases SET messages = messages + 1, updated_at = $1 WHERE case_key = $2")
        .bind(at_ms)
        .bind(case.to_i64())
        .execute(&mut *connection)
        .await?;
    if let (Some(message_id), crate::desk::case::Direction::Inbound) = (&entry.message_id, entry.direction) {
        remember(connection, message_id, case, &Side::Inbound, Some(id)).await?;
    }
    Ok(id)
}

fn json(list: &[String]) -> String {
    serde_json::json!(list).to_string()
}

/// The mailbox of a known id is its case's: ids count only in the mailbox where they were seen (R10).
async fn remember(
    connection: &mut AnyConnection,
    id: &MessageId,
    case: CaseKey,
    side: &Side,
    entry: Option<i64>,
) -> sqlx::Result<()> {
    let (word, agent) = match side {
        Side::Inbound => ("inbound", None),
        Side::Customer => ("customer", None),
        Side::Agent(name) => ("agent", Some(name.clone())),
    };
    sqlx::query(
        "INSERT INTO known_ids (hash, message_id, case_key, mailbox, side, agent, entry_id)
         SELECT $1, $2, case_key, mailbox, $3, $4, $5 FROM cases WHERE case_key = $6",
    )
    .bind(id.hash16().to_vec())
    .bind(id.as_str().to_owned())
    .bind(word)
    .bind(agent)
    .bind(entry)
    .bind(case.to_i64())
    .execute(&mut *connection)
    .await?;
    Ok(())
}

async fn set_status(connection: &mut AnyConnection, case: CaseKey, status: Status, at_ms: i64) -> sqlx::Result<()> {
    let closed = (status == Status::Closed).then_some(at_ms);
    sqlx::query("UPDATE cases SET status = $1, closed_at = $2, updated_at = $3 WHERE case_key = $4")
        .bind(status.word())
        .bind(closed)
        .bind(at_ms)
        .bind(case.to_i64())
        .execute(&mut *connection)
        .await?;
    Ok(())
}

/// The entries move, the tokens of the merged case stay alive and lead to the other (R15).
async fn merge(connection: &mut AnyConnection, case: CaseKey, target: CaseKey, at_ms: i64) -> sqlx::Result<()> {
    for sql in [
        "UPDATE entries SET case_key = $1 WHERE case_key = $2",
        "UPDATE known_ids SET case_key = $1 WHERE case_key = $2",
        "UPDATE mails SET case_key = $1 WHERE case_key = $2",
    ] {
        sqlx::query(sql).bind(target.to_i64()).bind(case.to_i64()).execute(&mut *connection).await?;
    }
    sqlx::query(
        "UPDATE cases SET messages = (SELECT count(*) FROM entries WHERE entries.case_key = cases.case_key), updated_at = $1
         WHERE case_key = $2 OR case_key = $3",
    )
    .bind(at_ms)
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
    Ok(())
}

async fn log(connection: &mut AnyConnection, case: CaseKey, at_ms: i64, line: &LogLine) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO case_log (case_key, at, kind, by_whom, rule, detail) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(case.to_i64())
        .bind(at_ms)
        .bind(line.kind)
        .bind(line.by.clone())
        .bind(line.rule)
        .bind(line.detail.clone())
        .execute(&mut *connection)
        .await?;
    Ok(())
}

/// A row of the outbox; `false` if the mail cannot be written, which the case's log then says.
async fn send(
    connection: &mut AnyConnection,
    event_id: &str,
    number: i64,
    at_ms: i64,
    dispatch: &Dispatch,
    entry: Option<i64>,
) -> sqlx::Result<bool> {
    let rendered = match render(&dispatch.draft) {
        Ok(rendered) => rendered,
        Err(reason) => {
            if let Some(case) = dispatch.case {
                let line = LogLine { kind: "not_sent", by: "yesreply".to_owned(), rule: "R46", detail: reason };
                log(connection, case, at_ms, &line).await?;
            }
            return Ok(false);
        }
    };
    queue(connection, event_id, number, at_ms, dispatch, entry, &rendered).await?;
    if let Some(case) = dispatch.case {
        let side = dispatch.agent.clone().map_or(Side::Customer, Side::Agent);
        remember(connection, &dispatch.draft.message_id, case, &side, entry).await?;
    }
    if let (Some(entry), Purpose::RelayAll | Purpose::RelayOwner) = (entry, dispatch.purpose) {
        sqlx::query("UPDATE entries SET relay_text = $1 WHERE id = $2 AND relay_text = ''")
            .bind(format!("{}\n{}", dispatch.draft.text, html::to_text(&dispatch.draft.html)))
            .bind(entry)
            .execute(&mut *connection)
            .await?;
    }
    Ok(true)
}

async fn queue(
    connection: &mut AnyConnection,
    event_id: &str,
    number: i64,
    at_ms: i64,
    dispatch: &Dispatch,
    entry: Option<i64>,
    rendered: &Rendered,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO outbox (event_id, number, case_key, entry_id, mailbox, purpose, priority, agent, recipient,
                             recipient_key, recipient_domain, reverse_path, bounce, message_id, message_hash,
                             unauthenticated, bytes, splices, state, attempts, attempt, uncertain, next_attempt_at,
                             lease_until, data_started, last_reply, status, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, 'queued', 0, 0, 0,
                 $19, 0, 0, '', '', $19)",
    )
    .bind(event_id.to_owned())
    .bind(number)
    .bind(dispatch.case.map(CaseKey::to_i64))
    .bind(entry)
    .bind(dispatch.mailbox.clone())
    .bind(dispatch.purpose.word())
    .bind(dispatch.purpose.priority())
    .bind(dispatch.agent.clone())
    .bind(dispatch.recipient.to_string())
    .bind(dispatch.recipient.key())
    .bind(dispatch.recipient.domain().to_owned())
    .bind(dispatch.reverse_path.as_ref().map(ToString::to_string))
    .bind(i64::from(dispatch.bounce.0))
    .bind(dispatch.draft.message_id.as_str().to_owned())
    .bind(dispatch.draft.message_id.hash16().to_vec())
    .bind(i64::from(dispatch.unauthenticated))
    .bind(rendered.bytes.clone())
    .bind(serde_json::json!(rendered.splices).to_string())
    .bind(at_ms)
    .execute(&mut *connection)
    .await?;
    Ok(())
}
