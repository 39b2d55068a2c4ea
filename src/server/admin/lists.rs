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
use crate::lists::{
    Adding, Bulk, ChangeError, Entry, EntryFault, FileFault, Format, KnownList, Standing, read_one,
};

/// Entries of a page when the caller does not say.
const PAGE_DEFAULT: usize = 100;
/// Most entries of a page.
const PAGE_MAX: usize = 10_000;
/// Header with the name that the caller goes by; it stands with every entry that the call adds.
pub const ACTOR: &str = "riskd-actor";
/// Who added an entry when the caller gives no name: whoever holds the token.
const ACTOR_DEFAULT: &str = "admin";
/// Longest name of a caller, in bytes.
const ACTOR_BYTES_MAX: usize = 64;
/// Largest body of a single entry, in bytes: two texts at their bounds, escaped.
const ENTRY_BYTES_MAX: usize = 16 << 10;

/// Which part of a list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PageQuery {
    after: String,
    count: usize,
    /// Leaves entries out that have ended.
    in_force: bool,
}

impl Default for PageQuery {
    fn default() -> PageQuery {
        PageQuery { after: String::new(), count: PAGE_DEFAULT, in_force: false }
    }
}

/// How a change is meant.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChangeQuery {
    /// Whether what is doubtful is meant.
    force: bool,
}

type Asked<T> = Result<Query<T>, axum::extract::rejection::QueryRejection>;

fn query<T>(query: Asked<T>) -> Result<T, Fault> {
    let Query(query) = query.map_err(|error| Fault::new(ErrorCode::Malformed, "query", error.body_text()))?;
    Ok(query)
}

#[derive(Serialize)]
struct Page {
    list: String,
    entries: Vec<Entry>,
    /// Where the next page starts; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// The lists that the policy in force declares, with the entries that each has.
pub async fn all(State(admin): State<Admin>) -> Result<Response, Fault> {
    blocking(move || {
        let active = admin.shared.active.load_full();
        let mut lists = Vec::with_capacity(active.lists.len());
        for list in &active.lists {
            let matching = format!("{:?}", list.matching).to_lowercase();
            let entries = admin.shared.lists.len(&list.name);
            lists.push(json!({ "list": list.name, "matching": matching, "entries": entries }));
        }
        Ok(Json(json!({ "lists": lists })).into_response())
    })
    .await
}

/// A page of a list.
pub async fn page(
    State(admin): State<Admin>,
    Path(list): Path<String>,
    asked: Asked<PageQuery>,
) -> Result<Response, Fault> {
    let query = query(asked)?;
    let list = known(&admin, &list)?;
    let count = query.count.clamp(1, PAGE_MAX);
    blocking(move || {
        let mut entries = admin.shared.lists.page(&list.name, &query.after, count + 1)?;
        let more = entries.len() > count;
        entries.truncate(count);
        let next = entries.last().filter(|_| more).map(|entry| entry.key.clone());
        if query.in_force {
            let now_ms = admin.shared.clock.now_ms();
            entries.retain(|entry| entry.fields.expires_ms() > now_ms);
        }
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
    asked: Asked<ChangeQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    let ChangeQuery { force } = query(asked)?;
    let list = known(&admin, &list)?;
    let adding = adding(&admin, &headers)?;
    let body = whole(body, ENTRY_BYTES_MAX).await?;
    let entry = read_one(&list.canonical(&key), &body, &adding)
        .map_err(|fault| Fault::new(code_of(&fault), fault.field, fault.message))?;
    blocking(move || {
        admin.shared.lists.put(&admin.shared.tables.lists, &list, &entry, adding.at_ms, force)?;
        Ok(Json(entry).into_response())
    })
    .await
}

/// Puts many entries on a list: all of them or none.
pub async fn put_many(
    State(admin): State<Admin>,
    Path(list): Path<String>,
    asked: Asked<ChangeQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    put_all(admin, &list, query(asked)?, &headers, body, Standing::Stay).await
}

/// Puts entries in the place of all that a list has: all of them or none. Checks see the old list until they see the new.
pub async fn replace(
    State(admin): State<Admin>,
    Path(list): Path<String>,
    asked: Asked<ChangeQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    put_all(admin, &list, query(asked)?, &headers, body, Standing::Go).await
}

async fn put_all(
    admin: Admin,
    list: &str,
    ChangeQuery { force }: ChangeQuery,
    headers: &HeaderMap,
    body: Body,
    standing: Standing,
) -> Result<Response, Fault> {
    let list = known(&admin, list)?;
    let adding = adding(&admin, headers)?;
    let body = whole(body, admin.shared.config.limits.admin_body_bytes_max).await?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let format = Format::of(kind, &body);
    blocking(move || {
        let lists = &admin.shared.tables.lists;
        let bulk = Bulk { body: &body, format, adding, entries_max: lists.capacity(), force };
        match admin.shared.lists.put_all(lists, &list, &bulk, standing) {
            Ok(entries) => Ok(Json(json!({ "list": list.name, "entries": entries })).into_response()),
            Err(ChangeError::Lines(faults)) => Ok(refuse_lines(&faults)),
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

/// Who adds entries by a call, and when.
fn adding(admin: &Admin, headers: &HeaderMap) -> Result<Adding, Fault> {
    let by = actor(headers)?.unwrap_or_else(|| ACTOR_DEFAULT.to_owned());
    let zone = admin.shared.active.load().facts.policy.zone.clone();
    Ok(Adding { by, at_ms: admin.shared.clock.now_ms(), zone })
}

fn code_of(fault: &EntryFault) -> ErrorCode {
    if fault.field.is_empty() { ErrorCode::Malformed } else { ErrorCode::OutOfRange }
}

/// The name that the caller goes by, if one is given.
pub fn actor(headers: &HeaderMap) -> Result<Option<String>, Fault> {
    let Some(name) = headers.get(ACTOR) else { return Ok(None) };
    let name = name.to_str().ok().filter(|name| (1..=ACTOR_BYTES_MAX).contains(&name.trim().len()));
    let message = format!("expected a name of 1 to {ACTOR_BYTES_MAX} characters of ASCII");
    let name = name.ok_or_else(|| Fault::new(ErrorCode::OutOfRange, ACTOR, message))?;
    Ok(Some(name.trim().to_owned()))
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
