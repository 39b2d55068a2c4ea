//! Parquet, through Arrow record batches of the columns asked for.

use std::cell::Cell as Flag;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::vec::IntoIter;

use arrow_array::{RecordBatch, RecordBatchReader};
use arrow_schema::{ArrowError, DataType, Field};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::LogicalType;
use parquet::file::reader::ChunkReader;

use crate::cell::Cell;
use crate::column::{self, Meaning};
use crate::error::{Place, ReadError};
use crate::table::Row;

/// Rows decoded at a time.
const BATCH_ROWS: usize = 1024;

/// A file whose footer is read.
pub struct ParquetFile {
    meta: ArrowReaderMetadata,
    bytes: Source,
}

/// Where the bytes come from.
pub enum Source {
    /// A file.
    File(File),
    /// Memory.
    Memory(Bytes),
}

impl From<File> for Source {
    fn from(file: File) -> Source {
        Source::File(file)
    }
}

impl From<Bytes> for Source {
    fn from(bytes: Bytes) -> Source {
        Source::Memory(bytes)
    }
}

impl ParquetFile {
    /// Reads the footer.
    pub fn open(bytes: impl ChunkReader + Into<Source>) -> Result<ParquetFile, String> {
        // The Arrow schema that some writers leave beside Parquet's own tells more, but one that does not fit is no reason to refuse.
        let load = |plain: bool| {
            ArrowReaderMetadata::load(&bytes, ArrowReaderOptions::new().with_skip_arrow_metadata(plain))
        };
        let meta = guarded(|| load(false).or_else(|_| load(true)).map_err(|error| error.to_string()))?;
        Ok(ParquetFile { meta, bytes: bytes.into() })
    }

    /// Names of the columns.
    pub fn columns(&self) -> Vec<String> {
        self.meta.schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    /// Number of rows.
    pub fn length(&self) -> u64 {
        u64::try_from(self.meta.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    /// The rows of those columns.
    pub fn groups(self, places: &[usize], na: &[String]) -> Result<Groups, String> {
        let mut read = places.to_vec();
        read.sort_unstable();
        read.dedup();
        let meaning = |place: &usize| self.meaning(self.meta.schema().field(*place), *place);
        let meanings = read.iter().map(meaning).collect::<Result<Vec<_>, String>>()?;
        let order = places.iter().filter_map(|place| read.binary_search(place).ok()).collect();
        let mask = ProjectionMask::roots(self.meta.parquet_schema(), read);
        let batches = guarded(|| match self.bytes {
            Source::File(file) => batches(file, self.meta, mask),
            Source::Memory(bytes) => batches(bytes, self.meta, mask),
        });
        Ok(Groups {
            batches: batches?,
            meanings,
            na: na.to_vec(),
            order,
            row: 0,
            left: 0,
            columns: Vec::new(),
        })
    }

    fn meaning(&self, field: &Field, place: usize) -> Result<Meaning, String> {
        let root = &self.meta.parquet_schema().root_schema().get_fields()[place];
        let uuid = root.get_basic_info().logical_type_ref() == Some(&LogicalType::Uuid);
        Meaning::of(field.data_type(), uuid).ok_or_else(|| {
            let hint = match field.data_type() {
                DataType::Duration(_) => "write it as a number of seconds",
                DataType::Time32(_) | DataType::Time64(_) => "write it as text or as a number",
                _ => "write its parts as columns of their own",
            };
            format!("column `{}` is of type {}, which is not read: {hint}", field.name(), field.data_type())
        })
    }
}

type Batches = Box<dyn RecordBatchReader<Item = Result<RecordBatch, ArrowError>>>;

fn batches(
    bytes: impl ChunkReader + 'static,
    meta: ArrowReaderMetadata,
    mask: ProjectionMask,
) -> Result<Batches, String> {
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(bytes, meta);
    let built = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build();
    built.map(|reader| Box::new(reader) as Batches).map_err(|error| error.to_string())
}

/// What the library makes of a file. Of a damaged one it may assert what does not hold; that is no fault of ours, and no reason
/// to end without a word.
fn guarded<T>(read: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    GUARDED.set(true);
    let read = catch_unwind(AssertUnwindSafe(read));
    GUARDED.set(false);
    read.unwrap_or_else(|_| Err("the file is damaged".to_owned()))
}

thread_local! {
    /// Whether what panics on this thread is caught and told as a damaged file.
    static GUARDED: Flag<bool> = const { Flag::new(false) };
}

/// From here on, assertions of the library that are caught and told as a damaged file are not told as panics too.
pub fn quiet_damage() {
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !GUARDED.get() {
            told(panic);
        }
    }));
}

/// Rows, a batch at a time.
pub struct Groups {
    batches: Batches,
    meanings: Vec<Meaning>,
    na: Vec<String>,
    /// For each column asked for, its place among those read.
    order: Vec<usize>,
    /// Rows given out.
    row: u64,
    /// Rows of the batch that are left.
    left: usize,
    columns: Vec<IntoIter<Cell>>,
}

impl Groups {
    /// Decodes the next batch that has rows; `false` at the end.
    fn refill(&mut self) -> Result<bool, ReadError> {
        while self.left == 0 {
            let first = self.row + 1;
            let batches = &mut self.batches;
            let batch = guarded(|| batches.next().transpose().map_err(|error| error.to_string()))
                .map_err(|why| ReadError::File(format!("in the rows from row {first} on: {why}")))?;
            let Some(batch) = batch else { return Ok(false) };
            self.left = batch.num_rows();
            self.columns = self.decode(&batch)?;
        }
        Ok(true)
    }

    fn decode(&self, batch: &RecordBatch) -> Result<Vec<IntoIter<Cell>>, ReadError> {
        let pairs = batch.columns().iter().zip(&self.meanings).enumerate();
        let columns = pairs.map(|(place, (array, meaning))| {
            let cells = column::cells(array, *meaning).map_err(|(row, why)| {
                let schema = batch.schema();
                let name = schema.field(place).name();
                ReadError::File(format!("row {}: column `{name}`: {why}", self.row + 1 + row as u64))
            })?;
            let nothing = |text: &String| self.na.contains(text);
            let kept = cells.into_iter().map(|cell| match cell {
                Cell::Text(text) if text.is_empty() || nothing(&text) => Cell::Null,
                other => other,
            });
            Ok(kept.collect::<Vec<_>>().into_iter())
        });
        columns.collect()
    }
}

impl Iterator for Groups {
    type Item = Result<Row, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.refill() {
            Ok(true) => {}
            Ok(false) => return None,
            Err(error) => return Some(Err(error)),
        }
        self.left -= 1;
        self.row += 1;
        let read: Vec<Cell> =
            self.columns.iter_mut().map(|column| column.next().unwrap_or(Cell::Null)).collect();
        let cells = self.order.iter().map(|place| read[*place].clone()).collect();
        Some(Ok(Row { place: Place::Row(self.row), cells }))
    }
}
