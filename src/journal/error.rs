//! What can go wrong, one small enum per operation, each saying what the caller can do about it.

use std::fmt;
use std::io;

/// Why a record was not taken by a ring. It is counted as lost; the caller goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushError {
    /// The writer is behind and the ring has no room.
    Full,
    /// Longer than [`RECORD_BYTES_MAX`](crate::limits::RECORD_BYTES_MAX).
    TooLong,
}

impl fmt::Display for PushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PushError::Full => "the journal ring is full",
            PushError::TooLong => "the record is longer than a record may be",
        })
    }
}

impl std::error::Error for PushError {}

/// Why a journal could not be opened for writing.
#[derive(Debug)]
pub enum OpenError {
    /// A configured value outside its range; the text names it.
    Config(&'static str),
    /// Another process writes to this folder.
    InUse,
    /// The folder could not be read, locked, repaired, or the thread not started.
    Io(io::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Config(what) => write!(f, "journal configuration: {what}"),
            OpenError::InUse => f.write_str("another process writes to this journal folder"),
            OpenError::Io(error) => write!(f, "journal folder: {error}"),
        }
    }
}

impl std::error::Error for OpenError {}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> OpenError {
        OpenError::Io(error)
    }
}

/// Why an append to a [`Log`](crate::Log) was not acknowledged. Nothing may be told to anyone as done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppendError {
    /// Longer than [`RECORD_BYTES_MAX`](crate::limits::RECORD_BYTES_MAX): will never be taken.
    TooLong,
    /// Too much waits for the disk already; try again shortly.
    Busy,
    /// The log is closed.
    Closed,
    /// The disk refused. The record may or may not be found after a restart; try again under the same id.
    Storage(io::ErrorKind),
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AppendError::TooLong => f.write_str("the record is longer than a record may be"),
            AppendError::Busy => f.write_str("too many records wait for the disk"),
            AppendError::Closed => f.write_str("the log is closed"),
            AppendError::Storage(kind) => write!(f, "the disk refused: {kind}"),
        }
    }
}

impl std::error::Error for AppendError {}

/// Something in a journal that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// File name of the segment.
    pub segment: String,
    /// Byte offset in that file where the fault begins.
    pub offset: u64,
    /// What was found.
    pub kind: FaultKind,
}

/// What was found at a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The segment's header does not hold.
    Header,
    /// The header's sequence is not that of the file's name.
    Misplaced,
    /// Segments between this one and the one before it are gone.
    Missing {
        /// How many.
        segments: u64,
    },
    /// Bytes that were written and changed since: whole blocks come after them, or they are all there and hold no block.
    Damaged {
        /// How many bytes were passed over.
        bytes: u64,
    },
    /// Bytes at the end that are part of a block: a write that a crash cut short.
    CutTail {
        /// How many bytes.
        bytes: u64,
    },
    /// A whole block or header that does not follow from what stands before it: something was removed,
    /// moved or replaced.
    Chain,
    /// A block whose numbers were served already. Its records are passed over.
    Repeated,
    /// The file could not be read.
    Unreadable(io::ErrorKind),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}: ", self.segment, self.offset)?;
        match self.kind {
            FaultKind::Header => f.write_str("the segment header is damaged"),
            FaultKind::Misplaced => f.write_str("the header belongs to a file of another name"),
            FaultKind::Missing { segments } => write!(f, "{segments} segments before this one are missing"),
            FaultKind::Damaged { bytes } => write!(f, "{bytes} bytes are damaged"),
            FaultKind::CutTail { bytes } => write!(f, "{bytes} bytes at the end are cut short or damaged"),
            FaultKind::Chain => f.write_str("does not follow from what stands before it"),
            FaultKind::Repeated => f.write_str("repeats record numbers"),
            FaultKind::Unreadable(kind) => write!(f, "cannot be read: {kind}"),
        }
    }
}

impl std::error::Error for Fault {}
