//! Seeded traffic: customers, handsets, red packets, merchants, and organised attackers with labels.
//!
//! The same [`Config`] gives the same events, byte for byte, so that a report can be made again from its seed.
//! It speaks [`wire`] types only: the demo, the load generator and tests feed them to a daemon as any gateway would.
//! What is simulated, and what is not, stands in `docs/sim.md`.
//!
//! ```
//! let events: Vec<_> = sim::Traffic::new(sim::Config::default()).take(1000).collect();
//! assert!(events.is_sorted_by_key(|event| event.check.time_ms));
//! ```
#![forbid(unsafe_code)]

mod agenda;
mod attacks;
mod clock;
mod config;
mod draw;
mod emv;
mod handset;
mod honest;
mod label;
mod merchants;
mod mix;
mod network;
mod people;
mod phrases;
mod places;
mod render;
mod spending;
mod step;
mod token;
mod traffic;
mod world;

pub use config::{Config, START_MS};
pub use label::{Attack, Craft, Event, FollowUp, Label};
pub use mix::{Mix, MixConfig};
pub use network::DATACENTRE_CIDR;
pub use token::{TokenRequest, TokenSource};
pub use traffic::Traffic;
