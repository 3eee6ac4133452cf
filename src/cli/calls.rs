//! `calls`: what applications are told of their customers.

use std::sync::Arc;

use clap::Subcommand;
use serde_json::json;

use super::output::{self, Failure, line, time, when};
use super::queues::changed;
use crate::clock;
use crate::config::Config;
use crate::flow::Flow;
use crate::store::Store;

#[derive(Debug, Subcommand)]
pub enum Calls {
    /// Calls that wait or failed
    List {
        /// Also what was taken, mailed, noted or cancelled
        #[arg(long)]
        all: bool,
        /// At most so many
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: u32,
    },
    /// Make these now
    Retry {
        /// Ids of calls list
        #[arg(required = true, value_name = "ID")]
        ids: Vec<i64>,
    },
    /// Never make these; what a customer chose goes to a person
    Cancel {
        /// Ids of calls list
        #[arg(required = true, value_name = "ID")]
        ids: Vec<i64>,
    },
}

pub async fn run(store: Store, config: Config, command: Calls, json: bool) -> Result<(), Failure> {
    match command {
        Calls::List { all, limit } => list(&store, all, i64::from(limit), json).await,
        Calls::Retry { ids } => {
            let done = store.calls_retry(&ids, clock::now_ms()).await?;
            changed(&ids, &done, "queued", "taken already, or not there", json)
        }
        Calls::Cancel { ids } => {
            let flow = Flow::start(store, Arc::new(config.policy));
            let mut done = Vec::new();
            for id in &ids {
                if flow.call_cancelled(*id).await? {
                    done.push(*id);
                }
            }
            changed(&ids, &done, "cancelled", "ended already, or not there", json)
        }
    }
}

async fn list(store: &Store, all: bool, limit: i64, as_json: bool) -> Result<(), Failure> {
    let rows = store.calls(all, limit).await?;
    if as_json {
        let value = rows
            .iter()
            .map(|row| {
                json!({
                    "id": row.row,
                    "call": row.call_id,
                    "application": row.application,
                    "type": row.kind,
                    "action": if row.word.is_empty() { None } else { Some(&row.word) },
                    "recipient": row.recipient,
                    "case": row.case.map(|n| n.to_string()),
                    "state": row.state,
                    "attempts": row.attempts,
                    "next_attempt_at": row.next_attempt_ms.map(time),
                    "last_reply": row.last_reply,
                    "created_at": time(row.created_ms),
                })
            })
            .collect();
        return output::json(&value);
    }
    let heads = ["ID", "APPLICATION", "TYPE", "CASE", "STATE", "TRIES", "NEXT", "RECIPIENT", "LAST REPLY"];
    let mut lines = vec![heads.map(String::from).to_vec()];
    for row in &rows {
        lines.push(vec![
            row.row.to_string(),
            row.application.clone(),
            [row.kind.as_str(), row.word.as_str()].join(" ").trim_end().to_owned(),
            row.case.map_or_else(|| "-".to_owned(), |n| n.to_string()),
            row.state.clone(),
            row.attempts.to_string(),
            row.next_attempt_ms.map_or_else(|| "-".to_owned(), when),
            row.recipient.clone(),
            row.last_reply.clone(),
        ]);
    }
    if rows.is_empty() { line("no application waits to be told anything") } else { output::table(&lines) }
}
