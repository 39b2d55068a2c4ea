//! Binary frames: many checks in one write, read back without copying a text.
//!
//! A frame is a header of twelve bytes and a body of items, each with its length before it, all little-endian.
//! The page `docs/wire.md` holds the full layout; its vectors are read by a test of this crate. Writers append
//! to a buffer of the caller's, and what they wrote is a whole frame after every item.

mod answer_item;
mod answers;
mod check_item;
mod checks;
mod cursor;
mod errors;
mod ext;
mod header;
mod items;
mod outcomes;

pub use answers::{Answers, AnswersWriter, decode_answers};
pub use checks::{Checks, ChecksWriter, decode_checks, encode_checks};
pub use errors::{decode_error, encode_error};
pub use header::{Frame, FrameKind, HEADER_BYTES, Header, VERSION, decode_header, encode_empty, split};
pub use outcomes::{Outcomes, Results, ResultsWriter, decode_outcomes, decode_results, encode_outcomes};
