//! Care: how mail is read after a run that did not end by itself. A mail may have ended it (an abort, a stack that ran
//! out, memory that did), and would again at each start.
//!
//! Decides   how long mail is read one at a time; which mail is put aside unread, or refused for now.
//! Promises   which mail is being read is committed before the reading; at the third attempt it is not read.
//! Never      counts against a mail what did not happen while it was read: with care, one is read at a time, from the
//!            first look to the commit; nor a burst of kills more than once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use data_encoding::HEXLOWER;

use crate::clock;
use crate::desk::submission;
use crate::store::Store;
use crate::store::care::{Found, Run};
use crate::store::types::{Content, Cursor, IntakeBatch};

use super::submitted::{HandedIn, Taken};
use super::{Flow, prepare};

/// Runs that may end while one mail is read; the next attempt is not made.
const ENDED_MAX: i64 = 2;
/// Such runs count if they are so far apart, milliseconds. A service manager waits longer before it starts us anew
/// (`RestartSec=5`); kills that come faster hit a mail by chance, and not on its account.
const APART_MS: i64 = 4_000;
/// Mails of each folder that are read with care: more than can have been on their way when the last run ended.
const FOLDER_MAILS: usize = 400;
/// How long mail that is handed in is taken with care: its sender tries again within this time.
const HANDED_IN: Duration = Duration::from_secs(3_600);
/// Attempts are forgotten after this time: nobody hands in a mail for longer (RFC 5321 section 4.5.4.1).
const REMEMBERED_MS: i64 = 7 * 24 * 3_600_000;
/// How ids of what was handed in begin here; its event has none before it was read.
const BEGINNING: &str = "handed/";

/// The care of this run; none where no run was begun, as on the command line.
#[derive(Debug, Default)]
pub(super) struct Care(OnceLock<Careful>);

#[derive(Debug)]
struct Careful {
    run: Run,
    unclean: bool,
    begun: Instant,
    /// Whoever reads with care waits for it.
    turn: tokio::sync::Mutex<()>,
    /// Mails still to be read with care, by mailbox and folder.
    left: Mutex<BTreeMap<(String, String), usize>>,
    /// Mails handed in that are not read any more.
    deadly: Mutex<BTreeSet<String>>,
}

impl Careful {
    fn left(&self, cursor: &Cursor) -> usize {
        if !self.unclean {
            return 0;
        }
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.get(&(cursor.mailbox.clone(), cursor.folder.clone())).copied().unwrap_or(FOLDER_MAILS)
    }

    fn passed(&self, cursor: &Cursor) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let left = left.entry((cursor.mailbox.clone(), cursor.folder.clone())).or_insert(FOLDER_MAILS);
        *left = left.saturating_sub(1);
        if *left == 0 {
            tracing::info!(mailbox.name = cursor.mailbox, "mail of this folder is read at full speed again");
        }
    }

    fn takes_care_of_what_is_handed_in(&self) -> bool {
        self.unclean && self.begun.elapsed() < HANDED_IN
    }

    fn knows_deadly_mail(&self) -> bool {
        !self.deadly.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn is_deadly(&self, id: &str) -> bool {
        self.deadly.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
    }

    /// May it be read? Its attempt is committed.
    async fn may_be_read(&self, store: &Store, id: &str) -> anyhow::Result<bool> {
        let attempts =
            store.begin_reading(&self.run, id, clock::now_ms(), APART_MS).await.context("note which mail is read")?;
        Ok(attempts <= ENDED_MAX)
    }
}

impl Flow {
    /// The daemon begins; the caller holds the right to be the only one.
    ///
    /// # Errors
    /// The store's.
    pub async fn begin_run(&self) -> anyhow::Result<()> {
        let run = Run { id: HEXLOWER.encode(&clock::random::<16>()), version: env!("CARGO_PKG_VERSION").to_owned() };
        let now = clock::now_ms();
        let since = now.saturating_sub(REMEMBERED_MS);
        let Found { unclean, deadly } =
            self.store.begin_run(&run, now, since, (ENDED_MAX, BEGINNING)).await.context("note that a run begins")?;
        if unclean {
            tracing::warn!(
                mails = FOLDER_MAILS,
                "the last run did not end by itself: the next mails of each folder are read one at a time, and one at which the process ended {ENDED_MAX} times is put into quarantine unread"
            );
        }
        let care = Careful {
            run,
            unclean,
            begun: Instant::now(),
            turn: tokio::sync::Mutex::default(),
            left: Mutex::default(),
            deadly: Mutex::new(deadly.into_iter().collect()),
        };
        // a second run of one flow is none
        let _ = self.care.0.set(care);
        Ok(())
    }

    /// The daemon ends by itself. A store that fails here is only logged: the next run is careful for nothing.
    pub async fn end_run(&self) {
        let Some(care) = self.care.0.get() else {
            return;
        };
        if let Err(error) = self.store.end_run(&care.run, ENDED_MAX).await {
            tracing::warn!(%error, "that this run ended by itself could not be noted");
        }
    }

    /// Is mail of this folder read with care now?
    pub(super) fn reads_with_care(&self, cursor: &Cursor) -> bool {
        self.care.0.get().is_some_and(|care| care.left(cursor) > 0)
    }

    /// Takes a batch in mail by mail.
    pub(super) async fn one_by_one(&self, batch: IntakeBatch) -> anyhow::Result<()> {
        let care = self.care.0.get().context("a run was begun")?;
        for single in batch.singles() {
            let _turn = care.turn.lock().await;
            let (mut mails, progress) = single.split();
            let mut read = None;
            if let Some(mail) = mails.first_mut() {
                let id = prepare::event_id(&progress, mail.uid);
                if !care.may_be_read(&self.store, &id).await? {
                    let bytes = mail.content.take_bytes();
                    let reason = format!(
                        "the process ended {ENDED_MAX} times while this mail was read or handled, so it was not read again"
                    );
                    tracing::error!(event.id = id, reason, "a mail is put into quarantine unread");
                    mail.content = Content::Unread { bytes, reason };
                }
                read = Some(id);
            }
            let taken = self.at_once(mails, &progress).await;
            if let Some(id) = read {
                self.survived(&id).await;
                care.passed(&progress.cursor);
            }
            taken?;
        }
        Ok(())
    }

    async fn survived(&self, id: &str) {
        if let Err(error) = self.store.end_reading(id).await {
            tracing::warn!(event.id = id, %error, "that a mail was read could not be noted");
        }
    }

    /// Takes in what was handed in, with care where that is due; a mail at which the process ended twice is refused for
    /// now: whoever hands it in keeps it.
    pub(super) async fn handed_in_with_care(&self, handed: HandedIn) -> anyhow::Result<Vec<Taken>> {
        let due = |care: &&Careful| care.takes_care_of_what_is_handed_in() || care.knows_deadly_mail();
        let Some(care) = self.care.0.get().filter(due) else {
            return self.read_and_taken(handed).await;
        };
        let digest = submission::digest(&handed.bytes);
        let id = format!("{BEGINNING}{}/{}", handed.place, HEXLOWER.encode(&digest));
        let refused = |handed: &HandedIn| {
            let reason = format!(
                "4.3.0 the process ended {ENDED_MAX} times while it read this mail; this release does not read it again"
            );
            vec![Taken::Refused(reason); handed.recipients.len()]
        };
        if care.is_deadly(&id) {
            return Ok(refused(&handed));
        }
        if !care.takes_care_of_what_is_handed_in() {
            return self.read_and_taken(handed).await;
        }
        let _turn = care.turn.lock().await;
        if !care.may_be_read(&self.store, &id).await? {
            tracing::error!(
                event.id = id,
                "a mail that was handed in is refused unread: the process ended at it before"
            );
            care.deadly.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
            return Ok(refused(&handed));
        }
        let taken = self.read_and_taken(handed).await;
        self.survived(&id).await;
        taken
    }
}
