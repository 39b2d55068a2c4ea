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
mod demotions;
mod drift;
mod explainers;
mod files;
mod guard;
mod http;
mod listen;
pub mod lists;
mod memory;
mod metrics;
mod notify;
mod numbers;
mod outcomes;
mod quic;
mod reload;
mod running;
mod session;
mod signals;
mod sink;
mod start;
mod state;
mod taken_away;
mod tls;
mod tokens;
mod unix;
mod watch;
mod worker;

pub use check::check;
pub use clock::{Clock, Source};
pub use config::{Config, ConfigError};
pub use listen::Addresses;
pub use running::{Running, Shutdown};
pub use signals::Signals;
pub use start::{Server, StartError};

/// Readers of outside bytes, for the fuzzer.
#[doc(hidden)]
pub mod readers {
    use engine::key::Seed;
    use engine::lists::Lists;
    use engine::policy::Matching;

    use crate::lists::{Adding, Bulk, Format, KnownList, read_image};

    /// The image of a list; how many entries it has.
    pub fn list_image(bytes: &[u8]) -> Option<u64> {
        let lists = Lists::new(1 << 16, Seed::new([0; 16]));
        let list = KnownList::new(&lists, "x", Matching::Exact, wire::Form::Identifier)?;
        let read = read_image(bytes, bytes.len() as u64, &lists, &list, |_| true, 0);
        read.ok().map(|(_, draft)| draft.len())
    }

    /// A record of what was demoted or turned on again; whether it is one.
    pub fn demotion(bytes: &[u8]) -> bool {
        crate::demotions::Entry::read(bytes).is_ok()
    }

    /// A file of list entries; how many there are.
    pub fn list_file(body: &[u8]) -> Option<u64> {
        let adding = Adding { by: String::new(), at_ms: 0, zone: Default::default() };
        Bulk { body, format: Format::of("", body), adding, entries_max: 1 << 20, force: false }
            .each(|_| Ok(()))
            .ok()
    }

    /// The file of token keys; how many there are.
    pub fn token_keys(text: &str) -> Option<usize> {
        crate::tokens::parse(text).ok().map(|keys| keys.len())
    }
}
