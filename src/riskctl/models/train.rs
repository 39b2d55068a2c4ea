//! `riskctl model train`: from a table of features, or from simulated traffic, to a model with its manifest.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use engine::feature::FeatureTable;
use engine::forest::Calibration;
use events::show_instant;
use model::calibrate::{self, Method};
use model::manifest::{Kind, Training};
use model::report::{self, Report};
use model::split::{self, Part};
use model::train::{Tried, choose};
use model::{CoverOf, Covers, Dataset, Settings};

use super::describe::{self, command};
use super::said::Said;
use super::source::Source;
use crate::beside;
use crate::lengths;
use crate::outcome::{Ended, Failure, Outcome};
use crate::print;

/// Shown after the help.
pub const EXAMPLES: &str = "Examples:\n  \
    riskctl replay stream.parquet --map models/maps/card_stream.toml \\\n    \
      --rules models/card_stream/rules --out features.parquet\n  \
    riskctl model train --data features.parquet --rules models/card_stream/rules --kind boosted \\\n    \
      --held-out 7d --gap-days 7 --out models/mine\n  \
    riskctl model train --data history.csv --label is_fraud --time seen_ms --exclude row_id \\\n    \
      --out models/history\n  \
    riskctl model train --data features.parquet --kind isolation --out models/odd\n  \
    riskctl model train --sim-events 20000 --seed 1 --rules rules --out models/simulated";

/// What to train on, and how.
#[derive(Args, Debug)]
pub struct Options {
    #[command(flatten)]
    source: Source,
    /// What to train
    #[arg(long, value_enum, default_value_t = KindName::Forest)]
    kind: KindName,
    /// Features to train on; all columns whose names do not begin with `_` by default
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    features: Vec<String>,
    /// Columns to leave out; they are not read
    #[arg(long, visible_alias = "exclude", value_delimiter = ',', value_name = "NAME,…")]
    without: Vec<String>,
    /// The latest rows, kept to measure on: a share of all, such as 0.2, or the last days, such as 7d or 1w
    #[arg(long, value_name = "PART", default_value = "0.2", value_parser = lengths::part)]
    held_out: Part,
    /// The latest of the rows before those, kept to choose the number of trees and to calibrate
    #[arg(long, value_name = "PART", default_value = "0.2", value_parser = lengths::part)]
    validation: Part,
    /// Days before validation and held-out rows that are left out, or a length of time such as 1w: labels take so long to arrive
    #[arg(long, value_name = "DAYS", default_value = "0", value_parser = lengths::days)]
    gap_days: f64,
    /// How scores become probabilities, on the validation rows
    #[arg(long, value_enum, default_value_t = CalibrationName::Isotonic)]
    calibration: CalibrationName,
    /// Trees; with validation rows, the most there may be [default: 100; boosted: 400]
    #[arg(long)]
    trees: Option<usize>,
    /// Most splits from root to leaf [default: 12; boosted: 6; isolation: 8]
    #[arg(long)]
    depth: Option<usize>,
    /// Fewest training rows in a leaf; boosted: least sum of second derivatives [default: 5; boosted: 1]
    #[arg(long)]
    leaf_rows: Option<usize>,
    /// Inputs tried at each split of a forest; the square root of their number by default
    #[arg(long)]
    tried: Option<usize>,
    /// Share of honest rows to train on; scores are corrected to the true rate of fraud
    #[arg(long, default_value_t = 1.0)]
    honest_share: f64,
    /// Trees of a random forest grown from one seed on one core; the next group has the next seed
    #[arg(long, value_name = "TREES", default_value_t = Settings::of(Kind::Forest).group)]
    group: usize,
    /// Share of its step that each boosted tree takes
    #[arg(long, default_value_t = Settings::of(Kind::Boosted).learning_rate)]
    learning_rate: f64,
    /// Share of rows and of inputs that each boosted tree sees
    #[arg(long, default_value_t = Settings::of(Kind::Boosted).sampled)]
    sampled: f64,
    /// Rows that each tree of an isolation forest sees
    #[arg(long, value_name = "ROWS", default_value_t = Settings::of(Kind::Isolation).isolated_rows)]
    isolated_rows: usize,
    /// Name of the model; the folder's by default
    #[arg(long)]
    name: Option<String>,
    /// Folder to write
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// [`Kind`], as it is typed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum KindName {
    /// Random forest
    Forest,
    /// Extremely randomised trees
    ExtraTrees,
    /// Gradient boosted trees
    Boosted,
    /// Isolation forest: how odd a row is, without labels
    Isolation,
}

/// [`Method`], as it is typed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum CalibrationName {
    /// Any rising curve
    Isotonic,
    /// A sigmoid: for when frauds are few
    Platt,
    /// Scores as trained
    None,
}

impl CalibrationName {
    /// The method, if there is to be one.
    pub fn method(self) -> Option<Method> {
        match self {
            CalibrationName::Isotonic => Some(Method::Isotonic),
            CalibrationName::Platt => Some(Method::Platt),
            CalibrationName::None => None,
        }
    }
}

/// Trains, measures, writes and loads again.
pub fn run(options: &Options) -> Outcome {
    let settings = settings(options);
    for file in model::files(&options.out) {
        beside::keep(&file, options.source.paths())?;
    }
    let features = match &options.source.rules {
        Some(rules) => crate::rules::compile(rules)?.features,
        None => FeatureTable::default(),
    };
    let without_labels = settings.kind == Kind::Isolation;
    let data = options.source.read(&options.features, &options.without, without_labels)?;
    // A feature that never varies tells nothing, and a model that names it could not be used where it is unknown.
    let constant = data.constant_inputs();
    let data = data.without(&constant);
    let until_ms = options.source.to;
    let mut validation = options.validation;
    if settings.kind == Kind::Isolation {
        validation = Part::Share(0.0);
    }
    let parts = split::split(&data, validation, options.held_out, options.gap_days, until_ms);
    if parts.train.is_empty() {
        return Err(
            "no rows are left to train on; see --from, --to, --held-out, --validation and --gap-days".into(),
        );
    }
    let trained = match settings.kind {
        // The library tells nothing while it boosts.
        Kind::Boosted => print::with_clock("training", || model::train(&parts.train, &settings, &|_| {})),
        _ => print::with_progress(settings.trees as u64, "training", |done| {
            model::train(&parts.train, &settings, done)
        }),
    };
    let trained = trained.map_err(|error| Failure(error.to_string()))?;
    let mut forest = trained.forest;
    let tried = print::with_progress(forest.trees.len() as u64, "choosing the size", |done| {
        choose(&mut forest, &parts.validation, done)
    });
    forest.calibration = calibration(options, &forest, &parts.validation);
    let report = print::with_progress(forest.inputs.len() as u64, "weighing inputs", |done| {
        Report::of(&forest, &parts.held_out, done)
    });
    // All rows of the part, also those that sampling left out: a base value is then the mean over what there was.
    let covers = print::with_progress(parts.train.len() as u64, "counting covers", |done| {
        Covers::count_telling(&forest, CoverOf::TrainingRows, parts.train.values(), done)
    });
    let training = Training {
        command: command(),
        library: describe::library(&settings).to_owned(),
        kind: settings.kind,
        data: options.source.describe(),
        from: show_instant(parts.train.time_ms(0)),
        to: show_instant(parts.train.time_ms(parts.train.len() - 1)),
        rows: trained.rows,
        frauds: trained.frauds,
        honest_share: settings.honest_share,
        trees: forest.trees.len(),
        depth: settings.depth,
        leaf_rows_min: settings.leaf_rows_min,
        seed: settings.seed,
        validation_rows: parts.validation.len(),
        gap_days: options.gap_days,
        held_out: report.as_ref().map(|report| report.quality.clone()),
    };
    let manifest = describe::manifest(name(options)?, &forest, training, &parts, &features);
    let manifest =
        model::save(&options.out, manifest, &forest, &covers).map_err(|error| Failure(error.to_string()))?;
    model::load(&options.out).map_err(|error| Failure::of(options.out.display(), error))?;
    let unusable = match &options.source.rules {
        Some(_) => model::check_inputs(&manifest, &features).err().map(|error| error.to_string()),
        None => None,
    };
    let said = Said {
        manifest: &manifest,
        folder: &options.out,
        left_out: &constant,
        parts: &parts,
        tried: &tried,
        report: report.as_ref(),
        unusable: unusable.as_deref(),
    };
    said.print(options.json);
    Ok(if unusable.is_some() { Ended::Found } else { Ended::Clean })
}

fn settings(options: &Options) -> Settings {
    let kind = match options.kind {
        KindName::Forest => Kind::Forest,
        KindName::ExtraTrees => Kind::ExtraTrees,
        KindName::Boosted => Kind::Boosted,
        KindName::Isolation => Kind::Isolation,
    };
    let usual = Settings::of(kind);
    Settings {
        kind,
        trees: options.trees.unwrap_or(usual.trees),
        depth: options.depth.unwrap_or(usual.depth),
        leaf_rows_min: options.leaf_rows.unwrap_or(usual.leaf_rows_min),
        inputs_tried: options.tried,
        honest_share: options.honest_share,
        group: options.group,
        learning_rate: options.learning_rate,
        sampled: options.sampled,
        isolated_rows: options.isolated_rows,
        seed: options.source.seed,
    }
}

fn calibration(options: &Options, forest: &engine::forest::ForestSpec, validation: &Dataset) -> Calibration {
    let Some(method) = options.calibration.method() else { return Calibration::None };
    let scored = report::scored(forest, validation).unwrap_or_default();
    calibrate::fit(&scored, method)
}

fn name(options: &Options) -> Result<String, Failure> {
    let folder = options.out.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    options.name.clone().or(folder).ok_or_else(|| "--name is needed: the folder has none".into())
}

/// Sizes tried are many; these few show the curve.
pub fn some(tried: &[Tried], kept: usize) -> Vec<&Tried> {
    let step = tried.len().div_ceil(8).max(1);
    let shown = |(place, size): &(usize, &Tried)| (place + 1).is_multiple_of(step) || size.trees == kept;
    tried.iter().enumerate().filter(shown).map(|(_, size)| size).collect()
}
