//! The steps that bring copies to their folders, carried out.
//!
//! Promises   where a copy goes is stored before the server hears of it, and that it lies there after.
//! Never     removes a mail that is not, through and through, a copy of what is stored; touches a folder that was numbered
//!           anew since it was looked into.

use std::collections::BTreeMap;
use std::time::Duration;

use super::plan::{Sighting, Spot, Step};
use super::server::{Root, Sight, is_copy};
use crate::failpoint;
use crate::flow::Flow;
use crate::health::Beat;
use crate::imap::STEP;
use crate::imap::cursor::{internal_date, uid_set};
use crate::imap::errands::{into_folder, plain};
use crate::imap::folder_name;
use crate::imap::wire::{Wire, WireError};
use crate::store::copies::Going;
use crate::store::types::Filed;

/// Mails of one command.
const GROUP_MAX: usize = 100;
/// A server slower than this gets no further with a mail.
const BYTES_PER_S_MIN: u64 = 50_000;

/// Where steps are carried out.
pub struct Work<'a> {
    /// The connection.
    pub wire: &'a mut Wire,
    /// The door.
    pub flow: &'a Flow,
    /// Heard of after each command that carries mail.
    pub beat: &'a Beat,
    /// The mailbox.
    pub mailbox: &'a str,
    /// The desk's folders.
    pub root: &'a Root,
    /// What was seen of them.
    pub sight: &'a mut Sight,
    /// What is known of each copy, by its entry.
    pub filed: BTreeMap<i64, &'a Filed>,
    /// Copies that the server does not take, with its words.
    pub refused: &'a mut BTreeMap<i64, String>,
}

impl Work<'_> {
    /// Carries out these steps.
    ///
    /// # Errors
    /// The server's, or the store's; what was done stays done.
    pub async fn run(&mut self, steps: Vec<Step>) -> anyhow::Result<()> {
        let mut appends = Vec::new();
        let (mut lies, mut gone) = (Vec::new(), Vec::new());
        let mut moves: BTreeMap<(Spot, String), Vec<(i64, u32)>> = BTreeMap::new();
        let mut removes: BTreeMap<Spot, Vec<(String, u32)>> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Settle { entry, place } => lies.push((entry, place)),
                Step::Forget { entry } => gone.push(entry),
                Step::Append { entry, to } => appends.push((entry, to)),
                Step::Move { entry, from: Sighting { spot, uid }, to } => {
                    moves.entry((spot, to)).or_default().push((entry, uid));
                }
                Step::Remove { marker, from: Sighting { spot, uid } } => {
                    removes.entry(spot).or_default().push((marker, uid));
                }
            }
        }
        self.flow.store().copies_lie(self.mailbox, &lies).await?;
        self.flow.store().copies_gone(self.mailbox, &gone).await?;
        for ((from, to), copies) in moves {
            for some in copies.chunks(GROUP_MAX) {
                self.beat.within(STEP);
                self.go(&from, &to, some).await?;
            }
        }
        for (from, copies) in removes {
            for some in copies.chunks(GROUP_MAX) {
                self.beat.within(STEP);
                self.remove(&from, some).await?;
            }
        }
        for (entry, to) in appends {
            self.beat.within(STEP);
            self.append(entry, &to).await?;
        }
        Ok(())
    }

    async fn go(&mut self, from: &Spot, to: &str, copies: &[(i64, u32)]) -> anyhow::Result<()> {
        let whole = self.root.spot(from);
        let marker = |entry: &i64| self.filed.get(entry).map(|row| row.marker.clone()).unwrap_or_default();
        // where it is now, too: after a crash it is known whose doing both places are
        let place = match from {
            Spot::Inside(folder) => folder.clone(),
            Spot::Outside(_) => String::new(),
        };
        let goes = |(entry, _): &(i64, u32)| Going {
            entry: *entry,
            marker: marker(entry),
            place: place.clone(),
            going: to.to_owned(),
        };
        let going: Vec<Going> = copies.iter().map(goes).collect();
        self.flow.store().copies_go(self.mailbox, &going).await?;
        failpoint::hit("folders.going");
        if !self.opened(&whole).await? {
            return Ok(());
        }
        let set = uid_set(copies.iter().map(|(_, uid)| *uid));
        let target = folder_name(&self.root.whole(to));
        match into_folder(self.wire, &set, &target).await {
            Err(WireError::Refused { try_create: true, .. }) => {
                self.root.create(self.wire, to).await?;
                into_folder(self.wire, &set, &target).await?;
            }
            done => done?,
        }
        failpoint::hit("folders.moved");
        let lie: Vec<_> = copies.iter().map(|(entry, _)| (*entry, to.to_owned())).collect();
        Ok(self.flow.store().copies_lie(self.mailbox, &lie).await?)
    }

    async fn remove(&mut self, from: &Spot, copies: &[(String, u32)]) -> anyhow::Result<()> {
        let whole = self.root.spot(from);
        if !self.opened(&whole).await? {
            return Ok(());
        }
        let mut ours = Vec::new();
        for (marker, uid) in copies {
            if is_copy(self.wire, self.flow, marker, *uid).await? {
                ours.push(*uid);
            } else {
                tracing::warn!(
                    mailbox.name = self.mailbox,
                    folder = whole,
                    uid,
                    "a mail bears the marker of a copy and is another mail: it stays"
                );
                self.sight.is_foreign(&whole, *uid);
            }
        }
        if ours.is_empty() {
            return Ok(());
        }
        let set = uid_set(ours);
        plain(self.wire, &format!("UID STORE {set} +FLAGS.SILENT (\\Deleted)")).await?;
        // without UIDPLUS it would take what people have marked along
        if self.wire.offers().has("UIDPLUS") {
            plain(self.wire, &format!("UID EXPUNGE {set}")).await?;
        }
        Ok(())
    }

    /// Selects a folder; `false` if its numbers are others than they were.
    async fn opened(&mut self, whole: &str) -> Result<bool, WireError> {
        let selected = self.wire.select(&folder_name(whole), false).await?;
        Ok(selected.uidvalidity == self.sight.uidvalidity(whole))
    }

    async fn append(&mut self, entry: i64, to: &str) -> anyhow::Result<()> {
        let Some(filed) = self.filed.get(&entry).copied() else {
            return Ok(());
        };
        let Some(copy) = self.flow.copy(filed, self.mailbox).await? else {
            self.refused.insert(entry, "it cannot be written as a mail".to_owned());
            return Ok(());
        };
        let going = Going { entry, marker: copy.marker, place: String::new(), going: to.to_owned() };
        self.flow.store().copies_go(self.mailbox, &[going]).await?;
        failpoint::hit("folders.going");
        let flags = if copy.seen { "(\\Seen) " } else { "" };
        let options = format!("{flags}\"{}\"", internal_date(copy.at_ms));
        let name = folder_name(&self.root.whole(to));
        let size = u64::try_from(copy.bytes.len()).unwrap_or(u64::MAX);
        let deadline = Duration::from_secs((size / BYTES_PER_S_MIN).saturating_add(60));
        let done = match self.wire.append(&name, &options, &copy.bytes, deadline).await {
            Err(WireError::Refused { try_create: true, .. }) => {
                self.root.create(self.wire, to).await?;
                self.wire.append(&name, &options, &copy.bytes, deadline).await
            }
            done => done,
        };
        match done {
            Ok(()) => {
                failpoint::hit("folders.appended");
                self.flow.store().copies_lie(self.mailbox, &[(entry, to.to_owned())]).await?;
            }
            Err(WireError::Refused { words, .. }) => {
                self.refused.insert(entry, words);
                self.flow.store().copies_lie(self.mailbox, &[(entry, String::new())]).await?;
            }
            Err(lost) => return Err(lost.into()),
        }
        Ok(())
    }
}
