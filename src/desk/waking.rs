//! A case that an agent put aside comes back (`#snooze`).

use super::case::Status;
use super::change::Change;
use super::outgoing::Sheet;
use super::ownership::{audience, last_said};
use super::policy::Policy;
use super::relay::{Shown, relay};
use super::token::CaseKey;
use super::{Decision, Effect, EntryLink, Event, Outcome, View};

/// The time came: it is open again, and whoever has it gets its last mail. Whoever wrote meanwhile woke it already.
#[must_use]
pub fn due(event: &Event, key: CaseKey, view: &View, policy: &Policy) -> Decision {
    let mut sheet = Sheet::new(event, policy);
    let sleeps = |until: i64| until <= event.at_ms;
    let Some(known) = view.cases.get(&key).filter(|c| c.case.handling.snoozed_until_ms.is_some_and(sleeps)) else {
        return sheet.done(Outcome::Ignored, "R42", "it is awake, or sleeps for longer", Some(key));
    };
    let case = &known.case;
    sheet.push(Effect::Change(key, Change::Snoozed(None)));
    if case.status != Status::Waiting {
        return sheet.done(Outcome::Handled, "R42", "it was awake already", Some(key));
    }
    sheet.set_status(case, Status::Open, "yesreply", "R42");
    if let Some((id, entry)) = last_said(known) {
        let lines = ["This case was put aside until now".to_owned()];
        let (agents, purpose) = audience(policy, view, case, event.at_ms);
        for agent in agents {
            let link = EntryLink::Stored(*id);
            let shows = Shown { case, known: Some(known), entry, link, warnings: &[], lines: &lines };
            relay(&mut sheet, shows, agent, purpose);
        }
    }
    sheet.done(Outcome::Handled, "R42", "a case that was put aside came back", Some(key))
}
