//! The decision: a pure function of a snapshot, the tables, the time and a batch of checks.
//!
//! No I/O, no clock, no lock, no async, and no allocation after start. Server, replay, backtest, simulation and embedders
//! all call [`decide`]; read `decide.rs` first.
//!
//! ```
//! use engine::{Now, Parts, Scratch, Sizes, Snapshot, Tables, decide};
//! use wire::{Check, Kind, Verdict};
//!
//! let tables = Tables::new(&Sizes { accounts: 100, devices: 100, velocity_keys: 100, busy_keys: 100, list_entries: 100, decisions: 100, seed: [7; 16] })?;
//! let snapshot = Snapshot::build(Parts::default(), &tables, None)?;
//! let (mut decisions, mut scratch) = (Vec::new(), Scratch::new(0));
//! let checks = [Check::new("a1", Kind::Claim, "u1")];
//! decide(&snapshot, &tables, Now { ms: 1_767_607_200_000, waited_us: 0 }, &checks, &mut decisions, &mut scratch);
//! assert_eq!(decisions[0].verdict, Verdict::Allow);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![deny(unsafe_code)]

mod again;
mod breaker;
mod currency;
mod decide;
mod decision;
pub mod feature;
mod few;
mod fields;
mod fingerprint;
pub mod forest;
mod geo;
pub mod key;
mod known;
pub mod limits;
pub mod lists;
mod models;
mod outcome;
mod plan;
pub mod policy;
mod profile;
pub mod program;
mod qr;
mod reasons;
pub mod record;
mod replay;
mod rules;
pub mod score;
mod scratch;
mod snapshot;
pub mod table;
mod tables;
mod tally;
pub mod token;
mod velocity;
mod verdict;
mod verify;
mod zone;

pub use decide::{Now, decide, decide_given, recall, run_rules};
pub use decision::{Decision, Hit};
pub use models::{Challenger, Loaded, Role, SCORE_BOUNDS, ScoreTally};
pub use outcome::{CheckState, Move, OutcomeEffect, outcome};
pub use scratch::Scratch;
pub use snapshot::{BuildError, Parts, Snapshot};
pub use tables::{Fill, SizeError, Sizes, Tables};
pub use tally::{BreakerCount, MatchCount, MatchTally};
