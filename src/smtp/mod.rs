//! The outbox's edge: one loop for each account claims rows, sends them, settles them.
//!
//! Promises   the same bytes at every attempt; one bad row never stops the others; what is known to be unsent is tried
//!            again, what may have been sent is uncertain and says so.
//! Never      sends a row whose lease is not committed, or the mail itself before `data_started` is.

mod delivery;
mod quota;
pub mod relay;
pub mod retry;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::clock;
use crate::config::file::OnUncertain;
use crate::config::{Account, Config};
use crate::flow::Flow;
use crate::health::Beat;
use crate::mail::dkim::Signer;
use crate::mail::text::without_local_parts;
use crate::store::types::{Claimed, Settlement, Wanted};

use delivery::{Delivery, Idle, Landed, Settling, Told, settle};
use quota::{Allowed, DAY_MS, Quota};
use relay::{Fault, Relay};
use retry::Schedule;

/// A row in our hands: longer than its sending can take; a lost lease is noticed before the mail is sent.
const LEASE_MS: i64 = 30 * 60_000;
/// Rows in our hands that wait, for each connection.
const WAITING_PER_CONNECTION: usize = 16;
/// An idle connection is closed: relays close them too, and less politely.
const IDLE: Duration = Duration::from_secs(20);
/// Mails through one connection.
const MAILS_PER_CONNECTION: u32 = 100;
/// First and longest wait for a relay that cannot be reached.
const UNREACHABLE_MS: (i64, i64) = (1_000, 60_000);
/// How long an account that was refused is left alone.
const PAUSE_MS: i64 = 5 * 60_000;
/// What is in the air when the daemon stops gets this long.
const STOP: Duration = Duration::from_secs(7);
/// The loop itself never waits longer: the deliveries have deadlines of their own.
const STEP: Duration = Duration::from_secs(600);
/// Without a bell, the outbox is looked at this often: other processes queue too.
const LOOK: Duration = Duration::from_secs(2);

/// What sending needs of the config.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Attempts.
    pub schedule: Schedule,
    /// For the reply to the final dot.
    pub answer_timeout: Duration,
    /// R62.
    pub on_uncertain: OnUncertain,
    /// The desk's address.
    pub address: String,
    /// Its domain.
    pub domain: String,
    /// Keys that sign what is sent.
    pub signers: Arc<[Signer]>,
}

impl Settings {
    /// From the config.
    #[must_use]
    pub fn of(config: &Config, account: &Account) -> Self {
        let outbox = &config.file.outbox;
        let address = config.policy.mailboxes.get(&account.mailbox).map(|m| m.address.to_string()).unwrap_or_default();
        Settings {
            schedule: Schedule {
                retry_for: outbox.retry_for.0,
                first: outbox.retry_first.0,
                longest: outbox.retry_max.0,
            },
            answer_timeout: outbox.answer_timeout.0,
            on_uncertain: outbox.on_uncertain,
            domain: address.rsplit_once('@').map(|(_, d)| d.to_owned()).unwrap_or_default(),
            address,
            signers: config.signers.clone(),
        }
    }
}

/// The loop of one account.
#[derive(Debug)]
pub struct Sender {
    account: Account,
    settings: Arc<Settings>,
    flow: Arc<Flow>,
    beat: Beat,
    idle: Vec<Idle>,
    waiting: VecDeque<Claimed>,
    /// No further row was due when we last looked, and no bell has rung since.
    drained: bool,
    air: JoinSet<Landed>,
    settling: JoinSet<()>,
    heavy: Arc<Mutex<()>>,
    /// Not before this time: the relay cannot be reached, or refuses us.
    not_before_ms: i64,
    unreachable: i64,
    state: Option<String>,
    quota: Quota,
    /// Nothing but answers may be begun now.
    scarce: bool,
}

impl Sender {
    /// A loop that has not begun.
    #[must_use]
    pub fn new(account: Account, settings: Settings, flow: Arc<Flow>, beat: Beat) -> Self {
        Sender {
            quota: Quota::new(account.per_minute, account.per_day),
            scarce: false,
            account,
            settings: Arc::new(settings),
            flow,
            beat,
            idle: Vec::new(),
            waiting: VecDeque::new(),
            drained: false,
            air: JoinSet::new(),
            settling: JoinSet::new(),
            heavy: Arc::default(),
            not_before_ms: 0,
            unreachable: 0,
            state: None,
        }
    }

    /// Sends until `stop` turns true; then what is in the air gets a few seconds.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let (give_up, given_up) = watch::channel(false);
        let mut bell = self.flow.outbox_bell();
        self.recall().await;
        while !*stop.borrow() {
            self.beat.within(STEP);
            self.drop_idle();
            self.claim().await;
            self.launch(&given_up);
            let nap = self.nap().await;
            tokio::select! {
                Ok(()) = bell.changed() => self.drained = false,
                () = sleep(nap) => self.drained = false,
                Some(landed) = self.air.join_next() => self.landed(landed).await,
                _ = stop.changed() => {}
            }
            while self.settling.try_join_next().is_some() {}
        }
        self.end(&give_up).await;
    }

    /// What an earlier run sent within the day counts against its limit.
    async fn recall(&mut self) {
        let Some(per_day) = self.quota.per_day() else { return };
        let since_ms = clock::now_ms().saturating_sub(DAY_MS);
        match self.flow.store().sent_since(&self.account.mailbox, since_ms, per_day).await {
            Ok(sent_ms) => self.quota.recall(sent_ms),
            Err(error) => tracing::warn!(
                mailbox.name = self.account.mailbox,
                %error,
                "what was sent today could not be counted: smtp.per_day counts from now"
            ),
        }
    }

    async fn end(mut self, give_up: &watch::Sender<bool>) {
        for mail in std::mem::take(&mut self.waiting) {
            let back = Settlement::Returned { at_ms: clock::now_ms(), reply: String::new() };
            settle(&self.flow, &mail, back).await;
        }
        if timeout(STOP, self.all_land()).await.is_err() {
            // those that wait for the reply to their dot settle as uncertain
            give_up.send_replace(true);
            let _ = timeout(Duration::from_secs(1), self.all_land()).await;
        }
        for idle in self.idle {
            idle.relay.quit().await;
        }
    }

    async fn all_land(&mut self) {
        while let Some(landed) = self.air.join_next().await {
            if let Ok(landed) = landed {
                self.idle.extend(landed.relay);
                self.settles(landed.settling);
            }
        }
        while self.settling.join_next().await.is_some() {}
    }

    fn settles(&mut self, settling: Option<Settling>) {
        if let Some(settling) = settling {
            self.settling.spawn(settling.end(self.flow.clone()));
        }
    }

    fn connections(&self) -> usize {
        usize::try_from(self.account.connections).unwrap_or(1).max(1)
    }

    /// Takes rows into our hands, so that each connection has its next one.
    async fn claim(&mut self) {
        if clock::now_ms() < self.not_before_ms || self.drained || self.waiting.len() > self.connections() {
            return;
        }
        let most = self.connections().saturating_mul(WAITING_PER_CONNECTION);
        let Allowed { any, answers } = self.quota.allowed(clock::now_ms());
        let (wanted, allowed) = match any.saturating_sub(self.waiting.len()) {
            0 => (Wanted::Answers, answers.saturating_sub(self.waiting.len())),
            any => (Wanted::Any, any),
        };
        self.scarce = wanted == Wanted::Answers;
        let most = most.min(allowed);
        let Ok(limit @ 1..) = u32::try_from(most) else {
            return;
        };
        match self.flow.claim(&self.account.mailbox, limit, wanted, LEASE_MS).await {
            Ok(claimed) => {
                self.drained = claimed.len() < most;
                self.waiting.extend(claimed);
            }
            Err(error) => {
                tracing::error!(
                    mailbox.name = self.account.mailbox,
                    error = format!("{error:#}"),
                    "the outbox could not be read"
                );
                self.not_before_ms = clock::now_ms().saturating_add(1_000);
            }
        }
    }

    fn launch(&mut self, given_up: &watch::Receiver<bool>) {
        while self.air.len() < self.connections() && clock::now_ms() >= self.not_before_ms {
            let Some(mail) = self.waiting.pop_front() else {
                return;
            };
            self.quota.begin(clock::now_ms());
            let delivery = Delivery {
                account: self.account.clone(),
                settings: self.settings.clone(),
                flow: self.flow.clone(),
                given_up: given_up.clone(),
                heavy: self.heavy.clone(),
            };
            self.air.spawn(delivery.run(mail, self.idle.pop()));
        }
    }

    /// How long nothing is to be done, unless a bell rings or a delivery ends.
    async fn nap(&self) -> Duration {
        // a due row that we may not begin is no reason to look again at once
        if self.scarce || (!self.waiting.is_empty() && !self.air.is_empty()) {
            return LOOK;
        }
        let now = clock::now_ms();
        let due = match self.flow.next_due_ms(&self.account.mailbox).await {
            Ok(Some(due)) => due.max(self.not_before_ms),
            Ok(None) | Err(_) => i64::MAX,
        };
        let wait = u64::try_from(due.saturating_sub(now)).unwrap_or_default();
        // a due row that we may not begin yet is no reason to hurry
        Duration::from_millis(wait.max(50)).min(LOOK)
    }

    fn drop_idle(&mut self) {
        let mut kept = Vec::new();
        for idle in std::mem::take(&mut self.idle) {
            if idle.since.elapsed() < IDLE && idle.mails < MAILS_PER_CONNECTION {
                kept.push(idle);
            } else {
                tokio::spawn(idle.relay.quit());
            }
        }
        self.idle = kept;
    }

    async fn landed(&mut self, landed: Result<Landed, tokio::task::JoinError>) {
        let landed = match landed {
            Ok(landed) => landed,
            Err(error) => {
                tracing::error!(mailbox.name = self.account.mailbox, %error, "a delivery ended badly; its row is taken up when its lease ends");
                return;
            }
        };
        self.idle.extend(landed.relay);
        self.settles(landed.settling);
        let now = clock::now_ms();
        match landed.told {
            Told::Nothing => {}
            Told::Works => {
                self.unreachable = 0;
                self.record("ok", String::new()).await;
            }
            Told::Unreachable(reason) => {
                self.unreachable = self.unreachable.saturating_add(1);
                let (first, longest) = UNREACHABLE_MS;
                let doublings = u32::try_from(self.unreachable.clamp(1, 16)).unwrap_or(1).saturating_sub(1);
                let wait = first.saturating_mul(1i64.checked_shl(doublings).unwrap_or(i64::MAX)).min(longest);
                self.not_before_ms = self.not_before_ms.max(now.saturating_add(wait));
                self.give_back(&reason).await;
                self.record("failing", reason).await;
            }
            Told::Refused(reason) => {
                self.not_before_ms = now.saturating_add(PAUSE_MS);
                self.give_back(&reason).await;
                if self.state.as_deref() != Some(&reason) {
                    tracing::error!(
                        mailbox.name = self.account.mailbox,
                        reason = without_local_parts(&reason),
                        "the relay refuses us: nothing is sent for this mailbox until that is mended"
                    );
                    self.state = Some(reason.clone());
                }
                if let Err(error) = self.flow.pause_account(&self.account.mailbox, self.not_before_ms, &reason).await {
                    tracing::warn!(error = format!("{error:#}"), "the pause could not be recorded");
                }
            }
        }
    }

    /// Rows that wait in our hands go back: the account is at fault, not they.
    async fn give_back(&mut self, reason: &str) {
        for mail in std::mem::take(&mut self.waiting) {
            let back = Settlement::Returned { at_ms: self.not_before_ms, reply: reason.to_owned() };
            settle(&self.flow, &mail, back).await;
        }
    }

    async fn record(&mut self, state: &str, reason: String) {
        if self.state.as_deref() == Some(&reason) {
            return;
        }
        if reason.is_empty() {
            tracing::info!(mailbox.name = self.account.mailbox, host = self.account.smtp.host, "the relay takes mail");
        } else {
            let reason = without_local_parts(&reason);
            tracing::warn!(mailbox.name = self.account.mailbox, reason, "mail cannot be sent and waits");
        }
        self.flow.account_state(&self.account.mailbox, "smtp", state, &reason).await;
        self.state = Some(reason);
    }
}

/// Connects and logs in, for `check --online`.
///
/// # Errors
/// What failed.
pub async fn probe(account: &Account) -> anyhow::Result<()> {
    let relay =
        Relay::connect(account).await.map_err(|fault| anyhow::anyhow!("{}: {}", account.smtp.host, words(&fault)))?;
    relay.quit().await;
    Ok(())
}

fn words(fault: &Fault) -> String {
    match fault {
        Fault::Refused(verb, reply) => format!("{}: {}", verb.word(), reply.words()),
        Fault::Broken(_, reason) | Fault::Unknown(reason) => reason.clone(),
        Fault::LeaseLost => String::new(),
    }
}
