//! What is wrong with a config, and what only looks odd.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::desk::filing;
use crate::desk::policy::{Policy, ReplyAddress, RequireAuth};
use crate::desk::routing::is_our_own;
use crate::desk::token::TOKEN_LENGTH;
use crate::mail::Address;
use crate::store::types::After;

use super::file::{File, Mailbox};

/// Keys and sections there are, to name the nearest one.
const KNOWN: [&str; 101] = [
    "database",
    "url",
    "token",
    "key",
    "keys",
    "mailbox",
    "address",
    "name",
    "user",
    "password",
    "imap",
    "smtp",
    "host",
    "port",
    "tls",
    "folder",
    "junk",
    "sent",
    "digest",
    "spam",
    "ca",
    "insecure",
    "auth",
    "reverse_path",
    "null_reverse_path",
    "per_minute",
    "per_day",
    "connections",
    "reply_address",
    "relay_from",
    "language",
    "signature",
    "time_zone",
    "probe",
    "probe_within",
    "listener",
    "protocol",
    "certificate",
    "recipients",
    "timeout",
    "data_timeout",
    "application",
    "trust",
    "users",
    "from",
    "replyable",
    "keep_reply_to",
    "rewrite_from",
    "bounces",
    "do_not_reply",
    "webhook",
    "command",
    "secret",
    "events",
    "call_timeout",
    "actions_timeout",
    "report_to",
    "sendmail",
    "socket",
    "http",
    "listen",
    "dkim",
    "domain",
    "selector",
    "agent",
    "addresses",
    "public_name",
    "mailboxes",
    "lead",
    "languages",
    "intake",
    "start",
    "after",
    "poll",
    "forms",
    "strip_subject",
    "banner",
    "lists",
    "retry_max",
    "acknowledge",
    "enabled",
    "to",
    "echo",
    "limits",
    "ack_per_address",
    "ack_per_domain",
    "ack_total",
    "cases_per_address",
    "relays_per_agent",
    "message_bytes_max",
    "security",
    "trusted_authserv_id",
    "trusted_arc_sealer",
    "verify",
    "resolver",
    "require_auth",
    "desk",
    "assignment",
    "collision",
    "reopen_days",
    "folders",
];

/// Something an operator should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// It cannot start with this.
    pub fails: bool,
    /// The key.
    pub key: String,
    /// The file.
    pub file: PathBuf,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub hint: String,
}

/// Findings while they are collected.
#[derive(Debug)]
pub struct Findings {
    path: PathBuf,
    list: Vec<Finding>,
}

impl Findings {
    /// None yet.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Findings { path: path.to_owned(), list: Vec::new() }
    }

    fn push(&mut self, fails: bool, key: &str, message: &str, hint: &str) {
        let finding = Finding {
            fails,
            key: key.to_owned(),
            file: self.path.clone(),
            message: message.to_owned(),
            hint: hint.to_owned(),
        };
        if !self.list.contains(&finding) {
            self.list.push(finding);
        }
    }

    /// It cannot start with this.
    pub fn fail(&mut self, key: &str, message: &str, hint: &str) {
        self.push(true, key, message, hint);
    }

    /// It can.
    pub fn note(&mut self, key: &str, message: &str, hint: &str) {
        self.push(false, key, message, hint);
    }

    /// Has anything failed?
    #[must_use]
    pub fn failed(&self) -> bool {
        self.list.iter().any(|f| f.fails)
    }

    /// All of them.
    #[must_use]
    pub fn all(self) -> Vec<Finding> {
        self.list
    }

    /// The notes, if nothing failed.
    ///
    /// # Errors
    /// All findings.
    pub fn done(self) -> Result<Vec<Finding>, Vec<Finding>> {
        if self.failed() { Err(self.list) } else { Ok(self.list) }
    }
}

/// "did you mean".
#[must_use]
pub fn nearest(word: &str) -> String {
    let shared = |known: &&str| {
        let common = known.chars().filter(|c| word.contains(*c)).count();
        let prefix = known.chars().zip(word.chars()).take_while(|(a, b)| a == b).count();
        let length = known.len().abs_diff(word.len());
        (prefix.saturating_mul(3).saturating_add(common)).saturating_sub(length.saturating_mul(2))
    };
    match KNOWN.iter().max_by_key(|known| shared(known)) {
        Some(known) => format!("did you mean {known}? Or take it out"),
        None => "take it out".to_owned(),
    }
}

/// R4: the pattern of tokened addresses, checked for its length.
pub fn reply_address(key: &str, mailbox: &Mailbox, address: &Address, findings: &mut Findings) -> Option<ReplyAddress> {
    let key = format!("{key}.reply_address");
    let pattern = match mailbox.reply_address.as_deref() {
        Some("{address}") => return Some(ReplyAddress::Plain),
        Some(pattern) => pattern.replace("{address}", &address.to_string()),
        None => format!("{}+{{token}}@{}", address.local(), address.domain()),
    };
    let parts = pattern.split_once("{token}").filter(|(_, rest)| !rest.contains("{token}"));
    let split = parts.and_then(|(prefix, rest)| rest.rsplit_once('@').map(|(suffix, domain)| (prefix, suffix, domain)));
    let Some((prefix, suffix, domain)) = split else {
        findings.fail(
            &key,
            &format!("\"{pattern}\" does not hold {{token}} once before the @"),
            "write it like support+{token}@shop.example, {token}@reply.shop.example or {address}",
        );
        return None;
    };
    let length = prefix.len().saturating_add(TOKEN_LENGTH).saturating_add(suffix.len());
    let sample = format!("{prefix}{}{suffix}@{domain}", "0".repeat(TOKEN_LENGTH));
    if length > 64 {
        let most = 64usize.saturating_sub(TOKEN_LENGTH).saturating_sub(1);
        findings.fail(
            &key,
            &format!("with its token the local part has {length} octets; 64 are allowed (RFC 5321 section 4.5.3.1.1)"),
            &format!("use a mailbox name of at most {most} characters, or {{token}}@a.domain.of.its.own"),
        );
        return None;
    }
    let Some(sample) = Address::parse(&sample) else {
        findings.fail(&key, &format!("\"{pattern}\" makes no address"), "write it like support+{token}@shop.example");
        return None;
    };
    Some(ReplyAddress::Pattern {
        prefix: prefix.to_owned(),
        suffix: suffix.to_owned(),
        domain: sample.domain().to_owned(),
    })
}

/// What only shows when sections are held against each other.
pub fn across(file: &File, policy: &Policy, findings: &mut Findings) {
    duplicates(file, policy, findings);
    for (name, agent) in &policy.agents {
        for address in agent.addresses.iter().filter(|a| is_our_own(policy, a)) {
            findings.fail(
                &format!("agent.{name}.address"),
                &format!("{address} is an address of ours: what is sent to this agent would come back"),
                "use the agent's own mailbox",
            );
        }
        for mailbox in agent.mailboxes.iter().filter(|m| !policy.mailboxes.contains_key(*m)) {
            findings.fail(
                &format!("agent.{name}.mailboxes"),
                &format!("there is no mailbox \"{mailbox}\""),
                "name a table [mailbox.…]",
            );
        }
    }
    for name in crate::desk::outgoing::unstaffed(policy) {
        findings.note(
            &format!("mailbox.{name}"),
            "no agent works this mailbox: its mail becomes new cases that nobody is told of (R90)",
            "add [agent.NAME]",
        );
    }
    security(policy, findings);
    folders(file, policy, findings);
}

/// Who speaks, and who says so (R4, R31).
fn security(policy: &Policy, findings: &mut Findings) {
    let trusted = policy.security.anchor().is_some();
    if policy.security.verifies && !policy.security.trusted_authserv_id.is_empty() {
        findings.note(
            "security.verify",
            "a server is trusted: its word counts, and signatures are not looked at again",
            "take one of the two out",
        );
    }
    for (name, mailbox) in &policy.mailboxes {
        let safe = trusted && policy.security.require_auth != RequireAuth::Off;
        if super::is_plain(mailbox) && !safe {
            findings.fail(
                &format!("mailbox.{name}.reply_address"),
                "the plain form takes ids for addresses, and so needs an authenticated author (R4)",
                "set security.trusted_authserv_id and leave require_auth on",
            );
        }
    }
    if !trusted {
        findings.note(
            "security.trusted_authserv_id",
            "without a trusted authserv-id nobody's words are echoed: everybody gets the constant acknowledgement, within [limits]",
            "name the server that writes Authentication-Results into your mail, or set verify = \"dkim\"",
        );
        if policy.security.require_auth != RequireAuth::Off {
            findings.fail(
                "security.require_auth",
                "nobody could pass: there is no trusted authserv-id",
                "set security.trusted_authserv_id, or require_auth = \"off\"",
            );
        }
    }
}

fn duplicates(file: &File, policy: &Policy, findings: &mut Findings) {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let mailboxes = policy.mailboxes.iter().map(|(n, m)| (format!("mailbox.{n}.address"), m.address.key()));
    let agents = policy
        .agents
        .iter()
        .flat_map(|(n, a)| a.addresses.iter().map(move |address| (format!("agent.{n}.address"), address.key())));
    for (key, address) in mailboxes.chain(agents) {
        if let Some(other) = seen.insert(address.clone(), key.clone()) {
            findings.fail(&key, &format!("{address} also stands in {other}"), "an address belongs to one of them");
        }
    }
    let mut watched: BTreeMap<(String, String, String), &str> = BTreeMap::new();
    for (name, mailbox) in &file.mailbox {
        let user = mailbox.user.clone().unwrap_or_else(|| mailbox.address.clone());
        let folder = mailbox.imap.folder.clone().unwrap_or_else(|| "INBOX".to_owned());
        let port = mailbox.imap.port.unwrap_or(993);
        if let Some(other) = watched.insert((format!("{}:{port}", mailbox.imap.host), user, folder), name) {
            findings.fail(
                &format!("mailbox.{name}.imap"),
                &format!("mailbox {other} watches the same folder of the same account"),
                "watch it once",
            );
        }
    }
    let mut numbers: BTreeMap<u32, &String> = BTreeMap::new();
    for name in policy.agents.keys() {
        if let Some(other) = numbers.insert(crate::desk::token::PartyId::of_agent(name).0, name) {
            findings.fail(
                &format!("agent.{name}"),
                &format!("its number in tokens is that of {other}, by chance"),
                "choose another name",
            );
        }
    }
}

/// The folders of the desk are its own (R94).
fn folders(file: &File, policy: &Policy, findings: &mut Findings) {
    if !file.desk.folders {
        return;
    }
    let is_ours = |name: &str| name.split(['/', '.']).find(|piece| *piece != "INBOX") == Some("Cases");
    for (name, mailbox) in &file.mailbox {
        let read = [("folder", &mailbox.imap.folder), ("junk", &mailbox.imap.junk), ("sent", &mailbox.imap.sent)];
        for (field, _) in read.into_iter().filter(|(_, folder)| folder.as_deref().is_some_and(is_ours)) {
            findings.fail(
                &format!("mailbox.{name}.imap.{field}"),
                "with desk.folders, what lies below Cases are copies of what was read elsewhere",
                "name another folder",
            );
        }
    }
    if matches!(&file.intake.after.0, After::Move(folder) if is_ours(folder)) {
        findings.fail(
            "intake.after",
            "with desk.folders, what lies below Cases are the desk's own copies",
            "move what was read to another folder",
        );
    }
    for name in policy.agents.keys() {
        let folder = filing::folder_of(name);
        if filing::STATES.iter().any(|state| state.eq_ignore_ascii_case(&folder)) {
            findings.fail(
                &format!("agent.{name}"),
                &format!("with desk.folders, the folder Cases/{folder} is not an agent's"),
                "choose another short name",
            );
        }
    }
}
