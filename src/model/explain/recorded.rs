//! Explaining a decision from its record: the features stand in it as the model saw them.

use engine::feature::{FeatureId, FeatureTable, Scalar};
use engine::record::Record;

use super::{Explainer, Explanation};

/// A recorded score, explained.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// The model's inputs in the feature table, in its order.
    pub ids: Vec<FeatureId>,
    /// Their values at the decision.
    pub values: Vec<Scalar>,
    /// What they did.
    pub explanation: Explanation,
}

/// Why a recorded score is not explained: another score must never be in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unexplained {
    /// The model was skipped, or its score was no number.
    Skipped,
    /// The record's features are not those that the model reads.
    OtherInputs,
    /// The model gives another score for the record's features.
    OtherScore,
}

impl std::fmt::Display for Unexplained {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Unexplained::Skipped => {
                "the model gave no score: the check's budget left no time for it, or it was no number"
            }
            Unexplained::OtherInputs => {
                "the model at hand under this version reads other inputs than the one that scored"
            }
            Unexplained::OtherScore => {
                "the model at hand under this version gives another score: its manifest was changed"
            }
        })
    }
}

impl std::error::Error for Unexplained {}

impl Explainer {
    /// Explains the score that this model left in a feature of a record. The features are those of the policy that decided.
    ///
    /// # Errors
    /// [`Unexplained`]
    pub fn explain_record(
        &self,
        record: &Record,
        features: &FeatureTable,
        score: FeatureId,
    ) -> Result<Recorded, Unexplained> {
        if record.model_skipped() {
            return Err(Unexplained::Skipped);
        }
        let ids = self.forest.inputs.iter().map(|name| features.find(name));
        let ids: Vec<FeatureId> = ids.collect::<Option<_>>().ok_or(Unexplained::OtherInputs)?;
        let values: Vec<Scalar> = ids.iter().map(|&id| value(record, features, id)).collect();
        let row: Vec<f64> = values.iter().map(|value| value.to_number()).collect();
        let explanation = self.explain(&row);
        let scored = value(record, features, score).to_number();
        // The engine keeps scores within 0 and 1.
        if explanation.score.clamp(0.0, 1.0).to_bits() != scored.to_bits() {
            return Err(Unexplained::OtherScore);
        }
        Ok(Recorded { ids, values, explanation })
    }
}

/// The value that a feature had; records hold those that differ from the missing value, by number.
fn value(record: &Record, features: &FeatureTable, id: FeatureId) -> Scalar {
    let row = features.row(id);
    let differing = record.features.binary_search_by_key(&id.0, |(at, _)| *at);
    Scalar::from_bits(row.ty, differing.map_or(row.missing.bits(), |place| record.features[place].1))
}
