//! `mailbox list` and `agent list`.

use clap::Subcommand;
use serde_json::{Value, json};

use super::output::{self, Failure, line, time, when};
use crate::config::Config;
use crate::desk::outgoing::agents_of;
use crate::store::Store;
use crate::store::types::AccountState;

#[derive(Debug, Subcommand)]
pub enum Mailbox {
    /// Mailboxes and how their accounts fare
    List,
}

#[derive(Debug, Subcommand)]
pub enum Agent {
    /// Agents, as the config has them
    List,
}

pub async fn mailboxes(config: &Config, store: &Store, json: bool) -> Result<(), Failure> {
    let states = store.accounts().await?;
    let state = |mailbox: &str, side: &str| states.iter().find(|s| s.mailbox == mailbox && s.side == side);
    let policy = &config.policy;
    if json {
        let value = policy
            .mailboxes
            .values()
            .map(|mailbox| {
                json!({
                    "mailbox": mailbox.name,
                    "address": mailbox.address.to_string(),
                    "agents": agents_of(policy, &mailbox.name).iter().map(|a| a.name.clone()).collect::<Vec<_>>(),
                    "imap": state(&mailbox.name, "imap").map(account),
                    "smtp": state(&mailbox.name, "smtp").map(account),
                })
            })
            .collect();
        return output::json(&value);
    }
    for mailbox in policy.mailboxes.values() {
        let agents: Vec<&str> = agents_of(policy, &mailbox.name).iter().map(|a| a.name.as_str()).collect();
        line(format!("{}  {}  agents: {}", mailbox.name, mailbox.address, agents.join(", ")))?;
        for side in ["imap", "smtp"] {
            let words = state(&mailbox.name, side).map_or_else(
                || "not used yet".to_owned(),
                |s| format!("{} since {} {}", s.state, when(s.since_ms), s.detail),
            );
            line(format!("    {side}  {}", words.trim_end()))?;
        }
    }
    Ok(())
}

fn account(state: &AccountState) -> Value {
    json!({ "state": state.state, "since": time(state.since_ms), "detail": state.detail })
}

pub fn agents(config: &Config, json: bool) -> Result<(), Failure> {
    let policy = &config.policy;
    let works = |name: &str| -> Vec<String> {
        policy
            .mailboxes
            .keys()
            .filter(|mailbox| agents_of(policy, mailbox).iter().any(|a| a.name == name))
            .cloned()
            .collect()
    };
    if json {
        let value = policy
            .agents
            .values()
            .map(|agent| {
                json!({
                    "agent": agent.name,
                    "name": agent.display_name,
                    "addresses": agent.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
                    "mailboxes": works(&agent.name),
                    "lead": agent.lead,
                })
            })
            .collect();
        return output::json(&value);
    }
    for agent in policy.agents.values() {
        let addresses: Vec<String> = agent.addresses.iter().map(ToString::to_string).collect();
        let lead = if agent.lead { "  lead" } else { "" };
        line(format!(
            "{}  {}  <{}>  {}{lead}",
            agent.name,
            agent.display_name,
            addresses.join(", "),
            works(&agent.name).join(", ")
        ))?;
    }
    Ok(())
}
