//! One event of a group: look up, decide, and hand over what follows.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use sqlx::AnyConnection;

use crate::clock;
use crate::desk::digest::Due;
use crate::desk::loops::{BREAKER_CLOSES, BREAKER_STAYS};
use crate::desk::notified::TOO_MUCH_COMES_BACK;
use crate::desk::policy::Policy;
use crate::desk::probe::Progress;
use crate::desk::{Decision, Effect, Event, Keys, LogLine, ROUNDS_MAX, Step, View, What, decide};
use crate::failpoint;
use crate::mail::text::without_local_parts;
use crate::store::events::{self, Happened};
use crate::store::pending::{EntryRef, Pending};
use crate::store::quarantine::{self, Quarantined};
use crate::store::shelf::Shelf;
use crate::store::{agenda, commit, load, notices};

use super::Handled;
use super::prepare::{Broken, Prepared};

/// What a group of events shares.
pub(super) struct Deciding<'a> {
    pub policy: &'a Policy,
    pub shelf: Shelf,
    pub pending: Pending,
}

impl Deciding<'_> {
    /// Handles one event; `true` if mails were queued.
    pub async fn one(
        &mut self,
        connection: &mut AnyConnection,
        prepared: &Prepared,
    ) -> Result<(Handled, bool), Failure> {
        if self.shelf.is_handled(prepared.id()) {
            return Ok((repeated(prepared), false));
        }
        let event = match &prepared.event {
            Ok(event) => event,
            Err(broken) => {
                self.shelf.decided(&broken.id, None, &[]);
                return Ok((put_aside(connection, &mut self.pending, broken, &prepared.raw()).await?, false));
            }
        };
        let decision = self.decision(connection, event).await?;
        let told = commit::commit(connection, &mut self.pending, &event.id, event.at_ms, &decision).await?;
        self.record(event, &decision, prepared, told.first_entry);
        if let Some(seen) = &prepared.notice {
            notices::seen(connection, seen, clock::now_ms()).await?;
        }
        failpoint::poison("event.decided", &prepared.raw());
        failpoint::deadly("event.ends", &prepared.raw());
        if let What::Due(_) = &event.what {
            agenda::done(connection, &event.id).await?;
        }
        say(event, &decision);
        let content = match &event.what {
            What::Arrived(arrival) => Some(arrival.mail.content_hash),
            _ => None,
        };
        self.shelf.decided(&event.id, content, &decision.effects);
        let because = format!("{} ({})", decision.because, decision.rule);
        let handled = Handled {
            event: event.id.clone(),
            kind: kind(&event.what, &decision.effects),
            outcome: decision.outcome.word(),
            rule: decision.rule,
            queued: queued(&decision.effects),
            because,
        };
        Ok((handled, told.queued))
    }

    async fn decision(&mut self, connection: &mut AnyConnection, event: &Event) -> Result<Decision, Failure> {
        let mut view = View::default();
        for _ in 0..ROUNDS_MAX {
            match decide(event, &view, self.policy) {
                Step::Done(decision) => return Ok(decision),
                Step::Need(keys) => {
                    let keys = self.shelf.answer(*keys, &mut view);
                    if self.would_miss(&keys) {
                        self.pending.flush(connection).await?;
                    }
                    load::load(connection, &keys, &mut view, self.policy, event.at_ms).await?;
                }
            }
        }
        Err(Failure::Panic("no decision after all rounds".to_owned()))
    }

    /// Would a look-up miss rows that are not written yet?
    fn would_miss(&self, keys: &Keys) -> bool {
        let only_cases = Keys { cases: keys.cases.clone(), ..Keys::default() } == *keys;
        keys.cases.iter().any(|case| self.pending.holds(*case)) || (!only_cases && !self.pending.is_empty())
    }

    fn record(&mut self, event: &Event, decision: &Decision, prepared: &Prepared, entry: Option<EntryRef>) {
        let happened = Happened {
            id: &event.id,
            at_ms: event.at_ms,
            kind: kind(&event.what, &decision.effects),
            outcome: decision.outcome.word(),
            rule: decision.rule,
            because: &decision.because,
            case: decision.case,
        };
        events::add(&mut self.pending, &happened);
        if let What::Arrived(arrival) = &event.what {
            let content = (prepared.raw(), prepared.blobs.as_slice());
            events::add_mail(&mut self.pending, &happened, arrival, decision, content, entry);
        }
        if let Some(body) = &prepared.body {
            self.pending.body(body, event.at_ms);
        }
    }
}

/// The word for what happened. A probe is kept among the notifications, and so it counts among them (R95).
fn kind(what: &What, effects: &[Effect]) -> &'static str {
    match what {
        What::Probe { .. } | What::Due(Due::Probe { .. })
            if effects.iter().any(|e| matches!(e, Effect::Notify(..))) =>
        {
            "submitted"
        }
        What::Probe { .. } => "probe",
        What::Arrived(_) => "arrived",
        What::Submitted(_) => "submitted",
        What::Undeliverable(_) => "undeliverable",
        What::Staffed(_) => "staffed",
        What::Untold(_) => "untold",
        What::OldMail { .. } => "old_mail",
        What::Expired(_) => "expired",
        What::Keeping { .. } => "keeping",
        What::Moved(_) => "moved",
        What::RotateTokens { .. } => "rotate_tokens",
        What::Welcome { .. } => "welcome",
        What::Due(due) => due.word(),
        What::Reopened(_) => "reopened",
        What::Ordered(_) => "ordered",
        What::Presence { .. } => "presence",
        What::Called(_) => "called",
    }
}

/// What was queued, by purpose.
fn queued(effects: &[Effect]) -> Vec<&'static str> {
    let purpose = |effect: &Effect| match effect {
        Effect::Send(dispatch) => Some(dispatch.purpose.word()),
        _ => None,
    };
    effects.iter().filter_map(purpose).collect()
}

fn repeated(prepared: &Prepared) -> Handled {
    Handled {
        event: prepared.id().to_owned(),
        kind: prepared.event.as_ref().map_or("arrived", |event| kind(&event.what, &[])),
        outcome: "repeated",
        rule: "",
        queued: Vec::new(),
        because: "this event was handled before".to_owned(),
    }
}

/// What an operator wants to see in the log at once.
fn say(event: &Event, decision: &Decision) {
    for effect in &decision.effects {
        if let Effect::Log(_, LogLine { kind: "alarm", rule, detail, .. }) = effect {
            tracing::error!(event.id = event.id, rule, reason = detail, "somebody must look at this");
        }
        if let Effect::Probe(_, Progress::Failed { step, words }) = effect {
            let (step, reason) = (step.word(), without_local_parts(words));
            tracing::error!(
                event.id = event.id,
                rule = "R95",
                step,
                reason,
                "somebody must look at this: a probe failed"
            );
        }
    }
    let looks = decision.effects.iter().any(|e| matches!(e, Effect::Remind(_, Due::Breaker)));
    match decision.because.as_str() {
        BREAKER_STAYS => tracing::warn!("{BREAKER_STAYS}"),
        TOO_MUCH_COMES_BACK => {
            tracing::error!(event.id = event.id, "somebody must look at this: {TOO_MUCH_COMES_BACK}")
        }
        BREAKER_CLOSES => tracing::info!("{BREAKER_CLOSES}"),
        _ if looks => tracing::warn!(
            "the breaker of acknowledgements opens: limits.ack_total is used up, and strangers get none until it closes by itself"
        ),
        _ => {}
    }
}

/// Work that must not take others down with it: a panic inside is one way to end.
pub(super) async fn guarded<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let mut work = pin!(work);
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
        polled.unwrap_or_else(|_| Poll::Ready(Err(Failure::Panic("handling it panicked".to_owned()))))
    })
    .await
}

/// Puts a mail into quarantine, whole.
pub(super) async fn put_aside(
    connection: &mut AnyConnection,
    pending: &mut Pending,
    broken: &Broken,
    raw: &[u8],
) -> sqlx::Result<Handled> {
    let now = clock::now_ms();
    let row = Quarantined {
        id: 0,
        event_id: broken.id.clone(),
        mailbox: broken.mailbox.clone(),
        at_ms: now,
        reason: broken.reason.clone(),
        size_bytes: i64::try_from(raw.len()).unwrap_or(i64::MAX),
        old: broken.old,
    };
    quarantine::put(connection, &row, raw).await?;
    let (kind, outcome, rule) = ("arrived", "quarantined", "G3");
    let happened = Happened { id: &broken.id, at_ms: now, kind, outcome, rule, because: &broken.reason, case: None };
    events::add(pending, &happened);
    Ok(Handled { event: broken.id.clone(), kind, outcome, rule, queued: Vec::new(), because: broken.reason.clone() })
}

/// Why an event could not be handled.
pub(super) enum Failure {
    Store(sqlx::Error),
    Panic(String),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Failure::Store(error)
    }
}

impl Failure {
    pub fn words(&self) -> String {
        match self {
            Failure::Store(error) => format!("it could not be stored: {error}"),
            Failure::Panic(words) => words.clone(),
        }
    }
}

/// Is it the database that fails (locked, full, gone), rather than this event's data?
pub(super) fn is_the_stores(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(database) => {
            let data = database.code().is_some_and(|code| code.starts_with("22") && code.len() == 5);
            !data
                && !database.is_unique_violation()
                && !database.is_foreign_key_violation()
                && !database.is_check_violation()
        }
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::RowNotFound => false,
        _ => true,
    }
}
