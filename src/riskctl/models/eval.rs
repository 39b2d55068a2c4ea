//! `riskctl model eval`: a model's quality on labelled rows.

use std::path::PathBuf;

use clap::Args;
use model::manifest::Quality;
use model::quality::{Curve, Scored};
use model::{Dataset, walk};
use serde_json::Value;

use super::source::Source;
use crate::outcome::{Ended, Failure, Outcome};
use crate::print::{self, Table};

/// Shown after the help.
pub const EXAMPLES: &str = "Examples:\n  \
    riskctl model eval models/redpacket --sim-events 100000 --seed 99 --rules rules\n  \
    riskctl model eval model --data features.parquet --from 2018-08-08 --to 2018-08-15";

/// What to measure.
#[derive(Args, Debug)]
pub struct Options {
    /// The model's folder
    model: PathBuf,
    #[command(flatten)]
    source: Source,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints the figures.
pub fn run(options: &Options) -> Outcome {
    let forest = model::load(&options.model).map_err(|error| Failure::of(options.model.display(), error))?;
    let data = options.source.read(&forest.inputs)?;
    let quality = measure(&data, |row| walk::score(&forest, row))
        .ok_or("the rows hold no fraud or no honest event: nothing to measure")?;
    let mut table =
        Table::new(&["model", "rows", "fraud", "AUC", "average precision", "recall at 1 %", "at 0.1 %"]);
    table.row([
        Value::from(forest.version.as_str()),
        Value::from(quality.rows),
        Value::from(quality.frauds),
        print::decimals(Some(quality.roc_auc), 4),
        print::decimals(Some(quality.average_precision), 4),
        print::decimals(Some(quality.recall_at_1_percent), 4),
        print::decimals(Some(quality.recall_at_0_1_percent), 4),
    ]);
    table.print(options.json);
    Ok(Ended::Clean)
}

/// The figures of a scoring of those rows; `None` without both fraud and honest rows.
pub fn measure(data: &Dataset, score: impl Fn(&[f64]) -> f64) -> Option<Quality> {
    let scored = |row| Scored { score: score(data.row(row)), fraud: data.is_fraud(row) };
    let curve = Curve::new(&(0..data.len()).map(scored).collect::<Vec<_>>());
    let rounded = |x: f64| (x * 1e6).round() / 1e6;
    Some(Quality {
        rows: data.len(),
        frauds: curve.frauds(),
        roc_auc: rounded(curve.roc_auc()?),
        average_precision: rounded(curve.average_precision()?),
        recall_at_1_percent: rounded(curve.recall_at_false_positives(0.01)?),
        recall_at_0_1_percent: rounded(curve.recall_at_false_positives(0.001)?),
    })
}
