//! Answers that people wrote from the mailbox itself: its client filed them in the folder for sent mail (R49).
//!
//! Decides   whether such a mail is the desk's answer in a case, whose it is, and what that changes.
//! Follows   R13, R15, R22, R49; RFC 5322 section 3.6.4 (what a mail answers).
//! Never     writes to anybody outside, opens a case, or takes a mail of ours for a person's.

use crate::mail::Nature;
use crate::mail::references::ancestors;
use crate::mail::text::fold;

use super::agent::Writing;
use super::arriving::Arriving;
use super::case::{Direction, Entry, Party, Status, party_of};
use super::confirm::confirm;
use super::customer::inbound;
use super::outgoing::{Sheet, agents_of, mailbox_of};
use super::ownership::tell_taken;
use super::parent::Parent;
use super::policy::{Agent, Policy};
use super::routing::{agent_by_address, is_our_own};
use super::standing::Standing;
use super::token::{CaseKey, Found};
use super::{CaseView, Decision, Effect, Outcome, Side};

/// A mail lay in the folder of what people sent.
#[must_use]
pub fn found(arriving: &Arriving<'_>) -> Decision {
    if let Some(case) = seen_before(arriving) {
        let sheet = Sheet::new(arriving.event, arriving.policy);
        return sheet.done(Outcome::Duplicate, "R13", "this answer was found before", Some(case));
    }
    if let Some(reason) = no_answer(arriving) {
        return ignored(arriving, reason, None);
    }
    let Some((known, party)) = answered_case(arriving) else {
        return ignored(arriving, "it answers no mail of a case, or goes to nobody in it", None);
    };
    if known.entries.iter().any(|(_, entry)| is_copy_of_ours(arriving, entry)) {
        return ignored(arriving, "it is the server's copy of a mail that the desk sent", Some(known.case.key));
    }
    recorded(arriving, known, party)
}

fn ignored(arriving: &Arriving<'_>, reason: &str, case: Option<CaseKey>) -> Decision {
    Sheet::new(arriving.event, arriving.policy).done(Outcome::Ignored, "R49", reason, case)
}

/// The case in which this very mail is an answer already: servers number folders anew, and people copy mail.
fn seen_before(arriving: &Arriving<'_>) -> Option<CaseKey> {
    let view = arriving.view;
    match &arriving.arrival.mail.message_id {
        Some(id) => view.known_ids.iter().find(|k| k.id == *id && k.side == Side::Customer).map(|k| k.case),
        None => view.copies.iter().filter(|c| c.message_id.is_none()).find_map(|c| c.case),
    }
}

/// Why it is no answer, whatever case it names.
fn no_answer(arriving: &Arriving<'_>) -> Option<&'static str> {
    let (mail, policy) = (&arriving.arrival.mail, arriving.policy);
    let [author] = mail.from.as_slice() else {
        return Some("it does not name one author");
    };
    if mail.nature != Nature::Personal && !mail.nature_by_words {
        return Some("no person wrote it");
    }
    if !is_our_own(policy, &author.address) && agent_by_address(policy, &author.address).is_none() {
        return Some("its From is neither the desk's nor an agent's");
    }
    let mailboxes: Vec<_> = policy.mailboxes.values().collect();
    let is_ours =
        |n: &crate::mail::NameAddr| matches!(policy.keys.read_address(&n.address, &mailboxes), Some(Found::Good(_)));
    mail.reply_to.iter().any(is_ours).then_some("its Reply-To is a token: it is a copy of a mail that the desk sent")
}

/// The nearest case whose mail it answers and in which somebody gets it.
fn answered_case<'a>(arriving: &Arriving<'a>) -> Option<(&'a CaseView, &'a Party)> {
    let view = arriving.view;
    let mail = &arriving.arrival.mail;
    let held = ancestors(mail).into_iter().filter_map(|id| {
        let here = |k: &&super::KnownId| k.id == id && k.mailbox == arriving.arrival.mailbox;
        view.known_ids.iter().find(here).map(|k| k.case)
    });
    let named = arriving.id_tokens().into_iter().map(|token| token.case);
    held.chain(named).find_map(|key| {
        let known = view.surviving(view.cases.get(&key)?);
        let mut recipients = mail.to.iter().chain(&mail.cc);
        let party = recipients.find_map(|n| party_of(&known.parties, &n.address))?;
        Some((known, party))
    })
}

/// Relays may give our mail another Message-ID before they file it: it is known by what it says then.
fn is_copy_of_ours(arriving: &Arriving<'_>, entry: &Entry) -> bool {
    let mail = &arriving.arrival.mail;
    let names = |list: &[crate::mail::NameAddr]| list.iter().map(|n| n.address.key()).collect::<Vec<_>>();
    let lower = |list: &[String]| list.iter().map(|a| a.to_ascii_lowercase()).collect::<Vec<_>>();
    entry.direction == Direction::Outbound
        && entry.subject == mail.subject
        && names(&mail.to) == lower(&entry.to)
        && fold(&entry.body) == fold(&mail.text)
}

fn recorded(arriving: &Arriving<'_>, known: &CaseView, party: &Party) -> Decision {
    let policy = arriving.policy;
    let case = &known.case;
    let mut sheet = Sheet::new(arriving.event, policy);
    let author = arriving.arrival.mail.author().and_then(|a| agent_by_address(policy, &a.address));
    let mut entry = inbound(arriving, Standing::Agent, party.id);
    entry.direction = Direction::Outbound;
    entry.answers = answered_entry(arriving, known);
    (entry.author, entry.author_name) = match (author, mailbox_of(policy, case)) {
        (Some(agent), _) => (agent.name.clone(), agent.public_name.clone()),
        (None, Some(mailbox)) => (mailbox.name.clone(), mailbox.display_name.clone()),
        (None, None) => (case.mailbox.clone(), case.mailbox.clone()),
    };
    let by = entry.author.clone();
    let crossed = crossed(arriving, known, entry.answers);
    sheet.push(Effect::Found(case.key, Box::new(entry)));
    let detail = format!("{} was answered from the mailbox itself", party.person.address);
    sheet.log(case.key, "answered", &by, "R49", &detail);
    if !party.aside {
        own(&mut sheet, arriving, known, author);
        let status = match (crossed, case.status) {
            (false, _) => Status::Waiting,
            (true, Status::New) => Status::Open,
            (true, same) => same,
        };
        sheet.set_status(case, status, &by, "R49");
    }
    sheet.done(Outcome::Handled, "R49", "an answer that was written from the mailbox itself", Some(case.key))
}

/// The first to answer owns the case, where From says who that was. Others who hold its relay hear of it in one line, once.
fn own<'a>(sheet: &mut Sheet<'_>, arriving: &Arriving<'a>, known: &'a CaseView, author: Option<&'a Agent>) {
    let policy: &'a Policy = arriving.policy;
    let case = &known.case;
    if case.owner.as_ref().is_some_and(|owner| policy.agents.contains_key(owner)) {
        return;
    }
    let writing = |agent| Writing { arriving: *arriving, known, agent, parent: Parent::Nothing };
    let working = agents_of(policy, &case.mailbox);
    if let Some(agent) = author.filter(|a| working.iter().any(|w| w.name == a.name)) {
        sheet.push(Effect::SetOwner(case.key, Some(agent.name.clone())));
        let detail = format!("{} answered first, from the mailbox itself", agent.name);
        sheet.log(case.key, "owner", &agent.name, "R49", &detail);
        if !arriving.arrival.old {
            tell_taken(sheet, &writing(agent), agent);
        }
        return;
    }
    let answered = |e: &Entry| e.direction == Direction::Outbound && e.standing == Standing::Agent;
    if arriving.arrival.old || known.entries.iter().any(|(_, e)| answered(e)) {
        return;
    }
    let line = format!("Case #{} was answered from the mailbox itself.", case.reference);
    for agent in working.into_iter().filter(|a| known.agent_mail.contains_key(&a.name)) {
        confirm(sheet, &writing(agent), agent, &line, "");
    }
}

/// The entry that it answers.
fn answered_entry(arriving: &Arriving<'_>, known: &CaseView) -> Option<i64> {
    let view = arriving.view;
    let entry = |id| view.known_ids.iter().find(|k| k.id == id).and_then(|k| k.entry);
    ancestors(&arriving.arrival.mail)
        .into_iter()
        .filter_map(entry)
        .find(|id| known.entries.iter().any(|(e, _)| e == id))
}

/// Did somebody write after the mail that it answers, and reach us after it was written? Then they still wait.
fn crossed(arriving: &Arriving<'_>, known: &CaseView, answers: Option<i64>) -> bool {
    let written_ms = arriving.arrival.mail.date_ms.unwrap_or(arriving.event.at_ms);
    known.entries.iter().any(|(id, entry)| {
        entry.direction == Direction::Inbound
            && !entry.silent
            && entry.standing.may().runs_the_clock
            && answers.is_some_and(|answered| *id > answered)
            // a Date has whole seconds
            && entry.at_ms.div_euclid(1000) > written_ms.div_euclid(1000)
    })
}
