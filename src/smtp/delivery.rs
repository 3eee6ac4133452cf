//! One row on its way: through a connection, to a settlement.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::{Mutex, oneshot, watch};
use tokio::time::{Instant, sleep};

use super::Settings;
use super::relay::{Fault, Relay};
use super::retry::{Meaning, Ourselves, Verb, meaning};
use crate::clock;
use crate::config::Account;
use crate::config::file::OnUncertain;
use crate::failpoint;
use crate::flow::Flow;
use crate::mail::dkim;
use crate::mail::text::without_local_parts;
use crate::store::types::{Claimed, Settlement};

const NOT_STORED: &str = "the end of a delivery could not be stored";

/// A settlement that the store refuses is tried this often, for as long as the lease lasts.
const SETTLE_TRIES: u32 = 120;
/// Longest wait between two of them.
const SETTLE_WAIT_MAX: Duration = Duration::from_secs(15);

/// What a delivery told about the account.
#[derive(Debug)]
pub(super) enum Told {
    /// The relay takes mail.
    Works,
    /// Nobody answers.
    Unreachable(String),
    /// It refuses us (R61).
    Refused(String),
    /// Nothing.
    Nothing,
}

/// The end of one delivery.
#[derive(Debug)]
pub(super) struct Landed {
    pub relay: Option<Idle>,
    pub told: Told,
    pub settling: Option<Settling>,
}

/// An end that is on its way into the store. The next mail of the connection need not wait for it: that its own DATA has
/// begun is committed behind it.
#[derive(Debug)]
pub(super) struct Settling {
    mail: Claimed,
    settlement: Settlement,
    committed: oneshot::Receiver<anyhow::Result<()>>,
}

impl Settling {
    async fn begin(flow: &Flow, mail: Claimed, settlement: Settlement) -> Option<Self> {
        match flow.ended(mail.id, mail.attempt, settlement.clone()).await {
            Ok(committed) => Some(Settling { mail, settlement, committed }),
            Err(error) => {
                tracing::error!(delivery.id = mail.id, error = format!("{error:#}"), "{NOT_STORED}");
                None
            }
        }
    }

    /// Ends when it is committed.
    pub async fn end(self, flow: Arc<Flow>) {
        let Settling { mail, settlement, committed } = self;
        if !matches!(committed.await, Ok(Ok(()))) {
            settle(&flow, &mail, settlement).await;
        }
    }
}

/// A connection that waits.
#[derive(Debug)]
pub(super) struct Idle {
    pub relay: Relay,
    pub mails: u32,
    pub since: Instant,
}

/// One row on its way.
pub(super) struct Delivery {
    pub account: Account,
    pub settings: Arc<Settings>,
    pub flow: Arc<Flow>,
    pub given_up: watch::Receiver<bool>,
    /// Whoever sends a heavy mail holds it.
    pub heavy: Arc<Mutex<()>>,
}

impl Delivery {
    pub async fn run(mut self, mail: Claimed, idle: Option<Idle>) -> Landed {
        failpoint::hit("outbox.claimed");
        let heavy = self.heavy.clone();
        let alone = if mail.heavy { Some(heavy.lock().await) } else { None };
        let bytes = match self.content(&mail).await {
            Ok(bytes) => bytes,
            Err(error) => return self.unreadable(mail, idle, &error).await,
        };
        let (relay, done) = self.attempt(&mail, &bytes, idle).await;
        drop(bytes);
        drop(alone);
        failpoint::hit("outbox.answered");
        let (settlement, told) = self.judge(&mail, &done);
        let settling = match settlement {
            Some(settlement) => {
                log(&self.account.mailbox, &mail, &settlement);
                Settling::begin(&self.flow, mail, settlement).await
            }
            None => None,
        };
        Landed { relay, told, settling }
    }

    /// The bytes of every attempt: those of the store, signed as of when they were queued.
    async fn content(&self, mail: &Claimed) -> anyhow::Result<Vec<u8>> {
        let bytes = self.flow.content(mail.id).await?;
        if self.settings.signers.is_empty() {
            return Ok(bytes);
        }
        let (settings, at_s) = (self.settings.clone(), u64::try_from(mail.queued_ms / 1000).unwrap_or_default());
        let signed = tokio::task::spawn_blocking(move || dkim::signed(&settings.signers, bytes, at_s));
        signed.await.context("sign a mail")?.map_err(anyhow::Error::msg)
    }

    /// The store does not give the mail, or it cannot be signed: it waits like one that the relay did not take.
    async fn unreadable(self, mail: Claimed, idle: Option<Idle>, error: &anyhow::Error) -> Landed {
        let now = clock::now_ms();
        let at_ms = now.saturating_add(self.settings.schedule.wait_ms(mail.attempts, clock::jitter(999)));
        let reply = format!("{error:#}");
        tracing::error!(
            delivery.id = mail.id,
            error = reply,
            "a mail cannot be read from the outbox and is tried again"
        );
        let settling = Settling::begin(&self.flow, mail, Settlement::Retry { at_ms, reply }).await;
        Landed { relay: idle, told: Told::Nothing, settling }
    }

    /// Through the idle connection, or a fresh one where that has died meanwhile.
    async fn attempt(
        &mut self,
        mail: &Claimed,
        bytes: &[u8],
        idle: Option<Idle>,
    ) -> (Option<Idle>, Result<String, Fault>) {
        let mut idle = idle;
        loop {
            let reused = idle.is_some();
            let mut open = match idle.take() {
                Some(open) => open,
                None => match Relay::connect(&self.account).await {
                    Ok(relay) => Idle { relay, mails: 0, since: Instant::now() },
                    Err(fault) => return (None, Err(fault)),
                },
            };
            let done = self.deliver(&mut open.relay, mail, bytes).await;
            open.mails = open.mails.saturating_add(1);
            open.since = Instant::now();
            match &done {
                Ok(_) => return (Some(open), done),
                Err(Fault::Refused(..)) => {
                    let usable = open.relay.reset().await.is_ok();
                    return (usable.then_some(open), done);
                }
                Err(Fault::Broken(Verb::Mail, _)) if reused => {}
                Err(Fault::Broken(..) | Fault::Unknown(_) | Fault::LeaseLost) => return (None, done),
            }
        }
    }

    async fn deliver(&mut self, relay: &mut Relay, mail: &Claimed, bytes: &[u8]) -> Result<String, Fault> {
        let flow = self.flow.clone();
        let answer_timeout = match self.settings.answer_timeout {
            longer if failpoint::fault("timeout_after_dot_60s") => longer.min(Duration::from_secs(60)),
            configured => configured,
        };
        let started = async {
            match flow.data_started(mail.id, mail.attempt).await {
                Ok(started) => {
                    failpoint::hit("outbox.data_started");
                    started
                }
                Err(error) => {
                    tracing::error!(
                        delivery.id = mail.id,
                        error = format!("{error:#}"),
                        "it could not be recorded that a mail is being sent, so it is not"
                    );
                    false
                }
            }
        };
        tokio::select! {
            done = relay.deliver(mail, bytes, answer_timeout, started) => done,
            _ = self.given_up.wait_for(|given_up| *given_up) => Err(Fault::Unknown("the daemon was stopped before the answer came".to_owned())),
        }
    }

    fn judge(&self, mail: &Claimed, done: &Result<String, Fault>) -> (Option<Settlement>, Told) {
        let now = clock::now_ms();
        let draw = clock::jitter(999);
        let again = now.saturating_add(self.settings.schedule.wait_ms(mail.attempts, draw));
        let over = self.settings.schedule.is_over(mail.queued_ms, now);
        let failed = |status: &str, reply: &str| Settlement::Failed {
            status: status.to_owned(),
            reply: format!("given up after {} attempts; last: {reply}", mail.attempts),
        };
        match done {
            Ok(reply) => (Some(Settlement::Sent { reply: reply.clone() }), Told::Works),
            Err(Fault::LeaseLost) => (None, Told::Nothing),
            Err(Fault::Unknown(reply)) => {
                let resend = self.settings.on_uncertain == OnUncertain::Resend && mail.uncertain_count == 0;
                (Some(Settlement::Uncertain { at_ms: resend.then_some(again), reply: reply.clone() }), Told::Nothing)
            }
            Err(Fault::Broken(Verb::Hello, reason)) if !over => {
                (Some(Settlement::Returned { at_ms: now, reply: reason.clone() }), Told::Unreachable(reason.clone()))
            }
            Err(Fault::Broken(Verb::Hello, reason)) => {
                (Some(failed("4.4.1", reason)), Told::Unreachable(reason.clone()))
            }
            Err(Fault::Broken(_, reason)) if over => (Some(failed("4.4.2", reason)), Told::Nothing),
            Err(Fault::Broken(_, reason)) => {
                (Some(Settlement::Retry { at_ms: again, reply: reason.clone() }), Told::Nothing)
            }
            Err(Fault::Refused(verb, reply)) => {
                let ourselves = Ourselves {
                    address: &self.settings.address,
                    domain: &self.settings.domain,
                    recipient: &mail.recipient,
                };
                let words = reply.words();
                let before = matches!(verb, Verb::Hello | Verb::Auth);
                match meaning(*verb, reply, ourselves) {
                    Meaning::Final => (Some(Settlement::Failed { status: reply.status(), reply: words }), Told::Works),
                    Meaning::Account if over => (Some(failed(&reply.status(), &words)), Told::Refused(words)),
                    Meaning::Account => {
                        (Some(Settlement::Returned { at_ms: again, reply: words.clone() }), Told::Refused(words))
                    }
                    Meaning::Temporary if over => (Some(failed(&reply.status(), &words)), Told::Nothing),
                    Meaning::Temporary if before => {
                        (Some(Settlement::Returned { at_ms: now, reply: words.clone() }), Told::Unreachable(words))
                    }
                    Meaning::Temporary => (Some(Settlement::Retry { at_ms: again, reply: words }), Told::Works),
                }
            }
        }
    }
}

fn log(mailbox: &str, mail: &Claimed, settlement: &Settlement) {
    let id = mail.id;
    match settlement {
        Settlement::Sent { .. } => tracing::info!(mailbox.name = mailbox, delivery.id = id, "a mail was sent"),
        Settlement::Retry { reply, .. } => {
            let reply = without_local_parts(reply);
            tracing::info!(mailbox.name = mailbox, delivery.id = id, reply, "a mail was not taken and is tried again");
        }
        Settlement::Failed { reply, .. } => {
            let reply = without_local_parts(reply);
            tracing::warn!(mailbox.name = mailbox, delivery.id = id, reply, "a mail is undeliverable");
        }
        Settlement::Uncertain { at_ms, reply } => {
            let reply = without_local_parts(reply);
            if at_ms.is_some() {
                let words = "nobody knows if the relay took a mail; it is sent once more";
                tracing::warn!(mailbox.name = mailbox, delivery.id = id, reply, "{words}");
            } else {
                let words = "nobody knows if the relay took a mail; it is held: see yesreply outbox list";
                tracing::error!(mailbox.name = mailbox, delivery.id = id, reply, "{words}");
            }
        }
        Settlement::Returned { .. } => {}
    }
}

/// Commits how an attempt ended. What the relay has answered is known here only, so it is tried until the store takes it; a
/// row that was only put back is the writer's to put back later.
pub(super) async fn settle(flow: &Flow, mail: &Claimed, settlement: Settlement) {
    let most = if matches!(settlement, Settlement::Returned { .. }) { 1 } else { SETTLE_TRIES };
    for tries in 0..most {
        match flow.settle(mail.id, mail.attempt, settlement.clone()).await {
            Ok(()) => return,
            Err(error) => {
                tracing::error!(delivery.id = mail.id, error = format!("{error:#}"), "{NOT_STORED}");
                if tries.saturating_add(1) < most {
                    sleep(Duration::from_secs(1u64 << tries.min(4)).min(SETTLE_WAIT_MAX)).await;
                }
            }
        }
    }
}
