//! `check`: every finding, with key and remedy; `--online` also tries the accounts and reads the domains' records.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::output::{self, Failure, code, line, when};
use super::people;
use crate::clock;
use crate::config::findings::Finding;
use crate::config::{Account, Config};
use crate::desk::policy::RequireAuth;
use crate::desk::token::{CaseKey, Class, PartyId, Token, message_id, reply_address};
use crate::store::Store;
use crate::{imap, smtp};

/// For the database to open; nobody waits longer for what is beside the point.
const DATABASE: Duration = Duration::from_secs(5);
/// For a probe to come back.
const PROBE: Duration = Duration::from_secs(60);

pub async fn run(path: &Path, online: bool, json: bool) -> Result<(), Failure> {
    let (config, findings) = match Config::load(path) {
        Ok(config) => {
            let notes = config.notes.clone();
            (Some(config), notes)
        }
        Err(findings) => (None, findings),
    };
    let mut values: Vec<Value> = findings.iter().map(value).collect();
    if !json {
        for finding in &findings {
            line(super::finding(finding))?;
        }
    }
    let Some(config) = config else {
        if json {
            output::json(&json!(values))?;
        }
        return Err(Failure::new(code::CONFIG, ""));
    };
    for (key, message) in recorded(&config).await {
        if !json {
            line(format!("note: {key}: {message}"))?;
        }
        values.push(json!({ "level": "note", "key": key, "message": message, "file": config.path, "hint": "" }));
    }
    let mut failed = false;
    if online {
        for account in config.accounts.values() {
            for (key, result) in tried(&config, account).await {
                failed |= result.is_err();
                let (level, message) = match &result {
                    Ok(words) => ("ok", words.clone()),
                    Err(error) => ("error", format!("{error:#}")),
                };
                if !json {
                    line(format!("{level}: {key}: {message}"))?;
                }
                values.push(json!({ "level": level, "key": key, "message": message, "file": config.path, "hint": "" }));
            }
        }
    }
    if online {
        failed |= records(&config, json, &mut values).await?;
    }
    if json {
        output::json(&json!(values))?;
    } else if !failed {
        line(format!("{}: the config can be used", config.path.display()))?;
    }
    if failed { Err(Failure::new(code::UNAVAILABLE, "")) } else { Ok(()) }
}

/// SPF, DKIM and DMARC of the sending domains. Returns whether mail suffers.
async fn records(config: &Config, json: bool, values: &mut Vec<Value>) -> Result<bool, Failure> {
    let mut failed = false;
    for (key, said) in super::domains::looked_up(config).await {
        failed |= said.fails;
        let level = match (said.fails, said.remedy.is_empty()) {
            (true, _) => "error",
            (false, true) => "ok",
            (false, false) => "note",
        };
        let (message, hint) = (said.words, said.remedy);
        if !json {
            let hint = if hint.is_empty() { String::new() } else { format!("; {hint}") };
            line(format!("{level}: {key}: {message}{hint}"))?;
        }
        values.push(json!({ "level": level, "key": key, "message": message, "file": config.path, "hint": hint }));
    }
    Ok(failed)
}

fn value(finding: &Finding) -> Value {
    let Finding { fails, key, file, message, hint } = finding;
    json!({ "level": if *fails { "error" } else { "note" }, "key": key, "message": message, "file": file, "hint": hint })
}

/// What the daemon recorded of accounts and of agents' mail, if there is a database that we may read.
async fn recorded(config: &Config) -> Vec<(String, String)> {
    let opening = Store::open_unchanged(&config.file.database.url);
    let store = match tokio::time::timeout(DATABASE, opening).await {
        Ok(Ok(Some(store))) => store,
        Ok(Ok(None)) => return Vec::new(),
        // the config is checked all the same, without a network and without a database
        Ok(Err(_)) | Err(_) => {
            let message = "it cannot be read now: what a daemon recorded of accounts and agents is not shown";
            return vec![("database.url".to_owned(), message.to_owned())];
        }
    };
    let heard = store.agents().await.unwrap_or_default();
    let phrases = super::notifications::phrases(&store).await;
    let states = store.accounts().await.unwrap_or_default();
    let failing = states.into_iter().filter(|s| s.state != "ok" && config.accounts.contains_key(&s.mailbox));
    let mut notes: Vec<(String, String)> = failing
        .map(|s| {
            let detail = format!("{} since {}: {}", s.state, when(s.since_ms), s.detail);
            (format!("mailbox.{}.{}", s.mailbox, s.side), detail)
        })
        .chain(phrases)
        .collect();
    let asked = match config.policy.security.require_auth {
        RequireAuth::Off => return notes,
        RequireAuth::Proven => "their mail is taken without a verdict until one of theirs has passed",
        RequireAuth::Agents | RequireAuth::Everyone => "their answers are held until they pass",
    };
    for name in config.policy.agents.keys() {
        if let Some(link) = people::missing_link(config, &heard, name) {
            notes.push((format!("agent.{name}"), format!("{link}; {asked}")));
        }
    }
    notes
}

async fn tried(config: &Config, account: &Account) -> Vec<(String, anyhow::Result<String>)> {
    let key = |side: &str| format!("mailbox.{}.{side}", account.mailbox);
    let imap = imap::probe(account)
        .await
        .map(|()| format!("logged in at {}, folder {} opens", account.imap.host, account.folder));
    let smtp = smtp::probe(account).await.map(|()| format!("{} takes our login", account.smtp.host));
    let both = imap.is_ok() && smtp.is_ok();
    let mut results = vec![(key("imap"), imap), (key("smtp"), smtp)];
    if both {
        let probe = round_trip(config, account).await;
        results.push((key("reply_address"), probe));
    }
    results
}

/// A mail to a tokened address of ours must come into our own folder.
async fn round_trip(config: &Config, account: &Account) -> anyhow::Result<String> {
    let policy = &config.policy;
    let mailbox = policy.mailboxes.get(&account.mailbox).context("there is no such mailbox")?;
    let unique = data_encoding::HEXLOWER.encode(&clock::random::<8>());
    let token =
        Token { class: Class::Bounce, case: CaseKey(u64::from_le_bytes(clock::random())), party: PartyId::NOBODY };
    let to = reply_address(&policy.keys, mailbox, token).to_string();
    // an id of our own: a running daemon knows it for our own mail and lets it be (R22)
    let message_id = message_id(&policy.keys, mailbox, token, &unique);
    let message_id = message_id.as_str();
    let date = jiff::fmt::rfc2822::to_string(&jiff::Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC))
        .context("write a date")?;
    let bytes = format!(
        "From: <{0}>\r\nTo: <{to}>\r\nSubject: yesreply check\r\nDate: {date}\r\nMessage-ID: {message_id}\r\n\
         Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n\
         yesreply check --online sent this to see that its tokened addresses come back.\r\n",
        mailbox.address
    );
    smtp::send_once(account, &mailbox.address.to_string(), &to, bytes.into_bytes()).await?;
    let begun = clock::now_ms();
    if imap::arrives(account, message_id, PROBE).await? {
        let seconds = clock::now_ms().saturating_sub(begun) / 1000;
        return Ok(format!("a mail to {to} came back after {seconds} s"));
    }
    bail!(
        "a mail to {to} was sent and did not come into folder {} within {} s: see that the server delivers sub-addresses \
         (RFC 5233), or set reply_address to a catch-all domain",
        account.folder,
        PROBE.as_secs()
    )
}
