//! An agent forwards a mail to the desk.
//!
//! Decides   whether it opens a case in the original author's name, goes on with one, or is a note about a mail that
//!           we hold (R23); until then the agent is a customer like anybody.
//! Follows   R13, R20, R23, R40 (who the agent is), R41, R42.
//! Never     acknowledges by itself, and never lets a forwarded text say who it is: the agent who vouches must be an
//!           agent, and pass where that is required.

use crate::mail::Nature;
use crate::mail::references::ancestors;
use crate::mail::render::Part;
use crate::mail::reply::Reading;

use super::agent::Writing;
use super::arriving::Arriving;
use super::case::{Case, Party, Status, party_of};
use super::command::{self, Command, Leading};
use super::confirm::confirm;
use super::customer::{inbound, waited_for};
use super::note::{note, note_entry};
use super::opening::new_case;
use super::orders::{obey, objection};
use super::outgoing::{Sheet, shown};
use super::parent::Parent;
use super::policy::Agent;
use super::relay::relay_to_audience;
use super::routing::{Route, agent_by_address, is_our_own};
use super::standing::{Author, Standing, doubt_of_agent};
use super::token::PartyId;
use super::warnings::warnings;
use super::who::{customer, home, other_author};
use super::{Arrival, CaseView, Decision, Effect, EntryLink, Outcome, Side};

/// A mail that lay in another one.
#[derive(Debug, Clone)]
pub struct Forwarded {
    /// The own words of who forwarded it.
    pub note: String,
    /// What else was attached; it stays with the note.
    pub parts: Vec<Part>,
    /// The original, as if it had arrived by itself.
    pub original: Arrival,
}

/// What the agents passed on, from hand to hand.
struct Passed<'a> {
    original: &'a Arrival,
    note: String,
    parts: Vec<Part>,
}

impl<'a> Passed<'a> {
    /// Where the original is a colleague's forward, it is the mail that the colleague forwarded.
    fn of(arriving: &Arriving<'a>) -> Option<Self> {
        let outer = arriving.arrival.forward.as_deref()?;
        let mut passed = Passed { original: &outer.original, note: outer.note.clone(), parts: outer.parts.clone() };
        while let Some(inner) = passed.original.forward.as_deref() {
            let Some(colleague) = author_agent(arriving, passed.original) else {
                break;
            };
            if !inner.note.trim().is_empty() {
                passed.note =
                    format!("{}\n\n{}: {}", passed.note, colleague.display_name, inner.note).trim().to_owned();
            }
            passed.parts.extend(inner.parts.iter().cloned());
            passed.original = &inner.original;
        }
        Some(passed)
    }
}

fn author_agent<'a>(arriving: &Arriving<'a>, arrival: &Arrival) -> Option<&'a Agent> {
    match arrival.mail.from.as_slice() {
        [author] => agent_by_address(arriving.policy, &author.address),
        _ => None,
    }
}

/// The agent who forwards, and why the forward does not count; `None` if no agent's address forwards anything.
fn forwarder<'a>(arriving: &Arriving<'a>) -> Option<(&'a Agent, Result<Passed<'a>, &'static str>)> {
    let agent = author_agent(arriving, arriving.arrival)?;
    let passed = Passed::of(arriving)?;
    let mail = &arriving.arrival.mail;
    let inner = Arriving { arrival: passed.original, ..*arriving };
    let person = passed.original.mail.author().and_then(|_| customer(&inner));
    let checks = [
        (mail.spam, "our server called it spam"),
        (mail.nature != Nature::Personal && !mail.nature_by_words, "a machine sent it"),
        (doubt_of_agent(arriving, Some(agent)).is_some(), "it did not pass our server's authentication"),
        (person.is_none(), "it names no address of the original's author"),
        (person.as_ref().is_some_and(|p| is_our_own(arriving.policy, &p.address)), "the original is the desk's own"),
        (
            person.is_some_and(|p| agent.addresses.iter().any(|a| a.key() == p.address.key())),
            "the original is their own",
        ),
    ];
    let reason = checks.into_iter().find_map(|(holds, reason)| holds.then_some(reason));
    Some((agent, reason.map_or(Ok(passed), Err)))
}

/// What agents are told of a forward that does not count: its sender is the customer, like anybody (R23).
#[must_use]
pub fn refusal(arriving: &Arriving<'_>) -> Option<String> {
    match forwarder(arriving)? {
        (agent, Err(reason)) => Some(format!(
            "it looks like a mail that {} forwarded, but {reason}: a reply goes to the address that it came from.",
            agent.display_name
        )),
        (_, Ok(_)) => None,
    }
}

/// An agent's forward to the desk's plain address; `None` if it is none, or does not count.
#[must_use]
pub fn forwarded(arriving: &Arriving<'_>, route: &Route) -> Option<Decision> {
    if route.token_in_address || route.agent_token().is_some() {
        return None;
    }
    let (agent, Ok(passed)) = forwarder(arriving)? else {
        return None;
    };
    let inner = Arriving { arrival: passed.original, ..*arriving };
    let because = format!("{} forwards a mail of {}", agent.name, author(passed.original));
    if let Some(known) = held_already(arriving, &inner) {
        let writing = Writing { arriving: *arriving, known, agent, parent: Parent::Others };
        let (commands, words, _) = orders(&writing, &passed.note);
        let because = format!("{because}, which case {} has", known.case.reference);
        return Some(Decision { rule: "R23", because, ..note(&writing, &words, &commands) });
    }
    let mut sheet = Sheet::new(arriving.event, arriving.policy);
    let joined = route.case.and_then(|key| arriving.view.cases.get(&key)).filter(|known| is_party(&inner, known));
    let case = match joined {
        Some(known) => known.case.clone(),
        None => opened(
            &mut sheet,
            &inner,
            new_case(&inner, &Route::default(), home(arriving)?, None, false),
            agent,
            &because,
        ),
    };
    let (standing, number) = match joined {
        Some(_) => (Standing::Party, PartyId::of_party(case.key, &author_address(&inner, &case))),
        None => (Standing::Stranger, PartyId::of_party(case.key, &case.customer.address)),
    };
    let entry = inbound(&inner, standing, number);
    let before = joined.cloned().unwrap_or_else(|| unknown(&case));
    let writing = Writing { arriving: *arriving, known: &before, agent, parent: Parent::Nothing };
    let (commands, words, stopped) = orders(&writing, &passed.note);
    let mut noted = note_entry(arriving, agent, &words);
    noted.parts = passed.parts;
    let is_noted = !words.trim().is_empty() || !noted.parts.is_empty();
    let mut view = before.clone();
    if is_noted {
        view.entries.push((0, noted.clone()));
    }
    sheet.append(case.key, entry.clone());
    sheet.log(case.key, "not_acknowledged", "yesreply", "R23", "a forward is never acknowledged by itself");
    if let (Some(known), false) = (joined, case.status == Status::Spam) {
        sheet.set_status(&case, waited_for(known), &agent.name, "R23");
    }
    if !arriving.arrival.old {
        let mut warned = vec![told(agent, passed.original, is_noted, &noted.parts)];
        let author = Author { standing, number, holder: PartyId::NOBODY, doubt: None };
        warned.extend(warnings(&inner, &Route::default(), joined, &author));
        relay_to_audience(&mut sheet, arriving.view, &case, Some(&view), &entry, EntryLink::Appended, &warned);
    }
    if let Some(reason) = stopped {
        let line = format!("Your forward is in case #{}; of its orders nothing was done. {reason}", case.reference);
        confirm(&mut sheet, &writing, agent, &line, &words);
    }
    if is_noted {
        sheet.append(case.key, noted);
    }
    obey(&mut sheet, &writing, &commands);
    Some(sheet.done(Outcome::Handled, "R23", &because, Some(case.key)))
}

/// A case in the original author's name.
fn opened(sheet: &mut Sheet<'_>, inner: &Arriving<'_>, case: Case, agent: &Agent, because: &str) -> Case {
    sheet.push(Effect::Open(Box::new(case.clone())));
    sheet.push(Effect::AddParty(case.key, Party::new(case.key, case.customer.clone())));
    if let Some(other) = other_author(inner, &case) {
        sheet.push(Effect::AddParty(case.key, Party::new(case.key, other.clone())));
    }
    sheet.log(case.key, "opened", &agent.name, "R23", because);
    case
}

/// The commands on top of the note, the words below them, and why they cannot be carried out (R41).
fn orders(writing: &Writing<'_>, note: &str) -> (Vec<Command>, String, Option<String>) {
    let now = writing.arriving.now();
    let (commands, lines) = match command::read(note, &now) {
        Leading::Stopped { reason } => return (Vec::new(), note.to_owned(), Some(reason)),
        Leading::Commands { commands, lines } => (commands, lines),
    };
    let sends = command::settling(&commands).is_some() || commands.iter().any(Command::sends);
    let refused = sends.then(|| "A forward has no words that could be sent.".to_owned());
    if let Some(reason) = refused.or_else(|| objection(writing, &commands)) {
        return (Vec::new(), note.to_owned(), Some(reason));
    }
    let reading = Reading { words: note.to_owned(), ..Reading::default() };
    (commands, command::unescaped(&reading.without_leading(lines).0), None)
}

/// A case that has just been opened, of which nothing is known yet.
fn unknown(case: &Case) -> CaseView {
    CaseView::new(case.clone())
}

/// The case that has the very mail that is forwarded (R13): its own id, or the one that the forward answers.
fn held_already<'a>(arriving: &Arriving<'a>, inner: &Arriving<'_>) -> Option<&'a CaseView> {
    let own = inner.arrival.mail.message_id.clone().or_else(|| ancestors(&arriving.arrival.mail).into_iter().next())?;
    let hit = arriving
        .view
        .known_ids
        .iter()
        .find(|k| k.id == own && k.side == Side::Inbound && k.mailbox == arriving.arrival.mailbox)?;
    arriving.view.cases.get(&hit.case).filter(|known| is_party(inner, known))
}

fn is_party(inner: &Arriving<'_>, known: &CaseView) -> bool {
    inner.arrival.mail.author().is_some_and(|author| party_of(&known.parties, &author.address).is_some())
}

fn author_address(inner: &Arriving<'_>, case: &Case) -> crate::mail::Address {
    inner.arrival.mail.author().map_or_else(|| case.customer.address.clone(), |a| a.address.clone())
}

fn author(original: &Arrival) -> String {
    original.mail.author().map(|a| a.address.to_string()).unwrap_or_default()
}

/// The first line above a relay: who vouches.
fn told(agent: &Agent, original: &Arrival, is_noted: bool, parts: &[Part]) -> String {
    let person = original.mail.author().map(shown).unwrap_or_default();
    let note = if is_noted { " and wrote a note, which stands below" } else { "" };
    let names: Vec<&str> = parts.iter().map(|p| p.name.as_str()).collect();
    let more = if names.is_empty() { String::new() } else { format!(" Also attached to it: {}.", names.join(", ")) };
    format!("{} forwarded this mail{note}; that it is {person}'s is {0}'s word.{more}", agent.display_name)
}
