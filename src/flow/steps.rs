//! Steps of the outbox: those that wait at the same time are one commit, and the same steps of many rows one statement.

use anyhow::Context;
use tokio::sync::oneshot;

use super::Handled;
use super::prepare::Prepared;
use super::writer::Writer;
use crate::clock;
use crate::desk::{Event, Undeliverable, What};
use crate::failpoint;
use crate::store::types::{Claimed, Ended, Settlement, Wanted};
use crate::store::{events, outbox};

/// Whoever waits for the commit. One that no longer does has lost nothing: it finds its row again when the lease ends.
type Waiting<T> = oneshot::Sender<anyhow::Result<T>>;

/// A step of the outbox.
#[derive(Debug)]
pub(super) enum Urgent {
    Claim(Claim, Waiting<Vec<Claimed>>),
    /// Row and attempt whose DATA begins.
    DataStarted((i64, i64), Waiting<bool>),
    Settle(Ended, Waiting<()>),
    Probe(Waiting<()>),
}

/// Due rows of a mailbox.
#[derive(Debug)]
pub(super) struct Claim {
    pub mailbox: String,
    pub limit: u32,
    pub wanted: Wanted,
    pub lease_ms: i64,
}

/// Steps of one commit, by kind.
#[derive(Debug, Default)]
struct Group {
    settles: Vec<(Ended, Waiting<()>)>,
    starts: Vec<((i64, i64), Waiting<bool>)>,
    claims: Vec<(Claim, Waiting<Vec<Claimed>>)>,
    probes: Vec<Waiting<()>>,
}

/// What a commit of steps did.
#[derive(Debug, Default)]
struct Done {
    started: Vec<i64>,
    claimed: Vec<Vec<Claimed>>,
    /// Failures that are events of their cases.
    failures: Vec<Handled>,
    /// Rows that were settled; the others had lost their lease.
    settled: Vec<i64>,
    /// Mails were queued: an agent hears that theirs failed.
    rings: bool,
}

impl Group {
    fn of(steps: Vec<Urgent>) -> Self {
        let mut group = Group::default();
        for step in steps {
            match step {
                Urgent::Claim(claim, waiting) => group.claims.push((claim, waiting)),
                Urgent::DataStarted(row, waiting) => group.starts.push((row, waiting)),
                Urgent::Settle(ended, waiting) => group.settles.push((ended, waiting)),
                Urgent::Probe(waiting) => group.probes.push(waiting),
            }
        }
        group
    }

    /// Rows, with their attempt, that are in no hand once these steps have failed.
    fn unheld(&self, done: &Done) -> Vec<(i64, i64)> {
        let begun = self.starts.iter().map(|(row, _)| *row);
        let returned = self.settles.iter().filter(|(ended, _)| matches!(ended.settlement, Settlement::Returned { .. }));
        let claimed = done.claimed.iter().flatten().map(|row| (row.id, row.attempt));
        begun.chain(returned.map(|(ended, _)| (ended.id, ended.attempt))).chain(claimed).collect()
    }

    fn tell(self, done: anyhow::Result<Done>) {
        let (done, failed) = match done {
            Ok(done) => (done, None),
            Err(error) => (Done::default(), Some(format!("{error:#}"))),
        };
        let mut claimed = done.claimed.into_iter();
        for (_, waiting) in self.claims {
            tell(waiting, claimed.next().unwrap_or_default(), failed.as_deref());
        }
        for ((id, _), waiting) in self.starts {
            tell(waiting, done.started.contains(&id), failed.as_deref());
        }
        for waiting in self.settles.into_iter().map(|(_, waiting)| waiting).chain(self.probes) {
            tell(waiting, (), failed.as_deref());
        }
    }
}

fn tell<T>(waiting: Waiting<T>, value: T, failed: Option<&str>) {
    let answer = failed.map_or(Ok(value), |reason| Err(anyhow::anyhow!("{reason}")));
    drop(waiting.send(answer));
}

impl Writer {
    /// Does these steps in one commit, and tells who waits for them.
    /// If the commit fails, nobody knows what the store holds of them: settling is tried again by its sender, and what was
    /// claimed or begun goes back with the next steps.
    pub(super) async fn steps(&mut self, steps: Vec<Urgent>) {
        let group = Group::of(steps);
        let mut done = Done::default();
        let committed = self.step_all(&group, &mut done).await;
        match &committed {
            Ok(()) => {
                self.unheld.clear();
                self.count_steps(&group, &done);
                if done.rings {
                    self.bell.send_replace(());
                }
            }
            Err(error) => {
                self.unheld.extend(group.unheld(&done));
                tracing::error!(reason = format!("{error:#}"), "outbox steps could not be committed");
            }
        }
        group.tell(committed.map(|()| done));
    }

    fn count_steps(&self, group: &Group, done: &Done) {
        self.count(&done.failures);
        for (ended, _) in group.settles.iter().filter(|(ended, _)| done.settled.contains(&ended.id)) {
            self.metrics.attempt(ended.settlement.word());
        }
    }

    async fn step_all(&self, group: &Group, done: &mut Done) -> anyhow::Result<()> {
        let now = clock::now_ms();
        let mut transaction = self.store.begin().await.context("begin a transaction")?;
        let back = Settlement::Returned { at_ms: now, reply: String::new() };
        let back: Vec<Ended> =
            self.unheld.iter().map(|&(id, attempt)| Ended { id, attempt, settlement: back.clone() }).collect();
        let ended: Vec<&Ended> = group.settles.iter().map(|(ended, _)| ended).chain(&back).collect();
        let settled = outbox::settle(&mut transaction, &ended, now).await.context("settle outbox rows")?;
        let failures: Vec<Prepared> = ended
            .into_iter()
            .filter(|ended| settled.contains(&ended.id))
            .filter_map(|ended| failure(ended, now))
            .map(Prepared::bare)
            .collect();
        if !failures.is_empty() {
            (done.failures, done.rings) = self.group(&mut transaction, &failures).await?;
        }
        done.settled = settled;
        let starts: Vec<(i64, i64)> = group.starts.iter().map(|(row, _)| *row).collect();
        done.started =
            outbox::data_started(&mut transaction, &starts, now).await.context("mark that DATA has begun")?;
        for (Claim { mailbox, limit, wanted, lease_ms }, _) in &group.claims {
            let claimed = outbox::claim(&mut transaction, mailbox, (*limit, *wanted), *lease_ms, now).await;
            done.claimed.push(claimed.context("claim outbox rows")?);
        }
        if !group.probes.is_empty() {
            events::probe(&mut transaction).await.context("write to the database")?;
        }
        failpoint::hit("steps.before_commit");
        transaction.commit().await.context("commit outbox steps")?;
        failpoint::hit("steps.after_commit");
        Ok(())
    }
}

/// A delivery that ended for good is an event of its case.
fn failure(ended: &Ended, at_ms: i64) -> Option<Event> {
    let Settlement::Failed { status, reply } = &ended.settlement else {
        return None;
    };
    let undeliverable = Undeliverable { delivery: ended.id, status: status.clone(), diagnostic: reply.clone() };
    let id = format!("outbox/{}/{}/failed", ended.id, ended.attempt);
    Some(Event { id, at_ms, what: What::Undeliverable(undeliverable) })
}
