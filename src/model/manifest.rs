//! The manifest beside a model file: what it is, what it reads, how it was made, and rows it must reproduce.

use engine::forest::{Calibration, ForestSpec, Precision, Transform};
use serde::{Deserialize, Serialize};

use crate::covers::CoverOf;
use crate::drift::Drift;

/// The only format that is served; models of other programs are brought into it by [`crate::import`].
pub const FORMAT_NATIVE: &str = "riskd-forest-1";

/// Longest manifest, in bytes: names, facts and a few hundred test vectors.
pub const MANIFEST_BYTES_MAX: u64 = 1 << 20;

/// A manifest, key by key. Unknown keys are refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Format of the model file: [`FORMAT_NATIVE`].
    pub format: String,
    /// Name of the model; with the start of the hash it is the version that answers show.
    pub name: String,
    /// The model file, in the manifest's folder.
    pub file: String,
    /// SHA-256 of the model file, in hexadecimal.
    pub sha256: String,
    /// What the score is.
    pub objective: String,
    /// What becomes of the trees' sum.
    pub transform: TransformName,
    /// Steepness of the transform `logistic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slope: Option<f64>,
    /// Mean path of the transform `isolation`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<f64>,
    /// Whether the sum is divided by the number of trees before the transform.
    #[serde(default)]
    pub mean: bool,
    /// What the sum starts from.
    #[serde(default)]
    pub base: f64,
    /// Precision that inputs are rounded to before a split looks at them.
    #[serde(default)]
    pub inputs_as: PrecisionName,
    /// Precision of the running sum.
    #[serde(default)]
    pub sums_as: PrecisionName,
    /// What the leaves' covers are numbers of, if they have any.
    #[serde(default)]
    pub covers: CoverOf,
    /// What was done so that a score can be read as a probability.
    pub calibration: String,
    /// Slope and shift of [`Calibration::Platt`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platt: Option<[f64; 2]>,
    /// Knots of [`Calibration::Isotonic`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isotonic: Option<Vec<[f64; 2]>>,
    /// Facts of its training, where it was trained here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<Training>,
    /// Where it came from, when it was trained by another program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// What inputs and scores looked like in training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
    /// Features read, in order.
    #[serde(rename = "input", default)]
    pub inputs: Vec<Input>,
    /// Rows that must reproduce.
    #[serde(rename = "vector", default)]
    pub vectors: Vec<Vector>,
}

/// A feature that a model reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Name in the feature table.
    pub name: String,
    /// Unit of its values, as trained on; [`crate::inputs::UNKNOWN`] where no feature table told.
    pub unit: String,
    /// Value that training saw where an event had none; NaN where that is one. Absent where no feature table told, and in
    /// manifests of before there was this key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<f64>,
    /// Share of the forest's splits that ask for it, 0 to 1.
    #[serde(default)]
    pub splits: f64,
    /// Share of what all splits gained that splits on it did, as far as the library tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gain: Option<f64>,
}

/// A row of inputs with the score the model must give.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vector {
    /// Values in the order of the inputs; `nan` for a missing one.
    pub inputs: Vec<f64>,
    /// The score.
    pub score: f64,
}

/// The file of another program that a model was read from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The command that read it.
    pub command: String,
    /// The file's name.
    pub file: String,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
    /// Its format.
    pub format: String,
    /// The library that trained it, with the version as far as the file tells.
    pub library: String,
    /// What to know before it is used.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// How a model was made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// The command that makes it again.
    pub command: String,
    /// The library that trained it, with its version.
    pub library: String,
    /// Kind of model.
    #[serde(default)]
    pub kind: Kind,
    /// What it was trained on, in words.
    pub data: String,
    /// First and last event, as RFC 3339.
    pub from: String,
    /// See `from`.
    pub to: String,
    /// Rows trained on, after sampling.
    pub rows: usize,
    /// Frauds among them.
    pub frauds: usize,
    /// Share of honest rows kept.
    pub honest_share: f64,
    /// Trees; of those that validation chose from, the ones kept.
    pub trees: usize,
    /// Most splits from root to leaf.
    pub depth: usize,
    /// Fewest rows in a leaf; of boosted trees, their least weight.
    pub leaf_rows_min: usize,
    /// Seed.
    pub seed: u64,
    /// Rows that the number of trees was chosen and the calibration fitted on.
    #[serde(default)]
    pub validation_rows: usize,
    /// Days left out before validation and held-out rows, for labels to arrive.
    #[serde(default)]
    pub gap_days: f64,
    /// Quality on rows later than all that it was trained on.
    pub held_out: Option<Quality>,
}

/// What is trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Random forest: bootstrapped rows, the best split of a few inputs, mean of the leaves.
    #[default]
    Forest,
    /// Extremely randomised trees: all rows, random thresholds.
    ExtraTrees,
    /// Gradient boosting of the log loss.
    Boosted,
    /// Isolation forest: how odd a row is, without labels.
    Isolation,
}

/// Quality on rows that were not trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quality {
    /// Rows.
    pub rows: usize,
    /// Frauds among them.
    pub frauds: usize,
    /// Area under the ROC curve.
    pub roc_auc: f64,
    /// Average precision.
    pub average_precision: f64,
    /// Share of frauds caught while disturbing 1 % of honest rows.
    pub recall_at_1_percent: f64,
    /// Share of frauds caught while disturbing 0.1 % of honest rows.
    pub recall_at_0_1_percent: f64,
}

/// [`Transform`] by name; its numbers have keys of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransformName {
    /// [`Transform::Identity`]
    Identity,
    /// [`Transform::Logistic`]
    Logistic,
    /// [`Transform::Exponential`]
    Exponential,
    /// [`Transform::Softplus`]
    Softplus,
    /// [`Transform::SignedSquare`]
    SignedSquare,
    /// [`Transform::Step`]
    Step,
    /// [`Transform::Probit`]
    Probit,
    /// [`Transform::Isolation`]
    Isolation,
}

/// [`Precision`] by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrecisionName {
    /// [`Precision::Double`]
    #[default]
    Double,
    /// [`Precision::Single`]
    Single,
}

impl From<PrecisionName> for Precision {
    fn from(name: PrecisionName) -> Precision {
        match name {
            PrecisionName::Double => Precision::Double,
            PrecisionName::Single => Precision::Single,
        }
    }
}

impl From<Precision> for PrecisionName {
    fn from(precision: Precision) -> PrecisionName {
        match precision {
            Precision::Double => PrecisionName::Double,
            Precision::Single => PrecisionName::Single,
        }
    }
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// What is wrong, with line, column and the line itself.
    pub fn parse(text: &str) -> Result<Manifest, String> {
        let manifest: Manifest = toml::from_str(text).map_err(|error| error.to_string())?;
        if manifest.format != FORMAT_NATIVE {
            return Err(format!("format `{}` is not known; it is `{FORMAT_NATIVE}`", manifest.format));
        }
        manifest.transform()?;
        manifest.calibrated()?;
        if let Some(drift) = &manifest.drift {
            drift.check(&manifest.inputs.iter().map(|input| input.name.as_str()))?;
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        for (key, text) in [("name", &manifest.name), ("file", &manifest.file)] {
            if text.is_empty() || text.len() > 64 || text.starts_with('.') || !text.chars().all(plain) {
                return Err(format!(
                    "{key} `{text}` is not a plain name of letters, digits, `.`, `_` and `-`"
                ));
            }
        }
        Ok(manifest)
    }

    /// The transform, with its number.
    ///
    /// # Errors
    /// If a number is there for a transform that has none, or missing where it has one.
    pub fn transform(&self) -> Result<Transform, String> {
        Ok(match (self.transform, self.slope, self.path) {
            (TransformName::Identity, None, None) => Transform::Identity,
            (TransformName::Logistic, slope, None) => Transform::Logistic { slope: slope.unwrap_or(1.0) },
            (TransformName::Exponential, None, None) => Transform::Exponential,
            (TransformName::Softplus, None, None) => Transform::Softplus,
            (TransformName::SignedSquare, None, None) => Transform::SignedSquare,
            (TransformName::Step, None, None) => Transform::Step,
            (TransformName::Probit, None, None) => Transform::Probit,
            (TransformName::Isolation, None, Some(path)) => Transform::Isolation { path },
            _ => return Err("`slope` goes with the transform logistic, `path` with isolation".to_owned()),
        })
    }

    /// The calibration, by whichever key gives its numbers.
    ///
    /// # Errors
    /// If both keys do.
    pub fn calibrated(&self) -> Result<Calibration, String> {
        match (self.platt, &self.isotonic) {
            (None, None) => Ok(Calibration::None),
            (Some([slope, shift]), None) => Ok(Calibration::Platt { slope, shift }),
            (None, Some(knots)) => Ok(Calibration::Isotonic { knots: knots.clone() }),
            (Some(_), Some(_)) => Err("`platt` and `isotonic` exclude each other".to_owned()),
        }
    }

    /// Takes over from the forest what becomes of its sum.
    pub fn describe(&mut self, forest: &ForestSpec) {
        (self.mean, self.base) = (forest.mean, forest.base);
        (self.inputs_as, self.sums_as) = (forest.inputs_as.into(), forest.sums_as.into());
        let (mut slope, mut path) = (None, None);
        self.transform = match forest.transform {
            Transform::Identity => TransformName::Identity,
            Transform::Logistic { slope: number } => {
                slope = Some(number).filter(|number| *number != 1.0);
                TransformName::Logistic
            }
            Transform::Exponential => TransformName::Exponential,
            Transform::Softplus => TransformName::Softplus,
            Transform::SignedSquare => TransformName::SignedSquare,
            Transform::Step => TransformName::Step,
            Transform::Probit => TransformName::Probit,
            Transform::Isolation { path: number } => {
                path = Some(number);
                TransformName::Isolation
            }
        };
        (self.slope, self.path) = (slope, path);
        (self.platt, self.isotonic) = match &forest.calibration {
            Calibration::None => (None, None),
            Calibration::Platt { slope, shift } => (Some([*slope, *shift]), None),
            Calibration::Isotonic { knots } => (None, Some(knots.clone())),
        };
    }

    /// Name and start of the hash, as answers show it.
    pub fn version(&self) -> String {
        format!("{}@{}", self.name, self.sha256.get(..12).unwrap_or(&self.sha256))
    }
}
