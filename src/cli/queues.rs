//! `outbox`, `quarantine` and `audit`.

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::Subcommand;
use serde_json::{Value, json};

use super::output::{self, Failure, code, line, time, when};
use crate::clock;
use crate::config::Config;
use crate::flow::Flow;
use crate::store::Store;
use crate::store::quarantine::Quarantined;

#[derive(Debug, Subcommand)]
pub enum Outbox {
    /// Mail that waits, failed or is held
    List {
        /// Also what was sent or cancelled
        #[arg(long)]
        all: bool,
        /// At most so many
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: u32,
    },
    /// Send these now
    Retry {
        /// Ids of outbox list
        #[arg(required = true, value_name = "ID")]
        ids: Vec<i64>,
    },
    /// Never send these
    Cancel {
        /// Ids of outbox list
        #[arg(required = true, value_name = "ID")]
        ids: Vec<i64>,
    },
}

#[derive(Debug, Subcommand)]
pub enum Quarantine {
    /// Mail that could not be handled
    List,
    /// Write one as it came
    Show {
        /// Id of quarantine list
        id: i64,
    },
    /// Handle these anew
    Replay {
        /// Ids of quarantine list
        #[arg(required = true, value_name = "ID")]
        ids: Vec<i64>,
    },
    /// Delete these
    Drop {
        /// Ids of quarantine list
        #[arg(required = true, value_name = "ID")]
        ids: Vec<i64>,
    },
}

pub async fn outbox(store: &Store, command: Outbox, json: bool) -> Result<(), Failure> {
    let now = clock::now_ms();
    match command {
        Outbox::List { all, limit } => {
            let rows = store.outbox(all, i64::from(limit)).await?;
            if json {
                let value = rows
                    .iter()
                    .map(|row| {
                        json!({
                            "id": row.id,
                            "case": row.case.map(|n| n.to_string()),
                            "recipient": row.recipient,
                            "state": row.state,
                            "attempts": row.attempts,
                            "next_attempt_at": row.next_attempt_ms.map(time),
                            "last_reply": row.last_reply,
                        })
                    })
                    .collect();
                return output::json(&value);
            }
            let mut lines =
                vec![["ID", "CASE", "STATE", "TRIES", "NEXT", "RECIPIENT", "LAST REPLY"].map(String::from).to_vec()];
            for row in &rows {
                lines.push(vec![
                    row.id.to_string(),
                    row.case.map_or_else(|| "-".to_owned(), |n| n.to_string()),
                    row.state.clone(),
                    row.attempts.to_string(),
                    row.next_attempt_ms.map_or_else(|| "-".to_owned(), when),
                    row.recipient.clone(),
                    row.last_reply.clone(),
                ]);
            }
            if rows.is_empty() { line("the outbox is empty") } else { output::table(&lines) }
        }
        Outbox::Retry { ids } => changed(
            &ids,
            &store.outbox_retry(&ids, now).await?,
            "queued",
            "sent already, being sent, or not there",
            json,
        ),
        Outbox::Cancel { ids } => changed(
            &ids,
            &store.outbox_cancel(&ids, now).await?,
            "cancelled",
            "sent already, being sent, or not there",
            json,
        ),
    }
}

pub(super) fn changed(asked: &[i64], done: &[i64], verb: &str, otherwise: &str, json: bool) -> Result<(), Failure> {
    let left: Vec<i64> = asked.iter().copied().filter(|id| !done.contains(id)).collect();
    if json {
        output::json(&json!({ "done": done, "left": left }))?;
    } else {
        for id in done {
            line(format!("{id}: {verb}"))?;
        }
    }
    if left.is_empty() {
        return Ok(());
    }
    let ids: Vec<String> = left.iter().map(ToString::to_string).collect();
    Err(Failure::new(code::DATA, format!("{}: {otherwise}", ids.join(", "))))
}

pub async fn quarantine(store: Store, config: Config, command: Quarantine, json: bool) -> Result<(), Failure> {
    match command {
        Quarantine::List => {
            let rows = store.quarantined().await?;
            if json {
                return output::json(&rows.iter().map(quarantined).collect());
            }
            let mut lines = vec![["ID", "MAILBOX", "AT", "SIZE", "REASON"].map(String::from).to_vec()];
            for row in &rows {
                lines.push(vec![
                    row.id.to_string(),
                    row.mailbox.clone(),
                    when(row.at_ms),
                    row.size_bytes.to_string(),
                    row.reason.clone(),
                ]);
            }
            if rows.is_empty() { line("the quarantine is empty") } else { output::table(&lines) }
        }
        Quarantine::Show { id } => {
            let raw = store.quarantined_raw(id).await?.ok_or_else(|| nothing(id))?;
            if json {
                let row = store.quarantined().await?.into_iter().find(|r| r.id == id).ok_or_else(|| nothing(id))?;
                let mut value = quarantined(&row);
                if let Some(fields) = value.as_object_mut() {
                    fields.insert("raw".to_owned(), json!(String::from_utf8_lossy(&raw)));
                }
                return output::json(&value);
            }
            output::mail(&raw)
        }
        Quarantine::Replay { ids } => {
            let flow = Flow::start(store, Arc::new(config.policy));
            for id in ids {
                let handled = flow.replay(id).await?.ok_or_else(|| nothing(id))?;
                if json {
                    output::json(&json!({ "id": id, "outcome": handled.outcome, "because": handled.because }))?;
                } else {
                    line(format!("{id}: {}, {}", handled.outcome, handled.because))?;
                }
            }
            Ok(())
        }
        Quarantine::Drop { ids } => {
            let mut done = Vec::new();
            for id in &ids {
                if store.quarantine_drop(*id).await? {
                    done.push(*id);
                }
            }
            changed(&ids, &done, "deleted", "not there", json)
        }
    }
}

fn nothing(id: i64) -> Failure {
    Failure::new(code::DATA, format!("there is no quarantined mail {id}; yesreply quarantine list shows them"))
}

fn quarantined(row: &Quarantined) -> Value {
    json!({ "id": row.id, "mailbox": row.mailbox, "at": time(row.at_ms), "reason": row.reason, "size": row.size_bytes })
}

pub async fn audit(store: &Store, json: bool) -> Result<(), Failure> {
    let (stored, rules) = store.sums().await?;
    let counted = rules.iter().map(|r| r.count).fold(0i64, i64::saturating_add);
    let mut outcomes: BTreeMap<String, i64> = BTreeMap::new();
    for rule in &rules {
        let sum = outcomes.entry(rule.outcome.clone()).or_default();
        *sum = sum.saturating_add(rule.count);
    }
    let difference = stored.saturating_sub(counted);
    if json {
        let outcomes: serde_json::Map<String, Value> = outcomes.into_iter().map(|(name, n)| (name, json!(n))).collect();
        let rules: Vec<Value> =
            rules.iter().map(|r| json!({ "outcome": r.outcome, "rule": r.rule, "count": r.count })).collect();
        output::json(&json!({ "stored": stored, "outcomes": outcomes, "rules": rules, "difference": difference }))?;
    } else {
        line(format!("stored      {stored}"))?;
        for (name, count) in outcomes {
            line(format!("{name:<11} {count}"))?;
            for rule in rules.iter().filter(|r| r.outcome == name) {
                line(format!("  by {:<6} {}", rule.rule, rule.count))?;
            }
        }
        line(format!("difference  {difference}"))?;
    }
    if difference == 0 {
        return Ok(());
    }
    Err(Failure::new(code::DATA, "the sums do not add up: a stored message has no outcome, or two"))
}
