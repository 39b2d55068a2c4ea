//! CSV: a header, then a row a record. Fields are text; what they mean is a matter of who asks for them.

use std::io::{self, Read};

use csv::ByteRecord;

use crate::cell::Cell;
use crate::error::{Place, ReadError};
use crate::quotes::Quotes;
use crate::table::Row;

/// Longest line of a file, in bytes: without a bound, a file without line ends would be read as one row.
const LINE_BYTES_MAX: usize = 1 << 20;

/// A file whose header is read.
pub type Source = csv::Reader<Lines>;

/// Its rows.
pub struct Commas {
    reader: Source,
    places: Vec<usize>,
    /// Fields of the header.
    width: usize,
    na: Vec<String>,
    record: ByteRecord,
    ended: bool,
}

impl Commas {
    /// Reads the header.
    pub fn open(bytes: Box<dyn Read>) -> Result<(Vec<String>, Source), String> {
        // Lengths are compared here, where the line is known.
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(Lines::new(bytes));
        let header = reader.byte_headers().map_err(why)?;
        let name = |field: &[u8]| String::from_utf8(field.to_vec());
        let columns = header.iter().map(name).collect::<Result<_, _>>();
        Ok((columns.map_err(|_| "line 1: the header is not UTF-8".to_owned())?, reader))
    }

    /// The rows of those columns, of as many as the header has.
    pub fn new(reader: Source, width: usize, places: Vec<usize>, na: Vec<String>) -> Commas {
        Commas { reader, places, width, na, record: ByteRecord::new(), ended: false }
    }

    /// The line that the latest record began on. The library knows where it stopped reading: after the line's end, or between
    /// the two bytes of one.
    fn line(&self, line_ends: usize) -> u64 {
        let lines = self.reader.get_ref();
        let passed = !lines.ended && lines.crlf != Some(true);
        self.reader.position().line().saturating_sub(line_ends as u64 + u64::from(passed))
    }

    fn row(&self, place: Place) -> Result<Row, ReadError> {
        if self.record.len() != self.width {
            let why = format!("{} fields, but the header has {}", self.record.len(), self.width);
            return Err(ReadError::Row(place, why));
        }
        let cell = |at: &usize| {
            let text = std::str::from_utf8(&self.record[*at]).map_err(|_| {
                let field = at + 1;
                ReadError::Row(place, format!("field {field} is not UTF-8"))
            })?;
            let nothing = text.is_empty() || self.na.iter().any(|word| word == text);
            Ok(if nothing { Cell::Null } else { Cell::Text(text.to_owned()) })
        };
        Ok(Row { place, cells: self.places.iter().map(cell).collect::<Result<_, ReadError>>()? })
    }
}

impl Iterator for Commas {
    type Item = Result<Row, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        match self.reader.read_byte_record(&mut self.record) {
            Ok(true) => {
                let bytes = self.record.as_slice();
                let line_ends = bytes.iter().filter(|byte| **byte == b'\n').count();
                Some(self.row(Place::Line(self.line(line_ends))))
            }
            Ok(false) => {
                self.ended = true;
                None
            }
            Err(error) => {
                self.ended = true;
                Some(Err(ReadError::File(why(error))))
            }
        }
    }
}

/// What the library or the bytes under it say.
fn why(error: csv::Error) -> String {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error.to_string(),
        other => format!("{other:?}"),
    }
}

/// Bytes whose lines are not past the bound and whose quotes stand where they should. Records how lines end.
pub struct Lines {
    bytes: Box<dyn Read>,
    since_end: usize,
    quotes: Quotes,
    /// Whether lines end in two bytes, by the first one.
    crlf: Option<bool>,
    before: u8,
    ended: bool,
}

impl Lines {
    fn new(bytes: Box<dyn Read>) -> Lines {
        Lines { bytes, since_end: 0, quotes: Quotes::new(), crlf: None, before: 0, ended: false }
    }
}

impl Read for Lines {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.read(bytes)?;
        let read = &bytes[..count];
        self.ended |= read.is_empty() && !bytes.is_empty();
        let refused = |why| io::Error::new(io::ErrorKind::InvalidData, why);
        self.quotes.pass(read).map_err(refused)?;
        if self.ended {
            self.quotes.end().map_err(refused)?;
        }
        if self.crlf.is_none()
            && let Some(end) = read.iter().position(|byte| *byte == b'\n')
        {
            let before = end.checked_sub(1).map_or(self.before, |at| read[at]);
            self.crlf = Some(before == b'\r');
        }
        self.before = read.last().copied().unwrap_or(self.before);
        self.since_end = match read.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => count - end - 1,
            None => self.since_end + count,
        };
        if self.since_end > LINE_BYTES_MAX {
            let why = format!("a line is longer than {LINE_BYTES_MAX} bytes");
            return Err(refused(why));
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_the_line_that_it_begins_on() {
        for end in ["\n", "\r\n"] {
            for last in [end, ""] {
                let rows = ["n,who", "", "1,a", "2,\"b", "b\"", "", "", "3,c", "4,\"d", "\"", "5"].join(end);
                let bytes = io::Cursor::new((rows + last).into_bytes());
                let (columns, source) = Commas::open(Box::new(bytes)).unwrap();
                let rows = Commas::new(source, columns.len(), vec![0], Vec::new());
                let lines: Vec<u64> = rows
                    .map(|row| match row {
                        Ok(Row { place: Place::Line(line), .. })
                        | Err(ReadError::Row(Place::Line(line), _)) => line,
                        other => panic!("{other:?}"),
                    })
                    .collect();
                assert_eq!(lines, [3, 4, 8, 9, 11], "{end:?} {last:?}");
            }
        }
    }
}
