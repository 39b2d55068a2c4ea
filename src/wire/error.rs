//! Errors of decoding: a code to act on, the field at fault, and a sentence for a person.

use crate::check::names;

names! {
    /// What is wrong with the bytes.
    ErrorCode {
        /// Not JSON, or JSON of the wrong shape.
        Malformed = "malformed",
        /// A field that every check must have is absent or empty.
        Missing = "missing_field",
        /// A field that no check has.
        Unknown = "unknown_field",
        /// A value of the wrong type.
        WrongType = "wrong_type",
        /// A value outside its set or range.
        OutOfRange = "out_of_range",
        /// A text, list or body over its bound.
        TooLong = "too_long",
        /// A frame that cannot be read: the rest of the connection is lost with it.
        BadFrame = "bad_frame",
        /// A frame of a version this side does not speak.
        BadVersion = "bad_version",
        /// The same id is being decided right now; ask again.
        InFlight = "in_flight",
        /// More is asked than can be answered in time; the fallback verdict stands.
        Overloaded = "overloaded",
        /// Nothing is known by that name.
        NotFound = "not_found",
        /// The caller may not do this.
        Forbidden = "forbidden",
        /// The daemon failed; the log says how.
        Internal = "internal",
        /// A challenge was passed, and a limit no longer has the room: the event must not go on.
        LimitReached = "limit_reached",
        /// A challenge was passed that is not open: the event must not go on because of it.
        NoOpenChallenge = "no_open_challenge",
    }
}

/// Why bytes were refused. Nothing was counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// What to act on.
    pub code: ErrorCode,
    /// Path of the field at fault, such as `device.os`; empty for the whole.
    pub field: String,
    /// What was found and what was expected.
    pub message: String,
}

impl DecodeError {
    /// An error of that code about that field.
    pub fn new(code: ErrorCode, field: impl Into<String>, message: impl Into<String>) -> DecodeError {
        DecodeError { code, field: field.into(), message: message.into() }
    }
}

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.field.is_empty() {
            write!(f, "{}: {}", self.code, self.message)
        } else {
            write!(f, "{} at {}: {}", self.code, self.field, self.message)
        }
    }
}

impl std::error::Error for DecodeError {}
