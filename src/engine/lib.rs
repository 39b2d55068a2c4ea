//! The decision: a pure function of a snapshot, the tables, the time and a batch of checks.
//!
//! No I/O, no clock, no lock, no async, and no allocation after start. Server, replay, backtest, simulation and embedders
//! all call [`decide`]; read `decide.rs` first.
#![deny(unsafe_code)]

pub mod feature;
pub mod key;
pub mod lists;
pub mod token;
pub mod forest;
pub mod limits;
pub mod policy;
pub mod program;
pub mod table;
