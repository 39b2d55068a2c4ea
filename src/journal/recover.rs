//! What opening for append finds: where the chain and the numbers go on, and an unfinished write cut off the end.
//!
//! Only bytes with no whole block after them are cut. Damage in the middle is left where it is, told and
//! passed over: it is evidence, and what follows it is still readable.

use std::collections::VecDeque;
use std::io;

use crate::block::Hash;
use crate::error::{Fault, FaultKind};
use crate::limits::HEADER_BYTES;
use crate::scan::{Chain, Scan, Step};
use crate::segment::{name_of, sequence_of};
use crate::storage::Storage;

/// What was found when a journal was opened for append.
#[derive(Clone, Debug, Default)]
pub struct Recovery {
    /// Segments found.
    pub segments: u64,
    /// Number that the next record gets; the first ever is 1.
    pub next_number: u64,
    /// Bytes cut off the end of the last segment.
    pub cut_bytes: u64,
    /// Everything that was not as it was written in the segments that had to be read: the last one, as a rule.
    pub faults: Vec<Fault>,
}

/// [`Recovery`] with what only the writer needs.
pub(crate) struct Found {
    pub recovery: Recovery,
    pub closed: VecDeque<(u64, u64)>,
    pub next_sequence: u64,
    pub head: Hash,
}

/// Reads from the newest segment back until one tells where the chain goes on.
pub(crate) fn recover(storage: &dyn Storage) -> io::Result<Found> {
    let mut sequences: Vec<u64> = storage.list()?.iter().filter_map(|name| sequence_of(name)).collect();
    sequences.sort_unstable();
    let mut found = Found {
        recovery: Recovery { segments: sequences.len() as u64, next_number: 1, ..Recovery::default() },
        closed: VecDeque::new(),
        next_sequence: sequences.last().map_or(1, |last| last.saturating_add(1)),
        head: [0; 32],
    };
    let mut unread = sequences.len();
    while let Some(&sequence) = sequences[..unread].last() {
        unread -= 1;
        let (bytes, chain) = examine(storage, sequence, &mut found.recovery)?;
        match bytes {
            Some(bytes) => found.closed.push_front((sequence, bytes)),
            // The name is free again, and a gap in the names would read as a missing segment.
            None if sequence + 1 == found.next_sequence => found.next_sequence = sequence,
            None => {}
        }
        if let (Some(head), Some(next_number)) = (chain.head, chain.next_number) {
            found.head = head;
            found.recovery.next_number = next_number;
            break;
        }
    }
    for &sequence in sequences[..unread].iter().rev() {
        let bytes = storage.open(&name_of(sequence))?.length()?;
        found.closed.push_front((sequence, bytes));
    }
    Ok(found)
}

/// Reads one segment and cuts its tail; its bytes, or none if it was a stub and is deleted, and where its chain ends.
fn examine(
    storage: &dyn Storage,
    sequence: u64,
    recovery: &mut Recovery,
) -> io::Result<(Option<u64>, Chain)> {
    let name = name_of(sequence);
    let mut scan = Scan::open(storage, &name, Chain::default())?;
    let mut bytes = scan.length();
    loop {
        match scan.step() {
            Step::Block(_) => {}
            Step::Fault(fault) => {
                if let FaultKind::Unreadable(kind) = fault.kind {
                    // Going on from an older segment would give numbers out twice.
                    return Err(kind.into());
                }
                let readable = scan.header().is_some() || scan.blocks() > 0;
                if let FaultKind::CutTail { bytes: cut_bytes } = fault.kind
                    && readable
                {
                    scan.file().truncate(fault.offset)?;
                    scan.file().sync()?;
                    bytes = fault.offset;
                    recovery.cut_bytes += cut_bytes;
                }
                recovery.faults.push(fault);
            }
            Step::End => break,
        }
    }
    if bytes < HEADER_BYTES as u64 {
        // A crash before even the header was whole: there is nothing in it.
        storage.remove(&name)?;
        storage.sync()?;
        recovery.cut_bytes += bytes;
        return Ok((None, Chain::default()));
    }
    Ok((Some(bytes), scan.chain()))
}
