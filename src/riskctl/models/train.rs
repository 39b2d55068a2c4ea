//! `riskctl model train`: from a table of features, or from simulated traffic, to a model with its manifest.

use std::path::PathBuf;

use clap::Args;
use engine::feature::{FeatureTable, Type};
use engine::forest::{ForestSpec, Precision, Transform};
use model::manifest::{FORMAT_NATIVE, Input, Manifest, PrecisionName, Training, TransformName, Vector};
use model::{Dataset, Settings, walk};

use super::eval::measure;
use super::source::Source;
use crate::events::show_instant;
use crate::outcome::{Ended, Failure, Outcome};
use crate::print;

/// Shown after the help.
pub const EXAMPLES: &str = "Examples:\n  \
    riskctl replay stream.parquet --map models/maps/card_stream.toml --rules models/card_stream/rules --out features.parquet\n  \
    riskctl model train --data features.parquet --from 2018-07-25 --to 2018-08-01 --out models/card_stream\n  \
    riskctl model train --sim-events 400000 --seed 1 --rules rules --out models/redpacket";

/// Test vectors put in a manifest: half of them frauds, where there are so many.
const VECTORS: usize = 24;

/// What to train on, and how.
#[derive(Args, Debug)]
pub struct Options {
    #[command(flatten)]
    source: Source,
    /// Features to train on; all columns whose names do not begin with `_` by default
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    features: Vec<String>,
    /// Features to leave out
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    without: Vec<String>,
    /// Share of the rows, the latest ones, kept from training to measure on
    #[arg(long, default_value_t = 0.0)]
    held_out: f64,
    /// Trees
    #[arg(long, default_value_t = Settings::default().trees)]
    trees: usize,
    /// Most splits from root to leaf
    #[arg(long, default_value_t = Settings::default().depth)]
    depth: usize,
    /// Fewest training rows in a leaf
    #[arg(long, default_value_t = Settings::default().leaf_rows_min)]
    leaf_rows: usize,
    /// Inputs tried at each split; the square root of their number by default
    #[arg(long)]
    tried: Option<usize>,
    /// Share of honest rows to train on; leaves are corrected to the true rate of fraud
    #[arg(long, default_value_t = 1.0)]
    honest_share: f64,
    /// Name of the model; the folder's by default
    #[arg(long)]
    name: Option<String>,
    /// Folder to write
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Trains, measures, writes and loads again.
pub fn run(options: &Options) -> Outcome {
    let features = match &options.source.rules {
        Some(rules) => crate::rules::compile(rules)?.features,
        None => FeatureTable::default(),
    };
    let data = read(options)?;
    // A feature that never varies tells nothing, and a model that names it could not be used where it is unknown.
    let data = data.without(&data.constant_inputs());
    let (early, late) = data.split_in_time(1.0 - options.held_out);
    let settings = Settings {
        trees: options.trees,
        depth: options.depth,
        leaf_rows_min: options.leaf_rows,
        inputs_tried: options.tried,
        honest_share: options.honest_share,
        seed: options.source.seed,
    };
    let bar = print::progress(None, "training");
    let trained = model::train(&early, &settings).map_err(|error| Failure(error.to_string()))?;
    bar.finish_and_clear();
    let forest = ForestSpec {
        version: String::new(),
        inputs: early.inputs().to_vec(),
        trees: trained.trees,
        inputs_as: Precision::Double,
        sums_as: Precision::Double,
        base: 0.0,
        mean: true,
        transform: Transform::Identity,
    };
    let honest_share = options.honest_share;
    let calibration = if honest_share < 1.0 {
        format!("honest rows sampled at {honest_share}; leaves corrected to the rate of fraud in all rows")
    } else {
        "leaves hold the share of fraud among their training rows".to_owned()
    };
    let first_and_last = || Some((early.time_ms(0), early.time_ms(early.len().checked_sub(1)?)));
    let (from_ms, to_ms) = first_and_last().unwrap_or_default();
    let manifest = Manifest {
        format: FORMAT_NATIVE.to_owned(),
        name: name(options)?,
        file: String::new(),
        sha256: String::new(),
        objective: "probability that the event is fraud".to_owned(),
        transform: TransformName::Identity,
        slope: None,
        path: None,
        mean: true,
        base: 0.0,
        inputs_as: PrecisionName::Double,
        sums_as: PrecisionName::Double,
        calibration,
        training: Some(Training {
            command: command(),
            library: "smartcore 0.7".to_owned(),
            data: options.source.describe(),
            from: show_instant(from_ms),
            to: show_instant(to_ms),
            rows: trained.rows,
            frauds: trained.frauds,
            honest_share,
            trees: settings.trees,
            depth: settings.depth,
            leaf_rows_min: settings.leaf_rows_min,
            seed: settings.seed,
            held_out: measure(&late, |row| walk::score(&forest, row)),
        }),
        source: None,
        inputs: early.inputs().iter().map(|name| input(name, &features)).collect(),
        vectors: vectors(&early, &forest),
    };
    model::save(&options.out, manifest, &forest).map_err(|error| Failure(error.to_string()))?;
    let written = model::load(&options.out).map_err(|error| Failure::of(options.out.display(), error))?;
    print::out(&format!("{} written to {}\n", written.version, options.out.display()));
    if let Err(error) = model::check_inputs(&written, &features)
        && options.source.rules.is_some()
    {
        print::out(&format!("the policy cannot use it: {error}\n"));
        return Ok(Ended::Found);
    }
    Ok(Ended::Clean)
}

fn read(options: &Options) -> Result<Dataset, Failure> {
    let data = options.source.read(&options.features)?;
    match options.without.iter().find(|name| !data.inputs().contains(name)) {
        Some(name) => Err(Failure(format!("--without {name}: there is no such feature"))),
        None => Ok(data.without(&options.without)),
    }
}

fn name(options: &Options) -> Result<String, Failure> {
    let folder = options.out.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    options.name.clone().or(folder).ok_or_else(|| "--name is needed: the folder has none".into())
}

/// The command as it was typed, so that it can be typed again.
pub fn command() -> String {
    let arguments = std::env::args().skip(1).map(|argument| {
        if argument.contains(|c: char| c.is_whitespace() || c == '\'') {
            format!("{argument:?}")
        } else {
            argument
        }
    });
    format!("riskctl {}", arguments.collect::<Vec<_>>().join(" "))
}

fn input(name: &str, features: &FeatureTable) -> Input {
    Input { name: name.to_owned(), unit: unit(name, features).to_owned(), splits: 0.0 }
}

/// The unit of a feature's values, by its type or the end of its name.
pub fn unit(name: &str, features: &FeatureTable) -> &'static str {
    let ty = features.find(name).map(|id| features.row(id).ty);
    match ty {
        Some(Type::Bool) => "0 or 1",
        Some(Type::Money) => "minor units",
        _ if name.ends_with("_s") => "seconds",
        _ if name.ends_with("_km") => "kilometres",
        _ if name.ends_with("_kmh") => "kilometres an hour",
        _ => "number",
    }
}

/// Rows with their scores, spread evenly over frauds and over honest rows.
fn vectors(data: &Dataset, forest: &ForestSpec) -> Vec<Vector> {
    let mut vectors = Vec::new();
    for fraud in [true, false] {
        let rows: Vec<usize> = (0..data.len()).filter(|row| data.is_fraud(*row) == fraud).collect();
        let step = rows.len().div_ceil(VECTORS / 2).max(1);
        for row in rows.into_iter().step_by(step) {
            let inputs = data.row(row).to_vec();
            let score = walk::score(forest, &inputs);
            vectors.push(Vector { inputs, score });
        }
    }
    vectors
}
