//! The probe of `check --online`: a mail that leaves, comes, is answered, and whose answer opens a case (R95).
//!
//! Decides   whether a running daemon does it, or this command: then with a store in memory, and with nothing of the
//!           mailbox taken in but the probe's own mails.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::output::{Failure, code};
use crate::clock;
use crate::config::{Account, Config};
use crate::desk::broken::seconds;
use crate::desk::circle::UNDER_WAY;
use crate::desk::policy::Policy;
use crate::desk::probe::{Probe, Step, concerns};
use crate::desk::token::CaseKey;
use crate::desk::{Event, Outcome, What};
use crate::flow::Flow;
use crate::health::Health;
use crate::imap::watch::{Seen, Watch};
use crate::mail::read;
use crate::smtp::{self, Sender};
use crate::store::types::{After, Content, Cursor, FetchedMail, IntakeBatch};
use crate::store::{OpenError, Store};

/// For the database to open.
const DATABASE: Duration = Duration::from_secs(5);
/// Between looks at how far the probe has come, in the database and in the mailbox.
const LOOK: Duration = Duration::from_millis(300);
const LOOK_MAILBOX: Duration = Duration::from_secs(1);
/// The relay's answer to a mail that has come already is committed within, milliseconds.
const SETTLED_MS: i64 = 2_000;
/// A daemon says so much later at the latest that a probe failed, milliseconds.
const LATER_MS: i64 = 10_000;

/// The database of a daemon that runs; `None` if none does.
pub async fn daemons(config: &Config) -> Result<Option<Store>, Failure> {
    let url = &config.file.database.url;
    let store = match timeout(DATABASE, Store::open_unchanged(url)).await {
        Ok(Ok(Some(store))) => store,
        Ok(Err(error @ OpenError::Foreign(_))) => return Err(Failure::new(code::NO_PERMISSION, error)),
        // no daemon of this release works without its database
        Ok(Ok(None) | Err(_)) | Err(_) => return Ok(None),
    };
    let alone = store.sole(url).await?.is_some();
    store.close().await;
    if alone { Ok(None) } else { Ok(Some(Store::open(url).await.map_err(super::cannot_open)?)) }
}

/// All the way; the steps with their times, or the one that failed.
pub async fn full_circle(config: &Config, account: &Account, daemons: Option<&Store>) -> anyhow::Result<String> {
    let probe = match daemons {
        Some(store) => beside(config, account, store).await?,
        None => alone(config, account).await?,
    };
    let who = if daemons.is_some() { "the daemon" } else { "no daemon runs, and so the check itself" };
    if probe.passed() {
        return Ok(format!("what is sent can be answered: {}; {who} took the mails in", steps(&probe)));
    }
    match probe.failed {
        Some(step) => bail!("failed at the step {}: {} ({})", step.word(), probe.detail, steps(&probe)),
        None => bail!("{}: start the daemon, or stop it, and try again", probe.detail),
    }
}

/// `submitted after 0.1 s, received after 0.4 s`
fn steps(probe: &Probe) -> String {
    let done: Vec<String> = Step::ALL
        .into_iter()
        .filter_map(|step| Some((step, probe.at_ms(step)?)))
        .map(|(step, at)| format!("{} after {}", step.word(), seconds(at.saturating_sub(probe.begun_ms))))
        .collect();
    if done.is_empty() { "no step was done".to_owned() } else { done.join(", ") }
}

/// The probe begins; one that is on its way already is taken for it.
async fn begun(flow: &Flow, mailbox: &str) -> anyhow::Result<CaseKey> {
    let id = format!("cli/{}", data_encoding::HEXLOWER.encode(&clock::random::<16>()));
    let case = flow.policy().keys.case_key(&id);
    let event = Event { id, at_ms: clock::now_ms(), what: What::Probe { mailbox: mailbox.to_owned() } };
    let handled = flow.handle(vec![event]).await?.into_iter().next().context("the order for a probe went missing")?;
    if handled.outcome == Outcome::Handled.word() {
        return Ok(case);
    }
    let running = flow.store().running_probe(mailbox).await?;
    running.with_context(|| format!("{UNDER_WAY} no more; try again ({})", handled.because))
}

/// Has it ended? A mail may come before the relay's answer is committed, and its time is to be shown.
fn is_over(probe: &Probe) -> bool {
    let known = Step::ALL.into_iter().all(|step| probe.at_ms(step).is_some());
    let settled = |ended: i64| known || !probe.passed() || clock::now_ms() > ended.saturating_add(SETTLED_MS);
    probe.ended_ms.is_some_and(settled)
}

/// The daemon sends, takes in and answers.
async fn beside(config: &Config, account: &Account, store: &Store) -> anyhow::Result<Probe> {
    let flow = Flow::start(store.clone(), Arc::new(config.policy.clone()));
    let case = begun(&flow, &account.mailbox).await?;
    loop {
        let probe = store.probe(case).await?.context("the probe is not in the database any more; try again")?;
        if is_over(&probe) {
            return Ok(probe);
        }
        if clock::now_ms() > probe.until_ms.saturating_add(LATER_MS) {
            bail!(
                "the daemon has not said what became of the probe ({}): see its log and yesreply mailbox list",
                steps(&probe)
            );
        }
        sleep(LOOK).await;
    }
}

/// This command does what a daemon would, for the probe's own mails alone, and keeps nothing.
async fn alone(config: &Config, account: &Account) -> anyhow::Result<Probe> {
    let mut policy = config.policy.clone();
    policy.mailboxes.retain(|name, _| *name == account.mailbox);
    policy.agents.clear();
    let flow = Flow::start(Store::open_empty().await?, Arc::new(policy));
    let mut watched = Watch::begin(account).await?;
    let case = begun(&flow, &account.mailbox).await?;
    let (stop, stopped) = watch::channel(false);
    let settings = smtp::Settings::of(config, account);
    let beat = Health::default().beat("outbox of the check");
    let sender = tokio::spawn(Sender::new(account.clone(), settings, flow.clone(), beat).run(stopped));
    let probe = taken_in(&flow, &mut watched, account, case).await;
    stop.send_replace(true);
    watched.end().await;
    // it has sent what there was; what it has in hand is of no use any more
    sender.abort();
    probe
}

async fn taken_in(flow: &Flow, watched: &mut Watch, account: &Account, case: CaseKey) -> anyhow::Result<Probe> {
    loop {
        for seen in watched.look().await? {
            if is_of_probe(flow.policy(), &seen, case) {
                flow.intake(batch(account, seen)).await?;
            }
        }
        flow.due(clock::now_ms(), 10).await?;
        let probe = flow.store().probe(case).await?.context("the probe went missing")?;
        if is_over(&probe) {
            return Ok(probe);
        }
        sleep(LOOK_MAILBOX).await;
    }
}

fn is_of_probe(policy: &Policy, seen: &Seen, case: CaseKey) -> bool {
    let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| read::read(&seen.raw)));
    read.is_ok_and(|mail| concerns(policy, &mail, case))
}

/// One mail as intake hands it over.
fn batch(account: &Account, seen: Seen) -> IntakeBatch {
    let cursor = Cursor {
        mailbox: account.mailbox.clone(),
        folder: seen.folder,
        uidvalidity: 1,
        generation: 0,
        uid_last: seen.uid,
        uid_old: 0,
        taken_from_ms: 0,
        fresh_from_ms: 0,
        started_ms: 0,
        read_ms: 0,
    };
    IntakeBatch {
        cursor,
        moved_from: None,
        mails: vec![FetchedMail {
            uid: seen.uid,
            internal_date_ms: None,
            old: false,
            content: Content::Whole(seen.raw),
        }],
        gaps: Vec::new(),
        gaps_closed: Vec::new(),
        after: After::Keep,
        junk: seen.junk,
        sent: false,
    }
}
