//! The loop guard: when the desk may write by itself.
//!
//! Decides   whether a mail is our own come back (R22), and whether its author gets an acknowledgement (R50–R52).
//! Follows   RFC 3834 sections 2 and 4.
//! Never     answers a machine, a list, a null reverse-path, one of our own addresses, or beyond `[limits]`.

use crate::mail::text::fold;
use crate::mail::verdict::Verdict;
use crate::mail::{Nature, ReturnPath};

use super::arriving::Arriving;
use super::case::{Case, Direction, Entry, Status};
use super::digest::Due;
use super::outgoing::Sheet;
use super::policy::{Audience, Budget, Policy};
use super::routing::{Route, agent_by_address, is_our_own};
use super::token::{Class, Found};
use super::{CaseView, Decision, Effect, Event, Outcome, View};

/// A mail that we sent ourselves has come back: our MAC stands in its Message-ID (R22).
#[must_use]
pub fn our_own_mail(arriving: &Arriving<'_>) -> Option<Decision> {
    let id = arriving.arrival.mail.message_id.as_ref()?;
    match arriving.policy.keys.read_message_id(id) {
        Some(Found::Good(token)) => Some(Decision {
            outcome: Outcome::Ignored,
            rule: "R22",
            because: "its Message-ID bears our MAC: it is a mail of ours come back".to_owned(),
            case: arriving.view.cases.contains_key(&token.case).then_some(token.case),
            effects: Vec::new(),
        }),
        _ => None,
    }
}

/// What the author of the first mail of a case gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledgement {
    /// With their own words.
    Echo,
    /// The constant text.
    Constant,
    /// Nothing, for this reason.
    Nothing(&'static str),
}

/// Decides on the acknowledgement of a new case (R50, R51).
#[must_use]
pub fn acknowledgement(arriving: &Arriving<'_>, route: &Route, case: &Case, verdict: Verdict) -> Acknowledgement {
    if let Some(reason) = forbidden(arriving, route, case) {
        return Acknowledgement::Nothing(reason);
    }
    let settings = &arriving.policy.acknowledge;
    let limits = &arriving.policy.limits;
    let counts = &arriving.view.counts;
    // the verdict is about From: a Reply-To that is somebody else has not passed anything (R51)
    let wrote = arriving.arrival.mail.author().is_some_and(|a| a.address.key() == case.customer.address.key());
    let passed = (verdict == Verdict::Pass && wrote) || arriving.arrival.vouched;
    if exhausted(limits.ack_per_address, counts.ack_address) {
        return Acknowledgement::Nothing("limits.ack_per_address is used up");
    }
    let strict = settings.to == Audience::Verified && !passed && !counts.is_answered;
    if strict && exhausted(limits.ack_per_domain, counts.ack_domain) {
        return Acknowledgement::Nothing("limits.ack_per_domain is used up");
    }
    if strict && exhausted(limits.ack_total, counts.ack_total) {
        return Acknowledgement::Nothing(ACK_TOTAL);
    }
    match settings.echo {
        Audience::Everyone => Acknowledgement::Echo,
        Audience::Verified if passed => Acknowledgement::Echo,
        Audience::Verified | Audience::Nobody => Acknowledgement::Constant,
    }
}

/// Why the breaker keeps an acknowledgement back.
const ACK_TOTAL: &str = "limits.ack_total is used up";

/// Cases of one address beyond the limit are kept and stand in the digest; nobody is written to on their account.
#[must_use]
pub fn is_beyond_the_limit(arriving: &Arriving<'_>) -> bool {
    exhausted(arriving.policy.limits.cases_per_address, arriving.view.counts.cases_address)
}

/// Opens the breaker, if this is why, and it is not open yet; it looks by itself whether it may close (R51).
pub fn open_breaker(sheet: &mut Sheet<'_>, arriving: &Arriving<'_>, reason: &str) {
    if reason == ACK_TOTAL && !arriving.view.counts.breaker_is_open {
        sheet.push(next_look(arriving.policy, arriving.event.at_ms));
    }
}

/// A tenth of the window later.
fn next_look(policy: &Policy, now_ms: i64) -> Effect {
    let window = policy.limits.ack_total.map_or(0, |b| b.window_ms);
    Effect::Remind(now_ms.saturating_add((window / 10).max(1_000)), Due::Breaker)
}

/// The breaker looks whether it may close.
#[must_use]
pub fn breaker(event: &Event, view: &View, policy: &Policy) -> Decision {
    let mut sheet = Sheet::new(event, policy);
    if exhausted(policy.limits.ack_total, view.counts.ack_total) {
        sheet.push(next_look(policy, event.at_ms));
        return sheet.done(Outcome::Handled, "R51", BREAKER_STAYS, None);
    }
    sheet.done(Outcome::Handled, "R51", BREAKER_CLOSES, None)
}

/// What the log says when the breaker stays open.
pub const BREAKER_STAYS: &str = "the breaker of acknowledgements stays open: limits.ack_total is still used up";
/// What the log says when the breaker closes.
pub const BREAKER_CLOSES: &str = "the breaker of acknowledgements closes";

/// Notices about one case within an hour that somebody who is no agent can cause.
const NOTICES_PER_CASE_MAX: u32 = 8;
/// Notices to one address within an hour: an agent's own autoresponder may answer each (R52).
pub const NOTICES_PER_ADDRESS_MAX: u32 = 10;

/// May an agent be told of a mail that was held? A stranger who holds an agent's token must not make us mail-bomb them.
#[must_use]
pub fn may_tell(arriving: &Arriving<'_>, known: &CaseView) -> bool {
    let author = arriving.arrival.mail.author();
    let is_agent = author.is_some_and(|a| agent_by_address(arriving.policy, &a.address).is_some());
    arriving.view.counts.notices_address < NOTICES_PER_ADDRESS_MAX && (is_agent || known.notices < NOTICES_PER_CASE_MAX)
}

/// Answers of an agent in one case with the same words within a day: a responder that does not say what it is.
const SAME_WORDS_MAX: usize = 2;
/// That day.
const SAME_WORDS_MS: i64 = 24 * 3_600_000;

/// Does an agent say the same once more, as only a machine does? Two responders that say nothing of being machines
/// would write to each other through us for ever.
#[must_use]
pub fn repeats_itself(known: &CaseView, agent: &str, words: &str, now_ms: i64) -> bool {
    let words = fold(words);
    let same = |entry: &Entry| {
        entry.direction == Direction::Outbound
            && entry.author == agent
            && entry.at_ms > now_ms.saturating_sub(SAME_WORDS_MS)
            && fold(&entry.text) == words
    };
    known.entries.iter().filter(|(_, entry)| same(entry)).count() >= SAME_WORDS_MAX
}

/// Is a budget used up?
#[must_use]
pub fn exhausted(budget: Option<Budget>, count: u32) -> bool {
    budget.is_some_and(|b| count >= b.count)
}

fn forbidden(arriving: &Arriving<'_>, route: &Route, case: &Case) -> Option<&'static str> {
    let arrival = arriving.arrival;
    let mail = &arrival.mail;
    let settings = &arriving.policy.acknowledge;
    // a form writes for the customer whom it names (R20)
    let speaks = mail.author().filter(|a| a.address.key() == case.customer.address.key() || !is_form(arriving));
    let author = speaks.map(|a| &a.address).or_else(|| mail.author().map(|_| &case.customer.address));
    let checks = [
        (!settings.enabled || settings.to == Audience::Nobody, "acknowledgements are off"),
        (arrival.old, "older than the first start (R91)"),
        (case.status == Status::Spam, "spam"),
        (mail.nature != Nature::Personal && !is_form(arriving), "not written by a person"),
        (mail.return_path == Some(ReturnPath::Null) && !is_form(arriving), "null reverse-path"),
        (author.is_none(), "no author"),
        (mail.from.len() > 1, "several authors"),
        (author.is_some_and(crate::mail::Address::is_machine), "a machine's address"),
        (author.is_some_and(crate::mail::Address::is_no_reply), "a no-reply address"),
        (is_our_own(arriving.policy, &case.customer.address), "one of our own addresses"),
        (forbids(&mail.suppress), "X-Auto-Response-Suppress forbids it"),
        (route.token.is_some_and(|t| t.class == Class::Bounce), "it came to a bounce address (R52)"),
        (!names_us(arriving), "our address stands in no recipient field"),
    ];
    checks.into_iter().find_map(|(holds, reason)| holds.then_some(reason))
}

fn is_form(arriving: &Arriving<'_>) -> bool {
    let author = arriving.arrival.mail.author();
    arriving.arrival.form
        || author.is_some_and(|a| arriving.policy.forms.iter().any(|form| form.key() == a.address.key()))
}

/// MS-OXCMAIL 2.1.3.2.20: All, OOF and AutoReply ask for no automatic answer.
fn forbids(suppress: &[String]) -> bool {
    suppress.iter().any(|word| matches!(word.as_str(), "all" | "oof" | "autoreply"))
}

fn names_us(arriving: &Arriving<'_>) -> bool {
    let mail = &arriving.arrival.mail;
    mail.to.iter().chain(mail.cc.iter()).any(|n| is_our_own(arriving.policy, &n.address))
}
