//! A table of features from a file: what `riskctl replay --out` wrote, or any CSV or Parquet of that form.

use std::path::Path;

use model::Dataset;
use model::dataset::VALUES_MAX;

use crate::events::{Cell, Rows, parse_instant};
use crate::outcome::Failure;
use crate::print;

/// Which columns are what. Columns whose names begin with `_` are never features unless named.
#[derive(Clone, Debug)]
pub struct Columns<'a> {
    /// Features, in order; empty for all but label and time.
    pub features: &'a [String],
    /// The column that says fraud: true or 1.
    pub label: Option<&'a str>,
    /// The column of the event time; without one a row's time is its number.
    pub time: Option<&'a str>,
}

/// Names of a file's columns.
///
/// # Errors
/// If it cannot be read.
pub fn columns(path: &Path) -> Result<Vec<String>, Failure> {
    Rows::open(path).map(|rows| rows.columns().to_vec())
}

/// Reads the rows with `from_ms <= time < to_ms`. A missing feature is NaN; anything else that is no finite number, and a
/// missing label or time, is refused.
///
/// # Errors
/// If a column is missing, a value is no number, or there are too many; row and column are named.
pub fn read(path: &Path, columns: &Columns<'_>, from_ms: i64, to_ms: i64) -> Result<Dataset, Failure> {
    let rows = Rows::open(path)?;
    let features: Vec<String> = if columns.features.is_empty() {
        let other = |name: &str| Some(name) != columns.label && Some(name) != columns.time;
        let plain = |name: &&String| !name.starts_with('_') && other(name);
        rows.columns().iter().filter(plain).cloned().collect()
    } else {
        columns.features.to_vec()
    };
    let places: Vec<usize> = features.iter().map(|name| rows.column(name)).collect::<Result<_, _>>()?;
    let label = columns.label.map(|name| rows.column(name)).transpose()?;
    let time = columns.time.map(|name| rows.column(name)).transpose()?;
    let rows_max = VALUES_MAX / features.len().max(1);
    let too_many = || {
        let features = features.len();
        Failure(format!(
            "{}: more than {rows_max} rows of {features} features do not fit: name fewer with --features",
            path.display()
        ))
    };
    // Asked before a row is read: a file may claim what it likes.
    if columns.features.is_empty() && rows.length().is_some_and(|length| length > rows_max as u64) {
        return Err(too_many());
    }
    let place_of = rows.place_of();
    let bar = print::progress(rows.length(), "reading");
    let mut data = Dataset::new(features.clone());
    let mut values = vec![0.0; places.len()];
    for (number, row) in rows.enumerate() {
        let row = row.map_err(|Failure(why)| Failure(format!("{}: {why}", place_of(number))))?;
        bar.inc(1);
        let refuse = |name: &str, cell: &Cell, expected: &str| {
            let found = cell.to_text().map_or_else(|| "nothing".to_owned(), |text| format!("{text:?}"));
            Failure(format!("{}: column `{name}` holds {found}, expected {expected}", place_of(number)))
        };
        let time_ms = match time {
            Some(place) => {
                let cell = &row[place];
                let written = || parse_instant(&cell.to_text().unwrap_or_default()).ok();
                let expected = "a time: Unix milliseconds, a day or RFC 3339";
                let refused = || refuse(columns.time.unwrap_or_default(), cell, expected);
                cell.to_int().or_else(written).ok_or_else(refused)?
            }
            None => number as i64,
        };
        if time_ms < from_ms || time_ms >= to_ms {
            continue;
        }
        for ((value, place), name) in values.iter_mut().zip(&places).zip(&features) {
            let cell = &row[*place];
            let number = cell.to_float().filter(|number| !number.is_infinite());
            *value = number.ok_or_else(|| refuse(name, cell, "a finite number"))?;
        }
        let fraud = match label {
            Some(place) => match row[place].to_float() {
                Some(1.0) => true,
                Some(0.0) => false,
                _ => return Err(refuse(columns.label.unwrap_or_default(), &row[place], "a label: 0 or 1")),
            },
            None => false,
        };
        if data.len() == rows_max {
            return Err(too_many());
        }
        data.push(time_ms, &values, fraud);
    }
    bar.finish_and_clear();
    Ok(data)
}
