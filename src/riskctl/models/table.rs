//! A table of features from a file: what `riskctl replay --out` wrote, or any CSV or Parquet of that form.

use std::path::Path;

use clap::Args;
use events::{Cell, Place, Table};
use model::Dataset;
use model::dataset::VALUES_MAX;

use crate::outcome::Failure;
use crate::print;

/// How a file of features is read.
#[derive(Args, Clone, Debug, Default)]
pub struct Reading {
    /// Texts of --data that mean that there is no value, such as NA; an empty field always does
    #[arg(long, value_delimiter = ',', value_name = "WORD,…")]
    pub na: Vec<String>,
}

/// Which columns are what. Columns whose names begin with `_` are never features unless named.
#[derive(Clone, Copy, Debug)]
pub struct Columns<'a> {
    /// Features, in order; empty for all but label and time.
    pub features: &'a [String],
    /// Columns that are not read, though they might be features.
    pub without: &'a [String],
    /// The column that says fraud: true or 1.
    pub label: Option<&'a str>,
    /// The column of the event time; without one a row's time is its number.
    pub time: Option<&'a str>,
    /// Texts that mean that there is no value.
    pub na: &'a [String],
}

/// The end of 1970: times before it are hardly meant to be milliseconds.
const YEAR_MS: i64 = 365 * 86_400_000;

/// Texts that programs write where there is no value.
const NOTHING: [&str; 8] = ["na", "n/a", "nat", "<na>", "null", "none", "-", "?"];

/// Reads the rows with `from_ms <= time < to_ms`. A missing feature is NaN; anything else that is no finite number, and a
/// missing label or time, is refused.
///
/// # Errors
/// If a column is missing, a value is no number, or there are too many; row and column are named.
pub fn read(path: &Path, columns: &Columns<'_>, from_ms: i64, to_ms: i64) -> Result<Dataset, Failure> {
    let table = Table::open(path)?;
    let features = features(&table, columns)?;
    let rows_max = VALUES_MAX / features.len().max(1);
    let too_many = || {
        let features = features.len();
        Failure(format!(
            "{}: more than {rows_max} rows of {features} features do not fit: name fewer with --features",
            path.display()
        ))
    };
    // Asked before a row is read: a file may claim what it likes.
    if columns.features.is_empty() && table.length().is_some_and(|length| length > rows_max as u64) {
        return Err(too_many());
    }
    let bar = print::progress(table.length(), "reading");
    let beside = [columns.label, columns.time].into_iter().flatten().map(str::to_owned);
    let read: Vec<String> = features.iter().cloned().chain(beside).collect();
    let rows = table.rows(&read, columns.na).map_err(|error| {
        let leave_out = if columns.features.is_empty() { ", or leave it out with --exclude" } else { "" };
        Failure(format!("{error}{leave_out}"))
    })?;
    let mut data = Dataset::new(features.clone());
    let mut values = vec![0.0; features.len()];
    let mut latest_ms = None;
    for (number, row) in rows.enumerate() {
        let row = row?;
        bar.inc(1);
        let refuse =
            |at: usize, expected: &str| refused(row.place, &read[at], &row.cells[at], expected, columns);
        let time = columns.time.map(|_| read.len() - 1);
        let time_ms = match time {
            Some(at) => {
                let expected = "a time: Unix milliseconds, a day or RFC 3339";
                let time_ms = row.cells[at].to_time_ms().ok_or_else(|| refuse(at, expected))?;
                if row.cells[at].to_int().is_some() {
                    latest_ms = latest_ms.max(Some(time_ms));
                }
                time_ms
            }
            None => number as i64,
        };
        if time_ms < from_ms || time_ms >= to_ms {
            continue;
        }
        for (at, value) in values.iter_mut().enumerate() {
            let number = row.cells[at].to_float().filter(|number| !number.is_infinite());
            *value = number.ok_or_else(|| refuse(at, "a finite number"))?;
        }
        let label = columns.label.map(|_| features.len());
        let fraud = match label.map(|at| (at, row.cells[at].to_float())) {
            None | Some((_, Some(0.0))) => false,
            Some((_, Some(1.0))) => true,
            Some((at, _)) => return Err(refuse(at, "a label: 0 or 1")),
        };
        if data.len() == rows_max {
            return Err(too_many());
        }
        data.push(time_ms, &values, fraud);
    }
    bar.finish_and_clear();
    if let (Some(name), Some(0..YEAR_MS)) = (columns.time, latest_ms) {
        print::note(&format!(
            "all times of column `{name}` lie in 1970, read as Unix milliseconds: are they seconds?"
        ));
    }
    Ok(data)
}

/// The columns that are features.
fn features(table: &Table, columns: &Columns<'_>) -> Result<Vec<String>, Failure> {
    apart(columns)?;
    if let Some(unknown) = columns.without.iter().find(|name| !table.has(name)) {
        let there = table.columns().join(", ");
        return Err(Failure(format!("--exclude {unknown}: no such feature among the columns {there}")));
    }
    let kept = |name: &&String| !columns.without.contains(name);
    if !columns.features.is_empty() {
        return Ok(columns.features.iter().filter(kept).cloned().collect());
    }
    let other = |name: &str| Some(name) != columns.label && Some(name) != columns.time;
    let plain = |name: &&String| !name.starts_with('_') && other(name) && kept(name);
    let (index, features): (Vec<&String>, Vec<&String>) =
        table.columns().iter().filter(plain).partition(|name| is_index(name));
    for name in index {
        print::note(&format!("column `{name}` is the index of a table and no feature: it is left out"));
    }
    Ok(features.into_iter().cloned().collect())
}

/// Refuses a label among the features, which would tell what is to be found, and label or time among what is not read.
fn apart(columns: &Columns<'_>) -> Result<(), Failure> {
    let among = |names: &[String], other: Option<&str>| names.iter().any(|name| Some(name.as_str()) == other);
    if let Some(name) = columns.label.filter(|_| among(columns.features, columns.label)) {
        return Err(Failure(format!(
            "`{name}` is the label: it cannot be a feature too, which would tell the answer"
        )));
    }
    for (other, what) in [(columns.label, "label"), (columns.time, "time")] {
        if let Some(name) = other.filter(|_| among(columns.without, other)) {
            return Err(Failure(format!(
                "--exclude {name}: it is the {what} and no feature; to do without it, name another with --{what}"
            )));
        }
    }
    Ok(())
}

/// Whether a column without a name of its own: the numbers that some programs write before each row, and what they call them
/// when they read them again.
fn is_index(name: &str) -> bool {
    let number = name.strip_prefix("Unnamed: ");
    name.trim().is_empty() || number.is_some_and(|number| number.bytes().all(|digit| digit.is_ascii_digit()))
}

/// What is wrong with a value, and what can be done.
fn refused(place: Place, name: &str, cell: &Cell, expected: &str, columns: &Columns<'_>) -> Failure {
    let found = cell.to_text().map_or_else(|| "nothing".to_owned(), |text| format!("{text:?}"));
    let feature = columns.features.is_empty() && Some(name) != columns.label && Some(name) != columns.time;
    let hint = match cell {
        Cell::Text(text) if NOTHING.contains(&text.to_ascii_lowercase().as_str()) => {
            format!("; --na {text:?} reads it as a missing value")
        }
        _ if feature => format!("; --exclude {name} leaves the column out"),
        _ => String::new(),
    };
    Failure(format!("{place}: column `{name}` holds {found}, expected {expected}{hint}"))
}
