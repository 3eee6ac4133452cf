//! `check`: every finding, with key and remedy; `--online` also tries the accounts and reads the domains' records.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::output::{self, Failure, code, line, when};
use super::people;
use super::probe;
use crate::config::findings::Finding;
use crate::config::{Account, Config};
use crate::desk::policy::RequireAuth;
use crate::store::Store;
use crate::{imap, smtp};

/// For the database to open; nobody waits longer for what is beside the point.
const DATABASE: Duration = Duration::from_secs(5);

pub async fn run(path: &Path, online: bool, json: bool) -> Result<(), Failure> {
    let (config, findings) = match Config::load(path) {
        Ok(config) => {
            let notes = config.notes.clone();
            (Some(config), notes)
        }
        Err(findings) => (None, findings),
    };
    if let Some(config) = config.as_ref().filter(|_| online) {
        super::become_owner(&config.file.database.url)?;
    }
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
        let daemons = probe::daemons(&config).await?;
        for account in config.accounts.values() {
            for (key, result) in tried(&config, account, daemons.as_ref()).await {
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

async fn tried(config: &Config, account: &Account, daemons: Option<&Store>) -> Vec<(String, anyhow::Result<String>)> {
    let key = |side: &str| format!("mailbox.{}.{side}", account.mailbox);
    let imap = imap::probe(account)
        .await
        .map(|()| format!("logged in at {}, folder {} opens", account.imap.host, account.folder));
    let smtp = smtp::probe(account).await.map(|()| format!("{} takes our login", account.smtp.host));
    let both = imap.is_ok() && smtp.is_ok();
    let mut results = vec![(key("imap"), imap), (key("smtp"), smtp)];
    if both {
        results.push((key("probe"), probe::full_circle(config, account, daemons).await));
    }
    results
}
