//! Lines of the desk to an agent, in the thread of the case (R42, R92).

use minijinja::context;

use crate::mail::render::Part;

use super::agent::Writing;
use super::case::{Direction, Entry};
use super::command::{self, Command};
use super::letters::{Letter, Written};
use super::orders::{Done, nothing_was_sent, obey};
use super::outgoing::{Sheet, ToAgent, earlier, mailbox_of};
use super::parent::Parent;
use super::policy::{Agent, Mailbox};
use super::relay::{percent_encoded, relay_address, when};
use super::thread::relay_subject;
use super::view::Work;
use super::{Decision, EntryLink, Outcome, Purpose, What, absence};

/// Characters of one entry of a history.
const HISTORY_CHARS_MAX: usize = 20_000;

/// A reply that holds only commands sends nothing to the customer.
#[must_use]
pub fn orders(writing: &Writing<'_>, commands: &[Command]) -> Decision {
    let case = &writing.known.case;
    let mut sheet = Sheet::new(writing.arriving.event, writing.arriving.policy);
    let done = obey(&mut sheet, writing, commands);
    returned(&mut sheet, writing, commands);
    let mut lines = done.lines;
    lines.extend(done.news);
    if lines.is_empty() {
        return sheet.done(Outcome::Handled, "R42", "commands only", Some(case.key));
    }
    let line = format!("{}; {}.", lines.join("; "), nothing_was_sent(writing));
    confirm(&mut sheet, writing, writing.agent, &line, "");
    sheet.done(Outcome::Handled, "R42", &line, Some(case.key))
}

/// What is told where the agent's words went out: what they would not see otherwise.
pub fn news(sheet: &mut Sheet<'_>, writing: &Writing<'_>, done: &Done) {
    if !done.news.is_empty() {
        let line = format!("{}.", done.news.join("; "));
        confirm(sheet, writing, writing.agent, &line, "");
    }
}

/// What an agent asked to read.
pub fn returned(sheet: &mut Sheet<'_>, writing: &Writing<'_>, commands: &[Command]) {
    for command in commands {
        match command {
            Command::Original => original(sheet, writing),
            Command::History => history(sheet, writing),
            Command::Status => status(sheet, writing),
            Command::Help => confirm(sheet, writing, writing.agent, "The words, one a line, above your text", &help()),
            _ => {}
        }
    }
}

/// Every word and what it does, then the page for agents.
#[must_use]
pub fn help() -> String {
    let words: Vec<String> = command::all_words().into_iter().map(|(name, does)| format!("#{name}: {does}")).collect();
    format!("{}\n\n{}", words.join("\n"), include_str!("../../docs/agents.md"))
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

/// All that was said, oldest first.
fn history(sheet: &mut Sheet<'_>, writing: &Writing<'_>) {
    let case = &writing.known.case;
    let Some(mailbox) = mailbox_of(writing.arriving.policy, case) else {
        return;
    };
    let said: Vec<String> =
        writing.known.entries.iter().filter(|(_, e)| !e.silent).map(|(_, e)| item(e, mailbox)).collect();
    let line = format!("Case #{}, {}: all that was said", case.reference, case.subject);
    confirm(sheet, writing, writing.agent, &line, &said.join("\n\n"));
}

fn item(entry: &Entry, mailbox: &Mailbox) -> String {
    let to = if entry.to.is_empty() { String::new() } else { format!(" to {}", entry.to.join(", ")) };
    let kind = match entry.direction {
        Direction::Note => " (note)".to_owned(),
        Direction::Inbound => String::new(),
        Direction::Outbound => to,
    };
    let text: String = entry.text.trim().chars().take(HISTORY_CHARS_MAX).collect();
    let indented: Vec<String> = text.lines().map(|l| format!("    {l}")).collect();
    format!("{}  {}{kind}\n{}", when(entry.at_ms, &mailbox.time_zone), entry.author_name, indented.join("\n"))
}

/// How the case stands, and what else the agent has to do.
fn status(sheet: &mut Sheet<'_>, writing: &Writing<'_>) {
    let case = &writing.known.case;
    let Some(mailbox) = mailbox_of(writing.arriving.policy, case) else {
        return;
    };
    let mut line = format!(
        "Case #{} is {}, owner {}, priority {}",
        case.reference,
        case.status.word(),
        case.owner.as_deref().unwrap_or("nobody"),
        case.handling.priority.word()
    );
    if !case.handling.tags.is_empty() {
        line.push_str(&format!(", tags {}", case.handling.tags.join(", ")));
    }
    if let Some(until_ms) = case.handling.snoozed_until_ms {
        line.push_str(&format!(", put aside until {}", when(until_ms, &mailbox.time_zone)));
    }
    confirm(sheet, writing, writing.agent, &line, &work(&writing.arriving.view.work, mailbox));
}

/// An agent's open cases.
#[must_use]
pub fn work(work: &[Work], mailbox: &Mailbox) -> String {
    match work {
        [] => "You own no open case.".to_owned(),
        _ => format!("Your open cases:\n{}", absence::list(&work.iter().collect::<Vec<_>>(), mailbox)),
    }
}

/// One line to an agent, in the thread of the case.
pub fn confirm(sheet: &mut Sheet<'_>, writing: &Writing<'_>, agent: &Agent, line: &str, words: &str) {
    let written = writing.arriving.policy.letters.write(Letter::Confirm, &context! { line, words });
    to_agent(sheet, writing, agent, carried(writing), written, Vec::new());
}

/// One line with a word that can be sent back without typing.
pub fn offer(sheet: &mut Sheet<'_>, writing: &Writing<'_>, line: &str, word: &str, link: EntryLink) {
    let case = &writing.known.case;
    let Some(mailbox) = mailbox_of(writing.arriving.policy, case) else {
        return;
    };
    let tokened = relay_address(writing.arriving.policy, mailbox, case, writing.agent);
    let subject_encoded = percent_encoded(&relay_subject(case, true));
    let values = context! { line, words => "", offers => [word], tokened, subject_encoded };
    let written = writing.arriving.policy.letters.write(Letter::Confirm, &values);
    to_agent(sheet, writing, writing.agent, link, written, Vec::new());
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
    // who orders from the command line reads it there
    let elsewhere = matches!(writing.arriving.event.what, What::Ordered(_)) && agent.name == writing.agent.name;
    let Some(mailbox) = mailbox_of(writing.arriving.policy, case).filter(|_| !elsewhere) else {
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
