//! A load generator that does not flatter: in open loop every latency counts from the moment the request was meant to
//! be sent, so that a stalled server cannot hide its stall by keeping the generator waiting (coordinated omission).
//!
//! It asks machines no harm: targets are loopback addresses and Unix sockets only, a run has an end, memory is bounded.
//! The order of a run stands in [`measure`]; what a user sets in [`Args`] and in the files of `scenarios/`.
#![forbid(unsafe_code)]

mod args;
mod connect;
mod echo;
mod frames;
mod hgrm;
mod http;
mod in_flight;
mod limits;
mod machine;
mod pacer;
mod plan;
mod probe;
mod report;
mod run;
mod scenario;
mod schedule;
mod stock;
mod tally;
mod target;

pub use args::Args;
pub use echo::Echo;
pub use hgrm::hgrm;
pub use plan::{Plan, PlanError};
pub use report::Report;
pub use run::{RunError, measure};
pub use scenario::{Phase, Scenario, ScenarioError, Source, Traffic};
pub use target::{Target, TargetError};
