//! Why a model scored as it did: what each input did to the score of a recorded decision, by the model that made it.

use engine::feature::FeatureId;
use engine::record::Record;
use model::Explainer;
use model::explain::{METHOD, Recorded, reason_code};
use serde_json::{Value, json};
use wire::Verdict;

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
    let unavailable = |why: String| json!({ "unavailable": why });
    if version.is_empty() {
        return unavailable("no model was in force".to_owned());
    }
    let Some(explainer) = explainers.find(version) else {
        return unavailable("the model that scored has been replaced and is no longer kept".to_owned());
    };
    match explainer.explain_record(record, &facts.policy.features, score) {
        Ok(recorded) => describe(&explainer, &recorded, record.verdict, facts),
        Err(why) => unavailable(why.to_string()),
    }
}

fn describe(explainer: &Explainer, recorded: &Recorded, verdict: Verdict, facts: &Facts) -> Value {
    let explanation = &recorded.explanation;
    let input = |place: usize| {
        let row = facts.policy.features.row(recorded.ids[place]);
        json!({
            "feature": row.name,
            "value": scalar(&facts.policy.features, recorded.values[place]),
            "contribution": number(explanation.contributions[place]),
            "text": row.doc,
        })
    };
    let reason = |place: usize| {
        let mut reason = input(place);
        reason["code"] = json!(reason_code(&explainer.forest().inputs[place]));
        reason
    };
    let reasons = match verdict {
        Verdict::Allow => Vec::new(),
        _ => explainer.reasons(explanation),
    };
    json!({
        "method": METHOD,
        "covers": explainer.covers_of(),
        "base": number(explanation.base),
        "raw": number(explanation.raw),
        "uncalibrated": number(explanation.transformed),
        "score": number(explanation.score),
        "contributions": explanation.largest_first().into_iter().map(input).collect::<Vec<_>>(),
        "reasons": reasons.into_iter().map(reason).collect::<Vec<_>>(),
    })
}
