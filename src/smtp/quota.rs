//! What a relay takes of us in a minute and in a day (`smtp.per_minute`, `smtp.per_day`).
//!
//! Decides   how many mails may be begun now; a fifth of the day is kept for agents' answers (R60).

use std::collections::VecDeque;

/// Milliseconds of a minute and of a day.
const MINUTE_MS: i64 = 60_000;
/// The day is the last 24 hours, at any time.
pub const DAY_MS: i64 = 86_400_000;

/// Limits, and the mails that count against them.
#[derive(Debug, Clone, Default)]
pub struct Quota {
    per_minute: Option<u32>,
    per_day: Option<u32>,
    /// When mails of the last day were begun, milliseconds, oldest first.
    begun_ms: VecDeque<i64>,
}

/// How many mails may be begun now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed {
    /// Of any kind.
    pub any: usize,
    /// If they are answers.
    pub answers: usize,
}

impl Quota {
    /// Nothing was begun yet.
    #[must_use]
    pub fn new(per_minute: Option<u32>, per_day: Option<u32>) -> Self {
        Quota { per_minute, per_day, begun_ms: VecDeque::new() }
    }

    /// The limit of a day, if there is one.
    #[must_use]
    pub fn per_day(&self) -> Option<u32> {
        self.per_day
    }

    /// Mails that an earlier run sent, in any order.
    pub fn recall(&mut self, mut sent_ms: Vec<i64>) {
        sent_ms.extend(&self.begun_ms);
        sent_ms.sort_unstable();
        self.begun_ms = sent_ms.into();
    }

    /// A mail is begun.
    pub fn begin(&mut self, now_ms: i64) {
        if self.per_minute.is_some() || self.per_day.is_some() {
            self.begun_ms.push_back(now_ms);
        }
    }

    /// How many mails may be begun now.
    pub fn allowed(&mut self, now_ms: i64) -> Allowed {
        while self.begun_ms.front().is_some_and(|at| *at <= now_ms.saturating_sub(DAY_MS)) {
            self.begun_ms.pop_front();
        }
        let minute = self.begun_ms.iter().rev().take_while(|at| **at > now_ms.saturating_sub(MINUTE_MS)).count();
        let left = |limit: Option<u32>, used: usize| {
            limit.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX).saturating_sub(used))
        };
        let minute = left(self.per_minute, minute);
        let kept = self.per_day.map(|day| day.div_ceil(5));
        let others = self.per_day.zip(kept).map(|(day, kept)| day.saturating_sub(kept));
        let used = self.begun_ms.len();
        Allowed { any: minute.min(left(others, used)), answers: minute.min(left(self.per_day, used)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r60_a_fifth_of_the_day_is_kept_for_answers() {
        let mut quota = Quota::new(None, Some(10));
        for n in 0..8 {
            assert_eq!(
                quota.allowed(n),
                Allowed { any: 8 - usize::try_from(n).unwrap(), answers: 10 - usize::try_from(n).unwrap() }
            );
            quota.begin(n);
        }
        assert_eq!(quota.allowed(8), Allowed { any: 0, answers: 2 });
        quota.begin(9);
        quota.begin(10);
        assert_eq!(quota.allowed(11), Allowed { any: 0, answers: 0 });
        assert_eq!(quota.allowed(DAY_MS + 4), Allowed { any: 3, answers: 5 }, "a day later the oldest count no more");
        assert_eq!(Quota::new(None, Some(1)).allowed(0), Allowed { any: 0, answers: 1 });
    }

    #[test]
    fn r60_minutes_and_earlier_runs_count() {
        let mut quota = Quota::new(Some(3), Some(100));
        quota.begin(5);
        quota.recall(vec![4, 1, 2]);
        assert_eq!(quota.allowed(6), Allowed { any: 0, answers: 0 });
        assert_eq!(quota.allowed(MINUTE_MS + 3), Allowed { any: 1, answers: 1 });
        let mut free = Quota::default();
        free.begin(1);
        assert_eq!(free.allowed(2), Allowed { any: usize::MAX, answers: usize::MAX });
    }
}
