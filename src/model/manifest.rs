//! The manifest beside a model file: what it is, what it reads, how it was made, and rows it must reproduce.

use engine::forest::{ForestSpec, Transform};
use serde::{Deserialize, Serialize};

/// The only format there is so far; another program's model names its own.
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
    /// What becomes of the trees' sum: `mean` or `logistic`.
    pub transform: TransformName,
    /// Added to the sum.
    #[serde(default)]
    pub base: f64,
    /// What was done so that a score can be read as a probability.
    pub calibration: String,
    /// Facts of its training.
    pub training: Training,
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
    /// Unit of its values, as trained on.
    pub unit: String,
    /// Share of the forest's splits that ask for it, 0 to 1.
    #[serde(default)]
    pub splits: f64,
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

/// How a model was made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// The command that makes it again.
    pub command: String,
    /// The library that trained it, with its version.
    pub library: String,
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
    /// Trees.
    pub trees: usize,
    /// Most splits from root to leaf.
    pub depth: usize,
    /// Fewest rows in a leaf.
    pub leaf_rows_min: usize,
    /// Seed.
    pub seed: u64,
    /// Quality on rows later than all that it was trained on.
    pub held_out: Option<Quality>,
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

/// What becomes of the sum of a native forest's trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransformName {
    /// The mean over trees.
    Mean,
    /// The logistic function of the sum.
    Logistic,
}

impl TransformName {
    /// Whether the sum is divided by the number of trees, and the transform after that.
    pub fn parts(self) -> (bool, Transform) {
        match self {
            TransformName::Mean => (true, Transform::Identity),
            TransformName::Logistic => (false, Transform::Logistic { slope: 1.0 }),
        }
    }

    /// The name of a forest's output, if it has one.
    pub fn of(forest: &ForestSpec) -> Option<TransformName> {
        let parts = (forest.mean, forest.transform);
        [TransformName::Mean, TransformName::Logistic].into_iter().find(|name| name.parts() == parts)
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

    /// Name and start of the hash, as answers show it.
    pub fn version(&self) -> String {
        format!("{}@{}", self.name, self.sha256.get(..12).unwrap_or(&self.sha256))
    }
}
