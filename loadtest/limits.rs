//! Every bound of a run, in one place, with its reason.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Checks a second, over all connections: from a trickle to more than any transport carries.
pub(crate) const RATE: RangeInclusive<f64> = 0.1..=100_000_000.0;
/// A run stops by itself within a day.
pub(crate) const DURATION_MAX: Duration = Duration::from_secs(86_400);
pub(crate) const CONNECTIONS: RangeInclusive<usize> = 1..=1024;
pub(crate) const THREADS: RangeInclusive<usize> = 1..=64;
pub(crate) const WINDOW: RangeInclusive<usize> = 1..=4096;
pub(crate) const BATCH: RangeInclusive<usize> = 1..=wire::limits::BATCH_CHECKS_MAX;
pub(crate) const ACCOUNTS: RangeInclusive<u64> = 1..=1_000_000_000;
pub(crate) const PHASES_MAX: usize = 32;
/// Batches of one connection that may be under way in open loop; a server further behind holds the sender up, which
/// then says so. Bounds memory, and is a power of two.
pub(crate) const IN_FLIGHT_MAX: usize = 8192;
/// Bytes gathered before they are written.
pub(crate) const WRITE_BYTES: usize = 128 << 10;
/// Distinct checks that are encoded before the start, whatever the rate; ids are made fresh on each use.
pub(crate) const STOCK_CHECKS: usize = 200_000;
/// Bytes of encoded checks, which ends the stock earlier where checks are long.
pub(crate) const STOCK_BYTES_MAX: usize = 256 << 20;
/// How long answers are waited for after the last check was sent.
pub(crate) const DRAIN: Duration = Duration::from_secs(3);
/// How long a connection may take to come up.
pub(crate) const CONNECT: Duration = Duration::from_secs(5);
/// How long a spinning thread looks for stalls of the machine, before and after a run.
pub(crate) const PROBE: Duration = Duration::from_millis(500);
/// Longest latency a histogram tells apart, in nanoseconds; longer ones count as this.
pub(crate) const LATENCY_NS_MAX: u64 = 600_000_000_000;

const _: () = assert!(IN_FLIGHT_MAX.is_power_of_two());
const _: () = assert!(*WINDOW.end() <= IN_FLIGHT_MAX);
