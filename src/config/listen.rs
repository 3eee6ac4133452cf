//! `[listener.…]` and `[application.…]`: where applications hand in mail, and who they are.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::file::{File, Tls};
use super::findings::Findings;
use super::place::Place;
use super::values::{Secret, Span, from_word, words};
use crate::desk::policy;
use crate::mail::Address;

/// `[listener.NAME]`.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Listener {
    /// `127.0.0.1:2525`, `unix:/path`, `systemd:NAME`.
    pub address: String,
    /// SMTP or LMTP.
    pub protocol: Option<Protocol>,
    /// TLS; none.
    pub tls: Option<Tls>,
    /// Certificates, a PEM file.
    pub certificate: Option<PathBuf>,
    /// Its key, a PEM file.
    pub key: Option<PathBuf>,
    /// Our name in greetings; the host's.
    pub name: Option<String>,
    /// Clear text beyond loopback.
    #[serde(default)]
    pub insecure: bool,
    /// Connections at once; 500.
    pub connections: Option<u32>,
    /// Recipients of one mail; 1000.
    pub recipients: Option<u32>,
    /// For the next command; 5m.
    pub timeout: Option<Span>,
    /// For a whole mail; 10m.
    pub data_timeout: Option<Span>,
}

/// `listener.protocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 5321, RFC 6409.
    Smtp,
    /// RFC 2033.
    Lmtp,
}

/// `[application.NAME]`.
#[derive(Debug, Clone, Deserialize)]
pub struct Application {
    /// Short name of the mailbox.
    pub mailbox: String,
    /// Name in a rewritten From.
    pub name: Option<String>,
    /// Who is this application without a login.
    pub trust: Option<Trust>,
    /// Login.
    pub user: Option<String>,
    /// Password.
    pub password: Option<Secret>,
    /// Users of this machine, on unix sockets and in the maildrop.
    #[serde(default, deserialize_with = "words")]
    pub users: Vec<String>,
    /// Addresses, or `@domain`, that it writes as.
    #[serde(default, deserialize_with = "words")]
    pub from: Vec<String>,
    /// May its mail be answered?
    pub replyable: Option<ReplyableValue>,
    /// A real Reply-To stays.
    #[serde(default)]
    pub keep_reply_to: bool,
    /// Further addresses in From that are rewritten.
    #[serde(default, deserialize_with = "words")]
    pub rewrite_from: Vec<String>,
    /// Who hears of mail that comes back.
    pub bounces: Option<BouncesValue>,
    /// What becomes of sentences that tell not to answer.
    pub do_not_reply: Option<PhrasesValue>,
    /// Where it is told what customers chose, and what came back.
    pub webhook: Option<String>,
    /// Or the command that is told.
    #[serde(default)]
    pub command: Vec<String>,
    /// Key of the webhook's signature.
    pub secret: Option<Secret>,
    /// Own CA of the webhook, a PEM file.
    pub ca: Option<PathBuf>,
    /// A webhook in clear text beyond loopback.
    #[serde(default)]
    pub insecure: bool,
    /// What it is told; everything.
    pub events: Option<Vec<EventValue>>,
    /// For one attempt; 10s.
    pub call_timeout: Option<Span>,
    /// What it has not taken by then goes to a person; 15m.
    pub actions_timeout: Option<Span>,
    /// Its owner, who gets reports by mail.
    pub report_to: Option<String>,
}

/// `application.trust`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Who connects from this machine.
    Loopback,
}

/// `application.replyable`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyableValue {
    /// Each recipient gets a token.
    Always,
    /// Only the reverse-path is ours.
    Bounces,
    /// Neither.
    Never,
}

/// `application.bounces`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BouncesValue {
    /// To us.
    Gateway,
    /// To the application.
    Application,
}

/// `application.do_not_reply`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhrasesValue {
    /// Counted.
    Count,
    /// Replaced.
    Replace,
}

from_word! {
    Protocol { Smtp = "smtp", Lmtp = "lmtp" }
    Trust { Loopback = "loopback" }
    ReplyableValue { Always = "always", Bounces = "bounces", Never = "never" }
    BouncesValue { Gateway = "gateway", Application = "application" }
    PhrasesValue { Count = "count", Replace = "replace" }
    EventValue { Action = "action", Unsubscribed = "unsubscribed", Suppressed = "suppressed", Complaint = "complaint" }
}

/// One of `application.events`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventValue {
    /// A customer chose a word.
    Action,
    /// A customer wants no more such mail.
    Unsubscribed,
    /// Nothing goes to an address any more.
    Suppressed,
    /// Somebody complained.
    Complaint,
}

/// A listener that can work.
#[derive(Debug, Clone)]
pub struct Door {
    /// Short name.
    pub name: String,
    /// Where.
    pub place: Place,
    /// LMTP instead of SMTP.
    pub lmtp: bool,
    /// TLS.
    pub tls: Tls,
    /// Certificate and key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Our name in greetings.
    pub host: String,
    /// Connections at once.
    pub connections: usize,
    /// Recipients of one mail.
    pub recipients: usize,
    /// For the next command.
    pub timeout: Duration,
    /// For a whole mail.
    pub data_timeout: Duration,
}

/// How an application is known.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its short name.
    pub application: String,
    /// From loopback, without a login.
    pub loopback: bool,
    /// User ids on unix sockets and in the maildrop.
    pub uids: Vec<u32>,
    /// User and password.
    pub login: Option<(String, SecretString)>,
}

pub(super) fn doors(file: &File, findings: &mut Findings) -> Vec<Door> {
    let mut doors: Vec<Door> =
        file.listener.iter().filter_map(|(name, listener)| door(name, listener, findings)).collect();
    if let Some(sendmail) = &file.sendmail {
        let address = format!("unix:{}", sendmail.socket.display());
        let listener = Listener { address, ..Listener::default() };
        doors.extend(door("sendmail", &listener, findings));
    }
    doors
}

fn door(name: &str, listener: &Listener, findings: &mut Findings) -> Option<Door> {
    let key = format!("listener.{name}");
    let place = Place::named(&format!("{key}.address"), &listener.address, "127.0.0.1:2525", findings)?;
    let tls = listener.tls.unwrap_or(Tls::None);
    let identity = listener.certificate.clone().zip(listener.key.clone());
    let open = place.is_open();
    if tls == Tls::None && open && !listener.insecure {
        findings.fail(
            &format!("{key}.tls"),
            "\"none\" would take passwords and mail in the clear from other machines",
            "use \"implicit\" or \"starttls\"; insecure = true if you must",
        );
    }
    if listener.protocol == Some(Protocol::Lmtp) && open && !listener.insecure {
        findings.fail(
            &format!("{key}.protocol"),
            "\"lmtp\" would believe every other machine what it says of a mail",
            "deliver on this machine; insecure = true if you must",
        );
    }
    if tls != Tls::None && identity.is_none() {
        findings.fail(&format!("{key}.certificate"), "TLS needs a certificate and a key", "name two PEM files");
    }
    for (what, path) in [("certificate", &listener.certificate), ("key", &listener.key)] {
        if let Some(path) = path.as_ref().filter(|p| !p.is_file()) {
            findings.fail(&format!("{key}.{what}"), &format!("there is no file {}", path.display()), "name a PEM file");
        }
    }
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = listener.name.clone().unwrap_or_else(|| host.trim().to_owned());
    let span = |span: Option<Span>, default_s| span.map_or(Duration::from_secs(default_s), |s| s.0);
    Some(Door {
        name: name.to_owned(),
        place,
        lmtp: listener.protocol == Some(Protocol::Lmtp),
        tls,
        identity,
        host: if host.is_empty() { "localhost".to_owned() } else { host },
        connections: usize::try_from(listener.connections.unwrap_or(500).max(1)).unwrap_or(500),
        recipients: usize::try_from(listener.recipients.unwrap_or(1_000).max(100)).unwrap_or(1_000),
        timeout: span(listener.timeout, 300),
        data_timeout: span(listener.data_timeout, 600),
    })
}

pub(super) fn known(file: &File, findings: &mut Findings) -> Vec<Known> {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let mut all = Vec::new();
    for (name, application) in &file.application {
        let key = format!("application.{name}");
        let mut uids = Vec::new();
        for user in &application.users {
            match user.parse().ok().or_else(|| uid(&users, user)) {
                Some(uid) => uids.push(uid),
                None => findings.fail(
                    &format!("{key}.users"),
                    &format!("there is no user \"{user}\" in /etc/passwd"),
                    "name a user of this machine, or a number",
                ),
            }
        }
        let login = match (&application.user, &application.password) {
            (Some(user), Some(secret)) => match secret.read() {
                Ok(password) => Some((user.clone(), password)),
                Err(reason) => {
                    findings.fail(&format!("{key}.password"), &reason, "see that the file is there and has mode 600");
                    None
                }
            },
            (None, None) => None,
            _ => {
                findings.fail(&key, "user and password stand together", "add the other, or take it out");
                None
            }
        };
        if application.trust.is_none() && uids.is_empty() && login.is_none() {
            findings.fail(
                &key,
                "nothing says who this application is",
                "add user and password, users = [\"www-data\"] or trust = \"loopback\"",
            );
        }
        all.push(Known { application: name.clone(), loopback: application.trust.is_some(), uids, login });
    }
    ambiguous(file, &all, findings);
    all
}

/// The numeric id of a user in the text of /etc/passwd.
fn uid(passwd: &str, user: &str) -> Option<u32> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(user)).then(|| fields.nth(1)?.parse().ok()).flatten()
    })
}

/// Two applications that the same peer may be, and that the same From may be from.
fn ambiguous(file: &File, all: &[Known], findings: &mut Findings) {
    let from = |name: &str| file.application.get(name).map(|a| a.from.as_slice()).unwrap_or_default();
    for (at, one) in all.iter().enumerate() {
        for other in all.iter().skip(at.saturating_add(1)) {
            let (mine, theirs) = (from(&one.application), from(&other.application));
            let same_from = (mine.is_empty() && theirs.is_empty()) || mine.iter().any(|f| theirs.contains(f));
            let same_peer = (one.loopback && other.loopback) || one.uids.iter().any(|u| other.uids.contains(u));
            let same_login = one.login.as_ref().zip(other.login.as_ref()).is_some_and(|(a, b)| a.0 == b.0);
            if (same_peer && same_from) || same_login {
                findings.fail(
                    &format!("application.{}", other.application),
                    &format!("its mail cannot be told from that of {}", one.application),
                    "give each its own user, users or from",
                );
            }
        }
    }
}

pub(super) fn applications(file: &File, findings: &mut Findings) -> BTreeMap<String, policy::Application> {
    let mut all = BTreeMap::new();
    for (name, application) in &file.application {
        let key = format!("application.{name}");
        if !file.mailbox.contains_key(&application.mailbox) {
            findings.fail(
                &format!("{key}.mailbox"),
                &format!("there is no mailbox \"{}\"", application.mailbox),
                "name a table [mailbox.…]",
            );
        }
        let mut from = Vec::new();
        for pattern in &application.from {
            match Address::parse(&pattern.strip_prefix('@').map_or(pattern.clone(), |d| format!("x@{d}"))) {
                Some(address) if pattern.starts_with('@') => from.push(format!("@{}", address.domain())),
                Some(address) => from.push(address.key()),
                None => findings.fail(
                    &format!("{key}.from"),
                    &format!("\"{pattern}\" is no address"),
                    "write it like noreply@shop.example or @shop.example",
                ),
            }
        }
        let rewrite_from = application
            .rewrite_from
            .iter()
            .filter_map(|text| super::build::address(&format!("{key}.rewrite_from"), text, findings))
            .collect();
        all.insert(
            name.clone(),
            policy::Application {
                name: name.clone(),
                mailbox: application.mailbox.clone(),
                display_name: application.name.clone(),
                from,
                replyable: match application.replyable {
                    Some(ReplyableValue::Bounces) => policy::Replyable::Bounces,
                    Some(ReplyableValue::Never) => policy::Replyable::Never,
                    _ => policy::Replyable::Always,
                },
                keep_reply_to: application.keep_reply_to,
                rewrite_from,
                bounces: match application.bounces {
                    Some(BouncesValue::Application) => policy::Bounces::Application,
                    _ => policy::Bounces::Gateway,
                },
                phrases: match application.do_not_reply {
                    Some(PhrasesValue::Replace) => policy::Phrases::Replace,
                    _ => policy::Phrases::Count,
                },
                takes: super::receivers::takes(application),
                report_to: application
                    .report_to
                    .as_ref()
                    .and_then(|text| super::build::address(&format!("{key}.report_to"), text, findings)),
                actions_ms: super::receivers::actions_ms(&key, application, findings),
            },
        );
    }
    if !file.application.is_empty() && file.listener.is_empty() && file.sendmail.is_none() {
        findings.note(
            "listener",
            "applications are configured, and nothing listens for them",
            "add [listener.local] or [sendmail]",
        );
    }
    all
}

/// A key for salts and digests of logins, from the token key: the same at every start.
#[must_use]
pub fn login_key(keys: &crate::desk::token::TokenKeys) -> [u8; 32] {
    crate::desk::submission::digest(keys.unique("logins of listeners", 0).as_bytes())
}

/// The password of a login, for the listener alone.
#[must_use]
pub fn exposed(password: &SecretString) -> &str {
    password.expose_secret()
}
