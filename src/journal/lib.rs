//! The durable log of decisions, and of what must not be lost once acknowledged.
//!
//! Two doors, one file format (`docs/journal.md`). Scoring threads push into bounded rings and never wait;
//! one [`Writer`] drains them into checksummed, chained segments and syncs every few milliseconds. A
//! [`Log`] acknowledges only what is on disk. Records are opaque bytes under a 64-bit key: this room knows
//! nothing of checks and answers.
//!
//! ```text
//! Producer ─ring─ Consumer ┐
//! Producer ─ring─ Consumer ┼─► Drain ─► Segments ─► Storage         Reader ─► records, faults
//!                          │     └────► Recent (explain)            verify ─► Report
//!              Log::append ┴──────────► Segments ─► Storage
//! ```
#![forbid(unsafe_code)]

mod block;
mod drain;
mod error;
pub mod limits;
mod log;
mod reader;
mod recent;
mod recover;
mod ring;
mod sample;
mod scan;
mod seed;
mod segment;
mod stats;
mod storage;
mod verify;
mod writer;

pub use block::Hash;
pub use drain::{Drain, Now};
pub use error::{AppendError, Fault, FaultKind, OpenError, PushError};
pub use log::Log;
pub use reader::{Entry, OwnedRecord, Reader, Record};
pub use recent::Recent;
pub use recover::Recovery;
pub use ring::{Consumer, Producer, ring};
pub use seed::{SeedError, read_seed, seed_file, seed_path};
pub use segment::SegmentConfig;
pub use stats::{Stats, StatsSnapshot};
pub use storage::{Folder, Storage, StorageFile};
pub use verify::{Report, verify, verify_bytes};
pub use writer::{OnFailure, Writer, WriterConfig};
