//! A mail under decision: what stands in it, held against the settings and the store.
//!
//! Follows   R4, R10, R11, R14, R23, R31.
//! Never     decides where it goes; `routing` does.

use crate::mail::references::ancestors;
use crate::mail::verdict::{Opinion, Trust, Verdict, opinion};

use super::case::party_of;
use super::moment::Now;
use super::policy::{Mailbox, Policy, ReplyAddress};
use super::token::{CaseKey, Class, Found, PartyId, Token};
use super::{Arrival, CaseView, Event, View};

/// A mail under decision.
#[derive(Debug, Clone, Copy)]
pub struct Arriving<'a> {
    /// The event.
    pub event: &'a Event,
    /// The mail.
    pub arrival: &'a Arrival,
    /// What the store knows.
    pub view: &'a View,
    /// The settings.
    pub policy: &'a Policy,
}

impl Arriving<'_> {
    /// The mailbox where the mail lay.
    #[must_use]
    pub fn mailbox(&self) -> Option<&Mailbox> {
        self.policy.mailboxes.get(&self.arrival.mailbox)
    }

    /// The moment of the event, where the mailbox is.
    #[must_use]
    pub fn now(&self) -> Now {
        let zone = self.mailbox().map_or(jiff::tz::TimeZone::UTC, |m| m.time_zone.clone());
        Now { at_ms: self.event.at_ms, zone }
    }

    /// What our server, or our own look at its signatures, says of the author (R31). `login`: an agent's address.
    #[must_use]
    pub fn opinion(&self, login: Option<&str>) -> Opinion {
        let mail = &self.arrival.mail;
        let [author] = mail.from.as_slice() else {
            return Opinion::new(Verdict::None, "it does not name one author");
        };
        let security = &self.policy.security;
        if security.trusted_authserv_id.is_empty() {
            let own = self.arrival.checked.clone().filter(|_| security.verifies);
            return own.unwrap_or_else(|| Opinion::new(Verdict::None, "no authserv-id is trusted"));
        }
        let trust = Trust { authserv_ids: &security.trusted_authserv_id, arc_sealers: &security.trusted_arc_sealer };
        opinion(&mail.trace, trust, author.address.domain(), login)
    }

    /// The verdict alone.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.opinion(None).verdict
    }

    /// The token with the number that it was made for; `None` if it was revoked with the others of its case (R14).
    #[must_use]
    pub fn current(&self, token: Token) -> Option<Token> {
        let Some(known) = self.view.cases.get(&token.case).filter(|_| token.class != Class::Bounce) else {
            return Some(token);
        };
        let generation = known.case.generation;
        if generation == 0 {
            return Some(token);
        }
        let parties = known.parties.iter().map(|p| p.id).chain(known.entries.iter().map(|(_, e)| e.party));
        let agents = self.policy.agents.keys().map(|name| PartyId::of_agent(name));
        parties
            .chain(agents)
            .chain([PartyId::NOBODY])
            .map(|party| Token { party, ..token })
            .find(|base| base.renewed(generation) == token)
    }

    /// The door token in a recipient field or in an id that this mail answers (R23).
    #[must_use]
    pub fn door_token(&self) -> Option<Token> {
        let is_door = |t: &Token| t.class == Class::Agent && t.case == CaseKey(0);
        let in_addresses = self.address_tokens().0;
        if in_addresses.iter().any(|t| !is_door(t)) {
            return None;
        }
        in_addresses.into_iter().next().or_else(|| self.id_tokens().into_iter().next().filter(is_door))
    }

    /// Good tokens in recipient fields, in the order of R10, and whether a forged or revoked one stood there.
    #[must_use]
    pub fn address_tokens(&self) -> (Vec<Token>, bool) {
        let mailboxes: Vec<&Mailbox> = self.policy.mailboxes.values().collect();
        let mut tokens = Vec::new();
        let mut forged = false;
        for address in self.arrival.mail.recipients() {
            match self.policy.keys.read_address(address, &mailboxes) {
                Some(Found::Good(token)) => match self.current(token) {
                    Some(token) if !tokens.contains(&token) => tokens.push(token),
                    Some(_) => {}
                    None => forged = true,
                },
                Some(Found::Forged) => forged = true,
                None => {}
            }
        }
        (tokens, forged)
    }

    /// Good tokens in the ids that this mail answers, nearest first.
    #[must_use]
    pub fn id_tokens(&self) -> Vec<Token> {
        ancestors(&self.arrival.mail)
            .iter()
            .filter_map(|id| match self.policy.keys.read_message_id(id) {
                Some(Found::Good(token)) => self.current(token),
                _ => None,
            })
            .collect()
    }

    /// Its mailbox has plain reply addresses (R4).
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.mailbox().is_some_and(|m| m.reply_address == ReplyAddress::Plain)
    }

    /// Composed anew: no id of ours, no words of ours quoted (R11).
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        let answers_ours = ancestors(&self.arrival.mail).iter().any(|id| {
            matches!(self.policy.keys.read_message_id(id), Some(Found::Good(_)))
                || self.view.known_ids.iter().any(|k| k.id == *id)
        });
        !answers_ours && !self.arrival.reading.quotes_ours
    }

    /// Does its author's address belong to a party of this case?
    #[must_use]
    pub fn author_is_party(&self, case: &CaseView) -> bool {
        self.arrival.mail.author().is_some_and(|author| party_of(&case.parties, &author.address).is_some())
    }
}
