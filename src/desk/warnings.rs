//! What the agents are told above a customer's words: who may not be who they say, and who else was named.
//!
//! Follows   R11, R14, R20, R32, R33; reliability T14.

use crate::mail::Address;

use super::CaseView;
use super::arriving::Arriving;
use super::case::party_of;
use super::command;
use super::forward::refusal;
use super::names;
use super::notified;
use super::outgoing::shown;
use super::routing::{Route, agent_by_address, is_our_own};
use super::standing::Author;
use super::token::PartyId;

/// Addresses that one warning names.
const NAMED_MAX: usize = 10;

/// The warnings, one sentence each.
#[must_use]
pub fn warnings(arriving: &Arriving<'_>, route: &Route, known: Option<&CaseView>, author: &Author) -> Vec<String> {
    let mail = &arriving.arrival.mail;
    let address = mail.author().map(|a| a.address.to_string()).unwrap_or_default();
    let mut warnings = Vec::new();
    if let Some(doubt) = &author.doubt {
        warnings.push(format!("this mail came from {address}: {doubt}."));
    }
    if !author.standing.may().is_answered {
        warnings
            .push(format!("A reply to it is held until its first line says to whom. {}", command::settling_words()));
    }
    let holder = known.and_then(|k| k.parties.iter().find(|p| p.id == author.holder && p.id != PartyId::NOBODY));
    if let Some(holder) = holder {
        let person = &holder.person;
        warnings.push(format!(
            "it came on the reply address of {} <{}> and may be the same person: #replace makes {address} their address.",
            shown(person),
            person.address
        ));
    }
    if let Some(case) = route.borrowed.and_then(|key| arriving.view.cases.get(&key)) {
        warnings.push(format!(
            "{address} used a reply address that was made for {} in case #{}.",
            case.case.customer.address, case.case.reference
        ));
    }
    if let Some(notification) = route.borrowed.and_then(|key| arriving.view.notifications.get(&key)) {
        warnings.push(notified::not_the_recipient(&address, notification));
    }
    if route.forged {
        warnings.push("it bore a reply address that is not ours, or that was revoked.".to_owned());
    }
    warnings.extend(refusal(arriving));
    let odd = mail.author().and_then(|author| names::doubt(arriving.policy, &author.name));
    warnings.extend(odd.map(|odd| format!("{odd}.")));
    let elsewhere: Vec<&Address> = mail
        .reply_to
        .iter()
        .map(|r| &r.address)
        .filter(|r| Some(r.key()) != mail.author().map(|a| a.address.key()))
        .collect();
    if !elsewhere.is_empty() {
        warnings.push(format!("it asks for answers to {}.", listed(&elsewhere)));
    }
    let strangers = strangers(arriving, known);
    if !strangers.is_empty() {
        warnings.push(format!(
            "it also went to {}, who get nothing from us unless you write #cc ADDRESS in an answer.",
            listed(&strangers)
        ));
    }
    warnings.extend(mail.remarks.iter().map(|remark| format!("{remark}.")));
    warnings
}

/// Addresses in To and Cc that are nobody's of the case, of ours, or of agents.
fn strangers<'a>(arriving: &Arriving<'a>, known: Option<&CaseView>) -> Vec<&'a Address> {
    let mail = &arriving.arrival.mail;
    let mut strangers: Vec<&Address> = Vec::new();
    for address in mail.to.iter().chain(mail.cc.iter()).map(|n| &n.address) {
        let ours = is_our_own(arriving.policy, address) || agent_by_address(arriving.policy, address).is_some();
        let party = known.is_some_and(|k| party_of(&k.parties, address).is_some());
        let author = mail.author().is_some_and(|a| a.address.key() == address.key());
        if !ours && !party && !author && !strangers.iter().any(|s| s.key() == address.key()) {
            strangers.push(address);
        }
    }
    strangers
}

fn listed(addresses: &[&Address]) -> String {
    let shown: Vec<String> = addresses.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    let more = addresses.len().saturating_sub(NAMED_MAX);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", shown.join(", "))
}
