//! The bytes of a segment: its header, its blocks, the records in a block. Pure; `docs/journal.md`
//! describes the same layout.
//!
//! Every segment draws a random mark and every block begins with it, so that a search for the next whole
//! block after damage cannot be led astray by a block that someone hid inside a record.

use crate::limits::{BLOCK_BYTES_MAX, HEADER_BYTES, RECORD_BYTES_MAX, RECORD_HEADER_BYTES};

/// BLAKE3 of a segment header or of a block: a link of the chain.
pub type Hash = [u8; 32];

const SEGMENT_MAGIC: [u8; 8] = *b"RISKDJNL";
const SEGMENT_VERSION: u32 = 1;
/// Kind and version of a block, after its mark.
const BLOCK_MAGIC: [u8; 4] = *b"RJB1";
/// Where both headers keep their own checksum, which covers all their other bytes.
const HEADER_CRC: std::ops::Range<usize> = 12..16;

/// First bytes of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// Place among the segments, from 1; also in the file's name.
    pub sequence: u64,
    /// When the segment was begun.
    pub created_unix_ms: u64,
    /// What every block of this segment begins with.
    pub mark: u64,
    /// Number that its first record will have, unless records were lost before it.
    pub first_number: u64,
    /// Hash of the last block (or header) of the segment before.
    pub previous: Hash,
}

/// First bytes of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockHeader {
    /// The mark of its segment.
    pub mark: u64,
    /// Bytes of records after the header.
    pub payload_bytes: usize,
    /// Checksum of those.
    pub payload_crc: u32,
    /// How many records; at least one.
    pub count: u32,
    /// Number of the first.
    pub first_number: u64,
    /// When the block was sealed.
    pub written_unix_ms: u64,
    /// Hash of the block (or segment header) before.
    pub previous: Hash,
}

impl SegmentHeader {
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..8].copy_from_slice(&SEGMENT_MAGIC);
        bytes[8..12].copy_from_slice(&SEGMENT_VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.created_unix_ms.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.mark.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.first_number.to_le_bytes());
        bytes[48..80].copy_from_slice(&self.previous);
        seal_header(&mut bytes);
        bytes
    }

    pub fn decode(bytes: &[u8; HEADER_BYTES]) -> Option<SegmentHeader> {
        let known = bytes[0..8] == SEGMENT_MAGIC && u32_at(bytes, 8) == SEGMENT_VERSION;
        (known && header_holds(bytes)).then(|| SegmentHeader {
            sequence: u64_at(bytes, 16),
            created_unix_ms: u64_at(bytes, 24),
            mark: u64_at(bytes, 32),
            first_number: u64_at(bytes, 40),
            previous: hash_at(bytes, 48),
        })
    }
}

impl BlockHeader {
    fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..8].copy_from_slice(&self.mark.to_le_bytes());
        bytes[8..12].copy_from_slice(&BLOCK_MAGIC);
        bytes[16..20].copy_from_slice(&(self.payload_bytes as u32).to_le_bytes());
        bytes[20..24].copy_from_slice(&self.payload_crc.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.count.to_le_bytes());
        // 28..32: flags, none defined yet.
        bytes[32..40].copy_from_slice(&self.first_number.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.written_unix_ms.to_le_bytes());
        bytes[48..80].copy_from_slice(&self.previous);
        seal_header(&mut bytes);
        bytes
    }

    /// The header, if its checksum holds and every value is within its bound.
    pub fn decode(bytes: &[u8; HEADER_BYTES]) -> Option<BlockHeader> {
        if bytes[8..12] != BLOCK_MAGIC || u32_at(bytes, 28) != 0 || !header_holds(bytes) {
            return None;
        }
        let header = BlockHeader {
            mark: u64_at(bytes, 0),
            payload_bytes: u32_at(bytes, 16) as usize,
            payload_crc: u32_at(bytes, 20),
            count: u32_at(bytes, 24),
            first_number: u64_at(bytes, 32),
            written_unix_ms: u64_at(bytes, 40),
            previous: hash_at(bytes, 48),
        };
        let bounded = header.payload_bytes <= BLOCK_BYTES_MAX
            && header.count > 0
            && header.count as usize <= header.payload_bytes / RECORD_HEADER_BYTES
            && header.first_number.checked_add(u64::from(header.count)).is_some();
        bounded.then_some(header)
    }

    /// Whether the payload is the one that was written: its checksum, and records that fill it exactly.
    pub fn payload_holds(&self, payload: &[u8]) -> bool {
        payload.len() == self.payload_bytes && crc32fast::hash(payload) == self.payload_crc && {
            let mut records = Records::new(payload);
            records.by_ref().count() == self.count as usize && records.rest.is_empty()
        }
    }

    /// Number after the last record of the block.
    pub fn next_number(&self) -> u64 {
        self.first_number + u64::from(self.count)
    }
}

/// A link of the chain: hash of a whole header, or of a block with its payload.
pub(crate) fn link(bytes: &[u8]) -> Hash {
    *blake3::hash(bytes).as_bytes()
}

/// Walks the records of a payload, `(key, bytes)` each; stops at the first that does not fit.
pub(crate) struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    pub fn new(payload: &'a [u8]) -> Records<'a> {
        Records { rest: payload }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = (u64, &'a [u8]);

    fn next(&mut self) -> Option<(u64, &'a [u8])> {
        let (header, rest) = self.rest.split_first_chunk::<RECORD_HEADER_BYTES>()?;
        let (length, key) = record_header(header);
        if length > RECORD_BYTES_MAX {
            return None;
        }
        let (bytes, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        Some((key, bytes))
    }
}

/// Length and key of a record, as they stand before it in rings and in blocks.
pub(crate) fn record_header(bytes: &[u8; RECORD_HEADER_BYTES]) -> (usize, u64) {
    (u32_at(bytes, 0) as usize, u64_at(bytes, 4))
}

/// The reverse of [`record_header`].
pub(crate) fn encode_record_header(length: usize, key: u64) -> [u8; RECORD_HEADER_BYTES] {
    let mut bytes = [0; RECORD_HEADER_BYTES];
    bytes[0..4].copy_from_slice(&(length as u32).to_le_bytes());
    bytes[4..12].copy_from_slice(&key.to_le_bytes());
    bytes
}

/// A block being filled. Its memory is taken once and used again.
pub(crate) struct BlockBuilder {
    /// Room for the header, then the records.
    bytes: Vec<u8>,
    count: u32,
}

impl BlockBuilder {
    pub fn new() -> BlockBuilder {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + BLOCK_BYTES_MAX);
        bytes.resize(HEADER_BYTES, 0);
        BlockBuilder { bytes, count: 0 }
    }

    pub fn count(&self) -> u32 {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn payload(&self) -> &[u8] {
        &self.bytes[HEADER_BYTES..]
    }

    /// Bytes that records, with their headers, may still take.
    pub fn room_bytes(&self) -> usize {
        HEADER_BYTES + BLOCK_BYTES_MAX - self.bytes.len()
    }

    /// Whether any record, however long, still fits.
    pub fn fits_any(&self) -> bool {
        self.room_bytes() >= RECORD_HEADER_BYTES + RECORD_BYTES_MAX
    }

    /// Adds a record; false if it does not fit.
    pub fn push(&mut self, key: u64, record: &[u8]) -> bool {
        let fits =
            record.len() <= RECORD_BYTES_MAX && RECORD_HEADER_BYTES + record.len() <= self.room_bytes();
        if fits {
            self.bytes.extend_from_slice(&encode_record_header(record.len(), key));
            self.bytes.extend_from_slice(record);
            self.count += 1;
        }
        fits
    }

    /// Adds `count` records that stand in two pieces, as a ring holds them. The caller has walked them and they fit.
    pub fn extend(&mut self, first: &[u8], second: &[u8], count: u32) {
        debug_assert!(first.len() + second.len() <= self.room_bytes());
        self.bytes.extend_from_slice(first);
        self.bytes.extend_from_slice(second);
        self.count += count;
    }

    /// Writes the header for this place in the chain; the whole block.
    pub fn seal(&mut self, mark: u64, first_number: u64, written_unix_ms: u64, previous: Hash) -> &[u8] {
        let header = BlockHeader {
            mark,
            payload_bytes: self.payload().len(),
            payload_crc: crc32fast::hash(self.payload()),
            count: self.count,
            first_number,
            written_unix_ms,
            previous,
        };
        self.bytes[..HEADER_BYTES].copy_from_slice(&header.encode());
        &self.bytes
    }

    /// Forgets the records, keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.truncate(HEADER_BYTES);
        self.count = 0;
    }
}

fn header_crc(bytes: &[u8; HEADER_BYTES]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&bytes[..HEADER_CRC.start]);
    crc.update(&bytes[HEADER_CRC.end..]);
    crc.finalize()
}

fn seal_header(bytes: &mut [u8; HEADER_BYTES]) {
    let crc = header_crc(bytes);
    bytes[HEADER_CRC].copy_from_slice(&crc.to_le_bytes());
}

fn header_holds(bytes: &[u8; HEADER_BYTES]) -> bool {
    header_crc(bytes) == u32_at(bytes, HEADER_CRC.start)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut value = [0; 4];
    value.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(value)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut value = [0; 8];
    value.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(value)
}

fn hash_at(bytes: &[u8], at: usize) -> Hash {
    let mut value = [0; 32];
    value.copy_from_slice(&bytes[at..at + 32]);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_as_they_were_written() {
        let segment =
            SegmentHeader { sequence: 7, created_unix_ms: 1, mark: 9, first_number: 40, previous: [3; 32] };
        assert_eq!(SegmentHeader::decode(&segment.encode()), Some(segment));

        let mut block = BlockBuilder::new();
        assert!(block.push(1, b"one") && block.push(2, b""));
        let bytes = block.seal(9, 40, 5, [4; 32]);
        let (head, payload) = bytes.split_first_chunk().unwrap();
        let header = BlockHeader::decode(head).unwrap();
        assert_eq!((header.mark, header.count, header.first_number, header.next_number()), (9, 2, 40, 42));
        assert!(header.payload_holds(payload));
        assert_eq!(Records::new(payload).collect::<Vec<_>>(), [(1, &b"one"[..]), (2, &b""[..])]);
    }

    #[test]
    fn a_header_whose_checksum_holds_is_still_held_to_its_bounds() {
        let sound = BlockHeader {
            mark: 1,
            payload_bytes: 24,
            payload_crc: 0,
            count: 2,
            first_number: 1,
            written_unix_ms: 0,
            previous: [0; 32],
        };
        assert!(BlockHeader::decode(&sound.encode()).is_some());
        for hostile in [
            BlockHeader { payload_bytes: BLOCK_BYTES_MAX + 1, ..sound },
            BlockHeader { payload_bytes: u32::MAX as usize, ..sound },
            BlockHeader { payload_bytes: 0, ..sound },
            BlockHeader { payload_bytes: 0, count: 0, ..sound },
            BlockHeader { count: 3, ..sound },
            BlockHeader { first_number: u64::MAX - 1, ..sound },
        ] {
            assert_eq!(BlockHeader::decode(&hostile.encode()), None, "{hostile:?}");
        }
    }

    #[test]
    fn a_payload_must_be_filled_by_its_records_exactly() {
        for (payload, count) in [
            (vec![0; 13], 1),                                         // a byte left over
            (encode_record_header(1, 0).to_vec(), 1),                 // a record past the end
            (encode_record_header(u32::MAX as usize, 0).to_vec(), 1), // a length no record may have
            (vec![0; 24], 1),                                         // more records than counted
        ] {
            let header = BlockHeader {
                mark: 0,
                payload_bytes: payload.len(),
                payload_crc: crc32fast::hash(&payload),
                count,
                first_number: 0,
                written_unix_ms: 0,
                previous: [0; 32],
            };
            assert!(!header.payload_holds(&payload), "{payload:?}");
        }
    }
}
