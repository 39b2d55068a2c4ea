//! How still the machine stands. A thread that only looks at the clock sees every moment it was not given: tails below
//! that are the machine's, not the server's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Largest gaps seen around a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stalls {
    pub before: Duration,
    /// Only where there are cores to spare: a spinning thread on a full machine would cause what it looks for.
    pub during: Option<Duration>,
    pub after: Duration,
}

/// The longest gap between two looks at the clock of a thread that does nothing else for that long.
pub(crate) fn largest_gap(length: Duration) -> Duration {
    let start = Instant::now();
    spin(|now| now - start >= length)
}

fn spin(done: impl Fn(Instant) -> bool) -> Duration {
    let mut before = Instant::now();
    let mut largest = Duration::ZERO;
    loop {
        let now = Instant::now();
        largest = largest.max(now - before);
        before = now;
        if done(now) {
            return largest;
        }
        std::hint::spin_loop();
    }
}

/// A probe that spins beside a run.
pub(crate) struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Duration>,
}

impl Watch {
    /// Starts one, if there is a core for it beside the generator's threads and as many of the server's.
    pub fn start(threads: usize) -> Option<Watch> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        if cores < 2 * threads + 2 {
            return None;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || spin(|_| stopped.load(Ordering::Relaxed)));
        Some(Watch { stop, thread })
    }

    pub fn stop(self) -> Duration {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}
