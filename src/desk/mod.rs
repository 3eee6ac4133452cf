//! What the desk decides.
//!
//! Decides   for an event, and what the store knows of it, which effects follow: [`decide`].
//! Follows   the rules of the desk (`docs/rules.md`, R1–R93).
//! Never     fails, waits, tells the time, rolls dice or touches the store: time, chance and settings are
//!           arguments, effects are data.

pub mod agent;
pub mod answer;
pub mod case;
pub mod command;
pub mod customer;
pub mod guard;
pub mod letters;
pub mod loops;
pub mod outgoing;
pub mod policy;
pub mod relay;
pub mod routing;
pub mod thread;
pub mod token;
pub mod trouble;

use std::collections::{BTreeMap, BTreeSet};

use crate::mail::render::{Draft, Part};
use crate::mail::reply::Reading;
use crate::mail::{Address, Incoming, MessageId};

use case::{Case, Entry, Party, Status};
use policy::Policy;
use token::{CaseKey, PartyId};

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
    /// The outbox gave a row up.
    Undeliverable(Undeliverable),
    /// A case that nobody was told of is to be shown to the mailbox's agents (R90).
    Staffed(CaseKey),
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
    /// Its new words, as an agent's mail is read: what of it may leave (R43).
    pub agent_reading: Reading,
    /// New words as sanitised HTML, images by `cid:` only; empty if there is no HTML.
    pub clean_html: String,
    /// Its attachments, already stored once.
    pub parts: Vec<Part>,
    /// Size of the whole mail, octets; larger than what was fetched if it was over the limit.
    pub size_bytes: u64,
    /// Only its headers were fetched: it is over `limits.message_bytes_max`.
    pub headers_only: bool,
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

/// What has to be looked up before a decision.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys {
    /// The number of the next case.
    pub next_reference: bool,
    /// Cases by key.
    pub cases: BTreeSet<CaseKey>,
    /// Cases by number.
    pub references: BTreeSet<i64>,
    /// Message-IDs that we may hold.
    pub message_ids: BTreeSet<MessageId>,
    /// Stored copies of this content (R13).
    pub copy: Option<[u8; 32]>,
    /// Budgets of this author.
    pub author: Option<Address>,
    /// Deliveries by the number in their bounce token.
    pub bounced: BTreeSet<PartyId>,
    /// Deliveries by outbox id.
    pub deliveries: BTreeSet<i64>,
    /// Deliveries by Message-ID.
    pub sent_ids: BTreeSet<MessageId>,
}

impl Keys {
    /// Nothing to look up.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Keys::default()
    }
}

/// What the store knows.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// All keys that were looked up so far, found or not.
    pub asked: Keys,
    /// Cases that were found.
    pub cases: BTreeMap<CaseKey, CaseView>,
    /// Message-IDs that we hold.
    pub known_ids: Vec<KnownId>,
    /// Stored mails with the same content.
    pub copies: Vec<StoredCopy>,
    /// Deliveries that were found.
    pub deliveries: Vec<Delivery>,
    /// What was sent lately.
    pub counts: Counts,
    /// The number of the next case.
    pub next_reference: i64,
}

/// A case with what a decision may need of it.
#[derive(Debug, Clone)]
pub struct CaseView {
    /// The case.
    pub case: Case,
    /// Its parties.
    pub parties: Vec<Party>,
    /// Its last entries, oldest first, each with its id in the store.
    pub entries: Vec<(i64, Entry)>,
    /// Ids of the mails each agent got in this case, oldest first; at most the last 20.
    pub agent_mail: BTreeMap<String, Vec<MessageId>>,
}

/// On which side of the desk a Message-ID was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Side {
    /// Somebody outside wrote it.
    Inbound,
    /// We sent it to customers.
    Customer,
    /// We sent it to this agent.
    Agent(String),
}

/// A Message-ID that we hold.
#[derive(Debug, Clone)]
pub struct KnownId {
    /// The id.
    pub id: MessageId,
    /// Its case.
    pub case: CaseKey,
    /// Mailbox of that case.
    pub mailbox: String,
    /// Whose it is.
    pub side: Side,
    /// The entry it carried.
    pub entry: Option<i64>,
}

/// A stored mail with the same content as the one that arrived (R13).
#[derive(Debug, Clone)]
pub struct StoredCopy {
    /// Its case, if it has one.
    pub case: Option<CaseKey>,
    /// The case was opened by it, without any token.
    pub opened: bool,
    /// The mailbox where it lay.
    pub mailbox: String,
    /// Its Message-ID.
    pub message_id: Option<MessageId>,
}

/// Why a mail is sent; also the order of the queue (R60).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// An agent's answer.
    Answer,
    /// A relay to the owner.
    RelayOwner,
    /// An acknowledgement.
    Acknowledgement,
    /// A relay to all agents of the mailbox.
    RelayAll,
    /// A confirmation or a failure, to an agent.
    Notice,
}

impl Purpose {
    const ALL: [Purpose; 5] =
        [Purpose::Answer, Purpose::RelayOwner, Purpose::Acknowledgement, Purpose::RelayAll, Purpose::Notice];

    /// The word in the store.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Purpose::Answer => "answer",
            Purpose::RelayOwner => "relay_owner",
            Purpose::Acknowledgement => "acknowledgement",
            Purpose::RelayAll => "relay_all",
            Purpose::Notice => "notice",
        }
    }

    /// From the store.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.word() == word)
    }

    /// Position in the queue, lowest first (R60).
    #[must_use]
    pub fn priority(self) -> i64 {
        match self {
            Purpose::Answer => 0,
            Purpose::RelayOwner => 1,
            Purpose::Acknowledgement => 2,
            Purpose::RelayAll => 3,
            Purpose::Notice => 4,
        }
    }
}

/// A row of the outbox, as trouble sees it.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Row id.
    pub id: i64,
    /// Number in its bounce token.
    pub bounce: PartyId,
    /// Its case.
    pub case: CaseKey,
    /// To whom it went.
    pub recipient: Address,
    /// Its Message-ID.
    pub message_id: MessageId,
    /// Why it was sent.
    pub purpose: Purpose,
    /// The agent it went to.
    pub agent: Option<String>,
    /// The entry it carried.
    pub entry: Option<i64>,
    /// Already known to have failed.
    pub failed: bool,
}

/// What was sent to, or opened by, this author lately, within the windows of `[limits]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Acknowledgements to the address.
    pub ack_address: u32,
    /// Acknowledgements to unauthenticated mail of the domain.
    pub ack_domain: u32,
    /// Acknowledgements to unauthenticated mail in all.
    pub ack_total: u32,
    /// Cases opened by the address.
    pub cases_address: u32,
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

/// A mail to be sent: one row of the outbox.
#[derive(Debug, Clone)]
pub struct Dispatch {
    /// Its case; a summary of many has none.
    pub case: Option<CaseKey>,
    /// Mailbox whose account sends it.
    pub mailbox: String,
    /// Why.
    pub purpose: Purpose,
    /// The one recipient.
    pub recipient: Address,
    /// The agent it goes to, if it goes to one.
    pub agent: Option<String>,
    /// Reverse-path; `None` is `<>`.
    pub reverse_path: Option<Address>,
    /// Number in the bounce token.
    pub bounce: PartyId,
    /// The entry whose delivery this is.
    pub entry: EntryLink,
    /// An automatic mail to unauthenticated mail counts against the strict budgets (R51).
    pub unauthenticated: bool,
    /// The mail.
    pub draft: Draft,
}

/// Which entry a dispatch belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryLink {
    /// The entry appended last by this decision.
    Appended,
    /// An entry that was there before.
    Stored(i64),
    /// None: a notice.
    Nothing,
}

/// A line in the log of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// What happened, one word.
    pub kind: &'static str,
    /// Who did it: agent's short name, `customer`, `yesreply`.
    pub by: String,
    /// The rule that decided.
    pub rule: &'static str,
    /// In words.
    pub detail: String,
}

/// One change of the store.
#[derive(Debug, Clone)]
pub enum Effect {
    /// A case that was not there.
    Open(Box<Case>),
    /// Somebody belongs to a case from now on.
    AddParty(CaseKey, Party),
    /// Mail of this party has passed (R32).
    PartyPassed(CaseKey, PartyId),
    /// Something was said.
    Append(CaseKey, Box<Entry>),
    /// The case stands elsewhere.
    SetStatus(CaseKey, Status),
    /// Somebody owns it, or nobody.
    SetOwner(CaseKey, Option<String>),
    /// It goes on in a newer one (R12).
    SetSuccessor(CaseKey, CaseKey),
    /// It is part of another one (R13, R15).
    MergeInto(CaseKey, CaseKey),
    /// A mail leaves.
    Send(Box<Dispatch>),
    /// A delivery ended otherwise than the relay's answer said.
    DeliveryFailed {
        /// Outbox row.
        delivery: i64,
        /// Enhanced status.
        status: String,
        /// In the reporter's words.
        diagnostic: String,
    },
    /// A line in the log of the case.
    Log(CaseKey, LogLine),
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
    Need(Keys),
    /// Done.
    Done(Decision),
}

/// Decides. Called with an empty view first; asks for what it needs, in at most [`ROUNDS_MAX`] rounds.
#[must_use]
pub fn decide(event: &Event, view: &View, policy: &Policy) -> Step {
    let keys = routing::keys(event, view, policy);
    if !keys.is_empty() {
        return Step::Need(keys);
    }
    Step::Done(match &event.what {
        What::Arrived(arrival) => arrived(event, arrival, view, policy),
        What::Undeliverable(failure) => trouble::gave_up(event, failure, view, policy),
        What::Staffed(case) => customer::staffed(event, *case, view, policy),
        What::OldMail { mailbox, count } => customer::old_mail(event, mailbox, *count, view, policy),
    })
}

/// More rounds than any event needs: tokens, then the cases of known ids, then successors.
pub const ROUNDS_MAX: usize = 12;

fn arrived(event: &Event, arrival: &Arrival, view: &View, policy: &Policy) -> Decision {
    let arriving = routing::Arriving { event, arrival, view, policy };
    if let Some(decision) = loops::our_own_mail(&arriving) {
        return decision;
    }
    let route = routing::route(&arriving);
    if let Some(decision) = routing::copy(&arriving, &route) {
        return decision;
    }
    if arrival.mail.report.is_some() || arrival.mail.nature == crate::mail::Nature::Bounce {
        return trouble::reported(&arriving, &route);
    }
    match route.agent_token() {
        Some(token) => agent::wrote(&arriving, &route, token),
        None => customer::wrote(&arriving, &route),
    }
}
