//! Why a model scored as it did: what each input did to the score of a recorded decision, by the model that made it.

use engine::feature::{FeatureId, Scalar};
use engine::record::Record;
use model::explain::{METHOD, reason_code};
use model::{Explainer, Explanation};
use serde_json::{Value, json};
use wire::{Degraded, Verdict};

use super::explain::{number, scalar};
use crate::activation::Facts;
use crate::explainers::Explainers;

/// Explains the score that the model of that version left in a feature of the record, or says why not. Another model, or
/// another state of the same, never stands in.
pub fn explain(
    explainers: &Explainers,
    version: &str,
    score: FeatureId,
    record: &Record,
    facts: &Facts,
) -> Value {
    let unavailable = |why: &str| json!({ "unavailable": why });
    if version.is_empty() {
        return unavailable("no model was in force");
    }
    if record.degraded & Degraded::Model.bit() != 0 {
        return unavailable("the model was skipped: the check's budget left no time for it");
    }
    let Some(explainer) = explainers.find(version) else {
        return unavailable("the model that scored has been replaced and is no longer kept");
    };
    let inputs = explainer.forest().inputs.iter();
    let Some(inputs) = inputs.map(|name| facts.policy.features.find(name)).collect::<Option<Vec<_>>>() else {
        return unavailable("the model kept under this version reads other inputs than the one that scored");
    };
    let values: Vec<Scalar> = inputs.iter().map(|&id| recorded(record, facts, id)).collect();
    let row: Vec<f64> = values.iter().map(|&value| read(value)).collect();
    let explanation = explainer.explain(&row);
    let scored = read(recorded(record, facts, score));
    if explanation.score.clamp(0.0, 1.0).to_bits() != scored.to_bits() {
        return unavailable(
            "the model kept under this version gives another score: its manifest was changed",
        );
    }
    let input =
        Inputs { explainer: &explainer, explanation: &explanation, ids: &inputs, values: &values, facts };
    describe(&input, record.verdict)
}

/// The inputs of a model, with their values and what they did.
struct Inputs<'a> {
    explainer: &'a Explainer,
    explanation: &'a Explanation,
    ids: &'a [FeatureId],
    values: &'a [Scalar],
    facts: &'a Facts,
}

impl Inputs<'_> {
    fn describe(&self, place: usize) -> Value {
        let row = self.facts.policy.features.row(self.ids[place]);
        json!({
            "feature": row.name,
            "value": scalar(self.values[place]),
            "contribution": number(self.explanation.contributions[place]),
            "text": row.doc,
        })
    }
}

fn describe(inputs: &Inputs<'_>, verdict: Verdict) -> Value {
    let (explainer, explanation) = (inputs.explainer, inputs.explanation);
    let mut places: Vec<usize> = (0..explanation.contributions.len()).collect();
    places.retain(|&place| explanation.contributions[place] != 0.0);
    let size = |place: usize| explanation.contributions[place].abs();
    places.sort_by(|&a, &b| size(b).total_cmp(&size(a)));
    let reasons = match verdict {
        Verdict::Allow => Vec::new(),
        _ => explainer.reasons(explanation),
    };
    let reasons = reasons.into_iter().map(|reason| {
        let mut described = inputs.describe(reason.input);
        described["code"] = json!(reason_code(&explainer.forest().inputs[reason.input]));
        described
    });
    json!({
        "method": METHOD,
        "covers": explainer.covers_of(),
        "base": number(explanation.base),
        "raw": number(explanation.raw),
        "uncalibrated": number(explanation.transformed),
        "score": number(explanation.score),
        "contributions": places.into_iter().map(|place| inputs.describe(place)).collect::<Vec<_>>(),
        "reasons": reasons.collect::<Vec<_>>(),
    })
}

/// The value that a feature had at the decision.
fn recorded(record: &Record, facts: &Facts, id: FeatureId) -> Scalar {
    let row = facts.policy.features.row(id);
    let differing = record.features.binary_search_by_key(&id.0, |(at, _)| *at);
    let bits = differing.map_or(row.missing.bits(), |place| record.features[place].1);
    Scalar::from_bits(row.ty, bits)
}

/// A value as models read it: flags 0 or 1, money in minor units.
fn read(value: Scalar) -> f64 {
    match value {
        Scalar::Bool(truth) => f64::from(u8::from(truth)),
        Scalar::Int(number) | Scalar::Money(number) => number as f64,
        Scalar::Double(number) => number,
        Scalar::NoText => 0.0,
    }
}
