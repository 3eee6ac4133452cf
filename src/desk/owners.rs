//! What the owner of an application hears of its mail: that nothing goes to an address any more, that somebody complained.
//!
//! Decides   when, and by which way: the application's webhook or command, else a mail to its owner, else a line in the
//!           list of calls.
//! Follows   R64; RFC 5965 (complaints).
//! Never     bothers an agent, or writes to an owner more often than `[limits]` of notices allow.

use minijinja::context;

use super::call::{Call, Kind, Way};
use super::letters::Letter;
use super::loops::NOTICES_PER_ADDRESS_MAX;
use super::outgoing::Sheet;
use super::policy::Policy;
use super::submission::{Notification, Strike, day};
use super::token::PartyId;
use super::{Delivery, Dispatch, Effect, EntryLink, Purpose, View};
use crate::mail::render::Draft;
use crate::mail::{MessageId, NameAddr};

/// Characters of what a remote server or a complaint said.
const SAID_CHARS_MAX: usize = 1_000;

/// Whose budget of notices is to be looked up for the reports about these deliveries.
#[must_use]
pub fn address(view: &View, policy: &Policy) -> Option<crate::mail::Address> {
    let applications = view.notifications.values().filter_map(|n| policy.applications.get(&n.application));
    applications.filter_map(|a| a.report_to.clone()).next()
}

/// The notification of a delivery, as long as it is kept.
#[must_use]
pub fn notification<'a>(view: &'a View, delivery: &Delivery) -> Option<&'a Notification> {
    view.notifications.get(&delivery.case)
}

/// An address is suppressed from this strike on: its owner hears of it, once.
pub fn suppressed(sheet: &mut Sheet<'_>, view: &View, notification: Option<&Notification>, strike: &Strike) {
    let Some(known) = view.suppressed.as_ref() else {
        return;
    };
    let begins = !known.holds() && day(known.last_ms) != day(strike.at_ms) && known.with_one_more_day().holds();
    let Some(notification) = notification.filter(|_| begins) else {
        return;
    };
    let mut call = Call::about(sheet.event, sheet.policy, notification, Kind::Suppressed);
    call.status.clone_from(&strike.status);
    call.text = strike.diagnostic.chars().take(SAID_CHARS_MAX).collect();
    tell(sheet, view, call);
}

/// Somebody's provider passed on a complaint.
pub fn complained(sheet: &mut Sheet<'_>, view: &View, notification: Option<&Notification>, words: &str) {
    if let Some(notification) = notification {
        let mut call = Call::about(sheet.event, sheet.policy, notification, Kind::Complaint);
        call.text = words.chars().take(SAID_CHARS_MAX).collect();
        tell(sheet, view, call);
    }
}

fn tell(sheet: &mut Sheet<'_>, view: &View, mut call: Call) {
    if call.way == Way::Noted && view.reports < NOTICES_PER_ADDRESS_MAX && mail(sheet, &call).is_some() {
        call.way = Way::Mailed;
    }
    sheet.push(Effect::Call(Box::new(call)));
}

/// The report as a mail, which no machine should answer.
fn mail(sheet: &mut Sheet<'_>, call: &Call) -> Option<()> {
    let policy = sheet.policy;
    let mailbox = policy.mailboxes.get(&call.mailbox)?;
    let owner = policy.applications.get(&call.application)?.report_to.clone()?;
    let (line, remedy) = match call.kind {
        Kind::Complaint => (
            "Somebody reported a mail of yours as unwanted.",
            "Consider writing to this address no more; whoever complains often is not asked why.",
        ),
        Kind::Suppressed | Kind::Action | Kind::Unsubscribed => (
            "Mail to an address came back on two days: nothing is sent there any more.",
            "Correct the address. If it is good, an operator releases it: yesreply suppression release ADDRESS.",
        ),
    };
    let values = context! {
        line, remedy, application => call.application, recipient => call.recipient.to_string(),
        subject => call.subject, status => call.status, diagnostic => call.text,
    };
    let written = policy.letters.write(Letter::Report, &values);
    let id = MessageId::from_parts(&format!("report.{}", call.id), mailbox.address.domain());
    sheet.send(Dispatch {
        case: None,
        mailbox: mailbox.name.clone(),
        purpose: Purpose::Notice,
        recipient: owner.clone(),
        agent: None,
        reverse_path: (!mailbox.null_reverse_path).then(|| mailbox.address.clone()),
        bounce: PartyId::of_delivery(&id, &owner),
        entry: EntryLink::Nothing,
        unauthenticated: false,
        not_before_ms: 0,
        draft: Draft {
            from: NameAddr::new(&mailbox.display_name, mailbox.address.clone()),
            to: vec![NameAddr { name: String::new(), address: owner }],
            cc: Vec::new(),
            reply_to: None,
            subject: format!("{} of {}: {}", call.kind.word(), call.application, call.recipient),
            message_id: id,
            in_reply_to: None,
            references: Vec::new(),
            date_ms: sheet.event.at_ms,
            headers: vec![
                ("Auto-Submitted", "auto-generated".to_owned()),
                ("X-Auto-Response-Suppress", "All".to_owned()),
            ],
            text: written.text,
            html: written.html,
            parts: Vec::new(),
        },
    });
    Some(())
}
