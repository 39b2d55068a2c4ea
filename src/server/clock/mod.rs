//! The daemon's time, the only one it has: windows, limits, breakers, lists, tokens, snoozes and reloads all live by it.
//!
//! It runs by the boot-time clock and is steered to the wall clock ([`steering`]), so that no step of that freezes a window, frees
//! a limit, or loses or doubles an event. How far the two are apart, and how often the wall clock stepped, is told by metrics.

mod source;
mod steering;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

pub use source::{Source, System};
use steering::{SLACK_MS, Steering};

/// Milliseconds between two looks at the wall clock. An eighth of it is the most by which time waits at a look.
const LOOK_MS: i64 = 16;

/// Unix milliseconds that never decrease, over all threads.
pub struct Clock {
    latest_ms: AtomicI64,
    kind: Kind,
}

enum Kind {
    /// Steered to the wall clock of that source.
    Steered(Box<Steered>),
    /// Whatever is given.
    Given(Arc<AtomicI64>),
}

struct Steered {
    source: Arc<dyn Source>,
    steering: Mutex<Steering>,
    offset_ms: AtomicI64,
    /// Boot time of the next look at the wall clock.
    look_boot_ms: AtomicI64,
    /// Ours less the wall clock's time.
    apart_ms: AtomicI64,
    steps: [AtomicU64; 2],
}

impl Default for Clock {
    fn default() -> Clock {
        Clock::of(Arc::new(System))
    }
}

impl Clock {
    /// A clock that is steered to the wall clock of that source.
    pub fn of(source: Arc<dyn Source>) -> Clock {
        let (boot_ms, wall_ms) = (source.boot_ms(), source.wall_ms());
        let steered = Steered {
            source,
            steering: Mutex::new(Steering::new(boot_ms, wall_ms)),
            offset_ms: AtomicI64::new(wall_ms - boot_ms),
            look_boot_ms: AtomicI64::new(boot_ms + LOOK_MS),
            apart_ms: AtomicI64::default(),
            steps: <[AtomicU64; 2]>::default(),
        };
        Clock { latest_ms: AtomicI64::default(), kind: Kind::Steered(Box::new(steered)) }
    }

    /// A clock that shows whatever Unix milliseconds the caller puts into `given_ms`, for traffic with a time of its own.
    pub fn manual(given_ms: Arc<AtomicI64>) -> Clock {
        Clock { latest_ms: AtomicI64::default(), kind: Kind::Given(given_ms) }
    }

    /// The time now, in Unix milliseconds.
    pub fn now_ms(&self) -> i64 {
        let now_ms = match &self.kind {
            // Acquire: whoever is told of a check has moved the clock for it before.
            Kind::Given(given_ms) => given_ms.load(Ordering::Acquire),
            Kind::Steered(steered) => steered.now_ms(),
        };
        // Most calls fall into a millisecond already seen and write nothing that other cores share.
        let latest_ms = self.latest_ms.load(Ordering::Relaxed);
        if latest_ms >= now_ms {
            return latest_ms;
        }
        self.latest_ms.fetch_max(now_ms, Ordering::Relaxed).max(now_ms)
    }

    /// A time that a caller states, in our time. While ours is apart from the wall clock a caller lives by either; of the two
    /// readings the one nearer to now is meant.
    pub fn stated_ms(&self, stated_ms: i64) -> i64 {
        let apart_ms = self.apart_ms();
        // A millisecond to and fro is no reason to read one statement in two ways.
        if apart_ms.abs() <= SLACK_MS {
            return stated_ms;
        }
        let (now_ms, by_wall_ms) = (self.now_ms(), stated_ms.saturating_add(apart_ms));
        let nearer = by_wall_ms.abs_diff(now_ms) < stated_ms.abs_diff(now_ms);
        if nearer { by_wall_ms } else { stated_ms }
    }

    /// How far ours is ahead of the wall clock, in milliseconds; negative behind it.
    pub fn apart_ms(&self) -> i64 {
        match &self.kind {
            Kind::Given(_) => 0,
            Kind::Steered(steered) => steered.apart_ms.load(Ordering::Relaxed),
        }
    }

    /// Steps of the wall clock so far, back and ahead.
    pub fn steps(&self) -> [u64; 2] {
        match &self.kind {
            Kind::Given(_) => [0; 2],
            Kind::Steered(steered) => steered.steps.each_ref().map(|steps| steps.load(Ordering::Relaxed)),
        }
    }
}

impl Steered {
    fn now_ms(&self) -> i64 {
        let boot_ms = self.source.boot_ms();
        if boot_ms >= self.look_boot_ms.load(Ordering::Relaxed) {
            self.look();
        }
        boot_ms + self.offset_ms.load(Ordering::Acquire)
    }

    /// Looks at the wall clock, unless somebody else is at it.
    #[cold]
    fn look(&self) {
        let Ok(mut steering) = self.steering.try_lock() else { return };
        // Read under the lock: looks are in order.
        let (boot_ms, wall_ms) = (self.source.boot_ms(), self.source.wall_ms());
        let before = steering.steps();
        self.offset_ms.store(steering.look(boot_ms, wall_ms), Ordering::Release);
        self.apart_ms.store(steering.apart_ms(), Ordering::Relaxed);
        self.look_boot_ms.store(boot_ms + LOOK_MS, Ordering::Relaxed);
        if before != steering.steps() {
            for (told, steps) in self.steps.iter().zip(steering.steps()) {
                told.store(steps, Ordering::Relaxed);
            }
            let apart_ms = -steering.apart_ms();
            tracing::warn!(apart_ms, "the wall clock stepped; time runs on by the boot-time clock");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Given {
        boot_ms: AtomicI64,
        wall_ms: AtomicI64,
    }

    impl Source for Given {
        fn boot_ms(&self) -> i64 {
            self.boot_ms.load(Ordering::Relaxed)
        }

        fn wall_ms(&self) -> i64 {
            self.wall_ms.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn the_systems_time_is_that_of_its_wall_clock() {
        let apart_ms = Clock::default().now_ms() - System.wall_ms();
        assert!(apart_ms.abs() < 1_000, "{apart_ms}");
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

    #[test]
    fn what_a_caller_states_by_either_clock_is_now() {
        let given = Arc::new(Given::default());
        given.wall_ms.store(1_000_000_000, Ordering::Relaxed);
        let clock = Clock::of(given.clone());
        for step_ms in [-3_600_000, 3_600_000] {
            given.wall_ms.fetch_add(step_ms, Ordering::Relaxed);
            given.boot_ms.fetch_add(20, Ordering::Relaxed);
            given.wall_ms.fetch_add(20, Ordering::Relaxed);
            let now_ms = clock.now_ms();
            assert!((clock.stated_ms(given.wall_ms()) - now_ms).abs() < 5);
            assert_eq!(clock.stated_ms(now_ms), now_ms);
            given.wall_ms.fetch_sub(step_ms, Ordering::Relaxed);
            given.boot_ms.fetch_add(20, Ordering::Relaxed);
            given.wall_ms.fetch_add(20, Ordering::Relaxed);
            clock.now_ms();
        }
        assert_eq!(clock.steps(), [2, 2]);
    }

    #[test]
    fn a_statement_is_read_in_one_way_while_the_clocks_differ_by_a_moment() {
        let source = Arc::new(Given::default());
        let clock = Clock::of(source.clone());
        let stated_ms = clock.now_ms() + 7;
        for (boot_ms, wall_ms) in [(1_000, 1_001), (2_000, 1_999), (3_000, 3_002), (4_000, 4_000)] {
            source.boot_ms.store(boot_ms, Ordering::Relaxed);
            source.wall_ms.store(wall_ms, Ordering::Relaxed);
            clock.now_ms();
            assert_eq!(clock.stated_ms(stated_ms), stated_ms, "{boot_ms} {wall_ms}");
        }
    }
}
