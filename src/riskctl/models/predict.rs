//! `riskctl model predict`: scores, by the slow and obvious walk over the trees.

use std::path::PathBuf;

use clap::Args;
use engine::feature::Scalar;
use engine::forest::ForestSpec;
use model::walk;
use serde_json::{Map, Value, json};

use super::table::{self, Columns};
use crate::outcome::{Ended, Failure, Outcome};
use crate::print;
use crate::replay::{Column, OutFile};

/// Shown after the help.
pub const EXAMPLES: &str = "Examples:\n  \
     riskctl model predict --model models/redpacket --given '{\"amount\": 20000, \"hour\": 3}'\n  \
     riskctl model predict --model models/redpacket --data features.parquet --out scores.csv";

/// What to score.
#[derive(Args, Debug)]
pub struct Options {
    /// The model's folder
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// One row as a JSON object of inputs; one that is not given is missing
    #[arg(long, value_name = "JSON", required_unless_present = "data", conflicts_with = "data")]
    given: Option<String>,
    /// A CSV or Parquet file with a column for each input
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// CSV or Parquet file for the scores, instead of standard output
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    out: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints or writes, for each row, the sum over the trees and the score that it becomes.
pub fn run(options: &Options) -> Outcome {
    let forest = model::load(&options.model).map_err(|error| Failure::of(options.model.display(), error))?;
    let raw: Vec<f64> = match (&options.given, &options.data) {
        (Some(given), _) => vec![walk::raw(&forest, &row(&forest, given)?)],
        (None, Some(data)) => {
            let columns = Columns { features: &forest.inputs, label: None, time: None };
            let data = table::read(data, &columns, i64::MIN, i64::MAX)?;
            (0..data.len()).map(|row| walk::raw(&forest, data.row(row))).collect()
        }
        (None, None) => Vec::new(),
    };
    let scores: Vec<f64> = raw.iter().map(|raw| forest.score(*raw)).collect();
    if let Some(path) = &options.out {
        let columns = ["raw", "score"].map(|name| (name.to_owned(), Column::Double(Vec::new())));
        let mut file = OutFile::create(path, columns.into())?;
        for (raw, score) in raw.into_iter().zip(scores) {
            for (column, value) in file.columns.iter_mut().zip([raw, score]) {
                column.push(Scalar::Double(value));
            }
            file.end_row()?;
        }
        file.finish()?;
    } else if options.json {
        print::out(&print::pretty(&json!({ "model": forest.version, "raw": raw, "scores": scores })));
    } else {
        let lines = raw.iter().zip(&scores).map(|(raw, score)| format!("{raw},{score}\n"));
        print::out(&format!("raw,score\n{}", lines.collect::<String>()));
    }
    Ok(Ended::Clean)
}

/// A row of inputs from a JSON object.
fn row(forest: &ForestSpec, given: &str) -> Result<Vec<f64>, Failure> {
    let object: Map<String, Value> =
        serde_json::from_str(given).map_err(|error| Failure::of("--given", error))?;
    let mut row = vec![f64::NAN; forest.inputs.len()];
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
