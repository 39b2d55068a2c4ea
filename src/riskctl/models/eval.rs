//! `riskctl model eval`: a model's quality on labelled rows.

use std::path::PathBuf;

use clap::Args;
use model::report;
use serde_json::Value;

use super::source::Source;
use crate::outcome::{Ended, Failure, Outcome};
use crate::print::{self, Table};

/// Shown after the help.
pub const EXAMPLES: &str = "Examples:\n  \
    riskctl model eval models/redpacket --sim-events 20000 --seed 99 --rules rules\n  \
    riskctl model eval models/mine --data features.parquet --from 2018-08-08 --to 2018-08-15";

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
    let data = options.source.read(&forest.inputs, &[], false)?;
    let quality = report::scored(&forest, &data)
        .and_then(|scored| report::quality(&scored))
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
