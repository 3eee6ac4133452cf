//! A mailbox got its first agent: what came while nobody worked it (R90).
//!
//! Decides   how agents hear of cases that nobody was told of: young ones are relayed, old ones stand in one mail.
//! Never     writes to a customer on their account.

use minijinja::context;

use super::case::{Case, Direction};
use super::digest::{LINES_MAX, about};
use super::letters::Letter;
use super::outgoing::{Outside, Sheet, agents_of};
use super::policy::{Agent, Mailbox, Policy};
use super::relay::{percent_encoded, relay_address, relay_to_audience, when};
use super::token::CaseKey;
use super::{Decision, EntryLink, Event, Outcome, View};

/// Cases at most that one mail lists; the rest is a count.
pub const LISTED_MAX: usize = LINES_MAX;

/// Old cases of a mailbox.
#[derive(Debug, Clone)]
pub struct Untold {
    /// Mailbox short name.
    pub mailbox: String,
    /// The first of them, at most [`LISTED_MAX`], oldest first.
    pub cases: Vec<Case>,
    /// How many there are.
    pub count: i64,
}

/// A case is relayed.
#[must_use]
pub fn staffed(event: &Event, key: CaseKey, view: &View, policy: &Policy) -> Decision {
    let mut sheet = Sheet::new(event, policy);
    let Some(known) = view.cases.get(&key) else {
        return sheet.done(Outcome::Ignored, "R90", "no such case", None);
    };
    let last = known.entries.iter().rev().find(|(_, e)| e.direction == Direction::Inbound && !e.silent);
    if let Some((id, entry)) = last {
        relay_to_audience(&mut sheet, view, &known.case, Some(known), entry, EntryLink::Stored(*id), &[]);
        sheet.log(key, "relayed", "yesreply", "R90", "the mailbox has agents now");
    }
    sheet.done(Outcome::Handled, "R90", "the mailbox has agents now", Some(key))
}

/// Old cases are listed: one mail to each agent.
#[must_use]
pub fn listed(event: &Event, untold: &Untold, policy: &Policy) -> Decision {
    let mut sheet = Sheet::new(event, policy);
    let Some(mailbox) = policy.mailboxes.get(&untold.mailbox) else {
        return sheet.done(Outcome::Ignored, "R90", "the mailbox is no longer in the config", None);
    };
    for agent in agents_of(policy, &mailbox.name) {
        let written = policy.letters.write(Letter::Untold, &values(policy, mailbox, agent, untold));
        let subject = format!("{} older cases that wait for somebody, {}", untold.count, mailbox.display_name);
        sheet.to_agent_outside(mailbox, agent, Outside { subject, written, door: false });
    }
    sheet.done(Outcome::Handled, "R90", "the mailbox has agents now: one list of its older cases", None)
}

fn values(policy: &Policy, mailbox: &Mailbox, agent: &Agent, untold: &Untold) -> minijinja::Value {
    let row = |case: &Case| {
        context! {
            reference => case.reference, at => when(case.opened_ms, &mailbox.time_zone), detail => about(case),
            tokened => relay_address(policy, mailbox, case, agent),
            subject_encoded => percent_encoded(&format!("[#{}]", case.reference)),
        }
    };
    let cases: Vec<minijinja::Value> = untold.cases.iter().map(row).collect();
    let more = untold.count.saturating_sub(i64::try_from(cases.len()).unwrap_or(i64::MAX));
    context! { desk => mailbox.display_name, count => untold.count, cases, more }
}
