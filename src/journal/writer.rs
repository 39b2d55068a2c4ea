//! The writing thread: one for all workers, off their cores' work, asleep while there is nothing to write.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::drain::Drain;
use crate::error::OpenError;
use crate::limits::{COMMIT_INTERVAL_MS_DEFAULT, RETRY_MS_DEFAULT};
use crate::recent::Recent;
use crate::recover::Recovery;
use crate::ring::Consumer;
use crate::segment::SegmentConfig;
use crate::stats::{Stats, StatsSnapshot};
use crate::storage::Storage;

/// Pause between turns while records come in: long enough for a large block, short enough for a small ring.
const BUSY_PAUSE: Duration = Duration::from_millis(1);

/// What to do when the disk fails or is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// Go on deciding; count what was not logged.
    #[default]
    Availability,
    /// Tell through [`Stats::refuse`] that checks must be refused until writing succeeds again.
    Durability,
}

/// How the writer works.
#[derive(Clone, Copy, Debug)]
pub struct WriterConfig {
    /// How segments are cut and kept.
    pub segments: SegmentConfig,
    /// Time between syncs, in milliseconds: what a power cut may cost.
    pub commit_interval_ms: u64,
    /// What to do when the disk fails.
    pub on_failure: OnFailure,
    /// Time between attempts while it fails, in milliseconds.
    pub retry_ms: u64,
}

impl Default for WriterConfig {
    fn default() -> WriterConfig {
        WriterConfig {
            segments: SegmentConfig::default(),
            commit_interval_ms: COMMIT_INTERVAL_MS_DEFAULT,
            on_failure: OnFailure::default(),
            retry_ms: RETRY_MS_DEFAULT,
        }
    }
}

/// The running writer. Dropping it closes it.
#[derive(Debug)]
pub struct Writer {
    stats: Arc<Stats>,
    recovery: Recovery,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Repairs the end of the journal if need be and starts the thread.
    pub fn start(
        storage: Arc<dyn Storage>,
        config: &WriterConfig,
        rings: Vec<Consumer>,
        recent: Option<Arc<Recent>>,
    ) -> Result<Writer, OpenError> {
        let (drain, recovery) = Drain::open(storage, config, rings, recent)?;
        let stats = drain.stats().clone();
        let stop = Arc::new(AtomicBool::new(false));
        let thread = start_thread(drain, stop.clone(), Duration::from_millis(config.commit_interval_ms))?;
        Ok(Writer { stats, recovery, stop, thread: Some(thread) })
    }

    /// Live counters, and the flag that asks to refuse checks.
    pub fn stats(&self) -> &Arc<Stats> {
        &self.stats
    }

    /// What was found on disk at start.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Takes what still waits in the rings, syncs it, ends the thread; the last counts.
    pub fn close(mut self) -> StatsSnapshot {
        self.stop();
        self.stats.snapshot()
    }

    fn stop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // Should it have panicked, the counters say `stopped` and what is missing.
            let _ = thread.join();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn start_thread(drain: Drain, stop: Arc<AtomicBool>, interval: Duration) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(String::from("journal")).spawn(move || run(drain, &stop, interval))
}

fn run(mut drain: Drain, stop: &AtomicBool, interval: Duration) {
    let stats = Stopped(drain.stats().clone());
    while !stop.load(Ordering::Acquire) {
        let taken = drain.turn(stats.0.now());
        thread::park_timeout(if taken > 0 { BUSY_PAUSE.min(interval) } else { interval });
    }
    drain.finish(stats.0.now());
}

/// Tells that the thread is gone, however it ended.
pub(crate) struct Stopped(pub Arc<Stats>);

impl Drop for Stopped {
    fn drop(&mut self) {
        self.0.set_stopped();
    }
}
