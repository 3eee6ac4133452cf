//! An unverified author's mail, and the one word that says to whom the answer goes (R33).
//!
//! Decides   who belongs to the case from now on, who is the same person, and who gets the agent's words.
//! Never     guesses: until the word is given, nothing of the case goes to the author, and nothing of the answer to
//!           anybody.

use crate::mail::NameAddr;

use super::agent::Writing;
use super::answer::{self, Answer, Manner, Words};
use super::case::{Direction, Entry, Held, Party, Status, party_of};
use super::command::{Command, Settling};
use super::confirm::confirm;
use super::held::{Hold, answered, held, waiting};
use super::orders::{obey, parties_after};
use super::outgoing::Sheet;
use super::recipients::{Recipients, of_answer};
use super::routing::{agent_by_address, is_our_own};
use super::token::PartyId;
use super::{Decision, Effect, Outcome};

/// The mail of an unverified author that the agent's mail is about.
#[must_use]
pub fn matter<'a>(writing: &Writing<'a>) -> Option<&'a (i64, Entry)> {
    answered(writing).filter(|(_, e)| e.direction == Direction::Inbound && !e.standing.may().is_answered)
}

/// The word is given.
#[must_use]
pub fn settle(writing: &Writing<'_>, settling: Settling, words: Words, commands: &[Command]) -> Decision {
    let mend = |reason: &str, remedy: &str| held(writing, Hold::mend("R33", reason, remedy));
    let Some(matter) = matter(writing) else {
        let remedy = "Give the word in a reply to the mail in question; if it was settled meanwhile, just answer it.";
        return mend("The mail that you answer is of nobody who is unverified.", remedy);
    };
    let Some(author) = matter.1.sender() else {
        return mend("Its author gave no address that mail can be sent to.", "Use #customer or #reject.");
    };
    let policy = writing.arriving.policy;
    let joins = matches!(settling, Settling::Accept | Settling::Replace);
    if joins && (is_our_own(policy, &author.address) || agent_by_address(policy, &author.address).is_some()) {
        let reason = format!("{} is an address of the desk's own people, no customer's.", author.address);
        return mend(&reason, "Use #customer or #reject.");
    }
    let mut sheet = Sheet::new(writing.arriving.event, policy);
    if settling == Settling::Reject {
        return rejected(writing, sheet, matter, &author, commands);
    }
    let waiting = waiting(writing, Some(matter.0));
    let words = match waiting {
        Some(waiting) if words.are_none() => Words::of_held(waiting),
        Some((id, _)) => Words { held: Some(*id), ..words },
        None => words,
    };
    if words.are_none() && !joins {
        return mend("There were no words of yours in it.", "Write your answer below the word.");
    }
    let parties = parties_after(writing, commands);
    let (recipients, line) = match settling {
        Settling::Accept => {
            joined(&mut sheet, writing, matter, &author);
            (Recipients::with_participants(author.clone(), &parties), "belongs to the case now")
        }
        Settling::Replace => {
            joined(&mut sheet, writing, matter, &author);
            replaced(&mut sheet, writing, matter, &author);
            let mut recipients = Recipients::with_participants(author.clone(), &parties);
            let old = whom(writing, &matter.1).map(|p| p.person.address.key());
            recipients.cc.retain(|p| Some(p.address.key()) != old);
            (recipients, "is their address now")
        }
        Settling::Customer => (of_answer(&writing.known.case, &parties, None), ""),
        Settling::Only | Settling::Reject => (Recipients::only(author.clone()), ""),
    };
    if words.are_none() {
        obey(&mut sheet, writing, commands);
        let line = format!("{} {line}; nothing was sent.", author.address);
        confirm(&mut sheet, writing, writing.agent, &line, "");
        return sheet.done(Outcome::Handled, "R33", &line, Some(writing.known.case.key));
    }
    sheet.log(
        writing.known.case.key,
        "settled",
        &writing.agent.name,
        "R33",
        &format!("the answer to {} goes to {}", author.address, recipients.words()),
    );
    let manner = if settling == Settling::Only { Manner::Alone } else { Manner::Reply };
    let answer = Answer { recipients, target: Some(matter), manner, words };
    answer::send(writing, sheet, &answer, commands)
}

/// The author is a party from now on, and so are their mails that wait.
fn joined(sheet: &mut Sheet<'_>, writing: &Writing<'_>, matter: &(i64, Entry), author: &NameAddr) {
    let key = writing.known.case.key;
    sheet.push(Effect::AddParty(key, Party::new(key, author.clone())));
    sheet.push(Effect::Settled(key, matter.1.party));
    sheet.log(key, "accepted", &writing.agent.name, "R33", &format!("{} belongs to the case", author.address));
}

/// The person on whose reply address the mail came, else the customer.
fn whom<'a>(writing: &Writing<'a>, matter: &Entry) -> Option<&'a Party> {
    let parties = &writing.known.parties;
    let holder = parties.iter().find(|p| p.id == matter.holder && p.id != PartyId::NOBODY);
    holder.or_else(|| party_of(parties, &writing.known.case.customer.address))
}

/// The author is somebody whom the case knows, under a new address.
fn replaced(sheet: &mut Sheet<'_>, writing: &Writing<'_>, matter: &(i64, Entry), author: &NameAddr) {
    let case = &writing.known.case;
    let new = PartyId::of_party(case.key, &author.address);
    let Some(old) = whom(writing, &matter.1).filter(|old| old.id != new) else {
        return;
    };
    sheet.push(Effect::Replaced(case.key, old.id, new));
    if old.copied {
        sheet.push(Effect::Copied(case.key, new, true));
    }
    if old.person.address.key() == case.customer.address.key() {
        let name = if author.name.is_empty() { &case.customer.name } else { &author.name };
        sheet.push(Effect::SetCustomer(case.key, NameAddr::new(name, author.address.clone())));
    }
    let detail = format!("{} is {} with a new address", author.address, old.person.address);
    sheet.log(case.key, "replaced", &writing.agent.name, "R33", &detail);
}

/// Nothing is sent, held words are given up, and a case that waited for its customer waits again.
fn rejected(
    writing: &Writing<'_>,
    mut sheet: Sheet<'_>,
    matter: &(i64, Entry),
    author: &NameAddr,
    commands: &[Command],
) -> Decision {
    let case = &writing.known.case;
    if let Some((id, _)) = waiting(writing, Some(matter.0)) {
        sheet.push(Effect::SetHeld(*id, Held::Dropped));
    }
    let speaks = |e: &Entry| !e.silent && e.standing.may().is_answered && e.direction == Direction::Inbound;
    let answers = |e: &Entry| e.direction == Direction::Outbound && e.standing.may().speaks_for_the_desk;
    let last = writing.known.entries.iter().rev().find(|(_, e)| speaks(e) || answers(e));
    if case.status == Status::Open && last.is_some_and(|(_, e)| answers(e)) {
        sheet.set_status(case, Status::Waiting, &writing.agent.name, "R33");
    }
    sheet.log(case.key, "rejected", &writing.agent.name, "R33", &format!("the mail of {}", author.address));
    obey(&mut sheet, writing, commands);
    let line = format!("The mail of {} is rejected; nothing was sent.", author.address);
    confirm(&mut sheet, writing, writing.agent, &line, "");
    sheet.done(Outcome::Handled, "R33", &line, Some(case.key))
}
