//! The one writer: takes outbox steps and batches, the former first, and commits them in groups.

use std::sync::Arc;

use anyhow::Context;
use sqlx::AnyConnection;
use sqlx::{Acquire, Any, Transaction};
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock;
use crate::desk::policy::Policy;
use crate::desk::{Event, Keys, View, What, lookups};
use crate::failpoint;
use crate::metrics::Metrics;
use crate::store::pending::Pending;
use crate::store::shelf::Shelf;
use crate::store::types::Progress;
use crate::store::{Store, cursors, quarantine};

use super::Handled;
use super::deciding::{Deciding, Failure, guarded, is_the_stores, put_aside};
use super::prepare::{Broken, Prepared};
use super::steps::Urgent;

/// Outbox steps in one commit.
const URGENT_GROUP_MAX: usize = 64;

/// A batch of events, with what intake commits beside them.
#[derive(Debug)]
pub(super) struct Work {
    pub events: Vec<Prepared>,
    pub intake: Option<Progress>,
    /// Quarantined mails that these events replay.
    pub replayed: Vec<i64>,
    pub answer: oneshot::Sender<anyhow::Result<Vec<Handled>>>,
}

pub(super) struct Writer {
    pub store: Store,
    pub policy: Arc<Policy>,
    pub bell: watch::Sender<()>,
    pub metrics: Metrics,
    /// Rows, with their attempt, that no sender has in hand though the store may say so: the commit that claimed or began
    /// them has failed, or has not and its answer was lost.
    pub unheld: Vec<(i64, i64)>,
}

impl Writer {
    /// Ends when all senders are gone.
    pub async fn run(mut self, mut works: mpsc::Receiver<Work>, mut urgents: mpsc::Receiver<Urgent>) {
        loop {
            tokio::select! {
                biased;
                first = urgents.recv() => {
                    let Some(first) = first else { break };
                    let mut group = vec![first];
                    while group.len() < URGENT_GROUP_MAX {
                        let Ok(next) = urgents.try_recv() else { break };
                        group.push(next);
                    }
                    self.steps(group).await;
                }
                work = works.recv() => {
                    let Some(work) = work else { break };
                    let done = self.batch(work.events, work.intake, &work.replayed).await;
                    // An edge that no longer waits has lost nothing: its batch is committed or will be fetched again.
                    let _ = work.answer.send(done);
                }
            }
        }
    }

    async fn batch(
        &self,
        events: Vec<Prepared>,
        mut intake: Option<Progress>,
        replayed: &[i64],
    ) -> anyhow::Result<Vec<Handled>> {
        let early = if failpoint::fault("cursor_before_commit") { intake.take() } else { None };
        if let Some(early) = early {
            let mut transaction = self.store.begin().await?;
            progress(&mut transaction, &early).await?;
            transaction.commit().await?;
        }
        let mut transaction = self.store.begin().await.context("begin a transaction")?;
        for id in replayed {
            quarantine::take(&mut transaction, *id).await.context("take a mail out of quarantine")?;
        }
        let (handled, rings) = self.group(&mut transaction, &events).await?;
        if let Some(intake) = intake {
            progress(&mut transaction, &intake).await.context("move the cursor")?;
        }
        failpoint::hit("batch.before_commit");
        transaction.commit().await.context("commit a batch")?;
        failpoint::hit("batch.after_commit");
        self.count(&handled);
        if rings {
            self.bell.send_replace(());
        }
        Ok(handled)
    }

    /// What was committed counts.
    pub(super) fn count(&self, handled: &[Handled]) {
        for event in handled {
            self.metrics.event(event.kind, event.outcome, event.rule);
            for purpose in &event.queued {
                self.metrics.queued(purpose);
            }
        }
    }

    /// A group of events under one savepoint; if one of them makes us fail, each under its own. An error of the
    /// database itself fails the batch; an error of an event's own making puts it into quarantine.
    pub(super) async fn group(
        &self,
        transaction: &mut Transaction<'static, Any>,
        events: &[Prepared],
    ) -> anyhow::Result<(Vec<Handled>, bool)> {
        if let Ok(done) = self.under_savepoint(transaction, events).await? {
            return Ok(done);
        }
        let mut all = (Vec::with_capacity(events.len()), false);
        for event in events {
            let (handled, rings) = match self.under_savepoint(transaction, std::slice::from_ref(event)).await? {
                Ok(done) => done,
                Err(failure) => (vec![self.put_aside(transaction, event, failure.words()).await?], false),
            };
            all.0.extend(handled);
            all.1 |= rings;
        }
        Ok(all)
    }

    async fn under_savepoint(
        &self,
        transaction: &mut Transaction<'static, Any>,
        events: &[Prepared],
    ) -> anyhow::Result<Result<(Vec<Handled>, bool), Failure>> {
        let mut savepoint = transaction.begin().await.context("begin a savepoint")?;
        match guarded(self.together(&mut savepoint, events)).await {
            Ok(done) => {
                savepoint.commit().await.context("release a savepoint")?;
                Ok(Ok(done))
            }
            Err(Failure::Store(error)) if is_the_stores(&error) => {
                Err(anyhow::Error::new(error).context("store what events caused"))
            }
            Err(failure) => {
                savepoint.rollback().await.context("roll back a savepoint")?;
                Ok(Err(failure))
            }
        }
    }

    /// Decides events one after the other, each seeing what the earlier ones caused, and writes their rows together.
    async fn together(
        &self,
        connection: &mut AnyConnection,
        events: &[Prepared],
    ) -> Result<(Vec<Handled>, bool), Failure> {
        let mut desk = self.open(connection, events).await?;
        let mut all = (Vec::with_capacity(events.len()), false);
        for prepared in events {
            let (handled, rings) = desk.one(connection, prepared).await?;
            all.0.push(handled);
            all.1 |= rings;
            if desk.pending.is_large() {
                desk.pending.flush(connection).await?;
            }
        }
        desk.pending.flush(connection).await?;
        Ok(all)
    }

    async fn open(&self, connection: &mut AnyConnection, events: &[Prepared]) -> Result<Deciding<'_>, Failure> {
        let good: Vec<&Event> = events.iter().filter_map(|e| e.event.as_ref().ok()).collect();
        let ids: Vec<&str> = events.iter().map(Prepared::id).collect();
        let policy = &*self.policy;
        let keys: Vec<Keys> = good.iter().map(|e| lookups::keys(e, &View::default(), policy)).collect();
        let shelf = Shelf::stock(connection, &ids, &keys, policy, clock::now_ms()).await?;
        Ok(Deciding { policy, shelf, pending: Pending::default() })
    }

    async fn put_aside(
        &self,
        connection: &mut AnyConnection,
        prepared: &Prepared,
        reason: String,
    ) -> anyhow::Result<Handled> {
        let (mailbox, old) = match prepared.event.as_ref().map(|e| &e.what) {
            Ok(What::Arrived(arrival)) => (arrival.mailbox.clone(), arrival.old),
            Ok(What::Submitted(submission)) => (submission.application.clone(), false),
            _ => (String::new(), false),
        };
        let broken = Broken { id: prepared.id().to_owned(), mailbox, old, reason };
        tracing::error!(event.id = broken.id, reason = broken.reason, "a mail made us fail and is in quarantine");
        let mut pending = Pending::default();
        let handled = put_aside(connection, &mut pending, &broken, &prepared.raw()).await;
        let handled = handled.context("put a mail into quarantine")?;
        pending.flush(connection).await.context("record an event")?;
        Ok(handled)
    }
}

async fn progress(connection: &mut AnyConnection, intake: &Progress) -> sqlx::Result<()> {
    for gap in &intake.gaps {
        cursors::set_gap(connection, &intake.cursor, gap).await?;
    }
    for uid in &intake.gaps_closed {
        cursors::close_gap(connection, &intake.cursor, *uid).await?;
    }
    cursors::add_errands(connection, &intake.cursor, &intake.taken, &intake.after).await?;
    match intake.moved_from {
        Some(before) => cursors::move_cursor(connection, &intake.cursor, before).await,
        None => cursors::set_cursor(connection, &intake.cursor).await,
    }
}
