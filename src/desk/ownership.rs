//! Whose a case is, and who hears of it.
//!
//! Decides   to whom an order gives a case, who gets a new one in turn, who is told that it was taken, who watches.
//! Follows   R40 (the first to answer owns it), R90 (an owner who is gone counts as none).
//! Never     hands a case over without its history: no customer explains twice.

use super::agent::Writing;
use super::case::{Case, Direction, Entry, Status};
use super::change::Change;
use super::command::Command;
use super::confirm::confirm;
use super::orders::{Done, colleagues};
use super::outgoing::{Sheet, agents_of, owner_of};
use super::policy::{Agent, Assignment, Policy};
use super::relay::{Shown, relay};
use super::routing::agent_by_address;
use super::view::BEING_SAID;
use super::{CaseView, Effect, EntryLink, Purpose, View, absence};

/// The colleague whom an agent names: by short name, by name, or by address.
///
/// # Errors
/// Why there is none, as a sentence.
pub fn colleague<'a>(writing: &Writing<'a>, name: &str) -> Result<&'a Agent, String> {
    let policy: &'a Policy = writing.arriving.policy;
    let working = agents_of(policy, &writing.known.case.mailbox);
    let wanted = name.to_lowercase();
    let is_named = |agent: &&Agent| {
        let names = [&agent.name, &agent.display_name, &agent.public_name];
        names.iter().any(|n| n.to_lowercase() == wanted)
            || agent.addresses.iter().any(|a| a.to_string().to_lowercase() == wanted)
    };
    if let Some(agent) =
        working.iter().copied().find(|a| a.name == name).or_else(|| working.iter().copied().find(is_named))
    {
        return Ok(agent);
    }
    let known: Vec<&str> = working.iter().map(|a| a.name.as_str()).collect();
    Err(format!("No agent \"{name}\" works mailbox {}; there are {}.", writing.known.case.mailbox, known.join(", ")))
}

/// `#take`, `#assign`, `#release`, `#watch`, `#unwatch`.
pub fn obey(sheet: &mut Sheet<'_>, writing: &Writing<'_>, command: &Command, done: &mut Done) {
    let case = &writing.known.case;
    match command {
        Command::Take => {
            given(sheet, writing, writing.agent);
            done.lines.push(format!("Case #{} is yours", case.reference));
        }
        Command::Assign(name) => {
            let Ok(agent) = colleague(writing, name) else {
                return;
            };
            given(sheet, writing, agent);
            let line = format!("Case #{} is {}'s", case.reference, agent.display_name);
            if agent.name != writing.agent.name {
                show(sheet, writing, agent, &format!("{} gave you this case", writing.agent.display_name));
            }
            done.news.push(line);
        }
        Command::Release => {
            sheet.push(Effect::SetOwner(case.key, None));
            sheet.log(case.key, "owner", &writing.agent.name, "R40", "nobody; it was released");
            for agent in colleagues(writing) {
                show(sheet, writing, agent, &format!("{} released this case", writing.agent.display_name));
            }
            done.lines.push(format!("Case #{} is nobody's", case.reference));
        }
        Command::Watch => {
            watched(sheet, writing, &[&writing.agent.name]);
            done.lines.push(format!("You watch case #{}", case.reference));
        }
        Command::Unwatch => {
            let mut watchers = case.handling.watchers.clone();
            watchers.retain(|w| *w != writing.agent.name);
            sheet.push(Effect::Change(case.key, Change::Watchers(watchers)));
            done.lines.push(format!("You do not watch case #{} any more", case.reference));
        }
        _ => {}
    }
}

/// The case is this agent's; whoever had it, or held its relay, hears of it.
fn given(sheet: &mut Sheet<'_>, writing: &Writing<'_>, agent: &Agent) {
    let case = &writing.known.case;
    let policy = writing.arriving.policy;
    sheet.push(Effect::SetOwner(case.key, Some(agent.name.clone())));
    sheet.log(case.key, "owner", &writing.agent.name, "R40", &agent.name);
    if case.status == Status::New {
        sheet.set_status(case, Status::Open, &writing.agent.name, "R40");
    }
    match case.owner.as_ref().and_then(|name| policy.agents.get(name)) {
        Some(owner) if owner.name != writing.agent.name && owner.name != agent.name => {
            let line = format!("{}'s now: case #{}, which was yours.", agent.display_name, case.reference);
            confirm(sheet, writing, owner, &line, "");
        }
        Some(_) => {}
        None => tell_taken(sheet, writing, agent),
    }
}

/// Others who hold an unowned case's relay are told in one line that it is taken; it has an owner then, so once.
pub fn tell_taken(sheet: &mut Sheet<'_>, writing: &Writing<'_>, owner: &Agent) {
    let reference = writing.known.case.reference;
    for other in colleagues(writing) {
        if other.name != owner.name && writing.known.agent_mail.contains_key(&other.name) {
            confirm(sheet, writing, other, &format!("{} took case #{reference}.", owner.display_name), "");
        }
    }
}

/// The last mail of the case, with its history.
pub fn show(sheet: &mut Sheet<'_>, writing: &Writing<'_>, agent: &Agent, line: &str) {
    if let Some((id, entry)) = last_said(writing.known) {
        let lines = [line.to_owned()];
        let shows = Shown {
            case: &writing.known.case,
            known: Some(writing.known),
            entry,
            link: if *id == BEING_SAID { EntryLink::Appended } else { EntryLink::Stored(*id) },
            warnings: &[],
            lines: &lines,
        };
        relay(sheet, shows, agent, Purpose::RelayOwner);
    }
}

/// The last mail from outside, else the last one that went out.
#[must_use]
pub fn last_said(known: &CaseView) -> Option<&(i64, Entry)> {
    let of = |direction| known.entries.iter().rev().find(move |(_, e)| e.direction == direction && !e.silent);
    of(Direction::Inbound).or_else(|| of(Direction::Outbound))
}

/// Colleagues whom the agent copied into a reply watch the case from now on.
pub fn watch_copied(sheet: &mut Sheet<'_>, writing: &Writing<'_>) {
    let mail = &writing.arriving.arrival.mail;
    let people = mail.to.iter().chain(&mail.cc).filter_map(|p| agent_by_address(writing.arriving.policy, &p.address));
    let working = colleagues(writing);
    let names: Vec<&str> =
        people.filter(|a| working.iter().any(|w| w.name == a.name)).map(|a| a.name.as_str()).collect();
    watched(sheet, writing, &names);
}

fn watched(sheet: &mut Sheet<'_>, writing: &Writing<'_>, names: &[&str]) {
    let case = &writing.known.case;
    let mut watchers = case.handling.watchers.clone();
    watchers.extend(names.iter().map(|n| (*n).to_owned()));
    watchers.sort();
    watchers.dedup();
    if watchers != case.handling.watchers {
        sheet.log(case.key, "watchers", &writing.agent.name, "R40", &watchers.join(", "));
        sheet.push(Effect::Change(case.key, Change::Watchers(watchers)));
    }
}

/// The agent who gets a new case in turn, if the desk gives them out.
#[must_use]
pub fn in_turn<'a>(policy: &'a Policy, view: &View, case: &Case, now_ms: i64) -> Option<&'a Agent> {
    let there = agents_of(policy, &case.mailbox).into_iter().filter(|a| !absence::is_away(view, &a.name, now_ms));
    let load = |agent: &&Agent| view.loads.get(&agent.name).copied().unwrap_or_default();
    match policy.assignment {
        Assignment::All => None,
        Assignment::RoundRobin => there.min_by_key(|a| (load(a).given_ms, a.name.clone())),
        Assignment::LeastLoaded => there.min_by_key(|a| (load(a).cases, load(a).given_ms, a.name.clone())),
    }
}

/// Who gets a mail of this case, and how urgent it is to them: the owner and the watchers, else everybody. Who is away
/// gets it only where nobody else is there.
#[must_use]
pub fn audience<'a>(policy: &'a Policy, view: &View, case: &Case, now_ms: i64) -> (Vec<&'a Agent>, Purpose) {
    let working = agents_of(policy, &case.mailbox);
    let there = |agent: &&Agent| !absence::is_away(view, &agent.name, now_ms);
    if let Some(owner) = owner_of(policy, case) {
        let is_watcher = |a: &&Agent| a.name != owner.name && case.handling.watchers.contains(&a.name);
        let watchers = working.iter().copied().filter(is_watcher).filter(there);
        if there(&owner) {
            return (std::iter::once(owner).chain(watchers).collect(), Purpose::RelayOwner);
        }
        let others: Vec<&Agent> = working.iter().copied().filter(|a| a.name != owner.name).filter(there).collect();
        return if others.is_empty() { (vec![owner], Purpose::RelayOwner) } else { (others, Purpose::RelayAll) };
    }
    let present: Vec<&Agent> = working.iter().copied().filter(there).collect();
    (if present.is_empty() { working } else { present }, Purpose::RelayAll)
}
