//! The shared mailbox as a desk: one loop for each mailbox keeps each case's mails in the folder that says how it stands,
//! and takes a move by a person for an order (R94).
//!
//! Promises   nothing is lost whatever people move, copy or delete: what lies in the folders are copies of what is stored.
//! Never     stops intake: it has a connection of its own, and its trouble is its own.

pub mod plan;
mod server;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::connect::{self, Refusal};
use super::special;
use super::wire::Wire;
use super::{STEP, Settings, backoff};
use crate::config::Account;
use crate::flow::Flow;
use crate::flow::filing::Move;
use crate::health::Beat;
use crate::store::types::Filed;

use plan::{Found, Order, Sighting, Spot, Step};
use server::{Root, Sight};
use work::Work;

/// For a list of a whole folder, or one mail.
const MAIL_TIMEOUT: Duration = Duration::from_secs(600);
/// Steps of one pass on the server; more come with the next one, at once.
const STEPS_MAX: usize = 200;
/// Copies that are looked for in other folders in one pass; what is missing beyond is put back all the same.
const SEARCHED_MAX: usize = 50;
/// Looks in one pass, until two of them agree.
const LOOKS_MAX: u32 = 4;
/// A copy beside the one that counts stays for so many polls: some clients move by a copy now and a removal later.
const SURPLUS_POLLS: u32 = 10;
/// What the server did not take is offered again after this time: a quota may have been raised.
const OFFERED_AGAIN: Duration = Duration::from_secs(600);
/// Between what changed a case and the next pass: most often more follows.
const QUIET: Duration = Duration::from_secs(2);

/// The loop of one mailbox.
#[derive(Debug)]
pub struct Folders {
    account: Account,
    settings: Settings,
    flow: Arc<Flow>,
    beat: Beat,
    /// What was last recorded: the same is not logged twice.
    state: Option<String>,
    attempts: u32,
    /// The connection was good for a pass: that it is lost after a long silence is no news.
    passed: bool,
}

/// What is remembered while a connection lasts.
#[derive(Debug, Default)]
struct Memory {
    sight: Sight,
    /// Since when copies lie beside the one that counts.
    surplus: BTreeMap<Sighting, Instant>,
    /// Copies that the server does not take, with its words.
    refused: BTreeMap<i64, String>,
    /// When the first of them was not taken.
    refused_since: Option<Instant>,
}

impl Folders {
    /// A loop that has not begun.
    #[must_use]
    pub fn new(account: Account, settings: Settings, flow: Arc<Flow>, beat: Beat) -> Self {
        Folders { account, settings, flow, beat, state: None, attempts: 0, passed: false }
    }

    /// Keeps the folders for ever. May be dropped at any point.
    pub async fn run(mut self) {
        loop {
            self.beat.within(STEP);
            let Err(refusal) = self.connected().await else {
                continue;
            };
            if std::mem::take(&mut self.passed) {
                tracing::debug!(mailbox.name = self.account.mailbox, reason = %refusal, "the folders are looked at on a new connection");
                continue;
            }
            let wait = self.failed(&refusal).await;
            self.beat.within(wait.saturating_add(STEP));
            tokio::time::sleep(wait).await;
        }
    }

    async fn failed(&mut self, refusal: &Refusal) -> Duration {
        let wait = backoff(refusal, &mut self.attempts, self.settings.retry_max);
        self.record(&refusal.to_string()).await;
        wait
    }

    /// Empty words: all is well.
    async fn record(&mut self, words: &str) {
        if self.state.as_deref() == Some(words) {
            return;
        }
        let (name, state) = (&self.account.mailbox, if words.is_empty() { "ok" } else { "failing" });
        if words.is_empty() {
            tracing::info!(mailbox.name = name, "the desk's folders are kept");
        } else {
            tracing::warn!(
                mailbox.name = name,
                reason = words,
                "the desk's folders cannot be kept and are tried again; set desk.folders = false to do without"
            );
        }
        self.flow.account_state(name, "folders", state, words).await;
        self.state = Some(words.to_owned());
    }

    async fn connected(&mut self) -> Result<(), Refusal> {
        let mut wire = connect::connect(&self.account).await?;
        let special = special::folders(&mut wire, &self.account).await.map_err(anyhow::Error::from)?;
        let own = self.flow.folders(&self.account.mailbox);
        let some = own.first().map_or("", String::as_str);
        let root = Root::find(&mut wire, some).await.map_err(anyhow::Error::from)?;
        let others: Vec<String> = [Some(self.account.folder.clone()), special.junk].into_iter().flatten().collect();
        let mut memory = Memory::default();
        let mut bell = self.flow.outbox_bell();
        loop {
            bell.mark_unchanged();
            root.complete(&mut wire, &own).await.map_err(anyhow::Error::from)?;
            let more = self.pass(&mut wire, &root, &own, &others, &mut memory).await?;
            self.attempts = 0;
            self.passed = true;
            let refused = memory.refused.len();
            let words = memory.refused.values().next().map(|words| format!("{refused} mails are refused: {words}"));
            self.record(&words.unwrap_or_default()).await;
            self.beat.within(self.settings.poll.saturating_add(STEP));
            if !more {
                tokio::select! {
                    () = tokio::time::sleep(self.settings.poll) => {}
                    _ = bell.changed() => tokio::time::sleep(self.settings.poll.min(QUIET)).await,
                }
            }
            self.beat.within(STEP);
        }
    }

    /// `true`: there is more to do.
    async fn pass(
        &mut self,
        wire: &mut Wire,
        root: &Root,
        own: &[String],
        others: &[String],
        memory: &mut Memory,
    ) -> anyhow::Result<bool> {
        let mailbox = &self.account.mailbox;
        if memory.refused_since.is_some_and(|since| since.elapsed() >= OFFERED_AGAIN) {
            memory.refused.clear();
        }
        let (mut found, unsteady) = self.look(wire, root, own, memory).await?;
        let mut filed = self.filed(&unsteady).await?;
        let missing: Vec<&str> = plan::missing(&filed, &found).iter().map(|row| row.marker.as_str()).collect();
        let searched = missing.get(..SEARCHED_MAX).unwrap_or(&missing);
        for folder in others.iter().filter(|_| !searched.is_empty()) {
            found.extend(memory.sight.search_in(wire, &self.flow, folder, searched).await?);
        }
        let orders = plan::orders(&filed, &found, &own.iter().cloned().collect());
        if !orders.is_empty() {
            let moves = orders.into_iter().map(|order| order_of(order, root, &memory.sight)).collect();
            for handled in self.flow.moved(mailbox, moves).await? {
                tracing::info!(
                    event.id = handled.event,
                    outcome = handled.outcome,
                    because = handled.because,
                    "a mail was moved"
                );
            }
            filed = self.filed(&unsteady).await?;
        }
        let lasting = self.lasting(&filed, &found, memory);
        let (quick, mut slow): (Vec<Step>, Vec<Step>) = plan::steps(&filed, &found, &lasting)
            .into_iter()
            .filter(|step| !matches!(step, Step::Append { entry, .. } if memory.refused.contains_key(entry)))
            .partition(|step| matches!(step, Step::Settle { .. } | Step::Forget { .. }));
        let more = slow.len() > STEPS_MAX;
        slow.truncate(STEPS_MAX);
        let by_entry = filed.iter().map(|row| (row.entry, row)).collect();
        let Memory { sight, refused, .. } = memory;
        let (flow, beat) = (&*self.flow, &self.beat);
        let mut work = Work { wire, flow, beat, mailbox, root, sight, filed: by_entry, refused };
        work.run(quick.into_iter().chain(slow).collect()).await?;
        memory.refused_since = memory.refused_since.or(Some(Instant::now())).filter(|_| !memory.refused.is_empty());
        Ok(more)
    }

    async fn filed(&self, without: &BTreeSet<String>) -> anyhow::Result<Vec<Filed>> {
        let mut filed = self.flow.filed(&self.account.mailbox).await?;
        filed.retain(|row| !without.contains(&row.marker));
        Ok(filed)
    }

    /// What lies where, and what somebody is in the middle of moving: folders are looked into one after the other, and a
    /// mail may go from one that was not to one that was.
    async fn look(
        &self,
        wire: &mut Wire,
        root: &Root,
        own: &[String],
        memory: &mut Memory,
    ) -> anyhow::Result<(Found, BTreeSet<String>)> {
        let filed = self.filed(&BTreeSet::new()).await?;
        let mut found = memory.sight.look(wire, root, own).await?;
        let mut unsteady = BTreeSet::new();
        for _ in 1..LOOKS_MAX {
            let odd = plan::odd(&filed, &found);
            if odd.is_empty() {
                return Ok((found, odd));
            }
            let again = memory.sight.look(wire, root, own).await?;
            unsteady =
                plan::odd(&filed, &again).into_iter().chain(odd).filter(|m| found.get(m) != again.get(m)).collect();
            found = again;
            if unsteady.is_empty() {
                break;
            }
        }
        Ok((found, unsteady))
    }

    /// Copies that have lain beside the one that counts for long enough.
    fn lasting(&self, filed: &[Filed], found: &Found, memory: &mut Memory) -> BTreeSet<Sighting> {
        let surplus = plan::surplus(filed, found);
        let now = Instant::now();
        memory.surplus.retain(|sighting, _| surplus.contains(sighting));
        for sighting in surplus {
            memory.surplus.entry(sighting).or_insert(now);
        }
        let long = self.settings.poll.saturating_mul(SURPLUS_POLLS);
        memory.surplus.iter().filter(|(_, since)| now.duration_since(**since) >= long).map(|(s, _)| s.clone()).collect()
    }
}

fn order_of(order: Order, root: &Root, sight: &Sight) -> Move {
    let Order { case, at: Sighting { spot, uid }, shown } = order;
    let whole = root.spot(&spot);
    let uidvalidity = sight.uidvalidity(&whole);
    let folder = match spot {
        Spot::Inside(folder) => Some(folder),
        Spot::Outside(_) => None,
    };
    Move { case, folder, whole, uidvalidity, uid, shown }
}
