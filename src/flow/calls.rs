//! How calls to applications end: in one transaction with what follows.

use crate::clock;
use crate::desk::call::Ending;
use crate::desk::{Event, What};

use super::{Flow, Handled};

/// Calls that are given up in one look.
const GIVEN_UP_MAX: i64 = 500;

/// Between two attempts at a call whose end makes us fail, milliseconds.
const BROKEN_MS: i64 = 3_600_000;

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallEnd {
    /// The application took it, with what the customer is to read.
    Taken(String),
    /// It will not, or has not in time: why.
    NotTaken(String),
    /// It is made again at this time, milliseconds; why.
    Later(i64, String),
}

impl Flow {
    /// Stores how an attempt ended. A call that waits no more is left alone.
    ///
    /// # Errors
    /// The store's; then the call waits as before.
    pub async fn call_ended(&self, row: i64, end: CallEnd) -> anyhow::Result<()> {
        let ending = match end {
            CallEnd::Taken(answer) => Ending::Taken { answer },
            CallEnd::NotTaken(reason) => Ending::NotTaken { reason },
            CallEnd::Later(next_ms, reply) => return Ok(self.store().call_later(row, next_ms, &reply).await?),
        };
        self.end_call(row, ending).await?;
        Ok(())
    }

    async fn end_call(&self, row: i64, ending: Ending) -> anyhow::Result<Option<Handled>> {
        let word = ending.word();
        let Some((called, attempts)) = self.store().waiting_call(row, ending).await? else {
            return Ok(None);
        };
        let id = format!("call/{row}/{attempts}/{word}");
        let now = clock::now_ms();
        let event = Event { id, at_ms: now, what: What::Called(Box::new(called)) };
        let handled = self.handle(vec![event]).await?.into_iter().next();
        if let Some(handled) = handled.as_ref().filter(|h| h.outcome != "handled") {
            // what follows from it made us fail: it waits for a release that can, and is made again then
            self.store().call_later(row, now.saturating_add(BROKEN_MS), &handled.because).await?;
        }
        Ok(handled)
    }

    /// An operator takes a call out of the queue: a person sees what the application was to be told.
    ///
    /// # Errors
    /// The store's.
    pub async fn call_cancelled(&self, row: i64) -> anyhow::Result<bool> {
        Ok(self.end_call(row, Ending::Cancelled).await?.is_some())
    }

    /// Gives up what waits for applications that can be told nothing any more. Returns how many.
    ///
    /// # Errors
    /// The store's.
    pub async fn give_up_calls(&self, applications: &[&str]) -> anyhow::Result<usize> {
        let rows = self.store().calls_to_nobody(applications, GIVEN_UP_MAX).await?;
        for row in &rows {
            let reason = "it can be told nothing any more".to_owned();
            self.end_call(*row, Ending::NotTaken { reason }).await?;
        }
        Ok(rows.len())
    }
}
