//! Faults of admin calls: the same error object as on the data address.

use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use engine::lists::ListError;
use wire::{DecodeError, ErrorCode};

use crate::http::{error_body, status_of};
use crate::lists::{ChangeError, StoreError};

/// A refusal: its status and its error object.
#[derive(Debug)]
pub struct Fault {
    status: StatusCode,
    error: DecodeError,
}

impl Fault {
    /// A refusal with the status that goes with its code.
    pub fn new(code: ErrorCode, field: impl Into<String>, message: impl Into<String>) -> Fault {
        Fault { status: status_of(code), error: DecodeError::new(code, field, message) }
    }

    /// Nothing is known by that name.
    pub fn not_found(field: impl Into<String>, message: impl Into<String>) -> Fault {
        Fault::new(ErrorCode::NotFound, field, message)
    }

    /// The call is none, or is not called in this way.
    pub fn wrong_method(method: &Method, path: &str) -> Fault {
        let mut fault = Fault::not_found("", format!("{path} does not take {method}"));
        fault.status = StatusCode::METHOD_NOT_ALLOWED;
        fault
    }

    /// The daemon failed. The log says more than the caller is told.
    pub fn internal(error: &dyn std::fmt::Display) -> Fault {
        tracing::error!(%error, "an admin call failed");
        Fault::new(ErrorCode::Internal, "", error.to_string())
    }
}

impl From<DecodeError> for Fault {
    fn from(error: DecodeError) -> Fault {
        Fault { status: status_of(error.code), error }
    }
}

impl From<StoreError> for Fault {
    /// Nothing has changed. What the disk refuses it may take in a moment, so that the caller should come back.
    fn from(error: StoreError) -> Fault {
        let mut fault = Fault::internal(&error);
        if !matches!(error, StoreError::Damaged(_)) {
            fault.status = StatusCode::SERVICE_UNAVAILABLE;
        }
        fault
    }
}

impl From<ChangeError> for Fault {
    fn from(error: ChangeError) -> Fault {
        match error {
            ChangeError::Refused(ListError::BadKey(why)) => Fault::new(ErrorCode::OutOfRange, "key", why),
            ChangeError::Refused(ListError::Full { .. }) => {
                Fault::new(ErrorCode::OutOfRange, "entries", error.to_string())
            }
            ChangeError::Refused(ListError::NoMemory) => Fault::internal(&error),
            ChangeError::Doubtful(_) => Fault::new(ErrorCode::OutOfRange, "force", error.to_string()),
            ChangeError::Lines(_) => Fault::new(ErrorCode::Malformed, "", error.to_string()),
            ChangeError::Store(error) => error.into(),
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = (self.status, error_body(&self.error)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
