//! What a new case starts with.
//!
//! Decides   its key, subject, status, owner and customer; what of these an application's notification gives (R72).
//! Follows   R1, R12, R20, R44, R72.

use crate::mail::references::without_reply_prefixes;

use super::CaseView;
use super::arriving::Arriving;
use super::case::{Case, Status};
use super::policy::Mailbox;
use super::routing::Route;
use super::who::{customer, nobody};

/// A case that this mail opens: its key, subject, owner and customer.
#[must_use]
pub fn new_case(
    arriving: &Arriving<'_>,
    route: &Route,
    mailbox: &Mailbox,
    continued: Option<&CaseView>,
    is_spam: bool,
) -> Case {
    let mail = &arriving.arrival.mail;
    let answered = route.notification.and_then(|key| arriving.view.notifications.get(&key));
    let owner = continued.and_then(|c| c.case.owner.clone()).or_else(|| answered.and_then(|n| n.owner.clone()));
    let owner = owner.filter(|o| arriving.policy.agents.contains_key(o));
    let mut subject = mail.subject.trim().to_owned();
    if let Some(tag) = answered.and_then(|n| n.subject_tag.as_ref()) {
        subject = format!("[{tag}] {}", without_reply_prefixes(&subject));
    }
    let status = match (is_spam, &owner) {
        (true, _) => Status::Spam,
        (false, Some(_)) => Status::Open,
        (false, None) => Status::New,
    };
    let key = route.notification.unwrap_or_else(|| arriving.policy.keys.case_key(&arriving.event.id));
    let person = customer(arriving).unwrap_or_else(nobody);
    Case {
        subject: if subject.is_empty() { "(no subject)".to_owned() } else { subject },
        status,
        owner,
        context: answered.map_or_else(|| arriving.arrival.context.clone(), |n| n.context.clone()),
        old: arriving.arrival.old,
        ..Case::new(key, arriving.view.next_reference, &mailbox.name, person, arriving.event.at_ms)
    }
}
