//! Models that other libraries wrote, read into the engine's own forest: the same number for the same row.
//!
//! Each format has a file here. All end in [`Grower`], which takes over what hangs together from a root and holds the
//! bounds, so that no reader can hand on a cycle, a child that is not there or a number that is none. What cannot be said in
//! a forest of one score is refused with its reason, never approximated.

mod grow;
mod isolation;
mod lightgbm;
mod mistaken;
mod onnx;
mod proto;
mod size;
mod ubj;
mod vectors;
mod xgboost;

use std::path::Path;

use engine::forest::{Calibration, ForestSpec, Precision, Transform};
use grow::Grower;

use crate::artefact::{self, LoadError};
use crate::check::{ForestError, check_forest};
use crate::covers::{CoverOf, Covers};
use crate::drift::{Drift, ROWS_MIN};
use crate::inputs::{CATEGORY, UNKNOWN};
use crate::manifest::{FORMAT_NATIVE, Input, Manifest, PrecisionName, Source, TransformName};
use crate::{scale, walk};

/// Longest file that is read, in bytes: a forest of the most nodes there may be takes about so much as text.
pub const IMPORT_BYTES_MAX: u64 = 256 << 20;

/// A model of another library.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// The format of the file.
    pub format: Format,
    /// The library that trained it, with the version as far as the file tells.
    pub library: String,
    /// What it was trained for, in the library's words.
    pub objective: String,
    /// The trees. Inputs bear the names that the file has for them, or `f0`, `f1` and so on.
    pub forest: ForestSpec,
    /// What reached its leaves in training, as far as the file tells.
    pub covers: Covers,
    /// For each input, the share of what all splits gained; empty where the file does not tell.
    pub gains: Vec<f64>,
    /// Places of the inputs that hold categories: their values are the codes that training used.
    pub categorical: Vec<usize>,
    /// What a reader should know before the model is used.
    pub notes: Vec<String>,
}

impl Imported {
    /// The manifest to save it with. Its vectors are those rows with the scores that the forest gives them; without rows,
    /// made ones that stand on both sides of its thresholds. A thousand rows or more also make its training facts. Units and
    /// missing values are the caller's to fill in, from a feature table ([`crate::inputs`]).
    pub fn manifest(&self, name: &str, source: Source, rows: &[Vec<f64>]) -> Manifest {
        let unit = |place| if self.categorical.contains(&place) { CATEGORY } else { UNKNOWN };
        let input = |(place, name): (usize, &String)| Input {
            name: name.clone(),
            unit: unit(place).to_owned(),
            missing: None,
            splits: 0.0,
            // Three decimals, as of splits.
            gain: self.gains.get(place).map(|gain| (gain * 1000.0).round() / 1000.0),
        };
        let mut manifest = Manifest {
            format: FORMAT_NATIVE.to_owned(),
            name: name.to_owned(),
            file: String::new(),
            sha256: String::new(),
            objective: self.objective.clone(),
            transform: TransformName::Identity,
            slope: None,
            path: None,
            mean: false,
            base: 0.0,
            inputs_as: PrecisionName::Double,
            sums_as: PrecisionName::Double,
            covers: self.covers.of,
            calibration: "as trained".to_owned(),
            platt: None,
            isotonic: None,
            training: None,
            source: Some(source),
            drift: drift(&self.forest, rows),
            inputs: self.forest.inputs.iter().enumerate().map(input).collect(),
            vectors: vectors::of(&self.forest, rows),
        };
        manifest.describe(&self.forest);
        manifest
    }

    /// Takes these rows for covers, where the file has none.
    pub fn cover(&mut self, rows: &[Vec<f64>]) {
        if self.covers.of == CoverOf::Halves && !rows.is_empty() {
            self.covers = Covers::count(&self.forest, CoverOf::GivenRows, &rows.concat());
        }
    }

    /// What is lost when the daemon cuts scores at 0 and 1, if anything is.
    pub fn cut(&self) -> Option<String> {
        scale::outside(&self.forest).map(|(least, most)| {
            format!(
                "scores lie between {least:.3} and {most:.3}: the daemon cuts them at 0 and 1, so that all beyond are alike; \
                 `predict` shows them uncut; --label and --calibration make probabilities of them"
            )
        })
    }

    /// Where it came from, for the manifest: the command that read it, the file and its hash.
    pub fn source(&self, command: String, file: &Path, sha256: String) -> Source {
        Source {
            command,
            file: file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            sha256,
            format: self.format.to_string(),
            library: self.library.clone(),
            notes: self.notes.clone(),
        }
    }
}

/// The bins of rows that are enough to tell what traffic looked like.
fn drift(forest: &ForestSpec, rows: &[Vec<f64>]) -> Option<Drift> {
    let scores = rows.iter().map(|row| walk::score(forest, row));
    let inputs = rows.iter().map(Vec::as_slice);
    (rows.len() >= ROWS_MIN).then(|| {
        Drift::of(
            format!("inputs and scores of {} rows given to the import", rows.len()),
            &forest.inputs,
            &inputs,
            scores,
        )
    })
}

/// The format of a model file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// LightGBM's text.
    LightGbm,
    /// XGBoost's JSON.
    XgboostJson,
    /// XGBoost's UBJSON.
    XgboostUbj,
    /// ONNX with a tree ensemble.
    Onnx,
}

impl Format {
    /// The format that a file's first bytes show.
    pub fn of(bytes: &[u8]) -> Option<Format> {
        match bytes.trim_ascii_start() {
            [b't', b'r', b'e', b'e', b'\n' | b'\r', ..] => Some(Format::LightGbm),
            // After the brace UBJSON has the type of the first key's length; JSON has a quote or space.
            [b'{', b'L' | b'l' | b'I' | b'i' | b'U' | b'#' | b'$', ..] => Some(Format::XgboostUbj),
            [b'{', ..] => Some(Format::XgboostJson),
            // A message begins with one of its fields, a number or a length of bytes; and it is no text.
            _ => match bytes.first() {
                Some(_) if bytes.iter().take(256).all(is_text) => None,
                Some(key) if ONNX_FIELDS.contains(&(key >> 3)) && matches!(key & 7, 0 | 2) => {
                    Some(Format::Onnx)
                }
                _ => None,
            },
        }
    }
}

fn is_text(byte: &u8) -> bool {
    byte.is_ascii_graphic() || byte.is_ascii_whitespace()
}

/// Fields of ONNX's model: version 1, producer 2 and 3, domain 4, version 5, text 6, graph 7, operators 8.
const ONNX_FIELDS: std::ops::RangeInclusive<u8> = 1..=8;

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Format::LightGbm => "LightGBM text",
            Format::XgboostJson => "XGBoost JSON",
            Format::XgboostUbj => "XGBoost UBJSON",
            Format::Onnx => "ONNX",
        })
    }
}

/// Why a model is not taken over.
#[derive(Clone, Debug, PartialEq)]
pub enum ImportError {
    /// The file cannot be read.
    File(LoadError),
    /// Longer than [`IMPORT_BYTES_MAX`].
    TooLong,
    /// Another file than a model that can be read: what it is, and what to do instead.
    Mistaken(&'static str),
    /// What no format begins with.
    Unknown,
    /// Not a whole file of its format.
    Unreadable(Format, String),
    /// Understood, but nothing that a forest of one score can say.
    Unsupported(Format, String),
    /// The forest breaks a bound.
    Forest(ForestError),
}

impl std::fmt::Display for ImportError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ImportError::File(error) => error.fmt(f),
            ImportError::TooLong => write!(f, "longer than {IMPORT_BYTES_MAX} bytes"),
            ImportError::Mistaken(what) => f.write_str(what),
            ImportError::Unknown => f.write_str(
                "no known format: neither LightGBM text, XGBoost JSON or UBJSON, nor ONNX; write the model with its library's \
                 save_model, or with skl2onnx's to_onnx",
            ),
            ImportError::Unreadable(format, why) => write!(f, "read as {format}: {why}"),
            ImportError::Unsupported(format, why) => write!(f, "{format}, not supported: {why}"),
            ImportError::Forest(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ImportError {}

/// Reads a model's file, of any of the formats. With it comes the file's SHA-256.
///
/// # Errors
/// [`ImportError`]
pub fn read_file(path: &Path) -> Result<(Imported, String), ImportError> {
    let bytes = artefact::read_bounded(path, IMPORT_BYTES_MAX).map_err(ImportError::File)?;
    Ok((read(&bytes)?, artefact::sha256(&bytes)))
}

/// Reads a model of any of the formats.
///
/// # Errors
/// [`ImportError`]
pub fn read(bytes: &[u8]) -> Result<Imported, ImportError> {
    if bytes.len() as u64 > IMPORT_BYTES_MAX {
        return Err(ImportError::TooLong);
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if let Some(what) = mistaken::mistaken(bytes) {
        return Err(ImportError::Mistaken(what));
    }
    let format = Format::of(bytes).ok_or(ImportError::Unknown)?;
    let read = match format {
        Format::LightGbm => lightgbm::read(bytes),
        Format::XgboostJson => xgboost::read_json(bytes),
        Format::XgboostUbj => xgboost::read_ubj(bytes),
        Format::Onnx => onnx::read(bytes),
    };
    let draft = read.map_err(|refusal| match refusal {
        Refusal::Unreadable(why) => ImportError::Unreadable(format, why),
        Refusal::Unsupported(why) => ImportError::Unsupported(format, why),
    })?;
    let (trees, covers) = draft.trees.grown();
    let forest = ForestSpec {
        version: String::new(),
        inputs: draft.inputs,
        trees,
        inputs_as: draft.inputs_as,
        sums_as: draft.sums_as,
        base: draft.base,
        mean: draft.mean,
        transform: draft.transform,
        calibration: Calibration::None,
    };
    check_forest(&forest).map_err(ImportError::Forest)?;
    Ok(Imported {
        format,
        library: draft.library,
        objective: draft.objective,
        forest,
        covers: Covers::new(draft.covers_of, covers),
        gains: shares(&draft.gains),
        categorical: draft.categorical,
        notes: draft.notes,
    })
}

/// Each number's share of their sum; nothing without a sum.
fn shares(numbers: &[f64]) -> Vec<f64> {
    let sum: f64 = numbers.iter().sum();
    if sum > 0.0 && sum.is_finite() {
        numbers.iter().map(|number| number / sum).collect()
    } else {
        Vec::new()
    }
}

/// What a reader of one format hands over; every part named so that none is forgotten.
struct Draft {
    library: String,
    objective: String,
    inputs: Vec<String>,
    trees: Grower,
    inputs_as: Precision,
    sums_as: Precision,
    base: f64,
    mean: bool,
    transform: Transform,
    /// What the covers are numbers of, where leaves have them.
    covers_of: CoverOf,
    /// By input, what its splits gained in training; empty where the format does not tell.
    gains: Vec<f64>,
    categorical: Vec<usize>,
    notes: Vec<String>,
}

/// Why a reader of one format gives up. Text alone is a fault of the file.
#[derive(Debug)]
enum Refusal {
    Unreadable(String),
    Unsupported(String),
}

impl From<String> for Refusal {
    fn from(why: String) -> Refusal {
        Refusal::Unreadable(why)
    }
}

fn unsupported<T>(why: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Unsupported(why.into()))
}

/// Names `f0`, `f1` and so on, as the libraries call inputs without a name.
fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|place| format!("f{place}")).collect()
}

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
