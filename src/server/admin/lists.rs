//! Calls on lists. Changes run on a thread for blocking work: they wait for the disk.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use wire::ErrorCode;

use super::{Admin, Fault};
use crate::lists::{ChangeError, Entry, FileFault, Format, KnownList, read, read_one};

/// Entries of a page when the caller does not say.
const PAGE_DEFAULT: usize = 100;
/// Most entries of a page.
const PAGE_MAX: usize = 10_000;
/// Largest body of a single entry, in bytes: two texts at their bounds, escaped.
const ENTRY_BYTES_MAX: usize = 16 << 10;

/// Which part of a list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PageQuery {
    after: String,
    count: usize,
}

impl Default for PageQuery {
    fn default() -> PageQuery {
        PageQuery { after: String::new(), count: PAGE_DEFAULT }
    }
}

#[derive(Serialize)]
struct Page {
    list: String,
    entries: Vec<Entry>,
    /// Where the next page starts; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// The lists that the policy in force declares.
pub async fn all(State(admin): State<Admin>) -> Json<serde_json::Value> {
    let active = admin.shared.active.load();
    let lists: Vec<_> = active
        .lists
        .iter()
        .map(|list| json!({ "list": list.name, "matching": format!("{:?}", list.matching).to_lowercase() }))
        .collect();
    Json(json!({ "lists": lists }))
}

/// A page of a list.
pub async fn page(
    State(admin): State<Admin>,
    Path(list): Path<String>,
    query: Result<Query<PageQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Fault> {
    let Query(query) = query.map_err(|error| Fault::new(ErrorCode::Malformed, "query", error.body_text()))?;
    let list = known(&admin, &list)?;
    let count = query.count.clamp(1, PAGE_MAX);
    blocking(move || {
        let mut entries = admin.shared.lists.page(&list.name, &query.after, count + 1)?;
        let more = entries.len() > count;
        entries.truncate(count);
        let next = entries.last().filter(|_| more).map(|entry| entry.key.clone());
        Ok(Json(Page { list: list.name, entries, next }).into_response())
    })
    .await
}

/// The entry of a key.
pub async fn get(
    State(admin): State<Admin>,
    Path((list, key)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let list = known(&admin, &list)?;
    let key = list.canonical(&key);
    blocking(move || match admin.shared.lists.get(&list.name, &key)? {
        Some(fields) => Ok(Json(Entry { key, fields }).into_response()),
        None => Err(Fault::not_found("key", format!("it is not on list {}", list.name))),
    })
    .await
}

/// Puts a key on a list, or changes what its entry says.
pub async fn put_one(
    State(admin): State<Admin>,
    Path((list, key)): Path<(String, String)>,
    body: Body,
) -> Result<Response, Fault> {
    let list = known(&admin, &list)?;
    let body = whole(body, ENTRY_BYTES_MAX).await?;
    let entry = read_one(&list.canonical(&key), &body, admin.shared.clock.now_ms())
        .map_err(|error| Fault::new(ErrorCode::Malformed, "", error))?;
    blocking(move || {
        admin.shared.lists.put(&admin.shared.tables.lists, &list, std::slice::from_ref(&entry))?;
        Ok(Json(entry).into_response())
    })
    .await
}

/// Puts many entries on a list: all of them or none.
pub async fn put_many(
    State(admin): State<Admin>,
    Path(list): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    let list = known(&admin, &list)?;
    let body = whole(body, admin.shared.config.limits.admin_body_bytes_max).await?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let format = Format::of(kind, &body);
    blocking(move || {
        let lines = match read(&body, format, admin.shared.clock.now_ms()) {
            Ok(lines) => lines,
            Err(faults) => return Ok(refuse_lines(&faults)),
        };
        let (lines, mut entries): (Vec<u64>, Vec<Entry>) = lines.into_iter().unzip();
        for entry in &mut entries {
            entry.key = list.canonical(&entry.key);
        }
        match admin.shared.lists.put(&admin.shared.tables.lists, &list, &entries) {
            Ok(()) => Ok(Json(json!({ "list": list.name, "entries": entries.len() })).into_response()),
            Err(ChangeError::Refused(faults)) => {
                let fault = |(at, message): (usize, String)| FileFault { line: lines[at], message };
                let faults: Vec<_> = faults.into_iter().map(fault).collect();
                Ok(refuse_lines(&faults))
            }
            Err(error) => Err(error.into()),
        }
    })
    .await
}

/// Takes a key off a list.
pub async fn remove(
    State(admin): State<Admin>,
    Path((list, key)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let list = known(&admin, &list)?;
    let key = list.canonical(&key);
    blocking(move || {
        if admin.shared.lists.remove(&admin.shared.tables.lists, &list, &key)? {
            Ok(StatusCode::NO_CONTENT.into_response())
        } else {
            Err(Fault::not_found("key", format!("it is not on list {}", list.name)))
        }
    })
    .await
}

fn known(admin: &Admin, name: &str) -> Result<KnownList, Fault> {
    let active = admin.shared.active.load();
    active.lists.iter().find(|list| list.name == name).cloned().ok_or_else(|| {
        let names: Vec<_> = active.lists.iter().map(|list| list.name.as_str()).collect();
        Fault::not_found(
            "list",
            format!("the policy declares no list {name:?}; it declares {}", names.join(", ")),
        )
    })
}

/// A body of a bounded length.
pub async fn whole(body: Body, bytes_max: usize) -> Result<Bytes, Fault> {
    axum::body::to_bytes(body, bytes_max).await.map_err(|error| {
        let message = format!("the body broke off or is over {bytes_max} bytes: {error}");
        Fault::new(ErrorCode::TooLong, "", message)
    })
}

fn refuse_lines(faults: &[FileFault]) -> Response {
    let lines: Vec<_> =
        faults.iter().map(|fault| json!({ "line": fault.line, "message": fault.message })).collect();
    let first =
        faults.first().map_or_else(String::new, |fault| format!("line {}: {}", fault.line, fault.message));
    let error =
        json!({ "code": "malformed", "field": "", "message": format!("nothing was changed; {first}") });
    (StatusCode::BAD_REQUEST, Json(json!({ "error": error, "lines": lines }))).into_response()
}

/// Runs work that waits for the disk where waiting holds up nobody.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(Fault::internal(&error)))
}
