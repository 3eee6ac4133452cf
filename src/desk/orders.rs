//! What an agent's words at the top of a reply do (R41).
//!
//! Decides   whether all of them can be carried out, and what each changes; one that cannot stops the whole reply.
//! Follows   R15, R20, R23, R34, R41, R42, R45, R92.
//! Never     carries out half of them.

use crate::mail::{Address, NameAddr};

use super::agent::Writing;
use super::case::{Party, Status, party_of};
use super::change::Change;
use super::command::Command;
use super::digest::Due;
use super::outgoing::{Sheet, agents_of, mailbox_of, shown};
use super::ownership;
use super::policy::{Agent, Policy};
use super::relay::when;
use super::routing::{agent_by_address, is_our_own};
use super::{Effect, absence, recall, threading};

/// Participants of one case.
const PARTICIPANTS_MAX: usize = 50;
/// Tags of one case.
const TAGS_MAX: usize = 20;

/// What was done, in words, for the agent.
#[derive(Debug, Default)]
pub struct Done {
    /// Lines that are told where nothing else shows that it was done.
    pub lines: Vec<String>,
    /// Lines that are told in any case.
    pub news: Vec<String>,
}

/// Why these orders cannot be carried out; `None` if all can.
#[must_use]
pub fn objection(writing: &Writing<'_>, commands: &[Command]) -> Option<String> {
    let known = writing.known;
    for command in commands {
        let reason = match command {
            Command::Cc(addresses) | Command::Ask(addresses) => {
                addresses.iter().find_map(|a| no_correspondent(writing.arriving.policy, a))
            }
            Command::Uncc(addresses) => {
                let copied = |a: &&Address| party_of(&known.parties, a).is_some_and(|p| p.copied);
                addresses.iter().find(|a| !copied(a)).map(|a| format!("{a} gets no copies in this case."))
            }
            Command::Tag(tags) if tagged(&known.case.handling.tags, tags).len() > TAGS_MAX => {
                Some(format!("A case has at most {TAGS_MAX} tags."))
            }
            Command::Untag(tags) => {
                let missing = tags.iter().find(|t| !known.case.handling.tags.contains(t));
                missing.map(|t| format!("The case has no tag {t}; it has: {}.", known.case.handling.tags.join(", ")))
            }
            Command::Assign(name) => ownership::colleague(writing, name).err(),
            Command::Merge(_) | Command::Split | Command::Wrong | Command::Undo => {
                threading::objection(writing, command)
            }
            Command::Cancel => recall::objection(writing),
            Command::Template(name) => template_objection(writing.arriving.policy, name),
            Command::To(_) => {
                Some("#to starts a conversation; send it to your door address, not into a case.".to_owned())
            }
            Command::Reopen if known.case.status == Status::Open => Some("The case is open.".to_owned()),
            _ => None,
        };
        if reason.is_some() {
            return reason;
        }
    }
    let participants = parties_after(writing, commands).iter().filter(|p| p.copied).count();
    (participants > PARTICIPANTS_MAX).then(|| format!("A case has at most {PARTICIPANTS_MAX} participants."))
}

fn template_objection(policy: &Policy, name: &str) -> Option<String> {
    let names = policy.letters.template_names();
    if names.iter().any(|n| n.eq_ignore_ascii_case(name)) {
        return None;
    }
    let known = if names.is_empty() { "none are there".to_owned() } else { format!("there are {}", names.join(", ")) };
    Some(format!("There is no template \"{name}\"; {known}."))
}

/// Why the desk does not write to this address; `None` if it may.
#[must_use]
pub fn no_correspondent(policy: &Policy, address: &Address) -> Option<String> {
    if is_our_own(policy, address) {
        return Some(format!("{address} is an address of ours."));
    }
    if agent_by_address(policy, address).is_some() {
        return Some(format!("{address} is a colleague's private address; customers never see those."));
    }
    (!crate::mail::render::can_be_written(address))
        .then(|| format!("{address} is no address that mail can be sent to."))
}

/// The parties as they are once the commands are carried out.
#[must_use]
pub fn parties_after(writing: &Writing<'_>, commands: &[Command]) -> Vec<Party> {
    let mut parties = writing.known.parties.clone();
    for command in commands {
        let (addresses, copied) = match command {
            Command::Cc(addresses) => (addresses, true),
            Command::Uncc(addresses) => (addresses, false),
            _ => continue,
        };
        for address in addresses {
            match parties.iter_mut().find(|p| p.person.address.key() == address.key()) {
                Some(party) => party.copied = copied,
                None if copied => parties.push(Party { copied: true, ..named(writing, address) }),
                None => {}
            }
        }
    }
    parties
}

fn named(writing: &Writing<'_>, address: &Address) -> Party {
    let known = party_of(&writing.known.parties, address).cloned();
    known.unwrap_or_else(|| Party::new(writing.known.case.key, NameAddr::new("", address.clone())))
}

/// Carries the orders out.
pub fn obey(sheet: &mut Sheet<'_>, writing: &Writing<'_>, commands: &[Command]) -> Done {
    let mut done = Done::default();
    for command in commands {
        stands(sheet, writing, command, &mut done);
        described(sheet, writing, command, &mut done);
        match command {
            Command::Take | Command::Assign(_) | Command::Release | Command::Watch | Command::Unwatch => {
                ownership::obey(sheet, writing, command, &mut done);
            }
            Command::Merge(_) | Command::Split | Command::Wrong | Command::Undo => {
                done.news.extend(threading::obey(sheet, writing, command));
            }
            Command::Cancel => done.news.extend(recall::cancel(sheet, writing)),
            Command::Away(until_ms) => done.news.push(absence::leave(sheet, writing, *until_ms)),
            Command::Back => done.news.push(absence::come_back(sheet, writing.arriving.view, writing.agent)),
            Command::Cc(addresses) => copied(sheet, writing, addresses, &mut done),
            Command::Uncc(addresses) => uncopied(sheet, writing, addresses, &mut done),
            _ => {}
        }
    }
    done
}

/// How the case stands.
fn stands(sheet: &mut Sheet<'_>, writing: &Writing<'_>, command: &Command, done: &mut Done) {
    let case = &writing.known.case;
    let by = &writing.agent.name;
    let reference = case.reference;
    let (status, rule, line) = match command {
        Command::Close => (Status::Closed, "R42", format!("Case #{reference} is closed")),
        Command::Wait => (Status::Waiting, "R42", format!("Case #{reference} waits for the customer")),
        Command::Reopen => (Status::Open, "R12", format!("Case #{reference} is open")),
        Command::Spam => (Status::Spam, "R34", format!("Case #{reference} is spam; the digest names it")),
        Command::Snooze(at_ms) => {
            let at = mailbox_of(sheet.policy, case).map(|m| when(*at_ms, &m.time_zone)).unwrap_or_default();
            sheet.push(Effect::Change(case.key, Change::Snoozed(Some(*at_ms))));
            sheet.push(Effect::Remind(*at_ms, Due::Wakes(case.key)));
            sheet.log(case.key, "snoozed", by, "R42", &format!("until {at}"));
            sheet.set_status(case, Status::Waiting, by, "R42");
            done.news.push(format!("Case #{reference} comes back on {at}"));
            return;
        }
        _ => return,
    };
    if case.handling.snoozed_until_ms.is_some() {
        sheet.push(Effect::Change(case.key, Change::Snoozed(None)));
    }
    sheet.set_status(case, status, by, rule);
    done.lines.push(line);
}

/// Tags, priority, subject.
fn described(sheet: &mut Sheet<'_>, writing: &Writing<'_>, command: &Command, done: &mut Done) {
    let case = &writing.known.case;
    let by = &writing.agent.name;
    let (change, kind, line) = match command {
        Command::Tag(tags) => {
            let all = tagged(&case.handling.tags, tags);
            let line = format!("Case #{} is tagged {}", case.reference, all.join(", "));
            (Change::Tags(all), "tags", line)
        }
        Command::Untag(tags) => {
            let left: Vec<String> = case.handling.tags.iter().filter(|t| !tags.contains(t)).cloned().collect();
            let words =
                if left.is_empty() { "has no tags".to_owned() } else { format!("is tagged {}", left.join(", ")) };
            let line = format!("Case #{} {words}", case.reference);
            (Change::Tags(left), "tags", line)
        }
        Command::Priority(priority) => {
            let line = format!("The priority of case #{} is {}", case.reference, priority.word());
            (Change::Priority(*priority), "priority", line)
        }
        Command::Subject(subject) => {
            let line = format!("Case #{} is called \"{subject}\"", case.reference);
            (Change::Subject(subject.clone()), "subject", line)
        }
        _ => return,
    };
    sheet.push(Effect::Change(case.key, change));
    sheet.log(case.key, kind, by, "R41", &line);
    done.lines.push(line);
}

fn tagged(before: &[String], new: &[String]) -> Vec<String> {
    let mut tags: Vec<String> = before.iter().chain(new).cloned().collect();
    tags.sort();
    tags.dedup();
    tags
}

fn copied(sheet: &mut Sheet<'_>, writing: &Writing<'_>, addresses: &[Address], done: &mut Done) {
    let case = &writing.known.case;
    for address in addresses {
        let party = named(writing, address);
        let id = party.id;
        sheet.push(Effect::AddParty(case.key, party));
        sheet.push(Effect::Copied(case.key, id, true));
        let detail = format!("{address} gets copies of answers");
        sheet.log(case.key, "participant", &writing.agent.name, "R20", &detail);
    }
    done.lines.push(format!("{} get copies of answers from now on", listed(addresses)));
}

fn uncopied(sheet: &mut Sheet<'_>, writing: &Writing<'_>, addresses: &[Address], done: &mut Done) {
    let case = &writing.known.case;
    for party in addresses.iter().filter_map(|a| party_of(&writing.known.parties, a)) {
        sheet.push(Effect::Copied(case.key, party.id, false));
        let detail = format!("{} gets no copies of answers any more", party.person.address);
        sheet.log(case.key, "participant", &writing.agent.name, "R20", &detail);
    }
    done.lines.push(format!("{} get no copies any more", listed(addresses)));
}

fn listed(addresses: &[Address]) -> String {
    let words: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    words.join(", ")
}

/// `nothing was sent to Jane`
#[must_use]
pub fn nothing_was_sent(writing: &Writing<'_>) -> String {
    format!("nothing was sent to {}", shown(&writing.known.case.customer))
}

/// Colleagues of the case's mailbox.
#[must_use]
pub fn colleagues<'a>(writing: &Writing<'a>) -> Vec<&'a Agent> {
    let policy: &'a Policy = writing.arriving.policy;
    agents_of(policy, &writing.known.case.mailbox).into_iter().filter(|a| a.name != writing.agent.name).collect()
}
