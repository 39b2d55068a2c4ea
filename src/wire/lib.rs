//! Bytes to types and back: checks, answers, outcomes, and the errors a caller can act on.
//!
//! Everything that crosses the network is defined here and nowhere else, without async and with hardly a
//! dependency, so that clients, the server, the simulator and other tools agree by construction.
#![forbid(unsafe_code)]

pub mod answer;
mod bounds;
pub mod check;
pub mod currency;
pub mod duration;
pub mod error;
pub mod fields;
pub mod form;
pub mod frame;
pub mod instant;
pub mod json;
pub mod limits;
pub mod money;
mod near;
pub mod outcome;
pub mod owned;
mod prefix;
pub mod visible;

pub use answer::{Answer, AnswerHead, Challenge, Degraded, Reason, Value, Verdict};
pub use bounds::Refusal;
pub use check::{Check, Device, DeviceClass, Ext, ExtValue, Geo, Kind, Text};
pub use error::{DecodeError, ErrorCode};
pub use fields::Field;
pub use form::{FieldValue, Form};
pub use outcome::{Outcome, OutcomeKind};
pub use owned::{OwnedAnswer, OwnedReason};
