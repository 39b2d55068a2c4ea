//! Every bound and default of the journal, in one place, with its reason.

/// Longest record, in bytes. A decision with every field at its bound is a few kilobytes; the rest is room to grow.
pub const RECORD_BYTES_MAX: usize = 64 << 10;
/// Bytes before each record in rings and blocks: length and key.
pub const RECORD_HEADER_BYTES: usize = 12;
/// Largest payload of a block, in bytes. A reader never holds more than one block, whatever a file claims.
pub const BLOCK_BYTES_MAX: usize = 1 << 20;
/// A block this full is written without waiting for the next commit: large writes cost less per record.
pub const BLOCK_BYTES_WRITE: usize = 64 << 10;
/// Bytes of a segment header, and of a block header.
pub const HEADER_BYTES: usize = 80;
/// Smallest `segment_bytes_max` that is accepted: below it, headers outweigh records.
pub const SEGMENT_BYTES_MIN: u64 = 1 << 10;
/// Default size at which a segment is closed and the next begun. Recovery reads one segment: a fraction of a second.
pub const SEGMENT_BYTES_DEFAULT: u64 = 128 << 20;
/// Default bytes of segments kept; the oldest are deleted beyond it.
pub const RETAIN_BYTES_DEFAULT: u64 = 8 << 30;
/// Default time between syncs, in milliseconds: what a power cut may cost.
pub const COMMIT_INTERVAL_MS_DEFAULT: u64 = 10;
/// Longest `commit_interval_ms` that is accepted: a longer one would no longer be a commit interval.
pub const COMMIT_INTERVAL_MS_MAX: u64 = 10_000;
/// Default time between attempts to write again after the disk failed, in milliseconds.
pub const RETRY_MS_DEFAULT: u64 = 1_000;
/// Default size of a worker's ring, in bytes: about 100,000 records of 300 bytes, a sync of 100 ms at a
/// million a second.
pub const RING_BYTES_DEFAULT: usize = 32 << 20;
/// Default memory of the latest records, in bytes: about 200,000 records of 300 bytes.
pub const RECENT_BYTES_DEFAULT: usize = 64 << 20;
/// Bytes of acknowledged-only appends that may wait for one sync before callers are told to come back.
pub const LOG_PENDING_BYTES_MAX: usize = BLOCK_BYTES_MAX;
/// Most faults a report lists; further ones are only counted.
pub const FAULTS_MAX: usize = 1_000;
/// Bytes read at a time when a damaged segment is searched for its next whole block.
pub const SEARCH_BYTES: usize = 64 << 10;

// The longest record must fit an empty block, and a block must be able to fill to the eager write first.
const _: () = assert!(RECORD_BYTES_MAX + RECORD_HEADER_BYTES < BLOCK_BYTES_MAX);
const _: () = assert!(BLOCK_BYTES_WRITE + RECORD_BYTES_MAX + RECORD_HEADER_BYTES <= BLOCK_BYTES_MAX);
// A block's length and count are written as 32 bits.
const _: () = assert!(BLOCK_BYTES_MAX <= u32::MAX as usize);
const _: () = assert!(LOG_PENDING_BYTES_MAX <= BLOCK_BYTES_MAX);
