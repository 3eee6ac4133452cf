//! `case reply`, `note`, `assign`, `close` and the other words of agents, from the command line: through the same rules.

use std::io::Read;

use clap::Subcommand;
use serde_json::json;

use super::case::found;
use super::order::order;
use super::output::{self, Failure, code, line};
use crate::config::Config;
use crate::desk::operator::Order;
use crate::desk::policy::Agent;
use crate::desk::{Outcome, What};
use crate::store::Store;

/// Octets that are read from standard input.
const WORDS_BYTES_MAX: u64 = 1_048_576;

/// Whose case, and in whose name.
#[derive(Debug, clap::Args)]
pub struct Target {
    /// Its number
    #[arg(value_name = "REF")]
    reference: String,
    /// The agent in whose name it is said; an answer needs one, else the owner's
    #[arg(long = "as", value_name = "AGENT")]
    agent: Option<String>,
}

/// What may be said.
#[derive(Debug, Subcommand)]
pub enum Say {
    /// Answer the customer; the words, or standard input
    Reply {
        #[command(flatten)]
        target: Target,
        /// The words
        #[arg(value_name = "WORDS")]
        words: Vec<String>,
    },
    /// Keep a note that nobody outside sees; the words, or standard input
    Note {
        #[command(flatten)]
        target: Target,
        /// The words
        #[arg(value_name = "WORDS")]
        words: Vec<String>,
    },
    /// Give the case to an agent
    Assign {
        #[command(flatten)]
        target: Target,
        /// Short name, name or address
        #[arg(value_name = "AGENT")]
        owner: String,
    },
    /// The case is nobody's; everybody gets it
    Release(Target),
    /// Close the case
    Close(Target),
    /// It is the customer's turn
    Wait(Target),
    /// Put the case aside: 3d, "until monday 9:00"
    Snooze {
        #[command(flatten)]
        target: Target,
        /// Until when
        #[arg(value_name = "WHEN")]
        when: Vec<String>,
    },
    /// Words to find the case by
    Tag {
        #[command(flatten)]
        target: Target,
        /// The words
        #[arg(required = true, value_name = "TAG")]
        tags: Vec<String>,
    },
    /// Takes them off
    Untag {
        #[command(flatten)]
        target: Target,
        /// The words
        #[arg(required = true, value_name = "TAG")]
        tags: Vec<String>,
    },
    /// low, normal or high
    Priority {
        #[command(flatten)]
        target: Target,
        /// How urgent
        #[arg(value_name = "PRIORITY")]
        priority: String,
    },
    /// The case becomes part of another one
    Merge {
        #[command(flatten)]
        target: Target,
        /// Number of the other case
        #[arg(value_name = "OTHER")]
        other: String,
    },
    /// Take a merged case apart again
    Split(Target),
    /// Take back the last merge or split
    Undo(Target),
    /// The case is spam
    Spam(Target),
}

impl Say {
    /// The case, and the words as an agent would write them.
    fn words(self) -> Result<(Target, String), Failure> {
        Ok(match self {
            Say::Reply { target, words } => (target, escaped(&text(&words)?)),
            Say::Note { target, words } => (target, format!("#note\n{}", escaped(&text(&words)?))),
            Say::Assign { target, owner } => (target, format!("#assign {owner}")),
            Say::Release(target) => (target, "#release".to_owned()),
            Say::Close(target) => (target, "#close".to_owned()),
            Say::Wait(target) => (target, "#wait".to_owned()),
            Say::Snooze { target, when } => (target, format!("#snooze {}", when.join(" "))),
            Say::Tag { target, tags } => (target, format!("#tag {}", tags.join(" "))),
            Say::Untag { target, tags } => (target, format!("#untag {}", tags.join(" "))),
            Say::Priority { target, priority } => (target, format!("#priority {priority}")),
            Say::Merge { target, other } => (target, format!("#merge {other}")),
            Say::Split(target) => (target, "#split".to_owned()),
            Say::Undo(target) => (target, "#undo".to_owned()),
            Say::Spam(target) => (target, "#spam".to_owned()),
        })
    }
}

/// The words on the command line, or standard input.
fn text(words: &[String]) -> Result<String, Failure> {
    let mut text = words.join(" ");
    if text.is_empty() {
        std::io::stdin()
            .take(WORDS_BYTES_MAX)
            .read_to_string(&mut text)
            .map_err(|e| Failure::new(code::DATA, format!("read the words from standard input: {e}")))?;
    }
    if text.trim().is_empty() { Err(Failure::new(code::DATA, "there are no words to say")) } else { Ok(text) }
}

/// A line of text that begins with `#` is no order (R41).
fn escaped(text: &str) -> String {
    let lines: Vec<String> =
        text.lines().map(|l| if l.starts_with('#') { format!("#{l}") } else { l.to_owned() }).collect();
    lines.join("\n")
}

/// Says it.
pub async fn run(store: &Store, config: Config, say: Say, json: bool) -> Result<(), Failure> {
    let answers = matches!(say, Say::Reply { .. });
    let (target, words) = say.words()?;
    let whole = found(store, &config.policy, &target.reference).await?;
    let case = &whole.listed.case;
    let name = target.agent.clone().or_else(|| case.owner.clone().filter(|_| answers));
    let agent: Option<&Agent> = match &name {
        Some(name) => Some(config.policy.agents.get(name).ok_or_else(|| {
            let known: Vec<&str> = config.policy.agents.keys().map(String::as_str).collect();
            Failure::new(code::DATA, format!("there is no agent {name}; there are {}", known.join(", ")))
        })?),
        None if answers => {
            let reason = format!("case {} has no owner; say with --as in whose name the answer goes", case.reference);
            return Err(Failure::new(code::USAGE, reason));
        }
        None => None,
    };
    let what = What::Ordered(Box::new(Order::new(case.reference, agent, &words)));
    let done = order(store, config, what).await?;
    if json {
        output::json(&json!({ "ref": case.reference.to_string(), "outcome": done.outcome, "because": done.because }))?;
    } else {
        line(format!("{}: {}", case.reference, done.because))?;
    }
    if done.outcome == Outcome::Handled.word() { Ok(()) } else { Err(Failure::new(code::DATA, "nothing was done")) }
}
