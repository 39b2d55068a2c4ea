//! The whole journal read once, and what was found: the answer of `riskctl journal verify`.

use std::io;
use std::path::Path;

use crate::block::Hash;
use crate::error::Fault;
use crate::limits::FAULTS_MAX;
use crate::reader::{Entry, Reader};

/// What a journal holds, and what is wrong with it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Segments read.
    pub segments: u64,
    /// Whole blocks read.
    pub blocks: u64,
    /// Records served.
    pub records: u64,
    /// Bytes of all segments.
    pub bytes: u64,
    /// Number of the first record.
    pub first_number: Option<u64>,
    /// Number of the last record.
    pub last_number: Option<u64>,
    /// Numbers in between that have no record: lost under overload or disk failure, or with damage that is reported.
    pub missing: u64,
    /// Hash of the last block. Whoever keeps it elsewhere can show later that nothing before it was altered.
    pub head: Option<Hash>,
    /// Everything not as it was written, in order, up to a bound.
    pub faults: Vec<Fault>,
    /// How many faults there were in all.
    pub faults_total: u64,
}

impl Report {
    /// Whether everything is as it was written.
    pub fn is_sound(&self) -> bool {
        self.faults_total == 0
    }

    /// Reads to the end of a reader.
    pub fn of(mut reader: Reader) -> Report {
        let mut report = Report::default();
        while let Some(entry) = reader.next_entry() {
            match entry {
                Entry::Record(record) => {
                    report.records += 1;
                    report.first_number.get_or_insert(record.number);
                    report.last_number = Some(record.number);
                }
                Entry::Fault(fault) => {
                    report.faults_total += 1;
                    if report.faults.len() < FAULTS_MAX {
                        report.faults.push(fault);
                    }
                }
            }
        }
        let (counts, chain) = (reader.counts(), reader.end_of_chain());
        report.segments = counts.segments;
        report.blocks = counts.blocks;
        report.bytes = counts.bytes;
        report.missing = chain.missing;
        report.head = chain.head;
        report
    }
}

/// Reads every segment of a folder, or one segment file.
pub fn verify(path: &Path) -> io::Result<Report> {
    let reader = if path.is_file() { Reader::open_file(path)? } else { Reader::open(path)? };
    Ok(Report::of(reader))
}

/// Reads one segment held in memory. Any bytes will do: this is also what the fuzzer calls.
pub fn verify_bytes(bytes: &[u8]) -> Report {
    Report::of(Reader::of_bytes(bytes))
}
