//! A probe that did not come full circle.
//!
//! Decides   at which step it failed, what is said of it, and who hears of it (R93, R95).
//! Never     tells the same failure twice: people hear when it begins and when it is over.

use minijinja::context;

use super::letters::Letter;
use super::outgoing::{Outside, Sheet, agents_of};
use super::policy::{Agent, Mailbox, Policy, ReplyAddress};
use super::probe::{Probe, Progress, Step};
use super::token::CaseKey;
use super::{Decision, Effect, Event, Outcome, Undeliverable, View};

/// A probe that is looked at so much later than it should have been was not waited for: no daemon ran.
const LATE_MS: i64 = 60_000;
/// Characters of what a server said.
const SAID_CHARS: usize = 300;

/// Where a filter put it.
pub(super) const IN_JUNK: &str =
    "it came into the folder for spam: our own server takes mail of this mailbox for spam, and others may too";

/// `2.4 s`
#[must_use]
pub fn seconds(ms: i64) -> String {
    format!("{}.{} s", ms / 1_000, (ms % 1_000) / 100)
}

/// The outbox gave a probe, or its answer, up.
#[must_use]
pub fn gave_up(event: &Event, failure: &Undeliverable, view: &View, policy: &Policy) -> Option<Decision> {
    let delivery = view.deliveries.iter().find(|d| d.id == failure.delivery)?;
    let probe = view.probes.get(&delivery.case)?;
    if probe.ended_ms.is_some() {
        let sheet = Sheet::new(event, policy);
        return Some(sheet.done(Outcome::Ignored, "R95", "it belongs to a probe that has ended", Some(probe.case)));
    }
    let of_answer = delivery.message_id != probe.message_id;
    let step = if of_answer { Step::Answered } else { Step::Submitted };
    let said = format!("{} {}", failure.status, failure.diagnostic);
    Some(failed(event, view, policy, probe, step, &refused(policy, probe, of_answer, &said)))
}

/// What is said where a server refused the probe's address, or that of its answer.
pub(super) fn refused(policy: &Policy, probe: &Probe, of_answer: bool, said: &str) -> String {
    let said: String = said.chars().take(SAID_CHARS).collect();
    let own = |m: &Mailbox| matches!(&m.reply_address, ReplyAddress::Pattern { prefix, domain, .. } if !prefix.is_empty() && domain == m.address.domain());
    match (of_answer, policy.mailboxes.get(&probe.mailbox)) {
        (true, Some(mailbox)) if own(mailbox) => format!("sub-address refused: {said}"),
        (true, _) => format!("reply address refused: {said}"),
        (false, _) => format!("the probe was refused: {said}"),
    }
}

/// The time of a probe is over.
#[must_use]
pub fn ends(event: &Event, case: CaseKey, view: &View, policy: &Policy) -> Decision {
    let mut sheet = Sheet::new(event, policy);
    let Some(probe) = view.probes.get(&case).filter(|p| p.ended_ms.is_none()) else {
        return sheet.done(Outcome::Ignored, "R95", "this probe has ended", Some(case));
    };
    if event.at_ms.saturating_sub(probe.until_ms) > LATE_MS {
        sheet.push(Effect::Probe(case, Progress::Lapsed));
        return sheet.done(Outcome::Handled, "R95", "no daemon ran while this probe was on its way", Some(case));
    }
    let is_done = |step| probe.at_ms(step).is_some();
    let step = match (is_done(Step::Received), is_done(Step::Submitted), is_done(Step::Answered)) {
        (false, false, _) => Step::Submitted,
        (false, true, _) => Step::Received,
        (true, _, false) => Step::Answered,
        (true, _, true) => Step::Opened,
    };
    let within = seconds(probe.until_ms.saturating_sub(probe.begun_ms));
    let [of_probe, of_answer] = &probe.said;
    let said =
        |said: &str| if said.is_empty() { "it gave no answer".to_owned() } else { format!("it last said: {said}") };
    let words = match step {
        Step::Submitted => format!("the relay had not taken the probe after {within}; {}", said(of_probe)),
        Step::Received => format!("the relay took the probe, and it had not come into the mailbox after {within}"),
        Step::Answered => format!("the relay had not taken the answer after {within}; {}", said(of_answer)),
        Step::Opened => format!("the relay took the answer, and it had not come back after {within}"),
    };
    failed(event, view, policy, probe, step, &words)
}

/// A probe failed: an alarm, and a word to people if the last one did not fail.
pub(super) fn failed(event: &Event, view: &View, policy: &Policy, probe: &Probe, step: Step, words: &str) -> Decision {
    let mut sheet = Sheet::new(event, policy);
    let remedy = policy.mailboxes.get(&probe.mailbox).map(|mailbox| remedy(mailbox, step)).unwrap_or_default();
    let detail = format!("{words}; {remedy}");
    sheet.push(Effect::Probe(probe.case, Progress::Failed { step, words: detail }));
    if let Some(mailbox) = policy.mailboxes.get(&probe.mailbox).filter(|_| !view.before.failing) {
        let line = format!(
            "Mail that {} sends may not be answerable: a probe failed at the step \"{}\".",
            mailbox.display_name,
            step.word()
        );
        tell(&mut sheet, mailbox, "A probe failed", &context! { line, reason => words, remedy });
    }
    sheet.done(
        Outcome::Handled,
        "R95",
        &format!("a probe failed at the step {}: {words}", step.word()),
        Some(probe.case),
    )
}

/// What can be done where a step failed.
fn remedy(mailbox: &Mailbox, step: Step) -> String {
    let name = &mailbox.name;
    match step {
        Step::Submitted => format!("see mailbox.{name}.smtp, and what yesreply outbox list says"),
        Step::Received => {
            format!("see that mail to {} comes into the folder that mailbox.{name}.imap names", mailbox.address)
        }
        Step::Answered | Step::Opened if mailbox.reply_address != ReplyAddress::Plain => format!(
            "see that the server delivers sub-addresses (RFC 5233), or set mailbox.{name}.reply_address to a catch-all \
             domain, or to \"{{address}}\""
        ),
        Step::Answered | Step::Opened => format!("see what becomes of mail from and to {}", mailbox.address),
    }
}

/// The first probe that passes after one that failed.
pub(super) fn mended(sheet: &mut Sheet<'_>, mailbox: &Mailbox, took: &str) {
    let line =
        format!("Mail that {} sends can be answered again: a probe came full circle in {took}.", mailbox.display_name);
    tell(sheet, mailbox, "A probe passed again", &context! { line });
}

/// The leads of the mailbox hear of it; where it has none, all its agents.
fn tell(sheet: &mut Sheet<'_>, mailbox: &Mailbox, subject: &str, values: &minijinja::Value) {
    let agents = agents_of(sheet.policy, &mailbox.name);
    let leads: Vec<&Agent> = agents.iter().copied().filter(|a| a.lead).collect();
    let written = sheet.policy.letters.write(Letter::Probe, values);
    for agent in if leads.is_empty() { agents } else { leads } {
        let subject = format!("{subject}, {}", mailbox.display_name);
        sheet.to_agent_outside(mailbox, agent, Outside { subject, written: written.clone(), door: false });
    }
}
