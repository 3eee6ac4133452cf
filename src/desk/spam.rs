//! Spam: what our own server put into its folder for it, or marked (R32, R34).
//!
//! Decides   whether a mail opens a case in status spam, what brings it back, and when it goes for good.
//! Never     takes a failed verdict for spam: honest mail is forwarded by universities and aliases.

use super::arriving::Arriving;
use super::case::{Direction, Entry, Status};
use super::digest::Due;
use super::outgoing::Sheet;
use super::policy::Policy;
use super::relay::relay_to_audience;
use super::routing::Route;
use super::token::CaseKey;
use super::{CaseView, Decision, Effect, EntryLink, Event, Outcome, View};

/// Spam on hold is looked at again after this time, milliseconds.
const HELD_AGAIN_MS: i64 = 24 * 3_600_000;

/// Is this mail spam? A good token, or somebody we know, is normal intake.
#[must_use]
pub fn is_spam(arriving: &Arriving<'_>, route: &Route) -> bool {
    let marked = arriving.arrival.junk || arriving.arrival.mail.spam;
    marked
        && route.token.is_none()
        && route.case.is_none()
        && route.continues.is_none()
        && !arriving.view.counts.is_known
}

/// Somebody took a mail out of the folder for spam: its second copy lies elsewhere, and brings the case back.
#[must_use]
pub fn rescued(arriving: &Arriving<'_>) -> Option<Decision> {
    let id = arriving.arrival.mail.message_id.as_ref();
    let copy = arriving.view.copies.iter().find(|c| c.message_id.as_ref() == id && c.junk)?;
    let known = arriving.view.cases.get(&copy.case?)?;
    if arriving.arrival.junk || known.case.status != Status::Spam {
        return None;
    }
    let mut sheet = Sheet::new(arriving.event, arriving.policy);
    release(&mut sheet, arriving.view, known, "somebody took it out of the folder for spam");
    Some(sheet.done(
        Outcome::Duplicate,
        "R34",
        "a mail that was taken out of the folder for spam",
        Some(known.case.key),
    ))
}

/// An operator reopens a case: one that is closed, or one that was no spam.
#[must_use]
pub fn reopened(event: &Event, key: CaseKey, view: &View, policy: &Policy) -> Decision {
    let mut sheet = Sheet::new(event, policy);
    let Some(known) = view.cases.get(&key) else {
        return sheet.done(Outcome::Ignored, "R12", "no such case", None);
    };
    match known.case.status {
        Status::Spam => {
            release(&mut sheet, view, known, "an operator reopened it");
            sheet.done(Outcome::Handled, "R34", "released from spam", Some(key))
        }
        Status::Closed if known.case.merged_into.is_none() => {
            sheet.set_status(&known.case, Status::Open, "operator", "R12");
            sheet.done(Outcome::Handled, "R12", "reopened", Some(key))
        }
        _ => sheet.done(Outcome::Ignored, "R12", "it is open, or part of another case", Some(key)),
    }
}

/// Back to the desk: new, and shown to the agents. Nothing is sent to its author by itself.
fn release(sheet: &mut Sheet<'_>, view: &View, known: &CaseView, why: &str) {
    let case = &known.case;
    sheet.log(case.key, "released", "yesreply", "R34", why);
    sheet.set_status(case, Status::New, "yesreply", "R34");
    let shown = super::case::Case { status: Status::New, ..case.clone() };
    if let Some((id, entry)) = last_inbound(known) {
        relay_to_audience(sheet, view, &shown, Some(known), entry, EntryLink::Stored(*id), &[]);
    }
}

fn last_inbound(known: &CaseView) -> Option<&(i64, Entry)> {
    known.entries.iter().rev().find(|(_, e)| e.direction == Direction::Inbound && !e.silent)
}

/// It was named long enough ago, and nobody wanted it.
#[must_use]
pub fn ends(event: &Event, key: CaseKey, view: &View, policy: &Policy) -> Decision {
    let mut sheet = Sheet::new(event, policy);
    match view.cases.get(&key) {
        Some(known) if known.case.status == Status::Spam && known.case.handling.on_hold => {
            sheet.push(Effect::Remind(event.at_ms.saturating_add(HELD_AGAIN_MS), Due::SpamEnds(key)));
            sheet.done(Outcome::Ignored, "R80", "it is on hold", Some(key))
        }
        Some(known) if known.case.status == Status::Spam => {
            sheet.push(Effect::Forget(key));
            sheet.done(Outcome::Handled, "R34", "spam that nobody released", None)
        }
        _ => sheet.done(Outcome::Ignored, "R34", "it is no spam any more", None),
    }
}
