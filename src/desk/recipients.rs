//! To whom an agent's answer goes (R15, R20): the desk decides, never the header of an incoming mail.

use crate::mail::NameAddr;

use super::case::{Case, Direction, Entry, Party, party_of};
use super::outgoing::shown;

/// Addresses that one person may have had in a case.
const ADDRESSES_MAX: usize = 20;

/// Who gets an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipients {
    /// The one whom it is written to.
    pub to: NameAddr,
    /// Those who get a copy.
    pub cc: Vec<NameAddr>,
}

impl Recipients {
    /// This person alone.
    #[must_use]
    pub fn only(to: NameAddr) -> Self {
        Recipients { to, cc: Vec::new() }
    }

    /// This person, and the participants of the case.
    #[must_use]
    pub fn with_participants(to: NameAddr, parties: &[Party]) -> Self {
        let others = parties.iter().filter(|p| p.copied && p.replaced_by.is_none());
        let mut seen = vec![to.address.key()];
        let mut cc: Vec<NameAddr> = others.filter(|p| !p.aside).map(|p| p.person.clone()).collect();
        // the parties of merged cases may have one address twice
        cc.retain(|p| {
            let key = p.address.key();
            let new = !seen.contains(&key);
            seen.push(key);
            new
        });
        Recipients { to, cc }
    }

    /// Everybody, the first one first.
    pub fn all(&self) -> impl Iterator<Item = &NameAddr> {
        std::iter::once(&self.to).chain(self.cc.iter())
    }

    /// `Jane <jane@customer.example>, copy to max@customer.example`.
    #[must_use]
    pub fn words(&self) -> String {
        let copies: Vec<String> = self.cc.iter().map(|p| p.address.to_string()).collect();
        let copies = if copies.is_empty() { String::new() } else { format!(", copy to {}", copies.join(", ")) };
        format!("{} <{}>{copies}", shown(&self.to), self.to.address)
    }
}

/// The party whose mail the relay carried, under their newest address, else the customer; and the participants.
#[must_use]
pub fn of_answer(case: &Case, parties: &[Party], target: Option<&Entry>) -> Recipients {
    let author = target
        .filter(|e| e.direction == Direction::Inbound)
        .and_then(|e| parties.iter().find(|p| p.id == e.party))
        .or_else(|| party_of(parties, &case.customer.address));
    if let Some(asked) = author.filter(|p| p.aside) {
        return Recipients::only(asked.person.clone());
    }
    let to = author.map_or_else(|| case.customer.clone(), |p| newest(parties, p).person.clone());
    Recipients::with_participants(to, parties)
}

/// Every party under their newest address, the customer first, each once; nobody who was asked beside the case (R15).
#[must_use]
pub fn everybody(case: &Case, parties: &[Party]) -> Vec<NameAddr> {
    let others = parties.iter().filter(|p| !p.aside && p.replaced_by.is_none()).map(|p| p.person.clone());
    let mut seen: Vec<String> = Vec::new();
    let mut people: Vec<NameAddr> = std::iter::once(case.customer.clone()).chain(others).collect();
    people.retain(|p| {
        let key = p.address.key();
        let new = !seen.contains(&key);
        seen.push(key);
        new
    });
    people
}

fn newest<'a>(parties: &'a [Party], party: &'a Party) -> &'a Party {
    let mut person = party;
    for _ in 0..ADDRESSES_MAX {
        match person.replaced_by.and_then(|id| parties.iter().find(|p| p.id == id)) {
            Some(next) => person = next,
            None => break,
        }
    }
    person
}
