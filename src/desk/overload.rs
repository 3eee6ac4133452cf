//! An agent to whom more is relayed than anybody reads one by one: unowned cases come to them as a digest (R60).
//!
//! Decides   when that begins, when the digest is due, what it says.
//! Promises   a case that was not relayed to an agent stands in that agent's next digest, once; nothing changes for its
//!            customer, and what somebody owns is relayed always.

use minijinja::context;

use super::case::Case;
use super::digest::{Due, Kind, LINES_MAX, Line, about};
use super::letters::Letter;
use super::loops::exhausted;
use super::outgoing::{Outside, Sheet, agents_of, owner_of};
use super::policy::{Agent, Mailbox, Policy};
use super::relay::{percent_encoded, when};
use super::token::{Class, PartyId, Token, reply_address};
use super::{Decision, Effect, Event, Outcome, View};

/// Between the mails of one digest that is longer than a mail, milliseconds.
const NEXT_MS: i64 = 1_000;

/// Leaves a case to the agent's next digest, if it is unowned and they got enough; `true` if so.
pub fn left_to_digest(sheet: &mut Sheet<'_>, view: &View, case: &Case, agent: &Agent) -> bool {
    let policy = sheet.policy;
    let got = view.relays.get(&agent.name).copied().unwrap_or_default();
    if owner_of(policy, case).is_some() || !exhausted(policy.limits.relays_per_agent, got) {
        return false;
    }
    let line = Line {
        id: 0,
        mailbox: case.mailbox.clone(),
        agent: Some(agent.name.clone()),
        kind: Kind::Overload,
        case: case.key,
        reference: case.reference,
        generation: case.generation,
        owner: None,
        at_ms: sheet.event.at_ms,
        detail: about(case),
    };
    let now_ms = sheet.event.at_ms;
    sheet.push(Effect::Digest(line));
    sheet.push(Effect::Remind(next_ms(policy, now_ms), due_for(&case.mailbox, agent)));
    sheet.log(case.key, "left_to_digest", "yesreply", "R60", &agent.name);
    true
}

fn due_for(mailbox: &str, agent: &Agent) -> Due {
    Due::Overload { mailbox: mailbox.to_owned(), agent: agent.name.clone() }
}

/// The end of this window: with "200/1h" the next full hour.
fn next_ms(policy: &Policy, now_ms: i64) -> i64 {
    let window = policy.limits.relays_per_agent.map_or(1, |b| b.window_ms).max(1);
    now_ms.div_euclid(window).saturating_add(1).saturating_mul(window)
}

/// An agent's digest is due.
#[must_use]
pub fn due(event: &Event, (mailbox, agent): (&str, &str), view: &View, policy: &Policy) -> Decision {
    let mut sheet = Sheet::new(event, policy);
    let found = policy.mailboxes.get(mailbox).and_then(|mailbox| {
        let working = agents_of(policy, &mailbox.name);
        working.into_iter().find(|a| a.name == agent).map(|agent| (mailbox, agent))
    });
    let Some((mailbox, agent)) = found else {
        return sheet.done(Outcome::Ignored, "R60", "the agent does not work this mailbox any more", None);
    };
    let Some(last) = view.digest.last().map(|line| line.id) else {
        return sheet.done(Outcome::Handled, "R60", "a digest with nothing to say", None);
    };
    let written = policy.letters.write(Letter::Overload, &values(policy, mailbox, agent, &view.digest));
    let subject = format!("{} cases that wait for somebody, {}", view.digest.len(), mailbox.display_name);
    sheet.to_agent_outside(mailbox, agent, Outside { subject, written, door: false });
    sheet.push(Effect::Named { mailbox: mailbox.name.clone(), agent: Some(agent.name.clone()), last });
    if view.digest.len() >= LINES_MAX {
        sheet.push(Effect::Remind(event.at_ms.saturating_add(NEXT_MS), due_for(&mailbox.name, agent)));
    }
    sheet.done(Outcome::Handled, "R60", "the digest of an agent to whom much was relayed", None)
}

fn values(policy: &Policy, mailbox: &Mailbox, agent: &Agent, lines: &[Line]) -> minijinja::Value {
    let cases: Vec<minijinja::Value> = lines
        .iter()
        .map(|line| {
            let token = Token { class: Class::Agent, case: line.case, party: PartyId::of_agent(&agent.name) };
            let tokened = reply_address(&policy.keys, mailbox, token.renewed(line.generation)).to_string();
            context! {
                reference => line.reference, at => when(line.at_ms, &mailbox.time_zone), detail => line.detail,
                owner => line.owner, tokened,
                subject_encoded => percent_encoded(&format!("[#{}]", line.reference)),
            }
        })
        .collect();
    let count = policy.limits.relays_per_agent.map_or(0, |b| b.count);
    context! { desk => mailbox.display_name, count, cases }
}
