//! The config: defaults < file < environment.
//!
//! Decides   whether what an operator wrote can work, before anything starts; every finding at once, each with
//!           key, file and remedy.
//! Never     lets an unknown key pass, or a secret that others can read.

mod build;
pub mod file;
pub mod findings;
pub mod http;
pub mod listen;
pub mod place;
mod providers;
mod receivers;
pub mod sendmail;
pub mod values;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use config::{Environment, FileFormat, Value};
use secrecy::SecretString;
use serde::de::DeserializeOwned;

use crate::call::Receiver;
use crate::desk::policy::{Mailbox, Policy, ReplyAddress};
use crate::mail::dkim::Signer;

use file::{File, Tls};
use findings::{Finding, Findings};
use values::Secret;

/// Where the config is, unless told.
pub const DEFAULT_PATH: &str = "/etc/yesreply/yesreply.toml";

/// Bad values of one section that are named at once.
const BAD_VALUES_MAX: usize = 50;

/// Sections of later releases: their place is known, their keys are not read yet.
const LATER: [&str; 1] = ["targets"];

/// A config that can work.
#[derive(Debug)]
pub struct Config {
    /// Its file.
    pub path: PathBuf,
    /// What it says.
    pub file: File,
    /// The rules' settings.
    pub policy: Policy,
    /// Accounts by mailbox.
    pub accounts: BTreeMap<String, Account>,
    /// Where applications hand in mail.
    pub doors: Vec<listen::Door>,
    /// Where numbers for monitoring are served, if they are.
    pub page: Option<place::Place>,
    /// How applications are known.
    pub known: Vec<listen::Known>,
    /// How applications are told what customers chose, and what came back.
    pub receivers: Vec<Receiver>,
    /// Keys that sign what is sent.
    pub signers: Arc<[Signer]>,
    /// What an operator should know, though it works.
    pub notes: Vec<Finding>,
}

/// How one side of an account is reached.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Host.
    pub host: String,
    /// Port.
    pub port: u16,
    /// TLS.
    pub tls: Tls,
    /// Own CA.
    pub ca: Option<PathBuf>,
}

/// A mailbox's account.
#[derive(Debug, Clone)]
pub struct Account {
    /// Short name.
    pub mailbox: String,
    /// Intake.
    pub imap: Endpoint,
    /// Folder.
    pub folder: String,
    /// The folder for spam: a name, or `off`; `None`: the one that the server calls so (R34).
    pub junk: Option<String>,
    /// The folder of what people send from the mailbox: a name, or `off`; `None`: the one that the server calls so (R49).
    pub sent: Option<String>,
    /// Sending.
    pub smtp: Endpoint,
    /// Login at the relay?
    pub smtp_auth: bool,
    /// Connections at once.
    pub connections: u32,
    /// Mails a minute.
    pub per_minute: Option<u32>,
    /// Mails a day.
    pub per_day: Option<u32>,
    /// Octets of one answer of the IMAP server: a mail of `limits.message_bytes_max` and what is written round it.
    pub answer_bytes_max: u64,
    /// Login.
    pub user: String,
    /// Password.
    pub password: SecretString,
}

impl Config {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// All findings.
    pub fn load(path: &Path) -> Result<Self, Vec<Finding>> {
        let mut findings = Findings::new(path);
        let Some(table) = sources(path, &mut findings) else {
            return Err(findings.all());
        };
        let Some(file) = sections(table, &mut findings) else {
            return Err(findings.all());
        };
        plain_secrets(path, &file, &mut findings);
        let keys = build::token_keys(&file, &mut findings);
        let letters = build::letters(&file, &mut findings);
        let accounts = build::accounts(&file, &mut findings);
        let policy = build::policy(&file, keys, letters, &mut findings);
        let doors = listen::doors(&file, &mut findings);
        let page = http::page(&file, &mut findings);
        let known = listen::known(&file, &mut findings);
        let receivers = receivers::receivers(&file, &mut findings);
        let signers = build::signers(&file, &mut findings);
        findings::across(&file, &policy, &mut findings);
        findings.done().map(|notes| Config {
            path: path.to_owned(),
            file,
            policy,
            accounts,
            doors,
            page,
            known,
            receivers,
            signers,
            notes,
        })
    }
}

fn sources(path: &Path, findings: &mut Findings) -> Option<BTreeMap<String, Value>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            findings.fail(
                "",
                &format!("read {}: {error}", path.display()),
                "name a config with --config FILE, or make one: yesreply init",
            );
            return None;
        }
    };
    let built = config::Config::builder()
        .add_source(config::File::from_str(&text, FileFormat::Toml))
        .add_source(Environment::with_prefix("YESREPLY").prefix_separator("__").separator("__"))
        .build()
        .and_then(|built| built.cache.into_table());
    match built {
        Ok(table) => Some(table.into_iter().collect()),
        Err(error) => {
            findings.fail("", &format!("it is no TOML: {error}"), "mend the line");
            None
        }
    }
}

/// Each section by itself, so that one bad value does not hide another.
fn sections(mut table: BTreeMap<String, Value>, findings: &mut Findings) -> Option<File> {
    let database = required(&mut table, "database", findings);
    let token = required(&mut table, "token", findings);
    let mailbox = named(&mut table, "mailbox", findings);
    let agent = named(&mut table, "agent", findings);
    if mailbox.is_empty() && !findings.failed() {
        findings.fail("mailbox", "there is no mailbox", "add a table [mailbox.support]");
    }
    let file = File {
        intake: optional(&mut table, "intake", findings),
        acknowledge: optional(&mut table, "acknowledge", findings),
        limits: optional(&mut table, "limits", findings),
        security: optional(&mut table, "security", findings),
        desk: optional(&mut table, "desk", findings),
        letters: optional(&mut table, "letters", findings),
        outbox: optional(&mut table, "outbox", findings),
        retention: optional(&mut table, "retention", findings),
        sendmail: read_if_there(&mut table, "sendmail", findings),
        http: read_if_there(&mut table, "http", findings),
        listener: named(&mut table, "listener", findings),
        application: named(&mut table, "application", findings),
        dkim: named(&mut table, "dkim", findings),
        mailbox,
        agent,
        database: database?,
        token: token?,
    };
    for section in table.keys() {
        if LATER.contains(&section.as_str()) {
            findings.fail(section, "this release does not have it yet", "take the section out");
        } else {
            findings.fail(section, "unknown section", &findings::nearest(section));
        }
    }
    Some(file)
}

fn required<T: DeserializeOwned>(
    table: &mut BTreeMap<String, Value>,
    name: &str,
    findings: &mut Findings,
) -> Option<T> {
    match table.remove(name) {
        Some(value) => read(value, name, findings),
        None => {
            findings.fail(name, "this section is missing", &format!("add [{name}]; yesreply init writes an example"));
            None
        }
    }
}

fn optional<T: DeserializeOwned + Default>(
    table: &mut BTreeMap<String, Value>,
    name: &str,
    findings: &mut Findings,
) -> T {
    read_if_there(table, name, findings).unwrap_or_default()
}

fn read_if_there<T: DeserializeOwned>(
    table: &mut BTreeMap<String, Value>,
    name: &str,
    findings: &mut Findings,
) -> Option<T> {
    table.remove(name).and_then(|value| read(value, name, findings))
}

fn named<T: DeserializeOwned>(
    table: &mut BTreeMap<String, Value>,
    section: &str,
    findings: &mut Findings,
) -> BTreeMap<String, T> {
    let Some(value) = table.remove(section) else {
        return BTreeMap::new();
    };
    let Ok(entries) = value.into_table() else {
        findings.fail(section, "it is no table", &format!("write [{section}.NAME]"));
        return BTreeMap::new();
    };
    let mut found = BTreeMap::new();
    for (name, value) in entries {
        let good = !name.is_empty()
            && name.len() <= 40
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'));
        let key = format!("{section}.{name}");
        if !good {
            findings.fail(&key, "a name has 1 to 40 characters of a-z, 0-9, - and _", "choose another name");
            continue;
        }
        if let Some(entry) = read(value, &key, findings) {
            found.insert(name, entry);
        }
    }
    found
}

/// One section: its unknown keys, and every value that is not allowed. Reading stops at the first bad value, so that
/// one is named, taken out, and the rest is read again.
fn read<T: DeserializeOwned>(mut value: Value, key: &str, findings: &mut Findings) -> Option<T> {
    let mut bad: Vec<String> = Vec::new();
    while bad.len() < BAD_VALUES_MAX {
        let mut unknown = Vec::new();
        let mut track = serde_path_to_error::Track::new();
        let tracked = serde_path_to_error::Deserializer::new(value.clone(), &mut track);
        let read = serde_ignored::deserialize(tracked, |path| unknown.push(path.to_string()));
        for path in unknown {
            let full = format!("{key}.{path}");
            findings.fail(&full, "unknown key", &findings::nearest(path.rsplit('.').next().unwrap_or(&path)));
        }
        let error = match read {
            Ok(section) => return bad.is_empty().then_some(section),
            Err(error) => error.to_string(),
        };
        let path = track.path();
        let place = path.to_string();
        let follows = bad
            .iter()
            .any(|taken| error.contains("missing") && error.contains(taken.rsplit('.').next().unwrap_or(taken)));
        if !follows {
            let full = if place == "." { key.to_owned() } else { format!("{key}.{place}") };
            let message = error.split(" for key ").next().unwrap_or(&error);
            findings.fail(&full, message, "see the commented example: yesreply init");
        }
        let keys: Vec<&str> = path
            .iter()
            .map_while(|segment| match segment {
                serde_path_to_error::Segment::Map { key } => Some(key.as_str()),
                _ => None,
            })
            .collect();
        if follows || !take_out(&mut value, &keys) {
            return None;
        }
        bad.push(place);
    }
    None
}

/// Takes a value out of nested tables. `false` if it is not there.
fn take_out(value: &mut Value, keys: &[&str]) -> bool {
    let config::ValueKind::Table(table) = &mut value.kind else {
        return false;
    };
    match keys {
        [] => false,
        [last] => table.remove(*last).is_some(),
        [first, rest @ ..] => table.get_mut(*first).is_some_and(|inner| take_out(inner, rest)),
    }
}

/// A config file that holds a plain secret must not be readable by others.
fn plain_secrets(path: &Path, file: &File, findings: &mut Findings) {
    let plain = |secret: &Option<Secret>| matches!(secret, Some(Secret::Plain(_)));
    let keys = plain(&file.token.key) || file.token.keys.iter().flatten().any(|k| matches!(k, Secret::Plain(_)));
    let database = has_password(&file.database.url) && std::env::var_os("YESREPLY__DATABASE__URL").is_none();
    let passwords = file
        .mailbox
        .values()
        .map(|m| &m.password)
        .chain(file.application.values().flat_map(|a| [&a.password, &a.secret]));
    let keys = keys || file.dkim.values().any(|d| matches!(d.key, Secret::Plain(_)));
    if (keys || database || passwords.into_iter().any(plain))
        && let Err(reason) = values::private_file(path)
    {
        findings.fail(
            "",
            &format!("it holds a plain secret, and {reason}"),
            "or move the secret to a file of its own: { file = \"…\" }; that of database.url into the environment, or into ~/.pgpass",
        );
    }
}

/// `postgres://user:password@host/name`, or `?password=…`.
fn has_password(url: &str) -> bool {
    let (before, query) = url.split_once('?').unwrap_or((url, ""));
    let authority = before.split_once("://").map_or("", |(_, rest)| rest.split('/').next().unwrap_or_default());
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    user.contains(':') || query.split('&').any(|pair| pair.starts_with("password="))
}

/// Is the reply address the plain one (R4)?
#[must_use]
pub fn is_plain(mailbox: &Mailbox) -> bool {
    mailbox.reply_address == ReplyAddress::Plain
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
