//! Rows of a CSV or Parquet file, one after another, as loosely typed cells.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::record::reader::RowIter;

use crate::outcome::Failure;

/// A value of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing: a null, or an empty CSV field.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Double(f64),
    /// Text; every CSV value.
    Text(String),
}

/// A file being read. Iterate it for its rows.
pub struct Rows {
    columns: Vec<String>,
    length: Option<u64>,
    reader: Reader,
}

enum Reader {
    Csv(Box<csv::Reader<Lines>>),
    Parquet(Box<RowIter<'static>>),
}

impl Rows {
    /// Opens a `.csv` or `.parquet` file.
    ///
    /// # Errors
    /// If it has another ending, or cannot be read.
    pub fn open(path: &Path) -> Result<Rows, Failure> {
        let failed = |error: &dyn std::fmt::Display| Failure::of(path.display(), error);
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("csv") => {
                let file = File::open(path).map_err(|error| failed(&error))?;
                let mut reader = csv::Reader::from_reader(Lines { file, since_end: 0 });
                let header = reader.headers().map_err(|error| failed(&error))?;
                let columns = header.iter().map(str::to_owned).collect();
                Ok(Rows { columns, length: None, reader: Reader::Csv(Box::new(reader)) })
            }
            Some("parquet") => {
                let file = File::open(path).map_err(|error| failed(&error))?;
                let reader = SerializedFileReader::new(file).map_err(|error| failed(&error))?;
                let meta = reader.metadata().file_metadata();
                let fields = meta.schema().get_fields();
                let columns = fields.iter().map(|field| field.name().to_owned()).collect();
                let length = u64::try_from(meta.num_rows()).ok();
                Ok(Rows { columns, length, reader: Reader::Parquet(Box::new(reader.into_iter())) })
            }
            _ => Err(Failure(format!("{}: expected a file ending in .csv or .parquet", path.display()))),
        }
    }

    /// Names of the columns, in the order of a row's cells.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Number of rows, where the file says so.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// Where a row stands in the file, for messages: a line of CSV, a row of Parquet. The first row is 0.
    pub fn place_of(&self) -> fn(usize) -> String {
        match self.reader {
            Reader::Csv(_) => |number| format!("line {}", number + 2),
            Reader::Parquet(_) => |number| format!("row {}", number + 1),
        }
    }

    /// The place of that column.
    ///
    /// # Errors
    /// If there is none; all that there are are named.
    pub fn column(&self, name: &str) -> Result<usize, Failure> {
        let place = self.columns.iter().position(|column| column == name);
        place.ok_or_else(|| Failure(format!("no column `{name}`; there are {}", self.columns.join(", "))))
    }
}

impl Iterator for Rows {
    type Item = Result<Vec<Cell>, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.reader {
            Reader::Csv(reader) => {
                let mut record = csv::StringRecord::new();
                match reader.read_record(&mut record) {
                    Ok(false) => None,
                    Ok(true) => Some(Ok(record.iter().map(csv_cell).collect())),
                    Err(error) => Some(Err(Failure(error.to_string()))),
                }
            }
            Reader::Parquet(rows) => rows.next().map(|row| {
                let row = row.map_err(|error| Failure(error.to_string()))?;
                row.into_columns().into_iter().map(|(name, field)| parquet_cell(&name, field)).collect()
            }),
        }
    }
}

/// Longest line of a CSV file, in bytes: without a bound, a file without line ends would be read as one row.
const LINE_BYTES_MAX: usize = 1 << 20;

/// A file that refuses lines past the bound.
struct Lines {
    file: File,
    since_end: usize,
}

impl Read for Lines {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(bytes)?;
        self.since_end = match bytes[..count].iter().rposition(|byte| *byte == b'\n') {
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

fn csv_cell(text: &str) -> Cell {
    if text.is_empty() { Cell::Null } else { Cell::Text(text.to_owned()) }
}

fn parquet_cell(name: &str, field: Field) -> Result<Cell, Failure> {
    Ok(match field {
        Field::Null => Cell::Null,
        Field::Bool(b) => Cell::Bool(b),
        Field::Byte(n) => Cell::Int(n.into()),
        Field::Short(n) => Cell::Int(n.into()),
        Field::Int(n) | Field::Date(n) => Cell::Int(n.into()),
        Field::Long(n) | Field::TimestampMillis(n) | Field::TimestampMicros(n) => Cell::Int(n),
        Field::UByte(n) => Cell::Int(n.into()),
        Field::UShort(n) => Cell::Int(n.into()),
        Field::UInt(n) => Cell::Int(n.into()),
        Field::Float(x) => Cell::Double(x.into()),
        Field::Double(x) => Cell::Double(x),
        Field::Str(text) => Cell::Text(text),
        _ => return Err(Failure(format!("column `{name}` is of a type that is not read"))),
    })
}

impl Cell {
    /// The value as text, `None` where there is none. Whole floats have no point.
    pub fn to_text(&self) -> Option<String> {
        match self {
            Cell::Null => None,
            Cell::Bool(b) => Some(b.to_string()),
            Cell::Int(n) => Some(n.to_string()),
            Cell::Double(x) => Some(x.to_string()),
            Cell::Text(text) => Some(text.clone()),
        }
    }

    /// The value as a float; `None` where it is none. Truth is 1 or 0, an absent value is not a number (NaN).
    pub fn to_float(&self) -> Option<f64> {
        match self {
            Cell::Null => Some(f64::NAN),
            Cell::Bool(b) => Some(f64::from(u8::from(*b))),
            Cell::Int(n) => Some(*n as f64),
            Cell::Double(x) => Some(*x),
            Cell::Text(text) => match text.as_str() {
                "true" => Some(1.0),
                "false" => Some(0.0),
                number => number.parse().ok(),
            },
        }
    }

    /// The value as a whole number.
    pub fn to_int(&self) -> Option<i64> {
        match self {
            Cell::Int(n) => Some(*n),
            Cell::Double(x) if x.fract() == 0.0 && x.abs() < 9e15 => Some(*x as i64),
            Cell::Text(text) => text.parse().ok(),
            _ => None,
        }
    }
}
