//! `mailbox list`, `agent list` and `agent welcome`.

use clap::Subcommand;
use serde_json::{Value, json};

use super::order::order;
use super::output::{self, Failure, code, line, time, when};
use crate::config::Config;
use crate::desk::absence::home;
use crate::desk::moment::{self, Now};
use crate::desk::outgoing::agents_of;
use crate::desk::probe::{Probe, Step};
use crate::desk::{Outcome, What};
use crate::store::Store;
use crate::store::people::AgentState;
use crate::store::probes::SIDE;
use crate::store::types::AccountState;

#[derive(Debug, Subcommand)]
pub enum Mailbox {
    /// Mailboxes and how their accounts fare
    List,
}

#[derive(Debug, Subcommand)]
pub enum Agent {
    /// Agents, as the config has them, and whether their mail has passed
    List,
    /// An agent is away: others get the mail of their cases
    Away {
        /// Short name
        #[arg(value_name = "NAME")]
        name: String,
        /// Until when: 3d, "friday 9:00", 2027-01-31; without it until they say that they are back
        #[arg(long, value_name = "WHEN")]
        until: Option<String>,
    },
    /// An agent is back, and hears what happened
    Back {
        /// Short name
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Welcome an agent: a mail whose answer shows that their mail passes our server's authentication
    Welcome {
        /// Short name
        #[arg(value_name = "NAME")]
        name: String,
    },
}

pub async fn mailboxes(config: &Config, store: &Store, json: bool) -> Result<(), Failure> {
    let states = store.accounts().await?;
    let state = |mailbox: &str, side: &str| states.iter().find(|s| s.mailbox == mailbox && s.side == side);
    let policy = &config.policy;
    let probes = store.last_probes().await?;
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
                    "folders": state(&mailbox.name, "folders").map(account),
                    "probe": probes.iter().find(|p| p.mailbox == mailbox.name).map(probe),
                })
            })
            .collect();
        return output::json(&value);
    }
    for mailbox in policy.mailboxes.values() {
        let agents: Vec<&str> = agents_of(policy, &mailbox.name).iter().map(|a| a.name.as_str()).collect();
        line(format!("{}  {}  agents: {}", mailbox.name, mailbox.address, agents.join(", ")))?;
        let keeps_folders = state(&mailbox.name, "folders").is_some();
        for side in ["imap", "smtp"].into_iter().chain(keeps_folders.then_some("folders")) {
            let words = state(&mailbox.name, side).map_or_else(
                || "not used yet".to_owned(),
                |s| format!("{} since {} {}", s.state, when(s.since_ms), s.detail),
            );
            line(format!("    {side}  {}", words.trim_end()))?;
        }
        if let Some(found) = state(&mailbox.name, SIDE) {
            let last = probes.iter().find(|p| p.mailbox == mailbox.name).and_then(|p| p.ended_ms);
            let last = last.map(|at| format!(", last {}", when(at))).unwrap_or_default();
            line(format!("    probe  {} since {}{last}: {}", found.state, when(found.since_ms), found.detail))?;
        }
    }
    Ok(())
}

fn account(state: &AccountState) -> Value {
    json!({ "state": state.state, "since": time(state.since_ms), "detail": state.detail })
}

/// The last one; times are of its steps, in their order.
fn probe(probe: &Probe) -> Value {
    let steps = Step::ALL.into_iter().map(|step| (step.word().to_owned(), json!(probe.at_ms(step).map(time))));
    json!({
        "state": if probe.passed() { "ok" } else { "failed" },
        "at": probe.ended_ms.map(time),
        "took_ms": probe.took_ms(),
        "steps": steps.collect::<serde_json::Map<_, _>>(),
        "failed_at": probe.failed.map(Step::word),
        "detail": probe.detail,
    })
}

pub async fn welcome(store: &Store, config: Config, name: &str, json: bool) -> Result<(), Failure> {
    let Some(agent) = config.policy.agents.get(name) else {
        let known: Vec<&str> = config.policy.agents.keys().map(String::as_str).collect();
        return Err(Failure::new(code::DATA, format!("there is no agent {name}; there are {}", known.join(", "))));
    };
    let address = agent.addresses.first().map(ToString::to_string).unwrap_or_default();
    let ordered = order(store, config, What::Welcome { agent: name.to_owned() }).await?;
    if ordered.outcome != Outcome::Handled.word() {
        return Err(Failure::new(code::DATA, ordered.because));
    }
    if json {
        return output::json(&json!({ "agent": name, "address": address, "outcome": ordered.outcome }));
    }
    line(format!("a mail to {address} is queued; when {name} has answered it, yesreply check says whether it passed"))
}

/// An agent is away (`Some`), until then or without an end, or back.
pub async fn presence(
    store: &Store,
    config: Config,
    name: &str,
    away: Option<Option<&str>>,
    json: bool,
) -> Result<(), Failure> {
    let policy = &config.policy;
    let zone = policy
        .agents
        .get(name)
        .and_then(|agent| home(policy, agent))
        .map_or(jiff::tz::TimeZone::UTC, |mailbox| mailbox.time_zone.clone());
    let now = Now { at_ms: crate::clock::now_ms(), zone };
    let read = |words: &str| moment::read(words, &now).map_err(|e| Failure::new(code::USAGE, e));
    let away = match away {
        Some(Some(words)) => Some(Some(read(words)?)),
        Some(None) => Some(None),
        None => None,
    };
    let done = order(store, config, What::Presence { agent: name.to_owned(), away }).await?;
    if json {
        output::json(&json!({ "agent": name, "outcome": done.outcome, "because": done.because }))?;
    } else {
        line(&done.because)?;
    }
    if done.outcome == Outcome::Handled.word() { Ok(()) } else { Err(Failure::new(code::DATA, "nothing was done")) }
}

/// How far the proof of an agent's mail has come (R31): the link that is missing, or `None` where nothing is.
pub fn missing_link(config: &Config, states: &[AgentState], agent: &str) -> Option<String> {
    let anchor = config.policy.security.anchor()?;
    let state = states.iter().find(|s| s.agent == agent);
    match state {
        Some(state) if state.proven_by == anchor => None,
        Some(AgentState { heard_ms: Some(at), opinion, welcomed_ms, .. }) if Some(*at) >= *welcomed_ms => {
            Some(format!("their mail of {} did not pass: {opinion}", when(*at)))
        }
        Some(AgentState { welcomed_ms: Some(at), .. }) => {
            Some(format!("they were welcomed on {} and have not answered yet", when(*at)))
        }
        _ => Some(format!("nobody has asked for a mail of theirs: yesreply agent welcome {agent}")),
    }
}

pub async fn agents(config: &Config, store: Option<&Store>, json: bool) -> Result<(), Failure> {
    let policy = &config.policy;
    let states = match store {
        Some(store) => store.agents().await?,
        None => Vec::new(),
    };
    let proven = |name: &str| policy.security.anchor().is_some() && missing_link(config, &states, name).is_none();
    let works = |name: &str| -> Vec<String> {
        policy
            .mailboxes
            .keys()
            .filter(|mailbox| agents_of(policy, mailbox).iter().any(|a| a.name == name))
            .cloned()
            .collect()
    };
    let now_ms = crate::clock::now_ms();
    let away = |name: &str| states.iter().find(|s| s.agent == name && s.is_away(now_ms));
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
                    "proven": proven(&agent.name),
                    "away": away(&agent.name).is_some(),
                    "away_until": away(&agent.name).and_then(|s| s.away_until_ms).map(time),
                })
            })
            .collect();
        return output::json(&value);
    }
    for agent in policy.agents.values() {
        let addresses: Vec<String> = agent.addresses.iter().map(ToString::to_string).collect();
        let lead = if agent.lead { "  lead" } else { "" };
        let passes = if proven(&agent.name) { "  passes" } else { "" };
        let away = match away(&agent.name).map(|s| s.away_until_ms) {
            Some(Some(until)) => format!("  away until {}", when(until)),
            Some(None) => "  away".to_owned(),
            None => String::new(),
        };
        line(format!(
            "{}  {}  <{}>  {}{lead}{passes}{away}",
            agent.name,
            agent.display_name,
            addresses.join(", "),
            works(&agent.name).join(", ")
        ))?;
    }
    Ok(())
}
