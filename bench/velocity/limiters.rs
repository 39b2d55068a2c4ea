//! governor: a keyed rate limiter for each of the twelve windows, every one asked by every check that has its key.
//!
//! It does less: a limiter says yes or no by the rate of a key, from one number a key. It tells no count, knows neither sums
//! nor distinct values nor maxima, and cannot be looked at without being taken from. Its clock is the events' own.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use governor::clock::{Clock, FakeRelativeClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use super::event::{Event, Values};
use super::maps::Hashed;
use super::system::System;

type Limiter = RateLimiter<
    u64,
    DashMapStateStore<u64, Hashed>,
    FakeRelativeClock,
    NoOpMiddleware<<FakeRelativeClock as Clock>::Instant>,
>;

/// Place of the key among an event's, and length in seconds, of each window.
const WINDOWS: [(usize, u64); 12] = [
    (0, 600),
    (0, 3_600),
    (0, 86_400),
    (0, 86_400),
    (1, 600),
    (1, 86_400),
    (1, 3_600),
    (2, 60),
    (2, 600),
    (2, 86_400),
    (3, 604_800),
    (3, 604_800),
];
/// Events that a key may have at once in each.
const BURST: NonZeroU32 = NonZeroU32::new(10).unwrap();

/// Limiters, one a window.
pub struct Limiters {
    clock: FakeRelativeClock,
    time_ms: AtomicI64,
    limiters: Vec<Limiter>,
}

impl Default for Limiters {
    fn default() -> Limiters {
        let clock = FakeRelativeClock::default();
        let limiters = WINDOWS.iter().filter_map(|&(_, seconds)| {
            let quota = Quota::with_period(Duration::from_secs(seconds) / BURST.get())?.allow_burst(BURST);
            Some(Limiter::dashmap_with_clock_and_hasher(quota, clock.clone(), Hashed::default()))
        });
        Limiters { limiters: limiters.collect(), clock, time_ms: AtomicI64::new(i64::MAX) }
    }
}

impl System for Limiters {
    fn take(&self, _: usize, events: &[Event], values: &mut [Values]) {
        for (event, values) in events.iter().zip(values) {
            let before_ms = self.time_ms.swap(event.time_ms, Ordering::Relaxed);
            if before_ms < event.time_ms {
                self.clock.advance(Duration::from_millis((event.time_ms - before_ms) as u64));
            }
            for ((limiter, (key, _)), value) in self.limiters.iter().zip(WINDOWS).zip(values) {
                let key = event.keys[key];
                if key != 0 {
                    *value = i64::from(limiter.check_key(&key).is_ok());
                }
            }
        }
    }
}
