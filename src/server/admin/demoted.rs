//! What only watches because it refused too much, and turning it on again.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use wire::ErrorCode;

use super::lists::{ACTOR, actor, blocking};
use super::{Admin, Fault};
use crate::demotions::{Demotion, TurnOnError};

/// What is demoted.
pub async fn all(State(admin): State<Admin>) -> Json<Value> {
    let active = admin.shared.active.load();
    Json(json!({ "demoted": active.demoted.iter().map(shown).collect::<Vec<_>>() }))
}

/// Has a rule, limit or breaker act again. The call needs a name: it is a person who answers for it.
pub async fn turn_on(
    State(admin): State<Admin>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let by = actor(&headers)?.ok_or_else(|| {
        Fault::new(
            ErrorCode::Missing,
            ACTOR,
            "a person turns on what was demoted: say who in this header, with riskctl by --by",
        )
    })?;
    blocking(move || match admin.reloader.turn_on(&id, &by) {
        Ok(demotion) => Ok(Json(json!({ "turned_on": shown(&demotion), "by": by })).into_response()),
        Err(TurnOnError::NotDemoted) => Err(Fault::not_found("id", format!("{id} is not demoted"))),
        Err(error) => Err(Fault::internal(&error)),
    })
    .await
}

pub(super) fn shown(demotion: &Demotion) -> Value {
    let Demotion { id, time_ms, cause, .. } = demotion;
    let time = wire::instant::show(*time_ms);
    json!({
        "id": id,
        "time": time,
        "refused": cause.refused,
        "checks": cause.checks,
        "share_max_percent": cause.share_max_percent,
        "learned": cause.learned,
    })
}
