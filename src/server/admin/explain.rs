//! The recorded decision of an id: what came in, every feature by name, every match with value and threshold, and what each
//! input did to the model's score.

use axum::Json;
use axum::extract::{Path, State};
use engine::feature::{BUILTINS, Builtin, FeatureTable, Scalar, Type};
use engine::policy::{OnError, Tier};
use engine::record::{INPUTS, Record, RecordedHit};
use serde_json::{Map, Value, json};
use wire::{Degraded, money};

use super::lists::blocking;
use super::{Admin, Fault, contributions};
use crate::activation::Facts;

/// Explains a recent decision.
pub async fn explain(State(admin): State<Admin>, Path(id): Path<String>) -> Result<Json<Value>, Fault> {
    let shared = &admin.shared;
    let missing = || Fault::not_found("id", "no recent decision has this id");
    let bytes = shared.recent.find(shared.tables.id_key(&id)).ok_or_else(missing)?;
    let record = Record::decode(&bytes).map_err(|error| Fault::internal(&error))?;
    let facts = admin.reloader.facts_of(&record.policy).ok_or_else(|| {
        Fault::not_found("id", format!("the policy {} that decided is no longer known", record.policy))
    })?;
    // The largest models take a tenth of a second.
    blocking(move || {
        let mut body = describe(&id, &record, &facts);
        let score = Builtin::ModelScore.id();
        let explainers = &admin.shared.explainers;
        body["explanation"] = contributions::explain(explainers, &record.model, score, &record, &facts);
        Ok(Json(body))
    })
    .await
}

fn describe(id: &str, record: &Record, facts: &Facts) -> Value {
    let degraded: Vec<&str> = Degraded::in_set(record.degraded).map(Degraded::name).collect();
    json!({
        "id": id,
        "kind": record.kind.name(),
        "time": time(record.time_ms),
        "decided": time(record.decided_ms),
        "verdict": record.verdict.name(),
        "challenge": record.challenge.map(wire::Challenge::name),
        "score": number(record.score),
        "degraded": degraded,
        "decision": record.number,
        "policy": record.policy,
        "model": record.model,
        "anomaly_model": record.anomaly,
        "challengers": record.challengers.iter().map(|one| {
            json!({ "model": one.model, "score": number(one.score) })
        }).collect::<Vec<_>>(),
        "inputs": inputs(record, facts),
        "features": features(record, facts),
        "exact": exact(record, facts),
        "matches": record.hits.iter().map(|hit| matched(hit, facts)).collect::<Vec<_>>(),
        "matches_not_kept": record.unkept,
        "errors": record.errors.iter().map(|&index| failed(index, facts)).collect::<Vec<_>>(),
    })
}

/// Identifiers as the keyed hashes that the log knows them by; absent where the event had none.
fn inputs(record: &Record, facts: &Facts) -> Map<String, Value> {
    let named = INPUTS.iter().zip(&record.inputs).filter(|(_, hash)| **hash != 0);
    let mut inputs: Map<String, Value> = named
        .map(|(input, hash)| (BUILTINS[input.id().index()].1.to_owned(), json!(format!("{hash:016x}"))))
        .collect();
    if let Some(amount) = record.amount_minor {
        inputs.insert("amount".to_owned(), value(facts.policy.features.money_value(amount)));
    }
    inputs
}

/// Every feature that is a number or a truth, by name.
fn features(record: &Record, facts: &Facts) -> Map<String, Value> {
    let mut differing = record.features.iter().peekable();
    let mut features = Map::new();
    for (id, row) in facts.policy.features.iter() {
        let bits = differing.next_if(|(at, _)| *at == id.0).map_or(row.missing.bits(), |(_, bits)| *bits);
        if row.ty != Type::Text {
            features
                .insert(row.name.clone(), scalar(&facts.policy.features, Scalar::from_bits(row.ty, bits)));
        }
    }
    features
}

/// Of every velocity feature whether its value is certainly the true one; one that is not may be above it, and of an event that
/// came late below it.
fn exact(record: &Record, facts: &Facts) -> Map<String, Value> {
    let windows = facts.policy.windows.iter().zip(&facts.certain_below);
    let exact = windows.map(|(window, &below)| {
        let row = facts.policy.features.row(window.feature);
        (row.name.clone(), json!(record.window_value(window, row.missing, below).1))
    });
    exact.collect()
}

/// A match, and what it does where its tier decides; in shadow, what it would have done.
fn matched(hit: &RecordedHit, facts: &Facts) -> Value {
    let words = facts.words.get(hit.index as usize);
    let effect = facts.policy.effect(facts.policy.origin_of(hit.index as usize));
    json!({
        "code": words.map(|words| &words.code),
        "rule": words.map(|words| &words.rule),
        "text": words.map(|words| &words.text),
        "shadow": hit.shadow,
        "value": value(hit.value),
        "threshold": value(hit.threshold),
        "tier": effect.map(|effect| effect.tier.map_or("bands", Tier::name)),
        "would": effect.and_then(|effect| effect.verdict).map(wire::Verdict::name),
        "challenge": effect.and_then(|effect| effect.challenge).map(wire::Challenge::name),
        "adds": effect.map(|effect| number(effect.score)),
    })
}

/// A condition that ended in an error, and what that counted as.
fn failed(index: u32, facts: &Facts) -> Value {
    let on_error = facts.policy.on_error(facts.policy.origin_of(index as usize));
    json!({
        "rule": facts.words.get(index as usize).map(|words| &words.rule),
        "on_error": on_error.map(OnError::name),
    })
}

pub(super) fn scalar(features: &FeatureTable, scalar: Scalar) -> Value {
    match scalar {
        Scalar::Bool(truth) => json!(truth),
        other => value(features.value(other)),
    }
}

fn value(value: wire::Value) -> Value {
    match value {
        wire::Value::Absent => Value::Null,
        wire::Value::Int(number) => json!(number),
        wire::Value::Money(minor) => money_value(minor),
        wire::Value::Double(x) => number(x),
    }
}

/// Major units, with the digits that answers show.
fn money_value(minor: i64) -> Value {
    // A plain decimal is a JSON number.
    serde_json::from_str(&money::Major(minor).to_string()).unwrap_or(Value::Null)
}

/// A number, or null where JSON has none for it.
pub(super) fn number(x: f64) -> Value {
    serde_json::Number::from_f64(x).map_or(Value::Null, Value::Number)
}

fn time(ms: i64) -> String {
    wire::instant::show(ms)
}
