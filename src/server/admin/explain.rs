//! The recorded decision of an id: what came in, every feature by name, every match with value and threshold.

use axum::Json;
use axum::extract::{Path, State};
use serde_json::Value;

use super::{Admin, Fault};

/// Explains a recent decision.
pub async fn explain(State(admin): State<Admin>, Path(id): Path<String>) -> Result<Json<Value>, Fault> {
    let shared = &admin.shared;
    let missing = || Fault::not_found("id", "no recent decision has this id");
    let record = shared.recent.find(shared.tables.id_key(&id)).ok_or_else(missing)?;
    todo_record(record)
}
