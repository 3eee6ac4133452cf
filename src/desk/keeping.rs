//! What is kept no longer (R80).
//!
//! Decides   which notifications go: those older than `retention.notifications`. A reply after that still opens a case, from
//!           what its token alone proves (R72).
//! Never     touches a case: one that a notification became keeps it as its first entry.

use super::outgoing::Sheet;
use super::policy::Policy;
use super::token::CaseKey;
use super::{Decision, Effect, Event, Outcome};

/// Notifications, with the time each was taken, milliseconds, that may be old enough.
#[must_use]
pub fn expired(event: &Event, old: &[(CaseKey, i64)], policy: &Policy) -> Decision {
    let before_ms = kept_since_ms(policy, event.at_ms);
    let gone: Vec<CaseKey> = old.iter().filter(|(_, at_ms)| *at_ms < before_ms).map(|(case, _)| *case).collect();
    let because = format!("{} notifications are older than retention.notifications", gone.len());
    let mut sheet = Sheet::new(event, policy);
    if !gone.is_empty() {
        sheet.push(Effect::ForgetNotifications { cases: gone, before_ms });
    }
    sheet.done(Outcome::Handled, "R80", &because, None)
}

/// Notifications that were taken before this time go, milliseconds.
#[must_use]
pub fn kept_since_ms(policy: &Policy, now_ms: i64) -> i64 {
    now_ms.saturating_sub(policy.notifications_ms)
}
