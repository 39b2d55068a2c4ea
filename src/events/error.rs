//! Why a file, a mapping or a row of one is refused, and where.

use std::fmt;

/// Where a row stands in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The line of a CSV file that the row begins on; the header is line 1.
    Line(u64),
    /// The row of a Parquet file; the first is 1.
    Row(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Line(number) => write!(f, "line {number}"),
            Place::Row(number) => write!(f, "row {number}"),
        }
    }
}

/// Why reading failed, in words for whoever named the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// The file, its mapping or its columns: nothing more can be read.
    File(String),
    /// One row; those after it can still be read.
    Row(Place, String),
}

impl ReadError {
    /// `what: error`.
    pub(crate) fn of(what: impl fmt::Display, error: impl fmt::Display) -> ReadError {
        ReadError::File(format!("{what}: {error}"))
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::File(why) => f.write_str(why),
            ReadError::Row(place, why) => write!(f, "{place}: {why}"),
        }
    }
}

impl std::error::Error for ReadError {}
