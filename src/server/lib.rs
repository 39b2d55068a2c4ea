//! The daemon around the engine: the only room that knows QUIC, HTTP, TLS and tokio.
//!
//! ```text
//! start ─► Running ─┬─ worker threads: http, quic, unix ─► session ─► decider ─► engine
//!                   ├─ admin thread:   lists, reload, explain, tokens, metrics
//!                   └─ journal, outcomes, activations: threads of the journal room
//! ```
#![forbid(unsafe_code)]

mod activation;
mod admin;
mod check;
mod clock;
pub mod config;
mod decider;
mod files;
mod http;
mod listen;
mod lists;
mod metrics;
mod notify;
mod numbers;
mod outcomes;
mod quic;
mod reload;
mod running;
mod session;
mod sink;
mod start;
mod state;
mod tls;
mod tokens;
mod unix;
mod watch;
mod worker;

pub use check::check;
pub use clock::Clock;
pub use config::{Config, ConfigError};
pub use listen::Addresses;
pub use running::{Running, Shutdown};
pub use start::{Server, StartError};

/// Readers of outside bytes, for the fuzzer.
#[doc(hidden)]
pub mod readers {
    /// A file of list entries; how many there are.
    pub fn list_file(body: &[u8]) -> Option<usize> {
        crate::lists::read(body, crate::lists::Format::of("", body), 0).ok().map(|entries| entries.len())
    }

    /// The file of token keys; how many there are.
    pub fn token_keys(text: &str) -> Option<usize> {
        crate::tokens::parse(text).ok().map(|keys| keys.len())
    }
}
