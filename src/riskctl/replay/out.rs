//! The file of a replay: every answer with its features, a row an event, as CSV or Parquet.
//!
//! It is written under another name and renamed when whole, because a Parquet file without its end cannot be read.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::feature::Scalar;
use parquet::basic::{Compression, ConvertedType, Repetition, Type as Physical, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

use crate::beside;
use crate::outcome::Failure;

/// Rows held before they are written as one group: tens of megabytes with a hundred features.
const GROUP_ROWS: usize = 65_536;

/// A column, and the values not written yet.
#[derive(Debug)]
pub enum Column {
    /// Truth values.
    Bool(Vec<bool>),
    /// Whole numbers.
    Int(Vec<i64>),
    /// Other numbers.
    Double(Vec<f64>),
    /// Texts.
    Text(Vec<String>),
}

impl Column {
    /// Adds a feature's value; the column was made for its type.
    pub fn push(&mut self, value: Scalar) {
        match self {
            Column::Bool(values) => values.push(value == Scalar::Bool(true)),
            Column::Int(values) => values.push(value.bits() as i64),
            Column::Double(values) => values.push(f64::from_bits(value.bits())),
            Column::Text(values) => values.push(String::new()),
        }
    }

    fn clear(&mut self) {
        match self {
            Column::Bool(values) => values.clear(),
            Column::Int(values) => values.clear(),
            Column::Double(values) => values.clear(),
            Column::Text(values) => values.clear(),
        }
    }
}

/// The file being written.
pub struct OutFile {
    path: PathBuf,
    draft: PathBuf,
    /// Values of the rows to come; every column has as many.
    pub columns: Vec<Column>,
    rows: usize,
    /// Absent once the file is whole.
    format: Option<Format>,
}

enum Format {
    Csv(Box<csv::Writer<File>>),
    Parquet(Box<SerializedFileWriter<File>>),
}

impl OutFile {
    /// Starts the file; its ending chooses the format.
    ///
    /// # Errors
    /// If it has another ending, or cannot be made.
    pub fn create(path: &Path, columns: Vec<(String, Column)>) -> Result<OutFile, Failure> {
        let draft = beside::draft(path);
        let failed = |error: &dyn std::fmt::Display| Failure::of(path.display(), error);
        let ending = path.extension().and_then(|ending| ending.to_str());
        if !matches!(ending, Some("csv" | "parquet")) {
            return Err(failed(&"expected a file ending in .csv or .parquet"));
        }
        let file = File::create(&draft).map_err(|error| failed(&error))?;
        let (names, columns): (Vec<String>, Vec<Column>) = columns.into_iter().unzip();
        let format = if ending == Some("csv") {
            let mut writer = csv::Writer::from_writer(file);
            writer.write_record(&names).map_err(|error| failed(&error))?;
            Format::Csv(Box::new(writer))
        } else {
            Format::Parquet(Box::new(parquet_writer(file, &names, &columns).map_err(|error| failed(&error))?))
        };
        Ok(OutFile { path: path.to_path_buf(), draft, columns, rows: 0, format: Some(format) })
    }

    /// Ends a row: the caller has pushed one value to each column.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn end_row(&mut self) -> Result<(), Failure> {
        self.rows += 1;
        if self.rows == GROUP_ROWS { self.flush() } else { Ok(()) }
    }

    /// Writes what is left and gives the file its name.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn finish(mut self) -> Result<(), Failure> {
        self.flush()?;
        let failed = |error: &dyn std::fmt::Display| Failure::of(self.path.display(), error);
        match self.format.take() {
            Some(Format::Csv(mut writer)) => writer.flush().map_err(|error| failed(&error))?,
            Some(Format::Parquet(writer)) => {
                writer.close().map_err(|error| failed(&error))?;
            }
            None => {}
        }
        std::fs::rename(&self.draft, &self.path).map_err(|error| failed(&error))
    }

    fn flush(&mut self) -> Result<(), Failure> {
        let written = match &mut self.format {
            Some(Format::Csv(writer)) => {
                write_csv(writer, &self.columns, self.rows).map_err(|error| error.to_string())
            }
            Some(Format::Parquet(writer)) => {
                write_group(writer, &self.columns).map_err(|error| error.to_string())
            }
            None => Ok(()),
        };
        self.columns.iter_mut().for_each(Column::clear);
        self.rows = 0;
        written.map_err(|error| Failure::of(self.path.display(), error))
    }
}

impl Drop for OutFile {
    /// A run that ended early leaves no draft.
    fn drop(&mut self) {
        if self.format.is_some() {
            let _ = std::fs::remove_file(&self.draft);
        }
    }
}

fn parquet_writer(
    file: File,
    names: &[String],
    columns: &[Column],
) -> Result<SerializedFileWriter<File>, ParquetError> {
    let mut fields = Vec::with_capacity(names.len());
    for (name, column) in names.iter().zip(columns) {
        let (physical, converted) = match column {
            Column::Bool(_) => (Physical::BOOLEAN, ConvertedType::NONE),
            Column::Int(_) => (Physical::INT64, ConvertedType::NONE),
            Column::Double(_) => (Physical::DOUBLE, ConvertedType::NONE),
            Column::Text(_) => (Physical::BYTE_ARRAY, ConvertedType::UTF8),
        };
        let field = Type::primitive_type_builder(name, physical)
            .with_repetition(Repetition::REQUIRED)
            .with_converted_type(converted);
        fields.push(Arc::new(field.build()?));
    }
    let schema = Type::group_type_builder("replay").with_fields(fields).build()?;
    let zstd = Compression::ZSTD(ZstdLevel::default());
    let properties = WriterProperties::builder().set_compression(zstd).build();
    SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties))
}

fn write_group(writer: &mut SerializedFileWriter<File>, columns: &[Column]) -> Result<(), ParquetError> {
    let mut group = writer.next_row_group()?;
    for column in columns {
        let Some(mut open) = group.next_column()? else { break };
        match (open.untyped(), column) {
            (ColumnWriter::BoolColumnWriter(writer), Column::Bool(values)) => {
                writer.write_batch(values, None, None)?;
            }
            (ColumnWriter::Int64ColumnWriter(writer), Column::Int(values)) => {
                writer.write_batch(values, None, None)?;
            }
            (ColumnWriter::DoubleColumnWriter(writer), Column::Double(values)) => {
                writer.write_batch(values, None, None)?;
            }
            (ColumnWriter::ByteArrayColumnWriter(writer), Column::Text(values)) => {
                let texts: Vec<ByteArray> =
                    values.iter().map(|text| ByteArray::from(text.as_str())).collect();
                writer.write_batch(&texts, None, None)?;
            }
            _ => return Err(ParquetError::General("a column's type changed".to_owned())),
        }
        open.close()?;
    }
    group.close()?;
    Ok(())
}

fn write_csv(writer: &mut csv::Writer<File>, columns: &[Column], rows: usize) -> Result<(), csv::Error> {
    for row in 0..rows {
        for column in columns {
            match column {
                Column::Bool(values) => writer.write_field(if values[row] { "1" } else { "0" })?,
                Column::Int(values) => writer.write_field(values[row].to_string())?,
                // A missing number is an empty field.
                Column::Double(values) if values[row].is_nan() => writer.write_field("")?,
                Column::Double(values) => writer.write_field(values[row].to_string())?,
                Column::Text(values) => writer.write_field(&values[row])?,
            }
        }
        writer.write_record(None::<&[u8]>)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use events::Table;

    #[test]
    fn both_formats_give_back_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["rows.csv", "rows.parquet"] {
            let path = folder.path().join(name);
            let columns = vec![
                ("id".to_owned(), Column::Text(Vec::new())),
                ("flag".to_owned(), Column::Bool(Vec::new())),
                ("count".to_owned(), Column::Int(Vec::new())),
                ("ratio".to_owned(), Column::Double(Vec::new())),
            ];
            let mut out = OutFile::create(&path, columns).unwrap();
            for row in 0..3_i64 {
                for column in &mut out.columns {
                    match column {
                        Column::Text(values) => values.push(format!("a,{row}")),
                        Column::Bool(values) => values.push(row == 1),
                        Column::Int(values) => values.push(-row),
                        Column::Double(values) => values.push(if row == 2 { f64::NAN } else { 0.1 }),
                    }
                }
                out.end_row().unwrap();
            }
            assert!(!path.exists(), "no file before it is whole");
            out.finish().unwrap();
            let table = Table::open(&path).unwrap();
            assert_eq!(table.columns(), ["id", "flag", "count", "ratio"]);
            let rows = table.rows(&["id", "flag", "count", "ratio"], &[]).unwrap();
            let rows: Vec<_> = rows.map(|row| row.unwrap().cells).collect();
            assert_eq!(rows.len(), 3);
            assert_eq!(rows[1][0].to_text().as_deref(), Some("a,1"));
            assert_eq!(rows[1][1].to_float(), Some(1.0));
            assert_eq!((rows[1][2].to_int(), rows[1][3].to_float()), (Some(-1), Some(0.1)));
            assert!(rows[2][3].to_float().unwrap().is_nan());
        }
    }
}
