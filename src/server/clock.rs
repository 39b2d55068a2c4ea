//! The daemon's time: the system's, except that it never goes back. When the system's clock is set back, ours stands
//! still until it has been caught up with, so that no window loses or doubles an event.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Unix milliseconds that never decrease, over all threads.
#[derive(Debug, Default)]
pub struct Clock {
    latest_ms: AtomicI64,
}

impl Clock {
    /// The time now, in Unix milliseconds.
    pub fn now_ms(&self) -> i64 {
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
}
