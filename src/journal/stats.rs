//! What the journal tells the rest of the daemon: counters for metrics, and the one flag that makes it
//! refuse checks. All atomics: read from anywhere, without waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::drain::Now;
use crate::segment::Segments;

/// Live counters of a writer or a log.
#[derive(Debug)]
pub struct Stats {
    epoch: Instant,
    /// Losses of each ring, counted by its producer.
    rings_lost: Vec<Arc<AtomicU64>>,
    refuse_on_failure: bool,
    failed: AtomicBool,
    stopped: AtomicBool,
    pub(crate) written: AtomicU64,
    pub(crate) durable: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) blocks: AtomicU64,
    pub(crate) syncs: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) kept_bytes: AtomicU64,
    pub(crate) segments_removed: AtomicU64,
    pub(crate) waiting_bytes: AtomicU64,
    /// When everything taken was last known to be on disk, in milliseconds since `epoch`.
    pub(crate) committed_at_ms: AtomicU64,
    /// When the oldest record that is not yet on disk was taken, plus one; zero if there is none.
    pub(crate) oldest_at_ms: AtomicU64,
}

/// [`Stats`] at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatsSnapshot {
    /// Records written to a segment.
    pub written: u64,
    /// Records known to survive a power cut.
    pub durable: u64,
    /// Records refused by full rings.
    pub lost_ring: u64,
    /// Records taken and then lost to a failing disk.
    pub lost_disk: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Blocks written.
    pub blocks: u64,
    /// Syncs done.
    pub syncs: u64,
    /// Writes and syncs that failed.
    pub failures: u64,
    /// Bytes of all segments kept.
    pub kept_bytes: u64,
    /// Segments deleted by retention.
    pub segments_removed: u64,
    /// Bytes that stood in the rings when they were last looked at.
    pub waiting_bytes: u64,
    /// Milliseconds since everything taken was last known to be on disk.
    pub last_sync_age_ms: u64,
    /// Age of the oldest record that is not on disk yet, in milliseconds; zero if there is none.
    pub lag_ms: u64,
    /// Whether the last write or sync failed and none has succeeded since.
    pub failed: bool,
    /// Whether the writing thread has ended.
    pub stopped: bool,
}

impl StatsSnapshot {
    /// Records lost for any cause.
    pub fn lost(&self) -> u64 {
        self.lost_ring + self.lost_disk
    }
}

impl Stats {
    pub(crate) fn new(rings_lost: Vec<Arc<AtomicU64>>, refuse_on_failure: bool) -> Stats {
        Stats {
            epoch: Instant::now(),
            rings_lost,
            refuse_on_failure,
            failed: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            written: AtomicU64::new(0),
            durable: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            blocks: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            kept_bytes: AtomicU64::new(0),
            segments_removed: AtomicU64::new(0),
            waiting_bytes: AtomicU64::new(0),
            committed_at_ms: AtomicU64::new(0),
            oldest_at_ms: AtomicU64::new(0),
        }
    }

    /// Whether checks must be refused because they could not be recorded: the disk fails and the
    /// configuration chose durability. One relaxed load on the way of every check.
    pub fn refuse(&self) -> bool {
        self.refuse_on_failure && (self.failed() || self.stopped.load(Ordering::Relaxed))
    }

    /// Whether the last write or sync failed and none has succeeded since.
    pub fn failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// All counters now.
    pub fn snapshot(&self) -> StatsSnapshot {
        let now_ms = self.now().monotonic_ms;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let oldest_at_ms = read(&self.oldest_at_ms);
        StatsSnapshot {
            written: read(&self.written),
            durable: read(&self.durable),
            lost_ring: self.rings_lost(),
            lost_disk: read(&self.lost),
            bytes: read(&self.bytes),
            blocks: read(&self.blocks),
            syncs: read(&self.syncs),
            failures: read(&self.failures),
            kept_bytes: read(&self.kept_bytes),
            segments_removed: read(&self.segments_removed),
            waiting_bytes: read(&self.waiting_bytes),
            last_sync_age_ms: now_ms.saturating_sub(read(&self.committed_at_ms)),
            lag_ms: oldest_at_ms.checked_sub(1).map_or(0, |oldest_at_ms| now_ms.saturating_sub(oldest_at_ms)),
            failed: self.failed(),
            stopped: self.stopped.load(Ordering::Relaxed),
        }
    }

    /// Takes over what the segments count.
    pub(crate) fn publish(&self, segments: &Segments) {
        let counts = segments.counts();
        set(&self.durable, counts.durable);
        set(&self.syncs, counts.syncs);
        set(&self.segments_removed, counts.removed);
        set(&self.kept_bytes, segments.kept_bytes());
    }

    pub(crate) fn rings_lost(&self) -> u64 {
        self.rings_lost.iter().map(|lost| lost.load(Ordering::Relaxed)).sum()
    }

    pub(crate) fn set_failed(&self, failed: bool) {
        self.failed.store(failed, Ordering::Relaxed);
    }

    pub(crate) fn set_stopped(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// The time as the writing thread sees it.
    pub(crate) fn now(&self) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { monotonic_ms: self.epoch.elapsed().as_millis() as u64, unix_ms: unix.as_millis() as u64 }
    }
}

/// Adds to a counter.
pub(crate) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

/// Sets a gauge.
pub(crate) fn set(gauge: &AtomicU64, value: u64) {
    gauge.store(value, Ordering::Relaxed);
}
