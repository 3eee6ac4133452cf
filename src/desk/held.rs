//! What an agent wrote and was not sent.
//!
//! Decides   whether the words wait for a word of the agent's (`#send`, R33) or must be written anew (R40, R43, R46).
//! Never     sends by halves, and never loses a word: they come back with the reason.

use minijinja::context;

use crate::mail::render::Draft;
use crate::mail::{MessageId, Nature};

use super::agent::Writing;
use super::answer::{self, Answer, Manner, Words};
use super::arriving::Arriving;
use super::case::{Case, Direction, Entry, Held};
use super::command::{self, Command};
use super::confirm::{news, to_agent};
use super::customer;
use super::guard::Guard;
use super::letters::Letter;
use super::loops::may_tell;
use super::orders::{obey, parties_after};
use super::outgoing::{Sheet, ToAgent, agents_of, earlier, mailbox_of};
use super::parent::Parent;
use super::recipients;
use super::standing::Standing;
use super::token::PartyId;
use super::who::nobody;
use super::{CaseView, Decision, EntryLink, Outcome, Purpose};

/// What is done with words that may not leave now.
#[derive(Debug, Clone)]
pub struct Hold<'a> {
    rule: &'static str,
    reason: String,
    remedy: String,
    /// They wait; else they must be written anew.
    waits: Option<Words>,
    /// Commands that count all the same (R40).
    obeys: &'a [Command],
    /// The author is the agent, without a doubt.
    by_agent: bool,
    /// What they had not seen (R48).
    seen: String,
}

impl<'a> Hold<'a> {
    /// They must be written anew.
    #[must_use]
    pub fn mend(rule: &'static str, reason: &str, remedy: &str) -> Self {
        let (reason, remedy) = (reason.to_owned(), remedy.to_owned());
        Hold { rule, reason, remedy, waits: None, obeys: &[], by_agent: true, seen: String::new() }
    }

    /// They wait for `#send`, or for a word that says to whom.
    #[must_use]
    pub fn waits(rule: &'static str, reason: &str, remedy: &str, words: &Words) -> Self {
        Hold { waits: Some(words.clone()), ..Hold::mend(rule, reason, remedy) }
    }

    /// These commands are carried out all the same.
    #[must_use]
    pub fn obeying(self, commands: &'a [Command]) -> Self {
        Hold { obeys: commands, ..self }
    }

    /// With what the agent had not seen (R48).
    #[must_use]
    pub fn showing(self, seen: String) -> Self {
        Hold { seen, ..self }
    }

    /// Why, and how it is mended.
    #[must_use]
    pub fn words(self) -> (String, String) {
        (self.reason, self.remedy)
    }

    /// Nobody knows whether the agent wrote it.
    #[must_use]
    pub fn in_doubt(self) -> Self {
        Hold { by_agent: false, ..self }
    }
}

/// Kept, and the registered agent gets the reason and the words; nothing is sent.
#[must_use]
pub fn held(writing: &Writing<'_>, mut hold: Hold<'_>) -> Decision {
    let arriving = &writing.arriving;
    let case = &writing.known.case;
    let mut sheet = Sheet::new(arriving.event, arriving.policy);
    let findings = hold.waits.as_ref().map(|words| in_files(writing, words)).unwrap_or_default();
    if !findings.is_empty() {
        hold.reason = format!("{} It also held what customers must not see: {}.", hold.reason, findings.join("; "));
        hold.remedy = "Take it out and send your reply again.".to_owned();
        hold.waits = None;
    }
    let mut entry = kept(arriving, if hold.by_agent { Standing::Agent } else { Standing::Unverified });
    if hold.by_agent {
        entry.author.clone_from(&writing.agent.name);
        entry.author_name.clone_from(&writing.agent.display_name);
    }
    entry.answers = answered(writing).map(|(id, _)| *id);
    let reading = &arriving.arrival.agent_reading;
    let words = match &hold.waits {
        Some(words) => {
            entry.held = Held::Waits;
            entry.text.clone_from(&words.text);
            entry.html = words.html.clone().unwrap_or_default();
            entry.parts.clone_from(&words.parts);
            &words.text
        }
        None if reading.words.trim().is_empty() => &arriving.arrival.mail.text,
        None => &reading.words,
    };
    sheet.append(case.key, entry);
    sheet.log(case.key, "held", "yesreply", hold.rule, &hold.reason);
    let done = obey(&mut sheet, writing, hold.obeys);
    news(&mut sheet, writing, &done);
    if !may_tell(arriving, writing.known) {
        let detail = "there were many notices within the hour; the digest names it";
        sheet.log(case.key, "not_told", "yesreply", "R52", detail);
        return sheet.done(Outcome::Held, hold.rule, &hold.reason, Some(case.key));
    }
    let values = context! { reason => hold.reason, remedy => hold.remedy, words, seen => hold.seen };
    let written = arriving.policy.letters.write(Letter::Returned, &values);
    to_agent(&mut sheet, writing, writing.agent, EntryLink::Appended, written, Vec::new());
    sheet.done(Outcome::Held, hold.rule, &hold.reason, Some(case.key))
}

/// What the leak guard finds in the files of words that wait. It looks now, as they are decoded only while the mail
/// arrives, and as if nobody knew anything: to whom they go is said later.
fn in_files(writing: &Writing<'_>, words: &Words) -> Vec<String> {
    let Some(files) = words.files.as_deref().filter(|_| !words.parts.is_empty()) else {
        return Vec::new();
    };
    let draft = Draft {
        from: nobody(),
        to: vec![nobody()],
        cc: Vec::new(),
        reply_to: None,
        subject: String::new(),
        message_id: MessageId::from_parts("held", "unknown.invalid"),
        in_reply_to: None,
        references: Vec::new(),
        date_ms: writing.arriving.event.at_ms,
        headers: Vec::new(),
        text: String::new(),
        html: String::new(),
        parts: words.parts.clone(),
    };
    let guard = Guard { policy: writing.arriving.policy, entries: &writing.known.entries, recipient: PartyId::NOBODY };
    guard.findings(&draft, files)
}

/// The entry of a mail that is kept and shown to nobody but those whom the desk tells.
fn kept(arriving: &Arriving<'_>, standing: Standing) -> Entry {
    let mut entry = customer::inbound(arriving, standing, PartyId::NOBODY);
    entry.direction = Direction::Note;
    entry.silent = true;
    entry.held = Held::Mend;
    entry
}

/// The entry that an agent's mail answers: what the relay carried, or what held words of theirs answered.
#[must_use]
pub fn answered<'a>(writing: &Writing<'a>) -> Option<&'a (i64, Entry)> {
    let Parent::Ours(Some(target)) = writing.parent else {
        return None;
    };
    if target.1.held == Held::No {
        return Some(target);
    }
    target.1.answers.and_then(|id| writing.known.entries.iter().find(|(stored, _)| *stored == id))
}

/// The agent's words that wait: those that this mail is about, else the only ones (`matter`: that answer this entry).
#[must_use]
pub fn waiting<'a>(writing: &Writing<'a>, matter: Option<i64>) -> Option<&'a (i64, Entry)> {
    let known: &'a CaseView = writing.known;
    let theirs = |e: &Entry| e.held == Held::Waits && e.author == writing.agent.name;
    if let Parent::Ours(Some(target)) = writing.parent
        && theirs(&target.1)
    {
        return Some(target);
    }
    let mut all = known.entries.iter().filter(|(_, e)| theirs(e) && (matter.is_none() || e.answers == matter));
    let last = all.next_back()?;
    (matter.is_some() || all.next_back().is_none()).then_some(last)
}

/// `#send`: what was held is sent (R40, R48).
#[must_use]
pub fn send(writing: &Writing<'_>, words: &Words, commands: &[Command]) -> Decision {
    if !words.are_none() {
        let remedy = "Send #send alone, or your words without it as a reply to a mail of the case.";
        return held(
            writing,
            Hold::mend("R40", "#send sends the held words as they are, and yours has others.", remedy),
        );
    }
    let Some(found) = waiting(writing, None) else {
        let remedy = "Reply to the mail that brought your words back.";
        return held(
            writing,
            Hold::mend("R40", "No words of yours wait, or more than one mail of yours does.", remedy),
        );
    };
    let entry = |id: i64| writing.known.entries.iter().find(|(stored, _)| *stored == id);
    let target = found.1.answers.and_then(entry);
    if target.is_some_and(|(_, e)| e.direction == Direction::Inbound && !e.standing.may().is_answered) {
        let remedy = command::settling_words();
        return held(writing, Hold::mend("R33", "Nobody knows yet to whom it should go.", &remedy));
    }
    let parties = parties_after(writing, commands);
    let recipients = recipients::of_answer(&writing.known.case, &parties, target.map(|(_, e)| e));
    let sheet = Sheet::new(writing.arriving.event, writing.arriving.policy);
    let answer = Answer { recipients, target, manner: Manner::Reply, words: Words::of_held(found) };
    answer::send(writing, sheet, &answer, commands)
}

/// An agent who is no longer in the config wrote: held, and the others see it (R40).
#[must_use]
pub fn by_removed_agent(arriving: &Arriving<'_>, known: &CaseView) -> Decision {
    let case: &Case = &known.case;
    let mut sheet = Sheet::new(arriving.event, arriving.policy);
    let reason = "the reply address belongs to somebody who is no agent any more";
    sheet.append(case.key, kept(arriving, Standing::Unverified));
    sheet.log(case.key, "held", "yesreply", "R40", reason);
    let policy = arriving.policy;
    let tells = arriving.arrival.mail.nature == Nature::Personal && may_tell(arriving, known);
    if let Some(mailbox) = mailbox_of(policy, case).filter(|_| tells) {
        let author = arriving.arrival.mail.author().map(|a| a.address.to_string()).unwrap_or_default();
        let line = format!(
            "{author} answered case #{} on an address of somebody who is no agent any more; nothing was sent.",
            case.reference
        );
        for agent in agents_of(policy, &case.mailbox) {
            let values = context! { line, words => arriving.arrival.agent_reading.words };
            sheet.to_agent(
                mailbox,
                ToAgent {
                    case,
                    earlier: earlier(Some(known), &agent.name),
                    agent,
                    from_name: mailbox.display_name.clone(),
                    written: policy.letters.write(Letter::Confirm, &values),
                    parts: Vec::new(),
                    purpose: Purpose::Notice,
                    entry: EntryLink::Nothing,
                },
            );
        }
    }
    sheet.done(Outcome::Held, "R40", reason, Some(case.key))
}
