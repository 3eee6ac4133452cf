//! Effects → rows, an arm for each effect.

use sqlx::AnyConnection;

use crate::desk::case::{Direction, Entry, Status};
use crate::desk::probe::Progress;
use crate::desk::token::CaseKey;
use crate::desk::{Decision, Dispatch, Effect, EntryLink, LogLine, Purpose, Side};
use crate::mail::html;
use crate::mail::render::{Draft, render};

use super::agenda;
use super::calls;
use super::cursors;
use super::handling;
use super::keeping;
use super::notifications;
use super::pending::{EntryRef, Pending};
use super::people;
use super::probes;

/// What the edges are to be told after the commit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    /// Rows were queued.
    pub queued: bool,
    /// The entry of the mail that arrived.
    pub first_entry: Option<EntryRef>,
}

impl Told {
    fn appended(&mut self, entry: EntryRef) {
        self.first_entry = self.first_entry.or(Some(entry));
    }
}

/// What is written on account of one decision.
struct Commit<'a> {
    connection: &'a mut AnyConnection,
    pending: &'a mut Pending,
    event_id: &'a str,
    at_ms: i64,
    last_entry: Option<EntryRef>,
    /// Mails that this event caused so far.
    number: i64,
}

/// Writes all effects of a decision, in their order. New rows stay pending; changes of stored rows are made at once.
///
/// # Errors
/// The database's; the caller rolls back to its savepoint.
pub async fn commit(
    connection: &mut AnyConnection,
    pending: &mut Pending,
    event_id: &str,
    at_ms: i64,
    decision: &Decision,
) -> sqlx::Result<Told> {
    let mut told = Told::default();
    let mut commit = Commit { connection, pending, event_id, at_ms, last_entry: None, number: 0 };
    for effect in &decision.effects {
        match effect {
            Effect::Open(case) => commit.pending.open(case),
            Effect::OpenInPlace(case) => commit.pending.open_in_place(case),
            Effect::Probe(case, progress) => commit.probe(*case, progress).await?,
            Effect::Remove => cursors::remove(commit.connection, event_id).await?,
            Effect::AddParty(case, party) => commit.pending.add_party(*case, party),
            Effect::PartyPassed(..)
            | Effect::Copied(..)
            | Effect::Replaced(..)
            | Effect::SetCustomer(..)
            | Effect::Settled(..)
            | Effect::SetHeld(..)
            | Effect::Renewed(_)
            | Effect::AgentTold(..)
            | Effect::AgentHeard { .. } => {
                commit.pending.flush(commit.connection).await?;
                people::change(commit.connection, at_ms, effect).await?;
            }
            Effect::Append(case, entry) => told.appended(commit.append(*case, entry).await?),
            Effect::Found(case, entry) => told.appended(commit.found(*case, entry).await?),
            Effect::Precede(case, entry) => commit.precede(*case, entry).await?,
            Effect::Notify(notification, departure) => {
                notifications::add(commit.connection, event_id, notification, departure.as_ref()).await?;
                told.queued |= departure.is_some();
            }
            Effect::Call(call) => calls::add(commit.connection, call).await?,
            Effect::CallEnded { row, ending } => calls::end(commit.connection, *row, ending, at_ms).await?,
            Effect::Strike(strike) => notifications::strike(commit.connection, strike).await?,
            Effect::SetStatus(case, status) => commit.set_status(*case, *status).await?,
            Effect::SetOwner(case, owner) => commit.set_owner(*case, owner.clone()).await?,
            Effect::SetSuccessor(case, successor) => commit.set_successor(*case, *successor).await?,
            Effect::Change(..)
            | Effect::MergeInto(..)
            | Effect::Unmerge(..)
            | Effect::SplitOff { .. }
            | Effect::Absent(..)
            | Effect::Given(_)
            | Effect::Cancel(_) => {
                commit.pending.flush(commit.connection).await?;
                handling::change(commit.connection, at_ms, effect).await?;
            }
            Effect::Send(dispatch) => told.queued |= commit.send(dispatch).await?,
            Effect::DeliveryFailed { delivery, status, diagnostic } => {
                commit.delivery_failed(*delivery, status, diagnostic).await?;
            }
            Effect::Log(case, line) => commit.pending.log(*case, at_ms, line),
            Effect::Remind(due_ms, due) => agenda::add(commit.connection, *due_ms, due).await?,
            Effect::Digest(line) => agenda::note(commit.connection, line).await?,
            Effect::Named { mailbox, agent, last } => {
                agenda::named(commit.connection, (mailbox, agent.as_deref()), *last, at_ms).await?;
            }
            Effect::Forget(case) => {
                commit.pending.flush(commit.connection).await?;
                keeping::forget(commit.connection, *case).await?;
            }
            Effect::Expire { kept, ids, before_ms } => {
                keeping::expire(commit.connection, *kept, ids, *before_ms).await?;
            }
            Effect::Hold(case, on) => {
                commit.pending.flush(commit.connection).await?;
                keeping::hold(commit.connection, *case, *on).await?;
            }
        }
    }
    Ok(told)
}

impl Commit<'_> {
    async fn append(&mut self, case: CaseKey, entry: &Entry) -> sqlx::Result<EntryRef> {
        let (id, counted) = self.pending.append(self.event_id, case, entry, self.at_ms);
        if !counted {
            sqlx::query("UPDATE cases SET messages = messages + 1, updated_at = $1, has_raw = 1 WHERE case_key = $2")
                .bind(self.at_ms)
                .bind(case.to_i64())
                .execute(&mut *self.connection)
                .await?;
        }
        if let (Some(message_id), Direction::Inbound) = (&entry.message_id, entry.direction) {
            self.pending.remember(message_id, case, &Side::Inbound, Some(id));
        }
        self.last_entry = Some(id);
        Ok(id)
    }

    /// A probe has come so far; its case, if it opens now, is written before.
    async fn probe(&mut self, case: CaseKey, progress: &Progress) -> sqlx::Result<()> {
        self.pending.flush(self.connection).await?;
        probes::change(self.connection, self.at_ms, case, progress).await
    }

    /// A mail that left without us: what answers it belongs to the case (R49).
    async fn found(&mut self, case: CaseKey, entry: &Entry) -> sqlx::Result<EntryRef> {
        let appended = self.append(case, entry).await?;
        if let Some(message_id) = &entry.message_id {
            self.pending.remember(message_id, case, &Side::Customer, Some(appended));
        }
        Ok(appended)
    }

    /// A notification becomes the first entry of the case that its reply opens (R72).
    async fn precede(&mut self, case: CaseKey, entry: &Entry) -> sqlx::Result<()> {
        let appended = self.append(case, entry).await?;
        if let Some(message_id) = &entry.message_id {
            self.pending.remember(message_id, case, &Side::Customer, Some(appended));
        }
        self.pending.flush(self.connection).await?;
        match self.pending.id(appended) {
            Some(id) => notifications::adopt(self.connection, case, id).await,
            None => Ok(()),
        }
    }

    async fn set_status(&mut self, key: CaseKey, status: Status) -> sqlx::Result<()> {
        let closed = (status == Status::Closed).then_some(self.at_ms);
        if let Some(case) = self.pending.case_mut(key, self.at_ms) {
            case.status = status;
            case.closed_ms = closed;
            return Ok(());
        }
        sqlx::query("UPDATE cases SET status = $1, closed_at = $2, updated_at = $3, has_raw = 1 WHERE case_key = $4")
            .bind(status.word())
            .bind(closed)
            .bind(self.at_ms)
            .bind(key.to_i64())
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    async fn set_owner(&mut self, key: CaseKey, owner: Option<String>) -> sqlx::Result<()> {
        if let Some(case) = self.pending.case_mut(key, self.at_ms) {
            case.owner = owner;
            return Ok(());
        }
        sqlx::query("UPDATE cases SET owner = $1, updated_at = $2 WHERE case_key = $3")
            .bind(owner)
            .bind(self.at_ms)
            .bind(key.to_i64())
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    async fn set_successor(&mut self, key: CaseKey, successor: CaseKey) -> sqlx::Result<()> {
        if let Some(case) = self.pending.case_mut(key, self.at_ms) {
            case.successor = Some(successor);
            return Ok(());
        }
        sqlx::query("UPDATE cases SET successor = $1 WHERE case_key = $2")
            .bind(successor.to_i64())
            .bind(key.to_i64())
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    async fn delivery_failed(&mut self, delivery: i64, status: &str, diagnostic: &str) -> sqlx::Result<()> {
        sqlx::query("UPDATE outbox SET state = 'failed', status = $1, last_reply = $2, ended_at = $3 WHERE id = $4")
            .bind(status.to_owned())
            .bind(diagnostic.to_owned())
            .bind(self.at_ms)
            .bind(delivery)
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    /// A row of the outbox; `false` if the mail cannot be written, which the case's log then says.
    async fn send(&mut self, dispatch: &Dispatch) -> sqlx::Result<bool> {
        let number = self.number;
        self.number = number.saturating_add(1);
        let rendered = match render(&dispatch.draft) {
            Ok(rendered) => rendered,
            Err(reason) => {
                if let Some(case) = dispatch.case {
                    let line = LogLine { kind: "not_sent", by: "yesreply".to_owned(), rule: "R46", detail: reason };
                    self.pending.log(case, self.at_ms, &line);
                }
                return Ok(false);
            }
        };
        let entry = match dispatch.entry {
            EntryLink::Appended => self.last_entry,
            EntryLink::Stored(id) => Some(EntryRef::Stored(id)),
            EntryLink::Nothing => None,
        };
        self.pending.queue((self.event_id, number), self.at_ms, dispatch, entry, rendered);
        // until it is answered there is no case that it belongs to
        if let Some(case) = dispatch.case.filter(|_| dispatch.purpose != Purpose::Probe) {
            let side = dispatch.agent.clone().map_or(Side::Customer, Side::Agent);
            self.pending.remember(&dispatch.draft.message_id, case, &side, entry);
        }
        if let (Some(entry), Purpose::RelayAll | Purpose::RelayOwner) = (entry, dispatch.purpose) {
            self.relayed(entry, &dispatch.draft).await?;
        }
        Ok(true)
    }

    /// Remembers what the agents got of an entry, to know it again in quotes (R43).
    async fn relayed(&mut self, entry: EntryRef, draft: &Draft) -> sqlx::Result<()> {
        let text = format!("{}\n{}", draft.text, html::to_text(&draft.html));
        if self.pending.relayed(entry, &text) {
            return Ok(());
        }
        let Some(id) = self.pending.id(entry) else {
            return Ok(());
        };
        sqlx::query("UPDATE entries SET relay_text = $1 WHERE id = $2 AND relay_text = ''")
            .bind(text)
            .bind(id)
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }
}
