//! What an agent's mail answers.
//!
//! Decides   which mail of ours an agent answers, also where a relay on the way gave it another Message-ID (R3, R40).
//! Follows   RFC 5322 section 3.6.4 (ancestors, nearest first).
//! Never     guesses to whom an answer goes: where several people's mails may be meant, it is held.

use crate::mail::MessageId;
use crate::mail::references::ancestors;

use super::agent::{SEND, Writing};
use super::answer::Words;
use super::arriving::Arriving;
use super::case::{Direction, Entry};
use super::held::{self, Hold};
use super::outgoing::earlier;
use super::policy::Agent;
use super::recipients;
use super::routing::is_our_own;
use super::token::{Class, Found, PartyId, Token};
use super::view::AGENT_MAIL_EACH_MAX;
use super::{CaseView, Side, View};

/// What an agent's mail answers.
#[derive(Debug, Clone, Copy)]
pub enum Parent<'a> {
    /// A mail that we sent to this agent in this case, and the entry that it carried.
    Ours(Option<&'a (i64, Entry)>),
    /// A mail of ours whose entry lies too far back to be looked at.
    TooOld,
    /// Another person's mail.
    Others,
    /// Nothing.
    Nothing,
}

/// Whose mail an id names.
enum Whose {
    /// We sent it to this agent in this case.
    Theirs,
    /// It is the agents' stable id of this case, which each of these mails bears in References (R3).
    Stable,
    /// Another person's.
    Others,
    /// We never saw it: a relay may have given it to a mail of ours.
    Unknown,
}

/// What a mail answers (R40): its nearest ancestor. Where we never saw that id, a relay gave a mail of ours another one: it
/// bore the ids of all earlier ones, so that it is what this agent got next after the nearest of them.
#[must_use]
pub fn parent<'a>(arriving: &Arriving<'a>, known: &'a CaseView, agent: &Agent) -> Parent<'a> {
    let mail = &arriving.arrival.mail;
    let ids = ancestors(mail);
    for id in &ids {
        match whose(arriving, known, agent, id) {
            Whose::Theirs if ids.first() == Some(id) || mail.references.last() == Some(id) => {
                return carrying(known, entry_of(arriving.view, agent, id));
            }
            Whose::Theirs => return next_after(arriving.view, known, agent, Some(id)),
            Whose::Stable => return next_after(arriving.view, known, agent, None),
            Whose::Unknown if ids.first() == Some(id) && is_to_us_alone(arriving) => {}
            // two ids that we never saw are a correspondence of others
            Whose::Others | Whose::Unknown => return Parent::Others,
        }
    }
    if ids.is_empty() { Parent::Nothing } else { Parent::Others }
}

/// Does it go to our addresses and to nobody else? Who answers somebody that a relay was passed on to writes to them too.
fn is_to_us_alone(arriving: &Arriving<'_>) -> bool {
    let mail = &arriving.arrival.mail;
    mail.to.iter().chain(&mail.cc).all(|n| is_our_own(arriving.policy, &n.address))
}

/// Does a mail answer an id that we never saw?
#[must_use]
pub fn is_rewritten(view: &View, mail: &crate::mail::Incoming) -> bool {
    ancestors(mail).first().is_some_and(|nearest| !view.known_ids.iter().any(|k| k.id == *nearest))
}

/// Which of several people's mails is answered is not certain: the answer waits.
#[must_use]
pub fn unclear<'a>(writing: &Writing<'_>, words: &Words) -> Option<Hold<'a>> {
    let arriving = &writing.arriving;
    let nearest = ancestors(&arriving.arrival.mail).into_iter().next()?;
    if matches!(whose(arriving, writing.known, writing.agent, &nearest), Whose::Theirs) {
        return None;
    }
    let mut mails =
        writing.known.entries.iter().map(|(_, e)| e).filter(|e| e.direction == Direction::Inbound && !e.silent);
    let first = mails.next()?;
    if first.standing.may().is_answered && mails.all(|e| e.party == first.party && e.standing.may().is_answered) {
        return None;
    }
    let target = held::answered(writing).map(|(_, e)| e);
    let to = recipients::of_answer(&writing.known.case, &writing.known.parties, target).words();
    let reason = format!(
        "The mail server between us gave our mail another Message-ID, so that it is not certain whose mail you answer; yours would go to {to}."
    );
    Some(Hold::waits("R40", &reason, SEND, words))
}

fn whose(arriving: &Arriving<'_>, known: &CaseView, agent: &Agent, id: &MessageId) -> Whose {
    let view: &View = arriving.view;
    let token = match arriving.policy.keys.read_message_id(id) {
        Some(Found::Good(token)) => arriving.current(token).filter(|t| t.class == Class::Agent),
        _ => None,
    };
    let here = token.filter(|t| same_case(view, *t, known)).map(|t| t.party);
    let mut hits = view.known_ids.iter().filter(|k| k.id == *id).peekable();
    let is_known = hits.peek().is_some();
    if here == Some(PartyId::of_agent(&agent.name)) || hits.any(|k| k.side == Side::Agent(agent.name.clone())) {
        Whose::Theirs
    } else if here == Some(PartyId::NOBODY) {
        Whose::Stable
    } else if is_known || arriving.policy.keys.read_message_id(id).is_some() {
        Whose::Others
    } else {
        Whose::Unknown
    }
}

/// The entry that a mail to this agent carried.
fn entry_of(view: &View, agent: &Agent, id: &MessageId) -> Option<i64> {
    view.known_ids.iter().find(|k| k.id == *id && k.side == Side::Agent(agent.name.clone()))?.entry
}

/// What this agent got next after this mail of ours, or first; the mail itself where nothing followed that carried an
/// entry.
fn next_after<'a>(view: &View, known: &'a CaseView, agent: &Agent, id: Option<&MessageId>) -> Parent<'a> {
    let got = earlier(Some(known), &agent.name);
    let next = match id {
        Some(id) => got.iter().position(|other| other == id).map(|at| at.saturating_add(1)),
        None => (got.len() < AGENT_MAIL_EACH_MAX).then_some(0),
    };
    let Some(next) = next else {
        return Parent::TooOld;
    };
    let entry = got.get(next).and_then(|id| entry_of(view, agent, id));
    carrying(known, entry.or_else(|| entry_of(view, agent, id?)))
}

fn carrying(known: &CaseView, entry: Option<i64>) -> Parent<'_> {
    match entry {
        None => Parent::Ours(None),
        Some(entry) => known
            .entries
            .iter()
            .find(|(stored, _)| *stored == entry)
            .map_or(Parent::TooOld, |entry| Parent::Ours(Some(entry))),
    }
}

/// The token's case is this one, or was merged into it.
fn same_case(view: &View, token: Token, known: &CaseView) -> bool {
    let mut key = token.case;
    for _ in 0..super::ROUNDS_MAX {
        if key == known.case.key {
            return true;
        }
        match view.cases.get(&key).and_then(|c| c.case.merged_into.or(c.case.successor)) {
            Some(next) => key = next,
            None => return false,
        }
    }
    false
}
