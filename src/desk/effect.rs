//! What a decision changes: data, carried out by the store in one transaction.

use crate::mail::render::Draft;
use crate::mail::{Address, NameAddr};

use super::Purpose;
use super::call::{Call, Ending};
use super::case::{Case, Entry, Held, Party, Status};
use super::change::Change;
use super::digest::{Due, Line};
use super::keeping::Kept;
use super::probe::Progress;
use super::submission::{Departure, Notification, Strike};
use super::token::{CaseKey, PartyId};

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
    /// It does not leave before, milliseconds: until then it can be called back; 0: at once.
    pub not_before_ms: i64,
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

/// An agent is away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absence {
    /// Until when, milliseconds; `None`: until they say otherwise.
    pub until_ms: Option<i64>,
    /// It was a machine that said so: it ends when they write.
    pub noticed: bool,
    /// Since when, milliseconds; 0 while it is new.
    pub since_ms: i64,
}

/// What an agent is told of how the desk works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lesson {
    /// The mail whose answer proves them (R23, R31).
    Welcome,
    /// Their private address is taken out of their signature (R46).
    PrivateAddress,
}

/// One change of the store.
#[derive(Debug, Clone)]
pub enum Effect {
    /// A case that was not there.
    Open(Box<Case>),
    /// A case that takes the number of one that is deleted (R95).
    OpenInPlace(Box<Case>),
    /// How far a probe has come (R95).
    Probe(CaseKey, Progress),
    /// The mail that arrived is deleted on its server: it is a probe of ours, or its answer (R95).
    Remove,
    /// Somebody belongs to a case from now on.
    AddParty(CaseKey, Party),
    /// Mail of this party has passed (R32).
    PartyPassed(CaseKey, PartyId),
    /// This party gets a copy of every answer from now on, or none.
    Copied(CaseKey, PartyId, bool),
    /// The first is the second's older address (R33).
    Replaced(CaseKey, PartyId, PartyId),
    /// Somebody else is the customer (R33).
    SetCustomer(CaseKey, NameAddr),
    /// The mails of this unverified author are a party's (R33).
    Settled(CaseKey, PartyId),
    /// What became of an agent's held words.
    SetHeld(i64, Held),
    /// All tokens of the case are revoked.
    Renewed(CaseKey),
    /// An agent was told something.
    AgentTold(String, Lesson),
    /// What was said of an agent's mail.
    AgentHeard {
        /// Short name.
        agent: String,
        /// In words.
        opinion: String,
        /// It passed, and this is what was trusted.
        proven_by: Option<String>,
    },
    /// Something was said.
    Append(CaseKey, Box<Entry>),
    /// Somebody answered from the mailbox itself: nothing is sent, and answers to this mail find the case (R49).
    Found(CaseKey, Box<Entry>),
    /// Something was said before the case opened: the notification that its first mail answers (R72).
    Precede(CaseKey, Box<Entry>),
    /// A notification is kept, and leaves unless its recipient is suppressed (R64).
    Notify(Box<Notification>, Option<Departure>),
    /// A notification came back (R64).
    Strike(Strike),
    /// An application, or its owner, is to be told something.
    Call(Box<Call>),
    /// How that ended.
    CallEnded {
        /// Its row.
        row: i64,
        /// How.
        ending: Ending,
    },
    /// The case stands elsewhere.
    SetStatus(CaseKey, Status),
    /// Somebody owns it, or nobody.
    SetOwner(CaseKey, Option<String>),
    /// It goes on in a newer one (R12).
    SetSuccessor(CaseKey, CaseKey),
    /// It is part of another one (R13, R15).
    MergeInto(CaseKey, CaseKey),
    /// It is a case of its own again, and stands so (R15).
    Unmerge(CaseKey, Status),
    /// A mail moves to a case of its own.
    SplitOff {
        /// The entry.
        entry: i64,
        /// Where it is.
        from: CaseKey,
        /// Where it goes.
        to: CaseKey,
    },
    /// What an agent's words change of a case.
    Change(CaseKey, Change),
    /// An agent is away, or back.
    Absent(String, Option<Absence>),
    /// An agent was given a case in turn.
    Given(String),
    /// A mail that has not left is called back: row of the outbox.
    Cancel(i64),
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
    /// Something is to happen at this time, milliseconds.
    Remind(i64, Due),
    /// A line of the next digest.
    Digest(Line),
    /// A digest has named lines.
    Named {
        /// Those of this mailbox.
        mailbox: String,
        /// For this agent; `None`: for all of it.
        agent: Option<String>,
        /// Up to this row.
        last: i64,
    },
    /// A case, its words and its mails are deleted; that they came stays known.
    Forget(CaseKey),
    /// These go, as far as they are older and nothing waits for them (R80).
    Expire {
        /// What they are.
        kept: Kept,
        /// Their keys or rows.
        ids: Vec<i64>,
        /// They are kept since before this time, milliseconds.
        before_ms: i64,
    },
    /// The case stays, whatever `[retention]` says, or no longer so (R80).
    Hold(CaseKey, bool),
}
