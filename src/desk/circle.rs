//! A probe's way round.
//!
//! Decides   when a probe leaves, how it is answered as a customer's client would, and whether that answer opened a case.
//! Follows   R22, R52, R63, R72, R95; RFC 5322 section 3.6.4 (how a client answers).
//! Never     does anything twice, writes to anybody but the mailbox itself, or opens a case that somebody has to look at.

use crate::mail::references::reply_subject;
use crate::mail::render::Draft;
use crate::mail::report::Action;
use crate::mail::{MessageId, NameAddr};

use super::arriving::Arriving;
use super::broken;
use super::case::{Party, Status};
use super::customer::inbound;
use super::digest::Due;
use super::notified::first_entry;
use super::opening::new_case;
use super::outgoing::Sheet;
use super::policy::{Mailbox, Policy};
use super::probe::{Is, Probe, Progress, Step, mark, named, next_ms};
use super::routing::route;
use super::standing::Standing;
use super::submission::Notification;
use super::token::{CaseKey, Class, PartyId, Token, message_id, reply_address, stable_id};
use super::{Decision, Dispatch, Effect, EntryLink, Event, Outcome, Purpose, View};

/// In whose name a probe is kept among the notifications; no application can have this name.
const APPLICATION: &str = "yesreply check";
/// Its subject.
const SUBJECT: &str = "Can this be answered?";
/// Its words.
const WORDS: &str = "This is a probe. yesreply sends it to itself, answers it as a customer would, and sees that the \
                     answer opens a case. Nobody has to do anything.";
/// Why no other probe begins.
pub const UNDER_WAY: &str = "a probe of this mailbox is on its way";

/// A probe is asked for, by the clock or by an operator.
#[must_use]
pub fn begins(event: &Event, name: &str, by_clock: bool, view: &View, policy: &Policy) -> Decision {
    let mut sheet = Sheet::new(event, policy);
    let Some(mailbox) = policy.mailboxes.get(name).filter(|m| !by_clock || m.probe.every_ms.is_some()) else {
        return sheet.done(Outcome::Ignored, "R95", "this mailbox is not probed any more", None);
    };
    if let Some(every_ms) = mailbox.probe.every_ms.filter(|_| by_clock) {
        let due = Due::Probe { mailbox: name.to_owned() };
        sheet.push(Effect::Remind(next_ms(event.at_ms, every_ms), due));
    }
    if view.before.running.is_some() {
        return sheet.done(Outcome::Ignored, "R95", UNDER_WAY, None);
    }
    for ended in &view.before.ended {
        sheet.push(Effect::Probe(*ended, Progress::Collected));
    }
    let case = policy.keys.case_key(&event.id);
    let draft = probe(event, mailbox, policy, case);
    let until_ms = event.at_ms.saturating_add(mailbox.probe.within_ms);
    let begun = Progress::Begun { mailbox: name.to_owned(), message_id: draft.message_id.clone(), until_ms };
    sheet.push(Effect::Notify(Box::new(kept(mailbox, case, &draft)), None));
    sheet.push(Effect::Probe(case, begun));
    sheet.push(Effect::Remind(until_ms, Due::ProbeEnds(case)));
    let bounce = PartyId::of_delivery(&draft.message_id, &mailbox.address);
    let reverse_path = sheet.reverse_path(mailbox, case, bounce, false);
    sheet.send(Dispatch { reverse_path, bounce, ..dispatch(mailbox, case, draft) });
    sheet.done(Outcome::Handled, "R95", "a probe is on its way", Some(case))
}

fn dispatch(mailbox: &Mailbox, case: CaseKey, draft: Draft) -> Dispatch {
    Dispatch {
        case: Some(case),
        mailbox: mailbox.name.clone(),
        purpose: Purpose::Probe,
        recipient: draft.to.first().map_or_else(|| mailbox.address.clone(), |n| n.address.clone()),
        agent: None,
        reverse_path: Some(mailbox.address.clone()),
        bounce: PartyId::NOBODY,
        entry: EntryLink::Nothing,
        unauthenticated: false,
        not_before_ms: 0,
        draft,
    }
}

/// The mail: like a notification of an application's, to the mailbox's own address.
fn probe(event: &Event, mailbox: &Mailbox, policy: &Policy, case: CaseKey) -> Draft {
    let keys = &policy.keys;
    let side = Token { class: Class::Customer, case, party: PartyId::NOBODY };
    let token = Token { class: Class::Notification, case, party: PartyId::of_party(case, &mailbox.address) };
    let own = NameAddr::new(&mailbox.display_name, mailbox.address.clone());
    Draft {
        from: own.clone(),
        to: vec![own.clone()],
        cc: Vec::new(),
        reply_to: Some(NameAddr { address: reply_address(keys, mailbox, token), ..own }),
        subject: SUBJECT.to_owned(),
        message_id: message_id(keys, mailbox, side, &keys.unique(&event.id, 0)),
        in_reply_to: None,
        references: vec![stable_id(keys, mailbox, side)],
        date_ms: event.at_ms,
        headers: vec![("Auto-Submitted", "auto-generated".to_owned()), ("X-Auto-Response-Suppress", "All".to_owned())],
        text: WORDS.to_owned(),
        html: String::new(),
        parts: Vec::new(),
    }
}

/// What the store keeps of it, so that its answer opens a case as that of a notification does (R72).
fn kept(mailbox: &Mailbox, case: CaseKey, draft: &Draft) -> Notification {
    Notification {
        case,
        at_ms: draft.date_ms,
        application: APPLICATION.to_owned(),
        mailbox: mailbox.name.clone(),
        recipient: NameAddr::new("", mailbox.address.clone()),
        sender: draft.from.clone(),
        subject: draft.subject.clone(),
        message_id: draft.message_id.clone(),
        digest: super::submission::digest(draft.text.as_bytes()),
        text: draft.text.clone(),
        context: Vec::new(),
        owner: None,
        subject_tag: None,
        phrases: 0,
        header: Vec::new(),
        body: String::new(),
    }
}

/// A mail that has to do with a probe: the probe itself, its answer, or a report that one of them did not arrive.
#[must_use]
pub fn arrived(arriving: &Arriving<'_>) -> Option<Decision> {
    let Arriving { arrival, view, policy, event } = *arriving;
    let all = named(policy, &arrival.mail);
    let (is, case) = all.into_iter().find(|(is, case)| *is == Is::Answer || view.probes.contains_key(case))?;
    let ignored = |because: &str| Sheet::new(event, policy).done(Outcome::Ignored, "R22", because, Some(case));
    let Some(probe) = view.probes.get(&case).filter(|p| p.ended_ms.is_none()) else {
        return Some(ignored("it belongs to a probe that has ended"));
    };
    let Some(mailbox) = policy.mailboxes.get(&probe.mailbox).filter(|m| m.name == arrival.mailbox) else {
        return Some(ignored("it belongs to the probe of another mailbox"));
    };
    if arrival.sent || arrival.old {
        return Some(ignored("a copy of a probe, or of its answer"));
    }
    let received = probe.at_ms(Step::Received).is_some();
    let failed = |step, words: &str| Some(broken::failed(event, view, policy, probe, step, words));
    match is {
        Is::Report => Some(came_back(arriving, probe)),
        Is::Probe if received => Some(ignored("this probe came before")),
        Is::Answer if !received => Some(ignored("an answer to a probe that has not come")),
        Is::Probe if arrival.junk => failed(Step::Received, broken::IN_JUNK),
        Is::Answer if arrival.junk => failed(Step::Opened, broken::IN_JUNK),
        Is::Probe => Some(answers(arriving, mailbox, probe)),
        Is::Answer => Some(opens(arriving, mailbox, probe)),
    }
}

/// The probe is there: it is answered as a customer's client would.
fn answers(arriving: &Arriving<'_>, mailbox: &Mailbox, probe: &Probe) -> Decision {
    let Arriving { arrival, view, policy, event } = *arriving;
    let mail = &arrival.mail;
    let case = probe.case;
    let token = Token { class: Class::Notification, case, party: PartyId::of_party(case, &mailbox.address) };
    let wanted = reply_address(&policy.keys, mailbox, token);
    let reply_to = mail.reply_to.first().map(|n| n.address.clone());
    if reply_to.as_ref().is_none_or(|found| found.key() != wanted.key()) {
        let found = reply_to.map_or_else(|| "none".to_owned(), |found| found.to_string());
        let words =
            format!("its Reply-To was {wanted} when it left, and is {found} here: something on the way rewrites it");
        return broken::failed(event, view, policy, probe, Step::Received, &words);
    }
    let mut sheet = Sheet::new(event, policy);
    let mark = mark(policy, case);
    let quoted: String = mail.text.trim().lines().map(|line| format!("> {line}\n")).collect();
    let id = MessageId::from_parts(&mark, mailbox.address.domain());
    let draft = Draft {
        from: NameAddr::new("", mailbox.address.clone()),
        to: vec![NameAddr::new("", wanted)],
        cc: Vec::new(),
        reply_to: None,
        subject: reply_subject(&mail.subject),
        message_id: id,
        in_reply_to: mail.message_id.clone(),
        references: mail.references.iter().chain(&mail.message_id).cloned().collect(),
        date_ms: event.at_ms,
        headers: Vec::new(),
        text: format!("It can.\n{mark}\n\n{} wrote:\n{quoted}", mailbox.display_name),
        html: String::new(),
        parts: Vec::new(),
    };
    let bounce = PartyId::of_delivery(&draft.message_id, &mailbox.address);
    sheet.push(Effect::Probe(case, Progress::Received));
    sheet.push(Effect::Remove);
    sheet.send(Dispatch { bounce, ..dispatch(mailbox, case, draft) });
    sheet.done(Outcome::Handled, "R95", "a probe of ours came, and is answered as a customer would", Some(case))
}

/// The answer is there: where it would go, by the rules that any customer's answer goes by.
fn opens(arriving: &Arriving<'_>, mailbox: &Mailbox, probe: &Probe) -> Decision {
    let Arriving { view, policy, event, .. } = *arriving;
    let route = route(arriving);
    let answered = route.notification.filter(|case| *case == probe.case).and_then(|case| view.notifications.get(&case));
    let Some(notification) = answered else {
        let words = format!("the answer came, and leads to no case: {}", route.because);
        return broken::failed(event, view, policy, probe, Step::Opened, &words);
    };
    let mut sheet = Sheet::new(event, policy);
    let mut case = new_case(arriving, &route, mailbox, None, false);
    case.customer = NameAddr::new("", mailbox.address.clone());
    case.status = Status::Closed;
    case.closed_ms = Some(event.at_ms);
    let opened = match view.before.reference {
        Some(reference) => {
            case.reference = reference;
            Effect::OpenInPlace(Box::new(case.clone()))
        }
        None => Effect::Open(Box::new(case.clone())),
    };
    sheet.push(opened);
    sheet.push(Effect::AddParty(case.key, Party::new(case.key, case.customer.clone())));
    sheet.log(case.key, "opened", "customer", route.rule, &route.because);
    sheet.push(Effect::Precede(case.key, Box::new(first_entry(notification))));
    let party = PartyId::of_party(case.key, &mailbox.address);
    sheet.append(case.key, inbound(arriving, Standing::System, party));
    let took = broken::seconds(event.at_ms.saturating_sub(probe.begun_ms));
    sheet.log(case.key, "probe", "yesreply", "R95", &format!("came full circle in {took}; closed at once"));
    sheet.push(Effect::Probe(case.key, Progress::Opened(case.reference)));
    sheet.push(Effect::Remove);
    if view.before.failing {
        broken::mended(&mut sheet, mailbox, &took);
    }
    sheet.done(
        Outcome::Handled,
        "R95",
        "the answer to a probe opened its case, which is closed at once",
        Some(case.key),
    )
}

/// The probe or its answer did not arrive (R63): the report came to its bounce token, or embeds an id with our MAC.
fn came_back(arriving: &Arriving<'_>, probe: &Probe) -> Decision {
    let Arriving { view, policy, event, arrival } = *arriving;
    let told = arrival.mail.report.as_ref().and_then(|report| report.recipients.first());
    if told.is_some_and(|r| r.action != Action::Failed) {
        let sheet = Sheet::new(event, policy);
        return sheet.done(Outcome::Handled, "R63", "a report about a probe that has not failed", Some(probe.case));
    }
    let status = told.and_then(|r| r.status.clone()).unwrap_or_default();
    let said = told.and_then(|r| r.diagnostic.clone()).unwrap_or_default();
    let said = format!("{status} {said}");
    let of_answer = probe.at_ms(Step::Received).is_some();
    let step = if of_answer { Step::Opened } else { Step::Received };
    let words = broken::refused(policy, probe, of_answer, said.trim());
    broken::failed(event, view, policy, probe, step, &words)
}
