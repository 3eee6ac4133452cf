//! An agent writes to a case's tokened address.
//!
//! Decides   whether it is an answer to the customer, a note, or neither (R40, R42, R43, R47).
//! Never     sends by halves: what cannot be acted on goes back to the agent with the reason and their words,
//!           and nothing leaves. Rights are looked at now, not when the relay was sent.

use minijinja::context;

use crate::mail::references::{base_subject, case_tags};
use crate::mail::render::Part;
use crate::mail::verdict::Verdict;
use crate::mail::{Nature, ReturnPath};

use super::case::{Case, Direction, Entry, Standing, Status};
use super::command::{self, Command, Leading};
use super::letters::Letter;
use super::note::{note, note_of_colleague};
use super::outgoing::{Sheet, ToAgent, agents_of, earlier, mailbox_of, shown};
use super::policy::{Agent, RequireAuth};
use super::routing::{Arriving, Route, agent_by_address, agent_of};
use super::token::{Class, Found, PartyId, Token};
use super::{CaseView, Decision, EntryLink, Outcome, Purpose, Side, View};
use super::{answer, customer};

/// Held mails that an address hears of within an hour: an agent's own autoresponder may answer each (R52).
const NOTICES_PER_HOUR_MAX: u32 = 10;

/// An agent's mail under decision.
#[derive(Debug, Clone, Copy)]
pub struct Writing<'a> {
    /// The mail.
    pub arriving: Arriving<'a>,
    /// The case.
    pub known: &'a CaseView,
    /// The agent.
    pub agent: &'a Agent,
    /// The mail of ours that it answers.
    pub parent: Parent<'a>,
}

/// What an agent's mail answers.
#[derive(Debug, Clone, Copy)]
pub enum Parent<'a> {
    /// A mail that we sent to this agent in this case, and the entry that it carried.
    Ours(Option<&'a (i64, Entry)>),
    /// Another person's mail.
    Others,
    /// Nothing.
    Nothing,
}

/// Somebody wrote to an agent's address, or answers a mail of an agent.
#[must_use]
pub fn wrote(arriving: &Arriving<'_>, route: &Route, token: Token) -> Decision {
    let key = route.case.or(route.continues).unwrap_or(token.case);
    let Some(known) = arriving.view.cases.get(&key) else {
        return customer::wrote(arriving, &Route { token: None, ..route.clone() });
    };
    let author = arriving.arrival.mail.author().map(|a| &a.address);
    let colleague = author.and_then(|a| agent_by_address(arriving.policy, a));
    let Some(agent) = agent_of(arriving.policy, token.party) else {
        return by_removed_agent(arriving, known);
    };
    if !route.token_in_address && colleague.is_none() {
        return customer::wrote(arriving, route);
    }
    let parent = parent(arriving, known, agent);
    let writing = Writing { arriving: *arriving, known, agent, parent };
    let mail = &arriving.arrival.mail;
    if mail.nature.is_silent() {
        return automatic(&writing);
    }
    // machines send with an empty reverse-path, people do not (R50)
    let ordinary =
        (mail.nature == Nature::Personal || mail.nature_by_words) && mail.return_path != Some(ReturnPath::Null);
    if !ordinary && matches!(writing.parent, Parent::Ours(_)) {
        return held(
            &writing,
            "R40",
            &format!("Your mail came as {}, not as a person's own.", mail.nature.word()),
            "Send it from your own account, not through a list or a rule.",
        );
    }
    if !ordinary {
        return automatic(&writing);
    }
    if !agents_of(arriving.policy, &known.case.mailbox).iter().any(|a| a.name == agent.name) {
        return held(
            &writing,
            "R40",
            &format!("You do not work mailbox {} any more.", known.case.mailbox),
            "Ask your operator, or a colleague who does.",
        );
    }
    if let Some((reason, remedy)) = doubt_of_author(&writing, colleague) {
        return held(&writing, "R40", &reason, &remedy);
    }
    match colleague {
        Some(colleague) if colleague.name != agent.name => note_of_colleague(&writing, colleague),
        _ => of_agent(&writing, route),
    }
}

/// Why the author may not be who the token says (R40); `None` if all is well.
fn doubt_of_author(writing: &Writing<'_>, colleague: Option<&Agent>) -> Option<(String, String)> {
    let mail = &writing.arriving.arrival.mail;
    let policy = writing.arriving.policy;
    let from: Vec<String> = mail.from.iter().map(|f| f.address.to_string()).collect();
    let Some(colleague) = colleague.filter(|_| mail.from.len() == 1) else {
        return Some((
            format!("A mail to your reply address came from {}, not from you.", from.join(", ")),
            "If it was you, write from an address that is registered for you, or ask your operator to register this one.".to_owned(),
        ));
    };
    let sender_differs =
        mail.sender.as_ref().is_some_and(|s| !colleague.addresses.iter().any(|a| a.same_exact_agent(&s.address)));
    if sender_differs {
        return Some((
            "A mail to your reply address names another Sender than its From.".to_owned(),
            "Write from your own account.".to_owned(),
        ));
    }
    let login = from.first().map(String::as_str);
    if policy.security.require_auth != RequireAuth::Off && writing.arriving.verdict(login) != Verdict::Pass {
        return Some((
            format!("A mail in your name ({}) did not pass our server's authentication.", from.join(", ")),
            "If it was you, send it through your own provider's server; ask your operator to run yesreply check."
                .to_owned(),
        ));
    }
    None
}

fn of_agent(writing: &Writing<'_>, route: &Route) -> Decision {
    let arrival = writing.arriving.arrival;
    if arrival.headers_only {
        return held(
            writing,
            "R40",
            "Your mail is larger than limits.message_bytes_max.",
            "Send it with smaller attachments.",
        );
    }
    let mut reading = arrival.agent_reading.clone();
    let (commands, lines) = match command::read(&reading.words) {
        Leading::Stopped { reason } => {
            return held(writing, "R41", &reason, "Mend the line and send your reply again.");
        }
        Leading::Commands { commands, lines } => (commands, lines),
    };
    let (text, html) = reading.without_leading(lines);
    reading.words = command::unescaped(&text);
    reading.words_html = html;
    if commands.contains(&Command::Note) {
        return note(writing, &reading.words, &commands);
    }
    let has_words = !reading.words.trim().is_empty();
    let has_parts = !answer::parts(arrival, reading.words_html.as_deref()).is_empty();
    if !has_words && !has_parts {
        return orders(writing, &commands);
    }
    if let Some((rule, reason, remedy)) = no_answer(writing, route, &reading.doubtful) {
        return held(writing, rule, &reason, remedy);
    }
    match writing.parent {
        Parent::Others => note(writing, &reading.words, &commands),
        Parent::Ours(target) => answer::send(writing, target, &reading, &commands),
        Parent::Nothing => held(
            writing,
            "R40",
            "Your mail answers none of ours.",
            "Reply to a mail of this case, so that we know what you had seen.",
        ),
    }
}

/// Why the words may not leave, although the author is right.
fn no_answer(
    writing: &Writing<'_>,
    route: &Route,
    doubtful: &[String],
) -> Option<(&'static str, String, &'static str)> {
    if !route.token_in_address {
        return Some((
            "R40",
            "Your reply went to the desk's plain address, not to the one in Reply-To.".to_owned(),
            "Answer to the Reply-To address; some clients ask whether to use it.",
        ));
    }
    if !replies_to(writing) && !writing.arriving.arrival.agent_reading.quotes_ours {
        return Some((
            "R47",
            "It quotes nothing of ours, and its subject is not a reply to our mail's.".to_owned(),
            "If you wrote it yourself, reply with the subject left as it is.",
        ));
    }
    if !doubtful.is_empty() {
        let lines: Vec<&str> = doubtful.iter().take(3).map(String::as_str).collect();
        return Some((
            "R43",
            format!("These lines may be yours or may be quoted from our mail: {}", lines.join(" / ")),
            "Delete the quoted part, or write your text above it, and send it again.",
        ));
    }
    None
}

/// Is its subject that of our mail, with any prefix?
fn replies_to(writing: &Writing<'_>) -> bool {
    let subject = &writing.arriving.arrival.mail.subject;
    let case = &writing.known.case;
    case_tags(subject).contains(&case.reference) && !matches!(writing.parent, Parent::Nothing)
        || base_subject(subject) == base_subject(&case.subject)
}

/// A mail that we sent to this agent in this case, another person's, or none (R40).
fn parent<'a>(arriving: &Arriving<'a>, known: &'a CaseView, agent: &Agent) -> Parent<'a> {
    let mail = &arriving.arrival.mail;
    let Some(id) = mail.in_reply_to.first().or(mail.references.last()) else {
        return Parent::Nothing;
    };
    let view: &View = arriving.view;
    let by_mac = matches!(
        arriving.policy.keys.read_message_id(id),
        Some(Found::Good(t)) if t.class == Class::Agent && t.party == PartyId::of_agent(&agent.name)
            && same_case(view, t, known)
    );
    let hit = view.known_ids.iter().find(|k| k.id == *id && k.side == Side::Agent(agent.name.clone()));
    if !by_mac && hit.is_none() {
        return Parent::Others;
    }
    let entry = hit.and_then(|k| k.entry);
    Parent::Ours(entry.and_then(|id| known.entries.iter().find(|(stored, _)| *stored == id)))
}

/// The token's case is this one, or was merged into it.
fn same_case(view: &View, token: Token, known: &CaseView) -> bool {
    let mut key = token.case;
    for _ in 0..super::ROUNDS_MAX {
        if key == known.case.key {
            return true;
        }
        match view.cases.get(&key).and_then(|c| c.case.merged_into.or(c.case.successor)) {
            Some(next) => key = next,
            None => return false,
        }
    }
    false
}

/// Out-of-office, receipts, reactions on an agent's address: a silent entry, never an answer (R47).
fn automatic(writing: &Writing<'_>) -> Decision {
    let arriving = &writing.arriving;
    let mut sheet = Sheet::new(arriving.event, arriving.policy);
    let case = &writing.known.case;
    let mut entry = customer::inbound(arriving, Standing::Agent, PartyId::NOBODY);
    entry.direction = Direction::Note;
    entry.silent = true;
    sheet.append(case.key, entry);
    let word = arriving.arrival.mail.nature.word();
    sheet.log(case.key, word, &writing.agent.name, "R47", "automatic mail on an agent's address is never an answer");
    sheet.done(Outcome::Handled, "R47", "automatic mail on an agent's address", Some(case.key))
}

/// A reply that holds only commands sends nothing to the customer.
fn orders(writing: &Writing<'_>, commands: &[Command]) -> Decision {
    if commands.is_empty() {
        return held(
            writing,
            "R42",
            "There were no words of yours in it.",
            "Write your answer above or below the quoted mail.",
        );
    }
    let arriving = &writing.arriving;
    let case = &writing.known.case;
    let mut sheet = Sheet::new(arriving.event, arriving.policy);
    obey(&mut sheet, case, writing.agent, commands);
    if commands.contains(&Command::Close) {
        let line = format!("Case #{} is closed; nothing was sent to {}.", case.reference, shown(&case.customer));
        confirm(&mut sheet, writing, writing.agent, &line, "");
    }
    if commands.contains(&Command::Original) {
        original(&mut sheet, writing);
    }
    sheet.done(Outcome::Handled, "R42", "commands only", Some(case.key))
}

/// Carries out what changes the case.
pub fn obey(sheet: &mut Sheet<'_>, case: &Case, agent: &Agent, commands: &[Command]) {
    if commands.contains(&Command::Close) {
        sheet.set_status(case, Status::Closed, &agent.name, "R42");
    }
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
    to_agent(sheet, writing, writing.agent, written, vec![part]);
}

/// One line to an agent, in the thread of the case.
pub fn confirm(sheet: &mut Sheet<'_>, writing: &Writing<'_>, agent: &Agent, line: &str, words: &str) {
    let written = writing.arriving.policy.letters.write(Letter::Confirm, &context! { line, words });
    to_agent(sheet, writing, agent, written, Vec::new());
}

fn to_agent(
    sheet: &mut Sheet<'_>,
    writing: &Writing<'_>,
    agent: &Agent,
    written: super::letters::Written,
    parts: Vec<Part>,
) {
    let case = &writing.known.case;
    let Some(mailbox) = mailbox_of(writing.arriving.policy, case) else {
        return;
    };
    let entry = match writing.parent {
        Parent::Ours(Some((id, _))) => EntryLink::Stored(*id),
        _ => EntryLink::Nothing,
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

/// Kept, and the registered agent gets the reason and the words; nothing is sent.
#[must_use]
pub fn held(writing: &Writing<'_>, rule: &'static str, reason: &str, remedy: &str) -> Decision {
    let arriving = &writing.arriving;
    let case = &writing.known.case;
    let mut sheet = Sheet::new(arriving.event, arriving.policy);
    keep(&mut sheet, arriving, case, rule, reason);
    if arriving.view.counts.notices_address >= NOTICES_PER_HOUR_MAX {
        sheet.log(
            case.key,
            "not_told",
            "yesreply",
            "R52",
            "this address got many notices within the hour: it may answer them by itself",
        );
        return sheet.done(Outcome::Held, rule, reason, Some(case.key));
    }
    let reading = &arriving.arrival.agent_reading;
    let words = if reading.words.trim().is_empty() { &arriving.arrival.mail.text } else { &reading.words };
    let values = context! { reason, remedy, words };
    let written = arriving.policy.letters.write(Letter::Returned, &values);
    to_agent(&mut sheet, writing, writing.agent, written, Vec::new());
    sheet.done(Outcome::Held, rule, reason, Some(case.key))
}

/// An agent who is no longer in the config wrote: held, and the others see it (R40).
fn by_removed_agent(arriving: &Arriving<'_>, known: &CaseView) -> Decision {
    let case = &known.case;
    let mut sheet = Sheet::new(arriving.event, arriving.policy);
    let reason = "the reply address belongs to somebody who is no agent any more";
    keep(&mut sheet, arriving, case, "R40", reason);
    let policy = arriving.policy;
    if let (Some(mailbox), Nature::Personal) = (mailbox_of(policy, case), arriving.arrival.mail.nature) {
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

fn keep(sheet: &mut Sheet<'_>, arriving: &Arriving<'_>, case: &Case, rule: &'static str, reason: &str) {
    let mut entry = customer::inbound(arriving, Standing::Unverified, PartyId::NOBODY);
    entry.direction = Direction::Note;
    entry.silent = true;
    sheet.append(case.key, entry);
    sheet.log(case.key, "held", "yesreply", rule, reason);
}
