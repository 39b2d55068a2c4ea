//! The latest records in memory, found by key: what `GET /v1/explain/{id}` answers from. The writing thread
//! fills it, the admin thread reads it, scoring threads never touch it.
//!
//! One ring of bytes, taken at start, and a table of buckets. Each entry names the one before it in its
//! bucket, so that an insert is a copy and one store, and what is overwritten needs no clearing: positions
//! only grow, and one behind the ring is gone.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::block::Records;
use crate::sample::Sample;

/// Bytes before each entry: length, key, position of the entry before it in its bucket.
const ENTRY_HEADER_BYTES: usize = 20;
/// Bytes of memory to one bucket: a record of usual size, so that buckets hold about one live entry.
const BYTES_PER_BUCKET: usize = 256;
/// No entry. Positions stay far below: at a gigabyte a second they would take five centuries to reach it.
const NONE: u64 = u64::MAX;

/// A bounded store of the latest records.
pub struct Recent {
    inner: Mutex<Inner>,
    sample: Mutex<Sample>,
}

struct Inner {
    bytes: Box<[u8]>,
    buckets: Box<[u64]>,
    /// Where the next entry goes; its place in `bytes` is the remainder.
    end: u64,
    /// Drawn at start, so that no one can aim keys at one bucket.
    multiplier: u64,
}

impl Recent {
    /// A store that takes about that many bytes, buckets included, now and for good.
    pub fn new(capacity_bytes: usize) -> Recent {
        let capacity_bytes = capacity_bytes.max(BYTES_PER_BUCKET);
        // A bucket takes 8 bytes: at most an eighth of the memory, since the count is rounded up to a power of two.
        let buckets = (capacity_bytes / BYTES_PER_BUCKET / 2).next_power_of_two();
        let bytes = capacity_bytes - buckets * size_of::<u64>();
        let inner = Inner {
            bytes: vec![0; bytes].into(),
            buckets: vec![NONE; buckets].into(),
            end: 0,
            multiplier: RandomState::new().build_hasher().finish() | 1,
        };
        Recent { inner: Mutex::new(inner), sample: Mutex::new(Sample::new(0)) }
    }

    /// The same with a sample of up to so many records.
    pub fn with_sample(mut self, records_max: usize) -> Recent {
        self.sample = Mutex::new(Sample::new(records_max));
        self
    }

    /// A fair sample of the records that came since this was last asked, as many as were asked for at most.
    pub fn take_sample(&self) -> Vec<Vec<u8>> {
        self.sample().take()
    }

    /// The newest record of that key, if it is still held.
    pub fn find(&self, key: u64) -> Option<Vec<u8>> {
        self.find_where(key, |_| true)
    }

    /// The newest record of that key that also passes the test: two ids may share a key.
    pub fn find_where(&self, key: u64, is_it: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
        let inner = self.lock();
        let mut position = inner.buckets[inner.bucket(key)];
        while let Some((found, previous, bytes)) = inner.entry(position) {
            if found == key && is_it(bytes) {
                return Some(bytes.to_vec());
            }
            position = previous;
        }
        None
    }

    /// Keeps the records of a payload, oldest first.
    pub(crate) fn insert(&self, payload: &[u8]) {
        let (mut inner, mut sample) = (self.lock(), self.sample());
        for (key, bytes) in Records::new(payload) {
            inner.insert(key, bytes);
            sample.see(bytes);
        }
    }

    fn sample(&self) -> MutexGuard<'_, Sample> {
        self.sample.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here panics halfway through a change; a poisoned store is whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn bucket(&self, key: u64) -> usize {
        // The high bits of a product depend on all bits of the key.
        let hash = key.wrapping_mul(self.multiplier) >> 32;
        hash as usize & (self.buckets.len() - 1)
    }

    fn insert(&mut self, key: u64, record: &[u8]) {
        let capacity = self.bytes.len();
        let needed = ENTRY_HEADER_BYTES + record.len();
        if needed > capacity {
            return;
        }
        let mut place = (self.end % capacity as u64) as usize;
        if place + needed > capacity {
            // Entries lie in one piece: the rest of the round stays empty.
            self.end += (capacity - place) as u64;
            place = 0;
        }
        let bucket = self.bucket(key);
        let entry = &mut self.bytes[place..place + needed];
        entry[0..4].copy_from_slice(&(record.len() as u32).to_le_bytes());
        entry[4..12].copy_from_slice(&key.to_le_bytes());
        entry[12..20].copy_from_slice(&self.buckets[bucket].to_le_bytes());
        entry[20..].copy_from_slice(record);
        self.buckets[bucket] = self.end;
        self.end += needed as u64;
    }

    /// Key, position of the one before, and bytes of the entry there; none if it was overwritten.
    fn entry(&self, position: u64) -> Option<(u64, u64, &[u8])> {
        let capacity = self.bytes.len() as u64;
        if position == NONE || position < self.end.saturating_sub(capacity) {
            return None;
        }
        let entry = self.bytes.get((position % capacity) as usize..)?;
        let (length, rest) = entry.split_first_chunk()?;
        let (key, rest) = rest.split_first_chunk()?;
        let (previous, rest) = rest.split_first_chunk()?;
        let bytes = rest.get(..u32::from_le_bytes(*length) as usize)?;
        Some((u64::from_le_bytes(*key), u64::from_le_bytes(*previous), bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::BlockBuilder;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn insert(recent: &Recent, key: u64, record: &[u8]) {
        let mut block = BlockBuilder::new();
        assert!(block.push(key, record));
        recent.insert(block.payload());
    }

    #[test]
    fn the_newest_of_a_key_is_found_first() {
        let recent = Recent::new(4096);
        insert(&recent, 5, b"first");
        insert(&recent, 5, b"second");
        assert_eq!(recent.find(5).unwrap(), b"second");
        assert_eq!(recent.find_where(5, |bytes| bytes.starts_with(b"f")).unwrap(), b"first");
        assert_eq!(recent.find(6), None);
    }

    #[test]
    fn a_sample_is_of_what_came_since_the_last() {
        let recent = Recent::new(512).with_sample(10);
        insert(&recent, 1, b"first");
        insert(&recent, 2, &[7; 600]);
        assert_eq!(recent.take_sample(), [b"first".to_vec(), vec![7; 600]]);
        insert(&recent, 1, b"second");
        assert_eq!(recent.take_sample(), [b"second"]);
        assert!(recent.take_sample().is_empty());
    }

    #[test]
    fn a_record_larger_than_the_store_is_not_kept_and_harms_nothing() {
        let recent = Recent::new(512);
        insert(&recent, 1, b"small");
        insert(&recent, 2, &[0; 600]);
        assert_eq!(recent.find(1).unwrap(), b"small");
        assert_eq!(recent.find(2), None);
    }

    proptest! {
        /// Against a map that forgets nothing: what is found is the newest, and the latest half of the
        /// memory is always found.
        #[test]
        fn what_is_found_is_the_newest_and_the_latest_are_found(
            records in prop::collection::vec((0u64..40, 0usize..200), 1..400)
        ) {
            let recent = Recent::new(4096);
            let mut newest = HashMap::new();
            for (number, &(key, length)) in records.iter().enumerate() {
                let mut record = vec![key as u8; length];
                record.extend_from_slice(&(number as u32).to_le_bytes());
                insert(&recent, key, &record);
                newest.insert(key, record);
            }
            for (key, record) in &newest {
                if let Some(found) = recent.find(*key) {
                    prop_assert_eq!(&found, record);
                }
            }
            let mut bytes = 0;
            for &(key, length) in records.iter().rev() {
                bytes += length + 4 + ENTRY_HEADER_BYTES;
                if bytes > 2048 {
                    break;
                }
                prop_assert!(recent.find(key).is_some());
            }
        }
    }
}
