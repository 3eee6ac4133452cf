//! How a mail would be read and where it would go: everything but the commit.

use crate::clock;
use crate::desk::policy::Policy;
use crate::desk::{Decision, Event, ROUNDS_MAX, Step, View, What, decide};
use crate::mail::Incoming;
use crate::mail::forward::{self, Forward};
use crate::mail::read::read;
use crate::mail::references::shows_another;
use crate::mail::reply::{Known, Reading, read_customer};
use crate::store::Store;
use crate::store::load::load;
use crate::store::quarantine::Quarantined;

use super::prepare;
use super::signatures::Signatures;

/// What would become of a mail.
#[derive(Debug)]
pub struct Explained {
    /// What it says.
    pub mail: Incoming,
    /// Its new words.
    pub reading: Reading,
    /// The mail that it forwards; whether that counts is the desk's to say (R23).
    pub forward: Option<Forward>,
    /// What the desk would do; `None` without a config.
    pub decision: Option<Decision>,
}

/// Reads a mail without a desk.
#[must_use]
pub fn reading(raw: &[u8]) -> Explained {
    let mail = read(raw);
    let known = Known { forwarded: shows_another(&mail), ..Known::default() };
    let reading = read_customer(&mail.text, mail.html.as_deref(), &known);
    Explained { forward: forward::read(&mail), mail, reading, decision: None }
}

/// Reads a mail and decides about it as if it had just arrived in this mailbox. Changes nothing.
///
/// # Errors
/// The store's, or a panic of ours while reading, in words.
pub async fn explain(store: &Store, policy: &Policy, mailbox: &str, raw: Vec<u8>) -> anyhow::Result<Explained> {
    let row = Quarantined {
        id: 0,
        event_id: "explain".to_owned(),
        mailbox: mailbox.to_owned(),
        at_ms: clock::now_ms(),
        reason: String::new(),
        size_bytes: 0,
        old: false,
    };
    let signatures = Signatures::of(policy);
    let desk = prepare::Desk { store, policy, signatures: signatures.as_ref() };
    let prepared = prepare::one(desk, &row, raw).await?;
    let raw = prepared.raw();
    let event = prepared.event.map_err(|broken| anyhow::anyhow!("{}", broken.reason))?;
    let decision = decision(store, policy, &event).await?;
    match event.what {
        What::Arrived(arrival) => {
            // what arrives gives its attachments to the store; here they are shown
            let mail = read(&raw);
            let forward = forward::read(&mail);
            Ok(Explained { mail, reading: arrival.reading, forward, decision: Some(decision) })
        }
        _ => anyhow::bail!("it is no mail"),
    }
}

async fn decision(store: &Store, policy: &Policy, event: &Event) -> anyhow::Result<Decision> {
    let mut reader = store.reader().acquire().await?;
    let mut view = View::default();
    for _ in 0..ROUNDS_MAX {
        match decide(event, &view, policy) {
            Step::Done(decision) => return Ok(decision),
            Step::Need(keys) => load(&mut reader, &keys, &mut view, policy, event.at_ms).await?,
        }
    }
    anyhow::bail!("no decision after all rounds")
}
