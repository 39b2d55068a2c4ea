//! Lock-free tables of fixed size. The only room of the engine with unsafe code, and of that only `memory.rs`.
//!
//! A table is sets of slots: heads that keys are found by, and payloads of 64-bit atomic words that hold everything known of
//! one key side by side. What stands inside a payload (rings, stamps, sets) is a view over a range of its words and is
//! correct under any interleaving by itself.

mod distinct;
mod memory;
mod pins;
mod ring;
mod slots;
mod stamps;

pub use distinct::Distinct;
pub use memory::Memory;
pub use pins::{Pin, Pins};
pub use ring::{Full, MaxRing, Reserved, SumRing};
pub use slots::{Found, Slots};
pub use stamps::Stamps;

/// The atomic word: the standard one, or loom's where the interleavings are explored.
#[cfg(not(loom))]
pub use std::sync::atomic::{AtomicU64 as Word, Ordering};

#[cfg(loom)]
pub use loom::sync::atomic::{AtomicU64 as Word, Ordering};
