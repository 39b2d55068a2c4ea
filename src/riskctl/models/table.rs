//! A table of features from a file: what `riskctl replay --out` wrote, or any CSV or Parquet of that form.

use std::path::Path;

use model::Dataset;

use crate::events::{Cell, Rows};
use crate::outcome::Failure;
use crate::print;

/// Which columns are what. Columns whose names begin with `_` are never features unless named.
#[derive(Clone, Debug)]
pub struct Columns<'a> {
    /// Features, in order; empty for all.
    pub features: &'a [String],
    /// The column that says fraud: true or 1.
    pub label: Option<&'a str>,
    /// The column of the event time in Unix milliseconds; without one every row has time 0.
    pub time: Option<&'a str>,
}

/// Reads the rows with `from_ms <= time < to_ms`.
///
/// # Errors
/// If a column is missing or a value is no number; the row is named.
pub fn read(path: &Path, columns: &Columns<'_>, from_ms: i64, to_ms: i64) -> Result<Dataset, Failure> {
    let rows = Rows::open(path)?;
    let features: Vec<String> = if columns.features.is_empty() {
        rows.columns().iter().filter(|name| !name.starts_with('_')).cloned().collect()
    } else {
        columns.features.to_vec()
    };
    let places: Vec<usize> = features.iter().map(|name| rows.column(name)).collect::<Result<_, _>>()?;
    let label = columns.label.map(|name| rows.column(name)).transpose()?;
    let time = columns.time.map(|name| rows.column(name)).transpose()?;

    let bar = print::progress(rows.length(), "reading");
    let mut data = Dataset::new(features.clone());
    let mut values = vec![0.0; places.len()];
    for (number, row) in rows.enumerate() {
        let row = row?;
        bar.inc(1);
        let refuse = |name: &str, cell: &Cell| {
            Failure(format!("row {}: column `{name}` holds {cell:?}, expected a number", number + 2))
        };
        let time_ms = match time {
            Some(place) => {
                let refused = || refuse(columns.time.unwrap_or_default(), &row[place]);
                row[place].to_int().ok_or_else(refused)?
            }
            None => 0,
        };
        if time_ms < from_ms || time_ms >= to_ms {
            continue;
        }
        for ((value, place), name) in values.iter_mut().zip(&places).zip(&features) {
            *value = row[*place].to_float().ok_or_else(|| refuse(name, &row[*place]))?;
        }
        let fraud = match label {
            Some(place) => match row[place].to_float() {
                Some(label) => label != 0.0,
                None => return Err(refuse(columns.label.unwrap_or_default(), &row[place])),
            },
            None => false,
        };
        data.push(time_ms, &values, fraud);
    }
    bar.finish_and_clear();
    Ok(data)
}
