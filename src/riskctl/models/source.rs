//! Where rows to train on or to measure with come from: a file of features, or simulated traffic.

use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::Args;
use events::{Table, parse_instant};
use model::Dataset;

use super::simulated;
use super::table::{self, Columns, Reading};
use crate::outcome::Failure;
use crate::span::{self, span};

/// The column of the event time that `riskctl replay --out` writes.
const TIME: &str = "_time_ms";

/// Rows of a file, or of a simulation.
#[derive(Args, Debug)]
pub struct Source {
    /// CSV or Parquet with a column a feature, one for the label and one for the time
    #[arg(long, value_name = "FILE", required_unless_present = "sim_events", conflicts_with = "sim_events")]
    data: Option<PathBuf>,
    #[command(flatten)]
    reading: Reading,
    /// So many simulated events instead, sent through the engine with the policy of --rules
    #[arg(long, value_name = "N", requires = "rules")]
    sim_events: Option<usize>,
    /// Simulated accounts
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    sim_accounts: u32,
    /// Policy whose features the model reads
    #[arg(long, value_name = "DIR")]
    pub rules: Option<PathBuf>,
    /// Column that says fraud: true or 1
    #[arg(long, value_name = "COLUMN", default_value = "_label")]
    label: String,
    /// Column of the event time: a typed time, Unix milliseconds, a day, or RFC 3339. Without one, and without `_time_ms`, rows are taken
    /// to be in time order
    #[arg(long, value_name = "COLUMN")]
    time: Option<String>,
    /// Only rows from this day or time on
    #[arg(long, value_parser = parse_instant)]
    from: Option<i64>,
    /// Only rows before this day or time
    #[arg(long, value_parser = parse_instant)]
    pub to: Option<i64>,
    /// Seed of simulated traffic; in training, of sampling and trees too
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

impl Source {
    /// The rows, at least one, with these features or, if none is named, with all, but `without` those. Labels may be missing as a column where they are only
    /// measured with.
    ///
    /// # Errors
    /// If the file cannot be read, no row is left, a feature is unknown or the rules do not compile.
    pub fn read(
        &self,
        features: &[String],
        without: &[String],
        without_labels: bool,
    ) -> Result<Dataset, Failure> {
        let rows = self.rows(features, without, without_labels, span(self.from, self.to)?)?;
        if rows.is_empty() {
            let what = self.data.as_ref().map_or_else(|| self.describe(), |path| path.display().to_string());
            return Err(Failure::of(what, span::nothing(self.from, self.to)));
        }
        Ok(rows)
    }

    fn rows(
        &self,
        features: &[String],
        without: &[String],
        without_labels: bool,
        span: Range<i64>,
    ) -> Result<Dataset, Failure> {
        match (&self.data, self.sim_events, &self.rules) {
            (Some(path), _, _) => {
                let table = Table::open(path)?;
                let label = (!without_labels || table.has(&self.label)).then_some(self.label.as_str());
                let time = self.time.as_deref().or(Some(TIME).filter(|name| table.has(name)));
                if time.is_none() && (self.from.is_some() || self.to.is_some()) {
                    return Err(Failure(format!(
                        "--from and --to need a time; there is no column `{TIME}`: see --time"
                    )));
                }
                let columns = Columns { features, without, label, time, na: &self.reading.na };
                table::read(path, &columns, span.start, span.end)
            }
            (None, Some(events), Some(rules)) => {
                let rows = simulated::rows(rules, events, self.sim_accounts, self.seed, features)?;
                if let Some(unknown) = without.iter().find(|name| !rows.inputs().contains(name)) {
                    return Err(Failure(format!("--exclude {unknown}: there is no such feature")));
                }
                let rows = rows.without(without);
                Ok(rows.filter(|row| span.contains(&rows.time_ms(row))))
            }
            _ => Err("either --data, or --sim-events with --rules".into()),
        }
    }

    /// What is read.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        [&self.data, &self.rules].into_iter().flatten().map(PathBuf::as_path)
    }

    /// What the rows are, in words.
    pub fn describe(&self) -> String {
        match (&self.data, self.sim_events) {
            (Some(path), _) => {
                let file = path.file_name().unwrap_or(path.as_os_str());
                format!("{}, features of the engine", file.display())
            }
            (None, Some(events)) => format!(
                "{events} simulated events of {} accounts, seed {}, features of the engine",
                self.sim_accounts, self.seed
            ),
            (None, None) => String::new(),
        }
    }
}
