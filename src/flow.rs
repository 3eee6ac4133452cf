//! The one door: whatever happens to the desk comes through here.
//!
//! Decides   nothing itself: reads mail outside the transaction, then, inside one, loads, has the desk decide,
//!           and commits; a savepoint for each event, one commit for each batch.
//! Never     lets one bad mail stop others: what makes us fail, a panic included, goes to quarantine whole.

pub mod calls;
mod care;
mod coming;
mod deciding;
pub mod explain;
pub mod filing;
pub mod lane;
mod notices;
pub mod prepare;
pub mod signatures;
mod steps;
pub mod submitted;
mod writer;

use std::sync::Arc;

use anyhow::Context;
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock;
use crate::desk::policy::Policy;
use crate::desk::token::CaseKey;
use crate::desk::{Event, What};
use crate::mail::text::without_local_parts;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::store::types::{
    AccountState, Claimed, Cursor, Ended, Errand, FetchedMail, Gap, IntakeBatch, Progress, Settlement, Wanted,
};

use care::Care;
use prepare::Prepared;
use signatures::Signatures;
use steps::{Claim, Urgent};
use writer::Work;

/// Batches that wait for the writer; the edges wait beyond that.
const WORK_WAITING_MAX: usize = 4;
/// Outbox steps that wait for the writer.
const URGENT_WAITING_MAX: usize = 256;

/// The door. Cheap to clone behind an `Arc`.
#[derive(Debug)]
pub struct Flow {
    store: Store,
    policy: Arc<Policy>,
    signatures: Option<Arc<Signatures>>,
    work: mpsc::Sender<Work>,
    urgent: mpsc::Sender<Urgent>,
    bell: watch::Sender<()>,
    metrics: Metrics,
    care: Care,
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handled {
    /// The event.
    pub event: String,
    /// What it was: `arrived`, `submitted` …
    pub kind: &'static str,
    /// `handled`, `duplicate`, `ignored`, `held`, `quarantined`, or `repeated`: it was handled before.
    pub outcome: &'static str,
    /// The rule that decided; empty if it was handled before.
    pub rule: &'static str,
    /// What was queued, by purpose.
    pub queued: Vec<&'static str>,
    /// Why.
    pub because: String,
}

impl Flow {
    /// Starts the one writer over this store.
    #[must_use]
    pub fn start(store: Store, policy: Arc<Policy>) -> Arc<Self> {
        let (work, works) = mpsc::channel(WORK_WAITING_MAX);
        let (urgent, urgents) = mpsc::channel(URGENT_WAITING_MAX);
        let bell = watch::Sender::new(());
        let metrics = Metrics::default();
        let writer = writer::Writer {
            store: store.clone(),
            policy: policy.clone(),
            bell: bell.clone(),
            metrics: metrics.clone(),
            unheld: Vec::new(),
        };
        tokio::spawn(writer.run(works, urgents));
        let signatures = Signatures::of(&policy);
        Arc::new(Flow { store, policy, signatures, work, urgent, bell, metrics, care: Care::default() })
    }

    /// The store, for lists.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The settings.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What is counted.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Handles events that are no mail.
    ///
    /// # Errors
    /// The store's; then nothing was changed.
    pub async fn handle(&self, events: Vec<Event>) -> anyhow::Result<Vec<Handled>> {
        let prepared = events.into_iter().map(Prepared::bare).collect();
        self.submit(prepared, None, Vec::new()).await
    }

    /// Takes a batch of fetched mail: its effects, the cursor, gaps and errands in one transaction.
    ///
    /// # Errors
    /// The store's; then the cursor has not moved.
    pub async fn intake(&self, batch: IntakeBatch) -> anyhow::Result<()> {
        if self.reads_with_care(&batch.cursor) {
            return self.one_by_one(batch).await;
        }
        let (mails, progress) = batch.split();
        self.at_once(mails, &progress).await
    }

    async fn at_once(&self, mails: Vec<FetchedMail>, progress: &Progress) -> anyhow::Result<()> {
        let prepared = prepare::batch(self.desk(), progress, mails).await?;
        let committed = self.queue(prepared, Some(progress.clone()), Vec::new()).await?;
        self.taken_in(committed).await
    }

    async fn taken_in(&self, committed: oneshot::Receiver<anyhow::Result<Vec<Handled>>>) -> anyhow::Result<()> {
        for event in committed.await.context("the writer has ended")?? {
            tracing::info!(
                event.id = event.event,
                outcome = event.outcome,
                because = without_local_parts(&event.because),
                "a mail was taken in"
            );
        }
        Ok(())
    }

    /// Handles a quarantined mail anew.
    ///
    /// # Errors
    /// The store's.
    pub async fn replay(&self, id: i64) -> anyhow::Result<Option<Handled>> {
        let rows = self.store.quarantined().await?;
        let (Some(row), Some(raw)) = (rows.into_iter().find(|r| r.id == id), self.store.quarantined_raw(id).await?)
        else {
            return Ok(None);
        };
        let prepared = prepare::one(self.desk(), &row, raw).await?;
        let handled = self.submit(vec![prepared], None, vec![id]).await?;
        Ok(handled.into_iter().next())
    }

    fn desk(&self) -> prepare::Desk<'_> {
        prepare::Desk { store: &self.store, policy: &self.policy, signatures: self.signatures.as_ref() }
    }

    async fn submit(
        &self,
        events: Vec<Prepared>,
        intake: Option<Progress>,
        replayed: Vec<i64>,
    ) -> anyhow::Result<Vec<Handled>> {
        self.queue(events, intake, replayed).await?.await.context("the writer has ended")?
    }

    /// Hands work to the writer, which commits in the order in which it gets it.
    async fn queue(
        &self,
        events: Vec<Prepared>,
        intake: Option<Progress>,
        replayed: Vec<i64>,
    ) -> anyhow::Result<oneshot::Receiver<anyhow::Result<Vec<Handled>>>> {
        let (answer, answered) = oneshot::channel();
        self.work.send(Work { events, intake, replayed, answer }).await.context("the writer has ended")?;
        Ok(answered)
    }

    async fn ask<T>(&self, make: impl FnOnce(oneshot::Sender<anyhow::Result<T>>) -> Urgent) -> anyhow::Result<T> {
        let (answer, answered) = oneshot::channel();
        self.urgent.send(make(answer)).await.context("the writer has ended")?;
        answered.await.context("the writer has ended")?
    }

    /// Claims due rows of a mailbox's outbox, those that are wanted, in the order of R60.
    ///
    /// # Errors
    /// The store's.
    pub async fn claim(
        &self,
        mailbox: &str,
        limit: u32,
        wanted: Wanted,
        lease_ms: i64,
    ) -> anyhow::Result<Vec<Claimed>> {
        let mailbox = mailbox.to_owned();
        self.ask(|waiting| Urgent::Claim(Claim { mailbox, limit, wanted, lease_ms }, waiting)).await
    }

    /// Commits that DATA has begun. `false`: the lease was lost, the mail must not be sent.
    ///
    /// # Errors
    /// The store's.
    pub async fn data_started(&self, id: i64, attempt: i64) -> anyhow::Result<bool> {
        self.ask(|waiting| Urgent::DataStarted((id, attempt), waiting)).await
    }

    /// The message of an outbox row.
    ///
    /// # Errors
    /// The store's.
    pub async fn content(&self, id: i64) -> anyhow::Result<Vec<u8>> {
        let mut reader = self.store.reader().acquire().await.context("read a mail of the outbox")?;
        crate::store::outbox::content(&mut reader, id).await.context("read a mail of the outbox")
    }

    /// Commits how an attempt ended; a final failure is an event of its case in the same transaction.
    ///
    /// # Errors
    /// The store's.
    pub async fn settle(&self, id: i64, attempt: i64, settlement: Settlement) -> anyhow::Result<()> {
        self.ended(id, attempt, settlement).await?.await.context("the writer has ended")?
    }

    /// The same, and the commit is not waited for: it comes before that of any later step.
    ///
    /// # Errors
    /// The writer has ended; what is received is the store's answer.
    pub async fn ended(
        &self,
        id: i64,
        attempt: i64,
        settlement: Settlement,
    ) -> anyhow::Result<oneshot::Receiver<anyhow::Result<()>>> {
        let (answer, answered) = oneshot::channel();
        let settle = Urgent::Settle(Ended { id, attempt, settlement }, answer);
        self.urgent.send(settle).await.context("the writer has ended")?;
        Ok(answered)
    }

    /// Writes to the database, through the writer: both are alive.
    ///
    /// # Errors
    /// The store's.
    pub async fn probe(&self) -> anyhow::Result<()> {
        self.ask(Urgent::Probe).await
    }

    /// Changes when rows were queued.
    #[must_use]
    pub fn outbox_bell(&self) -> watch::Receiver<()> {
        self.bell.subscribe()
    }

    /// When the next row of a mailbox is due, milliseconds.
    ///
    /// # Errors
    /// The store's.
    pub async fn next_due_ms(&self, mailbox: &str) -> anyhow::Result<Option<i64>> {
        Ok(self.store.next_due(mailbox).await?)
    }

    /// At start: leases of an earlier run end now.
    ///
    /// # Errors
    /// The store's.
    pub async fn release_leases(&self) -> anyhow::Result<()> {
        let mut transaction = self.store.begin().await?;
        crate::store::outbox::release_leases(&mut transaction, clock::now_ms()).await?;
        Ok(transaction.commit().await?)
    }

    /// An operator reopens a case, or releases it from spam.
    ///
    /// # Errors
    /// The store's.
    pub async fn reopen(&self, case: CaseKey) -> anyhow::Result<Option<Handled>> {
        let id = format!("cli/{}", data_encoding::HEXLOWER.encode(&clock::random::<16>()));
        let event = Event { id, at_ms: clock::now_ms(), what: What::Reopened(case) };
        Ok(self.handle(vec![event]).await?.into_iter().next())
    }

    /// Where intake stands in a folder.
    ///
    /// # Errors
    /// The store's.
    pub async fn cursor(&self, mailbox: &str, folder: &str) -> anyhow::Result<Option<Cursor>> {
        Ok(self.store.cursor(mailbox, folder).await?)
    }

    /// Gaps of a folder.
    ///
    /// # Errors
    /// The store's.
    pub async fn gaps(&self, mailbox: &str, folder: &str, uidvalidity: u32) -> anyhow::Result<Vec<Gap>> {
        Ok(self.store.gaps(mailbox, folder, uidvalidity).await?)
    }

    /// What is to be done on the IMAP server.
    ///
    /// # Errors
    /// The store's.
    pub async fn errands(
        &self,
        mailbox: &str,
        folder: &str,
        uidvalidity: u32,
        limit: u32,
    ) -> anyhow::Result<Vec<Errand>> {
        Ok(self.store.errands(mailbox, folder, uidvalidity, limit).await?)
    }

    /// These errands are done.
    ///
    /// # Errors
    /// The store's.
    pub async fn errands_done(
        &self,
        mailbox: &str,
        folder: &str,
        uidvalidity: u32,
        uids: &[u32],
    ) -> anyhow::Result<()> {
        Ok(self.store.errands_done(mailbox, folder, uidvalidity, uids).await?)
    }

    /// Records how an account fares. A store that fails here is only logged: it says so elsewhere too.
    pub async fn account_state(&self, mailbox: &str, side: &str, state: &str, detail: &str) {
        self.record(mailbox, side, state, detail, 0).await;
    }

    /// Pauses an account (R61).
    ///
    /// # Errors
    /// None; the result is for symmetry of callers that use `?`.
    pub async fn pause_account(&self, mailbox: &str, until_ms: i64, detail: &str) -> anyhow::Result<()> {
        self.record(mailbox, "smtp", "paused", detail, until_ms).await;
        Ok(())
    }

    async fn record(&self, mailbox: &str, side: &str, state: &str, detail: &str, until_ms: i64) {
        let row = AccountState {
            mailbox: mailbox.to_owned(),
            side: side.to_owned(),
            state: state.to_owned(),
            detail: detail.to_owned(),
            since_ms: 0,
        };
        if let Err(error) = self.store.set_account_state(clock::now_ms(), &row, until_ms).await {
            tracing::warn!(mailbox.name = mailbox, side, %error, "the state of an account could not be recorded");
        }
    }

    /// Until when an account is paused; `None` if it is not.
    ///
    /// # Errors
    /// The store's.
    pub async fn account_paused_until(&self, mailbox: &str) -> anyhow::Result<Option<i64>> {
        let until = self.store.paused_until(mailbox, "smtp").await?;
        Ok((until > clock::now_ms()).then_some(until))
    }
}
