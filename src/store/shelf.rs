//! What several events ask for first, fetched for all of them in a few statements.
//!
//! Promises   answers what the database would: whatever an event of the group has changed is taken off the shelf, or
//!            counted, and asked of the database anew.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{AnyConnection, AssertSqlSafe};

use crate::desk::case::Status;
use crate::desk::digest::Due;
use crate::desk::policy::Policy;
use crate::desk::{Absence, Counts, Dispatch, Effect, Keys, KnownId, Purpose, StoredCopy, View};
use crate::mail::{Address, MessageId};

use super::load::placeholders;
use super::rows;

/// Values in one IN list.
const IN_LIST_MAX: usize = 200;

/// Answers that lie ready.
#[derive(Debug, Default)]
pub struct Shelf {
    /// Events that were handled before.
    handled: BTreeSet<String>,
    ids: BTreeMap<MessageId, Vec<KnownId>>,
    copies: BTreeMap<[u8; 32], Vec<StoredCopy>>,
    counts: BTreeMap<Address, Counts>,
    /// Has mail of this address passed before? By the form in which addresses compare.
    passed: BTreeMap<String, bool>,
    next_reference: Option<i64>,
    away: Option<BTreeMap<String, Absence>>,
    relays: Option<BTreeMap<String, u32>>,
}

impl Shelf {
    /// Fetches what these events ask for first.
    ///
    /// # Errors
    /// The database's.
    pub async fn stock(
        connection: &mut AnyConnection,
        events: &[&str],
        keys: &[Keys],
        policy: &Policy,
        at_ms: i64,
    ) -> sqlx::Result<Self> {
        let mut shelf = Shelf::default();
        shelf.handled(connection, events).await?;
        let ids: BTreeSet<&MessageId> = keys.iter().flat_map(|k| &k.message_ids).collect();
        shelf.known_ids(connection, &ids.into_iter().collect::<Vec<_>>()).await?;
        let hashes: BTreeSet<[u8; 32]> = keys.iter().filter_map(|k| k.copy).collect();
        shelf.stored_copies(connection, &hashes.into_iter().collect::<Vec<_>>()).await?;
        let authors: BTreeSet<&Address> = keys.iter().filter_map(|k| k.author.as_ref()).collect();
        shelf.budgets(connection, &authors.into_iter().collect::<Vec<_>>(), policy, at_ms).await?;
        let passed: BTreeSet<String> = keys.iter().filter_map(|k| k.passed.as_ref()).map(Address::key).collect();
        shelf.have_passed(connection, &passed.into_iter().collect::<Vec<_>>()).await?;
        if keys.iter().any(|k| k.away) {
            shelf.away = Some(super::handling::away(connection).await?);
        }
        if keys.iter().any(|k| k.relays) {
            shelf.relays = Some(super::budgets::relays(connection, policy, at_ms).await?);
        }
        if keys.iter().any(|k| k.next_reference) {
            let row = sqlx::query("SELECT value FROM counters WHERE name = 'reference'").fetch_one(connection).await?;
            shelf.next_reference = Some(rows::number(&row, "value")?);
        }
        Ok(shelf)
    }

    /// Was this event handled before?
    #[must_use]
    pub fn is_handled(&self, event: &str) -> bool {
        self.handled.contains(event)
    }

    /// Puts what lies here into the view, and gives back what does not.
    #[must_use]
    pub fn answer(&self, mut keys: Keys, view: &mut View) -> Keys {
        keys.message_ids.retain(|id| {
            let Some(found) = self.ids.get(id) else { return true };
            view.asked.message_ids.insert(id.clone());
            view.known_ids.extend(found.iter().cloned());
            false
        });
        if let Some(hash) = keys.copy
            && let Some(found) = self.copies.get(&hash)
        {
            view.asked.copy = keys.copy.take();
            view.copies.extend(found.iter().cloned());
        }
        if let Some(counts) = keys.author.as_ref().and_then(|author| self.counts.get(author)) {
            view.asked.author = keys.author.take();
            view.counts = *counts;
        }
        if let Some(passed) = keys.passed.as_ref().and_then(|author| self.passed.get(&author.key())) {
            view.asked.passed = keys.passed.take();
            view.author_has_passed = *passed;
        }
        if let (true, Some(away)) = (keys.away, &self.away) {
            keys.away = false;
            view.asked.away = true;
            view.away.clone_from(away);
        }
        if let (true, Some(relays)) = (keys.relays, &self.relays) {
            keys.relays = false;
            view.asked.relays = true;
            view.relays.clone_from(relays);
        }
        if let (true, Some(next)) = (keys.next_reference, self.next_reference) {
            keys.next_reference = false;
            view.asked.next_reference = true;
            view.next_reference = next;
        }
        keys
    }

    /// An event of the group was decided: what lies here is brought up to date, or taken off.
    pub fn decided(&mut self, event: &str, content: Option<[u8; 32]>, effects: &[Effect]) {
        self.handled.insert(event.to_owned());
        if let Some(content) = content {
            self.copies.remove(&content);
        }
        for effect in effects {
            match effect {
                Effect::Open(case) => {
                    self.next_reference = Some(case.reference.saturating_add(1));
                    self.count(|author, counts| {
                        let same = author.key() == case.customer.address.key();
                        counts.cases_address = counts.cases_address.saturating_add(u32::from(same));
                        counts.is_known |= same && case.status != Status::Spam;
                    });
                }
                Effect::Append(_, entry) | Effect::Found(_, entry) => {
                    if let Some(id) = &entry.message_id {
                        self.ids.remove(id);
                    }
                }
                Effect::Send(dispatch) => {
                    self.ids.remove(&dispatch.draft.message_id);
                    self.count(|author, counts| sent(dispatch, author, counts));
                    self.relayed(dispatch);
                }
                Effect::AddParty(_, party) if party.has_passed => {
                    self.passed.insert(party.person.address.key(), true);
                }
                // whose it is the store knows
                Effect::PartyPassed(..) => self.passed.retain(|_, passed| *passed),
                Effect::Remind(_, Due::Breaker) => self.count(|_, counts| counts.breaker_is_open = true),
                Effect::SetStatus(_, Status::New) | Effect::SetCustomer(..) => self.counts.clear(),
                Effect::Absent(..) => self.away = None,
                Effect::MergeInto(..) | Effect::Unmerge(..) | Effect::SplitOff { .. } | Effect::Forget(_) => {
                    self.ids.clear();
                    self.copies.clear();
                    self.passed.clear();
                    self.counts.clear();
                }
                _ => {}
            }
        }
    }

    /// One more for the agent to whom a mail was relayed.
    fn relayed(&mut self, dispatch: &Dispatch) {
        let is_relay = matches!(dispatch.purpose, Purpose::RelayOwner | Purpose::RelayAll);
        if let (true, Some(agent), Some(relays)) = (is_relay, &dispatch.agent, &mut self.relays) {
            let count = relays.entry(agent.clone()).or_default();
            *count = count.saturating_add(1);
        }
    }

    fn count(&mut self, mut by: impl FnMut(&Address, &mut Counts)) {
        for (author, counts) in &mut self.counts {
            by(author, counts);
        }
    }

    async fn handled(&mut self, connection: &mut AnyConnection, events: &[&str]) -> sqlx::Result<()> {
        for some in events.chunks(IN_LIST_MAX) {
            let sql = format!("SELECT id FROM events WHERE id IN ({})", placeholders(0, some.len()));
            let query = some.iter().fold(sqlx::query(AssertSqlSafe(sql)), |q, id| q.bind((*id).to_owned()));
            for row in query.fetch_all(&mut *connection).await? {
                self.handled.insert(rows::text(&row, "id")?);
            }
        }
        Ok(())
    }

    async fn known_ids(&mut self, connection: &mut AnyConnection, ids: &[&MessageId]) -> sqlx::Result<()> {
        for some in ids.chunks(IN_LIST_MAX) {
            self.ids.extend(some.iter().map(|id| ((*id).clone(), Vec::new())));
            for known in super::load::known_ids(connection, some).await? {
                if let Some(found) = self.ids.get_mut(&known.id) {
                    found.push(known);
                }
            }
        }
        Ok(())
    }

    async fn stored_copies(&mut self, connection: &mut AnyConnection, hashes: &[[u8; 32]]) -> sqlx::Result<()> {
        for some in hashes.chunks(IN_LIST_MAX) {
            self.copies.extend(some.iter().map(|hash| (*hash, Vec::new())));
            for (hash, copy) in super::load::stored_copies(connection, some).await? {
                if let Some(found) = self.copies.get_mut(&hash) {
                    found.push(copy);
                }
            }
        }
        Ok(())
    }

    async fn have_passed(&mut self, connection: &mut AnyConnection, keys: &[String]) -> sqlx::Result<()> {
        for some in keys.chunks(IN_LIST_MAX) {
            let found = super::people::have_passed(connection, some).await?;
            self.passed.extend(some.iter().map(|key| (key.clone(), found.contains(key))));
        }
        Ok(())
    }

    /// What was sent to these authors, and opened by them, lately.
    async fn budgets(
        &mut self,
        connection: &mut AnyConnection,
        authors: &[&Address],
        policy: &Policy,
        at_ms: i64,
    ) -> sqlx::Result<()> {
        for some in authors.chunks(IN_LIST_MAX) {
            let counts = super::budgets::of(connection, some, policy, at_ms).await?;
            self.counts.extend(some.iter().map(|a| (*a).clone()).zip(counts));
        }
        Ok(())
    }
}

fn sent(dispatch: &Dispatch, author: &Address, counts: &mut Counts) {
    let to_author = u32::from(dispatch.recipient.key() == author.key());
    match dispatch.purpose {
        Purpose::Acknowledgement => {
            let unauthenticated = u32::from(dispatch.unauthenticated);
            let in_domain = u32::from(dispatch.unauthenticated && dispatch.recipient.domain() == author.domain());
            counts.ack_address = counts.ack_address.saturating_add(to_author);
            counts.ack_total = counts.ack_total.saturating_add(unauthenticated);
            counts.ack_domain = counts.ack_domain.saturating_add(in_domain);
        }
        Purpose::Notice => counts.notices_address = counts.notices_address.saturating_add(to_author),
        Purpose::Answer => counts.is_answered |= to_author > 0,
        Purpose::RelayOwner | Purpose::RelayAll | Purpose::Notification | Purpose::Probe => {}
    }
}
