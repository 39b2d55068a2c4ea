//! The writer without its thread: takes records out of the rings, writes blocks, syncs when due. Time is
//! handed in, so that tests run it turn by turn against a failing disk.

use std::sync::Arc;

use crate::block::BlockBuilder;
use crate::error::OpenError;
use crate::limits::{BLOCK_BYTES_WRITE, COMMIT_INTERVAL_MS_MAX};
use crate::recent::Recent;
use crate::recover::Recovery;
use crate::ring::Consumer;
use crate::segment::{Failure, Segments};
use crate::stats::{Stats, add, set};
use crate::storage::Storage;
use crate::writer::{OnFailure, WriterConfig};

/// Most rounds over the rings while closing, so that a producer which never stops cannot hold it up.
const FINAL_ROUNDS_MAX: usize = 64;

/// The time of a turn.
#[derive(Clone, Copy, Debug, Default)]
pub struct Now {
    /// Milliseconds that only ever grow; what intervals are measured in.
    pub monotonic_ms: u64,
    /// Milliseconds since 1970, for people.
    pub unix_ms: u64,
}

/// Takes records out of rings and brings them to disk, one turn at a time.
pub struct Drain {
    rings: Vec<Consumer>,
    recent: Option<Arc<Recent>>,
    segments: Segments,
    block: BlockBuilder,
    stats: Arc<Stats>,
    on_failure: OnFailure,
    commit_interval_ms: u64,
    retry_ms: u64,
    committed_at_ms: u64,
    retry_at_ms: u64,
    /// Losses of the rings that have been given their numbers.
    rings_lost: u64,
}

impl Drain {
    /// Opens the segments and stands ready for the first turn.
    pub fn open(
        storage: Arc<dyn Storage>,
        config: &WriterConfig,
        rings: Vec<Consumer>,
        recent: Option<Arc<Recent>>,
    ) -> Result<(Drain, Recovery), OpenError> {
        if !(1..=COMMIT_INTERVAL_MS_MAX).contains(&config.commit_interval_ms) {
            return Err(OpenError::Config("commit_interval_ms is out of range"));
        }
        let (segments, recovery) = Segments::open(storage, config.segments)?;
        let lost = rings.iter().map(Consumer::lost_counter).collect();
        let drain = Drain {
            rings,
            recent,
            segments,
            block: BlockBuilder::new(),
            stats: Arc::new(Stats::new(lost, config.on_failure == OnFailure::Durability)),
            on_failure: config.on_failure,
            commit_interval_ms: config.commit_interval_ms,
            retry_ms: config.retry_ms,
            committed_at_ms: 0,
            retry_at_ms: 0,
            rings_lost: 0,
        };
        drain.publish();
        Ok((drain, recovery))
    }

    /// The counters this drain keeps.
    pub fn stats(&self) -> &Arc<Stats> {
        &self.stats
    }

    /// Takes what waits, writes it if it is much or the commit is due, syncs if due; the bytes taken. Under
    /// `durability` a failing disk leaves records in the rings until they are full; under `availability`
    /// they are taken, counted as lost and dropped.
    pub fn turn(&mut self, now: Now) -> usize {
        if self.stats.failed() && now.monotonic_ms >= self.retry_at_ms {
            self.revive(now);
        }
        let holds_back = self.stats.failed() && self.on_failure == OnFailure::Durability;
        let taken = if holds_back { 0 } else { self.take(now) };
        let due = now.monotonic_ms.saturating_sub(self.committed_at_ms) >= self.commit_interval_ms;
        if due || self.stats.failed() || self.block.payload().len() >= BLOCK_BYTES_WRITE {
            self.write(now);
        }
        if due {
            self.commit(now);
        }
        self.publish();
        taken
    }

    /// Takes everything that still waits, writes and syncs it. What a failing disk refuses now is lost, and counted.
    pub fn finish(&mut self, now: Now) {
        if self.stats.failed() {
            self.revive(now);
        }
        self.on_failure = OnFailure::Availability;
        for _ in 0..FINAL_ROUNDS_MAX {
            if self.take(now) == 0 {
                break;
            }
        }
        self.write(now);
        self.commit(now);
        self.publish();
    }

    /// Moves what waited when each ring was looked at into blocks; the bytes moved.
    fn take(&mut self, now: Now) -> usize {
        let mut taken = 0;
        for index in 0..self.rings.len() {
            let mut left = self.rings[index].waiting_bytes();
            while left > 0 {
                if !self.block.fits_any() {
                    self.write(now);
                }
                let was_empty = self.block.is_empty();
                let from = self.block.payload().len();
                let moved = self.rings[index].drain(&mut self.block, left);
                if moved == 0 {
                    break;
                }
                if was_empty && self.segments.unsynced_records() == 0 {
                    set(&self.stats.oldest_at_ms, now.monotonic_ms + 1);
                }
                if let Some(recent) = &self.recent {
                    recent.insert(&self.block.payload()[from..]);
                }
                left -= moved;
                taken += moved;
            }
        }
        taken
    }

    /// Writes the block, on a new segment if the one at hand fails. A block that cannot be written is
    /// dropped or held, by configuration.
    fn write(&mut self, now: Now) {
        if self.block.is_empty() {
            return;
        }
        if !self.stats.failed() {
            self.number_losses();
            for _ in 0..2 {
                match self.append(now) {
                    Ok(()) => return,
                    Err(failure) => self.count_failure(&failure),
                }
            }
            self.fail(now);
        }
        if self.on_failure == OnFailure::Availability {
            let count = u64::from(self.block.count());
            add(&self.stats.lost, count);
            self.segments.skip(count);
            self.block.clear();
        }
    }

    fn append(&mut self, now: Now) -> Result<(), Failure> {
        let (_, bytes) = self.segments.append(&mut self.block, now.unix_ms)?;
        add(&self.stats.written, u64::from(self.block.count()));
        add(&self.stats.bytes, bytes);
        add(&self.stats.blocks, 1);
        self.block.clear();
        Ok(())
    }

    /// Syncs. After a failed sync a new segment is tried at once: one bad file is not yet a bad disk.
    fn commit(&mut self, now: Now) {
        if self.stats.failed() {
            return;
        }
        match self.sync(now) {
            Ok(()) => {}
            Err(failure) => {
                self.count_failure(&failure);
                self.revive(now);
            }
        }
    }

    fn sync(&mut self, now: Now) -> Result<(), Failure> {
        self.segments.sync()?;
        self.committed_at_ms = now.monotonic_ms;
        set(&self.stats.committed_at_ms, now.monotonic_ms);
        let oldest_at_ms = if self.block.is_empty() { 0 } else { now.monotonic_ms + 1 };
        set(&self.stats.oldest_at_ms, oldest_at_ms);
        Ok(())
    }

    /// Tries to write again: a new segment, the block that was held, a sync.
    fn revive(&mut self, now: Now) {
        let held = !self.block.is_empty();
        let begun = if held { self.append(now) } else { self.segments.begin(now.unix_ms) };
        match begun.and_then(|()| self.sync(now)) {
            Ok(()) => self.stats.set_failed(false),
            Err(failure) => {
                self.count_failure(&failure);
                self.fail(now);
            }
        }
    }

    fn fail(&mut self, now: Now) {
        self.retry_at_ms = now.monotonic_ms.saturating_add(self.retry_ms);
        self.stats.set_failed(true);
    }

    fn count_failure(&mut self, failure: &Failure) {
        add(&self.stats.failures, 1);
        add(&self.stats.lost, failure.lost);
    }

    /// Gives records that the rings refused their numbers, so that the gap stands in the journal.
    fn number_losses(&mut self) {
        let rings_lost = self.stats.rings_lost();
        self.segments.skip(rings_lost.saturating_sub(self.rings_lost));
        self.rings_lost = rings_lost;
    }

    fn publish(&self) {
        self.stats.publish(&self.segments);
        set(&self.stats.waiting_bytes, self.rings.iter().map(|ring| ring.waiting_bytes() as u64).sum());
    }
}
