//! `explain`: one JSON object a line.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::output::{self, Failure, code};
use crate::config::{Config, DEFAULT_PATH};
use crate::desk::policy::Policy;
use crate::desk::token::{Class, Found, Token};
use crate::flow::explain::{Explained, explain, reading};
use crate::mail::Incoming;
use crate::mail::forward::Forward;
use crate::mail::report::{Report, ReportRecipient};
use crate::store::Store;

pub async fn run(path: &Path, files: &[PathBuf]) -> Result<(), Failure> {
    let desk = desk(path).await?;
    let mut unread = Vec::new();
    for file in files {
        let raw = match read(file) {
            Ok(raw) => raw,
            Err(failure) => {
                unread.push(failure.words);
                continue;
            }
        };
        let explained = match &desk {
            Some((config, store)) => explain(store, &config.policy, &mailbox(&config.policy, &raw), raw).await?,
            None => reading(&raw),
        };
        let policy = desk.as_ref().map(|(config, _)| &config.policy);
        let reference = match (&desk, explained.decision.as_ref().and_then(|d| d.case)) {
            (Some((_, store)), Some(case)) => store.reference(case).await?,
            _ => None,
        };
        let text = object(file, &explained, policy, reference).to_string();
        output::bytes(format!("{text}\n").as_bytes())?;
    }
    if unread.is_empty() { Ok(()) } else { Err(Failure::new(code::DATA, unread.join("\n"))) }
}

/// The config and its store as it is; without a config at the usual place mail is only read. Where there is no store that
/// can be read (none yet, another release's, a server that is away), an empty one in memory stands for it.
async fn desk(path: &Path) -> Result<Option<(Config, Store)>, Failure> {
    if path == Path::new(DEFAULT_PATH) && !path.exists() {
        return Ok(None);
    }
    let config = super::load(path)?;
    let store = match super::open_unchanged(&config).await {
        Ok(Some(store)) => return Ok(Some((config, store))),
        Ok(None) => Store::open_empty().await,
        Err(failure) if failure.code == code::UNAVAILABLE => {
            super::warn(&format!("{}; routes are explained without it", failure.words));
            Store::open_empty().await
        }
        Err(failure) => return Err(failure),
    };
    let store = store.map_err(|e| Failure::new(code::UNAVAILABLE, e))?;
    Ok(Some((config, store)))
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut raw = Vec::new();
    let done = if file == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut raw).map(|_| ())
    } else {
        std::fs::read(file).map(|content| raw = content)
    };
    done.map_err(|e| Failure::new(code::DATA, format!("read {}: {e}", file.display())))?;
    Ok(raw)
}

/// The mailbox that a mail is for, as far as its header tells; else the first one.
fn mailbox(policy: &Policy, raw: &[u8]) -> String {
    let mail = crate::mail::read::read(raw);
    let named = policy.mailboxes.values().find(|m| mail.recipients().any(|a| a.key() == m.address.key()));
    named.or_else(|| policy.mailboxes.values().next()).map(|m| m.name.clone()).unwrap_or_default()
}

fn object(file: &Path, explained: &Explained, policy: Option<&Policy>, reference: Option<i64>) -> Value {
    let mail = &explained.mail;
    let from = mail.shown_author();
    let addresses = |list: &[crate::mail::NameAddr]| list.iter().map(|p| p.address.to_string()).collect::<Vec<_>>();
    let ids = |list: &[crate::mail::MessageId]| list.iter().map(|id| id.as_str().to_owned()).collect::<Vec<_>>();
    let attachments: Vec<Value> = mail
        .attachments
        .iter()
        .map(|a| json!({ "name": a.name, "type": a.media_type, "size": a.content.len() }))
        .collect();
    let route = explained.decision.as_ref().map(|decision| {
        json!({ "case": reference.map(|n| n.to_string()), "because": decision.because, "rule": decision.rule, "outcome": decision.outcome.word() })
    });
    json!({
        "file": file.display().to_string(),
        "kind": mail.nature.word(),
        "from": from.as_ref().map(|(_, address)| address),
        "from_name": from.as_ref().map(|(name, _)| name.as_str()).unwrap_or_default(),
        "to": addresses(&mail.to),
        "cc": addresses(&mail.cc),
        "subject": mail.subject,
        "message_id": mail.message_id.as_ref().map(|id| id.as_str()),
        "in_reply_to": ids(&mail.in_reply_to),
        "references": ids(&mail.references),
        "text": explained.reading.words,
        "body": mail.text,
        "quoted": explained.reading.quoted,
        "signature": explained.reading.signature,
        "attachments": attachments,
        "report": mail.report.as_ref().map(report),
        "forward": explained.forward.as_ref().map(forward),
        "tokens": policy.map(|policy| tokens(policy, mail)).unwrap_or_default(),
        "route": route,
        "defects": mail.remarks.iter().chain(&mail.defects).collect::<Vec<_>>(),
    })
}

fn forward(forward: &Forward) -> Value {
    let original = &forward.original;
    let author = original.author();
    json!({
        "from": author.map(|p| p.address.to_string()),
        "from_name": author.map(|p| p.name.clone()).unwrap_or_default(),
        "subject": original.subject,
        "message_id": original.message_id.as_ref().map(|id| id.as_str()),
        "attached": forward.attachment.is_some(),
        "text": original.text,
        "note": forward.note,
    })
}

fn report(report: &Report) -> Value {
    let recipient = |r: &ReportRecipient| {
        json!({
            "recipient": r.recipient,
            "action": r.action.word(),
            "status": r.status,
            "diagnostic": r.diagnostic,
            "reason": r.reason.word(),
        })
    };
    json!({
        "original_message_id": report.original_message_id.as_ref().map(|id| id.as_str()),
        "recipients": report.recipients.iter().map(recipient).collect::<Vec<_>>(),
    })
}

fn tokens(policy: &Policy, mail: &Incoming) -> Vec<Value> {
    let mailboxes: Vec<_> = policy.mailboxes.values().collect();
    let word = |found: Found| match found {
        Found::Forged => "forged",
        Found::Good(Token { class, .. }) => match class {
            Class::Customer => "customer",
            Class::Agent => "agent",
            Class::Notification => "notification",
            Class::Bounce => "bounce",
        },
    };
    let addresses = mail.recipients().filter_map(|a| {
        policy.keys.read_address(a, &mailboxes).map(|found| json!({ "in": a.to_string(), "class": word(found) }))
    });
    let ids = mail.in_reply_to.iter().chain(&mail.references).filter_map(|id| {
        policy.keys.read_message_id(id).map(|found| json!({ "in": id.as_str(), "class": word(found) }))
    });
    addresses.chain(ids).collect()
}
