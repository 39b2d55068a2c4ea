//! `riskctl model`: train, import, measure, compare, look into and ask models.

mod compare;
mod contributions;
mod describe;
mod eval;
mod held;
mod import;
mod inspect;
mod names;
mod predict;
mod said;
mod simulated;
mod source;
mod table;
mod train;

use std::path::Path;

use clap::Subcommand;
use engine::feature::FeatureTable;
use engine::forest::ForestSpec;

use crate::outcome::{Failure, Outcome};

/// Commands over models.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a model on a table of features, or on simulated traffic, and write it with its manifest
    #[command(after_help = train::EXAMPLES)]
    Train(Box<train::Options>),
    /// Take over a model of LightGBM, XGBoost or ONNX and write it with its manifest
    #[command(after_help = import::EXAMPLES)]
    Import(import::Options),
    /// Measure a model on a table of features with labels
    #[command(after_help = eval::EXAMPLES)]
    Eval(eval::Options),
    /// Hold challengers against the champion, by the decisions they scored and what became of them
    #[command(after_help = compare::EXAMPLES)]
    Compare(compare::Options),
    /// Check a model and show what it is
    #[command(after_help = inspect::EXAMPLES)]
    Inspect(inspect::Options),
    /// Score one row, or every row of a table
    #[command(after_help = predict::EXAMPLES)]
    Predict(predict::Options),
}

/// The forest of a model that a policy with these features can use.
///
/// # Errors
/// If it is refused.
pub fn load(folder: &Path, features: &FeatureTable) -> Result<ForestSpec, Failure> {
    let of = |error: &dyn std::fmt::Display| Failure::of(folder.display(), error);
    let artefact = model::read(folder).map_err(|error| of(&error))?;
    model::check_inputs(&artefact.manifest, features).map_err(|error| of(&error))?;
    Ok(artefact.forest)
}

/// Runs one of them.
pub fn run(command: &Command) -> Outcome {
    match command {
        Command::Train(options) => train::run(options),
        Command::Import(options) => import::run(options),
        Command::Eval(options) => eval::run(options),
        Command::Compare(options) => compare::run(options),
        Command::Inspect(options) => inspect::run(options),
        Command::Predict(options) => predict::run(options),
    }
}
