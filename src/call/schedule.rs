//! When a call is made again.
//!
//! Decides   the time of the next attempt: twice as long each time, and once more when the time is up.

/// After the first attempt, milliseconds.
const FIRST_MS: i64 = 5_000;
/// At most between two attempts, milliseconds.
const LONGEST_MS: i64 = 3_600_000;

/// The time of the next attempt, milliseconds; `attempts` were made before this one.
#[must_use]
pub fn next_ms(now_ms: i64, attempts: i64, until_ms: i64, jitter_ms: i64) -> i64 {
    let doubled = u32::try_from(attempts.clamp(0, 20)).unwrap_or_default();
    let pause = FIRST_MS.saturating_mul(1i64.checked_shl(doubled).unwrap_or(i64::MAX)).min(LONGEST_MS);
    now_ms.saturating_add(pause).saturating_add(jitter_ms).min(until_ms.max(now_ms.saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_an_hour_and_the_last_attempt_is_at_the_end() {
        let at = |attempts| next_ms(0, attempts, i64::MAX, 0);
        assert_eq!(
            [at(0), at(1), at(2), at(9), at(10), at(1_000)],
            [5_000, 10_000, 20_000, 2_560_000, 3_600_000, 3_600_000]
        );
        assert_eq!(next_ms(1_000, 3, 9_000, 500), 9_000);
        assert_eq!(next_ms(10_000, 3, 9_000, 500), 10_001);
    }
}
