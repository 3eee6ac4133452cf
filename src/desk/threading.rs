//! A mail that went to the wrong case, or two cases that are one.
//!
//! Decides   `#merge`, `#split`, `#wrong`, `#undo`: which case becomes part of which, which mail gets its own, and who
//!           hears of it.
//! Follows   R15 (a merge joins the work, not the people).
//! Never     lets a token die: mail to a merged case's address lands in the one that it is part of.

use crate::mail::{Address, NameAddr};

use super::agent::Writing;
use super::case::{Case, Direction, Entry, Mend, Party, Status};
use super::change::Change;
use super::command::Command;
use super::confirm::confirm;
use super::outgoing::Sheet;
use super::parent::Parent;
use super::relay::{Shown, relay};
use super::token::CaseKey;
use super::{CaseView, Effect, EntryLink, Purpose};

/// Why the order cannot be carried out.
#[must_use]
pub fn objection(writing: &Writing<'_>, command: &Command) -> Option<String> {
    let case = &writing.known.case;
    match command {
        Command::Merge(reference) => match target(writing, *reference) {
            None => Some(format!("There is no case #{reference}.")),
            Some(other) if other.case.key == case.key => Some(format!("This is case #{} already.", case.reference)),
            Some(other) if other.case.mailbox != case.mailbox => Some(format!(
                "Case #{reference} belongs to mailbox {}, this one to {}.",
                other.case.mailbox, case.mailbox
            )),
            Some(other) if other.case.status == Status::Spam => Some(format!("Case #{reference} is spam.")),
            Some(_) => None,
        },
        Command::Split => match merged_part(writing) {
            Some(_) => None,
            None => Some("No case was merged into this one; #wrong gives a single mail its own case.".to_owned()),
        },
        Command::Wrong => match wrong_mail(writing) {
            None => Some("Reply with #wrong to the mail that does not belong here.".to_owned()),
            Some(_) if inbound(writing.known).count() < 2 => Some("It is the only mail of this case.".to_owned()),
            Some(_) => None,
        },
        Command::Undo => match case.handling.mend {
            Some(mend) if undoes(writing, mend) => None,
            _ => Some("No merge, split or wrong of this case can be taken back.".to_owned()),
        },
        _ => None,
    }
}

/// Carries the order out; what to tell the agent.
pub fn obey(sheet: &mut Sheet<'_>, writing: &Writing<'_>, command: &Command) -> Option<String> {
    match command {
        Command::Merge(reference) => target(writing, *reference).map(|other| merge(sheet, writing, other)),
        Command::Split => merged_part(writing).map(|part| take_apart(sheet, writing, part)),
        Command::Wrong => wrong_mail(writing).map(|mail| own_case(sheet, writing, mail)),
        Command::Undo => match writing.known.case.handling.mend? {
            Mend::Merged(key) => writing.arriving.view.cases.get(&key).map(|part| take_apart(sheet, writing, part)),
            Mend::Split(key) => writing.arriving.view.cases.get(&key).map(|part| rejoin(sheet, writing, part)),
        },
        _ => None,
    }
}

/// The case with this number, or the one that it is part of.
fn target<'a>(writing: &Writing<'a>, reference: i64) -> Option<&'a CaseView> {
    let view = writing.arriving.view;
    view.cases.values().find(|c| c.case.reference == reference).map(|found| view.surviving(found))
}

/// The merged case to take out again: that of the mail that is answered, else the last one.
fn merged_part<'a>(writing: &Writing<'a>) -> Option<&'a CaseView> {
    let view = writing.arriving.view;
    let of_mail = match writing.parent {
        Parent::Ours(Some((_, entry))) => entry.origin,
        _ => None,
    };
    let last = match writing.known.case.handling.mend {
        Some(Mend::Merged(key)) => Some(key),
        _ => None,
    };
    let any = writing.known.entries.iter().rev().find_map(|(_, e)| e.origin);
    [of_mail, last, any]
        .into_iter()
        .flatten()
        .find_map(|key| view.cases.get(&key).filter(|c| c.case.merged_into == Some(writing.known.case.key)))
}

fn inbound(known: &CaseView) -> impl Iterator<Item = &(i64, Entry)> {
    known.entries.iter().filter(|(_, e)| e.direction == Direction::Inbound && !e.silent)
}

fn wrong_mail<'a>(writing: &Writing<'a>) -> Option<&'a (i64, Entry)> {
    match writing.parent {
        Parent::Ours(Some(mail))
            if mail.1.direction == Direction::Inbound && Address::parse(&mail.1.from).is_some() =>
        {
            Some(mail)
        }
        _ => None,
    }
}

fn undoes(writing: &Writing<'_>, mend: Mend) -> bool {
    let (Mend::Merged(key) | Mend::Split(key)) = mend;
    let part = writing.arriving.view.cases.get(&key);
    match mend {
        Mend::Merged(_) => part.is_some_and(|c| c.case.merged_into == Some(writing.known.case.key)),
        Mend::Split(_) => part.is_some_and(|c| c.case.merged_into.is_none()),
    }
}

fn merge(sheet: &mut Sheet<'_>, writing: &Writing<'_>, other: &CaseView) -> String {
    let case = &writing.known.case;
    let by = &writing.agent.name;
    joined(sheet, by, case, other.case.key, other.case.reference);
    sheet.push(Effect::Change(other.case.key, Change::Mend(Some(Mend::Merged(case.key)))));
    let waits = matches!(case.status, Status::New | Status::Open);
    if waits && other.case.status != Status::Open {
        sheet.set_status(&other.case, Status::Open, by, "R15");
    }
    if other.case.owner.is_none() {
        let owner = case.owner.clone().unwrap_or_else(|| by.clone());
        sheet.push(Effect::SetOwner(other.case.key, Some(owner)));
    }
    let line = format!("Case #{} is part of case #{} now", case.reference, other.case.reference);
    tell(sheet, writing, other, &line);
    format!("{line}; #undo takes it back")
}

fn joined(sheet: &mut Sheet<'_>, by: &str, case: &Case, into: CaseKey, reference: i64) {
    sheet.push(Effect::MergeInto(case.key, into));
    sheet.log(case.key, "merged", by, "R15", &format!("into case {reference}"));
    sheet.log(into, "merged", by, "R15", &format!("case {} is part of it", case.reference));
}

/// The owner of the other case hears of it in that case.
fn tell(sheet: &mut Sheet<'_>, writing: &Writing<'_>, other: &CaseView, line: &str) {
    let owner = other.case.owner.as_ref().and_then(|name| writing.arriving.policy.agents.get(name));
    if let Some(owner) = owner.filter(|o| o.name != writing.agent.name) {
        let there = Writing { known: other, parent: Parent::Nothing, ..*writing };
        confirm(sheet, &there, owner, &format!("{line}; {} joined them.", writing.agent.display_name), "");
    }
}

fn take_apart(sheet: &mut Sheet<'_>, writing: &Writing<'_>, part: &CaseView) -> String {
    let case = &writing.known.case;
    let status = if part.case.owner.is_some() { Status::Open } else { Status::New };
    sheet.push(Effect::Unmerge(part.case.key, status));
    sheet.push(Effect::Change(case.key, Change::Mend(None)));
    let line = format!("Case #{} is a case of its own again", part.case.reference);
    for key in [case.key, part.case.key] {
        sheet.log(key, "split", &writing.agent.name, "R15", &line);
    }
    line
}

fn rejoin(sheet: &mut Sheet<'_>, writing: &Writing<'_>, part: &CaseView) -> String {
    let case = &writing.known.case;
    joined(sheet, &writing.agent.name, &part.case, case.key, case.reference);
    sheet.push(Effect::Change(case.key, Change::Mend(None)));
    format!("The mail is in case #{} again, and case #{} is part of it", case.reference, part.case.reference)
}

/// A mail gets a case of its own, which is the agent's, and is shown there.
fn own_case(sheet: &mut Sheet<'_>, writing: &Writing<'_>, (id, entry): &(i64, Entry)) -> String {
    let arriving = &writing.arriving;
    let old = &writing.known.case;
    let by = &writing.agent.name;
    let person = entry.sender().unwrap_or_else(|| NameAddr::new("", old.customer.address.clone()));
    let key = arriving.policy.keys.case_key(&arriving.event.id);
    let case = Case {
        subject: if entry.subject.trim().is_empty() { old.subject.clone() } else { entry.subject.clone() },
        status: Status::Open,
        owner: Some(by.clone()),
        ..Case::new(key, arriving.view.next_reference, &old.mailbox, person.clone(), arriving.event.at_ms)
    };
    let party = Party::new(key, person);
    sheet.push(Effect::Open(Box::new(case.clone())));
    sheet.push(Effect::AddParty(key, party.clone()));
    if old.handling.on_hold {
        sheet.push(Effect::Hold(key, true));
    }
    sheet.push(Effect::SplitOff { entry: *id, from: old.key, to: key });
    sheet.push(Effect::Change(old.key, Change::Mend(Some(Mend::Split(key)))));
    let line = format!("The mail of {} is case #{} now", entry.from, case.reference);
    sheet.log(key, "opened", by, "R15", &format!("a mail of case {} got its own", old.reference));
    sheet.log(old.key, "split", by, "R15", &line);
    waits_again(sheet, writing, *id);
    let known = CaseView { parties: vec![party], entries: vec![(*id, entry.clone())], ..CaseView::new(case.clone()) };
    let lines = [format!("You gave this mail a case of its own; it was in case #{}", old.reference)];
    let shows =
        Shown { case: &case, known: Some(&known), entry, link: EntryLink::Stored(*id), warnings: &[], lines: &lines };
    relay(sheet, shows, writing.agent, Purpose::RelayOwner);
    format!("{line}; #undo takes it back")
}

/// Without that mail the old case may be waiting for its customer again.
fn waits_again(sheet: &mut Sheet<'_>, writing: &Writing<'_>, without: i64) {
    let mut rest =
        writing.known.entries.iter().filter(|(id, e)| *id != without && !e.silent && e.direction != Direction::Note);
    let answered = rest
        .next_back()
        .is_some_and(|(_, e)| e.direction == Direction::Outbound && e.standing.may().speaks_for_the_desk);
    if answered && writing.known.case.status == Status::Open {
        sheet.set_status(&writing.known.case, Status::Waiting, &writing.agent.name, "R15");
    }
}
