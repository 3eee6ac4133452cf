//! An agent's door: a reply address that names the agent and no case (R23).
//!
//! Decides   what the mail that came to it proves: an answer to the welcome that passes says that this agent's mail
//!           does, and from then on a verdict is asked of them (R31).
//! Never     believes anybody else there, and never asks for a verdict that has not been seen to come.

use minijinja::context;

use crate::mail::verdict::Verdict;

use super::absence::home;
use super::arriving::Arriving;
use super::command::{self, Leading};
use super::effect::Lesson;
use super::letters::Letter;
use super::loops::NOTICES_PER_ADDRESS_MAX;
use super::outgoing::{Outside, Sheet};
use super::policy::{Agent, Policy};
use super::routing::{agent_by_address, agent_of};
use super::token::Token;
use super::{Decision, Effect, Event, Outcome, conversation};

/// An operator welcomes an agent.
#[must_use]
pub fn welcome(event: &Event, name: &str, policy: &Policy) -> Decision {
    let mut sheet = Sheet::new(event, policy);
    let found = policy.agents.get(name).and_then(|agent| Some((agent, home(policy, agent)?)));
    let Some((agent, mailbox)) = found else {
        return sheet.done(Outcome::Ignored, "R23", "there is no such agent, or no mailbox of theirs", None);
    };
    let values = context! { name => agent.display_name, desk => mailbox.display_name };
    let subject = format!("Welcome to {}", mailbox.display_name);
    let written = policy.letters.write(Letter::Welcome, &values);
    sheet.to_agent_outside(mailbox, agent, Outside { subject, written, door: true });
    sheet.push(Effect::AgentTold(agent.name.clone(), Lesson::Welcome));
    sheet.done(Outcome::Handled, "R23", "an agent was welcomed", None)
}

/// What a mail of this agent's says of them, if it is new: the opinion, and the proof where it passed.
#[must_use]
pub fn heard(arriving: &Arriving<'_>, agent: &Agent) -> Option<Effect> {
    let anchor = arriving.policy.security.anchor()?;
    let login = arriving.arrival.mail.author().map(|a| a.address.to_string());
    let opinion = arriving.opinion(login.as_deref());
    let proven = arriving.view.agents.get(&agent.name).is_some_and(|by| *by == anchor);
    let passes = opinion.verdict == Verdict::Pass;
    (!proven || !passes).then(|| Effect::AgentHeard {
        agent: agent.name.clone(),
        opinion: opinion.because,
        proven_by: passes.then_some(anchor),
    })
}

/// Does the mail begin with a word of ours?
fn orders(arriving: &Arriving<'_>) -> bool {
    match command::read(&arriving.arrival.agent_reading.words, &arriving.now()) {
        Leading::Commands { commands, .. } => !commands.is_empty(),
        Leading::Stopped { .. } => true,
    }
}

/// A mail came to an agent's door; `None` if it came to none, or from somebody else.
#[must_use]
pub fn knocked(arriving: &Arriving<'_>) -> Option<Decision> {
    let policy = arriving.policy;
    let token: Token = arriving.door_token()?;
    let agent = agent_of(policy, token.party)?;
    let mail = &arriving.arrival.mail;
    let [author] = mail.from.as_slice() else {
        return None;
    };
    let author = agent_by_address(policy, &author.address).filter(|a| a.name == agent.name)?;
    if orders(arriving) {
        let mut decision = conversation::ordered(arriving, author);
        decision.effects.extend(heard(arriving, author));
        return Some(decision);
    }
    let mut sheet = Sheet::new(arriving.event, policy);
    sheet.extend(heard(arriving, author));
    let opinion = arriving.opinion(mail.author().map(|a| a.address.to_string()).as_deref());
    let line = match opinion.verdict {
        Verdict::Pass => {
            "Your mail passes our server's authentication: your answers will be known to be yours.".to_owned()
        }
        _ if policy.security.anchor().is_none() => {
            "Your mail has come. No authserv-id is trusted here, so nothing proves that it is yours.".to_owned()
        }
        _ => format!(
            "Your mail has come, but nothing proves that it is yours: {}. Show this to your operator.",
            opinion.because
        ),
    };
    if !mail.nature.is_silent()
        && arriving.view.counts.notices_address < NOTICES_PER_ADDRESS_MAX
        && let Some(mailbox) = home(policy, author)
    {
        let values = context! { line, words => "" };
        let subject = format!("Re: Welcome to {}", mailbox.display_name);
        let written = policy.letters.write(Letter::Confirm, &values);
        sheet.to_agent_outside(mailbox, author, Outside { subject, written, door: true });
    }
    let because = format!("{}'s own address without a case: {}", author.name, opinion.because);
    Some(sheet.done(Outcome::Handled, "R23", &because, None))
}
