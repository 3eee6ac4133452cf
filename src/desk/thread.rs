//! Threads as people's clients see them.
//!
//! Decides   Subject, References, Thread-Topic and Thread-Index of what we send.
//! Follows   the table of threads in `docs/rules.md`; R3, R45; RFC 5322 section 3.6.4; MS-OXOMSG 2.2.1.3
//!           (Thread-Index: 22 octets and 5 more for each answer).
//! Never     lets an agent-side id into a customer's mail.

use data_encoding::BASE64;
use sha2::{Digest, Sha256};

use crate::mail::MessageId;
use crate::mail::references::{reply_subject, without_reply_prefixes};

use super::case::{Case, Entry};

/// References at most: the first and the last of them (R: table of threads).
const REFERENCES_MAX: usize = 50;

/// Subject of an answer to this mail.
#[must_use]
pub fn answer_subject(parent: &str) -> String {
    if parent.trim().is_empty() { "Re: your message".to_owned() } else { reply_subject(parent) }
}

/// Subject of what agents get: constant, whatever the customer makes of theirs.
#[must_use]
pub fn relay_subject(case: &Case, first: bool) -> String {
    let subject = format!("[#{}] {}", case.reference, without_reply_prefixes(&case.subject));
    if first { subject } else { format!("Re: {subject}") }
}

/// References of an answer: our stable id, the parent's, the parent itself.
#[must_use]
pub fn answer_references(stable: MessageId, parent: Option<&Entry>) -> Vec<MessageId> {
    let mut ids = vec![stable];
    if let Some(parent) = parent {
        ids.extend(parent.references.iter().cloned());
        ids.extend(parent.message_id.iter().cloned());
    }
    shortened(ids)
}

/// References of a mail to an agent: the agents' stable id, and what this agent got before.
#[must_use]
pub fn relay_references(stable: MessageId, earlier: &[MessageId]) -> Vec<MessageId> {
    let mut ids = vec![stable];
    ids.extend(earlier.iter().cloned());
    shortened(ids)
}

fn shortened(ids: Vec<MessageId>) -> Vec<MessageId> {
    let mut unique: Vec<MessageId> = Vec::with_capacity(ids.len());
    for id in ids {
        if !unique.contains(&id) {
            unique.push(id);
        }
    }
    if unique.len() > REFERENCES_MAX {
        let half = REFERENCES_MAX / 2;
        let tail = unique.split_off(unique.len().saturating_sub(half));
        unique.truncate(half);
        unique.extend(tail);
    }
    unique
}

/// Thread-Index of the first relay of a case, as octets.
fn root_index(case: &Case) -> Vec<u8> {
    let mut index = vec![1u8];
    index.extend(filetime(case.opened_ms).to_be_bytes().iter().skip(1).take(5));
    index.extend(Sha256::digest(case.key.0.to_be_bytes()).iter().take(16));
    index
}

/// Thread-Index of a relay: from the case, one child block for each entry before it.
#[must_use]
pub fn relay_index(case: &Case, earlier: usize, at_ms: i64) -> String {
    let mut index = root_index(case);
    if earlier > 0 {
        index.extend(child(case.opened_ms, at_ms));
    }
    BASE64.encode(&index)
}

/// Thread-Index of an answer: theirs and one child block. `None` if they sent none, or none that can be read.
#[must_use]
pub fn answer_index(theirs: Option<&str>, at_ms: i64) -> Option<String> {
    let mut index = BASE64.decode(theirs?.trim().as_bytes()).ok()?;
    let well_formed = index.len() >= 22 && (index.len() - 22) % 5 == 0 && index.len() <= 512;
    if !well_formed {
        return None;
    }
    index.extend(child(0, at_ms));
    Some(BASE64.encode(&index))
}

fn child(since_ms: i64, at_ms: i64) -> Vec<u8> {
    let delta = u64::try_from(at_ms.saturating_sub(since_ms)).unwrap_or(0).saturating_mul(10_000);
    let shifted = u32::try_from((delta >> 18) & 0x7fff_ffff).unwrap_or(0);
    let mut block = shifted.to_be_bytes().to_vec();
    block.push(u8::try_from(delta & 0xff).unwrap_or(0));
    block
}

/// 100-nanosecond steps since 1601.
fn filetime(at_ms: i64) -> u64 {
    u64::try_from(at_ms.saturating_add(11_644_473_600_000)).unwrap_or(0).saturating_mul(10_000)
}
