//! Reads the records of a journal in the order of their numbers, each at most once, telling faults where
//! they stand. Only bytes whose checksums hold are served; memory is one block.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::block::Records;
use crate::error::{Fault, FaultKind};
use crate::limits::RECORD_HEADER_BYTES;
use crate::scan::{Chain, Scan, Step};
use crate::segment::sequence_of;
use crate::storage::{Folder, OneSegment, Storage};

/// A record as it lies in the reader's block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its place among all records. Gaps are records that were lost.
    pub number: u64,
    /// What it is found by.
    pub key: u64,
    /// When its block was written.
    pub written_unix_ms: u64,
    /// What was pushed or appended.
    pub bytes: &'a [u8],
}

/// A record on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedRecord {
    /// Its place among all records. Gaps are records that were lost.
    pub number: u64,
    /// What it is found by.
    pub key: u64,
    /// When its block was written.
    pub written_unix_ms: u64,
    /// What was pushed or appended.
    pub bytes: Vec<u8>,
}

/// What the reader came upon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A whole record.
    Record(Record<'a>),
    /// Something not as it was written; the next entry goes on after it.
    Fault(Fault),
}

/// Reads a journal from its oldest segment to its newest. As an [`Iterator`] it yields records on their
/// own; `next_entry` lends them without a copy.
pub struct Reader {
    storage: Arc<dyn Storage>,
    /// Names still to be opened, last first.
    names: Vec<String>,
    scan: Option<Scan>,
    chain: Chain,
    sequence: Option<u64>,
    /// The next record: where its block's payload goes on, and what it is.
    offset: usize,
    number: u64,
    written_unix_ms: u64,
    counts: Counts,
}

/// What a reader has passed so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub segments: u64,
    pub blocks: u64,
    pub bytes: u64,
}

/// A record's place in the block, or what stands instead of one.
enum Advance {
    Record { key: u64, from: usize, to: usize, number: u64 },
    Fault(Fault),
    End,
}

impl Reader {
    /// Reads all segments of a folder, beside a writer or without one. Beside a writer, the write that is
    /// going on at the end reads as a cut tail.
    pub fn open(folder: &Path) -> io::Result<Reader> {
        Reader::of(Arc::new(Folder::readable(folder)))
    }

    /// Reads one segment file.
    pub fn open_file(path: &Path) -> io::Result<Reader> {
        let name = path.file_name().and_then(|name| name.to_str()).ok_or(io::ErrorKind::InvalidFilename)?;
        let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Ok(Reader::over(Arc::new(Folder::readable(folder)), vec![name.to_owned()]))
    }

    /// Reads all segments of a storage.
    pub fn of(storage: Arc<dyn Storage>) -> io::Result<Reader> {
        let mut names: Vec<String> = storage.list()?;
        names.retain(|name| sequence_of(name).is_some());
        names.sort_unstable_by(|a, b| b.cmp(a));
        Ok(Reader::over(storage, names))
    }

    /// Reads one segment that is held in memory.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Reader {
        let name = String::from("memory");
        Reader::over(Arc::new(OneSegment { name: name.clone(), bytes: bytes.into() }), vec![name])
    }

    fn over(storage: Arc<dyn Storage>, names: Vec<String>) -> Reader {
        Reader {
            storage,
            names,
            scan: None,
            chain: Chain::default(),
            sequence: None,
            offset: 0,
            number: 0,
            written_unix_ms: 0,
            counts: Counts::default(),
        }
    }

    /// The next record or fault; none at the end.
    pub fn next_entry(&mut self) -> Option<Entry<'_>> {
        match self.advance() {
            Advance::Record { key, from, to, number } => {
                let payload = self.scan.as_ref().map(Scan::payload).unwrap_or_default();
                let bytes = payload.get(from..to).unwrap_or_default();
                Some(Entry::Record(Record { number, key, written_unix_ms: self.written_unix_ms, bytes }))
            }
            Advance::Fault(fault) => Some(Entry::Fault(fault)),
            Advance::End => None,
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Where the chain stands: after the last entry, what the journal ends in.
    pub(crate) fn end_of_chain(&self) -> Chain {
        self.scan.as_ref().map_or(self.chain, Scan::chain)
    }

    fn advance(&mut self) -> Advance {
        loop {
            let Some(scan) = &mut self.scan else {
                let Some(name) = self.names.pop() else { return Advance::End };
                if let Some(fault) = self.open_next(&name) {
                    return Advance::Fault(fault);
                }
                continue;
            };
            if let Some((key, bytes)) =
                Records::new(scan.payload().get(self.offset..).unwrap_or_default()).next()
            {
                let from = self.offset + RECORD_HEADER_BYTES;
                let number = self.number;
                self.offset = from + bytes.len();
                self.number += 1;
                return Advance::Record { key, from, to: self.offset, number };
            }
            match scan.step() {
                Step::Block(header) => {
                    self.offset = 0;
                    self.number = header.first_number;
                    self.written_unix_ms = header.written_unix_ms;
                    self.counts.blocks += 1;
                }
                Step::Fault(fault) => {
                    // A block that was read and refused must not be served.
                    self.offset = usize::MAX;
                    return Advance::Fault(fault);
                }
                Step::End => {
                    self.chain = scan.chain();
                    self.scan = None;
                }
            }
        }
    }

    /// Opens the next segment; a fault if it cannot be, or if segments before it are gone.
    fn open_next(&mut self, name: &str) -> Option<Fault> {
        let sequence = sequence_of(name);
        let expected = self.sequence.and_then(|sequence| sequence.checked_add(1));
        let gone = sequence.zip(expected).map_or(0, |(sequence, expected)| sequence.saturating_sub(expected));
        if gone > 0 {
            self.chain.head = None;
        }
        self.offset = usize::MAX;
        let fault = |kind| Fault { segment: name.to_owned(), offset: 0, kind };
        match Scan::open(&*self.storage, name, self.chain) {
            Ok(scan) => {
                self.counts.segments += 1;
                self.counts.bytes += scan.length();
                self.scan = Some(scan);
                self.sequence = sequence;
                (gone > 0).then(|| fault(FaultKind::Missing { segments: gone }))
            }
            // Deleted by a writer's retention since the folder was listed; only ever the oldest.
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.sequence.is_none() => None,
            Err(error) => {
                self.chain.head = None;
                self.sequence = sequence;
                Some(fault(FaultKind::Unreadable(error.kind())))
            }
        }
    }
}

impl Iterator for Reader {
    type Item = Result<OwnedRecord, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(match self.next_entry()? {
            Entry::Record(Record { number, key, written_unix_ms, bytes }) => {
                Ok(OwnedRecord { number, key, written_unix_ms, bytes: bytes.to_vec() })
            }
            Entry::Fault(fault) => Err(fault),
        })
    }
}
