//! Waiting for a moment more finely than the runtime's timer, which wakes up to two milliseconds late.

use std::time::{Duration, Instant};

/// How early the timer is left for spinning: it counts in milliseconds, rounds up, and so does the system below it.
const SPIN: Duration = Duration::from_micros(3500);

/// Returns at that moment, or at once if it has passed. Other tasks of the thread run meanwhile.
pub(crate) async fn until(moment: Instant) {
    let now = Instant::now();
    if moment <= now {
        return;
    }
    if moment - now > SPIN {
        tokio::time::sleep(moment - now - SPIN).await;
    }
    while Instant::now() < moment {
        // Sockets are looked at between two turns.
        tokio::task::yield_now().await;
    }
}
