//! An agent writes to somebody first (`#to`), or orders what concerns no case (R23).
//!
//! Decides   whether the mail is proved to be the agent's, and what it starts.
//! Follows   R23, R40, R45 (the subject is the agent's `#subject`; without one it is a neutral line), the table of threads:
//!           no In-Reply-To.
//! Never     sends a word that the leak guard has not passed, nor the subject of the agent's mail, and never loses a word:
//!           what cannot leave comes back.

use minijinja::context;

use crate::mail::language;
use crate::mail::references::without_reply_prefixes;
use crate::mail::verdict::Verdict;
use crate::mail::{Address, NameAddr};

use super::agent::Writing;
use super::answer::{self, Answer, Manner, Words};
use super::arriving::Arriving;
use super::case::{Case, Party, Status};
use super::command::{self, Command, Leading};
use super::confirm::{help, news, to_agent, work};
use super::letters::Letter;
use super::loops::NOTICES_PER_ADDRESS_MAX;
use super::orders::{no_correspondent, obey, objection};
use super::outgoing::{Outside, Sheet, agents_of};
use super::parent::Parent;
use super::policy::{Agent, Mailbox};
use super::recipients::Recipients;
use super::routing::{Route, agent_by_address};
use super::{CaseView, Decision, Effect, EntryLink, Outcome, absence, standing};

/// An agent's mail to the desk's plain address that begins with `#to`, or with a word that needs no case; `None` if it is
/// none.
#[must_use]
pub fn asked(arriving: &Arriving<'_>, route: &Route) -> Option<Decision> {
    if route.token.is_some() || route.case.is_some() || arriving.arrival.mail.nature.is_silent() {
        return None;
    }
    let [author] = arriving.arrival.mail.from.as_slice() else {
        return None;
    };
    let agent = agent_by_address(arriving.policy, &author.address)?;
    let commands = leading(arriving)?;
    if !commands.iter().any(needs_no_case) {
        return None;
    }
    let login = author.address.to_string();
    if arriving.opinion(Some(&login)).verdict == Verdict::Pass {
        return Some(ordered(arriving, agent));
    }
    let reason = "Nothing proves that this mail is yours: it came to the desk's plain address, and did not pass a \
                  server that is trusted here.";
    let remedy = "Send it to your door address: the Reply-To of the mail that yesreply agent welcome sent you.";
    Some(back(arriving, agent, reason, remedy))
}

fn leading(arriving: &Arriving<'_>) -> Option<Vec<Command>> {
    match command::read(&arriving.arrival.agent_reading.words, &arriving.now()) {
        Leading::Commands { commands, .. } => Some(commands),
        Leading::Stopped { .. } => None,
    }
}

fn needs_no_case(command: &Command) -> bool {
    matches!(command, Command::To(_) | Command::Away(_) | Command::Back | Command::Status | Command::Help)
}

/// What an agent's mail orders whose author is beyond doubt, or was told at the door; no case is there.
#[must_use]
pub fn ordered(arriving: &Arriving<'_>, agent: &Agent) -> Decision {
    if let Some((reason, remedy)) = standing::doubt_of_agent(arriving, Some(agent)) {
        return back(arriving, agent, &reason, &remedy);
    }
    let reading = &arriving.arrival.agent_reading;
    let (commands, lines) = match command::read(&reading.words, &arriving.now()) {
        Leading::Stopped { reason } => return back(arriving, agent, &reason, "Mend the line and send it again."),
        Leading::Commands { commands, lines } => (commands, lines),
    };
    let addresses = commands.iter().find_map(|c| match c {
        Command::To(addresses) => Some(addresses.clone()),
        _ => None,
    });
    let Some(addresses) = addresses else {
        return without_a_case(arriving, agent, &commands);
    };
    let mut said = reading.clone();
    let (text, html) = said.without_leading(lines);
    said.words = command::unescaped(&text);
    said.words_html = html;
    begun(arriving, agent, &addresses, Words::of_mail(arriving.arrival, &said), &commands)
}

/// `#away`, `#back`, `#status`, `#help`.
fn without_a_case(arriving: &Arriving<'_>, agent: &Agent, commands: &[Command]) -> Decision {
    if let Some(other) = commands.iter().find(|c| !needs_no_case(c)) {
        let reason = format!("#{} is about a case, and your mail is about none.", other.name());
        return back(arriving, agent, &reason, "Reply with it to a mail of the case.");
    }
    let mut sheet = Sheet::new(arriving.event, arriving.policy);
    let Some(mailbox) = absence::home(arriving.policy, agent) else {
        return sheet.done(Outcome::Held, "R23", "the agent works no mailbox", None);
    };
    let mut lines = Vec::new();
    let mut words = String::new();
    for command in commands {
        match command {
            Command::Away(until_ms) => {
                absence::away(&mut sheet, agent, *until_ms);
                lines.push(format!("You are away{}", absence::until(Some(mailbox), *until_ms)));
            }
            Command::Back => lines.push(absence::come_back(&mut sheet, arriving.view, agent)),
            Command::Status => words.push_str(&work(&arriving.view.work, mailbox)),
            Command::Help => words.push_str(&help()),
            _ => {}
        }
    }
    let line = if lines.is_empty() { "What you asked for".to_owned() } else { lines.join("; ") };
    let written = arriving.policy.letters.write(Letter::Confirm, &context! { line, words });
    let subject = format!("Re: {}", without_reply_prefixes(&arriving.arrival.mail.subject));
    if arriving.view.counts.notices_address < NOTICES_PER_ADDRESS_MAX {
        sheet.to_agent_outside(mailbox, agent, Outside { subject, written, door: true });
    }
    sheet.done(Outcome::Handled, "R23", "an agent's order that concerns no case", None)
}

/// A conversation begins: a case of the agent's, and its first mail.
fn begun(
    arriving: &Arriving<'_>,
    agent: &Agent,
    addresses: &[Address],
    words: Words,
    commands: &[Command],
) -> Decision {
    let works = |m: &&Mailbox| agents_of(arriving.policy, &m.name).iter().any(|a| a.name == agent.name);
    let Some(mailbox) = arriving.mailbox().filter(works).or_else(|| absence::home(arriving.policy, agent)) else {
        return back(arriving, agent, "You work no mailbox.", "Ask your operator.");
    };
    if let Some(reason) = addresses.iter().find_map(|a| no_correspondent(arriving.policy, a)) {
        return back(arriving, agent, &reason, "Mend the line and send it again.");
    }
    let Some((first, others)) = addresses.split_first() else {
        return back(arriving, agent, "#to names nobody.", "Write an address after it.");
    };
    if words.are_none() {
        return back(arriving, agent, "There were no words of yours in it.", "Write them below #to.");
    }
    let letters = &arriving.policy.letters;
    let language = language::of(&words.text).unwrap_or(&mailbox.language);
    let subject = command::subject(commands)
        .map_or_else(|| letters.first_subject(language, &mailbox.display_name), str::to_owned);
    let known = new_case(arriving, agent, mailbox, (first, others), subject);
    let writing = Writing { arriving: *arriving, known: &known, agent, parent: Parent::Nothing };
    let rest: Vec<Command> = commands.iter().filter(|c| !matches!(c, Command::To(_))).cloned().collect();
    if let Some(reason) = objection(&writing, &rest) {
        return back(arriving, agent, &reason, "Mend the line and send it again.");
    }
    let parties = super::orders::parties_after(&writing, &rest);
    let recipients = Recipients::with_participants(known.case.customer.clone(), &parties);
    let shown = recipients.words();
    let answer = Answer { recipients, target: None, manner: Manner::First, words };
    let mut sheet = Sheet::new(arriving.event, arriving.policy);
    sheet.push(Effect::Open(Box::new(known.case.clone())));
    for party in &known.parties {
        sheet.push(Effect::AddParty(known.case.key, party.clone()));
    }
    sheet.log(known.case.key, "opened", &agent.name, "R23", "an agent wrote first");
    let ready = match answer::checked(&writing, &mut sheet, mailbox, &answer, &rest) {
        Ok(ready) => ready,
        Err(hold) => {
            let (reason, remedy) = hold.words();
            return back(arriving, agent, &reason, &remedy);
        }
    };
    let said = known.clone().with(answer::leave(&mut sheet, &writing, mailbox, &answer, &ready));
    let done = obey(&mut sheet, &Writing { known: &said, ..writing }, &rest);
    let line = format!("Sent to {shown}: case #{}. The answers come to you.", known.case.reference);
    let written = arriving.policy.letters.write(Letter::Confirm, &context! { line, words => ready.said() });
    to_agent(&mut sheet, &writing, agent, EntryLink::Appended, written, Vec::new());
    news(&mut sheet, &writing, &done);
    sheet.done(Outcome::Handled, "R23", "an agent began a conversation", Some(known.case.key))
}

fn new_case(
    arriving: &Arriving<'_>,
    agent: &Agent,
    mailbox: &Mailbox,
    (first, others): (&Address, &[Address]),
    subject: String,
) -> CaseView {
    let key = arriving.policy.keys.case_key(&arriving.event.id);
    let party = |address: &Address, copied| Party { copied, ..Party::new(key, NameAddr::new("", address.clone())) };
    let mut parties = vec![party(first, false)];
    parties.extend(others.iter().map(|a| party(a, true)));
    let case = Case {
        subject,
        status: Status::Waiting,
        owner: Some(agent.name.clone()),
        ..Case::new(
            key,
            arriving.view.next_reference,
            &mailbox.name,
            NameAddr::new("", first.clone()),
            arriving.event.at_ms,
        )
    };
    CaseView { parties, ..CaseView::new(case) }
}

/// The words come back to the registered agent; nothing was sent.
fn back(arriving: &Arriving<'_>, agent: &Agent, reason: &str, remedy: &str) -> Decision {
    let mut sheet = Sheet::new(arriving.event, arriving.policy);
    let told = arriving.view.counts.notices_address < NOTICES_PER_ADDRESS_MAX;
    if let Some(mailbox) = absence::home(arriving.policy, agent).filter(|_| told) {
        let words = &arriving.arrival.agent_reading.words;
        let written = arriving.policy.letters.write(Letter::Returned, &context! { reason, remedy, words });
        let subject = "Your mail was not sent".to_owned();
        sheet.to_agent_outside(mailbox, agent, Outside { subject, written, door: true });
    }
    sheet.done(Outcome::Held, "R23", reason, None)
}
