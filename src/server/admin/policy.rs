//! Reloading, and what is in force.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use engine::feature::FeatureId;
use engine::policy::Mode;
use serde::Deserialize;
use serde_json::{Value, json};
use wire::ErrorCode;

use super::lists::blocking;
use super::{Admin, Fault};
use crate::activation::{Activation, Refusal};
use crate::reload::{LastReload, Request};

/// What a reload is asked to do beside.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReloadQuery {
    allow_empty: bool,
}

/// Puts the files as they are now in force.
pub async fn reload(
    State(admin): State<Admin>,
    query: Result<Query<ReloadQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Fault> {
    let Query(query) = query.map_err(|error| Fault::new(ErrorCode::Malformed, "query", error.body_text()))?;
    let request = Request { cause: "admin call", allow_empty: query.allow_empty };
    blocking(move || {
        Ok(match admin.reloader.reload(request) {
            Ok(active) => {
                let mut body = summary(&active);
                body["taken_away"] = json!(&*active.taken_away);
                Json(body).into_response()
            }
            Err(refusal) => {
                let status = match *refusal {
                    Refusal::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
                    _ => StatusCode::UNPROCESSABLE_ENTITY,
                };
                (status, Json(refused(&refusal))).into_response()
            }
        })
    })
    .await
}

/// The policy in force.
pub async fn policy(State(admin): State<Admin>) -> Json<Value> {
    let active = admin.shared.active.load();
    // As it acts: with what is demoted in shadow.
    let policy = active.snapshot.policy();
    let mode = |mode: Mode| format!("{mode:?}").to_lowercase();
    let shares: HashMap<&str, Option<f64>> =
        active.facts.guarded.iter().map(|one| (one.id.as_str(), one.share_max)).collect();
    let share_max_percent = |id: &str| shares.get(id).copied().flatten();
    let rules: Vec<Value> = policy
        .rules
        .iter()
        .zip(&active.facts.owners)
        .map(|(rule, owner)| {
            json!({
                "id": rule.reason.rule,
                "code": rule.reason.code,
                "text": rule.reason.text,
                "tier": format!("{:?}", rule.tier).to_lowercase(),
                "mode": mode(rule.mode),
                "share_max_percent": share_max_percent(&rule.reason.rule),
                "sample_percent": rule.sample_percent,
                "on_error": rule.on_error.name(),
                "tenants": rule.variants.iter().map(|variant| {
                    (variant.tenant.clone(), mode(variant.mode).into())
                }).collect::<serde_json::Map<_, _>>(),
                "owner": owner,
            })
        })
        .collect();
    let limits: Vec<Value> = policy
        .limits
        .iter()
        .map(|limit| {
            let feature = policy.features.row(policy.windows[limit.window].feature);
            json!({
                "id": limit.reason.rule,
                "code": limit.reason.code,
                "feature": feature.name,
                "max": limit.max,
                "mode": mode(limit.mode),
                "on_error": limit.on_error.name(),
                "share_max_percent": share_max_percent(&limit.reason.rule),
            })
        })
        .collect();
    let names = |key: &[FeatureId]| -> Vec<&str> {
        key.iter().map(|&field| policy.features.row(field).name.as_str()).collect()
    };
    let breakers: Vec<Value> = policy
        .breakers
        .iter()
        .map(|breaker| {
            json!({
                "id": breaker.reason.rule,
                "code": breaker.reason.code,
                "text": breaker.reason.text,
                "by": names(&breaker.key),
                "open_ms": breaker.terms.open_ms,
                "half_open_ms": breaker.terms.half_open_ms,
                "trials": breaker.terms.trials,
                "then": breaker.verdict.name(),
                "mode": mode(breaker.mode),
                "on_error": breaker.on_error.name(),
                "share_max_percent": share_max_percent(&breaker.reason.rule),
            })
        })
        .collect();
    let features: Vec<Value> = policy
        .features
        .iter()
        .map(|(_, feature)| {
            json!({ "name": feature.name, "type": format!("{:?}", feature.ty).to_lowercase(), "doc": feature.doc })
        })
        .collect();
    let mut body = summary(&active);
    body["rules"] = Value::Array(rules);
    body["limits"] = Value::Array(limits);
    body["breakers"] = Value::Array(breakers);
    body["features"] = Value::Array(features);
    body["last_reload"] = admin.reloader.last().as_ref().map_or(Value::Null, last_reload);
    body["demoted"] = active.demoted.iter().map(super::demoted::shown).collect();
    Json(body)
}

/// The models in force, by what their scores are for.
pub async fn model(State(admin): State<Admin>) -> Result<Json<Value>, Fault> {
    let active = admin.shared.active.load();
    let manifests = active.facts.model.iter().chain(&active.facts.beside);
    let models = active.snapshot.models().zip(manifests).map(|(loaded, manifest)| {
        Ok(json!({
            "role": loaded.role.name(),
            "version": loaded.version,
            "share_percent": loaded.share_percent,
            "manifest": serde_json::to_value(manifest).map_err(|error| Fault::internal(&error))?,
        }))
    });
    Ok(Json(json!({ "models": models.collect::<Result<Vec<Value>, Fault>>()? })))
}

fn summary(active: &Activation) -> Value {
    json!({
        "policy": active.snapshot.policy_version(),
        "model": active.snapshot.model_version(),
        "activated": time(active.activated_ms),
        "rule_count": active.facts.policy.rules.len(),
        "limit_count": active.facts.policy.limits.len(),
        "breaker_count": active.facts.policy.breakers.len(),
        "list_count": active.lists.len(),
        "tests_passed": active.facts.tests,
        "warnings": active.facts.warnings,
    })
}

fn refused(refusal: &Refusal) -> Value {
    let mut body = faults(refusal);
    let message = match refusal {
        Refusal::Policy(faulty) => format!("{} errors; what was in force stays", faulty.errors),
        _ => refusal.to_string(),
    };
    let code = match refusal {
        Refusal::Internal(_) => ErrorCode::Internal,
        _ => ErrorCode::OutOfRange,
    };
    body["error"] = json!({ "code": code.name(), "field": refusal.reason(), "message": message });
    body
}

/// The diagnostics if it is rule files that have them; for people in every case.
fn faults(refusal: &Refusal) -> Value {
    match refusal {
        Refusal::Policy(faulty) => json!({ "diagnostics": faulty.diagnostics, "text": faulty.text }),
        _ => json!({ "text": refusal.to_string() }),
    }
}

fn last_reload(last: &LastReload) -> Value {
    let mut shown = last.refusal.as_deref().map_or_else(|| json!({}), faults);
    if let Some(refusal) = &last.refusal {
        shown["reason"] = json!(refusal.reason());
    } else {
        shown["taken_away"] = json!(&*last.taken_away);
    }
    shown["result"] = json!(if last.refusal.is_some() { "refused" } else { "activated" });
    shown["cause"] = json!(last.cause);
    shown["time"] = json!(time(last.time_ms));
    shown
}

fn time(unix_ms: i64) -> String {
    wire::instant::show(unix_ms)
}
