//! The only place that reads the time and the operating system's randomness.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[must_use]
pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

/// Random bytes from the operating system; all zero only if it has none to give.
#[must_use]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0u8; N];
    if let Err(error) = getrandom::fill(&mut bytes) {
        tracing::error!(%error, "the operating system gave no randomness");
    }
    bytes
}

/// A number in `0..=max`, for jitter.
#[must_use]
pub fn jitter(max: u64) -> u64 {
    let draw = u64::from_le_bytes(random::<8>());
    match max.checked_add(1) {
        Some(n) => draw % n,
        None => draw,
    }
}
