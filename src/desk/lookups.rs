//! What the store is asked before a decision.
//!
//! Decides   which cases, ids, budgets and people an event needs to be looked up, in rounds: what one round found may name
//!           more.
//! Never     asks twice.

use crate::mail::references::{ancestors, case_tags};

use super::arriving::Arriving;
use super::case::Mend;
use super::command::{self, Command, Leading};
use super::digest::Due;
use super::outgoing::earlier;
use super::parent::is_rewritten;
use super::policy::{Assignment, Policy};
use super::routing::agent_by_address;
use super::token::Class;
use super::who::customer;
use super::{Event, Keys, Purpose, View, What, notified, probe, recall, trouble};

/// What has to be looked up next; empty when all is there.
#[must_use]
pub fn keys(event: &Event, view: &View, policy: &Policy) -> Keys {
    let mut keys = Keys::default();
    match &event.what {
        What::Arrived(arrival) => arrived(&Arriving { event, arrival, view, policy }, &mut keys),
        What::Submitted(submission) => {
            super::submission::keys(submission, &mut keys);
        }
        What::Undeliverable(failure) => {
            keys.deliveries.insert(failure.delivery);
            keys.away = true;
        }
        What::Staffed(case) => {
            keys.cases.insert(*case);
            keys.away = true;
        }
        What::RotateTokens { reference } | What::Keeping { reference, .. } => {
            keys.references.insert(*reference);
            keys.away = true;
        }
        What::Due(Due::Digest { mailbox }) => keys.digest = Some((mailbox.clone(), None)),
        What::Due(Due::Overload { mailbox, agent }) => keys.digest = Some((mailbox.clone(), Some(agent.clone()))),
        What::Due(Due::SpamEnds(case)) => drop(keys.cases.insert(*case)),
        What::Due(Due::Wakes(case)) | What::Reopened(case) => {
            keys.cases.insert(*case);
            keys.away = true;
        }
        What::Due(Due::Back(agent)) => {
            keys.away = true;
            keys.work = Some(agent.clone());
        }
        What::Due(Due::Breaker) => keys.breaker = true,
        What::Called(called) => {
            keys.cases.extend(called.case);
            keys.away = true;
        }
        What::Ordered(order) => {
            keys.references.insert(order.reference);
            keys.next_reference = true;
            keys.away = true;
            ordered(&Arriving { event, arrival: &order.arrival, view, policy }, &mut keys);
        }
        What::Moved(moved) => {
            keys.cases.insert(moved.case);
            keys.away = true;
        }
        What::Presence { agent, .. } => {
            keys.away = true;
            keys.work = Some(agent.clone());
        }
        What::Untold(_) | What::OldMail { .. } | What::Welcome { .. } | What::Expired(_) | What::Probe { .. } => {}
        What::Due(Due::Probe { .. } | Due::ProbeEnds(_)) => {}
    }
    of_probes(event, view, &mut keys);
    keys.cases.extend(view.known_ids.iter().map(|k| k.case));
    if matches!(event.what, What::Arrived(_)) {
        keys.cases.extend(view.notifications.keys());
        keys.acted.extend(view.notifications.keys());
    }
    keys.cases.extend(view.deliveries.iter().map(|d| d.case));
    trouble::of_notifications(view, policy, &mut keys);
    keys.cases.extend(view.copies.iter().filter_map(|c| c.case));
    for known in view.cases.values() {
        keys.cases.extend(known.case.merged_into);
        keys.cases.extend(known.case.successor);
        keys.cases.extend(known.entries.iter().filter_map(|(_, e)| e.origin));
        if let Some(Mend::Merged(key) | Mend::Split(key)) = known.case.handling.mend {
            keys.cases.insert(key);
        }
    }
    // whoever is to hear of a case may have heard enough
    keys.relays = keys.away && policy.limits.relays_per_agent.is_some();
    keys.without(&view.asked)
}

/// A probe, and those before it (R95).
fn of_probes(event: &Event, view: &View, keys: &mut Keys) {
    match &event.what {
        What::Due(Due::Probe { mailbox }) | What::Probe { mailbox } => keys.before = Some(mailbox.clone()),
        What::Due(Due::ProbeEnds(case)) => drop(keys.probes.insert(*case)),
        _ => {}
    }
    keys.probes.extend(view.deliveries.iter().filter(|d| d.purpose == Purpose::Probe).map(|d| d.case));
    if let Some(probe) = view.probes.values().next() {
        keys.before = Some(probe.mailbox.clone());
    }
}

/// What a mail needs.
fn arrived(arriving: &Arriving<'_>, keys: &mut Keys) {
    let Arriving { arrival, policy, view, .. } = *arriving;
    keys.next_reference = true;
    probe::keys(policy, &arrival.mail, keys);
    let tokens = arriving.address_tokens().0.into_iter().chain(arriving.id_tokens());
    for token in tokens {
        keys.cases.insert(token.case);
        if token.class == Class::Notification && view.cases.contains_key(&token.case) {
            keys.answered.insert(token.case);
        }
        if token.class == Class::Bounce {
            keys.bounced.insert(token.party);
        }
    }
    keys.message_ids.extend(ancestors(&arrival.mail));
    keys.message_ids.extend(arrival.mail.message_id.clone().filter(|_| arrival.sent));
    if let Some(agent) = arrival.mail.author().and_then(|a| agent_by_address(policy, &a.address))
        && is_rewritten(view, &arrival.mail)
    {
        keys.message_ids.extend(view.cases.values().flat_map(|c| earlier(Some(c), &agent.name)).cloned());
    }
    let mut passed = arrival.forward.as_deref();
    while let Some(inner) = passed {
        keys.message_ids.extend(inner.original.mail.message_id.clone());
        passed = inner.original.forward.as_deref();
    }
    notified::keys(arrival, policy, keys);
    keys.references.extend(case_tags(&arrival.mail.subject));
    if arrival.mail.message_id.is_some() || arrival.mail.date_ms.is_some() {
        keys.copy = Some(arrival.mail.content_hash);
    }
    // budgets are of what we send by ourselves; old mail causes none of it (R91)
    keys.author = customer(arriving).map(|c| c.address).filter(|_| !arrival.old);
    if let Some(author) = arrival.mail.author() {
        keys.passed = Some(author.address.clone());
        keys.agents.extend(agent_by_address(policy, &author.address).map(|a| a.name.clone()));
    }
    trouble::embedded(arrival, policy, keys);
    ordered(arriving, keys);
    keys.away = true;
    keys.loads = policy.assignment != Assignment::All && !arrival.old;
}

/// What an agent's orders need: the other case, the answer that is called back, the agent's open cases.
fn ordered(arriving: &Arriving<'_>, keys: &mut Keys) {
    let author = arriving.arrival.mail.author();
    let agent = author.and_then(|a| agent_by_address(arriving.policy, &a.address));
    // an operator's own order has no author
    if agent.is_none() && !matches!(arriving.event.what, What::Ordered(_)) {
        return;
    }
    let agent = agent.map(|agent| agent.name.clone());
    keys.agents.extend(agent.clone());
    keys.work = agent.clone().filter(|name| arriving.view.away.contains_key(name));
    let words = match &arriving.arrival.forward {
        Some(forward) => &forward.note,
        None => &arriving.arrival.agent_reading.words,
    };
    let Leading::Commands { commands, .. } = command::read(words, &arriving.now()) else {
        return;
    };
    for command in commands {
        match command {
            Command::Merge(reference) => drop(keys.references.insert(reference)),
            Command::Status | Command::Back => keys.work.clone_from(&agent),
            Command::Cancel => {
                for known in arriving.view.cases.values() {
                    recall::keys(known, agent.as_deref().unwrap_or_default(), keys);
                }
            }
            _ => {}
        }
    }
}
