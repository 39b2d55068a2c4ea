//! A CSV or Parquet file: its columns first, then the rows of those asked for. What nobody asked for is never decoded, so that
//! it cannot be in the way.

use std::fs::File;
use std::path::Path;

use bytes::Bytes;

use crate::cell::Cell;
use crate::comma::{self, Commas};
use crate::error::{Place, ReadError};
use crate::parquet_file::{Groups, ParquetFile};

/// Form of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Fields between commas under a header.
    Csv,
    /// Apache Parquet.
    Parquet,
}

/// A file whose columns are known.
pub struct Table {
    columns: Vec<String>,
    length: Option<u64>,
    source: Source,
}

enum Source {
    Csv(comma::Source),
    Parquet(Box<ParquetFile>),
}

/// A row: where it stands, and the cells asked for, in the order asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Where it stands.
    pub place: Place,
    /// The cells.
    pub cells: Vec<Cell>,
}

/// The rows of some columns. Iterate it.
pub struct Rows(Reading);

enum Reading {
    Csv(Box<Commas>),
    Parquet(Box<Groups>),
}

impl Table {
    /// Opens a `.csv` or `.parquet` file and reads its header.
    ///
    /// # Errors
    /// If it has another ending, or cannot be read.
    pub fn open(path: &Path) -> Result<Table, ReadError> {
        let name = path.display();
        let open = || File::open(path).map_err(|error| ReadError::of(&name, error));
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("csv") => {
                Table::csv(Commas::open(Box::new(open()?))).map_err(|why| ReadError::of(&name, why))
            }
            Some("parquet") => {
                ParquetFile::open(open()?).map(Table::parquet).map_err(|why| ReadError::of(&name, why))
            }
            _ => Err(ReadError::of(&name, "expected a file ending in .csv or .parquet")),
        }
    }

    /// The same of a file in memory.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn of_bytes(format: Format, bytes: Vec<u8>) -> Result<Table, ReadError> {
        match format {
            Format::Csv => Table::csv(Commas::open(Box::new(std::io::Cursor::new(bytes)))),
            Format::Parquet => ParquetFile::open(Bytes::from(bytes)).map(Table::parquet),
        }
        .map_err(ReadError::File)
    }

    fn csv(opened: Result<(Vec<String>, comma::Source), String>) -> Result<Table, String> {
        let (columns, source) = opened?;
        Ok(Table { columns, length: None, source: Source::Csv(source) })
    }

    fn parquet(file: ParquetFile) -> Table {
        Table {
            columns: file.columns(),
            length: Some(file.length()),
            source: Source::Parquet(Box::new(file)),
        }
    }

    /// Names of the columns, in the order of the file.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Whether there is a column of that name.
    pub fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column == name)
    }

    /// Number of rows, where the file says so.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// The place of that column.
    ///
    /// # Errors
    /// If there is none, and all that there are are named; or if there are two, since nothing tells which is meant.
    pub fn column(&self, name: &str) -> Result<usize, ReadError> {
        let mut places = self.columns.iter().enumerate().filter(|(_, column)| *column == name);
        match (places.next(), places.next()) {
            (Some((place, _)), None) => Ok(place),
            (Some(_), Some(_)) => {
                Err(ReadError::File(format!("the file has two columns `{name}`: rename one")))
            }
            (None, _) => {
                // An index that pandas writes has no name.
                let named: Vec<&str> =
                    self.columns.iter().map(String::as_str).filter(|column| !column.is_empty()).collect();
                let columns = named.join(", ");
                Err(ReadError::File(format!("no column `{name}`; there are {columns}")))
            }
        }
    }

    /// The rows of those columns. CSV fields that are one of the words `na` hold nothing, as empty ones do.
    ///
    /// # Errors
    /// If a column is missing, twice there, or of a type that is not read.
    pub fn rows<S: AsRef<str>>(self, columns: &[S], na: &[String]) -> Result<Rows, ReadError> {
        let places: Vec<usize> =
            columns.iter().map(|name| self.column(name.as_ref())).collect::<Result<_, _>>()?;
        Ok(Rows(match self.source {
            Source::Csv(source) => {
                Reading::Csv(Box::new(Commas::new(source, self.columns.len(), places, na.to_vec())))
            }
            Source::Parquet(file) => {
                Reading::Parquet(Box::new(file.groups(&places, na).map_err(ReadError::File)?))
            }
        }))
    }
}

impl Iterator for Rows {
    type Item = Result<Row, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Reading::Csv(rows) => rows.next(),
            Reading::Parquet(rows) => rows.next(),
        }
    }
}
