//! `riskctl model import`: a model that another library wrote, taken over with its manifest.

use std::path::{Path, PathBuf};

use clap::Args;
use engine::feature::FeatureTable;
use engine::forest::ForestSpec;
use model::import::{ImportError, Imported};
use model::{Artefact, CoverOf, Dataset, inputs, scale};

use super::describe::{command, fitted};
use super::held;
use super::names;
use super::table::{self, Columns, Reading};
use super::train::CalibrationName;
use crate::beside;
use crate::outcome::{Ended, Failure, Outcome};
use crate::print;

/// Shown after the help.
pub const EXAMPLES: &str = "Examples:\n  \
    riskctl model import model.txt --features amount,hour,pays_1h --out models/theirs\n  \
    riskctl model import model.ubj --features f0=amount,f1=hour --rules rules --out models/theirs\n  \
    riskctl model import model.onnx --features amount,hour --data rows.csv --score probability \\\n    \
      --out models/theirs\n  \
    riskctl model import model.ubj --features f0=amount,f1=hour --data history.csv --label is_fraud \\\n    \
      --out models/theirs";

/// Said where nothing tells how many rows reached a leaf.
const NO_COVERS: &str = "nothing tells how many rows reached the leaves: contributions count each side of a split as one \
                         half; --data with rows trained on counts them";

/// What to take over.
#[derive(Args, Debug)]
pub struct Options {
    /// LightGBM text, XGBoost JSON or UBJSON, or ONNX with a tree ensemble
    file: PathBuf,
    /// riskd's names of the inputs, in the order of training; where the file has names of its own, pairs THEIRS=OURS
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    features: Vec<String>,
    /// CSV or Parquet with rows, a column for each of riskd's names: they become test vectors, and covers where the file
    /// tells of none; best are those trained on
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    #[command(flatten)]
    reading: Reading,
    /// Column of --data with the score that the library gave: the model is held to it, row by row
    #[arg(long, value_name = "NAME", requires = "data")]
    score: Option<String>,
    /// Column of --data that says fraud, true or 1: scores become probabilities by these rows, which should be later than those
    /// trained on
    #[arg(long, value_name = "NAME", requires = "data")]
    label: Option<String>,
    /// How they do, as in training
    #[arg(long, value_enum, requires = "label", default_value_t = CalibrationName::Isotonic)]
    calibration: CalibrationName,
    /// Largest difference to those scores, of 1 or of a score above [default: 1e-6; where trees are summed in float, 1e-5]
    #[arg(long, value_name = "SHARE", requires = "score", value_parser = tolerance)]
    tolerance: Option<f64>,
    /// Policy that shall use it: its feature table must have every input
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
    /// Name of the model; the folder's by default
    #[arg(long)]
    name: Option<String>,
    /// Folder to write; by default named as the file without its ending
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Reads, checks, writes and loads again.
pub fn run(options: &Options) -> Outcome {
    let out = options.out.clone().unwrap_or_else(|| options.file.with_extension(""));
    let read = [Some(&options.file), options.data.as_ref(), options.rules.as_ref()];
    for file in model::files(&out) {
        beside::keep(&file, read.into_iter().flatten().map(PathBuf::as_path))?;
    }
    let (mut imported, sha256) = match model::import::read_file(&options.file) {
        Ok(read) => read,
        Err(error @ ImportError::File(_)) => return Err(Failure(error.to_string())),
        Err(error) => {
            print::out(&format!("refused: {error}\n"));
            return Ok(Ended::Found);
        }
    };
    imported.forest.inputs = names::of(&imported.forest.inputs, &options.features)?;
    let features = match &options.rules {
        Some(rules) => crate::rules::compile(rules)?.features,
        None => FeatureTable::default(),
    };
    let rows = match &options.data {
        Some(data) => match reproduced(&imported.forest, data, options)? {
            Ok(rows) => rows,
            Err(why) => {
                print::out(&format!("refused: {why}\n"));
                return Ok(Ended::Found);
            }
        },
        None => Dataset::new(imported.forest.inputs.clone()),
    };
    let given: Vec<Vec<f64>> = (0..rows.len()).map(|row| rows.row(row).to_vec()).collect();
    print::with_clock("counting covers", || imported.cover(&given));
    if imported.covers.of == CoverOf::Halves {
        imported.notes.push(NO_COVERS.to_owned());
    }
    if let (Some(label), Some(method)) = (&options.label, options.calibration.method()) {
        scale::calibrate(&mut imported.forest, &rows, method)
            .map_err(|why| Failure(format!("--label {label}: there is nothing to calibrate by: {why}")))?;
    }
    imported.notes.extend(imported.cut());
    let folder = out.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    let name = options.name.clone().or(folder).ok_or("--name is needed: the folder has none")?;
    save(&imported, &name, options, sha256, &given, &features, &out)?;
    let Artefact { manifest, forest: written, .. } =
        model::read(&out).map_err(|error| Failure::of(out.display(), error))?;
    let held = options.score.is_some();
    let checked = if held { format!(", {} rows reproduce", rows.len()) } else { String::new() };
    let (trees, inputs) = (written.trees.len(), written.inputs.len());
    print::out(&format!(
        "{} written to {}: {}, {trees} trees over {inputs} inputs{checked}\n",
        written.version,
        out.display(),
        imported.library
    ));
    print::out(&imported.notes.iter().map(|note| format!("note: {note}\n")).collect::<String>());
    if let Err(error) = model::check_inputs(&manifest, &features)
        && options.rules.is_some()
    {
        print::out(&format!("the policy cannot use it: {error}\n"));
        return Ok(Ended::Found);
    }
    Ok(Ended::Clean)
}

/// A tolerance as it is typed.
fn tolerance(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (0.0..1.0).contains(number));
    number.ok_or_else(|| "expected a number from 0 up to 1, such as 1e-5".to_owned())
}

/// The rows of a file whose scores, if it has them, the forest gives too; or what differs.
fn reproduced(
    forest: &ForestSpec,
    data: &Path,
    options: &Options,
) -> Result<Result<Dataset, String>, Failure> {
    let mut columns = forest.inputs.clone();
    columns.extend(options.score.clone());
    let columns = Columns {
        features: &columns,
        without: &[],
        label: options.label.as_deref(),
        time: None,
        na: &options.reading.na,
    };
    let data = table::read(data, &columns, i64::MIN, i64::MAX)?;
    if data.is_empty() {
        return Err("--data has no rows".into());
    }
    if options.score.is_some() {
        let tolerance = options.tolerance.unwrap_or_else(|| held::usual_tolerance(forest));
        if let Err(why) = held::hold(forest, &data, tolerance) {
            return Ok(Err(why));
        }
    }
    let score: Vec<String> = options.score.iter().cloned().collect();
    Ok(Ok(data.without(&score)))
}

fn save(
    imported: &Imported,
    name: &str,
    options: &Options,
    sha256: String,
    rows: &[Vec<f64>],
    features: &FeatureTable,
    out: &Path,
) -> Result<(), Failure> {
    let source = imported.source(command(), &options.file, sha256);
    let mut manifest = imported.manifest(name, source, rows);
    let told = format!("{} given to the import", print::counted(rows.len(), "row"));
    manifest.calibration += &fitted(&imported.forest.calibration, &told);
    for (place, input) in manifest.inputs.iter_mut().enumerate() {
        let known = inputs::of(&input.name, features);
        input.missing = known.missing;
        if !imported.categorical.contains(&place) {
            input.unit = known.unit;
        }
    }
    model::save(out, manifest, &imported.forest, &imported.covers)
        .map_err(|error| Failure(error.to_string()))?;
    Ok(())
}
