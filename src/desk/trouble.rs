//! A mail of ours did not arrive.
//!
//! Decides   which delivery a report is about, and who is told (R52, R63).
//! Follows   RFC 3464 (delivery status), RFC 3461 section 4 (the reverse-path finds its mail).
//! Never     answers what came to a bounce address, and never believes a report that proves neither a token
//!           nor a Message-ID with our MAC.

use minijinja::context;

use crate::mail::report::{Action, Report, ReportKind};

use super::arriving::Arriving;
use super::case::{Direction, Entry};
use super::customer;
use super::letters::Letter;
use super::notified;
use super::outgoing::{Sheet, ToAgent, agents_of, earlier, mailbox_of};
use super::owners;
use super::ownership::audience;
use super::policy::{Agent, Policy};
use super::relay::{Shown, relay};
use super::routing::Route;
use super::standing::Standing;
use super::token::{Class, Found, PartyId};
use super::{
    Arrival, CaseView, Decision, Delivery, Effect, EntryLink, Event, Keys, Outcome, Purpose, Undeliverable, View,
    absence,
};

/// Characters of a report that stand for its diagnostic where it has none.
const DIAGNOSTIC_CHARS: usize = 300;

/// The ids of ours that a report embeds are to be looked up.
pub fn embedded(arrival: &Arrival, policy: &Policy, keys: &mut Keys) {
    let Some(report) = &arrival.mail.report else {
        return;
    };
    for id in report.original_message_id.iter().chain(report.embedded_ids.iter()) {
        if let Some(Found::Good(token)) = policy.keys.read_message_id(id) {
            keys.cases.insert(token.case);
            keys.sent_ids.insert(id.clone());
            keys.notified.insert(token.case);
        }
    }
}

/// What is to be looked up where notifications came back.
pub fn of_notifications(view: &View, policy: &Policy, keys: &mut Keys) {
    if let Some(first) = view.deliveries.iter().find(|d| d.purpose == Purpose::Notification) {
        keys.answered.insert(first.case);
        keys.suppressed = Some(first.recipient.clone());
        keys.bounces = true;
        keys.reports = owners::address(view, policy);
    }
}

/// The outbox gave a row up.
#[must_use]
pub fn gave_up(event: &Event, failure: &Undeliverable, view: &View, policy: &Policy) -> Decision {
    let mut sheet = Sheet::new(event, policy);
    let found = view.deliveries.iter().find(|d| d.id == failure.delivery);
    if let Some(delivery) = found.filter(|d| d.purpose == Purpose::Notification) {
        let failure =
            notified::Failure { delivery, is_known: true, status: &failure.status, said: &failure.diagnostic };
        return notified::came_back(event, view, policy, &failure);
    }
    let Some((delivery, known)) = found.and_then(|d| Some((d, view.surviving(view.cases.get(&d.case)?)))) else {
        return sheet.done(Outcome::Handled, "R61", "a delivery outside any case failed", None);
    };
    failed(&mut sheet, known, view, delivery, (&failure.status, &failure.diagnostic), "R61");
    sheet.done(Outcome::Handled, "R61", "a delivery failed for good", Some(delivery.case))
}

/// A report arrived.
#[must_use]
pub fn reported(arriving: &Arriving<'_>, route: &Route) -> Decision {
    let mut sheet = Sheet::new(arriving.event, arriving.policy);
    let deliveries = deliveries(arriving, route);
    let Some(first) = deliveries.first() else {
        return no_delivery(arriving, route, sheet);
    };
    if first.purpose == Purpose::Notification {
        return notifications_report(arriving, &deliveries);
    }
    let Some(known) = arriving.view.cases.get(&first.case).map(|c| arriving.view.surviving(c)) else {
        return sheet.done(Outcome::Ignored, "R63", "its case is gone", None);
    };
    let mut entry = customer::inbound(arriving, Standing::System, PartyId::NOBODY);
    entry.silent = true;
    sheet.append(known.case.key, entry);
    for (delivery, action, status, diagnostic) in outcomes(arriving, &deliveries) {
        match action {
            Action::Failed if delivery.failed => {
                sheet.log(known.case.key, "undeliverable", "yesreply", "R63", "reported once more");
            }
            Action::Failed => {
                sheet.push(Effect::DeliveryFailed {
                    delivery: delivery.id,
                    status: status.clone(),
                    diagnostic: diagnostic.clone(),
                });
                failed(&mut sheet, known, arriving.view, delivery, (&status, &diagnostic), "R63");
            }
            Action::Delayed => {
                let detail = format!("to {}: {diagnostic}", delivery.recipient);
                sheet.log(known.case.key, "delayed", "yesreply", "R63", &detail);
            }
            Action::Delivered | Action::Relayed | Action::Expanded => {
                let detail = format!("to {}", delivery.recipient);
                sheet.log(known.case.key, "delivered", "yesreply", "R63", &detail);
            }
        }
    }
    sheet.done(Outcome::Handled, "R63", "a report about a mail of ours", Some(known.case.key))
}

/// A report about a notification is between the gateway and its application (R64).
fn notifications_report(arriving: &Arriving<'_>, deliveries: &[&Delivery]) -> Decision {
    let (event, view, policy) = (arriving.event, arriving.view, arriving.policy);
    let is_complaint = arriving.arrival.mail.report.as_ref().is_some_and(|r| r.kind == ReportKind::Feedback);
    if let Some(delivery) = deliveries.first().filter(|_| is_complaint) {
        return notified::complaint(arriving, delivery);
    }
    let failed = outcomes(arriving, deliveries).into_iter().find(|(_, action, ..)| *action == Action::Failed);
    match failed {
        Some((delivery, _, status, diagnostic)) => {
            let failure = notified::Failure { delivery, is_known: false, status: &status, said: &diagnostic };
            notified::came_back(event, view, policy, &failure)
        }
        None => Sheet::new(arriving.event, arriving.policy).done(
            Outcome::Handled,
            "R63",
            "a report about a notification that did not fail",
            None,
        ),
    }
}

/// Receipts and complaints are silent entries of their case; what proves nothing changes nothing.
fn no_delivery(arriving: &Arriving<'_>, route: &Route, mut sheet: Sheet<'_>) -> Decision {
    match route.case.and_then(|key| arriving.view.cases.get(&key)) {
        Some(known) => {
            let mut entry = customer::inbound(arriving, Standing::System, PartyId::NOBODY);
            entry.silent = true;
            sheet.append(known.case.key, entry);
            let word = arriving.arrival.mail.nature.word();
            sheet.log(known.case.key, word, "yesreply", "R63", "a hint that changes nothing");
            sheet.done(Outcome::Handled, "R63", "a report that names no delivery of ours", Some(known.case.key))
        }
        None => sheet.done(Outcome::Ignored, "R63", "a report that proves no mail of ours", None),
    }
}

/// The deliveries that this report is proved to be about.
fn deliveries<'a>(arriving: &Arriving<'a>, route: &Route) -> Vec<&'a Delivery> {
    let by_token = route.token.filter(|t| t.class == Class::Bounce);
    let found: Vec<&Delivery> = match by_token {
        Some(token) => {
            arriving.view.deliveries.iter().filter(|d| d.bounce == token.party && d.case == token.case).collect()
        }
        None => Vec::new(),
    };
    if !found.is_empty() {
        return found;
    }
    let Some(report) = &arriving.arrival.mail.report else {
        return Vec::new();
    };
    let ids: Vec<_> = report.original_message_id.iter().chain(report.embedded_ids.iter()).collect();
    arriving
        .view
        .deliveries
        .iter()
        .filter(|d| ids.contains(&&d.message_id))
        .filter(|d| matches!(arriving.policy.keys.read_message_id(&d.message_id), Some(Found::Good(_))))
        .chain(notifications(arriving, report))
        .collect()
}

/// Notifications bear their application's Message-ID; what proves them is our stable id in References.
fn notifications<'a>(arriving: &Arriving<'a>, report: &Report) -> impl Iterator<Item = &'a Delivery> {
    let proved: Vec<_> = report
        .embedded_ids
        .iter()
        .filter_map(|id| match arriving.policy.keys.read_message_id(id) {
            Some(Found::Good(token)) => Some(token.case),
            _ => None,
        })
        .collect();
    arriving.view.deliveries.iter().filter(move |d| d.purpose == Purpose::Notification && proved.contains(&d.case))
}

fn outcomes<'a>(arriving: &Arriving<'_>, deliveries: &[&'a Delivery]) -> Vec<(&'a Delivery, Action, String, String)> {
    let mail = &arriving.arrival.mail;
    let prose: String = crate::mail::text::fold(&mail.text).chars().take(DIAGNOSTIC_CHARS).collect();
    let Some(report) =
        mail.report.as_ref().filter(|r| r.kind == ReportKind::DeliveryStatus && !r.recipients.is_empty())
    else {
        let is_bounce = mail.report.as_ref().is_none_or(|r| r.kind == ReportKind::DeliveryStatus);
        let action = if is_bounce { Action::Failed } else { Action::Delivered };
        return deliveries.iter().map(|d| (*d, action, "5.0.0".to_owned(), prose.clone())).collect();
    };
    let mut outcomes = Vec::new();
    for delivery in deliveries {
        let named = report
            .recipients
            .iter()
            .find(|r| r.recipient.as_ref().is_some_and(|a| a.to_lowercase() == delivery.recipient.key()));
        // A relay behind the customer may name another address than the one we wrote to.
        let Some(row) = named.or(report.recipients.first().filter(|_| deliveries.len() == 1)) else {
            continue;
        };
        outcomes.push((
            *delivery,
            row.action,
            row.status.clone().unwrap_or_else(|| "5.0.0".to_owned()),
            row.diagnostic.clone().unwrap_or_else(|| prose.clone()),
        ));
    }
    outcomes
}

/// Tells who needs it that a delivery failed (R63).
fn failed(
    sheet: &mut Sheet<'_>,
    known: &CaseView,
    view: &View,
    delivery: &Delivery,
    (status, diagnostic): (&str, &str),
    rule: &'static str,
) {
    let policy = sheet.policy;
    let case = &known.case;
    let detail = format!("{} to {}: {status} {diagnostic}", delivery.purpose.word(), delivery.recipient);
    sheet.log(case.key, "undeliverable", "yesreply", rule, &detail);
    let entry = delivery.entry.and_then(|id| known.entries.iter().find(|(stored, _)| *stored == id));
    match delivery.purpose {
        Purpose::Answer => {
            let author = entry.and_then(|(_, e)| policy.agents.get(&e.author));
            let told = author.map_or_else(|| audience(policy, view, case, sheet.event.at_ms).0, |a| vec![a]);
            let line = "Your answer did not arrive.";
            let remedy = "The case is yours still. If you know another address of this person, answer from there; else try again later.";
            notice(sheet, known, &told, line, remedy, delivery, status, diagnostic, entry.map(|(_, e)| e));
        }
        Purpose::Acknowledgement => {
            let (told, _) = audience(policy, view, case, sheet.event.at_ms);
            let line = "The acknowledgement did not arrive: the customer's address may be wrong.";
            let remedy = "An answer may not arrive either.";
            notice(sheet, known, &told, line, remedy, delivery, status, diagnostic, None);
        }
        Purpose::RelayOwner | Purpose::RelayAll => relay_to_others(sheet, known, view, delivery, entry),
        Purpose::Notice | Purpose::Notification | Purpose::Probe => {}
    }
}

#[expect(clippy::too_many_arguments, reason = "one letter's values, named at three calls")]
fn notice(
    sheet: &mut Sheet<'_>,
    known: &CaseView,
    told: &[&Agent],
    line: &str,
    remedy: &str,
    delivery: &Delivery,
    status: &str,
    diagnostic: &str,
    entry: Option<&Entry>,
) {
    let case = &known.case;
    let Some(mailbox) = mailbox_of(sheet.policy, case) else {
        return;
    };
    let words = entry.map(|e| e.text.clone()).unwrap_or_default();
    for agent in told {
        let values = context! { line, remedy, status, diagnostic, words, recipient => delivery.recipient.to_string() };
        sheet.to_agent(
            mailbox,
            ToAgent {
                case,
                earlier: earlier(Some(known), &agent.name),
                agent,
                from_name: mailbox.display_name.clone(),
                written: sheet.policy.letters.write(Letter::Failure, &values),
                parts: Vec::new(),
                purpose: Purpose::Notice,
                entry: EntryLink::Nothing,
            },
        );
    }
}

/// An agent whose relay failed is absent where others work the mailbox. Those who had no relay of it yet get it, who is
/// away only where it reached nobody else; the last one's failure alarms.
fn relay_to_others(
    sheet: &mut Sheet<'_>,
    known: &CaseView,
    view: &View,
    delivery: &Delivery,
    entry: Option<&(i64, Entry)>,
) {
    let policy = sheet.policy;
    let case = &known.case;
    let colleagues: Vec<&Agent> =
        agents_of(policy, &case.mailbox).into_iter().filter(|a| Some(&a.name) != delivery.agent.as_ref()).collect();
    let same = || view.deliveries.iter().filter(|d| d.entry == delivery.entry && d.agent.is_some());
    let has_it = |agent: &&Agent| same().any(|d| d.agent.as_ref() == Some(&agent.name));
    let reached = same().any(|d| d.id != delivery.id && !d.failed);
    let (away, there): (Vec<&Agent>, Vec<&Agent>) = colleagues
        .iter()
        .copied()
        .filter(|a| !has_it(a))
        .partition(|a| absence::is_away(view, &a.name, sheet.event.at_ms));
    let others = if there.is_empty() && !reached { away } else { there };
    if others.is_empty() && !reached {
        let detail = format!("no agent of {} can be reached about case {}", case.mailbox, case.reference);
        sheet.log(case.key, "alarm", "yesreply", "R63", &detail);
    }
    let failed = delivery.agent.as_ref().and_then(|name| policy.agents.get(name));
    if let Some(agent) = failed.filter(|_| !colleagues.is_empty()) {
        absence::unreached(sheet, view, agent);
    }
    let Some((id, entry)) = entry.filter(|(_, e)| e.direction == Direction::Inbound) else {
        return;
    };
    let absent = delivery.agent.clone().unwrap_or_default();
    let warnings = [format!("{absent} could not be reached; this case is shown to you in their place.")];
    for agent in others {
        let shows =
            Shown { case, known: Some(known), entry, link: EntryLink::Stored(*id), warnings: &warnings, lines: &[] };
        relay(sheet, shows, agent, Purpose::RelayAll);
    }
}
