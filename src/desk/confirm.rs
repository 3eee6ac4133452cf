//! Orders carried out, and one line to the agent about it (R42, R92).

use minijinja::context;

use crate::mail::render::Part;

use super::agent::{Parent, Writing};
use super::case::{Direction, Party, Status, party_of};
use super::command::Command;
use super::letters::{Letter, Written};
use super::outgoing::{Sheet, ToAgent, earlier, mailbox_of, shown};
use super::policy::{Agent, Policy};
use super::routing::{agent_by_address, is_our_own};
use super::{Decision, Effect, EntryLink, Outcome, Purpose};
use crate::mail::{Address, NameAddr};

/// Participants of one case.
const PARTICIPANTS_MAX: usize = 50;

/// Carries out what changes the case.
pub fn obey(sheet: &mut Sheet<'_>, writing: &Writing<'_>, commands: &[Command]) {
    let case = &writing.known.case;
    let by = &writing.agent.name;
    for command in commands {
        match command {
            Command::Close => sheet.set_status(case, Status::Closed, by, "R42"),
            Command::Cc(addresses) => {
                for address in addresses {
                    let party = named(writing, address);
                    let id = party.id;
                    sheet.push(Effect::AddParty(case.key, party));
                    sheet.push(Effect::Copied(case.key, id, true));
                    sheet.log(case.key, "participant", by, "R20", &format!("{address} gets copies of answers"));
                }
            }
            Command::Uncc(addresses) => {
                for party in addresses.iter().filter_map(|a| party_of(&writing.known.parties, a)) {
                    sheet.push(Effect::Copied(case.key, party.id, false));
                    let detail = format!("{} gets no copies of answers any more", party.person.address);
                    sheet.log(case.key, "participant", by, "R20", &detail);
                }
            }
            Command::Note | Command::Original | Command::Settle(_) | Command::Send => {}
        }
    }
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

/// Why somebody may not get copies, or may not be taken out; `None` if all is well.
#[must_use]
pub fn objection(writing: &Writing<'_>, commands: &[Command]) -> Option<String> {
    let policy: &Policy = writing.arriving.policy;
    for command in commands {
        match command {
            Command::Cc(addresses) => {
                for address in addresses {
                    if is_our_own(policy, address) {
                        return Some(format!("{address} is an address of ours."));
                    }
                    if agent_by_address(policy, address).is_some() {
                        return Some(format!("{address} is a colleague's private address; customers never see those."));
                    }
                    if !crate::mail::render::can_be_written(address) {
                        return Some(format!("{address} is no address that mail can be sent to."));
                    }
                }
            }
            Command::Uncc(addresses) => {
                let copied = |a: &&Address| party_of(&writing.known.parties, a).is_some_and(|p| p.copied);
                if let Some(address) = addresses.iter().find(|a| !copied(a)) {
                    return Some(format!("{address} gets no copies in this case."));
                }
            }
            _ => {}
        }
    }
    let participants = parties_after(writing, commands).iter().filter(|p| p.copied).count();
    (participants > PARTICIPANTS_MAX).then(|| format!("A case has at most {PARTICIPANTS_MAX} participants."))
}

/// A reply that holds only commands sends nothing to the customer.
#[must_use]
pub fn orders(writing: &Writing<'_>, commands: &[Command]) -> Decision {
    let case = &writing.known.case;
    let mut sheet = Sheet::new(writing.arriving.event, writing.arriving.policy);
    obey(&mut sheet, writing, commands);
    let mut done = Vec::new();
    for command in commands {
        match command {
            Command::Close => done.push(format!("Case #{} is closed", case.reference)),
            Command::Cc(addresses) => done.push(format!("{} get copies of answers from now on", listed(addresses))),
            Command::Uncc(addresses) => done.push(format!("{} get no copies any more", listed(addresses))),
            Command::Original => original(&mut sheet, writing),
            Command::Note | Command::Settle(_) | Command::Send => {}
        }
    }
    if !done.is_empty() {
        let line = format!("{}; nothing was sent to {}.", done.join("; "), shown(&case.customer));
        confirm(&mut sheet, writing, writing.agent, &line, "");
    }
    sheet.done(Outcome::Handled, "R42", "commands only", Some(case.key))
}

fn listed(addresses: &[Address]) -> String {
    let words: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    words.join(", ")
}

/// The mail that the relay carried, whole, as an attachment (R92).
fn original(sheet: &mut Sheet<'_>, writing: &Writing<'_>) {
    let case = &writing.known.case;
    let target = match writing.parent {
        Parent::Ours(Some(target)) => Some(target),
        _ => writing.known.entries.iter().rev().find(|(_, e)| e.direction == Direction::Inbound),
    };
    let Some((id, entry)) = target else {
        return;
    };
    let part = Part {
        name: "original.eml".to_owned(),
        media_type: "application/octet-stream".to_owned(),
        content_id: None,
        inline: false,
        blob: format!("mail:{id}"),
        size_bytes: 0,
    };
    let line = format!("The mail of {} in case #{}, as it came.", entry.author_name, case.reference);
    let written = writing.arriving.policy.letters.write(Letter::Confirm, &context! { line, words => "" });
    to_agent(sheet, writing, writing.agent, carried(writing), written, vec![part]);
}

/// One line to an agent, in the thread of the case.
pub fn confirm(sheet: &mut Sheet<'_>, writing: &Writing<'_>, agent: &Agent, line: &str, words: &str) {
    let written = writing.arriving.policy.letters.write(Letter::Confirm, &context! { line, words });
    to_agent(sheet, writing, agent, carried(writing), written, Vec::new());
}

/// A reply to our line is a reply to what the agent's mail answered.
fn carried(writing: &Writing<'_>) -> EntryLink {
    match writing.parent {
        Parent::Ours(Some((id, _))) => EntryLink::Stored(*id),
        _ => EntryLink::Nothing,
    }
}

/// A mail of the desk's to an agent, about this entry.
pub fn to_agent(
    sheet: &mut Sheet<'_>,
    writing: &Writing<'_>,
    agent: &Agent,
    entry: EntryLink,
    written: Written,
    parts: Vec<Part>,
) {
    let case = &writing.known.case;
    let Some(mailbox) = mailbox_of(writing.arriving.policy, case) else {
        return;
    };
    sheet.to_agent(
        mailbox,
        ToAgent {
            case,
            earlier: earlier(Some(writing.known), &agent.name),
            agent,
            from_name: mailbox.display_name.clone(),
            written,
            parts,
            purpose: Purpose::Notice,
            entry,
        },
    );
}
