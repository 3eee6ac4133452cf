//! Intake of one folder as a pipeline: while one batch is committed, the next is read and the one after that fetched.
//!
//! Promises   batches are committed in the order in which they came; once one has failed, none behind it is.

use std::sync::Arc;

use anyhow::Context;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::{Flow, Handled, prepare};
use crate::store::types::IntakeBatch;

/// Octets of a batch that may be on its way beside others: larger ones go alone, so that memory stays bounded.
const BESIDE_OTHERS_BYTES_MAX: usize = 768 * 1024;

/// The way of one folder's mail through the door.
#[derive(Debug)]
pub struct Lane {
    flow: Arc<Flow>,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    batches: mpsc::Sender<IntakeBatch>,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Lane {
    /// An empty one.
    #[must_use]
    pub fn new(flow: Arc<Flow>) -> Self {
        Lane { flow, running: None }
    }

    /// Takes a batch on its way; waits while too much is on it already.
    ///
    /// # Errors
    /// An earlier batch, or one that goes alone, could not be stored: nothing from there on is.
    pub async fn hand_over(&mut self, batch: IntakeBatch) -> anyhow::Result<()> {
        if batch.size_bytes() > BESIDE_OTHERS_BYTES_MAX || self.flow.reads_with_care(&batch.cursor) {
            self.finish().await?;
            return self.flow.intake(batch).await;
        }
        let running = self.running.get_or_insert_with(|| {
            let (batches, waiting) = mpsc::channel(1);
            Running { batches, task: tokio::spawn(run(self.flow.clone(), waiting)) }
        });
        if running.batches.send(batch).await.is_err() {
            return self.finish().await;
        }
        Ok(())
    }

    /// Waits until all is committed.
    ///
    /// # Errors
    /// A batch could not be stored: nothing from there on is.
    pub async fn finish(&mut self) -> anyhow::Result<()> {
        let Some(Running { batches, task }) = self.running.take() else {
            return Ok(());
        };
        drop(batches);
        task.await.context("the intake of a folder ended early")?
    }
}

type Committed = oneshot::Receiver<anyhow::Result<Vec<Handled>>>;

async fn run(flow: Arc<Flow>, mut waiting: mpsc::Receiver<IntakeBatch>) -> anyhow::Result<()> {
    let mut committing: Option<Committed> = None;
    while let Some(batch) = waiting.recv().await {
        let (mails, progress) = batch.split();
        let prepared = prepare::batch(flow.desk(), &progress, mails).await?;
        if let Some(earlier) = committing.take() {
            flow.taken_in(earlier).await?;
        }
        committing = Some(flow.queue(prepared, Some(progress), Vec::new()).await?);
    }
    match committing {
        Some(last) => flow.taken_in(last).await,
        None => Ok(()),
    }
}
