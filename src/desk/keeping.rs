//! What is kept no longer (R80).
//!
//! Decides   how long each kind of thing is kept, and what of it goes. A reply to a notification that is gone still opens a
//!           case, from what its token alone proves (R72); one to a case that is gone opens a new one.
//! Never     touches what waits, what an operator holds, or what is younger than `[retention]` says: the store looks once
//!           more, in the transaction in which it goes.

use super::outgoing::Sheet;
use super::policy::Policy;
use super::token::CaseKey;
use super::{CaseView, Decision, Effect, Event, Outcome, View};

/// What is kept for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Notifications that nobody answered, by the case that an answer would open; since they were taken.
    Notifications,
    /// The mails of a case as they came and left; since it was closed.
    Raw,
    /// Mails that belong to no case, as they came; since they came.
    Unfiled,
    /// Mails of ours that belong to no case, like digests; since they were written.
    Summaries,
    /// Cases with all that was said in them; since they were closed.
    Cases,
    /// Mail that could not be handled; since it was put there.
    Quarantine,
}

impl Kept {
    /// All of them, in the order in which they go.
    pub const ALL: [Kept; 6] =
        [Kept::Notifications, Kept::Raw, Kept::Unfiled, Kept::Summaries, Kept::Cases, Kept::Quarantine];

    /// The word in event ids.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Kept::Notifications => "notifications",
            Kept::Raw => "raw",
            Kept::Unfiled => "unfiled",
            Kept::Summaries => "summaries",
            Kept::Cases => "cases",
            Kept::Quarantine => "quarantine",
        }
    }

    /// How many of them go at once.
    #[must_use]
    pub fn batch(self) -> i64 {
        match self {
            Kept::Notifications | Kept::Unfiled | Kept::Summaries | Kept::Quarantine => 200,
            Kept::Raw => 50,
            Kept::Cases => 20,
        }
    }

    /// What began before this time goes, milliseconds.
    #[must_use]
    pub fn since_ms(self, policy: &Policy, now_ms: i64) -> i64 {
        let kept = &policy.retention;
        now_ms.saturating_sub(match self {
            Kept::Notifications => kept.notifications_ms,
            Kept::Raw | Kept::Unfiled | Kept::Summaries => kept.raw_ms,
            Kept::Cases => kept.case_ms,
            Kept::Quarantine => kept.quarantine_ms,
        })
    }
}

/// Things that may be old enough.
#[derive(Debug, Clone)]
pub struct Old {
    /// What they are.
    pub kept: Kept,
    /// Their keys or rows, with the time since when they are kept, milliseconds.
    pub found: Vec<(i64, i64)>,
}

/// What is too old goes.
#[must_use]
pub fn expired(event: &Event, old: &Old, policy: &Policy) -> Decision {
    let before_ms = old.kept.since_ms(policy, event.at_ms);
    let gone: Vec<i64> = old.found.iter().filter(|(_, at_ms)| *at_ms < before_ms).map(|(id, _)| *id).collect();
    let because = format!("kept for long enough: {} of {}", gone.len(), old.kept.word());
    let mut sheet = Sheet::new(event, policy);
    if !gone.is_empty() {
        sheet.push(Effect::Expire { kept: old.kept, ids: gone, before_ms });
    }
    sheet.done(Outcome::Handled, "R80", &because, None)
}

/// What an operator decides about the keeping of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It stays, whatever `[retention]` says.
    Hold,
    /// `[retention]` says how long it stays.
    LetGo,
    /// It goes now, with all that was said in it.
    Erase,
}

/// An operator decides about the keeping of a case, and of those that were merged into it.
#[must_use]
pub fn ordered(event: &Event, reference: i64, verdict: Verdict, view: &View, policy: &Policy) -> Decision {
    let mut sheet = Sheet::new(event, policy);
    let Some(known) = view.cases.values().find(|c| c.case.reference == reference).map(|c| view.surviving(c)) else {
        return sheet.done(Outcome::Ignored, "R80", "there is no such case", None);
    };
    let key = known.case.key;
    match verdict {
        Verdict::Hold | Verdict::LetGo => hold(&mut sheet, key, verdict == Verdict::Hold),
        Verdict::Erase if is_held(known) => {
            return sheet.done(Outcome::Ignored, "R80", "it is on hold", Some(key));
        }
        Verdict::Erase => {
            sheet.push(Effect::Forget(key));
            return sheet.done(Outcome::Handled, "R80", "erased", None);
        }
    }
    sheet.done(Outcome::Handled, "R80", "it is noted", Some(key))
}

fn is_held(known: &CaseView) -> bool {
    known.case.handling.on_hold
}

fn hold(sheet: &mut Sheet<'_>, key: CaseKey, on: bool) {
    sheet.push(Effect::Hold(key, on));
    let (kind, detail) = match on {
        true => ("on_hold", "kept until the hold ends, whatever [retention] says"),
        false => ("off_hold", "kept as long as [retention] says"),
    };
    sheet.log(key, kind, "operator", "R80", detail);
}
