//! The shape of the config file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::desk::policy::{Assignment, Collision};

use super::values::{AfterValue, AudienceValue, Limit, Secret, Size, Span, Start, words};

/// `[database]`.
#[derive(Debug, Clone, Deserialize)]
pub struct Database {
    /// `sqlite:PATH` or `postgres://…`.
    pub url: String,
}

/// `[token]`.
#[derive(Debug, Clone, Deserialize)]
pub struct Token {
    /// 32 random octets as hex.
    pub key: Option<Secret>,
    /// The same, several: newest first.
    pub keys: Option<Vec<Secret>>,
}

/// How a connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// TLS from the first octet (RFC 8314 section 3).
    Implicit,
    /// Upgraded before anything else; required.
    Starttls,
    /// In the clear: loopback only, unless `insecure = true`.
    None,
}

/// `imap = { … }`.
#[derive(Debug, Clone, Deserialize)]
pub struct Imap {
    /// Host name.
    pub host: String,
    /// Port; 993.
    pub port: Option<u16>,
    /// TLS; implicit.
    pub tls: Option<Tls>,
    /// Folder; INBOX.
    pub folder: Option<String>,
    /// The folder for spam, or `off`; the one that the server calls so.
    pub junk: Option<String>,
    /// The folder of what people send from the mailbox, or `off`; the one that the server calls so.
    pub sent: Option<String>,
    /// Own CA, a PEM file.
    pub ca: Option<PathBuf>,
    /// Clear text beyond loopback.
    #[serde(default)]
    pub insecure: bool,
}

/// `smtp = { … }`.
#[derive(Debug, Clone, Deserialize)]
pub struct Smtp {
    /// Host name.
    pub host: String,
    /// Port; 465.
    pub port: Option<u16>,
    /// TLS; implicit.
    pub tls: Option<Tls>,
    /// Own CA, a PEM file.
    pub ca: Option<PathBuf>,
    /// Clear text beyond loopback.
    #[serde(default)]
    pub insecure: bool,
    /// `false`: no login, where the relay trusts our address.
    pub auth: Option<bool>,
    /// `token` or `address` (R5).
    pub reverse_path: Option<ReversePathValue>,
    /// May `<>` be used (R5).
    pub null_reverse_path: Option<bool>,
    /// Mails a minute.
    pub per_minute: Option<u32>,
    /// Mails a day.
    pub per_day: Option<u32>,
    /// Connections at once; 4.
    pub connections: Option<u32>,
}

/// R5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReversePathValue {
    /// The bounce token.
    Token,
    /// The mailbox's address.
    Address,
}

/// R6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayFromValue {
    /// The mailbox's address.
    Mailbox,
    /// The agent's tokened address.
    Token,
}

/// `[mailbox.NAME]`.
#[derive(Debug, Clone, Deserialize)]
pub struct Mailbox {
    /// The desk's address.
    pub address: String,
    /// What customers see.
    pub name: Option<String>,
    /// Login; the address.
    pub user: Option<String>,
    /// Password.
    pub password: Option<Secret>,
    /// Intake.
    pub imap: Imap,
    /// Sending.
    pub smtp: Smtp,
    /// R4.
    pub reply_address: Option<String>,
    /// R6.
    pub relay_from: Option<RelayFromValue>,
    /// Stands below every answer, once.
    pub signature: Option<String>,
    /// Language of letters.
    pub language: Option<String>,
    /// Time zone of letters.
    pub time_zone: Option<String>,
    /// How often it is probed (R95); never.
    pub probe: Option<Span>,
    /// A probe must have come full circle within; 5m.
    pub probe_within: Option<Span>,
}

/// `[dkim.NAME]`: a key that signs what is sent.
#[derive(Debug, Clone, Deserialize)]
pub struct Dkim {
    /// Whose mail, with that of the domains below it.
    pub domain: String,
    /// The name of the key in the DNS.
    pub selector: String,
    /// The private key, PEM.
    pub key: Secret,
}

/// `[agent.NAME]`.
#[derive(Debug, Clone, Deserialize)]
pub struct Agent {
    /// Name.
    pub name: Option<String>,
    /// What customers see (R81).
    pub public_name: Option<String>,
    /// The registered address.
    pub address: Option<String>,
    /// Or several.
    pub addresses: Option<Vec<String>>,
    /// Mailboxes; all.
    #[serde(default, deserialize_with = "words")]
    pub mailboxes: Vec<String>,
    /// R93.
    #[serde(default)]
    pub lead: bool,
    /// Languages, for later.
    #[serde(default, deserialize_with = "words")]
    pub languages: Vec<String>,
}

/// `[intake]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Intake {
    /// R91.
    pub start: Start,
    /// After the commit.
    pub after: AfterValue,
    /// Beside IDLE, and where it is missing.
    pub poll: Span,
    /// R20.
    #[serde(deserialize_with = "words")]
    pub forms: Vec<String>,
    /// R44.
    #[serde(deserialize_with = "words")]
    pub strip_subject: Vec<String>,
    /// R44.
    pub banner: Vec<String>,
    /// R53.
    #[serde(deserialize_with = "words")]
    pub lists: Vec<String>,
    /// Longest wait between attempts to connect.
    pub retry_max: Span,
}

impl Default for Intake {
    fn default() -> Self {
        Intake {
            start: Start::Now,
            after: AfterValue(crate::store::types::After::Keep),
            poll: Span(std::time::Duration::from_secs(60)),
            forms: Vec::new(),
            strip_subject: Vec::new(),
            banner: Vec::new(),
            lists: Vec::new(),
            retry_max: Span(std::time::Duration::from_secs(300)),
        }
    }
}

/// `[acknowledge]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Acknowledge {
    /// At all?
    pub enabled: bool,
    /// To whom.
    pub to: AudienceValue,
    /// Whose words.
    pub echo: AudienceValue,
}

impl Default for Acknowledge {
    fn default() -> Self {
        use crate::desk::policy::Audience::Verified;
        Acknowledge { enabled: true, to: AudienceValue(Verified), echo: AudienceValue(Verified) }
    }
}

/// `[limits]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Default 1/24h.
    pub ack_per_address: Option<Limit>,
    /// Default 20/1h.
    pub ack_per_domain: Option<Limit>,
    /// Default 200/1h.
    pub ack_total: Option<Limit>,
    /// Default 30/1h.
    pub cases_per_address: Option<Limit>,
    /// Default 200/1h.
    pub relays_per_agent: Option<Limit>,
    /// Default 25MiB.
    pub message_bytes_max: Option<Size>,
}

/// `[security]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Security {
    /// R31.
    #[serde(deserialize_with = "words")]
    pub trusted_authserv_id: Vec<String>,
    /// R32.
    #[serde(deserialize_with = "words")]
    pub trusted_arc_sealer: Vec<String>,
    /// With no server trusted: look at signatures ourselves.
    pub verify: Option<VerifyValue>,
    /// The DNS server that is asked for them, address and port; the system's.
    pub resolver: Option<std::net::SocketAddr>,
    /// Default `proven` where there is somebody to give a verdict, else `off`.
    pub require_auth: Option<RequireAuthValue>,
}

/// `security.verify`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifyValue {
    /// Nothing is looked at.
    Off,
    /// DKIM signatures, and the author's DMARC record.
    Dkim,
}

/// `security.require_auth`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequireAuthValue {
    /// Nobody's.
    Off,
    /// Agents', each from their first mail that passed.
    Proven,
    /// Agents'.
    Agents,
    /// Everybody's.
    Everyone,
}

/// `[desk]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Desk {
    /// Who gets unowned cases.
    pub assignment: Assignment,
    /// What holds an answer that was written without having seen it (R48).
    pub collision: Collision,
    /// R12.
    pub reopen_days: u32,
    /// How long an answer can be called back.
    pub hold: Span,
    /// The shared mailbox as a desk.
    pub folders: bool,
    /// What was put aside is named to agents this often; a whole day: at 08:00.
    pub digest: Span,
}

impl Default for Desk {
    fn default() -> Self {
        Desk {
            assignment: Assignment::All,
            collision: Collision::Answers,
            reopen_days: 30,
            hold: Span(std::time::Duration::ZERO),
            folders: false,
            digest: Span(std::time::Duration::from_secs(86_400)),
        }
    }
}

/// `[letters]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Letters {
    /// Overrides of the built-in letters.
    pub folder: Option<PathBuf>,
}

/// `[outbox]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Outbox {
    /// How long a mail is tried.
    pub retry_for: Span,
    /// First wait.
    pub retry_first: Span,
    /// Longest wait.
    pub retry_max: Span,
    /// For the reply to the final dot.
    pub answer_timeout: Span,
    /// What happens to a row whose answer never came.
    pub on_uncertain: OnUncertain,
}

impl Default for Outbox {
    fn default() -> Self {
        let seconds = |s| Span(std::time::Duration::from_secs(s));
        Outbox {
            retry_for: seconds(5 * 86_400),
            retry_first: seconds(60),
            retry_max: seconds(4 * 3_600),
            answer_timeout: seconds(600),
            on_uncertain: OnUncertain::Resend,
        }
    }
}

/// `outbox.on_uncertain`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnUncertain {
    /// Sent once more, the same bytes.
    Resend,
    /// Held for an operator.
    Hold,
}

/// `[retention]` (R80).
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Retention {
    /// Mails as they came and left, after their case was closed; those of no case, after they came.
    pub raw: Span,
    /// Cases, after closing.
    pub case: Span,
    /// Spam, after a digest has named it; at least 30 days.
    pub spam: Span,
    /// Mail that could not be handled.
    pub quarantine: Span,
    /// Notifications.
    pub notifications: Span,
}

impl Default for Retention {
    fn default() -> Self {
        let days = |d: u64| Span(std::time::Duration::from_secs(d * 86_400));
        Retention {
            raw: days(365),
            case: days(3 * 365),
            spam: days(30),
            quarantine: days(30),
            notifications: days(180),
        }
    }
}

/// All of it.
#[derive(Debug, Clone)]
pub struct File {
    /// `[database]`.
    pub database: Database,
    /// `[token]`.
    pub token: Token,
    /// `[mailbox.…]`.
    pub mailbox: BTreeMap<String, Mailbox>,
    /// `[agent.…]`.
    pub agent: BTreeMap<String, Agent>,
    /// `[dkim.…]`.
    pub dkim: BTreeMap<String, Dkim>,
    /// `[sendmail]`, where it is there.
    pub sendmail: Option<super::sendmail::Sendmail>,
    /// `[http]`, where it is there.
    pub http: Option<super::http::Http>,
    /// `[listener.…]`.
    pub listener: BTreeMap<String, super::listen::Listener>,
    /// `[application.…]`.
    pub application: BTreeMap<String, super::listen::Application>,
    /// `[intake]`.
    pub intake: Intake,
    /// `[acknowledge]`.
    pub acknowledge: Acknowledge,
    /// `[limits]`.
    pub limits: Limits,
    /// `[security]`.
    pub security: Security,
    /// `[desk]`.
    pub desk: Desk,
    /// `[letters]`.
    pub letters: Letters,
    /// `[outbox]`.
    pub outbox: Outbox,
    /// `[retention]`.
    pub retention: Retention,
}

super::values::from_word! {
    Tls { Implicit = "implicit", Starttls = "starttls", None = "none" }
    ReversePathValue { Token = "token", Address = "address" }
    RelayFromValue { Mailbox = "mailbox", Token = "token" }
    VerifyValue { Off = "off", Dkim = "dkim" }
    RequireAuthValue { Off = "off", Proven = "proven", Agents = "agents", Everyone = "everyone" }
    Assignment { All = "all", RoundRobin = "round-robin", LeastLoaded = "least-loaded" }
    Collision { Answers = "answers", Mails = "mails" }
    OnUncertain { Resend = "resend", Hold = "hold" }
}
