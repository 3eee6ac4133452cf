//! An agent's words become a mail to the customer.
//!
//! Decides   to whom it goes, under which name, with which parts; whether the leak guard lets it leave.
//! Follows   R3, R15, R33, R45, R46; the table of threads.
//! Never     takes a subject, an address or a header field from the agent's mail.

use minijinja::context;

use crate::mail::Attachment;
use crate::mail::render::Part;
use crate::mail::reply::Reading;
use crate::mail::{NameAddr, html};

use super::agent::{Writing, confirm, held, obey};
use super::case::{Direction, Entry, Standing, Status, party_of};
use super::command::Command;
use super::customer::outbound;
use super::guard::Guard;
use super::letters::Letter;
use super::outgoing::{Sheet, ToCustomer, mailbox_of};
use super::policy::{Agent, Mailbox};
use super::thread::answer_subject;
use super::token::PartyId;
use super::{Arrival, CaseView, Decision, Effect, Outcome, Purpose};

/// Sends an agent's words, or holds them.
#[must_use]
pub fn send(writing: &Writing<'_>, target: Option<&(i64, Entry)>, reading: &Reading, commands: &[Command]) -> Decision {
    let arriving = &writing.arriving;
    let policy = arriving.policy;
    let case = &writing.known.case;
    if target.is_some_and(|(_, e)| e.direction == Direction::Inbound && e.standing == Standing::Unverified) {
        return held(
            writing,
            "R33",
            "The mail that you answer came from somebody whom this case does not know.",
            "To answer the customer, reply to a mail of theirs instead.",
        );
    }
    let Some(mailbox) = mailbox_of(policy, case) else {
        return held(writing, "R40", "The mailbox of this case is no longer in the config.", "Ask your operator.");
    };
    let person = recipient(writing.known, target.map(|(_, e)| e));
    let parent = answered(writing.known, target, &person);
    let (words, words_html, lost_address) = without_private_addresses(reading, writing.agent);
    let values = context! { words => words.trim_end(), words_html };
    let mut sheet = Sheet::new(arriving.event, policy);
    let mail = ToCustomer {
        case,
        person: &person,
        from_name: format!("{} at {}", writing.agent.public_name, mailbox.display_name),
        subject: parent.map_or_else(|| answer_subject(&case.subject), |e| answer_subject(&e.subject)),
        parent,
        written: policy.letters.write(Letter::Answer, &values),
        parts: parts(arriving.arrival, Some(&words_html)),
        purpose: Purpose::Answer,
        unauthenticated: false,
    };
    let Some(draft) = sheet.customer_draft(mailbox, &mail) else {
        return held(writing, "R22", "The customer's address is one of our own.", "Write to them by another way.");
    };
    if !crate::mail::render::can_be_written(&person.address) {
        let reason = format!("{} is no address that mail can be sent to.", person.address);
        return held(writing, "R46", &reason, "Write to the customer by another way.");
    }
    let number = PartyId::of_party(case.key, &person.address);
    let guard = Guard { policy, entries: &writing.known.entries, recipient: number };
    let leave: Vec<Attachment> =
        arriving.arrival.mail.attachments.iter().filter(|a| !is_of_the_agents_mail(&a.media_type)).cloned().collect();
    let findings = guard.findings(&draft, &leave);
    if !findings.is_empty() {
        let reason = format!("It held what customers must not see: {}.", findings.join("; "));
        return held(writing, "R46", &reason, "Take it out and send your reply again.");
    }
    let entry = outbound(&draft, &writing.agent.name, &writing.agent.public_name, Standing::Agent, case, &words);
    sheet.append(case.key, entry);
    sheet.send_to_customer(mailbox, &mail, draft);
    settle_case(&mut sheet, writing, mailbox, commands);
    if lost_address && !has_answered(writing.known, writing.agent) {
        let line = "Your private address stood in your text and was taken out; customers see the desk's.";
        confirm(&mut sheet, writing, writing.agent, line, "");
    }
    sheet.done(Outcome::Handled, "R40", "an agent's answer", Some(case.key))
}

/// The first to answer owns the case; then it is the customer's turn, or it is closed.
fn settle_case(sheet: &mut Sheet<'_>, writing: &Writing<'_>, mailbox: &Mailbox, commands: &[Command]) {
    let case = &writing.known.case;
    let policy = writing.arriving.policy;
    let owned = case.owner.as_ref().is_some_and(|o| policy.agents.contains_key(o));
    if !owned {
        sheet.push(Effect::SetOwner(case.key, Some(writing.agent.name.clone())));
        let detail = format!("{} answered first at {}", writing.agent.name, mailbox.name);
        sheet.log(case.key, "owner", &writing.agent.name, "R40", &detail);
    }
    if commands.contains(&Command::Close) {
        obey(sheet, case, writing.agent, commands);
    } else {
        sheet.set_status(case, Status::Waiting, &writing.agent.name, "R40");
    }
}

/// The party whose mail the relay carried (R15), else the customer.
fn recipient(known: &CaseView, target: Option<&Entry>) -> NameAddr {
    target
        .filter(|e| e.direction == Direction::Inbound)
        .and_then(|e| known.parties.iter().find(|p| p.id == e.party))
        .map_or_else(|| known.case.customer.clone(), |p| p.person.clone())
}

/// The mail that the answer goes under: the one the relay carried, else the last that this person wrote.
fn answered<'a>(known: &'a CaseView, target: Option<&'a (i64, Entry)>, person: &NameAddr) -> Option<&'a Entry> {
    let number = party_of(&known.parties, &person.address).map(|p| p.id);
    let theirs = |e: &&Entry| e.direction == Direction::Inbound && !e.silent && Some(e.party) == number;
    target.map(|(_, e)| e).filter(theirs).or_else(|| known.entries.iter().rev().map(|(_, e)| e).find(theirs))
}

fn has_answered(known: &CaseView, agent: &Agent) -> bool {
    known.entries.iter().any(|(_, e)| e.direction == Direction::Outbound && e.author == agent.name)
}

/// Lines at the end in which a signature may stand.
const SIGNATURE_LINES: usize = 8;

/// Does every line that names this address look like a line of a signature? In a sentence of the agent's it is meant,
/// and taking it out would send something else than was written.
fn only_in_a_signature(words: &str, address: &str) -> bool {
    let lines: Vec<&str> = words.lines().filter(|l| !l.trim().is_empty()).collect();
    let end = lines.len().saturating_sub(SIGNATURE_LINES);
    lines.iter().enumerate().filter(|(_, l)| l.to_ascii_lowercase().contains(address)).all(|(at, line)| {
        let rest = line.to_ascii_lowercase().replace("mailto:", "").replace(address, "");
        let bare = !rest.chars().any(char::is_alphanumeric);
        at >= end && (bare || rest.contains(['|', '•', '·', '–', ':', '/', '<', '(', '[']))
    })
}

/// The words without the agent's registered addresses (R46), and whether one was there.
fn without_private_addresses(reading: &Reading, agent: &Agent) -> (String, String, bool) {
    let fragment = match &reading.words_html {
        Some(fragment) => html::clean(fragment),
        None => html::from_text(&reading.words),
    };
    let mut words = reading.words.clone();
    let mut words_html = fragment;
    let mut lost = false;
    let in_a_signature =
        |a: &&crate::mail::Address| only_in_a_signature(&reading.words, &a.to_string().to_ascii_lowercase());
    for address in agent.addresses.iter().filter(in_a_signature) {
        for text in [&mut words, &mut words_html] {
            let shorter = without(text, &address.to_string());
            lost |= shorter != *text;
            *text = shorter;
        }
    }
    (words, words_html, lost)
}

/// Every occurrence taken out, whatever its letter case; `mailto:` before it and empty brackets round it too.
fn without(text: &str, address: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let needle = address.to_ascii_lowercase();
    if needle.is_empty() || !lower.contains(&needle) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut done = 0usize;
    for (at, found) in lower.match_indices(&needle) {
        out.push_str(text.get(done..at).unwrap_or_default());
        done = at.saturating_add(found.len());
    }
    out.push_str(text.get(done..).unwrap_or_default());
    out.replace("mailto:\"", "\"").replace("<>", "").replace("&lt;&gt;", "")
}

/// Signatures, keys and containers of the agent's own mail: they hold the private address, and sign another mail than
/// the one that leaves.
fn is_of_the_agents_mail(media_type: &str) -> bool {
    const TYPES: [&str; 8] = [
        "application/pkcs7-signature",
        "application/x-pkcs7-signature",
        "application/pkcs7-mime",
        "application/x-pkcs7-mime",
        "application/pgp-signature",
        "application/pgp-keys",
        "application/ms-tnef",
        "application/vnd.ms-tnef",
    ];
    TYPES.contains(&media_type)
}

/// What of the agent's attachments goes along: files, and images that the kept words show.
#[must_use]
pub fn parts(arrival: &Arrival, words_html: Option<&str>) -> Vec<Part> {
    let shows = |id: &str| words_html.is_some_and(|h| h.contains(&format!("cid:{id}")));
    arrival
        .parts
        .iter()
        .filter(|part| !is_of_the_agents_mail(&part.media_type))
        .filter(|part| match (&part.content_id, part.inline) {
            (Some(id), true) => shows(id),
            _ => true,
        })
        .cloned()
        .collect()
}
