//! The one writer: takes batches and outbox steps, the latter first, and commits them in groups.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use anyhow::Context;
use sqlx::AnyConnection;
use sqlx::{Acquire, Any, Transaction};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::clock;
use crate::desk::policy::Policy;
use crate::desk::{Decision, Event, ROUNDS_MAX, Step, Undeliverable, View, What, decide};
use crate::failpoint;
use crate::store::events::{self, Happened};
use crate::store::quarantine::Quarantined;
use crate::store::types::{Claimed, IntakeBatch, Settlement};
use crate::store::{Store, commit, cursors, load, outbox, quarantine};

use super::Handled;
use super::prepare::{Broken, Prepared};

/// Outbox steps in one commit.
const URGENT_GROUP_MAX: usize = 64;

/// A batch of events, with what intake commits beside them.
#[derive(Debug)]
pub(super) struct Work {
    pub events: Vec<Prepared>,
    pub intake: Option<IntakeBatch>,
    /// Quarantined mails that these events replay.
    pub replayed: Vec<i64>,
    pub answer: oneshot::Sender<anyhow::Result<Vec<Handled>>>,
}

/// A step of the outbox.
#[derive(Debug)]
pub(super) enum Urgent {
    Claim { mailbox: String, limit: u32, lease_ms: i64, answer: oneshot::Sender<anyhow::Result<Vec<Claimed>>> },
    DataStarted { id: i64, attempt: i64, answer: oneshot::Sender<anyhow::Result<bool>> },
    Probe { answer: oneshot::Sender<anyhow::Result<()>> },
    Settle { id: i64, attempt: i64, settlement: Settlement, answer: oneshot::Sender<anyhow::Result<()>> },
}

/// An answer that is given after the commit.
enum Answer {
    Claimed(oneshot::Sender<anyhow::Result<Vec<Claimed>>>, Vec<Claimed>),
    Started(oneshot::Sender<anyhow::Result<bool>>, bool),
    Settled(oneshot::Sender<anyhow::Result<()>>),
}

pub(super) struct Writer {
    pub store: Store,
    pub policy: Arc<Policy>,
    pub bell: Arc<Notify>,
}

impl Writer {
    /// Ends when all senders are gone.
    pub async fn run(self, mut works: mpsc::Receiver<Work>, mut urgents: mpsc::Receiver<Urgent>) {
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
        intake: Option<IntakeBatch>,
        replayed: &[i64],
    ) -> anyhow::Result<Vec<Handled>> {
        let mut transaction = self.store.begin().await.context("begin a transaction")?;
        let mut handled = Vec::with_capacity(events.len());
        let mut queued = false;
        for id in replayed {
            quarantine::take(&mut transaction, *id).await.context("take a mail out of quarantine")?;
        }
        for prepared in events {
            let (one, rings) = self.one(&mut transaction, prepared).await?;
            handled.push(one);
            queued |= rings;
        }
        if let Some(intake) = intake {
            progress(&mut transaction, &intake).await.context("move the cursor")?;
        }
        failpoint::hit("batch.before_commit");
        transaction.commit().await.context("commit a batch")?;
        failpoint::hit("batch.after_commit");
        if queued {
            self.bell.notify_waiters();
        }
        Ok(handled)
    }

    /// One event under a savepoint. An error of the database itself fails the batch; an error of this event's
    /// own making puts it into quarantine.
    async fn one(
        &self,
        transaction: &mut Transaction<'static, Any>,
        prepared: Prepared,
    ) -> anyhow::Result<(Handled, bool)> {
        let raw = prepared.raw.unwrap_or_default();
        let event = match prepared.event {
            Ok(event) => event,
            Err(broken) => return put_aside(transaction, broken, &raw).await.map(|h| (h, false)),
        };
        let (mailbox, old) = match &event.what {
            What::Arrived(arrival) => (arrival.mailbox.clone(), arrival.old),
            _ => (String::new(), false),
        };
        let mut savepoint = transaction.begin().await.context("begin a savepoint")?;
        match self.decided(&mut savepoint, &event, &raw, &prepared.blobs).await {
            Ok((handled, rings)) => {
                savepoint.commit().await.context("release a savepoint")?;
                Ok((handled, rings))
            }
            Err(Failure::Store(error)) if is_the_stores(&error) => {
                Err(anyhow::Error::new(error).context(format!("store event {}", event.id)))
            }
            Err(failure) => {
                savepoint.rollback().await.context("roll back a savepoint")?;
                let reason = failure.words();
                tracing::error!(event.id = event.id, reason, "a mail made us fail and is in quarantine");
                put_aside(transaction, Broken { id: event.id, mailbox, old, reason }, &raw).await.map(|h| (h, false))
            }
        }
    }

    async fn decided(
        &self,
        connection: &mut AnyConnection,
        event: &Event,
        raw: &[u8],
        blobs: &[(String, Vec<u8>)],
    ) -> Result<(Handled, bool), Failure> {
        if events::is_known(connection, &event.id).await? {
            let because = "this event was handled before".to_owned();
            return Ok((Handled { event: event.id.clone(), outcome: "repeated".to_owned(), because }, false));
        }
        let decision = self.decision(connection, event).await?;
        let told = commit::commit(connection, &event.id, event.at_ms, &decision).await?;
        record(connection, event, &decision, raw, blobs, told.first_entry).await?;
        let because = format!("{} ({})", decision.because, decision.rule);
        let handled = Handled { event: event.id.clone(), outcome: decision.outcome.word().to_owned(), because };
        Ok((handled, told.queued))
    }

    async fn decision(&self, connection: &mut AnyConnection, event: &Event) -> Result<Decision, Failure> {
        let mut view = View::default();
        for _ in 0..ROUNDS_MAX {
            let step = catch_unwind(AssertUnwindSafe(|| decide(event, &view, &self.policy)))
                .map_err(|_| Failure::Panic("deciding panicked".to_owned()))?;
            match step {
                Step::Done(decision) => return Ok(decision),
                Step::Need(keys) => load::load(connection, &keys, &mut view, &self.policy, event.at_ms).await?,
            }
        }
        Err(Failure::Panic("no decision after all rounds".to_owned()))
    }

    /// Outbox steps, all in one commit.
    async fn steps(&self, group: Vec<Urgent>) {
        let mut answers = Vec::with_capacity(group.len());
        let mut rest = group.into_iter();
        let done: anyhow::Result<()> = async {
            let mut transaction = self.store.begin().await.context("begin a transaction")?;
            for step in rest.by_ref() {
                self.step(&mut transaction, step, &mut answers).await?;
            }
            failpoint::hit("steps.before_commit");
            transaction.commit().await.context("commit outbox steps")
        }
        .await;
        let failed = done.err().map(|e| format!("{e:#}"));
        for answer in answers {
            answer.give(failed.as_deref());
        }
        if let Some(reason) = failed {
            for step in rest {
                step.refuse(&reason);
            }
            tracing::error!(reason, "outbox steps could not be committed");
        }
    }

    async fn step(
        &self,
        transaction: &mut Transaction<'static, Any>,
        step: Urgent,
        answers: &mut Vec<Answer>,
    ) -> anyhow::Result<()> {
        let now = clock::now_ms();
        match step {
            Urgent::Claim { mailbox, limit, lease_ms, answer } => {
                match outbox::claim(transaction, &mailbox, limit, lease_ms, now).await {
                    Ok(claimed) => answers.push(Answer::Claimed(answer, claimed)),
                    Err(error) => {
                        answers.push(Answer::Claimed(answer, Vec::new()));
                        return Err(anyhow::Error::new(error).context("claim outbox rows"));
                    }
                }
            }
            Urgent::DataStarted { id, attempt, answer } => {
                let started = outbox::data_started(transaction, id, attempt, now).await;
                answers.push(Answer::Started(answer, matches!(started, Ok(true))));
                started.context("mark that DATA has begun")?;
            }
            Urgent::Probe { answer } => {
                answers.push(Answer::Settled(answer));
                events::probe(transaction).await.context("write to the database")?;
            }
            Urgent::Settle { id, attempt, settlement, answer } => {
                answers.push(Answer::Settled(answer));
                let settled = outbox::settle(transaction, id, attempt, &settlement, now).await.context("settle")?;
                if let (true, Settlement::Failed { status, reply }) = (settled, settlement) {
                    let what = What::Undeliverable(Undeliverable { delivery: id, status, diagnostic: reply });
                    let event = Event { id: format!("outbox/{id}/{attempt}/failed"), at_ms: now, what };
                    let (_, rings) = self.one(transaction, Prepared::bare(event)).await?;
                    if rings {
                        self.bell.notify_waiters();
                    }
                }
            }
        }
        Ok(())
    }
}

impl Answer {
    fn give(self, failed: Option<&str>) {
        let error = failed.map(|reason| anyhow::anyhow!("{reason}"));
        // A sender that no longer waits finds its row again when the lease ends.
        match self {
            Answer::Claimed(answer, claimed) => drop(answer.send(error.map_or(Ok(claimed), Err))),
            Answer::Started(answer, started) => drop(answer.send(error.map_or(Ok(started), Err))),
            Answer::Settled(answer) => drop(answer.send(error.map_or(Ok(()), Err))),
        }
    }
}

impl Urgent {
    fn refuse(self, reason: &str) {
        let error = anyhow::anyhow!("{reason}");
        match self {
            Urgent::Claim { answer, .. } => drop(answer.send(Err(error))),
            Urgent::DataStarted { answer, .. } => drop(answer.send(Err(error))),
            Urgent::Probe { answer } | Urgent::Settle { answer, .. } => drop(answer.send(Err(error))),
        }
    }
}

/// Why one event could not be handled.
enum Failure {
    Store(sqlx::Error),
    Panic(String),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Failure::Store(error)
    }
}

impl Failure {
    fn words(&self) -> String {
        match self {
            Failure::Store(error) => format!("it could not be stored: {error}"),
            Failure::Panic(words) => words.clone(),
        }
    }
}

/// Is it the database that fails (locked, full, gone), rather than this event's data?
fn is_the_stores(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(database) => {
            let data = database.code().is_some_and(|code| code.starts_with("22") && code.len() == 5);
            !data
                && !database.is_unique_violation()
                && !database.is_foreign_key_violation()
                && !database.is_check_violation()
        }
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::RowNotFound => false,
        _ => true,
    }
}

async fn put_aside(connection: &mut AnyConnection, broken: Broken, raw: &[u8]) -> anyhow::Result<Handled> {
    let now = clock::now_ms();
    let row = Quarantined {
        id: 0,
        event_id: broken.id.clone(),
        mailbox: broken.mailbox,
        at_ms: now,
        reason: broken.reason.clone(),
        size_bytes: i64::try_from(raw.len()).unwrap_or(i64::MAX),
        old: broken.old,
    };
    quarantine::put(connection, &row, raw).await.context("put a mail into quarantine")?;
    let happened = Happened {
        id: &broken.id,
        at_ms: now,
        kind: "arrived",
        outcome: "quarantined",
        rule: "G3",
        because: &broken.reason,
        case: None,
    };
    events::add(connection, &happened).await.context("record an event")?;
    Ok(Handled { event: broken.id, outcome: "quarantined".to_owned(), because: broken.reason })
}

async fn record(
    connection: &mut AnyConnection,
    event: &Event,
    decision: &Decision,
    raw: &[u8],
    blobs: &[(String, Vec<u8>)],
    entry: Option<i64>,
) -> sqlx::Result<()> {
    let kind = match &event.what {
        What::Arrived(_) => "arrived",
        What::Undeliverable(_) => "undeliverable",
        What::Staffed(_) => "staffed",
        What::OldMail { .. } => "old_mail",
    };
    let happened = Happened {
        id: &event.id,
        at_ms: event.at_ms,
        kind,
        outcome: decision.outcome.word(),
        rule: decision.rule,
        because: &decision.because,
        case: decision.case,
    };
    events::add(connection, &happened).await?;
    if let What::Arrived(arrival) = &event.what {
        events::add_mail(connection, &happened, arrival, decision, raw, entry).await?;
        events::add_blobs(connection, blobs).await?;
    }
    Ok(())
}

async fn progress(connection: &mut AnyConnection, intake: &IntakeBatch) -> sqlx::Result<()> {
    for gap in &intake.gaps {
        cursors::set_gap(connection, &intake.cursor, gap).await?;
    }
    for uid in &intake.gaps_closed {
        cursors::close_gap(connection, &intake.cursor, *uid).await?;
    }
    for mail in &intake.mails {
        cursors::add_errand(connection, &intake.cursor, mail.uid, &intake.after).await?;
    }
    cursors::set_cursor(connection, &intake.cursor).await
}
