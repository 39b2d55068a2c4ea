//! Bytes to types and back: checks, answers, outcomes, and the errors a caller can act on.
//!
//! Everything that crosses the network is defined here and nowhere else, without async and with hardly a
//! dependency, so that clients, the server, the simulator and other tools agree by construction.
#![forbid(unsafe_code)]

pub mod answer;
mod bounds;
pub mod check;
pub mod duration;
pub mod error;
pub mod frame;
pub mod json;
pub mod limits;
pub mod money;
pub mod outcome;
pub mod owned;

pub use answer::{Answer, AnswerHead, Challenge, Degraded, Reason, Value, Verdict};
pub use check::{Check, Device, DeviceClass, Ext, ExtValue, Geo, Kind, Text};
pub use error::{DecodeError, ErrorCode};
pub use outcome::{Outcome, OutcomeKind};
pub use owned::{OwnedAnswer, OwnedReason};
