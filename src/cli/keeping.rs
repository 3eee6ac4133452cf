//! `case hold`, `case erase` and `case export`: how long a case stays, and what can be had of it before it goes (R80).

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::{Value, json};

use super::case::{found, shown};
use super::order::order;
use super::output::{self, Failure, code, line};
use crate::config::Config;
use crate::desk::case::Direction;
use crate::desk::keeping::Verdict;
use crate::desk::{Outcome, What};
use crate::store::Store;
use crate::store::cases::Whole;

/// What an operator may decide about the keeping of a case.
#[derive(Debug, Subcommand)]
pub enum Keep {
    /// Keep a case and its mails for as long as the hold lasts, whatever [retention] says
    Hold {
        /// Its number
        #[arg(value_name = "REF")]
        reference: String,
        /// End the hold
        #[arg(long)]
        off: bool,
    },
    /// Delete a case with all that was said in it, now and for good, with those that were merged into it
    Erase {
        /// Its number
        #[arg(value_name = "REF")]
        reference: String,
        /// Really; without it, what would go is only named
        #[arg(long)]
        yes: bool,
    },
    /// Write a case into a new folder: case.json, and each mail as it came or left
    Export {
        /// Its number
        #[arg(value_name = "REF")]
        reference: String,
        /// The folder; it must not be there yet
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
}

/// Does it.
pub async fn run(store: &Store, config: Config, keep: Keep, json: bool) -> Result<(), Failure> {
    match keep {
        Keep::Hold { reference, off } => {
            let whole = found(store, &config.policy, &reference).await?;
            let verdict = if off { Verdict::LetGo } else { Verdict::Hold };
            decide(store, config, &whole, verdict).await?;
            let words =
                if off { "is kept as long as [retention] says" } else { "is on hold: nothing of it is deleted" };
            said(&whole, json!({ "on_hold": !off }), words, json)
        }
        Keep::Erase { reference, yes } => {
            let whole = found(store, &config.policy, &reference).await?;
            if let Some(other) = whole.listed.merged_into {
                let reason = format!(
                    "case {reference} is part of case #{other}, and goes with that one: yesreply case erase {other}"
                );
                return Err(Failure::new(code::DATA, reason));
            }
            if !yes {
                return Err(Failure::new(code::USAGE, named(store, &whole).await?));
            }
            decide(store, config, &whole, Verdict::Erase).await?;
            let words = "is deleted; the mail server's own copies of its mails are not touched";
            said(&whole, json!({ "erased": true }), words, json)
        }
        Keep::Export { reference, folder } => {
            let whole = found(store, &config.policy, &reference).await?;
            let mails = export(store, &whole, &folder).await?;
            let words = format!("is in {}: case.json and {mails} mails", folder.display());
            said(&whole, json!({ "folder": folder.display().to_string(), "mails": mails }), &words, json)
        }
    }
}

/// What would go.
async fn named(store: &Store, whole: &Whole) -> Result<String, Failure> {
    let case = &whole.listed.case;
    let (parts, waiting) = store.parts_of(case.key).await?;
    let parts: Vec<String> = parts.iter().map(|n| format!("#{n}")).collect();
    let merged =
        if parts.is_empty() { String::new() } else { format!(", with {} that were merged into it", parts.join(", ")) };
    let waits = if waiting == 0 { String::new() } else { format!("; {waiting} mails of it wait and would not leave") };
    Ok(format!(
        "case #{} \"{}\" of {}, {}, with {} messages would be deleted for good{merged}{waits}; say so with --yes",
        case.reference,
        case.subject,
        case.customer.address,
        case.status.word(),
        whole.entries.len()
    ))
}

async fn decide(store: &Store, config: Config, whole: &Whole, verdict: Verdict) -> Result<(), Failure> {
    let reference = whole.listed.case.reference;
    let done = order(store, config, What::Keeping { reference, verdict }).await?;
    if done.outcome == Outcome::Handled.word() {
        return Ok(());
    }
    let mend = if verdict == Verdict::Erase {
        format!("; yesreply case hold {reference} --off ends a hold")
    } else {
        String::new()
    };
    Err(Failure::new(code::DATA, format!("nothing was done to case #{reference}: {}{mend}", done.because)))
}

fn said(whole: &Whole, mut value: Value, words: &str, json: bool) -> Result<(), Failure> {
    let reference = whole.listed.case.reference;
    if !json {
        return line(format!("case #{reference} {words}"));
    }
    if let Some(fields) = value.as_object_mut() {
        fields.insert("ref".to_owned(), json!(reference.to_string()));
    }
    output::json(&value)
}

/// Writes all of a case; returns how many mails that were. What is written is for its owner alone.
async fn export(store: &Store, whole: &Whole, folder: &Path) -> Result<usize, Failure> {
    let failed = |what: &Path, error: std::io::Error| {
        Failure::new(code::UNAVAILABLE, format!("write {}: {error}", what.display()))
    };
    fs::DirBuilder::new().mode(0o700).create(folder).map_err(|e| failed(folder, e))?;
    let write = |name: &str, content: &[u8]| {
        let path = folder.join(name);
        let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(content)).map_err(|e| failed(&path, e))
    };
    write("case.json", format!("{:#}\n", shown(whole)).as_bytes())?;
    let mut mails = 0usize;
    for (number, (id, entry)) in whole.entries.iter().enumerate() {
        let Some(raw) = store.source(*id).await?.and_then(|source| source.raw) else {
            continue;
        };
        let way = if entry.direction == Direction::Inbound { "in" } else { "out" };
        write(&format!("{:03}-{way}.eml", number.saturating_add(1)), &raw)?;
        mails = mails.saturating_add(1);
    }
    Ok(mails)
}
