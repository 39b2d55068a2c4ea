//! Where times are read: the boot-time clock, which nobody sets, and the wall clock, which people and NTP do.

use std::time::{SystemTime, UNIX_EPOCH};

/// Two clocks read at one moment; tests give their own.
pub trait Source: Send + Sync {
    /// Milliseconds since any fixed moment, sleep of the machine included. Never goes back.
    fn boot_ms(&self) -> i64;
    /// Unix milliseconds as the system's clock says.
    fn wall_ms(&self) -> i64;
}

/// The system's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Source for System {
    fn boot_ms(&self) -> i64 {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        now.tv_sec * 1_000 + now.tv_nsec / 1_000_000
    }

    fn wall_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}
