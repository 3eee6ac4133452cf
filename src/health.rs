//! Is every loop alive? Each publishes until when it will be heard of again; a loop that waits rightly is not stuck.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock;

/// All loops of the daemon.
#[derive(Debug, Clone, Default)]
pub struct Health {
    deadlines: Arc<Mutex<BTreeMap<String, Arc<AtomicI64>>>>,
}

/// One loop's own deadline.
#[derive(Debug, Clone)]
pub struct Beat(Arc<AtomicI64>);

impl Health {
    /// A loop begins; it is alive until it says otherwise.
    #[must_use]
    pub fn beat(&self, name: &str) -> Beat {
        let mut deadlines = self.deadlines.lock().unwrap_or_else(PoisonError::into_inner);
        Beat(deadlines.entry(name.to_owned()).or_insert_with(|| Arc::new(AtomicI64::new(i64::MAX))).clone())
    }

    /// Loops that should have been heard of by now.
    #[must_use]
    pub fn overdue(&self, now_ms: i64) -> Vec<String> {
        let deadlines = self.deadlines.lock().unwrap_or_else(PoisonError::into_inner);
        deadlines.iter().filter(|(_, at)| at.load(Ordering::Relaxed) < now_ms).map(|(name, _)| name.clone()).collect()
    }
}

impl Beat {
    /// The loop will be heard of again within this time.
    pub fn within(&self, time: Duration) {
        let ms = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        self.0.store(clock::now_ms().saturating_add(ms), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_is_overdue_only_after_the_time_that_it_named() {
        let health = Health::default();
        let beat = health.beat("intake of support");
        assert!(health.overdue(clock::now_ms()).is_empty(), "not heard of yet");
        beat.within(Duration::from_secs(10));
        let now = clock::now_ms();
        assert!(health.overdue(now + 9_000).is_empty());
        assert_eq!(health.overdue(now + 11_000), ["intake of support"]);
        beat.within(Duration::from_secs(60));
        assert!(health.overdue(now + 11_000).is_empty());
    }
}
