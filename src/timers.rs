//! Times that come: what stands in the agenda becomes events.
//!
//! Promises   nothing is missed while the daemon is down, and nothing happens twice: an agenda row goes in the
//!            transaction of what it caused, under an event id of its own.

use std::sync::Arc;
use std::time::Duration;

use crate::clock;
use crate::flow::Flow;
use crate::health::Beat;

/// How long at most between two looks: rows are added by events of all kinds.
const LOOK: Duration = Duration::from_secs(1);
/// Rows that are handled in one transaction.
const ROWS_MAX: i64 = 50;
/// The longest single step: a locked database.
const STEP: Duration = Duration::from_secs(300);

/// How often is looked for what is kept no longer.
const KEEPING: Duration = Duration::from_secs(3_600);

/// Forgets what was kept for long enough, in small batches with time for others between them, for ever. May be dropped at
/// any point.
pub async fn keep(flow: Arc<Flow>, beat: Beat) {
    loop {
        beat.within(KEEPING + STEP);
        let next = match flow.expire(clock::now_ms()).await {
            Ok(0) => KEEPING,
            Ok(_) => LOOK,
            Err(error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "what is kept no longer could not be deleted; it is tried again"
                );
                KEEPING
            }
        };
        tokio::time::sleep(next).await;
    }
}

/// Turns what is due into events, for ever. May be dropped at any point.
pub async fn run(flow: Arc<Flow>, beat: Beat) {
    loop {
        beat.within(STEP);
        match flow.due(clock::now_ms(), ROWS_MAX).await {
            Ok(0) => {}
            Ok(_) => continue,
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "what is due could not be done; it is tried again")
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}
