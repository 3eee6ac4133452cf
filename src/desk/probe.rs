//! What a probe is: that mail of ours can be answered is watched, not assumed (R95).
//!
//! Decides   which mails are a probe, its answer, or a report on one of them.
//! Follows   R22, R63.
//! Never     takes a mail for one of these that does not bear our MAC.

use crate::mail::{Incoming, MessageId, Nature};

use super::Keys;
use super::policy::{Mailbox, Policy};
use super::routing::is_our_own;
use super::token::{CaseKey, Class, Found, PartyId, Place, Token};

/// Before the token in an answer's Message-ID and in its words: no id of ours begins so, and so it is no mail of ours
/// come back (R22).
const ANSWER: &str = "answer-";

/// A step of a probe, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The relay took the probe.
    Submitted,
    /// It came into the mailbox.
    Received,
    /// The relay took its answer.
    Answered,
    /// The answer came, and opened a case.
    Opened,
}

impl Step {
    /// All of them.
    pub const ALL: [Step; 4] = [Step::Submitted, Step::Received, Step::Answered, Step::Opened];

    /// The word in the store, in JSON and in alarms.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Step::Submitted => "submitted",
            Step::Received => "received",
            Step::Answered => "answered",
            Step::Opened => "opened",
        }
    }

    /// From the store.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.word() == word)
    }
}

/// A probe as far as it has come. Times are milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Key of the case that its answer opens.
    pub case: CaseKey,
    /// Mailbox short name.
    pub mailbox: String,
    /// Its Message-ID.
    pub message_id: MessageId,
    /// When it was queued.
    pub begun_ms: i64,
    /// Until when it must have come full circle.
    pub until_ms: i64,
    /// When each step was done, in the order of [`Step::ALL`].
    pub done_ms: [Option<i64>; 4],
    /// What the relay last said of the probe, and of its answer.
    pub said: [String; 2],
    /// When it ended, whichever way.
    pub ended_ms: Option<i64>,
    /// The step at which it failed.
    pub failed: Option<Step>,
    /// Why it failed.
    pub detail: String,
    /// Number of its case.
    pub reference: Option<i64>,
}

impl Probe {
    /// When a step was done.
    #[must_use]
    pub fn at_ms(&self, step: Step) -> Option<i64> {
        Step::ALL.iter().zip(self.done_ms).find(|(s, _)| **s == step).and_then(|(_, at)| at)
    }

    /// It has come full circle.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.at_ms(Step::Opened).is_some()
    }

    /// How long it took until the case was open, or until it was given up.
    #[must_use]
    pub fn took_ms(&self) -> Option<i64> {
        self.ended_ms.map(|ended| ended.saturating_sub(self.begun_ms))
    }
}

/// What is known of the earlier probes of a mailbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Before {
    /// The one that is on its way.
    pub running: Option<CaseKey>,
    /// Those that have ended and whose mails are kept still.
    pub ended: Vec<CaseKey>,
    /// The number that cases of this mailbox's probes have.
    pub reference: Option<i64>,
    /// The last one failed.
    pub failing: bool,
}

/// What a decision says of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// It is queued.
    Begun {
        /// Mailbox short name.
        mailbox: String,
        /// Its Message-ID.
        message_id: MessageId,
        /// Until when it must have come full circle, milliseconds.
        until_ms: i64,
    },
    /// It came, and its answer is queued.
    Received,
    /// Its answer came, and opened the case with this number.
    Opened(i64),
    /// It failed.
    Failed {
        /// At this step.
        step: Step,
        /// What was tried, what happened, how to mend it.
        words: String,
    },
    /// Nobody was there to see whether it came.
    Lapsed,
    /// Its case and its mails are deleted; the result stays.
    Collected,
}

/// What a mail has to do with a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Is {
    /// It is one.
    Probe,
    /// It answers one.
    Answer,
    /// It reports that one of them did not arrive.
    Report,
}

/// When the next probe is due: at multiples of the period, so that restarts and changes of the config meet.
#[must_use]
pub fn next_ms(now_ms: i64, every_ms: i64) -> i64 {
    let every = every_ms.max(1);
    now_ms.div_euclid(every).saturating_add(1).saturating_mul(every)
}

/// The cases of probes that this mail proves, with our MAC, to have to do with.
#[must_use]
pub fn named(policy: &Policy, mail: &Incoming) -> Vec<(Is, CaseKey)> {
    let keys = &policy.keys;
    let mailboxes: Vec<&Mailbox> = policy.mailboxes.values().collect();
    let in_id = |id: &MessageId| match keys.read_message_id(id) {
        Some(Found::Good(token)) => Some(token.case),
        _ => answered(policy, id.left()),
    };
    if mail.report.is_some() || mail.nature == Nature::Bounce {
        let ids = mail.report.iter().flat_map(|r| r.original_message_id.iter().chain(&r.embedded_ids));
        let bounced = mail.recipients().filter_map(|address| match keys.read_address(address, &mailboxes) {
            Some(Found::Good(token)) if token.class == Class::Bounce => Some(token.case),
            _ => None,
        });
        return bounced.chain(ids.filter_map(in_id)).map(|case| (Is::Report, case)).collect();
    }
    if let Some(case) = mail.message_id.as_ref().and_then(|id| answered(policy, id.left())) {
        return vec![(Is::Answer, case)];
    }
    let mut found = Vec::new();
    if let Some(Found::Good(token)) = mail.message_id.as_ref().and_then(|id| keys.read_message_id(id)) {
        found.push((Is::Probe, token.case));
    }
    // a relay may have given it another id
    if let Some(Found::Good(Token { class: Class::Notification, case, .. })) =
        mail.reply_to.first().and_then(|reply_to| keys.read_address(&reply_to.address, &mailboxes))
    {
        found.push((Is::Probe, case));
    }
    if mail.author().is_some_and(|author| is_our_own(policy, &author.address)) {
        let words = mail.text.split_whitespace().find_map(|word| answered(policy, word));
        found.extend(words.map(|case| (Is::Answer, case)));
    }
    found
}

/// The case of the probe whose answer bears this mark.
fn answered(policy: &Policy, text: &str) -> Option<CaseKey> {
    match policy.keys.read(Place::MessageId, text.strip_prefix(ANSWER)?) {
        Some(Found::Good(Token { class: Class::Bounce, case, party: PartyId::NOBODY })) => Some(case),
        _ => None,
    }
}

/// The mark of an answer: no other token of class bounce is ever minted for a Message-ID.
#[must_use]
pub fn mark(policy: &Policy, case: CaseKey) -> String {
    let token = Token { class: Class::Bounce, case, party: PartyId::NOBODY };
    format!("{ANSWER}{}", policy.keys.mint(Place::MessageId, token))
}

/// May this mail have to do with the probe of this case?
#[must_use]
pub fn concerns(policy: &Policy, mail: &Incoming, case: CaseKey) -> bool {
    named(policy, mail).iter().any(|(_, named)| *named == case)
}

/// What is to be looked up for a mail that arrives.
pub fn keys(policy: &Policy, mail: &Incoming, keys: &mut Keys) {
    keys.probes.extend(named(policy, mail).into_iter().map(|(_, case)| case));
}
