//! The loop guard: when the desk may write by itself.
//!
//! Decides   whether a mail is our own come back (R22), and whether its author gets an acknowledgement (R50–R52).
//! Follows   RFC 3834 sections 2 and 4.
//! Never     answers a machine, a list, a null reverse-path, one of our own addresses, or beyond `[limits]`.

use crate::mail::verdict::Verdict;
use crate::mail::{Nature, ReturnPath};

use super::arriving::Arriving;
use super::case::{Case, Status};
use super::policy::{Audience, Budget};
use super::routing::{Route, is_our_own};
use super::token::{Class, Found};
use super::{Decision, Outcome};

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
    let passed = verdict == Verdict::Pass && wrote;
    if exhausted(limits.ack_per_address, counts.ack_address) {
        return Acknowledgement::Nothing("limits.ack_per_address is used up");
    }
    let strict = settings.to == Audience::Verified && !passed;
    if strict && exhausted(limits.ack_per_domain, counts.ack_domain) {
        return Acknowledgement::Nothing("limits.ack_per_domain is used up");
    }
    if strict && exhausted(limits.ack_total, counts.ack_total) {
        return Acknowledgement::Nothing("limits.ack_total is used up");
    }
    match settings.echo {
        Audience::Everyone => Acknowledgement::Echo,
        Audience::Verified if passed => Acknowledgement::Echo,
        Audience::Verified | Audience::Nobody => Acknowledgement::Constant,
    }
}

fn exhausted(budget: Option<Budget>, count: u32) -> bool {
    budget.is_some_and(|b| count >= b.count)
}

fn forbidden(arriving: &Arriving<'_>, route: &Route, case: &Case) -> Option<&'static str> {
    let arrival = arriving.arrival;
    let mail = &arrival.mail;
    let settings = &arriving.policy.acknowledge;
    let author = mail.author().map(|a| &a.address);
    let checks = [
        (!settings.enabled || settings.to == Audience::Nobody, "acknowledgements are off"),
        (arrival.old, "older than the first start (R91)"),
        (case.status == Status::Spam, "spam"),
        (mail.nature != Nature::Personal, "not written by a person"),
        (mail.return_path == Some(ReturnPath::Null), "null reverse-path"),
        (author.is_none(), "no author"),
        (mail.from.len() > 1, "several authors"),
        (author.is_some_and(crate::mail::Address::is_machine), "a machine's address"),
        (author.is_some_and(crate::mail::Address::is_no_reply), "a no-reply address"),
        (is_our_own(arriving.policy, &case.customer.address), "one of our own addresses"),
        (forbids(&mail.suppress), "X-Auto-Response-Suppress forbids it"),
        (route.token.is_some_and(|t| t.class == Class::Bounce), "it came to a bounce address (R52)"),
        (!names_us(arriving), "our address stands in no recipient field"),
        (
            exhausted(arriving.policy.limits.cases_per_address, arriving.view.counts.cases_address),
            "limits.cases_per_address is used up",
        ),
    ];
    checks.into_iter().find_map(|(holds, reason)| holds.then_some(reason))
}

/// MS-OXCMAIL 2.1.3.2.20: All, OOF and AutoReply ask for no automatic answer.
fn forbids(suppress: &[String]) -> bool {
    suppress.iter().any(|word| matches!(word.as_str(), "all" | "oof" | "autoreply"))
}

fn names_us(arriving: &Arriving<'_>) -> bool {
    let mail = &arriving.arrival.mail;
    mail.to.iter().chain(mail.cc.iter()).any(|n| is_our_own(arriving.policy, &n.address))
}
