//! The log of what must be on disk before anyone is told: outcomes, list changes, activations. Same
//! segments as the decisions; callers that come while a sync is under way share the next one.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};

use crate::block::BlockBuilder;
use crate::error::{AppendError, OpenError};
use crate::limits::{LOG_PENDING_BYTES_MAX, RECORD_BYTES_MAX, RECORD_HEADER_BYTES};
use crate::recover::Recovery;
use crate::segment::{Failure, SegmentConfig, Segments};
use crate::stats::{Stats, add, set};
use crate::storage::Storage;
use crate::writer::Stopped;

type Done = Box<dyn FnOnce(Result<u64, AppendError>) + Send>;

/// An append-only log that acknowledges what is durable. Shared by reference; dropping it waits for what was taken.
pub struct Log {
    shared: Arc<Shared>,
    stats: Arc<Stats>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    pending: Mutex<Pending>,
    wake: Condvar,
}

/// What waits for the next sync.
struct Pending {
    block: BlockBuilder,
    /// Whom to tell, a caller a record.
    done: Vec<Done>,
    /// Records below this one are not needed any more; zero if nothing new was said of that.
    forget_before: u64,
    closed: bool,
}

impl Log {
    /// Repairs the end of the log if need be and starts its thread, named after what it keeps. Read it with a
    /// [`Reader`](crate::Reader) over the same storage.
    pub fn open(
        storage: Arc<dyn Storage>,
        config: SegmentConfig,
        name: &str,
    ) -> Result<(Log, Recovery), OpenError> {
        let (segments, recovery) = Segments::open(storage, config)?;
        let pending =
            Pending { block: BlockBuilder::new(), done: Vec::new(), forget_before: 0, closed: false };
        let shared = Arc::new(Shared { pending: Mutex::new(pending), wake: Condvar::new() });
        let stats = Arc::new(Stats::new(Vec::new(), true));
        let thread = {
            let (shared, stats) = (shared.clone(), stats.clone());
            thread::Builder::new().name(name.to_owned()).spawn(move || run(&shared, segments, stats))?
        };
        Ok((Log { shared, stats, thread: Some(thread) }, recovery))
    }

    /// Waits until the record is on disk; its number.
    pub fn append(&self, key: u64, record: &[u8]) -> Result<u64, AppendError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.append_then(key, record, move |result| {
            // The receiver waits below and cannot be gone.
            let _ = sender.send(result);
        })?;
        receiver.recv().unwrap_or(Err(AppendError::Closed))
    }

    /// Takes the record and calls `done` from the log's thread once it is on disk, or refused by it. Never
    /// waits; `done` must not either, nor panic.
    pub fn append_then(
        &self,
        key: u64,
        record: &[u8],
        done: impl FnOnce(Result<u64, AppendError>) + Send + 'static,
    ) -> Result<(), AppendError> {
        if record.len() > RECORD_BYTES_MAX {
            return Err(AppendError::TooLong);
        }
        let mut pending = self.shared.lock();
        if pending.closed {
            return Err(AppendError::Closed);
        }
        let bytes = pending.block.payload().len() + RECORD_HEADER_BYTES + record.len();
        if bytes > LOG_PENDING_BYTES_MAX || !pending.block.push(key, record) {
            return Err(AppendError::Busy);
        }
        pending.done.push(Box::new(done));
        drop(pending);
        self.shared.wake.notify_one();
        Ok(())
    }

    /// Deletes segments whose records all have numbers below this one, but never the last segment. Returns at once; what could not
    /// be deleted is tried again with the next call.
    pub fn forget_before(&self, number: u64) {
        let mut pending = self.shared.lock();
        pending.forget_before = pending.forget_before.max(number);
        drop(pending);
        self.shared.wake.notify_one();
    }

    /// Live counters. `lost_disk` counts appends that were refused by the disk.
    pub fn stats(&self) -> &Arc<Stats> {
        &self.stats
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Pending> {
        // Held only for moves of whole values: a poisoned one is whole.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for work and swaps records for an empty block; what may be deleted, or none once closed and empty.
    fn take(&self, block: &mut BlockBuilder, done: &mut Vec<Done>) -> Option<u64> {
        let mut pending = self.lock();
        while pending.block.is_empty() && pending.forget_before == 0 && !pending.closed {
            pending = self.wake.wait(pending).unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::swap(&mut pending.block, block);
        std::mem::swap(&mut pending.done, done);
        let forget_before = std::mem::take(&mut pending.forget_before);
        (!block.is_empty() || forget_before > 0).then_some(forget_before)
    }
}

fn run(shared: &Shared, mut segments: Segments, stats: Arc<Stats>) {
    let ending = Ending { shared, stats: Stopped(stats) };
    let stats = &ending.stats.0;
    let (mut block, mut done) = (BlockBuilder::new(), Vec::new());
    while let Some(forget_before) = shared.take(&mut block, &mut done) {
        if forget_before > 0 {
            segments.forget_before(forget_before);
            stats.publish(&segments);
        }
        if block.is_empty() {
            continue;
        }
        set(&stats.oldest_at_ms, stats.now().monotonic_ms + 1);
        let result = commit(&mut segments, &mut block, stats);
        set(&stats.oldest_at_ms, 0);
        stats.publish(&segments);
        stats.set_failed(result.is_err());
        block.clear();
        for (index, done) in done.drain(..).enumerate() {
            done(result.map(|first| first + index as u64).map_err(AppendError::Storage));
        }
    }
}

/// Writes and syncs a block; the number of its first record. A write is tried once more on a new segment; a
/// failed sync is told to the callers, who alone know whether to try again.
fn commit(segments: &mut Segments, block: &mut BlockBuilder, stats: &Stats) -> Result<u64, io::ErrorKind> {
    let count = u64::from(block.count());
    let now = stats.now();
    let mut append = || {
        segments.append(block, now.unix_ms).or_else(|failure| {
            add(&stats.failures, 1);
            drop(failure);
            segments.append(block, now.unix_ms)
        })
    };
    let committed = append().and_then(|(first, bytes)| {
        add(&stats.written, count);
        add(&stats.bytes, bytes);
        add(&stats.blocks, 1);
        segments.sync().map(|_| first)
    });
    match committed {
        Ok(first) => {
            set(&stats.committed_at_ms, stats.now().monotonic_ms);
            Ok(first)
        }
        Err(Failure { error, .. }) => {
            add(&stats.failures, 1);
            add(&stats.lost, count);
            Err(error.kind())
        }
    }
}

/// Refuses further appends once the thread has ended, however it ended; callers that still wait hear that
/// it is closed.
struct Ending<'a> {
    shared: &'a Shared,
    stats: Stopped,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let mut pending = self.shared.lock();
        pending.closed = true;
        let done = std::mem::take(&mut pending.done);
        drop(pending);
        for done in done {
            done(Err(AppendError::Closed));
        }
    }
}
