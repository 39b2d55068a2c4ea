//! Replies of the data address, and the error object that every call of either address answers faults with.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Method, Response, StatusCode};
use wire::json::Shape;
use wire::{DecodeError, ErrorCode, Outcome};

use super::Reply;
use crate::state::Shared;
use engine::OutcomeEffect;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NDJSON: HeaderValue = HeaderValue::from_static("application/x-ndjson");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

fn reply(status: StatusCode, kind: HeaderValue, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, kind);
    reply
}

/// A JSON body.
pub fn json(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    reply(status, JSON, body)
}

/// A plain text body.
pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    reply(status, TEXT, body)
}

/// Answers in the shape their checks came in.
pub fn batch(shape: Shape, body: Vec<u8>) -> Reply {
    reply(StatusCode::OK, if shape == Shape::Array { JSON } else { NDJSON }, body)
}

/// The fallback answer to a check that was not decided.
pub fn overloaded(body: Vec<u8>) -> Reply {
    let mut reply = json(StatusCode::SERVICE_UNAVAILABLE, body);
    reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    reply
}

/// Whether checks should be sent here.
pub fn ready(shared: &Shared) -> Reply {
    match shared.ready() {
        Ok(ready) => text(StatusCode::OK, format!("{ready}\n")),
        Err(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

/// An outcome that is on disk and in force.
pub fn kept(outcome: &Outcome<'_>, effect: OutcomeEffect) -> Reply {
    let body = serde_json::json!({
        "id": outcome.id,
        "outcome": outcome.outcome.name(),
        "known": effect.known(),
    });
    json(StatusCode::OK, body.to_string())
}

/// A fault.
pub fn error(error: &DecodeError) -> Reply {
    let mut reply = json(status_of(error.code), error_body(error));
    if reply.status() == StatusCode::SERVICE_UNAVAILABLE || error.code == ErrorCode::InFlight {
        reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    reply
}

/// A path that is none, or one that is not called in this way.
pub fn no_such_call(method: &Method, path: &str, routes: &[(&str, &[Method])]) -> Reply {
    let Some((_, methods)) = routes.iter().find(|(known, _)| *known == path) else {
        let message = format!("there is no {path} on this address; the calls are listed at /openapi.json");
        return error(&DecodeError::new(ErrorCode::NotFound, "", message));
    };
    let allowed = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
    let fault = DecodeError::new(ErrorCode::NotFound, "", format!("{path} takes {allowed}, not {method}"));
    let mut reply = json(StatusCode::METHOD_NOT_ALLOWED, error_body(&fault));
    if let Ok(allowed) = HeaderValue::from_str(&allowed) {
        reply.headers_mut().insert(ALLOW, allowed);
    }
    reply
}

/// The error object.
pub fn error_body(error: &DecodeError) -> Vec<u8> {
    let mut body = Vec::with_capacity(128);
    wire::json::write_error(error, &mut body);
    body
}

/// The status that goes with an error code.
pub fn status_of(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::Forbidden => StatusCode::UNAUTHORIZED,
        ErrorCode::InFlight | ErrorCode::LimitReached | ErrorCode::NoOpenChallenge => StatusCode::CONFLICT,
        ErrorCode::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    }
}
