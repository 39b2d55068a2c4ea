//! Lock-free tables of fixed size. The only room of the engine with unsafe code beside the kernels of the forest, and of that
//! only `memory.rs` and the vectors of `vectors.rs` and of what looks through them: `scan.rs`, `four.rs`, `stamps.rs`, `values.rs`, `cells.rs`.
//!
//! A table is sets of slots: heads that keys are found by, and payloads of 64-bit atomic words that hold everything known of
//! one key side by side. What stands inside a payload (sums, counts, permits, sets) is a view over a range of its words and is
//! correct under any interleaving by itself.

mod approved;
mod blocks;
mod busy;
mod cells;
mod circuit;
mod claim;
mod distinct;
mod fill;
mod first;
mod four;
mod halves;
mod held;
#[cfg_attr(loom, path = "loom_memory.rs")]
mod memory;
mod payload;
mod permits;
mod pins;
mod reading;
mod recent;
mod scan;
mod sketch;
mod slots;
mod sought;
mod span;
mod stamps;
mod striped;
mod sum;
mod upkeep;
mod values;
mod vectors;

pub use approved::Approved;
pub use blocks::PARTS_MAX;
pub use cells::AMOUNT_MAX;
pub use circuit::{Circuit, Passage, TRIALS_MAX, Terms};
pub use distinct::Distinct;
pub use first::First;
pub use held::Held;
pub use memory::Memory;
pub use payload::{Far, Payload, Room};
pub use permits::{Displaced, Permits};
pub use pins::{Pin, Pins};
pub use reading::Reading;
pub use recent::Recent;
pub use slots::{Found, Shape, Slots};
pub use sought::Sought;
pub use span::Span;
pub use striped::Striped;
pub use sum::{Full, Max, Reserved, Sum};
pub use upkeep::{Holds, Part};
pub use vectors::{Work, vectorised};

/// The atomic word: the standard one, or loom's where the interleavings are explored.
#[cfg(not(loom))]
pub use std::sync::atomic::{AtomicU64 as Word, Ordering};

#[cfg(loom)]
pub use loom::sync::atomic::{AtomicU64 as Word, Ordering};

#[cfg(not(loom))]
use std::{hint::spin_loop, sync::atomic::fence};

#[cfg(loom)]
use loom::{sync::atomic::fence, thread::yield_now as spin_loop};

/// Stands where a word is read after another was written, and all threads are to see both in one order. Accesses that are `SeqCst`
/// are in one order by themselves; loom takes them for weaker ones, and asks for the fence.
#[inline]
fn one_order() {
    #[cfg(loom)]
    fence(Ordering::SeqCst);
}
