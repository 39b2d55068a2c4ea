//! The writing end of a folder of segments: appends blocks, syncs, begins the next segment, deletes the oldest.
//!
//! After a failed write or sync the page cache can no longer be believed (a second fsync may succeed though
//! the data is gone), so the segment is cut back to what is known to be on disk and left; the next block
//! begins a new one.

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::sync::Arc;

use crate::block::{BlockBuilder, Hash, SegmentHeader, link};
use crate::error::OpenError;
use crate::limits::{HEADER_BYTES, RETAIN_BYTES_DEFAULT, SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MIN};
use crate::recover::{Recovery, recover};
use crate::scan::Scan;
use crate::storage::{Storage, StorageFile, write_full};

/// How segments are cut and kept.
#[derive(Clone, Copy, Debug)]
pub struct SegmentConfig {
    /// A segment that a block would take past this is closed first. A single block may exceed it.
    pub segment_bytes_max: u64,
    /// Bytes of all segments kept; the oldest are deleted beyond it, never the one being written. None keeps all.
    pub retain_bytes_max: Option<u64>,
}

impl Default for SegmentConfig {
    fn default() -> SegmentConfig {
        SegmentConfig {
            segment_bytes_max: SEGMENT_BYTES_DEFAULT,
            retain_bytes_max: Some(RETAIN_BYTES_DEFAULT),
        }
    }
}

const NAME_DIGITS: usize = 20;
const NAME_SUFFIX: &str = ".segment";

/// Name of the file of that sequence; names sort as sequences do.
pub(crate) fn name_of(sequence: u64) -> String {
    format!("{sequence:0NAME_DIGITS$}{NAME_SUFFIX}")
}

/// The reverse of [`name_of`]; none for files that are no segments.
pub(crate) fn sequence_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(NAME_SUFFIX)?;
    let sound = digits.len() == NAME_DIGITS && digits.bytes().all(|digit| digit.is_ascii_digit());
    digits.parse().ok().filter(|_| sound)
}

/// A write or sync that failed. The segment has been left.
#[derive(Debug)]
pub(crate) struct Failure {
    pub error: io::Error,
    /// Records that had been appended and are not known to be on disk.
    pub lost: u64,
}

/// The segment being written.
struct Open {
    file: Box<dyn StorageFile>,
    sequence: u64,
    mark: u64,
    /// Hash of what its header follows.
    previous: Hash,
    written_bytes: u64,
    /// What is known to be on disk: length and hash of its last block. Nothing yet while zero.
    synced_bytes: u64,
    synced_head: Hash,
    unsynced_records: u64,
}

/// The writing end of a folder of segments.
pub(crate) struct Segments {
    storage: Arc<dyn Storage>,
    config: SegmentConfig,
    open: Option<Open>,
    /// Closed segments, oldest first: sequence and bytes.
    closed: VecDeque<(u64, u64)>,
    next_sequence: u64,
    next_number: u64,
    head: Hash,
    counts: Counts,
}

/// What has become of appended blocks, for the metrics.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Records known to be on disk.
    pub durable: u64,
    /// Syncs that succeeded.
    pub syncs: u64,
    /// Segments deleted because they exceeded what is kept.
    pub removed: u64,
}

impl Segments {
    /// Reads what is there, cuts off an unfinished write at the end, and stands ready to append after it.
    pub fn open(storage: Arc<dyn Storage>, config: SegmentConfig) -> Result<(Segments, Recovery), OpenError> {
        if config.segment_bytes_max < SEGMENT_BYTES_MIN {
            return Err(OpenError::Config("segment_bytes_max is too small"));
        }
        if config.retain_bytes_max.is_some_and(|retain| retain < config.segment_bytes_max) {
            return Err(OpenError::Config("retain_bytes_max is smaller than segment_bytes_max"));
        }
        let found = recover(&*storage)?;
        let mut segments = Segments {
            storage,
            config,
            open: None,
            closed: found.closed,
            next_sequence: found.next_sequence,
            next_number: found.recovery.next_number,
            head: found.head,
            counts: Counts::default(),
        };
        segments.retain();
        Ok((segments, found.recovery))
    }

    /// What has become of the blocks so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Bytes on disk, all segments together.
    pub fn kept_bytes(&self) -> u64 {
        let open = self.open.as_ref().map_or(0, |open| open.written_bytes);
        self.closed.iter().map(|(_, bytes)| bytes).sum::<u64>() + open
    }

    /// Records appended and not yet synced.
    pub fn unsynced_records(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.unsynced_records)
    }

    /// Passes over numbers of records that were lost before they reached a block, so that the journal
    /// itself shows the gap.
    pub fn skip(&mut self, count: u64) {
        self.next_number = self.next_number.saturating_add(count);
    }

    /// Appends a block; the number of its first record and its bytes. On failure the block keeps its
    /// records: the caller may append it again, which begins a new segment.
    pub fn append(&mut self, block: &mut BlockBuilder, now_unix_ms: u64) -> Result<(u64, u64), Failure> {
        let bytes = (HEADER_BYTES + block.payload().len()) as u64;
        let full = self.open.as_ref().is_some_and(|open| {
            open.written_bytes > HEADER_BYTES as u64
                && open.written_bytes + bytes > self.config.segment_bytes_max
        });
        if full {
            self.close()?;
        }
        self.begin(now_unix_ms)?;
        // `begin` has just seen to it that one is open.
        let Some(open) = &mut self.open else {
            return Err(Failure { error: io::ErrorKind::NotFound.into(), lost: 0 });
        };
        let first_number = self.next_number;
        let sealed = block.seal(open.mark, first_number, now_unix_ms, self.head);
        if let Err(error) = write_full(&*open.file, sealed, open.written_bytes) {
            return Err(self.leave(error, true));
        }
        self.head = link(sealed);
        open.written_bytes += bytes;
        open.unsynced_records += u64::from(block.count());
        self.next_number = first_number.saturating_add(u64::from(block.count()));
        Ok((first_number, bytes))
    }

    /// Makes everything appended survive a power cut.
    pub fn sync(&mut self) -> Result<(), Failure> {
        self.try_sync().map_err(|error| self.leave(error, false))
    }

    fn try_sync(&mut self) -> io::Result<()> {
        let Some(open) = &mut self.open else { return Ok(()) };
        if open.synced_bytes == open.written_bytes {
            return Ok(());
        }
        open.file.sync()?;
        if open.synced_bytes == 0 {
            // The first sync also makes the file's name last.
            self.storage.sync()?;
        }
        open.synced_bytes = open.written_bytes;
        open.synced_head = self.head;
        self.counts.durable += std::mem::take(&mut open.unsynced_records);
        self.counts.syncs += 1;
        Ok(())
    }

    /// Syncs and closes the segment being written, if there is one.
    fn close(&mut self) -> Result<(), Failure> {
        self.sync()?;
        if let Some(open) = self.open.take() {
            self.closed.push_back((open.sequence, open.written_bytes));
        }
        Ok(())
    }

    /// Begins a segment unless one is being written.
    pub fn begin(&mut self, now_unix_ms: u64) -> Result<(), Failure> {
        if self.open.is_some() {
            return Ok(());
        }
        let sequence = self.next_sequence;
        let header = SegmentHeader {
            sequence,
            created_unix_ms: now_unix_ms,
            mark: random_mark(sequence),
            first_number: self.next_number,
            previous: self.head,
        };
        let bytes = header.encode();
        let file = self.storage.create(&name_of(sequence)).map_err(|error| Failure { error, lost: 0 })?;
        self.next_sequence += 1;
        let open = self.open.insert(Open {
            file,
            sequence,
            mark: header.mark,
            previous: self.head,
            written_bytes: 0,
            synced_bytes: 0,
            synced_head: self.head,
            unsynced_records: 0,
        });
        if let Err(error) = write_full(&*open.file, &bytes, 0) {
            return Err(self.leave(error, false));
        }
        open.written_bytes = bytes.len() as u64;
        self.head = link(&bytes);
        self.retain();
        Ok(())
    }

    /// Leaves the segment being written, cut back to what is on disk for certain. A failed write says
    /// nothing of the blocks before it, so these get one more sync (`try_sync`); after a failed sync
    /// nothing since the last good one is certain.
    fn leave(&mut self, error: io::Error, try_sync: bool) -> Failure {
        if try_sync {
            // Whether it worked shows in what is known to be on disk.
            let _ = self.try_sync();
        }
        let Some(open) = self.open.take() else { return Failure { error, lost: 0 } };
        // Should cutting or removing fail too, a reader finds the remains and reports them.
        if open.synced_bytes > HEADER_BYTES as u64 {
            let _ = open.file.truncate(open.synced_bytes).and_then(|()| open.file.sync());
            self.head = open.synced_head;
            self.closed.push_back((open.sequence, open.synced_bytes));
        } else {
            // Not one block is certain: nothing is worth a file, and a full disk must not collect empty ones.
            self.head = open.previous;
            if self.storage.remove(&name_of(open.sequence)).is_ok() {
                self.next_sequence = open.sequence;
            } else {
                self.closed.push_back((open.sequence, open.written_bytes));
            }
        }
        Failure { error, lost: open.unsynced_records }
    }

    /// Deletes closed segments whose records all have numbers below this one, oldest first. The last segment stays: it says where
    /// the chain goes on.
    pub fn forget_before(&mut self, number: u64) {
        while let Some(&(sequence, _)) = self.closed.front() {
            let next = self.closed.get(1).map(|(sequence, _)| *sequence);
            let Some(next) = next.or(self.open.as_ref().map(|open| open.sequence)) else { return };
            let first = Scan::first_number(&*self.storage, &name_of(next));
            let removed =
                first.is_some_and(|first| first <= number) && self.storage.remove(&name_of(sequence)).is_ok();
            if !removed {
                return;
            }
            self.closed.pop_front();
            self.counts.removed += 1;
        }
    }

    /// Deletes the oldest closed segments beyond what is kept. One that cannot be deleted is tried again
    /// with the next segment.
    fn retain(&mut self) {
        let Some(retain_bytes_max) = self.config.retain_bytes_max else { return };
        let mut kept_bytes = self.kept_bytes();
        while kept_bytes > retain_bytes_max {
            let Some(&(sequence, bytes)) = self.closed.front() else { return };
            match self.storage.remove(&name_of(sequence)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return,
                _ => {}
            }
            self.closed.pop_front();
            self.counts.removed += 1;
            kept_bytes -= bytes;
        }
    }
}

/// 64 bits that a sender of records cannot guess: the standard library's per-process hash key, drawn from the system.
fn random_mark(sequence: u64) -> u64 {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u64(sequence);
    hasher.finish()
}
