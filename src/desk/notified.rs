//! A notification comes back: answered by somebody, by a machine, or as undeliverable.
//!
//! Decides   whose reply opens a notification's case (R72), what agents see of the notification (R73), and when an
//!           address counts as gone (R64).
//! Never     shows the application's context to somebody who did not get the notification, or bothers an agent with
//!           what a machine said.

use crate::mail::references::ancestors;
use crate::mail::secrets;

use super::arriving::Arriving;
use super::case::{Case, Direction, Entry, Held};
use super::outgoing::{Sheet, shown};
use super::policy::{Mailbox, Policy};
use super::routing::Route;
use super::standing::Standing;
use super::submission::{Notification, Strike};
use super::token::{Class, PartyId, Token};
use super::{Arrival, CaseView, Decision, Delivery, Effect, Event, Keys, Outcome, View, owners};

/// Statuses that say that there is no such recipient (R64).
const NOBODY_THERE: [&str; 4] = ["5.1.1", "5.1.6", "5.1.10", "5.2.1"];

/// 2 % is one of so many.
const SHARE: u32 = 50;
/// Addresses of an hour below which a share says nothing.
const BACK_MIN: u32 = 20;
/// What the log says then: addresses that were good yesterday may be refused for a reason that is ours.
pub const TOO_MUCH_COMES_BACK: &str =
    "more than 2 % of an hour's notifications came back: no address is suppressed for it";

/// The notifications that an arriving mail may answer.
pub fn keys(arrival: &Arrival, policy: &Policy, keys: &mut Keys) {
    if !policy.applications.is_empty() {
        keys.notified_ids.extend(ancestors(&arrival.mail));
    }
}

/// R72: a notification whose case is not open yet.
#[must_use]
pub fn by_token(arriving: &Arriving<'_>, token: Token, in_address: bool) -> Route {
    let mut route = Route { token: Some(token), token_in_address: in_address, rule: "R72", ..Route::default() };
    if token.class == Class::Bounce {
        route.rule = "R52";
        route.because = "it came to the bounce address of a notification".to_owned();
        return route;
    }
    let got_it = arriving.arrival.mail.author().is_some_and(|author| {
        let named = arriving.view.notifications.get(&token.case);
        token.party == PartyId::of_party(token.case, &author.address)
            || named.is_some_and(|n| n.recipient.address.key() == author.address.key())
    });
    if !got_it {
        return by_somebody_else(token, in_address);
    }
    route.because = "answers a notification that its author got".to_owned();
    route.notification = Some(token.case);
    route
}

/// Somebody else than its recipient answers a notification whose case is open (R72).
#[must_use]
pub fn by_somebody_else(token: Token, in_address: bool) -> Route {
    Route {
        token: Some(token),
        token_in_address: in_address,
        borrowed: Some(token.case),
        rule: "R72",
        because: "answers a notification that somebody else got".to_owned(),
        ..Route::default()
    }
}

/// Can this token be of a notification? Its class proves itself, even when the notification is forgotten (R72).
#[must_use]
pub fn is_known(view: &View, token: &Token) -> bool {
    token.class == Class::Notification || view.notifications.contains_key(&token.case)
}

/// R72 by the application's own Message-ID, in the same mailbox.
#[must_use]
pub fn by_message_id(arriving: &Arriving<'_>) -> Option<Route> {
    let author = arriving.arrival.mail.author()?.address.key();
    ancestors(&arriving.arrival.mail).iter().find_map(|id| {
        let hit = arriving.view.notifications.values().find(|n| {
            n.message_id == *id
                && n.mailbox == arriving.arrival.mailbox
                && n.recipient.address.key() == author
                && !arriving.view.cases.contains_key(&n.case)
        })?;
        let because = "answers the Message-ID of a notification that its author got".to_owned();
        Some(Route { notification: Some(hit.case), rule: "R72", because, ..Route::default() })
    })
}

/// The notification as the first entry of the case that a reply opens, without what only its reader may know (R73).
#[must_use]
pub fn first_entry(notification: &Notification) -> Entry {
    let text = secrets::without(&notification.text, &secrets::secrets(&notification.text));
    Entry {
        direction: Direction::Outbound,
        author: notification.application.clone(),
        author_name: shown(&notification.sender),
        standing: Standing::System,
        party: PartyId::of_party(notification.case, &notification.recipient.address),
        from: notification.sender.address.to_string(),
        to: vec![notification.recipient.address.to_string()],
        cc: Vec::new(),
        subject: notification.subject.clone(),
        message_id: Some(notification.message_id.clone()),
        references: Vec::new(),
        at_ms: notification.at_ms,
        body: text.clone(),
        text,
        html: String::new(),
        parts: Vec::new(),
        thread_topic: None,
        thread_index: None,
        silent: false,
        relay_text: String::new(),
        held: Held::No,
        answers: None,
        holder: PartyId::NOBODY,
        origin: None,
    }
}

/// An answering machine answered a notification: kept, and nobody is bothered (R53).
#[must_use]
pub fn automatic_reply(arriving: &Arriving<'_>) -> Decision {
    let sheet = Sheet::new(arriving.event, arriving.policy);
    let because = format!("{} to a notification", arriving.arrival.mail.nature.word());
    sheet.done(Outcome::Handled, "R53", &because, None)
}

/// A notification that came back, or could not be sent.
#[derive(Debug, Clone, Copy)]
pub struct Failure<'a> {
    /// Its delivery.
    pub delivery: &'a Delivery,
    /// The outbox knows it already.
    pub is_known: bool,
    /// Enhanced status.
    pub status: &'a str,
    /// In the reporter's words.
    pub said: &'a str,
}

/// A notification came back, or could not be sent (R64): no agent hears of it.
#[must_use]
pub fn came_back(event: &Event, view: &View, policy: &Policy, failure: &Failure<'_>) -> Decision {
    let mut sheet = Sheet::new(event, policy);
    let Failure { delivery, is_known, status, said } = *failure;
    let (status, diagnostic) = (status.to_owned(), said.to_owned());
    if !is_known {
        let (status, diagnostic) = (status.clone(), diagnostic.clone());
        sheet.push(Effect::DeliveryFailed { delivery: delivery.id, status, diagnostic });
    }
    let (back, sent) = view.bounces;
    if NOBODY_THERE.contains(&status.as_str()) && back >= BACK_MIN && back.saturating_mul(SHARE) > sent {
        return sheet.done(Outcome::Handled, "R64", TOO_MUCH_COMES_BACK, None);
    }
    if NOBODY_THERE.contains(&status.as_str()) {
        let recipient = delivery.recipient.clone();
        let strike = Strike { recipient, at_ms: event.at_ms, status, diagnostic };
        owners::suppressed(&mut sheet, view, owners::notification(view, delivery), &strike);
        sheet.push(Effect::Strike(strike));
    }
    sheet.done(Outcome::Handled, "R64", "a notification came back", None)
}

/// Somebody's provider says that they complained about a notification (RFC 5965): no agent hears of it.
#[must_use]
pub fn complaint(arriving: &Arriving<'_>, delivery: &Delivery) -> Decision {
    let mut sheet = Sheet::new(arriving.event, arriving.policy);
    let notification = owners::notification(arriving.view, delivery);
    owners::complained(&mut sheet, arriving.view, notification, arriving.arrival.mail.text.trim());
    sheet.done(Outcome::Handled, "R64", "a complaint about a notification", None)
}

/// The case as it stands before the reply: for the history of its first relay.
#[must_use]
pub fn as_known(case: &Case, notification: &Notification) -> CaseView {
    let entries = vec![(0, first_entry(notification))];
    CaseView { entries, ..CaseView::new(case.clone()) }
}

/// Was this entry an application's notification?
#[must_use]
pub fn is_applications(entry: &Entry) -> bool {
    entry.direction == Direction::Outbound && entry.standing == Standing::System && entry.author != "yesreply"
}

/// A reply's entry, without the secrets of the notification that it quotes (R73).
pub fn hide_secrets(entry: &mut Entry, notification: Option<&Notification>) {
    let found = notification.map(|n| secrets::secrets(&n.text)).unwrap_or_default();
    for words in [&mut entry.text, &mut entry.body] {
        *words = secrets::without_in_quotes(&secrets::without(words, &found));
    }
    entry.html = secrets::without(&entry.html, &found);
}

/// The same for the mail that opens a case, if it answers a notification.
#[must_use]
pub fn without_secrets(arriving: &Arriving<'_>, route: &Route, mut entry: Entry) -> Entry {
    if route.rule == "R72" {
        let quoted = route.notification.or(route.borrowed).and_then(|key| arriving.view.notifications.get(&key));
        hide_secrets(&mut entry, quoted);
    }
    entry
}

/// The mailbox of a notification.
#[must_use]
pub fn mailbox<'a>(arriving: &Arriving<'a>, notification: Option<&Notification>) -> Option<&'a Mailbox> {
    notification.and_then(|n| arriving.policy.mailboxes.get(&n.mailbox))
}

/// What agents are warned of where somebody else than its recipient answers a notification (R72).
#[must_use]
pub fn not_the_recipient(author: &str, notification: &Notification) -> String {
    let whom = &notification.recipient.address;
    format!("this is not {whom}: {author} used a reply address that was made for {whom}.")
}
