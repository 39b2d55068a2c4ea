//! A worker's way into the journal: a bounded ring of bytes with one producer and one consumer. Pushing
//! copies the record once, allocates nothing and never waits; what does not fit is counted as lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::block::{BlockBuilder, encode_record_header, record_header};
use crate::error::PushError;
use crate::limits::{RECORD_BYTES_MAX, RECORD_HEADER_BYTES};

/// A ring of that many bytes, taken and touched now. A record costs its length and 12 bytes.
pub fn ring(capacity_bytes: usize) -> (Producer, Consumer) {
    let (mut producer, mut consumer) = rtrb::RingBuffer::new(capacity_bytes);
    touch(&mut producer, &mut consumer, capacity_bytes);
    let lost = Arc::new(AtomicU64::new(0));
    (Producer { bytes: producer, lost: lost.clone() }, Consumer { bytes: consumer, lost })
}

/// Writes every byte once, so that no page is first touched while a check is being decided.
fn touch(producer: &mut rtrb::Producer<u8>, consumer: &mut rtrb::Consumer<u8>, capacity_bytes: usize) {
    let zeros = [0; 4096];
    let mut left = capacity_bytes;
    while left > 0 {
        let (written, _) = producer.push_partial_slice(&zeros[..left.min(zeros.len())]);
        left -= written.len();
    }
    if let Ok(chunk) = consumer.read_chunk(capacity_bytes) {
        chunk.commit_all();
    }
}

/// The worker's end of a ring.
#[derive(Debug)]
pub struct Producer {
    bytes: rtrb::Producer<u8>,
    lost: Arc<AtomicU64>,
}

impl Producer {
    /// Hands over a record, found again by `key`. Refused records are counted and gone.
    pub fn push(&mut self, key: u64, record: &[u8]) -> Result<(), PushError> {
        if record.len() > RECORD_BYTES_MAX {
            return self.refuse(PushError::TooLong);
        }
        let needed = RECORD_HEADER_BYTES + record.len();
        if self.bytes.cached_slots() < needed && self.bytes.slots() < needed {
            return self.refuse(PushError::Full);
        }
        // Header and record are published one after the other; the consumer waits for both. There is room
        // for both, so neither can fail, and this spares filling the space before it is copied to.
        let header = encode_record_header(record.len(), key);
        let pushed =
            self.bytes.push_entire_slice(&header).and_then(|()| self.bytes.push_entire_slice(record));
        debug_assert!(pushed.is_ok());
        Ok(())
    }

    /// Records refused so far.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    #[cold]
    fn refuse(&self, error: PushError) -> Result<(), PushError> {
        self.lost.fetch_add(1, Ordering::Relaxed);
        Err(error)
    }
}

/// The writer's end of a ring.
#[derive(Debug)]
pub struct Consumer {
    bytes: rtrb::Consumer<u8>,
    lost: Arc<AtomicU64>,
}

impl Consumer {
    /// The counter of records that the producer could not push.
    pub(crate) fn lost_counter(&self) -> Arc<AtomicU64> {
        self.lost.clone()
    }

    /// Bytes that wait, the last record perhaps not whole yet.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.bytes.slots()
    }

    /// Moves whole records into the block until the ring has no more, the block is full, or `bytes_max` is
    /// reached; the bytes moved. One look at the shared positions and one release of space, however many
    /// records.
    pub(crate) fn drain(&mut self, block: &mut BlockBuilder, bytes_max: usize) -> usize {
        let waiting = self.bytes.slots().min(bytes_max);
        let Ok(chunk) = self.bytes.read_chunk(waiting) else { return 0 };
        let (first, second) = chunk.as_slices();
        let room = block.room_bytes();
        let (mut taken, mut count) = (0, 0);
        while let Some(header) = header_at(first, second, taken) {
            let end = taken + RECORD_HEADER_BYTES + record_header(&header).0;
            if end > waiting || end > room {
                break;
            }
            taken = end;
            count += 1;
        }
        let from_first = taken.min(first.len());
        block.extend(&first[..from_first], &second[..taken - from_first], count);
        chunk.commit(taken);
        taken
    }
}

/// The record header that begins `at` bytes into two pieces, which it may straddle.
fn header_at(first: &[u8], second: &[u8], at: usize) -> Option<[u8; RECORD_HEADER_BYTES]> {
    if at + RECORD_HEADER_BYTES <= first.len() {
        return first[at..].first_chunk().copied();
    }
    let mut header = [0; RECORD_HEADER_BYTES];
    for (index, byte) in header.iter_mut().enumerate() {
        let place = at + index;
        *byte = *if place < first.len() { first.get(place) } else { second.get(place - first.len()) }?;
    }
    Some(header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::Records;

    #[test]
    fn a_full_ring_refuses_and_counts_and_takes_again_once_drained() {
        let (mut producer, mut consumer) = ring(100);
        let mut block = BlockBuilder::new();
        for round in 0..50u64 {
            assert_eq!(producer.push(round, &[7; 30]), Ok(()));
            assert_eq!(producer.push(round, &[8; 30]), Ok(()));
            assert_eq!(producer.push(round, &[9; 30]), Err(PushError::Full));
            assert_eq!(producer.lost(), round + 1);
            assert_eq!(consumer.drain(&mut block, usize::MAX), 84);
            let records: Vec<_> = Records::new(block.payload()).collect();
            assert_eq!(records, [(round, &[7; 30][..]), (round, &[8; 30][..])]);
            block.clear();
        }
    }

    #[test]
    fn a_record_over_the_bound_is_refused_though_it_would_fit_the_ring() {
        let (mut producer, _consumer) = ring(RECORD_BYTES_MAX * 2);
        assert_eq!(producer.push(1, &vec![0; RECORD_BYTES_MAX + 1]), Err(PushError::TooLong));
        assert_eq!(producer.lost(), 1);
    }

    #[test]
    fn a_full_block_leaves_the_rest_in_the_ring() {
        let (mut producer, mut consumer) = ring(4 << 20);
        for _ in 0..20 {
            producer.push(1, &vec![1; RECORD_BYTES_MAX]).unwrap();
        }
        let mut block = BlockBuilder::new();
        consumer.drain(&mut block, usize::MAX);
        assert_eq!(block.count(), 15);
        block.clear();
        consumer.drain(&mut block, usize::MAX);
        assert_eq!(block.count(), 5);
    }
}
