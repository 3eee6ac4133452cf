//! The desk's settings, as the rules see them; built once from the config, never changed.

use std::collections::{BTreeMap, BTreeSet};

use crate::mail::Address;

use super::call::Kind;
use super::letters::Letters;
use super::token::TokenKeys;

/// How long things are kept, milliseconds (R80).
#[derive(Debug, Clone)]
pub struct Retention {
    /// `raw`: mails as they came and left, after their case was closed.
    pub raw_ms: i64,
    /// `case`: after it was closed.
    pub case_ms: i64,
    /// `spam`: after a digest has named it.
    pub spam_ms: i64,
    /// `quarantine`: after it was put there.
    pub quarantine_ms: i64,
    /// `notifications`: after they were taken.
    pub notifications_ms: i64,
}

/// Everything a decision may depend on besides the event and the store.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Mailboxes by short name.
    pub mailboxes: BTreeMap<String, Mailbox>,
    /// Agents by short name.
    pub agents: BTreeMap<String, Agent>,
    /// Applications that hand in notifications, by short name (R70).
    pub applications: BTreeMap<String, Application>,
    /// Keys of the token MAC, newest first.
    pub keys: TokenKeys,
    /// `[acknowledge]`.
    pub acknowledge: Acknowledge,
    /// `[limits]`.
    pub limits: Limits,
    /// `[security]`.
    pub security: Security,
    /// `[desk] reopen_days`, in milliseconds (R12).
    pub reopen_ms: i64,
    /// `[intake] forms` (R20).
    pub forms: Vec<Address>,
    /// `[intake] strip_subject` (R44).
    pub strip_subject: Vec<String>,
    /// `[intake] banner` (R44).
    pub banner: Vec<String>,
    /// `[intake] lists`: our own lists, whose From is no author's (R53).
    pub lists: Vec<Address>,
    /// The texts the desk writes.
    pub letters: Letters,
    /// `[desk] digest`, milliseconds.
    pub digest_ms: i64,
    /// `[desk] assignment`.
    pub assignment: Assignment,
    /// `[desk] hold`, milliseconds: so long an answer can be called back.
    pub hold_ms: i64,
    /// `[desk] collision` (R48).
    pub collision: Collision,
    /// `[retention]`.
    pub retention: Retention,
    /// A mistake that a test builds in: the leak guard lets everything pass.
    #[cfg(feature = "failpoints")]
    pub guard_is_open: bool,
}

/// Who gets a new case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assignment {
    /// All agents of the mailbox; the first to answer owns it.
    All,
    /// One after the other.
    RoundRobin,
    /// Whoever has the fewest.
    LeastLoaded,
}

/// What holds an answer that was written without having seen it (R48).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collision {
    /// A colleague's answer.
    Answers,
    /// Also a later mail of a customer's.
    Mails,
}

/// One mailbox (a desk address) as the rules see it.
#[derive(Debug, Clone)]
pub struct Mailbox {
    /// Short name, key of the table.
    pub name: String,
    /// The desk's address.
    pub address: Address,
    /// What customers see.
    pub display_name: String,
    /// How tokened addresses are made (R4).
    pub reply_address: ReplyAddress,
    /// Reverse-path of what we send (R5).
    pub reverse_path: ReversePath,
    /// May `<>` be used as reverse-path (R5, R52)?
    pub null_reverse_path: bool,
    /// From of relays (R6).
    pub relay_from: RelayFrom,
    /// Below every answer, once; may be empty.
    pub signature: String,
    /// Language of letters, e.g. "en".
    pub language: String,
    /// Time zone of times in letters.
    pub time_zone: jiff::tz::TimeZone,
    /// R95.
    pub probe: Probing,
}

/// How a mailbox is probed (R95).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probing {
    /// How often, milliseconds; `None`: only where an operator asks for it.
    pub every_ms: Option<i64>,
    /// A probe must have come full circle within, milliseconds.
    pub within_ms: i64,
}

/// R4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplyAddress {
    /// `local{separator}TOKEN@domain`: prefix and suffix round the token.
    Pattern {
        /// Local part before the token, e.g. `support+` or empty.
        prefix: String,
        /// Local part after the token; usually empty.
        suffix: String,
        /// Domain, lower-case A-label.
        domain: String,
    },
    /// The provider carries no detail: the plain address, tokens only in ids.
    Plain,
}

/// R5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReversePath {
    /// The bounce token.
    Token,
    /// The mailbox's own address.
    Address,
}

/// R6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayFrom {
    /// From is the mailbox's address, Reply-To the token.
    Mailbox,
    /// From is the agent's tokened address.
    Token,
}

/// One agent.
#[derive(Debug, Clone)]
pub struct Agent {
    /// Short name, key of the table.
    pub name: String,
    /// Name in letters to colleagues.
    pub display_name: String,
    /// What customers see (R81); the display name if not set.
    pub public_name: String,
    /// Registered addresses, at least one; relays go to the first.
    pub addresses: Vec<Address>,
    /// Mailboxes whose cases this agent gets; all if empty.
    pub mailboxes: Vec<String>,
    /// R93.
    pub lead: bool,
}

/// An application that hands in notifications (R70).
#[derive(Debug, Clone)]
pub struct Application {
    /// Short name, key of the table.
    pub name: String,
    /// Mailbox whose address its mail bears.
    pub mailbox: String,
    /// Name in a rewritten From; the application's own if not set.
    pub display_name: Option<String>,
    /// Addresses, or `@domain`, that it writes as; any if empty.
    pub from: Vec<String>,
    /// May its mail be answered?
    pub replyable: Replyable,
    /// A real Reply-To of its own stays.
    pub keep_reply_to: bool,
    /// Addresses in From that are rewritten like no-reply words.
    pub rewrite_from: Vec<Address>,
    /// Who hears of mail that comes back.
    pub bounces: Bounces,
    /// What becomes of sentences that tell not to answer.
    pub phrases: Phrases,
    /// What it is told by its webhook or command; empty where it has neither.
    pub takes: BTreeSet<Kind>,
    /// Its owner, who gets reports by mail where the application does not take them (R64).
    pub report_to: Option<Address>,
    /// What a customer chose and the application did not take within this time goes to a person, milliseconds.
    pub actions_ms: i64,
}

impl Application {
    /// Is this an address that it is configured to write as?
    #[must_use]
    pub fn writes_as(&self, from: &Address) -> bool {
        let key = from.key();
        self.from.iter().any(|pattern| match pattern.strip_prefix('@') {
            Some(domain) => from.domain() == domain,
            None => key == *pattern,
        })
    }
}

/// `application.replyable`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replyable {
    /// Each recipient gets a token.
    Always,
    /// Only the reverse-path is ours.
    Bounces,
    /// Nothing is ours but what must be.
    Never,
}

/// `application.bounces`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bounces {
    /// The gateway.
    Gateway,
    /// The application, at the reverse-path it named.
    Application,
}

/// `application.do_not_reply`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phrases {
    /// They are counted.
    Count,
    /// They are counted, and another sentence stands there.
    Replace,
}

/// To whom a class of automatic mail goes (R51).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Only where this very mail passed (see R51).
    Verified,
    /// Everybody.
    Everyone,
    /// Nobody.
    Nobody,
}

/// `[acknowledge]`.
#[derive(Debug, Clone)]
pub struct Acknowledge {
    /// Are acknowledgements sent at all?
    pub enabled: bool,
    /// Who gets one.
    pub to: Audience,
    /// Whose words stand in it.
    pub echo: Audience,
}

/// A budget: at most `count` within `window_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// How many.
    pub count: u32,
    /// Window, milliseconds.
    pub window_ms: i64,
}

/// `[limits]`; `None` is "off".
#[derive(Debug, Clone)]
pub struct Limits {
    /// Acknowledgements to one address.
    pub ack_per_address: Option<Budget>,
    /// Acknowledgements to one domain, unauthenticated mail alone (R51).
    pub ack_per_domain: Option<Budget>,
    /// Acknowledgements in all, unauthenticated mail alone (R51).
    pub ack_total: Option<Budget>,
    /// New cases by one address.
    pub cases_per_address: Option<Budget>,
    /// Relays to one agent.
    pub relays_per_agent: Option<Budget>,
    /// Largest mail that is fetched whole, octets.
    pub message_bytes_max: u64,
}

/// `[security]`.
#[derive(Debug, Clone)]
pub struct Security {
    /// Whose Authentication-Results are believed; empty: nobody's (R31). `*.` prefixes allowed.
    pub trusted_authserv_id: Vec<String>,
    /// Domains whose ARC seals lift a failure (R32).
    pub trusted_arc_sealer: Vec<String>,
    /// With no server trusted: does the shell check DKIM and DMARC itself?
    pub verifies: bool,
    /// The DNS server that is asked then; the system's if none is named.
    pub resolver: Option<std::net::SocketAddr>,
    /// Whose mail needs a pass.
    pub require_auth: RequireAuth,
}

impl Security {
    /// Whom we trust to say who speaks, in one word that changes with it; `None`: nobody.
    #[must_use]
    pub fn anchor(&self) -> Option<String> {
        if self.trusted_authserv_id.is_empty() {
            return self.verifies.then(|| "verify=dkim".to_owned());
        }
        let mut ids: Vec<String> = self.trusted_authserv_id.iter().map(|id| id.to_ascii_lowercase()).collect();
        ids.sort();
        Some(ids.join(","))
    }
}

/// `[security] require_auth`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequireAuth {
    /// Nobody's.
    Off,
    /// An agent's, once a mail of theirs has passed (default where there is somebody to say so).
    Proven,
    /// Agents', from the first.
    Agents,
    /// Everybody's.
    Everyone,
}
