//! What the desk decides.
//!
//! Decides   for an event, and what the store knows of it, which effects follow: [`decide`].
//! Follows   the rules of the desk (`docs/rules.md`, R1–R93).
//! Never     fails, waits, tells the time, rolls dice or touches the store: time, chance and settings are
//!           arguments, effects are data.

pub mod absence;
pub mod acknowledge;
pub mod actions;
pub mod agent;
pub mod answer;
pub mod arriving;
pub mod broken;
pub mod call;
pub mod case;
pub mod change;
pub mod circle;
pub mod command;
pub mod confirm;
pub mod conversation;
pub mod customer;
pub mod digest;
pub mod door;
pub mod effect;
pub mod filing;
pub mod forward;
pub mod guard;
pub mod held;
pub mod keeping;
pub mod letters;
pub mod lookups;
pub mod loops;
pub mod machine;
pub mod moment;
pub mod names;
pub mod note;
pub mod notified;
pub mod opening;
pub mod operator;
pub mod orders;
pub mod outgoing;
pub mod overload;
pub mod owners;
pub mod ownership;
pub mod parent;
pub mod policy;
pub mod privacy;
pub mod probe;
pub mod recall;
pub mod recipients;
pub mod relay;
pub mod routing;
pub mod sent;
pub mod settle;
pub mod spam;
pub mod standing;
pub mod submission;
pub mod thread;
pub mod threading;
pub mod token;
pub mod trouble;
pub mod unseen;
pub mod untold;
pub mod view;
pub mod waking;
pub mod warnings;
pub mod who;

use crate::mail::Incoming;
use crate::mail::render::Part;
use crate::mail::reply::Reading;
use crate::mail::verdict::Opinion;

pub use effect::{Absence, Dispatch, Effect, EntryLink, LogLine};
pub use view::{CaseView, Counts, Delivery, Keys, KnownId, Purpose, Side, StoredCopy, View};

use call::Called;
use digest::Due;
use policy::Policy;
use submission::Submission;
use token::CaseKey;

/// Something that happened. Its id comes from the outside, so that a repeat is recognised.
#[derive(Debug, Clone)]
pub struct Event {
    /// `imap/<mailbox>/<folder>/<uidvalidity>/<uid>`, `outbox/<id>/failed`, `staffed/<mailbox>/<case>` …
    pub id: String,
    /// When, milliseconds since 1970.
    pub at_ms: i64,
    /// What.
    pub what: What,
}

/// What happened. Closed on purpose: everything that can happen to the desk stands here.
#[derive(Debug, Clone)]
pub enum What {
    /// A mail arrived in a mailbox.
    Arrived(Box<Arrival>),
    /// An application handed in a mail, for one of its recipients.
    Submitted(Box<Submission>),
    /// The outbox gave a row up.
    Undeliverable(Undeliverable),
    /// A case that nobody was told of is to be shown to the mailbox's agents (R90).
    Staffed(CaseKey),
    /// Old cases that nobody was told of are to be listed to the mailbox's agents (R90).
    Untold(untold::Untold),
    /// An operator revokes all tokens of a case (R14).
    RotateTokens {
        /// The number of the case.
        reference: i64,
    },
    /// An operator welcomes an agent: a mail whose answer proves that their mail passes (R23, R31).
    Welcome {
        /// Short name.
        agent: String,
    },
    /// A time has come.
    Due(Due),
    /// An operator reopens a case, or releases it from spam.
    Reopened(CaseKey),
    /// An operator says in a case what an agent may say by mail.
    Ordered(Box<operator::Order>),
    /// An operator says that an agent is away, or back.
    Presence {
        /// Short name.
        agent: String,
        /// Away, until this time or without an end; `None`: back.
        away: Option<Option<i64>>,
    },
    /// A mail of a case was moved to another folder of the mailbox (R94).
    Moved(filing::Moved),
    /// An operator asks for a probe (R95).
    Probe {
        /// Mailbox short name.
        mailbox: String,
    },
    /// What an application was to be told has ended.
    Called(Box<Called>),
    /// What may be kept no longer (R80).
    Expired(keeping::Old),
    /// An operator decides about the keeping of a case (R80).
    Keeping {
        /// The number of the case.
        reference: i64,
        /// What they decide.
        verdict: keeping::Verdict,
    },
    /// Old mail was taken in at the first start: one summary to the agents (R91).
    OldMail {
        /// Mailbox short name.
        mailbox: String,
        /// How many cases were opened from it.
        count: i64,
    },
}

/// A mail that arrived, read outside the transaction.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Short name of the mailbox where it lay.
    pub mailbox: String,
    /// Older than the first start of intake (R91), or found again after a UIDVALIDITY change.
    pub old: bool,
    /// What it says.
    pub mail: Incoming,
    /// Its new words, as a customer's mail is read.
    pub reading: Reading,
    /// Its new words, as an agent's mail is read: what of it may leave (R43); empty where neither an agent wrote it nor
    /// an agent's token is in it.
    pub agent_reading: Reading,
    /// New words as sanitised HTML, images by `cid:` only; empty if there is no HTML.
    pub clean_html: String,
    /// Its attachments, already stored once.
    pub parts: Vec<Part>,
    /// What our own look at its signatures found, where `security.verify` says so.
    pub checked: Option<Opinion>,
    /// Size of the whole mail, octets; larger than what was fetched if it was over the limit.
    pub size_bytes: u64,
    /// It was handed in by an application, which vouches for the customer's address (R51).
    pub vouched: bool,
    /// What the application that handed it in says of it.
    pub context: Vec<(String, String)>,
    /// It was handed in by an application: its From is a form's (R20).
    pub form: bool,
    /// Only its headers were fetched: it is over `limits.message_bytes_max`.
    pub headers_only: bool,
    /// The mail that it forwards; looked for only where an agent's address stands in From (R23).
    pub forward: Option<Box<forward::Forwarded>>,
    /// It lay in the folder for spam (R34).
    pub junk: bool,
    /// It lay in the folder of what people sent from the mailbox (R49).
    pub sent: bool,
}

/// A delivery that failed for good.
#[derive(Debug, Clone)]
pub struct Undeliverable {
    /// Outbox row.
    pub delivery: i64,
    /// Enhanced status (RFC 3463).
    pub status: String,
    /// What the relay said.
    pub diagnostic: String,
}

/// The one visible state in which a message ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is in a case.
    Handled,
    /// We had it already (R13).
    Duplicate,
    /// A named rule says that it does nothing.
    Ignored,
    /// Kept, and an agent was asked.
    Held,
}

impl Outcome {
    /// The word in the store and in `audit`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Handled => "handled",
            Outcome::Duplicate => "duplicate",
            Outcome::Ignored => "ignored",
            Outcome::Held => "held",
        }
    }
}

/// What follows from an event.
#[derive(Debug, Clone)]
pub struct Decision {
    /// The visible state of the message.
    pub outcome: Outcome,
    /// The rule that decided.
    pub rule: &'static str,
    /// Why, in words.
    pub because: String,
    /// The case it went to.
    pub case: Option<CaseKey>,
    /// In this order.
    pub effects: Vec<Effect>,
}

/// Either more has to be looked up, or all is decided.
#[derive(Debug)]
pub enum Step {
    /// Look these up, then decide again.
    Need(Box<Keys>),
    /// Done.
    Done(Decision),
}

/// Decides. Called with an empty view first; asks for what it needs, in at most [`ROUNDS_MAX`] rounds.
#[must_use]
pub fn decide(event: &Event, view: &View, policy: &Policy) -> Step {
    let keys = lookups::keys(event, view, policy);
    if !keys.is_empty() {
        return Step::Need(Box::new(keys));
    }
    let decision = match &event.what {
        What::Arrived(arrival) => arrived(event, arrival, view, policy),
        What::Submitted(submission) => submission::handed_in(event, submission, view, policy),
        What::Undeliverable(failure) => broken::gave_up(event, failure, view, policy)
            .unwrap_or_else(|| trouble::gave_up(event, failure, view, policy)),
        What::Staffed(case) => untold::staffed(event, *case, view, policy),
        What::Untold(cases) => untold::listed(event, cases, policy),
        What::OldMail { mailbox, count } => customer::old_mail(event, mailbox, *count, view, policy),
        What::Expired(old) => keeping::expired(event, old, policy),
        What::Keeping { reference, verdict } => keeping::ordered(event, *reference, *verdict, view, policy),
        What::RotateTokens { reference } => operator::rotate_tokens(event, *reference, view, policy),
        What::Welcome { agent } => door::welcome(event, agent, policy),
        What::Ordered(order) => operator::ordered(event, order, view, policy),
        What::Moved(moved) => filing::moved(event, moved, view, policy),
        What::Presence { agent, away } => absence::set(event, agent, *away, view, policy),
        What::Due(Due::Digest { mailbox }) => digest::due(event, mailbox, view, policy),
        What::Due(Due::Overload { mailbox, agent }) => overload::due(event, (mailbox, agent), view, policy),
        What::Due(Due::SpamEnds(case)) => spam::ends(event, *case, view, policy),
        What::Due(Due::Breaker) => loops::breaker(event, view, policy),
        What::Due(Due::Wakes(case)) => waking::due(event, *case, view, policy),
        What::Due(Due::Back(agent)) => absence::due(event, agent, view, policy),
        What::Due(Due::Probe { mailbox }) => circle::begins(event, mailbox, true, view, policy),
        What::Due(Due::ProbeEnds(case)) => broken::ends(event, *case, view, policy),
        What::Probe { mailbox } => circle::begins(event, mailbox, false, view, policy),
        What::Called(called) => call::ended(event, called, view, policy),
        What::Reopened(case) => spam::reopened(event, *case, view, policy),
    };
    Step::Done(digest::noted(event, view, policy, decision))
}

/// More rounds than any event needs: tokens, then the cases of known ids, then successors.
pub const ROUNDS_MAX: usize = 12;

fn arrived(event: &Event, arrival: &Arrival, view: &View, policy: &Policy) -> Decision {
    let arriving = arriving::Arriving { event, arrival, view, policy };
    if let Some(decision) = circle::arrived(&arriving) {
        return decision;
    }
    if let Some(decision) = filing::returned(&arriving).or_else(|| loops::our_own_mail(&arriving)) {
        return decision;
    }
    if arrival.sent {
        return sent::found(&arriving);
    }
    if let Some(decision) = door::knocked(&arriving) {
        return decision;
    }
    let route = routing::route(&arriving);
    if let Some(decision) = spam::rescued(&arriving) {
        return decision;
    }
    if let Some(decision) = routing::copy(&arriving, &route) {
        return decision;
    }
    if arrival.mail.report.is_some() || arrival.mail.nature == crate::mail::Nature::Bounce {
        return trouble::reported(&arriving, &route);
    }
    if let Some(decision) = forward::forwarded(&arriving, &route) {
        return decision;
    }
    if let Some(decision) = conversation::asked(&arriving, &route) {
        return decision;
    }
    match route.agent_token() {
        Some(token) => agent::wrote(&arriving, &route, token),
        None => agent::on_a_dead_token(&arriving, &route).unwrap_or_else(|| customer::wrote(&arriving, &route)),
    }
}
