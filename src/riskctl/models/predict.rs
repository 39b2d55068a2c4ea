//! `riskctl model predict`: scores, by the slow and obvious walk over the trees.

use std::path::PathBuf;

use clap::Args;
use engine::forest::ForestSpec;
use model::walk;
use serde_json::{Map, Value, json};

use super::table::{self, Columns};
use crate::outcome::{Ended, Failure, Outcome};
use crate::print;

/// Shown after the help.
pub const EXAMPLES: &str = "Examples:\n  riskctl model predict models/redpacket --given '{\"amount\": 20000, \"hour\": 3}'\n  \
     riskctl model predict models/redpacket --data features.parquet";

/// What to score.
#[derive(Args, Debug)]
pub struct Options {
    /// The model's folder
    model: PathBuf,
    /// One row as a JSON object of inputs; one that is not given is missing
    #[arg(long, value_name = "JSON", required_unless_present = "data", conflicts_with = "data")]
    given: Option<String>,
    /// A CSV or Parquet file with a column for each input; a score a line is printed
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Column of the event time, Unix milliseconds
    #[arg(long, default_value = "_time_ms")]
    time: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints the scores.
pub fn run(options: &Options) -> Outcome {
    let forest = model::load(&options.model).map_err(|error| Failure::of(options.model.display(), error))?;
    let scores: Vec<f64> = match (&options.given, &options.data) {
        (Some(given), _) => vec![walk::score(&forest, &row(&forest, given)?)],
        (None, Some(data)) => {
            let columns = Columns { features: &forest.inputs, label: None, time: &options.time };
            let data = table::read(data, &columns, i64::MIN, i64::MAX)?;
            (0..data.len()).map(|row| walk::score(&forest, data.row(row))).collect()
        }
        (None, None) => Vec::new(),
    };
    if options.json {
        print::out(&print::pretty(&json!({ "model": forest.version, "scores": scores })));
    } else {
        print::out(&scores.iter().map(|score| format!("{score}\n")).collect::<String>());
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
