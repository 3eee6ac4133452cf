//! Agents who are away.
//!
//! Decides   who is away, what their cases' customers' mail does meanwhile (it goes to the others), and what they are
//!           told when they come back.
//! Follows   R54 (a vacation reply changes no status, owner or clock), R63 (a relay that fails makes absent).
//! Never     takes a case from its owner.

use minijinja::context;

use super::agent::Writing;
use super::digest::Due;
use super::letters::Letter;
use super::outgoing::{Outside, Sheet, agents_of};
use super::policy::{Agent, Mailbox, Policy};
use super::relay::when;
use super::view::Work;
use super::{Absence, Decision, Effect, Event, Outcome, View};

/// How long an absence lasts at most that a machine told us of, milliseconds.
const NOTICED_MS: i64 = 30 * 24 * 3_600_000;
/// How long somebody counts as away whom we could not reach, milliseconds (R63).
const UNREACHED_MS: i64 = 24 * 3_600_000;

/// Is this agent away now?
#[must_use]
pub fn is_away(view: &View, agent: &str, now_ms: i64) -> bool {
    view.away.get(agent).is_some_and(|a| a.until_ms.is_none_or(|until| until > now_ms))
}

/// ` until 2026-11-27 09:00 CET`, or until they say so.
#[must_use]
pub fn until(mailbox: Option<&Mailbox>, until_ms: Option<i64>) -> String {
    match (mailbox, until_ms) {
        (Some(mailbox), Some(at_ms)) => format!(" until {}", when(at_ms, &mailbox.time_zone)),
        _ => " until you say #back".to_owned(),
    }
}

/// A line about the owner who is away.
#[must_use]
pub fn owner_is_away(view: &View, owner: Option<&Agent>, mailbox: &Mailbox, now_ms: i64) -> Option<String> {
    let owner = owner.filter(|o| is_away(view, &o.name, now_ms))?;
    let said = view.away.get(&owner.name).filter(|a| !a.noticed);
    let until = said
        .and_then(|a| a.until_ms)
        .map(|at_ms| format!(" until {}", when(at_ms, &mailbox.time_zone)))
        .unwrap_or_default();
    Some(format!("{}, whose case it is, is away{until}", owner.display_name))
}

/// `#away`: others get the mail of the agent's cases.
pub fn leave(sheet: &mut Sheet<'_>, writing: &Writing<'_>, until_ms: Option<i64>) -> String {
    away(sheet, writing.agent, until_ms);
    let mailbox = home(sheet.policy, writing.agent);
    format!("You are away{}; others get your customers' mail", until(mailbox, until_ms))
}

/// The same, where no case is.
pub fn away(sheet: &mut Sheet<'_>, agent: &Agent, until_ms: Option<i64>) {
    absent(sheet, agent, until_ms, false);
}

/// They are away until then, where an end is known.
fn absent(sheet: &mut Sheet<'_>, agent: &Agent, until_ms: Option<i64>, noticed: bool) {
    let absence = Absence { until_ms, noticed, since_ms: 0 };
    sheet.push(Effect::Absent(agent.name.clone(), Some(absence)));
    if let Some(at_ms) = until_ms {
        sheet.push(Effect::Remind(at_ms, Due::Back(agent.name.clone())));
    }
}

/// A vacation reply of the agent's: they are away until they write.
pub fn noticed(sheet: &mut Sheet<'_>, view: &View, agent: &Agent) {
    notice(sheet, view, agent, NOTICED_MS);
}

/// A relay did not reach the agent (R63).
pub fn unreached(sheet: &mut Sheet<'_>, view: &View, agent: &Agent) {
    notice(sheet, view, agent, UNREACHED_MS);
}

fn notice(sheet: &mut Sheet<'_>, view: &View, agent: &Agent, for_ms: i64) {
    let now_ms = sheet.event.at_ms;
    if !is_away(view, &agent.name, now_ms) {
        absent(sheet, agent, Some(now_ms.saturating_add(for_ms)), true);
    }
}

/// The agent has written: an absence that only a machine told us of is over.
pub fn seen(sheet: &mut Sheet<'_>, view: &View, agent: &Agent) {
    if view.away.get(&agent.name).is_some_and(|a| a.noticed) {
        come_back(sheet, view, agent);
    }
}

/// The agent is back, and hears what happened in their cases.
pub fn come_back(sheet: &mut Sheet<'_>, view: &View, agent: &Agent) -> String {
    let since_ms = view.away.get(&agent.name).map(|a| a.since_ms);
    sheet.push(Effect::Absent(agent.name.clone(), None));
    if let (Some(since_ms), Some(mailbox)) = (since_ms, home(sheet.policy, agent)) {
        let line = format!("While you were away, since {}:", when(since_ms, &mailbox.time_zone));
        let happened: Vec<&Work> = view.work.iter().filter(|w| w.updated_ms >= since_ms).collect();
        let words =
            if happened.is_empty() { "Nothing happened in your cases.".to_owned() } else { list(&happened, mailbox) };
        let written = sheet.policy.letters.write(Letter::Confirm, &context! { line, words });
        sheet.to_agent_outside(
            mailbox,
            agent,
            Outside { subject: "While you were away".to_owned(), written, door: true },
        );
    }
    "You are back".to_owned()
}

/// The time came at which the agent said they would be back.
#[must_use]
pub fn due(event: &Event, agent: &str, view: &View, policy: &Policy) -> Decision {
    let mut sheet = Sheet::new(event, policy);
    let over = view.away.get(agent).is_some_and(|a| a.until_ms.is_some_and(|until| until <= event.at_ms));
    let Some(agent) = policy.agents.get(agent).filter(|_| over) else {
        return sheet.done(Outcome::Ignored, "R54", "they are back already, or away for longer", None);
    };
    come_back(&mut sheet, view, agent);
    sheet.done(Outcome::Handled, "R54", "an absence is over", None)
}

/// An operator says so.
#[must_use]
pub fn set(event: &Event, agent: &str, until_ms: Option<Option<i64>>, view: &View, policy: &Policy) -> Decision {
    let mut sheet = Sheet::new(event, policy);
    let Some(agent) = policy.agents.get(agent) else {
        return sheet.done(Outcome::Ignored, "R54", "there is no such agent", None);
    };
    let because = match until_ms {
        Some(until_ms) => {
            away(&mut sheet, agent, until_ms);
            format!("{} is away{}", agent.name, until(home(policy, agent), until_ms))
        }
        None => {
            come_back(&mut sheet, view, agent);
            format!("{} is back", agent.name)
        }
    };
    sheet.done(Outcome::Handled, "R54", &because, None)
}

/// The mailbox that speaks to an agent where no case does: the first that they work.
#[must_use]
pub fn home<'a>(policy: &'a Policy, agent: &Agent) -> Option<&'a Mailbox> {
    policy.mailboxes.values().find(|m| agents_of(policy, &m.name).iter().any(|a| a.name == agent.name))
}

/// Cases, a line each.
#[must_use]
pub fn list(work: &[&Work], mailbox: &Mailbox) -> String {
    let lines: Vec<String> = work
        .iter()
        .map(|w| {
            let at = when(w.updated_ms, &mailbox.time_zone);
            let urgent = if w.priority == super::case::Priority::High { ", high priority" } else { "" };
            format!("#{} {}, {}{urgent}, {}: {}", w.reference, w.status.word(), at, w.customer, w.subject)
        })
        .collect();
    lines.join("\n")
}
