//! `case list`, `case search`, `case show`, `case reopen` and `case rotate-token`.

use std::sync::Arc;

use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::order::order;
use super::output::{self, Failure, code, indented, line, time, when};
use super::{keeping, orders};
use crate::config::Config;
use crate::desk::case::{Case, Direction, Entry, Handling, Status};
use crate::desk::outgoing::owner_of;
use crate::desk::policy::Policy;
use crate::desk::{Outcome, What};
use crate::flow::Flow;
use crate::store::Store;
use crate::store::cases::{Filter, Listed, Whole};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Cases, newest first
    List {
        /// At most so many
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: u32,
        /// Only with this status
        #[arg(long)]
        status: Option<StatusWord>,
        /// Only of this agent
        #[arg(long, value_name = "AGENT")]
        owner: Option<String>,
        /// Only of this mailbox
        #[arg(long, value_name = "MAILBOX")]
        mailbox: Option<String>,
        /// The cases of probes too
        #[arg(long)]
        probes: bool,
    },
    /// Cases in which all these words occur, in subjects, authors or new words, newest first
    Search {
        /// Words; capitals do not matter
        #[arg(required = true, value_name = "WORD")]
        words: Vec<String>,
        /// At most so many
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: u32,
    },
    /// Reopen a closed case, or release one from spam
    Reopen {
        /// Its number
        #[arg(value_name = "REF")]
        reference: String,
    },
    /// All of one case
    Show {
        /// Its number
        #[arg(value_name = "REF", required_unless_present = "original")]
        reference: Option<String>,
        /// Write the mail of this message (1 is the first; without N the last that came) as it came
        #[arg(long, value_name = "N", num_args = 0..=1)]
        original: Option<Option<usize>>,
    },
    /// Say in a case what an agent may say by mail
    #[command(flatten)]
    Say(orders::Say),
    /// How long a case stays
    #[command(flatten)]
    Keep(keeping::Keep),
    /// Revoke all reply addresses of a case; agents get its last mail again, with new ones
    RotateToken {
        /// Its number
        #[arg(value_name = "REF")]
        reference: String,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum StatusWord {
    New,
    Open,
    Waiting,
    Closed,
    Spam,
}

impl StatusWord {
    fn status(self) -> Status {
        match self {
            StatusWord::New => Status::New,
            StatusWord::Open => Status::Open,
            StatusWord::Waiting => Status::Waiting,
            StatusWord::Closed => Status::Closed,
            StatusWord::Spam => Status::Spam,
        }
    }
}

/// The number of a case as people write it.
pub(super) async fn found(store: &Store, policy: &Policy, reference: &str) -> Result<Whole, Failure> {
    let whole = match reference.trim_start_matches('#').parse().ok() {
        Some(number) => store.case(number).await?,
        None => None,
    };
    let mut whole = whole.ok_or_else(|| {
        Failure::new(code::DATA, format!("there is no case {reference}; yesreply case list shows them"))
    })?;
    disown(policy, &mut whole.listed.case);
    Ok(whole)
}

/// An owner who does not work the mailbox, or is no longer in the config, counts as none (R90).
fn disown(policy: &Policy, case: &mut Case) {
    case.owner = owner_of(policy, case).map(|owner| owner.name.clone());
}

async fn reopen(store: Store, config: Config, reference: &str, json: bool) -> Result<(), Failure> {
    let whole = found(&store, &config.policy, reference).await?;
    let flow = Flow::start(store, Arc::new(config.policy));
    let Some(handled) = flow.reopen(whole.listed.case.key).await? else {
        return Err(Failure::new(code::TRY_AGAIN, "the case could not be reopened; try again"));
    };
    if json {
        output::json(
            &json!({ "ref": reference.trim_start_matches('#'), "outcome": handled.outcome, "because": handled.because }),
        )?;
    } else {
        line(format!("{reference}: {}", handled.because))?;
    }
    if handled.outcome == "handled" { Ok(()) } else { Err(Failure::new(code::DATA, "")) }
}

pub async fn run(store: Store, config: Config, command: Command, json: bool) -> Result<(), Failure> {
    match command {
        Command::RotateToken { reference } => {
            let number = reference.trim_start_matches('#').parse().unwrap_or_default();
            let what = What::RotateTokens { reference: number };
            let ordered = order(&store, config, what).await?;
            if ordered.outcome == Outcome::Ignored.word() {
                return Err(Failure::new(
                    code::DATA,
                    format!("there is no case {reference}; yesreply case list shows them"),
                ));
            }
            if json {
                return output::json(&json!({ "ref": number.to_string(), "outcome": ordered.outcome }));
            }
            line(format!("all reply addresses of case #{number} are revoked; its agents get its last mail again"))
        }
        Command::Say(say) => orders::run(&store, config, say, json).await,
        Command::Keep(keep) => keeping::run(&store, config, keep, json).await,
        Command::Reopen { reference } => reopen(store, config, &reference, json).await,
        Command::List { limit, status, owner, mailbox, probes } => {
            let status = status.map(|s| s.status().word().to_owned());
            let of_owner = owner.is_some();
            let mut cases = store.cases(&Filter { status, owner, mailbox, limit: i64::from(limit), probes }).await?;
            cases.iter_mut().for_each(|listed| disown(&config.policy, &mut listed.case));
            cases.retain(|listed| !of_owner || listed.case.owner.is_some());
            if json {
                return output::json(&cases.iter().map(listed).collect());
            }
            list(&cases)
        }
        Command::Search { words, limit } => {
            let mut cases = store.search(&words.join(" "), i64::from(limit)).await?;
            cases.iter_mut().for_each(|listed| disown(&config.policy, &mut listed.case));
            if json {
                return output::json(&cases.iter().map(listed).collect());
            }
            list(&cases)
        }
        Command::Show { reference, original } => {
            // `--original 1001` is the case's number, if no other follows
            let (reference, original) = match (reference, original) {
                (Some(reference), original) => (reference, original),
                (None, Some(Some(number))) => (number.to_string(), Some(None)),
                (None, _) => return Err(Failure::new(code::USAGE, "which case? yesreply case list shows them")),
            };
            let whole = found(&store, &config.policy, &reference).await?;
            match original {
                Some(number) => raw(&store, &whole, number.or_else(|| last_that_came(&whole))).await,
                None if json => output::json(&shown(&whole)),
                None => show(&whole),
            }
        }
    }
}

/// The number of the last message that came as a mail.
fn last_that_came(whole: &Whole) -> Option<usize> {
    let last = whole.entries.iter().rposition(|(_, entry)| entry.direction == Direction::Inbound);
    last.map(|at| at.saturating_add(1))
}

async fn raw(store: &Store, whole: &Whole, number: Option<usize>) -> Result<(), Failure> {
    let number = number.unwrap_or_default();
    let entry = number.checked_sub(1).and_then(|n| whole.entries.get(n));
    let Some((id, _)) = entry else {
        return Err(Failure::new(code::DATA, format!("this case has {} messages", whole.entries.len())));
    };
    match store.original(*id).await? {
        Some(raw) => output::mail(&raw),
        None => Err(Failure::new(code::DATA, format!("message {number} did not come as a mail"))),
    }
}

fn listed(listed: &Listed) -> Value {
    let case = &listed.case;
    json!({
        "ref": case.reference.to_string(),
        "subject": case.subject,
        "status": case.status.word(),
        "owner": case.owner,
        "tags": case.handling.tags,
        "priority": case.handling.priority.word(),
        "mailbox": case.mailbox,
        "customer": case.customer.address.to_string(),
        "opened_at": time(case.opened_ms),
        "updated_at": time(listed.updated_ms),
        "due_at": listed.due_ms.map(time),
        "merged_into": listed.merged_into.map(|n| n.to_string()),
        "messages": listed.messages,
        "on_hold": case.handling.on_hold,
    })
}

/// As `case show` shows it.
pub(super) fn shown(whole: &Whole) -> Value {
    let mut value = listed(&whole.listed);
    let messages: Vec<Value> = whole.entries.iter().map(|(id, entry)| message(whole, *id, entry)).collect();
    let events: Vec<Value> = whole
        .log
        .iter()
        .map(|l| json!({ "at": time(l.at_ms), "kind": l.kind, "by": l.by, "rule": l.rule, "detail": l.detail }))
        .collect();
    if let Some(fields) = value.as_object_mut() {
        fields.insert("messages".to_owned(), json!(messages));
        fields.insert("events".to_owned(), json!(events));
    }
    value
}

fn message(whole: &Whole, id: i64, entry: &Entry) -> Value {
    let attachments: Vec<Value> =
        entry.parts.iter().map(|p| json!({ "name": p.name, "type": p.media_type, "size": p.size_bytes })).collect();
    let deliveries: Vec<Value> = whole
        .deliveries
        .iter()
        .filter(|d| d.entry == id)
        .map(|d| json!({ "recipient": d.recipient, "state": d.state, "status": d.status, "diagnostic": d.diagnostic }))
        .collect();
    json!({
        "direction": entry.direction.word(),
        "author": entry.author,
        "author_name": entry.author_name,
        "standing": entry.standing.word(),
        "from": entry.from,
        "to": entry.to,
        "cc": entry.cc,
        "subject": entry.subject,
        "message_id": entry.message_id.as_ref().map(|id| id.as_str()),
        "at": time(entry.at_ms),
        "text": entry.text,
        "body": entry.body,
        "attachments": attachments,
        "deliveries": deliveries,
    })
}

fn list(cases: &[Listed]) -> Result<(), Failure> {
    if cases.is_empty() {
        return line("no cases");
    }
    let mut rows = vec![
        ["REF", "STATUS", "OWNER", "MAILBOX", "UPDATED", "MAILS", "CUSTOMER", "SUBJECT"].map(String::from).to_vec(),
    ];
    for listed in cases {
        let case = &listed.case;
        rows.push(vec![
            case.reference.to_string(),
            case.status.word().to_owned(),
            case.owner.clone().unwrap_or_else(|| "-".to_owned()),
            case.mailbox.clone(),
            when(listed.updated_ms),
            listed.messages.to_string(),
            case.customer.address.to_string(),
            case.subject.clone(),
        ]);
    }
    output::table(&rows)
}

fn watchers(handling: &Handling) -> String {
    if handling.watchers.is_empty() { "nobody".to_owned() } else { handling.watchers.join(", ") }
}

fn show(whole: &Whole) -> Result<(), Failure> {
    let case = &whole.listed.case;
    line(format!("#{}  {}", case.reference, case.subject))?;
    let owner = case.owner.as_deref().unwrap_or("nobody");
    line(format!("{}, owner {owner}, mailbox {}, opened {}", case.status.word(), case.mailbox, when(case.opened_ms)))?;
    line(format!("customer {} <{}>", case.customer.name, case.customer.address))?;
    let handling = &case.handling;
    let tags = if handling.tags.is_empty() { "none".to_owned() } else { handling.tags.join(", ") };
    line(format!("priority {}, tags {tags}, watched by {}", handling.priority.word(), watchers(handling)))?;
    if handling.on_hold {
        line("on hold: nothing of it is deleted")?;
    }
    for (number, (id, entry)) in whole.entries.iter().enumerate() {
        let arrow = match entry.direction {
            Direction::Inbound => "<-",
            Direction::Outbound => "->",
            Direction::Note => "--",
        };
        line("")?;
        line(format!(
            "{arrow} {}. {}  {} <{}>, {}, to {}",
            number.saturating_add(1),
            when(entry.at_ms),
            entry.author_name,
            entry.from,
            entry.standing.word(),
            entry.to.join(", ")
        ))?;
        line(format!("   Subject: {}", entry.subject))?;
        line(indented(&entry.text))?;
        for part in &entry.parts {
            line(format!("   attached: {} ({}, {} octets)", part.name, part.media_type, part.size_bytes))?;
        }
        for delivery in whole.deliveries.iter().filter(|d| d.entry == *id) {
            line(format!("   {} to {}: {}", delivery.state, delivery.recipient, delivery.diagnostic))?;
        }
    }
    line("")?;
    for event in &whole.log {
        line(format!("{}  {} by {} ({}) {}", when(event.at_ms), event.kind, event.by, event.rule, event.detail))?;
    }
    Ok(())
}
