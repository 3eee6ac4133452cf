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
use super::command::{self, Command};
use super::confirm::{confirm, news, returned};
use super::customer::outbound;
use super::effect::Lesson;
use super::guard::Guard;
use super::held::{Hold, held};
use super::letters::Letter;
use super::orders::obey;
use super::outgoing::{Sheet, ToCustomer, mailbox_of, shown};
use super::ownership::{tell_taken, watch_copied};
use super::policy::Mailbox;
use super::privacy::without_private_addresses;
use super::recipients::Recipients;
use super::standing::Standing;
use super::thread::answer_subject;
use super::token::PartyId;
use super::{Arrival, CaseView, Decision, Effect, Outcome, Purpose, recall};

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
        let mut words = Words {
            text: reading.words.clone(),
            html: reading.words_html.clone(),
            parts: parts(arrival, shown),
            files: Some(files.collect()),
            held: None,
        };
        words.rename_images();
        words
    }

    /// Clients name images after the domain that the mail is written in: it is taken off.
    fn rename_images(&mut self) {
        for id in self.parts.iter_mut().filter_map(|part| part.content_id.as_mut()) {
            let plain = format!("{}@inline", id.split('@').next().unwrap_or_default());
            self.html = self.html.take().map(|h| h.replace(&format!("\"cid:{id}\""), &format!("\"cid:{plain}\"")));
            *id = plain;
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

    /// With the operator's template of this name above them.
    #[must_use]
    pub fn with_template(mut self, writing: &Writing<'_>, name: Option<&str>) -> Self {
        let Some(name) = name else {
            return self;
        };
        let case = &writing.known.case;
        let values = context! {
            customer => shown(&case.customer), agent => writing.agent.public_name, reference => case.reference,
            subject => case.subject,
        };
        let text = writing.arriving.policy.letters.template(name, &values);
        if let Some(html) = &self.html {
            self.html = Some(format!("{}{html}", html::from_text(&text)));
        }
        self.text = format!("{}\n\n{}", text.trim_end(), self.text).trim_end().to_owned();
        self
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

/// How words go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// As an answer in the case.
    Reply,
    /// With nothing of the case (`#only`).
    Alone,
    /// As a question beside the case (`#ask`).
    Aside,
    /// As the first mail of a conversation (`#to`).
    First,
}

/// An answer before it is checked.
#[derive(Debug)]
pub struct Answer<'a> {
    /// To whom.
    pub recipients: Recipients,
    /// The entry that it answers.
    pub target: Option<&'a (i64, Entry)>,
    /// How.
    pub manner: Manner,
    /// What is said.
    pub words: Words,
}

/// An answer that may leave.
#[derive(Debug)]
pub struct Ready<'a> {
    mail: ToCustomer<'a>,
    draft: Draft,
    said: String,
    lost_address: bool,
}

impl Ready<'_> {
    /// The words as they leave.
    #[must_use]
    pub fn said(&self) -> &str {
        &self.said
    }
}

/// Sends an agent's words, or holds them; what stands on the sheet already happens only if they leave.
#[must_use]
pub fn send(writing: &Writing<'_>, sheet: Sheet<'_>, answer: &Answer<'_>, commands: &[Command]) -> Decision {
    send_all(writing, sheet, std::slice::from_ref(answer), commands)
}

/// The same to several, each in a mail of their own: all leave, or none does.
#[must_use]
pub fn send_all(writing: &Writing<'_>, mut sheet: Sheet<'_>, answers: &[Answer<'_>], commands: &[Command]) -> Decision {
    let case = &writing.known.case;
    let Some(mailbox) = mailbox_of(writing.arriving.policy, case) else {
        let reason = "The mailbox of this case is no longer in the config.";
        return held(writing, Hold::mend("R40", reason, "Ask your operator."));
    };
    let mut lost_address = false;
    let mut parts = Vec::new();
    let mut said = writing.known.clone();
    for answer in answers {
        let ready = match checked(writing, &mut sheet, mailbox, answer, commands) {
            Ok(ready) => ready,
            Err(hold) => return held(writing, *hold),
        };
        lost_address |= ready.lost_address;
        said = said.with(leave(&mut sheet, writing, mailbox, answer, &ready));
        parts.push(ready.mail.recipients.words());
        if let Some(id) = answer.words.held {
            sheet.push(Effect::SetHeld(id, Held::Sent));
        }
    }
    let asides = answers.iter().all(|a| is_aside(writing, a));
    settle_case(&mut sheet, &Writing { known: &said, ..*writing }, mailbox, commands, asides);
    if lost_address && !writing.arriving.view.told.contains(&writing.agent.name) {
        sheet.push(Effect::AgentTold(writing.agent.name.clone(), Lesson::PrivateAddress));
        let line = "Your private address stood in your text and was taken out; customers see the desk's.";
        confirm(&mut sheet, writing, writing.agent, line, "");
    }
    recall::tell(&mut sheet, writing, mailbox, &parts.join("; "));
    sheet.done(Outcome::Handled, "R40", "an agent's answer", Some(case.key))
}

/// What may leave, leaves; the entry of it.
pub fn leave(
    sheet: &mut Sheet<'_>,
    writing: &Writing<'_>,
    mailbox: &Mailbox,
    answer: &Answer<'_>,
    ready: &Ready<'_>,
) -> Entry {
    let case = &writing.known.case;
    let agent = writing.agent;
    let mut entry = outbound(&ready.draft, &agent.name, &agent.public_name, Standing::Agent, case, &ready.said);
    entry.answers = answer.target.map(|(id, _)| *id);
    sheet.append(case.key, entry.clone());
    sheet.send_to_customer(mailbox, &ready.mail, &ready.draft);
    entry
}

/// A mail beside the case: a question, or to somebody who was asked one.
fn is_aside(writing: &Writing<'_>, answer: &Answer<'_>) -> bool {
    let to = party_of(&writing.known.parties, &answer.recipients.to.address);
    answer.manner == Manner::Aside || to.is_some_and(|p| p.aside)
}

/// The mail as it may leave, or why it may not.
///
/// # Errors
/// What holds it.
pub fn checked<'a>(
    writing: &Writing<'a>,
    sheet: &mut Sheet<'_>,
    mailbox: &Mailbox,
    answer: &Answer<'a>,
    commands: &[Command],
) -> Result<Ready<'a>, Box<Hold<'a>>> {
    let unwritable = answer.recipients.all().find(|p| !crate::mail::render::can_be_written(&p.address));
    if let Some(person) = unwritable {
        let reason = format!("{} is no address that mail can be sent to.", person.address);
        return Err(Box::new(Hold::mend("R46", &reason, "Write to them by another way.")));
    }
    let quotes = matches!(answer.manner, Manner::Reply | Manner::First);
    let mut words = if quotes { answer.words.clone() } else { answer.words.without_quotes() };
    let mut findings = Vec::new();
    for attempt in 0..2 {
        let (mail, said, lost_address) = to_customer(writing, mailbox, answer, &words, commands);
        let Some(draft) = sheet.customer_draft(mailbox, &mail) else {
            return Err(Box::new(Hold::mend("R22", "The address is one of our own.", "Write to them by another way.")));
        };
        findings = guarded(writing, answer, &draft, words.files.as_deref());
        if findings.is_empty() {
            return Ok(Ready { mail, draft, said, lost_address });
        }
        // what one recipient may read in a quote another may not: then nobody gets quotes
        if attempt > 0 || answer.recipients.cc.is_empty() {
            break;
        }
        words = words.without_quotes();
    }
    let reason = format!("It held what customers must not see: {}.", findings.join("; "));
    Err(Box::new(Hold::mend("R46", &reason, "Take it out and send your reply again.")))
}

/// The mail, the words as they leave, and whether a private address was taken out of them.
fn to_customer<'a>(
    writing: &Writing<'a>,
    mailbox: &Mailbox,
    answer: &Answer<'a>,
    words: &Words,
    commands: &[Command],
) -> (ToCustomer<'a>, String, bool) {
    let case = &writing.known.case;
    let policy = writing.arriving.policy;
    let (said, words_html, lost_address) = without_private_addresses(words, writing.agent);
    // the company's signature, once: not below an agent's words that hold it
    let signature = Some(mailbox.signature.as_str())
        .filter(|s| !crate::mail::text::fold(&said).contains(&crate::mail::text::fold(s)));
    let signature = signature.unwrap_or_default();
    let values = context! { words => said.trim_end(), words_html, signature };
    let parent = answered(writing.known, answer);
    let subject = match (command::subject(commands), answer.manner) {
        (Some(subject), _) => subject.to_owned(),
        (None, Manner::Aside) => format!("A question of {} [#{}]", mailbox.display_name, case.reference),
        (None, Manner::First) => case.subject.clone(),
        (None, _) => parent.map_or_else(|| answer_subject(&case.subject), |e| answer_subject(&e.subject)),
    };
    let mail = ToCustomer {
        case,
        recipients: answer.recipients.clone(),
        from_name: format!("{} at {}", writing.agent.public_name, mailbox.display_name),
        subject,
        parent,
        in_topic: true,
        written: policy.letters.write(Letter::Answer, &values),
        parts: words.parts.clone(),
        purpose: Purpose::Answer,
        unauthenticated: false,
        not_before_ms: if policy.hold_ms > 0 { writing.arriving.event.at_ms.saturating_add(policy.hold_ms) } else { 0 },
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
fn settle_case(sheet: &mut Sheet<'_>, writing: &Writing<'_>, mailbox: &Mailbox, commands: &[Command], is_aside: bool) {
    let case = &writing.known.case;
    let policy = writing.arriving.policy;
    let owned = case.owner.as_ref().is_some_and(|o| policy.agents.contains_key(o));
    let gives = |c: &Command| matches!(c, Command::Take | Command::Assign(_) | Command::Release);
    if !owned && !commands.iter().any(gives) {
        sheet.push(Effect::SetOwner(case.key, Some(writing.agent.name.clone())));
        let detail = format!("{} answered first at {}", writing.agent.name, mailbox.name);
        sheet.log(case.key, "owner", &writing.agent.name, "R40", &detail);
        tell_taken(sheet, writing, writing.agent);
    }
    if !is_aside && !commands.iter().any(Command::sets_status) {
        sheet.set_status(case, Status::Waiting, &writing.agent.name, "R40");
    }
    watch_copied(sheet, writing);
    let done = obey(sheet, writing, commands);
    news(sheet, writing, &done);
    returned(sheet, writing, commands);
}

/// The mail that the answer goes under: the one that the relay carried, else the last that this person wrote.
fn answered<'a>(known: &'a CaseView, answer: &Answer<'a>) -> Option<&'a Entry> {
    let target = answer.target.map(|(_, e)| e).filter(|e| e.direction == Direction::Inbound);
    match answer.manner {
        Manner::Reply => {}
        Manner::Alone => return target,
        Manner::Aside | Manner::First => return None,
    }
    let number = party_of(&known.parties, &answer.recipients.to.address).map(|p| p.id);
    let theirs = |e: &&Entry| {
        let wrote = Some(e.party) == number || e.from == answer.recipients.to.address.to_string();
        e.direction == Direction::Inbound && !e.silent && wrote
    };
    target.filter(theirs).or_else(|| known.entries.iter().rev().map(|(_, e)| e).find(theirs))
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
