//! What a decision asks for, and what the store knows of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::mail::{Address, MessageId};

use super::Absence;
use super::case::{Case, Entry, Party, Priority, Status};
use super::digest::Line;
use super::probe::{Before, Probe};
use super::submission::{Notification, Suppressed};
use super::token::{CaseKey, PartyId};

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
    /// Has mail of this address passed before (R32)?
    pub passed: Option<Address>,
    /// What is known of these agents' mail (R31).
    pub agents: BTreeSet<String>,
    /// Notifications that left with these Message-IDs.
    pub notified_ids: BTreeSet<MessageId>,
    /// Deliveries of the notifications with these keys.
    pub notified: BTreeSet<CaseKey>,
    /// Notifications by their key, whose case may be open.
    pub answered: BTreeSet<CaseKey>,
    /// Was what a customer chose in answer to these notifications passed on?
    pub acted: BTreeSet<CaseKey>,
    /// Is mail to this address suppressed (R64)?
    pub suppressed: Option<Address>,
    /// How many notices went to this owner of an application lately?
    pub reports: Option<Address>,
    /// How many notifications came back within the last hour, and how many left?
    pub bounces: bool,
    /// Deliveries by the number in their bounce token.
    pub bounced: BTreeSet<PartyId>,
    /// Deliveries by outbox id.
    pub deliveries: BTreeSet<i64>,
    /// Deliveries by Message-ID.
    pub sent_ids: BTreeSet<MessageId>,
    /// Lines of this mailbox that no digest has named, for this agent or for all of it.
    pub digest: Option<(String, Option<String>)>,
    /// Is the breaker of acknowledgements open, and how many went out?
    pub breaker: bool,
    /// Who is away?
    pub away: bool,
    /// How much was relayed to each agent lately (R60)?
    pub relays: bool,
    /// How many cases each agent has.
    pub loads: bool,
    /// The open cases of this agent.
    pub work: Option<String>,
    /// Probes by the key of the case that their answer opens.
    pub probes: BTreeSet<CaseKey>,
    /// Earlier probes of this mailbox.
    pub before: Option<String>,
}

impl Keys {
    /// Nothing to look up.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Keys::default()
    }

    /// What of this was not asked yet.
    #[must_use]
    pub fn without(mut self, asked: &Keys) -> Keys {
        self.cases.retain(|k| !asked.cases.contains(k));
        self.references.retain(|k| !asked.references.contains(k));
        self.message_ids.retain(|k| !asked.message_ids.contains(k));
        self.bounced.retain(|k| !asked.bounced.contains(k));
        self.deliveries.retain(|k| !asked.deliveries.contains(k));
        self.sent_ids.retain(|k| !asked.sent_ids.contains(k));
        self.notified_ids.retain(|k| !asked.notified_ids.contains(k));
        self.notified.retain(|k| !asked.notified.contains(k));
        self.answered.retain(|k| !asked.answered.contains(k));
        self.acted.retain(|k| !asked.acted.contains(k));
        self.next_reference &= !asked.next_reference;
        if self.copy == asked.copy {
            self.copy = None;
        }
        if self.suppressed == asked.suppressed {
            self.suppressed = None;
        }
        self.agents.retain(|k| !asked.agents.contains(k));
        if self.author == asked.author {
            self.author = None;
        }
        if self.reports == asked.reports {
            self.reports = None;
        }
        if self.passed == asked.passed {
            self.passed = None;
        }
        if self.digest == asked.digest {
            self.digest = None;
        }
        self.bounces &= !asked.bounces;
        self.breaker &= !asked.breaker;
        self.away &= !asked.away;
        self.relays &= !asked.relays;
        self.loads &= !asked.loads;
        if self.work == asked.work {
            self.work = None;
        }
        self.probes.retain(|k| !asked.probes.contains(k));
        if self.before == asked.before {
            self.before = None;
        }
        self
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
    /// Notifications that were found.
    pub notifications: BTreeMap<CaseKey, Notification>,
    /// Those of them whose application was told what their reader chose.
    pub acted: BTreeSet<CaseKey>,
    /// What is known of a recipient to whom notifications came back.
    pub suppressed: Option<Suppressed>,
    /// Addresses to which notifications came back within the last hour, and notifications that left.
    pub bounces: (u32, u32),
    /// Notices to the owner of an application within the last hour.
    pub reports: u32,
    /// What was sent lately.
    pub counts: Counts,
    /// Mail of the author has passed before, in whatever case (R32).
    pub author_has_passed: bool,
    /// Agents whose mail has passed, each with what was trusted then ([`super::policy::Security::anchor`]).
    pub agents: BTreeMap<String, String>,
    /// Agents who were told that their private address is taken out (R46).
    pub told: BTreeSet<String>,
    /// The number of the next case.
    pub next_reference: i64,
    /// Mails relayed to each agent within the window of `limits.relays_per_agent`, by short name.
    pub relays: BTreeMap<String, u32>,
    /// Lines of the mailbox's next digest, oldest first.
    pub digest: Vec<Line>,
    /// Agents who are away, by short name.
    pub away: BTreeMap<String, Absence>,
    /// How much each agent has to do, by short name; who has nothing may be missing.
    pub loads: BTreeMap<String, Load>,
    /// An agent's open cases, longest untouched first.
    pub work: Vec<Work>,
    /// Probes that were found.
    pub probes: BTreeMap<CaseKey, Probe>,
    /// What is known of the mailbox's earlier probes.
    pub before: Before,
}

/// In place of an id: the entry that is being appended.
pub const BEING_SAID: i64 = i64::MAX;

impl CaseView {
    /// With what is being said now: whoever gets the case by the same mail sees it in the history.
    #[must_use]
    pub fn with(mut self, entry: Entry) -> Self {
        self.entries.push((BEING_SAID, entry));
        self
    }
}

impl View {
    /// The case that this one is part of, or itself (R15).
    #[must_use]
    pub fn surviving<'a>(&'a self, case: &'a CaseView) -> &'a CaseView {
        let mut found = case;
        for _ in 0..super::ROUNDS_MAX {
            match found.case.merged_into.and_then(|key| self.cases.get(&key)) {
                Some(next) => found = next,
                None => break,
            }
        }
        found
    }
}

/// How much an agent has to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Cases of theirs that are not done.
    pub cases: u32,
    /// When they were last given one in turn, milliseconds.
    pub given_ms: i64,
}

/// A case in a list for its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// Its number.
    pub reference: i64,
    /// Where it stands.
    pub status: Status,
    /// How urgent it is.
    pub priority: Priority,
    /// Address of the customer.
    pub customer: String,
    /// Its subject.
    pub subject: String,
    /// When something last happened, milliseconds.
    pub updated_ms: i64,
}

/// Ids of mails to each agent that a decision sees.
pub const AGENT_MAIL_EACH_MAX: usize = 20;

/// A case with what a decision may need of it.
#[derive(Debug, Clone)]
pub struct CaseView {
    /// The case.
    pub case: Case,
    /// Its parties.
    pub parties: Vec<Party>,
    /// Its last entries, oldest first, each with its id in the store.
    pub entries: Vec<(i64, Entry)>,
    /// Ids of the mails each agent got in this case, oldest first; at most the last [`AGENT_MAIL_EACH_MAX`].
    pub agent_mail: BTreeMap<String, Vec<MessageId>>,
    /// Notices to agents about it within the last hour.
    pub notices: u32,
}

impl CaseView {
    /// A case of which nothing is stored yet.
    #[must_use]
    pub fn new(case: Case) -> Self {
        CaseView { case, parties: Vec::new(), entries: Vec::new(), agent_mail: BTreeMap::new(), notices: 0 }
    }
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
    /// It lay in the folder for spam.
    pub junk: bool,
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
    /// An application's notification.
    Notification,
    /// A probe, or its answer (R95).
    Probe,
}

impl Purpose {
    /// All of them, in the order of the queue.
    pub const ALL: [Purpose; 7] = [
        Purpose::Answer,
        Purpose::RelayOwner,
        Purpose::Acknowledgement,
        Purpose::RelayAll,
        Purpose::Notice,
        Purpose::Notification,
        Purpose::Probe,
    ];

    /// The word in the store.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Purpose::Answer => "answer",
            Purpose::RelayOwner => "relay_owner",
            Purpose::Acknowledgement => "acknowledgement",
            Purpose::RelayAll => "relay_all",
            Purpose::Notice => "notice",
            Purpose::Notification => "notification",
            Purpose::Probe => "probe",
        }
    }

    /// From the store.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.word() == word)
    }

    /// Position in the queue, lowest first (R60). The two small mails of a probe go first: they try the way, not the queue.
    #[must_use]
    pub fn priority(self) -> i64 {
        match self {
            Purpose::Answer => 0,
            Purpose::RelayOwner => 1,
            Purpose::Acknowledgement => 2,
            Purpose::RelayAll => 3,
            Purpose::Notice => 4,
            Purpose::Notification => 5,
            Purpose::Probe => -1,
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
    /// It has not been tried yet.
    pub waits: bool,
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
    /// Notices to the address within the last hour.
    pub notices_address: u32,
    /// The address is the customer of a case that is no spam.
    pub is_known: bool,
    /// An agent has written to the address in a case of theirs: they are no stranger, whatever their mail proves (R51).
    pub is_answered: bool,
    /// The breaker of acknowledgements is open (R51).
    pub breaker_is_open: bool,
}
