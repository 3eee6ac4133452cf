//! Keys → view.

use sqlx::AnyConnection;
use sqlx::AssertSqlSafe;

use crate::desk::policy::Policy;
use crate::desk::token::CaseKey;
use crate::desk::view::AGENT_MAIL_EACH_MAX;
use crate::desk::{CaseView, Keys, KnownId, Purpose, Side, StoredCopy, View};
use crate::mail::MessageId;

use super::{agenda, budgets, calls, handling, notifications, people, probes, rows};

/// Entries of a case that a decision sees.
const ENTRIES_MAX: i64 = 60;
/// Ids of mails to agents that a decision sees, over all agents of a case.
const AGENT_MAIL_MAX: i64 = 200;
/// Copies of a few mails that decisions see; each lies in a few mailboxes at most.
const COPIES_MAX: usize = 2_000;
/// Relays of one entry that a decision sees.
const ENTRY_DELIVERIES_MAX: i64 = 500;
/// Values in one IN list.
const IN_LIST_MAX: usize = 200;

/// Looks the keys up and adds what was found to the view.
///
/// # Errors
/// The database's.
pub async fn load(
    connection: &mut AnyConnection,
    keys: &Keys,
    view: &mut View,
    policy: &Policy,
    at_ms: i64,
) -> sqlx::Result<()> {
    for id in &keys.message_ids {
        view.asked.message_ids.insert(id.clone());
    }
    let ids: Vec<&MessageId> = keys.message_ids.iter().take(IN_LIST_MAX).collect();
    view.known_ids.extend(known_ids(connection, &ids).await?);
    notified(connection, keys, view).await?;
    for key in &keys.cases {
        view.asked.cases.insert(*key);
        case(connection, *key, view, at_ms).await?;
    }
    for reference in &keys.references {
        view.asked.references.insert(*reference);
        let row = sqlx::query("SELECT case_key FROM cases WHERE reference = $1")
            .bind(*reference)
            .fetch_optional(&mut *connection)
            .await?;
        if let Some(row) = row {
            let key = rows::case_key(&row, "case_key")?;
            if view.asked.cases.insert(key) {
                case(connection, key, view, at_ms).await?;
            }
        }
    }
    if let Some(hash) = &keys.copy {
        view.asked.copy = Some(*hash);
        view.copies.extend(stored_copies(connection, &[*hash]).await?.into_iter().map(|(_, copy)| copy));
    }
    if let Some(author) = &keys.author {
        view.asked.author = Some(author.clone());
        view.counts = budgets::of(connection, &[author], policy, at_ms).await?.pop().unwrap_or_default();
    }
    if let Some(author) = &keys.passed {
        view.asked.passed = Some(author.clone());
        view.author_has_passed = !people::have_passed(connection, &[author.key()]).await?.is_empty();
    }
    if let Some((mailbox, agent)) = &keys.digest {
        view.asked.digest.clone_from(&keys.digest);
        view.digest = agenda::unnamed(connection, (mailbox, agent.as_deref())).await?;
    }
    if keys.breaker {
        view.asked.breaker = true;
        view.counts.ack_total = budgets::ack_total(connection, policy, at_ms).await?;
    }
    if keys.relays {
        view.asked.relays = true;
        view.relays = budgets::relays(connection, policy, at_ms).await?;
    }
    agents(connection, keys, view).await?;
    came_back(connection, keys, view, at_ms).await?;
    deliveries(connection, keys, view).await?;
    probes::load(connection, keys, view).await?;
    if keys.next_reference {
        view.asked.next_reference = true;
        let row =
            sqlx::query("SELECT value FROM counters WHERE name = 'reference'").fetch_one(&mut *connection).await?;
        view.next_reference = rows::number(&row, "value")?;
    }
    Ok(())
}

/// What is known of agents: whose mail has passed, who is away, what they have to do.
async fn agents(connection: &mut AnyConnection, keys: &Keys, view: &mut View) -> sqlx::Result<()> {
    for agent in &keys.agents {
        view.asked.agents.insert(agent.clone());
        if let Some(by) = people::proven_by(connection, agent).await? {
            view.agents.insert(agent.clone(), by);
        }
        if people::was_told(connection, agent).await? {
            view.told.insert(agent.clone());
        }
    }
    if keys.away {
        view.asked.away = true;
        view.away = handling::away(connection).await?;
    }
    if keys.loads {
        view.asked.loads = true;
        view.loads = handling::loads(connection).await?;
    }
    if let Some(agent) = &keys.work {
        view.asked.work = Some(agent.clone());
        view.work = handling::work(connection, agent).await?;
    }
    Ok(())
}

/// Notifications by their Message-IDs or keys.
async fn notified(connection: &mut AnyConnection, keys: &Keys, view: &mut View) -> sqlx::Result<()> {
    let ids: Vec<&MessageId> = keys.notified_ids.iter().take(IN_LIST_MAX).collect();
    view.asked.notified_ids.extend(keys.notified_ids.iter().cloned());
    let found = notifications::by_message_ids(connection, &ids).await?;
    view.notifications.extend(found.into_iter().map(|n| (n.case, n)));
    for key in &keys.answered {
        view.asked.answered.insert(*key);
        view.notifications.extend(notifications::by_case(connection, *key).await?.map(|n| (n.case, n)));
    }
    for key in &keys.acted {
        view.asked.acted.insert(*key);
        if calls::is_acted(connection, *key).await? {
            view.acted.insert(*key);
        }
    }
    Ok(())
}

/// What is known where notifications came back (R64).
async fn came_back(connection: &mut AnyConnection, keys: &Keys, view: &mut View, at_ms: i64) -> sqlx::Result<()> {
    if let Some(recipient) = &keys.suppressed {
        view.asked.suppressed = Some(recipient.clone());
        view.suppressed = notifications::suppressed(connection, recipient).await?;
    }
    if let Some(owner) = &keys.reports {
        view.asked.reports = Some(owner.clone());
        view.reports = budgets::notices_to(connection, owner, at_ms).await?;
    }
    if keys.bounces {
        view.asked.bounces = true;
        view.bounces = budgets::bounces(connection, at_ms).await?;
    }
    Ok(())
}

/// So many placeholders, the first one behind `$after`.
pub(super) fn placeholders(after: usize, count: usize) -> String {
    let list: Vec<String> = (1..=count).map(|n| format!("${}", n.saturating_add(after))).collect();
    list.join(",")
}

/// Message-IDs that we hold, in the order in which they were seen.
pub(super) async fn known_ids(connection: &mut AnyConnection, ids: &[&MessageId]) -> sqlx::Result<Vec<KnownId>> {
    let mut found = Vec::new();
    if ids.is_empty() {
        return Ok(found);
    }
    let sql = format!(
        "SELECT message_id, case_key, mailbox, side, agent, entry_id FROM known_ids WHERE hash IN ({}) ORDER BY id",
        placeholders(0, ids.len())
    );
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for id in ids {
        query = query.bind(id.hash16().to_vec());
    }
    for row in query.fetch_all(&mut *connection).await? {
        let known = rows::known_id(&row)?;
        if ids.contains(&&known.id) {
            found.push(known);
        }
    }
    Ok(found)
}

async fn case(connection: &mut AnyConnection, key: CaseKey, view: &mut View, at_ms: i64) -> sqlx::Result<()> {
    let row = sqlx::query("SELECT * FROM cases WHERE case_key = $1")
        .bind(key.to_i64())
        .fetch_optional(&mut *connection)
        .await?;
    let Some(row) = row else {
        view.notifications.extend(notifications::by_case(connection, key).await?.map(|n| (n.case, n)));
        return Ok(());
    };
    let case = rows::case(&row)?;
    let parties = sqlx::query("SELECT * FROM parties WHERE case_key = $1 ORDER BY party")
        .bind(key.to_i64())
        .fetch_all(&mut *connection)
        .await?
        .iter()
        .map(rows::party)
        .collect::<sqlx::Result<_>>()?;
    let mut entries: Vec<_> = sqlx::query(
        "SELECT id, direction, author, author_name, standing, party, sender, recipients, copies, subject, message_id,
                ancestors, at, text, html, substr(body, 1, 65536) AS body, parts, thread_topic, thread_index, silent,
                substr(relay_text, 1, 65536) AS relay_text, held, answers, holder, origin
         FROM entries WHERE case_key = $1 ORDER BY id DESC LIMIT $2",
    )
    .bind(key.to_i64())
    .bind(ENTRIES_MAX)
    .fetch_all(&mut *connection)
    .await?
    .iter()
    .map(rows::entry)
    .collect::<sqlx::Result<_>>()?;
    entries.reverse();
    let notices = budgets::notices_about(connection, key, at_ms).await?;
    let mut found = CaseView { case, parties, entries, agent_mail: std::collections::BTreeMap::new(), notices };
    let sent = sqlx::query(
        "SELECT message_id, case_key, mailbox, side, agent, entry_id FROM known_ids
         WHERE case_key = $1 AND side = 'agent' ORDER BY id DESC LIMIT $2",
    )
    .bind(key.to_i64())
    .bind(AGENT_MAIL_MAX)
    .fetch_all(&mut *connection)
    .await?;
    for row in &sent {
        let known = rows::known_id(row)?;
        if let Side::Agent(agent) = known.side {
            let ids = found.agent_mail.entry(agent).or_default();
            if ids.len() < AGENT_MAIL_EACH_MAX {
                ids.insert(0, known.id);
            }
        }
    }
    view.cases.insert(key, found);
    Ok(())
}

/// Stored mails with these contents (R13), oldest first.
pub(super) async fn stored_copies(
    connection: &mut AnyConnection,
    hashes: &[[u8; 32]],
) -> sqlx::Result<Vec<([u8; 32], StoredCopy)>> {
    if hashes.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT content_hash, case_key, opened, mailbox, message_id, junk FROM mails WHERE content_hash IN ({})
         ORDER BY id LIMIT {COPIES_MAX}",
        placeholders(0, hashes.len())
    );
    let query = hashes.iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, hash| query.bind(hash.to_vec()));
    let found = query.fetch_all(&mut *connection).await?;
    found
        .iter()
        .map(|row| {
            let hash = <[u8; 32]>::try_from(rows::bytes(row, "content_hash")?);
            let copy = StoredCopy {
                case: rows::maybe_number(row, "case_key")?.map(CaseKey::from_i64),
                opened: rows::number(row, "opened")? != 0,
                mailbox: rows::text(row, "mailbox")?,
                message_id: rows::maybe_text(row, "message_id")?.and_then(|id| MessageId::parse(&id)),
                junk: rows::number(row, "junk")? != 0,
            };
            Ok((hash.map_err(|hash| rows::bad("content_hash", hash.len()))?, copy))
        })
        .collect()
}

async fn deliveries(connection: &mut AnyConnection, keys: &Keys, view: &mut View) -> sqlx::Result<()> {
    let columns = "id, bounce, case_key, recipient, message_id, purpose, agent, entry_id, state, attempts";
    let mut found = Vec::new();
    for party in &keys.bounced {
        view.asked.bounced.insert(*party);
        let sql = format!("SELECT {columns} FROM outbox WHERE bounce = $1 ORDER BY id LIMIT 20");
        let query = sqlx::query(AssertSqlSafe(sql)).bind(i64::from(party.0));
        found.extend(query.fetch_all(&mut *connection).await?);
    }
    for id in &keys.deliveries {
        view.asked.deliveries.insert(*id);
        let sql = format!("SELECT {columns} FROM outbox WHERE id = $1");
        found.extend(sqlx::query(AssertSqlSafe(sql)).bind(*id).fetch_all(&mut *connection).await?);
    }
    for id in &keys.sent_ids {
        view.asked.sent_ids.insert(id.clone());
        let sql = format!("SELECT {columns} FROM outbox WHERE message_hash = $1 ORDER BY id LIMIT 20");
        let query = sqlx::query(AssertSqlSafe(sql)).bind(id.hash16().to_vec());
        found.extend(query.fetch_all(&mut *connection).await?);
    }
    for case in &keys.notified {
        view.asked.notified.insert(*case);
        let sql = format!("SELECT {columns} FROM outbox WHERE case_key = $1 AND purpose = $2 ORDER BY id LIMIT 20");
        let query = sqlx::query(AssertSqlSafe(sql)).bind(case.to_i64()).bind(Purpose::Notification.word());
        found.extend(query.fetch_all(&mut *connection).await?);
    }
    let mut entries: Vec<(i64, i64)> = Vec::new();
    for row in &found {
        let about = (rows::maybe_number(row, "case_key")?, rows::maybe_number(row, "entry_id")?);
        if let (Some(case), Some(entry)) = about
            && !entries.contains(&(case, entry))
        {
            entries.push((case, entry));
        }
    }
    // whoever else was to get the same entry: the last failure alarms (R63)
    for (case, entry) in entries {
        let sql = format!(
            "SELECT {columns} FROM outbox WHERE case_key = $1 AND entry_id = $2 AND agent IS NOT NULL ORDER BY id LIMIT $3"
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(case).bind(entry).bind(ENTRY_DELIVERIES_MAX);
        found.extend(query.fetch_all(&mut *connection).await?);
    }
    for row in &found {
        if rows::maybe_number(row, "case_key")?.is_none() {
            continue;
        }
        let delivery = rows::delivery(row)?;
        if !view.deliveries.iter().any(|d| d.id == delivery.id) {
            view.deliveries.push(delivery);
        }
    }
    Ok(())
}

/// What was said in these cases, for telling our own words in quotes: what customers saw, and what only
/// agents saw.
#[derive(Debug, Clone, Default)]
pub struct KnownTexts {
    /// Internal: relays to agents, notes.
    pub internal: Vec<String>,
    /// Written by customers, or sent to them.
    pub shared: Vec<String>,
}

/// The texts of the cases named by tokens, and of those that hold these Message-IDs.
///
/// # Errors
/// The database's.
pub async fn known_texts(
    connection: &mut AnyConnection,
    cases: &std::collections::BTreeSet<CaseKey>,
    ids: &[MessageId],
) -> sqlx::Result<KnownTexts> {
    let ids: Vec<&MessageId> = ids.iter().take(IN_LIST_MAX).collect();
    let known = known_ids(connection, &ids).await?;
    let keys: std::collections::BTreeSet<CaseKey> =
        cases.iter().copied().chain(known.iter().map(|k| k.case)).take(IN_LIST_MAX).collect();
    let mut texts = KnownTexts::default();
    for notification in notifications::by_message_ids(connection, &ids).await? {
        texts.shared.push(notification.text);
    }
    for key in keys {
        if let Some(notification) = notifications::by_case(connection, key).await? {
            texts.shared.push(notification.text);
        }
        let found = sqlx::query(
            "SELECT direction, body, text, relay_text, silent, held FROM entries WHERE case_key IN (
                 WITH RECURSIVE part (k) AS (
                     SELECT CAST($1 AS BIGINT)
                     UNION SELECT cases.merged_into FROM cases JOIN part ON cases.case_key = part.k
                     WHERE cases.merged_into IS NOT NULL)
                 SELECT k FROM part)
             ORDER BY id DESC LIMIT $2",
        )
        .bind(key.to_i64())
        .bind(ENTRIES_MAX)
        .fetch_all(&mut *connection)
        .await?;
        for row in &found {
            let relay = rows::text(row, "relay_text")?;
            if !relay.is_empty() {
                texts.internal.push(relay);
            }
            // silent notes are agents' mails that were held: their words are their own, and come again when they are mended
            let silent = rows::number(row, "silent")? == 1;
            let direction = rows::text(row, "direction")?;
            if direction == "note" && !silent {
                texts.internal.push(rows::text(row, "text")?);
            } else if direction != "note" && rows::text(row, "held")? != "dropped" {
                texts.shared.push(rows::text(row, "text")?);
                texts.shared.push(rows::text(row, "body")?);
            }
        }
    }
    Ok(texts)
}
