//! What nobody does: times that come, and what a start makes up for.

use super::Flow;
use crate::clock;
use crate::desk::digest::Due;
use crate::desk::keeping::Kept;
use crate::desk::outgoing::agents_of;
use crate::desk::probe::next_ms;
use crate::desk::untold::{LISTED_MAX, Untold};
use crate::desk::{Event, Outcome, What};
use crate::store::types::Cursor;
use crate::store::{agenda, cases, probes};

/// Cases younger than this are relayed when their mailbox gets its first agent (R90).
const UNTOLD_MS: i64 = 7 * 24 * 3_600_000;
/// How often a mailbox without agents gets its first one, at most.
const LISTS_MAX: usize = 1_000;

impl Flow {
    /// At start: what the config says of probes stands in the agenda (R95).
    ///
    /// # Errors
    /// The store's.
    pub async fn schedule_probes(&self) -> anyhow::Result<()> {
        let mut transaction = self.store.begin().await?;
        for mailbox in self.policy.mailboxes.values() {
            match mailbox.probe.every_ms {
                Some(every_ms) => {
                    let due = Due::Probe { mailbox: mailbox.name.clone() };
                    let at_ms = next_ms(clock::now_ms(), every_ms);
                    agenda::add(&mut transaction, at_ms, &due).await?;
                }
                None => probes::forget_state(&mut transaction, &mailbox.name).await?,
            }
        }
        Ok(transaction.commit().await?)
    }

    /// R90: cases that nobody was told of are relayed once their mailbox has agents, older ones are listed in one mail.
    ///
    /// # Errors
    /// The store's.
    pub async fn staff(&self) -> anyhow::Result<()> {
        let now = clock::now_ms();
        for mailbox in self.policy.mailboxes.values() {
            if agents_of(&self.policy, &mailbox.name).is_empty() {
                continue;
            }
            let mut reader = self.store.reader().acquire().await?;
            let cases = cases::untold(&mut reader, &mailbox.name, now.saturating_sub(UNTOLD_MS)).await?;
            drop(reader);
            for case in cases {
                let id = format!("staffed/{}/{}", mailbox.name, case.0);
                self.handle(vec![Event { id, at_ms: now, what: What::Staffed(case) }]).await?;
            }
            self.list_untold(&mailbox.name, now).await?;
        }
        Ok(())
    }

    /// Lists what is too old to be relayed, and was not there at the last list: agents heard of all that was.
    async fn list_untold(&self, mailbox: &str, now: i64) -> anyhow::Result<()> {
        let mut last = i64::MIN;
        for number in 1..=LISTS_MAX {
            let id = format!("untold/{mailbox}/{number}");
            if let Some(at) = self.store.handled_at(&id).await? {
                last = at;
                continue;
            }
            let mut reader = self.store.reader().acquire().await?;
            let within = (last, now.saturating_sub(UNTOLD_MS));
            let limit = i64::try_from(LISTED_MAX).unwrap_or(i64::MAX);
            let (cases, count) = cases::untold_between(&mut reader, mailbox, within, limit).await?;
            drop(reader);
            if count > 0 {
                let what = What::Untold(Untold { mailbox: mailbox.to_owned(), cases, count });
                self.handle(vec![Event { id, at_ms: now, what }]).await?;
            }
            break;
        }
        Ok(())
    }

    /// R91: once, agents hear of the old mail that the first start took in.
    ///
    /// # Errors
    /// The store's.
    pub async fn old_mail_taken(&self, cursor: &Cursor) -> anyhow::Result<()> {
        let count = self.store.old_cases(&cursor.mailbox).await?;
        if count > 0 {
            let id = format!("old/{}/{}/{}", cursor.mailbox, cursor.folder, cursor.started_ms);
            let what = What::OldMail { mailbox: cursor.mailbox.clone(), count };
            self.handle(vec![Event { id, at_ms: clock::now_ms(), what }]).await?;
        }
        Ok(())
    }

    /// Forgets what was kept for long enough, some of each kind at a time; returns how much that was (R80).
    ///
    /// # Errors
    /// The store's, of the first kind at which it failed; the others are done.
    pub async fn expire(&self, now_ms: i64) -> anyhow::Result<usize> {
        let mut count = 0usize;
        let mut failed = None;
        for kept in Kept::ALL {
            match self.expire_kind(kept, now_ms).await {
                Ok(gone) => count = count.saturating_add(gone),
                Err(error) => failed = failed.or(Some(error.context(kept.word()))),
            }
        }
        failed.map_or(Ok(count), Err)
    }

    async fn expire_kind(&self, kept: Kept, now_ms: i64) -> anyhow::Result<usize> {
        let old = self.store.old(kept, kept.since_ms(&self.policy, now_ms)).await?;
        let (Some((first, _)), count) = (old.found.first(), old.found.len()) else {
            return Ok(0);
        };
        let id = format!("expired/{}/{first}/{now_ms}", kept.word());
        let handled = self.handle(vec![Event { id, at_ms: now_ms, what: What::Expired(old) }]).await?;
        // what could not be done is not tried again at once
        let done = handled.iter().all(|h| h.outcome == Outcome::Handled.word());
        Ok(if done { count } else { 0 })
    }

    /// Does what is due by now; returns how much that was.
    ///
    /// # Errors
    /// The store's; then nothing of it was done.
    pub async fn due(&self, now_ms: i64, limit: i64) -> anyhow::Result<usize> {
        let due = self.store.due(now_ms, limit).await?;
        if due.is_empty() {
            return Ok(0);
        }
        let events = due.into_iter().map(|(id, due)| Event { id, at_ms: now_ms, what: What::Due(due) }).collect();
        Ok(self.handle(events).await?.len())
    }
}
