//! A case, its parties and its entries.
//!
//! Decides   which status follows from what happened.
//! Never     forgets: entries are only added.

use crate::mail::render::Part;
use crate::mail::{Address, MessageId, NameAddr};

use super::standing::Standing;
use super::token::{CaseKey, PartyId};

/// Where a case stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Nobody has answered and nobody owns it.
    New,
    /// The customer waits.
    Open,
    /// The customer's turn.
    Waiting,
    /// Done; reopens when the customer writes (R12).
    Closed,
    /// Our own server called it spam (R32, R34).
    Spam,
}

impl Status {
    /// All of them.
    pub const ALL: [Status; 5] = [Status::New, Status::Open, Status::Waiting, Status::Closed, Status::Spam];

    /// The word in the store and in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Status::New => "new",
            Status::Open => "open",
            Status::Waiting => "waiting",
            Status::Closed => "closed",
            Status::Spam => "spam",
        }
    }

    /// From the store.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.word() == word)
    }
}

/// Which way an entry went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From outside to the desk.
    Inbound,
    /// From the desk to the outside.
    Outbound,
    /// Stays with the agents.
    Note,
}

impl Direction {
    /// The word in the store and in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Direction::Inbound => "inbound",
            Direction::Outbound => "outbound",
            Direction::Note => "note",
        }
    }

    /// From the store.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Direction::Inbound, Direction::Outbound, Direction::Note].into_iter().find(|d| d.word() == word)
    }
}

/// How urgent a case is; agents say so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Priority {
    /// After all others.
    Low,
    /// As most are.
    #[default]
    Normal,
    /// Before all others.
    High,
}

impl Priority {
    /// All of them.
    pub const ALL: [Priority; 3] = [Priority::Low, Priority::Normal, Priority::High];

    /// The word in the store, in commands and in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Priority::Low => "low",
            Priority::Normal => "normal",
            Priority::High => "high",
        }
    }

    /// From the store, or from an agent.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.word() == word)
    }
}

/// What mended a case's threading last, so that it can be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mend {
    /// This case was merged into it (R15).
    Merged(CaseKey),
    /// A mail of it got this case of its own.
    Split(CaseKey),
}

/// What agents said of a case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Handling {
    /// Words to find it by, each once, sorted.
    pub tags: Vec<String>,
    /// How urgent it is.
    pub priority: Priority,
    /// When it comes back by itself, milliseconds.
    pub snoozed_until_ms: Option<i64>,
    /// Agents beside the owner who get notes and mails of it: short names.
    pub watchers: Vec<String>,
    /// What mended its threading last.
    pub mend: Option<Mend>,
    /// An operator keeps it, whatever `[retention]` says (R80).
    pub on_hold: bool,
}

/// A case as the rules see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Its name in tokens, for ever.
    pub key: CaseKey,
    /// Its number for people; gives no rights.
    pub reference: i64,
    /// Short name of the mailbox.
    pub mailbox: String,
    /// Subject as the customer first wrote it.
    pub subject: String,
    /// Where it stands.
    pub status: Status,
    /// Short name of the owner.
    pub owner: Option<String>,
    /// The customer (R20).
    pub customer: NameAddr,
    /// When it was opened, milliseconds.
    pub opened_ms: i64,
    /// When it was last closed, milliseconds.
    pub closed_ms: Option<i64>,
    /// The case that this one was merged into (R15).
    pub merged_into: Option<CaseKey>,
    /// The newer case that continues this one (R12).
    pub successor: Option<CaseKey>,
    /// What the application that opened it says: names and values (R72).
    pub context: Vec<(String, String)>,
    /// Older than the first start (R91): nothing automatic leaves.
    pub old: bool,
    /// How often its tokens were revoked (R14).
    pub generation: i64,
    /// What agents said of it.
    pub handling: Handling,
}

/// Somebody outside who belongs to a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// Their number in tokens.
    pub id: PartyId,
    /// Their address and name.
    pub person: NameAddr,
    /// Mail of theirs has passed authentication before (R32).
    pub has_passed: bool,
    /// Gets a copy of every answer (`#cc`).
    pub copied: bool,
    /// The same person's newer address (`#replace`).
    pub replaced_by: Option<PartyId>,
    /// Asked beside the case (`#ask`): sees only what is written to them, and is no customer.
    pub aside: bool,
}

impl Party {
    /// A party of a case of which nothing else is known.
    #[must_use]
    pub fn new(case: CaseKey, person: NameAddr) -> Self {
        let id = PartyId::of_party(case, &person.address);
        Party { id, person, has_passed: false, copied: false, replaced_by: None, aside: false }
    }
}

/// What became of an agent's words that were not sent at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// They were not held.
    No,
    /// They wait for a word of the agent (`#send`, R33).
    Waits,
    /// They must be written anew.
    Mend,
    /// They were sent after all.
    Sent,
    /// They were given up.
    Dropped,
}

impl Held {
    const ALL: [Held; 5] = [Held::No, Held::Waits, Held::Mend, Held::Sent, Held::Dropped];

    /// The word in the store.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Held::No => "",
            Held::Waits => "waits",
            Held::Mend => "mend",
            Held::Sent => "sent",
            Held::Dropped => "dropped",
        }
    }

    /// From the store.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|h| h.word() == word)
    }
}

/// One thing that was said in a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which way.
    pub direction: Direction,
    /// Address of an outside author, short name of an agent, `yesreply` for the desk.
    pub author: String,
    /// Their name.
    pub author_name: String,
    /// Their standing when it was said.
    pub standing: Standing,
    /// The party it came from or went to; `NOBODY` for notes.
    pub party: PartyId,
    /// From, bare.
    pub from: String,
    /// To, bare.
    pub to: Vec<String>,
    /// Cc, bare.
    pub cc: Vec<String>,
    /// Subject of this mail.
    pub subject: String,
    /// Its Message-ID.
    pub message_id: Option<MessageId>,
    /// Its References, oldest first.
    pub references: Vec<MessageId>,
    /// When it arrived or was made, milliseconds.
    pub at_ms: i64,
    /// New words.
    pub text: String,
    /// The same as sanitised HTML; empty if there was none.
    pub html: String,
    /// All of its decoded text.
    pub body: String,
    /// Attachments.
    pub parts: Vec<Part>,
    /// Thread-Topic as received.
    pub thread_topic: Option<String>,
    /// Thread-Index as received.
    pub thread_index: Option<String>,
    /// Written by a machine and shown to nobody (R53).
    pub silent: bool,
    /// Lines that only our relay of this entry held; for recognising our own words in quotes (R43).
    pub relay_text: String,
    /// An agent's words that were not sent at once.
    pub held: Held,
    /// The entry that an agent's mail answers.
    pub answers: Option<i64>,
    /// The party on whose reply address an inbound mail came, if it is not its author; else `NOBODY`.
    pub holder: PartyId,
    /// The merged case to whose address it came: a split gives it back there (R15).
    pub origin: Option<CaseKey>,
}

impl Entry {
    /// Who wrote it, to be written to; `None` where From holds no address.
    #[must_use]
    pub fn sender(&self) -> Option<NameAddr> {
        let address = Address::parse(&self.from)?;
        let name = if self.author_name == address.local() { "" } else { &self.author_name };
        Some(NameAddr::new(name, address))
    }
}

impl Case {
    /// A case of which nothing else is known: new, of nobody, without a subject.
    #[must_use]
    pub fn new(key: CaseKey, reference: i64, mailbox: &str, customer: NameAddr, opened_ms: i64) -> Self {
        Case {
            key,
            reference,
            mailbox: mailbox.to_owned(),
            subject: String::new(),
            status: Status::New,
            owner: None,
            customer,
            opened_ms,
            closed_ms: None,
            merged_into: None,
            successor: None,
            context: Vec::new(),
            old: false,
            generation: 0,
            handling: Handling::default(),
        }
    }

    /// May a mail still reopen this case (R12)?
    #[must_use]
    pub fn takes_mail(&self, now_ms: i64, reopen_ms: i64) -> bool {
        if self.merged_into.is_some() {
            return false;
        }
        match (self.status, self.closed_ms) {
            (Status::Closed, Some(closed)) => now_ms.saturating_sub(closed) <= reopen_ms,
            _ => true,
        }
    }
}

/// Is this address one of the parties (R21)?
#[must_use]
pub fn party_of<'a>(parties: &'a [Party], address: &Address) -> Option<&'a Party> {
    let key = address.key();
    parties.iter().find(|p| p.person.address.key() == key)
}
