//! What an operator orders, through the same door as mail.

use super::case::Direction;
use super::outgoing::Sheet;
use super::policy::Policy;
use super::relay::relay_to_audience;
use super::{CaseView, Decision, Effect, EntryLink, Event, Outcome, View};

/// All tokens of a case are revoked: the old ones count as unknown (R14). Agents get its last mail again, with reply
/// addresses that hold.
#[must_use]
pub fn rotate_tokens(event: &Event, reference: i64, view: &View, policy: &Policy) -> Decision {
    let mut sheet = Sheet::new(event, policy);
    let Some(known) = view.cases.values().find(|c| c.case.reference == reference) else {
        return sheet.done(Outcome::Ignored, "R14", "there is no such case", None);
    };
    let mut renewed: CaseView = known.clone();
    renewed.case.generation = known.case.generation.saturating_add(1);
    let case = &renewed.case;
    sheet.push(Effect::Renewed(case.key));
    sheet.log(case.key, "tokens_revoked", "operator", "R14", "all reply addresses of the case were renewed");
    let last = known.entries.iter().rev().find(|(_, e)| e.direction == Direction::Inbound && !e.silent);
    if let Some((id, entry)) = last {
        let warning = "the reply addresses of this case were renewed: older mails of it can no longer be answered.";
        relay_to_audience(&mut sheet, case, Some(&renewed), entry, EntryLink::Stored(*id), &[warning.to_owned()]);
    }
    sheet.done(Outcome::Handled, "R14", "all tokens of the case were revoked", Some(case.key))
}
