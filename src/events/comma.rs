//! CSV: a header, then a row a record. Fields are text; what they mean is a matter of who asks for them.

use std::io::{self, Read};

use csv::{ErrorKind, StringRecord};

use crate::cell::Cell;
use crate::error::{Place, ReadError};
use crate::table::Row;

/// Longest line of a file, in bytes: without a bound, a file without line ends would be read as one row.
const LINE_BYTES_MAX: usize = 1 << 20;

/// A file whose header is read.
pub type Source = csv::Reader<Lines>;

/// Its rows.
pub struct Commas {
    reader: Source,
    places: Vec<usize>,
    na: Vec<String>,
    record: StringRecord,
    /// Line of the latest record, if a field of it goes over a line's end.
    long: Option<u64>,
    ended: bool,
}

impl Commas {
    /// Reads the header.
    pub fn open(bytes: Box<dyn Read>) -> Result<(Vec<String>, Source), String> {
        let mut reader = csv::Reader::from_reader(Lines { bytes, since_end: 0, quotes: 0 });
        let columns = reader.headers().map_err(|error| said(&error))?;
        let columns = columns.iter().map(str::to_owned).collect();
        Ok((columns, reader))
    }

    /// The rows of those columns.
    pub fn new(reader: Source, places: Vec<usize>, na: Vec<String>) -> Commas {
        Commas { reader, places, na, record: StringRecord::new(), long: None, ended: false }
    }

    fn cell(&self, field: &str) -> Cell {
        if field.is_empty() || self.na.iter().any(|word| word == field) {
            Cell::Null
        } else {
            Cell::Text(field.to_owned())
        }
    }
}

impl Iterator for Commas {
    type Item = Result<Row, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let line = |record: &StringRecord| record.position().map_or(0, csv::Position::line);
        match self.reader.read_record(&mut self.record) {
            Ok(true) => {
                let number = line(&self.record);
                self.long = self.record.iter().any(|field| field.contains('\n')).then_some(number);
                let cells = self.places.iter().map(|place| self.cell(&self.record[*place])).collect();
                Some(Ok(Row { place: Place::Line(number), cells }))
            }
            Ok(false) => {
                self.ended = true;
                // A quote that nothing closes makes one field of all the lines after it.
                let open = self.long.filter(|_| self.reader.get_ref().quotes % 2 == 1);
                open.map(|line| Err(ReadError::File(format!("line {line}: a quote opens and is not closed"))))
            }
            Err(error) => {
                let place = error.position().map(|at| Place::Line(at.line()));
                match (error.kind(), place) {
                    (ErrorKind::UnequalLengths { .. } | ErrorKind::Utf8 { .. }, Some(place)) => {
                        Some(Err(ReadError::Row(place, said(&error))))
                    }
                    _ => {
                        self.ended = true;
                        Some(Err(ReadError::File(said(&error))))
                    }
                }
            }
        }
    }
}

/// What is wrong, without its place.
fn said(error: &csv::Error) -> String {
    match error.kind() {
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} fields, but the header has {expected_len}")
        }
        ErrorKind::Utf8 { err, .. } => format!("field {} is not UTF-8", err.field() + 1),
        ErrorKind::Io(error) => error.to_string(),
        _ => error.to_string(),
    }
}

/// Bytes whose lines are not past the bound. Counts quotes.
pub struct Lines {
    bytes: Box<dyn Read>,
    since_end: usize,
    quotes: u64,
}

impl Read for Lines {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.read(bytes)?;
        let read = &bytes[..count];
        self.quotes += read.iter().filter(|byte| **byte == b'"').count() as u64;
        self.since_end = match read.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => count - end - 1,
            None => self.since_end + count,
        };
        if self.since_end > LINE_BYTES_MAX {
            let why = format!("a line is longer than {LINE_BYTES_MAX} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(count)
    }
}
