//! What nobody was told of at once: spam, what was held, cases beyond the limits. One mail a day says it all.
//!
//! Decides   which decisions are named in the next digest, when that is due, what it says, and what happens to spam
//!           that was named long ago (R34).
//! Never     sends a word of a stranger to anybody but the mailbox's agents.

use jiff::Timestamp;
use minijinja::context;

use super::case::{Case, Status};
use super::letters::Letter;
use super::outgoing::{Outside, Sheet, agents_of};
use super::policy::{Mailbox, Policy};
use super::relay::when;
use super::token::CaseKey;
use super::{Decision, Effect, Event, Outcome, View};

/// Lines of a digest; the rest is a count.
pub const LINES_MAX: usize = 200;
/// The hour of the day at which a daily digest goes out, in the mailbox's time zone.
const HOUR: i64 = 8;
const HOUR_MS: i64 = 3_600_000;
/// Characters of a line's own words.
const DETAIL_CHARS: usize = 160;

/// Why something stands in a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// An agent's mail, or a mail in their name, that was held.
    Held,
    /// A case in status spam (R34).
    Spam,
    /// A case beyond `limits.cases_per_address` (R50).
    Limit,
    /// A case that was not relayed to an agent, beyond `limits.relays_per_agent` (R60).
    Overload,
}

impl Kind {
    /// All of them.
    const ALL: [Kind; 4] = [Kind::Held, Kind::Spam, Kind::Limit, Kind::Overload];

    /// The word in the store.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Kind::Held => "held",
            Kind::Spam => "spam",
            Kind::Limit => "limit",
            Kind::Overload => "overload",
        }
    }

    /// From the store.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.word() == word)
    }
}

/// A line of a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Row id; 0 while it is new.
    pub id: i64,
    /// Mailbox short name.
    pub mailbox: String,
    /// The agent whom it is for; `None`: all of the mailbox.
    pub agent: Option<String>,
    /// Why it stands there.
    pub kind: Kind,
    /// Its case.
    pub case: CaseKey,
    /// The number of that case.
    pub reference: i64,
    /// How often its tokens were revoked.
    pub generation: i64,
    /// Who owns it by now.
    pub owner: Option<String>,
    /// When it happened, milliseconds.
    pub at_ms: i64,
    /// In words.
    pub detail: String,
}

/// What is to happen at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// The digest of a mailbox.
    Digest {
        /// Mailbox short name.
        mailbox: String,
    },
    /// The digest of an agent to whom much was relayed (R60).
    Overload {
        /// Mailbox short name.
        mailbox: String,
        /// The agent's short name.
        agent: String,
    },
    /// Spam that was named long enough ago (R34).
    SpamEnds(CaseKey),
    /// The breaker of acknowledgements looks whether it may close (R51).
    Breaker,
    /// A case that an agent put aside until now comes back.
    Wakes(CaseKey),
    /// An agent said that they would be back by now.
    Back(String),
    /// A mailbox is to be probed (R95).
    Probe {
        /// Mailbox short name.
        mailbox: String,
    },
    /// The probe that opens this case must have come full circle by now.
    ProbeEnds(CaseKey),
}

impl Due {
    /// The word in the store.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Due::Digest { .. } => "digest",
            Due::Overload { .. } => "overload",
            Due::SpamEnds(_) => "spam_ends",
            Due::Breaker => "breaker",
            Due::Wakes(_) => "wakes",
            Due::Back(_) => "back",
            Due::Probe { .. } => "probe",
            Due::ProbeEnds(_) => "probe_ends",
        }
    }

    /// The id of the event that it becomes at this time.
    #[must_use]
    pub fn event_id(&self, at_ms: i64) -> String {
        match self {
            Due::Digest { mailbox } => format!("due/digest/{mailbox}/{at_ms}"),
            Due::Overload { mailbox, agent } => format!("due/overload/{mailbox}/{agent}/{at_ms}"),
            Due::SpamEnds(case) => format!("due/{}/spam_ends/{at_ms}", case.0),
            Due::Breaker => format!("due/breaker/{at_ms}"),
            Due::Wakes(case) => format!("due/{}/wakes/{at_ms}", case.0),
            Due::Back(agent) => format!("due/back/{agent}/{at_ms}"),
            Due::Probe { mailbox } => format!("due/probe/{mailbox}/{at_ms}"),
            Due::ProbeEnds(case) => format!("due/{}/probe_ends/{at_ms}", case.0),
        }
    }
}

/// Adds to a decision what the next digest is to say of it.
#[must_use]
pub fn noted(event: &Event, view: &View, policy: &Policy, mut decision: Decision) -> Decision {
    let Some((case, kind, detail)) = worth_a_line(view, &decision) else {
        return decision;
    };
    let Some(mailbox) = policy.mailboxes.get(&case.mailbox) else {
        return decision;
    };
    let line = Line {
        id: 0,
        mailbox: mailbox.name.clone(),
        agent: None,
        kind,
        case: case.key,
        reference: case.reference,
        generation: case.generation,
        owner: None,
        at_ms: event.at_ms,
        detail: detail.chars().take(DETAIL_CHARS).collect(),
    };
    decision.effects.push(Effect::Digest(line));
    decision.effects.push(remind(policy, mailbox, event.at_ms));
    decision
}

/// A case in a few words.
#[must_use]
pub fn about(case: &Case) -> String {
    let words = format!("{}: {}", case.customer.address, case.subject);
    words.chars().take(DETAIL_CHARS).collect()
}

fn worth_a_line(view: &View, decision: &Decision) -> Option<(Case, Kind, String)> {
    let opened = decision.effects.iter().find_map(|effect| match effect {
        Effect::Open(case) => Some(case.as_ref()),
        _ => None,
    });
    let limited = decision.effects.iter().any(|e| matches!(e, Effect::Log(_, line) if line.kind == "beyond_limit"));
    match opened {
        Some(case) if case.old => None,
        Some(case) if case.status == Status::Spam => Some((case.clone(), Kind::Spam, about(case))),
        Some(case) if limited => Some((case.clone(), Kind::Limit, about(case))),
        None if decision.effects.iter().any(|e| matches!(e, Effect::SetStatus(_, Status::Spam))) => {
            let case = &view.cases.get(&decision.case?)?.case;
            Some((case.clone(), Kind::Spam, about(case)))
        }
        _ if decision.outcome == Outcome::Held => {
            let case = &view.cases.get(&decision.case?)?.case;
            Some((case.clone(), Kind::Held, decision.because.clone()))
        }
        _ => None,
    }
}

/// The next digest of a mailbox.
fn remind(policy: &Policy, mailbox: &Mailbox, now_ms: i64) -> Effect {
    let period = policy.digest_ms.max(1);
    let offset = Timestamp::from_millisecond(now_ms).map_or(0, |t| i64::from(mailbox.time_zone.to_offset(t).seconds()));
    let shift = offset.saturating_mul(1_000).saturating_sub(HOUR * HOUR_MS);
    let local = now_ms.saturating_add(shift);
    let next = local.div_euclid(period).saturating_add(1).saturating_mul(period);
    Effect::Remind(next.saturating_sub(shift), Due::Digest { mailbox: mailbox.name.clone() })
}

/// A digest is due.
#[must_use]
pub fn due(event: &Event, mailbox: &str, view: &View, policy: &Policy) -> Decision {
    let mut sheet = Sheet::new(event, policy);
    let Some(mailbox) = policy.mailboxes.get(mailbox) else {
        return sheet.done(Outcome::Ignored, "R34", "the mailbox is no longer in the config", None);
    };
    let agents = agents_of(policy, &mailbox.name);
    if view.digest.is_empty() || agents.is_empty() {
        if !view.digest.is_empty() {
            sheet.push(remind(policy, mailbox, event.at_ms));
        }
        return sheet.done(Outcome::Handled, "R34", "a digest with nothing to say, or nobody to hear it", None);
    }
    let written = policy.letters.write(Letter::Digest, &values(mailbox, &view.digest));
    for agent in agents {
        let subject = format!("What was put aside, {}", mailbox.display_name);
        sheet.to_agent_outside(mailbox, agent, Outside { subject, written: written.clone(), door: false });
    }
    for line in view.digest.iter().filter(|l| l.kind == Kind::Spam) {
        let at_ms = event.at_ms.saturating_add(policy.retention.spam_ms);
        sheet.push(Effect::Remind(at_ms, Due::SpamEnds(line.case)));
    }
    let last = view.digest.iter().map(|l| l.id).max().unwrap_or_default();
    sheet.push(Effect::Named { mailbox: mailbox.name.clone(), agent: None, last });
    if view.digest.len() >= LINES_MAX {
        sheet.push(remind(policy, mailbox, event.at_ms));
    }
    sheet.done(Outcome::Handled, "R34", "the digest", None)
}

fn values(mailbox: &Mailbox, lines: &[Line]) -> minijinja::Value {
    let of = |kind: Kind| -> Vec<minijinja::Value> {
        lines
            .iter()
            .filter(|l| l.kind == kind)
            .map(|l| {
                let at = when(l.at_ms, &mailbox.time_zone);
                context! { reference => l.reference, at, detail => l.detail }
            })
            .collect()
    };
    context! { desk => mailbox.display_name, held => of(Kind::Held), spam => of(Kind::Spam), limit => of(Kind::Limit) }
}
