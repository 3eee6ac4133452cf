//! `send`, and `suppression`: mail that can be answered from the command line, and addresses that get none.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use minijinja::Environment;
use serde_json::{Value, json};

use super::output::{self, Failure, code, line, time, when};
use crate::clock;
use crate::config::Config;
use crate::desk::submission::Suppressed;
use crate::flow::Flow;
use crate::flow::submitted::{HandedIn, Taken};
use crate::mail::Address;
use crate::mail::edit::Header;
use crate::store::Store;

/// Addresses that are listed.
const LISTED: i64 = 10_000;

#[derive(Debug, Subcommand)]
pub enum Suppression {
    /// Addresses to which notifications came back
    List,
    /// Send notifications to these again
    Release {
        /// Addresses of suppression list
        #[arg(required = true, value_name = "ADDRESS")]
        addresses: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub struct Send {
    /// The application in whose name it is sent
    #[arg(long, value_name = "NAME")]
    application: String,
    /// A recipient; several get a reply address of their own each
    #[arg(long, required = true, value_name = "ADDRESS")]
    to: Vec<String>,
    #[arg(long, value_name = "WORDS")]
    subject: String,
    /// A template to render with --set; without one the text is standard input
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
    /// A value of the template
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// What agents see above a reply, like "order=123; customer=77"
    #[arg(long, value_name = "FACTS")]
    context: Option<String>,
    /// Words to answer with, like 'cancel="Cancel the order"; keep="Send the rest"'
    #[arg(long, value_name = "WORDS")]
    actions: Option<String>,
}

pub async fn send(config: Config, store: Store, asked: Send, json: bool) -> Result<(), Failure> {
    let usage = |words: String| Failure::new(code::USAGE, words);
    let application = config.policy.applications.get(&asked.application);
    let application = application.ok_or_else(|| usage(format!("there is no application \"{}\"", asked.application)))?;
    let mailbox = config.policy.mailboxes.get(&application.mailbox);
    let mailbox = mailbox.ok_or_else(|| usage(format!("there is no mailbox \"{}\"", application.mailbox)))?;
    let mut recipients = Vec::new();
    for to in &asked.to {
        recipients.push(Address::parse(to).ok_or_else(|| usage(format!("\"{to}\" is no address")))?);
    }
    let words = words(&asked)?;
    let text = words.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n");
    let name = application.display_name.clone().unwrap_or_else(|| mailbox.display_name.clone());
    let message = lettre::Message::builder()
        .from(lettre::message::Mailbox::new(Some(name), parsed(&mailbox.address.to_string())?))
        .subject(crate::mail::text::header(&asked.subject))
        .header(lettre::message::header::ContentType::TEXT_PLAIN);
    let to: Vec<lettre::message::Mailbox> = recipients
        .iter()
        .map(|r| Ok(lettre::message::Mailbox::new(None, parsed(&r.to_string())?)))
        .collect::<Result<_, Failure>>()?;
    let message = to.into_iter().fold(message, lettre::message::MessageBuilder::to);
    let whole = message.body(text).map_err(|e| usage(format!("build the mail: {e}")))?.formatted();
    let (header, body) = crate::mail::edit::split(&whole);
    let mut header = Header::parse(header);
    if let Some(context) = &asked.context {
        header.set_plain("X-Yesreply-Context", &crate::mail::text::header(context));
    }
    if let Some(actions) = &asked.actions {
        header.set_plain("X-Yesreply-Actions", &crate::mail::text::header(actions));
    }
    let mut bytes = header.to_bytes();
    bytes.extend_from_slice(body);
    // --application is the operator's word: `from` is for applications
    let mut policy = config.policy.clone();
    if let Some(own) = policy.applications.get_mut(&asked.application) {
        own.from.clear();
    }
    let flow = Flow::start(store, Arc::new(policy));
    let handed = HandedIn {
        place: "send".to_owned(),
        delivers: false,
        applications: vec![asked.application.clone()],
        reverse_path: None,
        recipients,
        protocol: "local".to_owned(),
        bytes,
    };
    let taken = flow.handed_in(handed).await?;
    let refused = taken.iter().find_map(|t| if let Taken::Refused(reason) = t { Some(reason.clone()) } else { None });
    match refused {
        Some(reason) => Err(Failure::new(code::DATA, reason)),
        None if json => output::json(&json!({ "queued": taken.len() })),
        None => line(format!("{} queued", taken.len())),
    }
}

fn parsed(address: &str) -> Result<lettre::Address, Failure> {
    address.parse().map_err(|e| Failure::new(code::USAGE, format!("address {address}: {e}")))
}

fn words(asked: &Send) -> Result<String, Failure> {
    let Some(template) = &asked.template else {
        return std::io::read_to_string(std::io::stdin())
            .map_err(|e| Failure::new(code::DATA, format!("read standard input: {e}")));
    };
    let source = std::fs::read_to_string(template)
        .map_err(|e| Failure::new(code::DATA, format!("read {}: {e}", template.display())))?;
    let values: BTreeMap<&str, &str> = asked.set.iter().filter_map(|pair| pair.split_once('=')).collect();
    Environment::new()
        .render_str(&source, values)
        .map_err(|e| Failure::new(code::DATA, format!("template {}: {e}", template.display())))
}

pub async fn suppression(store: &Store, command: Suppression, json: bool) -> Result<(), Failure> {
    match command {
        Suppression::List => {
            let all = store.suppressions(LISTED).await?;
            if json {
                return output::json(&all.iter().map(object).collect());
            }
            let mut lines = vec![["ADDRESS", "SUPPRESSED", "LAST", "STATUS", "REASON"].map(String::from).to_vec()];
            for row in &all {
                let held = if row.holds() { "yes" } else { "not yet" };
                let last = when(row.last_ms);
                lines.push(vec![
                    row.recipient.clone(),
                    held.to_owned(),
                    last,
                    row.status.clone(),
                    row.diagnostic.clone(),
                ]);
            }
            if all.is_empty() { line("no notification came back") } else { output::table(&lines) }
        }
        Suppression::Release { addresses } => {
            let mut left = Vec::new();
            for text in &addresses {
                match Address::parse(text) {
                    Some(address) if store.release(&address).await? => line(format!("{address}: released"))?,
                    _ => left.push(text.clone()),
                }
            }
            if left.is_empty() {
                Ok(())
            } else {
                Err(Failure::new(code::DATA, format!("{}: not there", left.join(", "))))
            }
        }
    }
}

fn object(row: &Suppressed) -> Value {
    json!({ "address": row.recipient, "suppressed": row.holds(), "first_at": time(row.first_ms), "last_at": time(row.last_ms),
            "status": row.status, "diagnostic": row.diagnostic })
}

/// Sentences that told not to answer, within the last 30 days, for `check`.
pub async fn phrases(store: &Store) -> Vec<(String, String)> {
    let since = clock::now_ms().saturating_sub(30 * 24 * 3_600_000);
    let found = store.phrases(since).await.unwrap_or_default();
    found
        .into_iter()
        .map(|(name, count)| {
            let words = format!("{count} mails of the last 30 days told their reader not to answer; do_not_reply = \"replace\" mends them");
            (format!("application.{name}.do_not_reply"), words)
        })
        .collect()
}
