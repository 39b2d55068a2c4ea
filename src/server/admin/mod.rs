//! The admin address: lists, reload, explain, tokens, metrics. On a thread and a runtime of its own, so that nothing done
//! here ever waits on, or holds up, a check. Everything but health and metrics needs the bearer token.

mod auth;
mod contributions;
mod demoted;
mod explain;
mod fault;
mod lists;
mod measure;
#[cfg(test)]
mod openapi_fields;
mod policy;
mod serve;
mod token;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};

use crate::reload::Reloader;
use crate::state::Shared;

pub use auth::AdminToken;
pub use serve::start;

use fault::Fault;

/// The OpenAPI document of both addresses.
pub const OPENAPI: &str = include_str!("openapi.json");

/// What the calls share.
#[derive(Clone)]
pub struct Admin {
    shared: Arc<Shared>,
    reloader: Arc<Reloader>,
    token: Arc<AdminToken>,
}

fn router(admin: Admin) -> Router {
    let closed = Router::new()
        .route("/v1/lists", get(lists::all))
        .route("/v1/lists/{list}", get(lists::page).post(lists::put_many).put(lists::replace))
        // A key may hold a slash: 203.0.113.0/24.
        .route("/v1/lists/{list}/{*key}", put(lists::put_one).get(lists::get).delete(lists::remove))
        .route("/v1/reload", post(policy::reload))
        .route("/v1/policy", get(policy::policy))
        .route("/v1/model", get(policy::model))
        .route("/v1/demoted", get(demoted::all))
        .route("/v1/demoted/{id}", delete(demoted::turn_on))
        .route("/v1/explain/{*id}", get(explain::explain))
        .route("/v1/token", post(token::mint))
        .route("/v1/token/{file}", get(token::render))
        .method_not_allowed_fallback(wrong_method)
        .fallback(no_such_call)
        .layer(axum::middleware::from_fn_with_state(admin.clone(), auth::require));
    let open = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/openapi.json", get(async || ([(header::CONTENT_TYPE, "application/json")], OPENAPI)));
    open.merge(closed).with_state(admin)
}

async fn ready(State(admin): State<Admin>) -> Response {
    match admin.shared.ready() {
        Ok(()) => "ready\n".into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

async fn metrics(State(admin): State<Admin>) -> Response {
    measure::read_off(&admin.shared);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], admin.shared.metrics.render()).into_response()
}

async fn no_such_call(uri: axum::http::Uri) -> Fault {
    Fault::not_found(
        "",
        format!("there is no {} on this address; the calls are listed at /openapi.json", uri.path()),
    )
}

async fn wrong_method(method: axum::http::Method, uri: axum::http::Uri) -> Fault {
    Fault::wrong_method(&method, uri.path())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Calls that need the token, as the OpenAPI document names them.
    const CLOSED: &[&str] = &[
        "/v1/lists",
        "/v1/lists/{list}",
        "/v1/lists/{list}/{key}",
        "/v1/reload",
        "/v1/policy",
        "/v1/model",
        "/v1/demoted",
        "/v1/demoted/{id}",
        "/v1/explain/{id}",
        "/v1/token",
        "/v1/token/{packet}.svg",
    ];

    /// Calls that do not: probes and scrapers hold no secrets.
    const OPEN: &[&str] = &["/healthz", "/readyz", "/metrics", "/openapi.json"];

    #[test]
    fn the_openapi_document_lists_every_call_of_both_addresses() {
        let document: serde_json::Value = serde_json::from_str(OPENAPI).unwrap();
        let written: BTreeSet<&str> =
            document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
        let served = crate::http::ROUTES.iter().map(|(path, _)| *path);
        let served: BTreeSet<&str> =
            served.chain(CLOSED.iter().copied()).chain(OPEN.iter().copied()).collect();
        assert_eq!(written, served);
    }
}
