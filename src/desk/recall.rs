//! An answer that has not left yet.
//!
//! Decides   when an answer leaves (`desk.hold`), and whether it can still be called back.
//! Never     says that a mail was called back that may have left.

use super::agent::Writing;
use super::case::{Direction, Entry, Held, Status};
use super::confirm::offer;
use super::outgoing::Sheet;
use super::policy::Mailbox;
use super::relay::when;
use super::{CaseView, Delivery, Effect, EntryLink, Keys};

/// What has to be looked up to call an agent's answers back.
pub fn keys(known: &CaseView, agent: &str, keys: &mut Keys) {
    keys.sent_ids.extend(answers(known, agent).filter_map(|(_, e)| e.message_id.clone()));
}

/// The agent's answers, newest first.
fn answers<'a>(known: &'a CaseView, agent: &str) -> impl Iterator<Item = &'a (i64, Entry)> {
    let theirs = move |e: &Entry| e.direction == Direction::Outbound && e.author == agent && e.held != Held::Dropped;
    known.entries.iter().rev().filter(move |(_, e)| theirs(e))
}

/// The agent's last answer of which no copy has left, and its rows.
fn waiting<'a>(writing: &Writing<'a>) -> Option<(&'a (i64, Entry), Vec<&'a Delivery>)> {
    let deliveries = &writing.arriving.view.deliveries;
    answers(writing.known, &writing.agent.name).find_map(|found| {
        let rows: Vec<&Delivery> =
            deliveries.iter().filter(|d| d.entry == Some(found.0) && d.agent.is_none()).collect();
        (!rows.is_empty() && rows.iter().all(|d| d.waits)).then_some((found, rows))
    })
}

/// Why nothing can be called back.
#[must_use]
pub fn objection(writing: &Writing<'_>) -> Option<String> {
    waiting(writing).is_none().then(|| "No answer of yours waits here; what has left cannot be called back.".to_owned())
}

/// When the answer leaves, where it can still be called back.
pub fn tell(sheet: &mut Sheet<'_>, writing: &Writing<'_>, mailbox: &Mailbox, to: &str) {
    let hold_ms = sheet.policy.hold_ms;
    if hold_ms > 0 {
        let at = when(sheet.event.at_ms.saturating_add(hold_ms), &mailbox.time_zone);
        let line = format!("Your answer to {to} leaves at {at}; #cancel calls it back");
        offer(sheet, writing, &line, "cancel", EntryLink::Appended);
    }
}

/// `#cancel`
pub fn cancel(sheet: &mut Sheet<'_>, writing: &Writing<'_>) -> Option<String> {
    let ((id, entry), rows) = waiting(writing)?;
    let case = &writing.known.case;
    for row in rows {
        sheet.push(Effect::Cancel(row.id));
    }
    sheet.push(Effect::SetHeld(*id, Held::Dropped));
    if case.status == Status::Waiting {
        sheet.set_status(case, Status::Open, &writing.agent.name, "R62");
    }
    let line = format!("Your answer to {} was called back", entry.to.join(", "));
    sheet.log(case.key, "called_back", &writing.agent.name, "R62", &line);
    Some(line)
}
