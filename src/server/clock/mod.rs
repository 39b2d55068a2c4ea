//! The daemon's time: the system's, except that it never goes back. When the system's clock is set back, ours stands
//! still until it has been caught up with, so that no window loses or doubles an event.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Unix milliseconds that never decrease, over all threads.
#[derive(Debug, Default)]
pub struct Clock {
    latest_ms: AtomicI64,
    /// Absent for the system's time.
    given_ms: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// A clock that shows whatever Unix milliseconds the caller puts into `given_ms`, for traffic with a time of its own.
    pub fn manual(given_ms: Arc<AtomicI64>) -> Clock {
        Clock { latest_ms: AtomicI64::default(), given_ms: Some(given_ms) }
    }

    /// The time now, in Unix milliseconds.
    pub fn now_ms(&self) -> i64 {
        if let Some(given_ms) = &self.given_ms {
            // Acquire: whoever is told of a check has moved the clock for it before.
            return self.at_least(given_ms.load(Ordering::Acquire));
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.at_least(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn at_least(&self, system_ms: i64) -> i64 {
        // Most calls fall into a millisecond already seen and write nothing that other cores share.
        let latest_ms = self.latest_ms.load(Ordering::Relaxed);
        if latest_ms >= system_ms {
            return latest_ms;
        }
        self.latest_ms.fetch_max(system_ms, Ordering::Relaxed).max(system_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stands_still_while_the_system_clock_is_behind() {
        let clock = Clock::default();
        assert_eq!(clock.at_least(1_000), 1_000);
        assert_eq!(clock.at_least(400), 1_000);
        assert_eq!(clock.at_least(1_001), 1_001);
    }

    #[test]
    fn a_given_time_is_followed_forward_only() {
        let given_ms = Arc::new(AtomicI64::new(5));
        let clock = Clock::manual(given_ms.clone());
        assert_eq!(clock.now_ms(), 5);
        given_ms.store(9, Ordering::Release);
        assert_eq!(clock.now_ms(), 9);
        given_ms.store(7, Ordering::Release);
        assert_eq!(clock.now_ms(), 9);
    }
}
