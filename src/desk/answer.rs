//! An agent's words become a mail to the customer.
//!
//! Decides   under which name they go, with which parts; whether the leak guard lets them leave.
//! Follows   R2, R3, R15, R20, R45, R46; the table of threads.
//! Never     takes a subject, an address or a header field from the agent's mail.

use minijinja::context;

use crate::mail::Attachment;
use crate::mail::html;
use crate::mail::render::{Draft, Part};
use crate::mail::reply::Reading;

use super::agent::Writing;
use super::case::{Direction, Entry, Held, Status, party_of};
use super::command::Command;
use super::confirm::{confirm, obey};
use super::customer::outbound;
use super::guard::Guard;
use super::held::{Hold, held};
use super::letters::Letter;
use super::outgoing::{Sheet, ToCustomer, mailbox_of};
use super::policy::{Agent, Mailbox};
use super::recipients::Recipients;
use super::standing::Standing;
use super::thread::answer_subject;
use super::token::PartyId;
use super::{Arrival, CaseView, Decision, Effect, Outcome, Purpose};

/// What an agent wants to say.
#[derive(Debug, Clone, Default)]
pub struct Words {
    /// Text, commands taken off.
    pub text: String,
    /// The same as HTML, not sanitised; `None` where there is none.
    pub html: Option<String>,
    /// Files that go along.
    pub parts: Vec<Part>,
    /// The same files decoded, for the leak guard; `None` where it has seen them.
    pub files: Option<Vec<Attachment>>,
    /// The held entry that they stood in.
    pub held: Option<i64>,
}

impl Words {
    /// The words of a mail that has just come.
    #[must_use]
    pub fn of_mail(arrival: &Arrival, reading: &Reading) -> Self {
        let shown = reading.words_html.as_deref();
        let files = arrival.mail.attachments.iter().filter(|a| !is_of_the_agents_mail(&a.media_type)).cloned();
        Words {
            text: reading.words.clone(),
            html: reading.words_html.clone(),
            parts: parts(arrival, shown),
            files: Some(files.collect()),
            held: None,
        }
    }

    /// Words that were held; the guard has seen their files.
    #[must_use]
    pub fn of_held((id, entry): &(i64, Entry)) -> Self {
        Words {
            text: entry.text.clone(),
            html: Some(entry.html.clone()).filter(|h| !h.is_empty()),
            parts: entry.parts.clone(),
            files: None,
            held: Some(*id),
        }
    }

    /// Is there nothing to send?
    #[must_use]
    pub fn are_none(&self) -> bool {
        self.text.trim().is_empty() && self.parts.is_empty()
    }

    /// Without a line that somebody else wrote.
    fn without_quotes(&self) -> Self {
        let own: Vec<&str> = self.text.lines().filter(|l| !l.trim_start().starts_with('>')).collect();
        Words { text: own.join("\n"), html: None, ..self.clone() }
    }
}

/// An answer before it is checked.
#[derive(Debug)]
pub struct Answer<'a> {
    /// To whom.
    pub recipients: Recipients,
    /// The entry that it answers.
    pub target: Option<&'a (i64, Entry)>,
    /// Nothing of the case may be quoted (`#only`).
    pub bare: bool,
    /// What is said.
    pub words: Words,
}

/// Sends an agent's words, or holds them; what stands on the sheet already happens only if they leave.
#[must_use]
pub fn send(writing: &Writing<'_>, mut sheet: Sheet<'_>, answer: &Answer<'_>, commands: &[Command]) -> Decision {
    let policy = writing.arriving.policy;
    let case = &writing.known.case;
    let mend = |rule, reason: &str, remedy| held(writing, Hold::mend(rule, reason, remedy));
    let Some(mailbox) = mailbox_of(policy, case) else {
        return mend("R40", "The mailbox of this case is no longer in the config.", "Ask your operator.");
    };
    let unwritable = answer.recipients.all().find(|p| !crate::mail::render::can_be_written(&p.address));
    if let Some(person) = unwritable {
        let reason = format!("{} is no address that mail can be sent to.", person.address);
        return mend("R46", &reason, "Write to them by another way.");
    }
    let mut words = if answer.bare { answer.words.without_quotes() } else { answer.words.clone() };
    let mut findings = Vec::new();
    let mut ready = None;
    for attempt in 0..2 {
        let (mail, said, lost_address) = to_customer(writing, mailbox, answer, &words);
        let Some(draft) = sheet.customer_draft(mailbox, &mail) else {
            return mend("R22", "The address is one of our own.", "Write to them by another way.");
        };
        findings = guarded(writing, answer, &draft, words.files.as_deref());
        let passes = findings.is_empty();
        ready = passes.then_some((mail, draft, said, lost_address));
        // what one recipient may read in a quote another may not: then nobody gets quotes
        if passes || attempt > 0 || answer.recipients.cc.is_empty() {
            break;
        }
        words = words.without_quotes();
    }
    let Some((mail, draft, said, lost_address)) = ready else {
        let reason = format!("It held what customers must not see: {}.", findings.join("; "));
        return mend("R46", &reason, "Take it out and send your reply again.");
    };
    let mut entry = outbound(&draft, &writing.agent.name, &writing.agent.public_name, Standing::Agent, case, &said);
    entry.answers = answer.target.map(|(id, _)| *id);
    sheet.append(case.key, entry);
    sheet.send_to_customer(mailbox, &mail, &draft);
    if let Some(id) = words.held {
        sheet.push(Effect::SetHeld(id, Held::Sent));
    }
    settle_case(&mut sheet, writing, mailbox, commands);
    if lost_address && !has_answered(writing.known, writing.agent) {
        let line = "Your private address stood in your text and was taken out; customers see the desk's.";
        confirm(&mut sheet, writing, writing.agent, line, "");
    }
    sheet.done(Outcome::Handled, "R40", "an agent's answer", Some(case.key))
}

/// The mail, the words as they leave, and whether a private address was taken out of them.
fn to_customer<'a>(
    writing: &Writing<'a>,
    mailbox: &Mailbox,
    answer: &Answer<'a>,
    words: &Words,
) -> (ToCustomer<'a>, String, bool) {
    let case = &writing.known.case;
    let (said, words_html, lost_address) = without_private_addresses(words, writing.agent);
    let values = context! { words => said.trim_end(), words_html };
    let parent = answered(writing.known, answer);
    let mail = ToCustomer {
        case,
        recipients: answer.recipients.clone(),
        from_name: format!("{} at {}", writing.agent.public_name, mailbox.display_name),
        subject: parent.map_or_else(|| answer_subject(&case.subject), |e| answer_subject(&e.subject)),
        parent,
        written: writing.arriving.policy.letters.write(Letter::Answer, &values),
        parts: words.parts.clone(),
        purpose: Purpose::Answer,
        unauthenticated: false,
    };
    (mail, said, lost_address)
}

/// What the leak guard finds, for whichever recipient (R46).
fn guarded(writing: &Writing<'_>, answer: &Answer<'_>, draft: &Draft, files: Option<&[Attachment]>) -> Vec<String> {
    let mut findings = Vec::new();
    let without_files;
    let (draft, files) = match files {
        Some(files) => (draft, files),
        None => {
            without_files = Draft { parts: Vec::new(), ..draft.clone() };
            (&without_files, [].as_slice())
        }
    };
    for person in answer.recipients.all() {
        let recipient = PartyId::of_party(writing.known.case.key, &person.address);
        let guard = Guard { policy: writing.arriving.policy, entries: &writing.known.entries, recipient };
        findings.extend(guard.findings(draft, files));
    }
    findings.sort();
    findings.dedup();
    findings
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
    if !commands.contains(&Command::Close) {
        sheet.set_status(case, Status::Waiting, &writing.agent.name, "R40");
    }
    obey(sheet, writing, commands);
}

/// The mail that the answer goes under: the one that the relay carried, else the last that this person wrote.
fn answered<'a>(known: &'a CaseView, answer: &Answer<'a>) -> Option<&'a Entry> {
    let target = answer.target.map(|(_, e)| e).filter(|e| e.direction == Direction::Inbound);
    if answer.bare {
        return target;
    }
    let number = party_of(&known.parties, &answer.recipients.to.address).map(|p| p.id);
    let theirs = |e: &&Entry| {
        let wrote = Some(e.party) == number || e.from == answer.recipients.to.address.to_string();
        e.direction == Direction::Inbound && !e.silent && wrote
    };
    target.filter(theirs).or_else(|| known.entries.iter().rev().map(|(_, e)| e).find(theirs))
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
fn without_private_addresses(said: &Words, agent: &Agent) -> (String, String, bool) {
    let fragment = match &said.html {
        Some(fragment) => html::clean(fragment),
        None => html::from_text(&said.text),
    };
    let mut words = said.text.clone();
    let mut words_html = fragment;
    let mut lost = false;
    let in_a_signature =
        |a: &&crate::mail::Address| only_in_a_signature(&said.text, &a.to_string().to_ascii_lowercase());
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
fn parts(arrival: &Arrival, words_html: Option<&str>) -> Vec<Part> {
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
