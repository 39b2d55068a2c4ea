//! `riskctl model predict`: scores, by the slow and obvious walk over the trees, and what each input did to them.

use std::path::{Path, PathBuf};

use clap::Args;
use engine::feature::{FeatureTable, Scalar};
use model::{Artefact, Dataset, walk};
use serde_json::{Map, Value, json};

use super::contributions::Explained;
use super::table::{self, Columns, Reading};
use crate::beside;
use crate::outcome::{Ended, Failure, Outcome};
use crate::print;
use crate::replay::{Column, OutFile};

/// Shown after the help.
pub const EXAMPLES: &str = "Examples:\n  \
     riskctl model predict --model models/redpacket --given '{\"amount\": 20000, \"device_accounts\": 4}'\n  \
     riskctl model predict --model models/redpacket --given '{\"amount\": 20000}' --contributions \\\n    \
       --rules rules\n  \
     riskctl model predict --model models/mine --data features.parquet --out scores.csv\n  \
     riskctl model predict --model models/mine --data features.parquet --contributions \\\n    \
       --out parts.parquet";

/// What to score.
#[derive(Args, Debug)]
pub struct Options {
    /// The model's folder
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// One row as a JSON object of inputs; one that is not given has the value that the manifest says for a missing one
    #[arg(long, value_name = "JSON", required_unless_present = "data", conflicts_with = "data")]
    given: Option<String>,
    /// A CSV or Parquet file with a column for each input
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    #[command(flatten)]
    reading: Reading,
    /// What each input did to the raw score too: Shapley values, which with the base are the raw score
    #[arg(long)]
    contributions: bool,
    /// Policy whose features the inputs are: what they mean is shown with contributions
    #[arg(long, value_name = "DIR", requires = "contributions")]
    rules: Option<PathBuf>,
    /// CSV or Parquet file for the scores, instead of standard output
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    out: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints or writes, for each row, the raw score (the trees' sum, or mean where the model takes one) and the score that it
/// becomes.
pub fn run(options: &Options) -> Outcome {
    let artefact =
        model::read(&options.model).map_err(|error| Failure::of(options.model.display(), error))?;
    if let Some(out) = &options.out {
        let inputs = [Some(&options.model), options.data.as_ref(), options.rules.as_ref()];
        beside::keep(out, inputs.into_iter().flatten().map(PathBuf::as_path))?;
    }
    let rows = rows(&artefact, options)?;
    if options.contributions {
        explain(options, artefact, &rows)?;
    } else {
        score(options, &artefact, &rows)?;
    }
    Ok(Ended::Clean)
}

fn score(options: &Options, artefact: &Artefact, rows: &Dataset) -> Result<(), Failure> {
    let forest = &artefact.forest;
    let bar = print::progress(Some(rows.len() as u64), "scoring");
    let sums: Vec<f64> = bar.wrap_iter(0..rows.len()).map(|row| walk::raw(forest, rows.row(row))).collect();
    bar.finish_and_clear();
    let scores: Vec<f64> = sums.iter().map(|sum| forest.score(*sum)).collect();
    let raw: Vec<f64> = sums.into_iter().map(|sum| walk::mean(forest, sum)).collect();
    if let Some(path) = &options.out {
        return write(path, &raw, &scores);
    }
    let text = if options.json {
        print::pretty(&json!({ "model": forest.version, "raw": raw, "scores": scores }))
    } else {
        let lines = raw.iter().zip(&scores).map(|(raw, score)| format!("{raw},{score}\n"));
        format!("raw,score\n{}", lines.collect::<String>())
    };
    print::raw(&text);
    Ok(())
}

fn write(path: &Path, raw: &[f64], scores: &[f64]) -> Result<(), Failure> {
    let columns = ["raw", "score"].map(|name| (name.to_owned(), Column::Double(Vec::new())));
    let mut file = OutFile::create(path, columns.into())?;
    for (raw, score) in raw.iter().zip(scores) {
        for (column, value) in file.columns.iter_mut().zip([raw, score]) {
            column.push(Scalar::Double(*value));
        }
        file.end_row()?;
    }
    file.finish()
}

fn explain(options: &Options, artefact: Artefact, rows: &Dataset) -> Result<(), Failure> {
    let features = match &options.rules {
        Some(rules) => crate::rules::compile(rules)?.features,
        None => FeatureTable::default(),
    };
    let explained = Explained::new(artefact, (0..rows.len()).map(|row| rows.row(row)));
    match &options.out {
        Some(path) => explained.write(path)?,
        None if options.json => print::raw(&print::pretty(&explained.json())),
        None if options.given.is_some() => print::out(&explained.one(rows.row(0), &features)),
        None => print::raw(&explained.csv()),
    }
    Ok(())
}

/// The rows asked for.
fn rows(artefact: &Artefact, options: &Options) -> Result<Dataset, Failure> {
    let forest = &artefact.forest;
    match (&options.given, &options.data) {
        (Some(given), _) => {
            let mut rows = Dataset::new(forest.inputs.clone());
            rows.push(0, &row(artefact, given)?, false);
            Ok(rows)
        }
        (None, Some(data)) => {
            let columns = Columns {
                features: &forest.inputs,
                without: &[],
                label: None,
                time: None,
                na: &options.reading.na,
            };
            let rows = table::read(data, &columns, i64::MIN, i64::MAX)?;
            if rows.is_empty() {
                return Err(Failure::of(data.display(), "it has no rows"));
            }
            Ok(rows)
        }
        (None, None) => Err("either --given or --data".into()),
    }
}

/// A row of inputs from a JSON object; the others are what the daemon takes for missing ones, by the manifest.
fn row(artefact: &Artefact, given: &str) -> Result<Vec<f64>, Failure> {
    let forest = &artefact.forest;
    let object: Map<String, Value> =
        serde_json::from_str(given).map_err(|error| Failure::of("--given", error))?;
    let missing = artefact.manifest.inputs.iter().map(|input| input.missing.unwrap_or(f64::NAN));
    let mut row: Vec<f64> = missing.collect();
    for (name, value) in &object {
        let place = forest.inputs.iter().position(|input| input == name);
        let place = place.ok_or_else(|| {
            Failure(format!("the model has no input `{name}`; it has {}", forest.inputs.join(", ")))
        })?;
        let number = value.as_f64().or_else(|| value.as_bool().map(|b| f64::from(u8::from(b))));
        row[place] = number.ok_or_else(|| Failure(format!("`{name}` is {value}, expected a number")))?;
    }
    Ok(row)
}
