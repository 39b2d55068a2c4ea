//! Walks the blocks of one segment, whatever its bytes are. Every step yields a whole block, a fault or the
//! end; memory is one block, time is linear in the file, and only blocks whose checksums hold are ever
//! handed on.

use std::io;

use crate::block::{BlockHeader, Hash, SegmentHeader, link};
use crate::error::{Fault, FaultKind};
use crate::limits::{HEADER_BYTES, SEARCH_BYTES};
use crate::segment::sequence_of;
use crate::storage::{Storage, StorageFile, read_full};

/// What the next block must follow from; carried from one segment to the next.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Chain {
    /// Hash of the last whole block or header; none when it is not known, at the oldest segment or after damage.
    pub head: Option<Hash>,
    /// Number after the last record read.
    pub next_number: Option<u64>,
    /// Numbers that were passed over: records lost before they were written, or with damaged blocks.
    pub missing: u64,
}

/// What a step found.
#[derive(Debug)]
pub(crate) enum Step {
    /// A whole block; its payload is in [`Scan::payload`].
    Block(BlockHeader),
    /// Something that is not as it was written.
    Fault(Fault),
    /// The end of the segment.
    End,
}

/// What a disk writes at once, at least.
const SECTOR_BYTES: usize = 512;
/// So many zeros at the beginning or end of a block are not a record.
const HOLE_BYTES_MIN: usize = 16;

/// A walk through one segment.
pub(crate) struct Scan {
    file: Box<dyn StorageFile>,
    name: String,
    length: u64,
    /// Where the next block begins.
    offset: u64,
    /// None if the header is damaged and no whole block has told it since.
    mark: Option<u64>,
    header: Option<SegmentHeader>,
    header_read: bool,
    chain: Chain,
    /// Header and payload of the block last read.
    block: Vec<u8>,
    /// A block whose fault was told first.
    held: Option<BlockHeader>,
    blocks: u64,
}

/// Why there is no whole block at an offset.
enum NoBlock {
    /// The file ends inside it.
    Short,
    /// No header that holds.
    Header,
    /// A header that holds, so its length is known, and a payload that does not.
    Payload(u64),
    Io(io::ErrorKind),
}

impl Scan {
    pub fn open(storage: &dyn Storage, name: &str, chain: Chain) -> io::Result<Scan> {
        let file = storage.open(name)?;
        let length = file.length()?;
        Ok(Scan {
            file,
            name: name.to_owned(),
            length,
            offset: 0,
            mark: None,
            header: None,
            header_read: false,
            chain,
            block: Vec::new(),
            held: None,
            blocks: 0,
        })
    }

    /// Number that the first record of a segment has; none if its header does not hold.
    pub fn first_number(storage: &dyn Storage, name: &str) -> Option<u64> {
        let mut bytes = [0; HEADER_BYTES];
        let count = read_full(&*storage.open(name).ok()?, &mut bytes, 0).ok()?;
        SegmentHeader::decode(&bytes).filter(|_| count == HEADER_BYTES).map(|header| header.first_number)
    }

    pub fn length(&self) -> u64 {
        self.length
    }

    pub fn header(&self) -> Option<&SegmentHeader> {
        self.header.as_ref()
    }

    pub fn chain(&self) -> Chain {
        self.chain
    }

    /// Whole blocks found so far.
    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Records of the block last yielded.
    pub fn payload(&self) -> &[u8] {
        self.block.get(HEADER_BYTES..).unwrap_or_default()
    }

    pub fn file(&self) -> &dyn StorageFile {
        &*self.file
    }

    pub fn step(&mut self) -> Step {
        if !self.header_read {
            self.header_read = true;
            if let Some(fault) = self.read_header() {
                return Step::Fault(fault);
            }
        }
        if let Some(header) = self.held.take() {
            return Step::Block(header);
        }
        if self.offset >= self.length {
            return Step::End;
        }
        match self.read_block(self.offset) {
            Ok(header) => self.accept(header),
            Err(NoBlock::Io(kind)) => {
                self.chain.head = None;
                self.fail_to_end(FaultKind::Unreadable(kind))
            }
            Err(NoBlock::Short) => self.end_in_fault(),
            Err(NoBlock::Header) => self.pass_damage(self.offset + 1),
            Err(NoBlock::Payload(bytes)) => self.pass_damage(self.offset + bytes),
        }
    }

    fn read_header(&mut self) -> Option<Fault> {
        let mut bytes = [0; HEADER_BYTES];
        let count = match read_full(&*self.file, &mut bytes, 0) {
            Ok(count) => count,
            Err(error) => return Some(self.unreadable(error.kind())),
        };
        let Some(header) = SegmentHeader::decode(&bytes).filter(|_| count == HEADER_BYTES) else {
            self.chain.head = None;
            self.offset = self.length.min(HEADER_BYTES as u64);
            return Some(self.fault(0, FaultKind::Header));
        };
        let expected = self.chain.head.replace(link(&bytes));
        self.mark = Some(header.mark);
        self.offset = HEADER_BYTES as u64;
        self.chain.next_number.get_or_insert(header.first_number);
        let (previous, sequence) = (header.previous, header.sequence);
        self.header = Some(header);
        if sequence_of(&self.name).is_some_and(|named| named != sequence) {
            return Some(self.fault(0, FaultKind::Misplaced));
        }
        expected.is_some_and(|head| head != previous).then(|| self.fault(0, FaultKind::Chain))
    }

    /// Holds a whole block to the chain and to the numbers before it.
    fn accept(&mut self, header: BlockHeader) -> Step {
        let at = self.offset;
        self.offset += self.block.len() as u64;
        self.mark = Some(header.mark);
        self.blocks += 1;
        let follows = self.chain.head.is_none_or(|head| head == header.previous);
        self.chain.head = Some(link(&self.block));
        let expected = self.chain.next_number.unwrap_or(header.first_number);
        if header.first_number < expected {
            return Step::Fault(self.fault(at, FaultKind::Repeated));
        }
        self.chain.missing = self.chain.missing.saturating_add(header.first_number - expected);
        self.chain.next_number = Some(header.next_number());
        if follows {
            return Step::Block(header);
        }
        self.held = Some(header);
        Step::Fault(self.fault(at, FaultKind::Chain))
    }

    /// Goes on at the next whole block from `from` on, or tells that there is none.
    fn pass_damage(&mut self, from: u64) -> Step {
        match self.search(from) {
            Ok(Some(found)) => {
                let fault = self.fault(self.offset, FaultKind::Damaged { bytes: found - self.offset });
                self.offset = found;
                self.chain.head = None;
                Step::Fault(fault)
            }
            Ok(None) => self.end_in_fault(),
            Err(kind) => {
                self.chain.head = None;
                self.fail_to_end(FaultKind::Unreadable(kind))
            }
        }
    }

    /// The first whole block that begins at `from` or later. Time is linear: a candidate without a sound
    /// header costs its header, one with a sound header is passed over with its payload.
    fn search(&mut self, mut from: u64) -> Result<Option<u64>, io::ErrorKind> {
        let Some(mark) = self.mark.map(u64::to_le_bytes) else { return Ok(None) };
        let mut window = vec![0; SEARCH_BYTES];
        while from + HEADER_BYTES as u64 <= self.length {
            let count = read_full(&*self.file, &mut window, from).map_err(|error| error.kind())?;
            let mut place = 0;
            while let Some(hit) = position_of(&mark, window.get(place..count).unwrap_or_default()) {
                place += hit;
                place += match self.read_block(from + place as u64) {
                    Ok(_) => return Ok(Some(from + place as u64)),
                    Err(NoBlock::Payload(bytes)) => bytes as usize,
                    Err(NoBlock::Header | NoBlock::Short) => 1,
                    Err(NoBlock::Io(kind)) => return Err(kind),
                };
            }
            if count < window.len() {
                break;
            }
            // The mark may straddle two windows.
            from += (count + 1 - mark.len()).max(place) as u64;
        }
        Ok(None)
    }

    fn read_block(&mut self, offset: u64) -> Result<BlockHeader, NoBlock> {
        let rest = self.length - offset;
        if rest < HEADER_BYTES as u64 {
            return Err(NoBlock::Short);
        }
        let mut head = [0; HEADER_BYTES];
        self.read_exact_at(&mut head, offset)?;
        let header = BlockHeader::decode(&head)
            .filter(|header| self.mark.is_none_or(|mark| mark == header.mark))
            .ok_or(NoBlock::Header)?;
        let bytes = HEADER_BYTES + header.payload_bytes;
        if rest < bytes as u64 {
            return Err(NoBlock::Short);
        }
        let mut block = std::mem::take(&mut self.block);
        block.resize(bytes, 0);
        block[..HEADER_BYTES].copy_from_slice(&head);
        let read = self.read_exact_at(&mut block[HEADER_BYTES..], offset + HEADER_BYTES as u64);
        self.block = block;
        read?;
        if header.payload_holds(self.payload()) { Ok(header) } else { Err(NoBlock::Payload(bytes as u64)) }
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), NoBlock> {
        match read_full(&*self.file, buffer, offset) {
            Ok(count) if count == buffer.len() => Ok(()),
            // Shorter than it was when opened.
            Ok(_) => Err(NoBlock::Short),
            Err(error) => Err(NoBlock::Io(error.kind())),
        }
    }

    /// The chain stays where it was: what is cut was never part of it, or is missed by what follows.
    ///
    /// A write that a crash cut short leaves a block that the file does not hold to its end, or one with holes: sectors of zeros that
    /// the disk never got. A block that is all there and does not hold was written, and changed since.
    fn end_in_fault(&mut self) -> Step {
        let bytes = self.length - self.offset;
        match self.is_cut_short() {
            Ok(true) => self.fail_to_end(FaultKind::CutTail { bytes }),
            Ok(false) => self.fail_to_end(FaultKind::Damaged { bytes }),
            Err(kind) => {
                self.chain.head = None;
                self.fail_to_end(FaultKind::Unreadable(kind))
            }
        }
    }

    fn is_cut_short(&self) -> Result<bool, io::ErrorKind> {
        let bytes = self.length - self.offset;
        let mut head = [0; HEADER_BYTES];
        let count = read_full(&*self.file, &mut head, self.offset).map_err(|error| error.kind())?;
        // Without a segment header that holds nothing says what a block begins with.
        if count < HEADER_BYTES || self.mark.is_none() {
            return Ok(true);
        }
        if let Some(header) = BlockHeader::decode(&head)
            && bytes < (HEADER_BYTES + header.payload_bytes) as u64
        {
            return Ok(true);
        }
        // Blocks begin anywhere, holes where sectors do.
        let mut sector = vec![0; SECTOR_BYTES];
        let mut at = self.offset - self.offset % SECTOR_BYTES as u64;
        while at < self.length {
            let count = read_full(&*self.file, &mut sector, at).map_err(|error| error.kind())?;
            let from = (self.offset.saturating_sub(at) as usize).min(count);
            let part = &sector[from..count];
            if part.len() >= HOLE_BYTES_MIN && part.iter().all(|&byte| byte == 0) {
                return Ok(true);
            }
            at += SECTOR_BYTES as u64;
        }
        Ok(false)
    }

    fn fail_to_end(&mut self, kind: FaultKind) -> Step {
        let fault = self.fault(self.offset, kind);
        self.offset = self.length;
        Step::Fault(fault)
    }

    fn unreadable(&mut self, kind: io::ErrorKind) -> Fault {
        self.chain.head = None;
        self.offset = self.length;
        self.fault(0, FaultKind::Unreadable(kind))
    }

    fn fault(&self, offset: u64, kind: FaultKind) -> Fault {
        Fault { segment: self.name.clone(), offset, kind }
    }
}

fn position_of(mark: &[u8; 8], bytes: &[u8]) -> Option<usize> {
    bytes.windows(mark.len()).position(|window| window == mark)
}
