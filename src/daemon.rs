//! The daemon: opens the store, starts the loops, waits for a signal, stops them.
//!
//! Promises   SIGTERM ends it with exit 0 within ten seconds and nothing half done; a loop that ends by a fault of
//!            ours is started again, and the others never notice.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::call;
use crate::config::Config;
use crate::desk::outgoing::unstaffed;
use crate::flow::Flow;
use crate::health::Health;
use crate::http::Http;
use crate::imap::folders::Folders;
use crate::imap::{self, Intake};
use crate::listen::Listener;
use crate::listen::maildrop::Maildrop;
use crate::listen::socket::Inherited;
use crate::service;
use crate::smtp::{self, Sender};
use crate::store::Store;
use crate::timers;

/// A loop that a fault of ours has ended begins again after this time.
const RESTART: Duration = Duration::from_secs(5);
/// All loops together, at a stop.
const STOP: Duration = Duration::from_secs(9);

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// What kept it from starting.
pub async fn serve(config: Config, store: Store) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("wait for SIGINT")?;
    let mut hangup = signal(SignalKind::hangup()).context("wait for SIGHUP")?;
    for note in &config.notes {
        tracing::info!(config.key = note.key, note = note.message, "the config");
    }
    warn_of_unstaffed(&config);
    let flow = Flow::start(store.clone(), Arc::new(config.policy.clone()));
    let Some(sole) = store.sole(&config.file.database.url).await.context("look for another daemon")? else {
        bail!("another yesreply serve runs on this database; stop it first, or give this one a database of its own");
    };
    store.is_sound().await.context("look at the database")?;
    flow.release_leases().await.context("take over the outbox")?;
    flow.begin_run().await?;
    flow.schedule_probes().await.context("see when mailboxes are to be probed")?;
    let health = Health::default();
    let (stop, stopped) = watch::channel(false);
    let mut loops = JoinSet::new();
    begin(&config, &flow, &health, &stopped, &mut loops);
    if config.file.desk.folders {
        folders(&config, &flow, &health, &stopped, &mut loops);
    } else {
        store.copies_unwatched().await.context("leave the desk's folders alone")?;
    }
    if let Err(error) = open_doors(&config, &flow, &health, &stopped, &mut loops).await {
        flow.end_run().await;
        return Err(error);
    }
    let keeper = store.clone();
    let mut sole = tokio::spawn(async move { keeper.keep_sole(sole).await });
    let mut usurped = false;
    tracing::info!(
        mailboxes = config.accounts.len(),
        agents = config.policy.agents.len(),
        version = env!("CARGO_PKG_VERSION"),
        "yesreply is ready"
    );
    let watching = tokio::spawn(service::watch(flow.clone(), health));
    service::ready();
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = &mut sole => {
                usurped = true;
                break;
            }
            _ = hangup.recv() => tracing::info!("the config is read at start only: restart to apply a change"),
        }
    }
    tracing::info!("stopping");
    service::stopping();
    watching.abort();
    stop.send_replace(true);
    let all = async { while loops.join_next().await.is_some() {} };
    // a mail that a loop cannot leave may be the cause, so then the next run is careful
    match timeout(STOP, all).await {
        Ok(()) => flow.end_run().await,
        Err(_) => tracing::warn!("a loop did not stop in time; what it had in hand is taken up at the next start"),
    }
    sole.abort();
    drop(flow);
    let _ = timeout(Duration::from_secs(1), store.close()).await;
    tracing::info!("stopped");
    if usurped {
        bail!("the connection to the database was lost, and another yesreply serve took this one's place");
    }
    Ok(())
}

/// One warning names all mailboxes that nobody works (R90).
fn warn_of_unstaffed(config: &Config) {
    let mailboxes = unstaffed(&config.policy).join(", ");
    if !mailboxes.is_empty() {
        tracing::warn!(
            rule = "R90",
            mailboxes,
            "no agent works these mailboxes: their mail becomes new cases that nobody is told of; add [agent.NAME]"
        );
    }
}

/// Intake and outbox of each account, and the cases that nobody was told of.
fn begin(config: &Config, flow: &Arc<Flow>, health: &Health, stopped: &watch::Receiver<bool>, loops: &mut JoinSet<()>) {
    for account in config.accounts.values() {
        let intake = imap::Settings::of(config);
        let sender = smtp::Settings::of(config, account);
        let (one, two) = ((account.clone(), flow.clone()), (account.clone(), flow.clone()));
        let beat = health.beat(&format!("intake of {}", account.mailbox));
        loops.spawn(kept_up(flow, stopped.clone(), "intake", account.mailbox.clone(), {
            let stopped = stopped.clone();
            move || {
                until(stopped.clone(), Intake::new(one.0.clone(), intake.clone(), one.1.clone(), beat.clone()).run())
            }
        }));
        let beat = health.beat(&format!("outbox of {}", account.mailbox));
        loops.spawn(kept_up(flow, stopped.clone(), "outbox", account.mailbox.clone(), {
            let stopped = stopped.clone();
            move || Sender::new(two.0.clone(), sender.clone(), two.1.clone(), beat.clone()).run(stopped.clone())
        }));
    }
    loops.spawn(kept_up(flow, stopped.clone(), "timers", String::new(), {
        let (stopped, flow, beat) = (stopped.clone(), flow.clone(), health.beat("timers"));
        move || until(stopped.clone(), timers::run(flow.clone(), beat.clone()))
    }));
    loops.spawn(kept_up(flow, stopped.clone(), "keeping", String::new(), {
        let (stopped, flow, beat) = (stopped.clone(), flow.clone(), health.beat("keeping"));
        move || until(stopped.clone(), timers::keep(flow.clone(), beat.clone()))
    }));
    calls(config, flow, health, stopped, loops);
    let staff = flow.clone();
    loops.spawn(until(stopped.clone(), async move {
        while let Err(error) = staff.staff().await {
            tracing::warn!(error = format!("{error:#}"), "cases that nobody was told of could not be relayed yet");
            sleep(RESTART).await;
        }
    }));
}

/// The folders of each mailbox (R94).
fn folders(
    config: &Config,
    flow: &Arc<Flow>,
    health: &Health,
    stopped: &watch::Receiver<bool>,
    loops: &mut JoinSet<()>,
) {
    for account in config.accounts.values() {
        let (account, settings) = (account.clone(), imap::Settings::of(config));
        let beat = health.beat(&format!("folders of {}", account.mailbox));
        loops.spawn(kept_up(flow, stopped.clone(), "folders", account.mailbox.clone(), {
            let (stopped, flow) = (stopped.clone(), flow.clone());
            move || {
                let folders = Folders::new(account.clone(), settings.clone(), flow.clone(), beat.clone());
                until(stopped.clone(), folders.run())
            }
        }));
    }
}

/// What applications are to be told.
fn calls(config: &Config, flow: &Arc<Flow>, health: &Health, stopped: &watch::Receiver<bool>, loops: &mut JoinSet<()>) {
    for receiver in &config.receivers {
        let (receiver, name) = (Arc::new(receiver.clone()), receiver.application.clone());
        let beat = health.beat(&format!("calls to {name}"));
        loops.spawn(kept_up(flow, stopped.clone(), "calls", name, {
            let (stopped, flow) = (stopped.clone(), flow.clone());
            move || until(stopped.clone(), call::run(receiver.clone(), flow.clone(), beat.clone()))
        }));
    }
    let told: Vec<String> = config.receivers.iter().map(|r| r.application.clone()).collect();
    let flow = flow.clone();
    loops.spawn(until(stopped.clone(), async move {
        let told: Vec<&str> = told.iter().map(String::as_str).collect();
        loop {
            match flow.give_up_calls(&told).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), "calls to nobody could not be given up yet");
                    sleep(RESTART).await;
                }
            }
        }
    }));
}

/// Where applications hand in mail, and where numbers are read.
async fn open_doors(
    config: &Config,
    flow: &Arc<Flow>,
    health: &Health,
    stopped: &watch::Receiver<bool>,
    loops: &mut JoinSet<()>,
) -> anyhow::Result<()> {
    let mut inherited = Inherited::take();
    for listener in Listener::open(config, flow, &mut inherited).await? {
        let (listener, stopped_here) = (Arc::new(listener), stopped.clone());
        loops.spawn(kept_up(flow, stopped.clone(), "listener", listener.name().to_owned(), move || {
            listener.clone().run(stopped_here.clone())
        }));
    }
    if let Some(place) = &config.page {
        let http = Arc::new(Http::open(place, &mut inherited, flow.clone(), health.clone()).await?);
        let stopped_here = stopped.clone();
        loops.spawn(kept_up(flow, stopped.clone(), "http", String::new(), move || {
            http.clone().run(stopped_here.clone())
        }));
    }
    if let Some(sendmail) = &config.file.sendmail {
        let maildrop = Arc::new(Maildrop::open(&sendmail.maildrop, config, flow)?);
        let stopped_here = stopped.clone();
        loops.spawn(kept_up(flow, stopped.clone(), "maildrop", "all".to_owned(), move || {
            until(stopped_here.clone(), maildrop.clone().run())
        }));
    }
    Ok(())
}

/// Until the daemon stops: intake may be dropped at any point.
async fn until(mut stopped: watch::Receiver<bool>, work: impl Future<Output = ()>) {
    tokio::select! {
        () = work => {}
        _ = stopped.wait_for(|stopped| *stopped) => {}
    }
}

/// Starts a loop, and again if it panics.
fn kept_up<F, W>(
    flow: &Arc<Flow>,
    mut stopped: watch::Receiver<bool>,
    name: &'static str,
    of: String,
    mut work: F,
) -> impl Future<Output = ()> + use<F, W>
where
    F: FnMut() -> W + Send,
    W: Future<Output = ()> + Send + 'static,
{
    let metrics = flow.metrics().clone();
    async move {
        loop {
            let ended = tokio::spawn(work()).await;
            if *stopped.borrow() {
                return;
            }
            if let Err(error) = ended {
                metrics.restart(name, &of);
                tracing::error!(name, of, %error, "a loop ended by a fault of ours and is started again");
            }
            tokio::select! {
                () = sleep(RESTART) => {}
                _ = stopped.wait_for(|stopped| *stopped) => return,
            }
        }
    }
}
