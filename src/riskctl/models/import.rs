//! `riskctl model import`: a model that another library wrote, taken over with its manifest.

use std::path::{Path, PathBuf};

use clap::Args;
use engine::feature::FeatureTable;
use engine::forest::ForestSpec;
use model::import::{ImportError, Imported};
use model::{Artefact, CoverOf, inputs, walk};

use super::describe::command;
use super::table::{self, Columns};
use crate::outcome::{Ended, Failure, Outcome};
use crate::print;

/// Shown after the help.
pub const EXAMPLES: &str = "Examples:\n  \
    riskctl model import model.txt --features amount,hour,pays_1h --out models/mine\n  \
    riskctl model import model.ubj --features f0=amount,f1=hour --rules rules --out models/mine\n  \
    riskctl model import model.onnx --features amount,hour --data rows.csv --score probability --out models/mine";

/// Largest difference to the library's own score, against 1 or the score if that is larger: it may have answered in
/// `float32`, or been written down with few digits.
const SCORE_TOLERANCE: f64 = 1e-6;

/// Said where nothing tells how many rows reached a leaf.
const NO_COVERS: &str = "nothing tells how many rows reached the leaves: contributions count each side of a split as one \
                         half; --data with rows trained on counts them";

/// What to take over.
#[derive(Args, Debug)]
pub struct Options {
    /// LightGBM text, XGBoost JSON or UBJSON, or ONNX with a tree ensemble
    file: PathBuf,
    /// riskd's names of the inputs, in the order of training; or pairs THEIRS=OURS, where the file has names
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    features: Vec<String>,
    /// CSV or Parquet with rows, a column for each of riskd's names: they become test vectors, and covers where the file
    /// tells of none; best are those trained on
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Column of --data with the score that the library gave: the model is held to it, row by row
    #[arg(long, value_name = "NAME", requires = "data")]
    score: Option<String>,
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
    let (mut imported, sha256) = match model::import::read_file(&options.file) {
        Ok(read) => read,
        Err(error @ ImportError::File(_)) => return Err(Failure(error.to_string())),
        Err(error) => {
            print::out(&format!("refused: {error}\n"));
            return Ok(Ended::Found);
        }
    };
    imported.forest.inputs = inputs(&imported.forest.inputs, &options.features)?;
    let features = match &options.rules {
        Some(rules) => crate::rules::compile(rules)?.features,
        None => FeatureTable::default(),
    };
    let rows = match &options.data {
        Some(data) => match reproduced(&imported.forest, data, options.score.as_deref())? {
            Ok(rows) => rows,
            Err(why) => {
                print::out(&format!("refused: {why}\n"));
                return Ok(Ended::Found);
            }
        },
        None => Vec::new(),
    };
    imported.cover(&rows);
    if imported.covers.of == CoverOf::Halves {
        imported.notes.push(NO_COVERS.to_owned());
    }
    let out = options.out.clone().unwrap_or_else(|| options.file.with_extension(""));
    let folder = out.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    let name = options.name.clone().or(folder).ok_or("--name is needed: the folder has none")?;
    save(&imported, &name, options, sha256, &rows, &features, &out)?;
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

/// The inputs by riskd's names.
fn inputs(theirs: &[String], given: &[String]) -> Result<Vec<String>, Failure> {
    let pairs: Vec<(&str, &str)> = given.iter().filter_map(|name| name.split_once('=')).collect();
    if !pairs.is_empty() && pairs.len() < given.len() {
        return Err("--features takes names in order, or pairs THEIRS=OURS, not both".into());
    }
    if let Some((unknown, _)) = pairs.iter().find(|(name, _)| !theirs.iter().any(|known| known == name)) {
        return Err(Failure(format!("the model has no input `{unknown}`; it has {}", theirs.join(", "))));
    }
    if pairs.is_empty() && !given.is_empty() {
        if given.len() != theirs.len() {
            let (names, inputs) = (given.len(), theirs.len());
            return Err(Failure(format!("--features has {names} names, the model {inputs} inputs")));
        }
        return Ok(given.to_vec());
    }
    let ours = |name: &String| {
        let pair = pairs.iter().find(|(theirs, _)| theirs == name);
        pair.map_or(name.as_str(), |(_, ours)| ours).to_owned()
    };
    Ok(theirs.iter().map(ours).collect())
}

/// The rows of a file whose scores, if it has them, the forest gives too; or what differs.
fn reproduced(
    forest: &ForestSpec,
    data: &Path,
    score: Option<&str>,
) -> Result<Result<Vec<Vec<f64>>, String>, Failure> {
    let mut columns = forest.inputs.clone();
    columns.extend(score.map(str::to_owned));
    let data =
        table::read(data, &Columns { features: &columns, label: None, time: None }, i64::MIN, i64::MAX)?;
    let mut rows = Vec::with_capacity(data.len());
    for number in 0..data.len() {
        let (inputs, expected) = data.row(number).split_at(forest.inputs.len());
        let found = walk::score(forest, inputs);
        // Written so that a score that is no number never passes.
        let near = |expected: f64| (found - expected).abs() <= SCORE_TOLERANCE * expected.abs().max(1.0);
        if let [expected] = *expected
            && !near(expected)
        {
            return Ok(Err(format!(
                "row {}: the model gives {found}, the file says {expected}; are the features in the order of training?",
                number + 2
            )));
        }
        rows.push(inputs.to_vec());
    }
    if rows.is_empty() { Err("--data has no rows".into()) } else { Ok(Ok(rows)) }
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
