//! Rows as the types of the desk. What cannot be read is an error that names the column, never a guess.

use sqlx::any::AnyRow;
use sqlx::{Row, error::BoxDynError};

use crate::desk::case::{Case, Direction, Entry, Handling, Held, Party, Priority, Status};
use crate::desk::standing::Standing;
use crate::desk::token::{CaseKey, PartyId};
use crate::desk::{Delivery, KnownId, Purpose, Side};
use crate::mail::render::Part;
use crate::mail::{Address, MessageId, NameAddr};

use super::handling::mend;

/// A value that a column must not hold.
pub fn bad(column: &str, value: impl std::fmt::Display) -> sqlx::Error {
    let source: BoxDynError = format!("unexpected value {value}").into();
    sqlx::Error::ColumnDecode { index: column.to_owned(), source }
}

/// TEXT.
pub fn text(row: &AnyRow, column: &str) -> sqlx::Result<String> {
    row.try_get(column)
}

/// TEXT or NULL.
pub fn maybe_text(row: &AnyRow, column: &str) -> sqlx::Result<Option<String>> {
    row.try_get(column)
}

/// BIGINT.
pub fn number(row: &AnyRow, column: &str) -> sqlx::Result<i64> {
    row.try_get(column)
}

/// BIGINT or NULL.
pub fn maybe_number(row: &AnyRow, column: &str) -> sqlx::Result<Option<i64>> {
    row.try_get(column)
}

/// BLOB or BYTEA.
pub fn bytes(row: &AnyRow, column: &str) -> sqlx::Result<Vec<u8>> {
    row.try_get(column)
}

fn small(row: &AnyRow, column: &str) -> sqlx::Result<u32> {
    let value = number(row, column)?;
    u32::try_from(value).map_err(|_| bad(column, value))
}

/// An address that we wrote ourselves.
pub fn address(row: &AnyRow, column: &str) -> sqlx::Result<Address> {
    let value = text(row, column)?;
    Address::parse(&value).ok_or_else(|| bad(column, value))
}

/// A case key.
pub fn case_key(row: &AnyRow, column: &str) -> sqlx::Result<CaseKey> {
    Ok(CaseKey::from_i64(number(row, column)?))
}

/// A row of `cases`.
pub fn case(row: &AnyRow) -> sqlx::Result<Case> {
    let status = text(row, "status")?;
    Ok(Case {
        key: case_key(row, "case_key")?,
        reference: number(row, "reference")?,
        mailbox: text(row, "mailbox")?,
        subject: text(row, "subject")?,
        status: Status::from_word(&status).ok_or_else(|| bad("status", status))?,
        owner: maybe_text(row, "owner")?,
        customer: NameAddr { name: text(row, "customer_name")?, address: address(row, "customer")? },
        opened_ms: number(row, "opened_at")?,
        closed_ms: maybe_number(row, "closed_at")?,
        merged_into: maybe_number(row, "merged_into")?.map(CaseKey::from_i64),
        successor: maybe_number(row, "successor")?.map(CaseKey::from_i64),
        context: serde_json::from_str(&text(row, "context")?).map_err(|e| bad("context", e))?,
        old: number(row, "old")? != 0,
        generation: number(row, "generation")?,
        handling: handling(row)?,
    })
}

fn handling(row: &AnyRow) -> sqlx::Result<Handling> {
    let priority = text(row, "priority")?;
    Ok(Handling {
        tags: list(row, "tags")?,
        priority: Priority::from_word(&priority).ok_or_else(|| bad("priority", priority))?,
        snoozed_until_ms: maybe_number(row, "snoozed_until")?,
        watchers: list(row, "watchers")?,
        mend: mend(&text(row, "mend")?),
        on_hold: number(row, "on_hold")? != 0,
    })
}

/// A row of `parties`.
pub fn party(row: &AnyRow) -> sqlx::Result<Party> {
    Ok(Party {
        id: PartyId(small(row, "party")?),
        person: NameAddr { name: text(row, "name")?, address: address(row, "address")? },
        has_passed: number(row, "has_passed")? != 0,
        copied: number(row, "copied")? != 0,
        replaced_by: maybe_number(row, "replaced_by")?.and_then(|n| u32::try_from(n).ok()).map(PartyId),
        aside: number(row, "aside")? != 0,
    })
}

/// A row of `entries`, with its id.
pub fn entry(row: &AnyRow) -> sqlx::Result<(i64, Entry)> {
    let direction = text(row, "direction")?;
    let standing = text(row, "standing")?;
    let held = text(row, "held")?;
    let ids: Vec<String> = list(row, "ancestors")?;
    let entry = Entry {
        direction: Direction::from_word(&direction).ok_or_else(|| bad("direction", direction))?,
        author: text(row, "author")?,
        author_name: text(row, "author_name")?,
        standing: Standing::from_word(&standing).ok_or_else(|| bad("standing", standing))?,
        party: PartyId(small(row, "party")?),
        from: text(row, "sender")?,
        to: list(row, "recipients")?,
        cc: list(row, "copies")?,
        subject: text(row, "subject")?,
        message_id: maybe_text(row, "message_id")?.and_then(|id| MessageId::parse(&id)),
        references: ids.iter().filter_map(|id| MessageId::parse(id)).collect(),
        at_ms: number(row, "at")?,
        text: text(row, "text")?,
        html: text(row, "html")?,
        body: text(row, "body")?,
        parts: parts(&text(row, "parts")?),
        thread_topic: maybe_text(row, "thread_topic")?,
        thread_index: maybe_text(row, "thread_index")?,
        silent: number(row, "silent")? != 0,
        relay_text: text(row, "relay_text")?,
        held: Held::from_word(&held).ok_or_else(|| bad("held", held))?,
        answers: maybe_number(row, "answers")?,
        holder: PartyId(small(row, "holder")?),
        origin: maybe_number(row, "origin")?.map(CaseKey::from_i64),
    };
    Ok((number(row, "id")?, entry))
}

/// A JSON list of strings.
pub fn list(row: &AnyRow, column: &str) -> sqlx::Result<Vec<String>> {
    let value = text(row, column)?;
    serde_json::from_str(&value).map_err(|e| bad(column, e))
}

/// Parts as the column `entries.parts` holds them.
#[must_use]
pub fn parts_text(parts: &[Part]) -> String {
    let list: Vec<_> = parts
        .iter()
        .map(|p| {
            serde_json::json!({
                "name": p.name, "type": p.media_type, "cid": p.content_id,
                "inline": p.inline, "blob": p.blob, "size": p.size_bytes,
            })
        })
        .collect();
    serde_json::Value::Array(list).to_string()
}

/// The other way round.
#[must_use]
pub fn parts(column: &str) -> Vec<Part> {
    let list: Vec<serde_json::Value> = serde_json::from_str(column).unwrap_or_default();
    let word = |v: &serde_json::Value, key: &str| v.get(key).and_then(|s| s.as_str()).map(str::to_owned);
    list.iter()
        .map(|v| Part {
            name: word(v, "name").unwrap_or_default(),
            media_type: word(v, "type").unwrap_or_default(),
            content_id: word(v, "cid"),
            inline: v.get("inline").and_then(serde_json::Value::as_bool).unwrap_or_default(),
            blob: word(v, "blob").unwrap_or_default(),
            size_bytes: v.get("size").and_then(serde_json::Value::as_u64).unwrap_or_default(),
        })
        .collect()
}

/// A row of `known_ids`.
pub fn known_id(row: &AnyRow) -> sqlx::Result<KnownId> {
    let id = text(row, "message_id")?;
    let side = match (text(row, "side")?.as_str(), maybe_text(row, "agent")?) {
        ("agent", Some(agent)) => Side::Agent(agent),
        ("customer", _) => Side::Customer,
        ("inbound", _) => Side::Inbound,
        (other, _) => return Err(bad("side", other)),
    };
    Ok(KnownId {
        id: MessageId::parse(&id).ok_or_else(|| bad("message_id", id))?,
        case: case_key(row, "case_key")?,
        mailbox: text(row, "mailbox")?,
        side,
        entry: maybe_number(row, "entry_id")?,
    })
}

/// A row of `outbox`, as trouble sees it.
pub fn delivery(row: &AnyRow) -> sqlx::Result<Delivery> {
    let purpose = text(row, "purpose")?;
    let id = text(row, "message_id")?;
    Ok(Delivery {
        id: number(row, "id")?,
        bounce: PartyId(small(row, "bounce")?),
        case: CaseKey::from_i64(maybe_number(row, "case_key")?.unwrap_or_default()),
        recipient: address(row, "recipient")?,
        message_id: MessageId::parse(&id).ok_or_else(|| bad("message_id", id))?,
        purpose: Purpose::from_word(&purpose).ok_or_else(|| bad("purpose", purpose))?,
        agent: maybe_text(row, "agent")?,
        entry: maybe_number(row, "entry_id")?,
        failed: text(row, "state")? == "failed",
        waits: text(row, "state")? == "queued" && number(row, "attempts")? == 0,
    })
}
