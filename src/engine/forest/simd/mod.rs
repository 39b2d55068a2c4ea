//! The kernels: one written in plain code, compiled for three instruction sets, and one by hand for AVX-512. All of them give
//! the same bits: comparisons and additions of numbers in one order, and nothing is contracted.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod avx512;
mod plain;
mod walk;

use super::alone::{Ranks, Slot, Stretch, TREES, Windows};
use super::columns::{Columns, Row};
use super::key::Key;
use super::layout::{Cut, Line, Wide};

pub use plain::add;
pub use walk::{walk, walk_alone};

/// Lanes of a group: what the kernels work on together.
pub const GROUP: usize = 16;

/// Instruction sets that kernels are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Vectors {
    /// What every processor of the architecture has.
    Portable,
    /// AVX2.
    Avx2,
    /// AVX-512 with byte, word, double word and conflict instructions.
    Avx512,
}

impl Vectors {
    /// Those that this processor has, the best one last.
    pub fn available() -> impl DoubleEndedIterator<Item = Vectors> {
        [Vectors::Portable, Vectors::Avx2, Vectors::Avx512]
            .into_iter()
            .filter(|vectors| vectors.is_available())
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Vectors::Portable => "portable",
            Vectors::Avx2 => "AVX2",
            Vectors::Avx512 => "AVX-512",
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn is_available(self) -> bool {
        use std::arch::is_x86_feature_detected as has;
        match self {
            Vectors::Portable => true,
            Vectors::Avx2 => has!("avx2") && has!("lzcnt") && has!("bmi1") && has!("bmi2") && has!("popcnt"),
            Vectors::Avx512 => {
                Vectors::Avx2.is_available()
                    && has!("avx512f")
                    && has!("avx512bw")
                    && has!("avx512dq")
                    && has!("avx512vl")
                    && has!("avx512cd")
            }
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn is_available(self) -> bool {
        self == Vectors::Portable
    }
}

/// Proof that the processor has an instruction set: only [`Vectors::available`] leads to one.
#[derive(Clone, Copy, Debug)]
pub struct Found(Vectors);

impl Found {
    /// The best there is.
    pub fn best() -> Found {
        Found(Vectors::available().next_back().unwrap_or(Vectors::Portable))
    }

    /// Whether its kernels for bundles of trees are faster than walks.
    pub fn bundles(self) -> bool {
        self.0 == Vectors::Avx512
    }

    /// If the processor has it.
    pub fn of(vectors: Vectors) -> Option<Found> {
        vectors.is_available().then_some(Found(vectors))
    }
}

/// What the kernels of a batch share: the columns of all lanes, how many groups count, and the sums.
pub struct Batch<'b, K> {
    pub keys: &'b [Wide<K>],
    pub groups: usize,
    pub sums: &'b mut Wide<f64>,
    /// Whether sums are rounded to `f32` after each addition.
    pub single: bool,
}

/// The kernels for one kind of key.
pub trait Kernels: Key {
    /// Fills the columns of the first lanes.
    fn fill(found: Found, columns: &Columns, inputs: &[Wide<f64>], lanes: usize, keys: &mut [Wide<Self>]);
    /// Fills the columns of one lane, and its windows where bundles need them.
    fn fill_row(
        found: Found,
        columns: &Columns,
        inputs: &[Wide<f64>],
        lane: usize,
        ranks: &Ranks,
        row: &mut Row<Self>,
    );
    /// Adds the leaves of a tree of up to 32.
    fn bits32(found: Found, cuts: &[Cut<Self, u32>], leaves: &Line<[f64; 32]>, batch: &mut Batch<'_, Self>);
    /// Adds the leaves of a tree of up to 64.
    fn bits64(found: Found, cuts: &[Cut<Self, u64>], leaves: &Line<[f64; 64]>, batch: &mut Batch<'_, Self>);
}

/// A bundle of small trees for a row alone, with their tables of leaves.
pub struct Bundle<'f, W, const LEAVES: usize> {
    pub stretches: &'f [Stretch],
    pub slots: &'f [Slot<W>],
    pub tables: &'f [Line<[f64; LEAVES]>],
}

impl<W, const LEAVES: usize> Bundle<'_, W, LEAVES> {
    /// The values of the leaves that were reached, tree by tree.
    #[inline(always)]
    fn values(&self, leaves: &[u32; TREES]) -> impl Iterator<Item = f64> {
        // The mask changes nothing; it spares a check.
        self.tables.iter().zip(leaves).map(|(table, &leaf)| table.0[leaf as usize & (LEAVES - 1)])
    }
}

/// The sum and the leaves that a row reaches in the trees of a bundle.
pub fn bundle32(found: Found, bundle: &Bundle<'_, u32, 32>, row: &Windows, sum: f64, single: bool) -> f64 {
    match found.0 {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `found` shows that the processor has what the function is compiled for.
        Vectors::Avx512 => unsafe { avx512::bundle32(bundle, row, sum, single) },
        _ => plain::bundle(bundle, row, sum, single),
    }
}

/// The same for up to 64 leaves.
pub fn bundle64(found: Found, bundle: &Bundle<'_, u64, 64>, row: &Windows, sum: f64, single: bool) -> f64 {
    match found.0 {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Vectors::Avx512 => unsafe { avx512::bundle64(bundle, row, sum, single) },
        _ => plain::bundle(bundle, row, sum, single),
    }
}

macro_rules! kernels {
    ($key:ty, $fill:ident, $row:ident, $bits32:ident, $bits64:ident) => {
        #[cfg(target_arch = "x86_64")]
        impl Kernels for $key {
            fn fill(
                found: Found,
                columns: &Columns,
                inputs: &[Wide<f64>],
                lanes: usize,
                keys: &mut [Wide<$key>],
            ) {
                match found.0 {
                    Vectors::Portable => columns.fill_lanes(inputs, lanes, keys),
                    // SAFETY: `found` shows that the processor has what the function is compiled for.
                    Vectors::Avx2 => unsafe { avx2::$fill(columns, inputs, lanes, keys) },
                    // SAFETY: as above.
                    Vectors::Avx512 => unsafe { avx512::$fill(columns, inputs, lanes, keys) },
                }
            }

            fn fill_row(
                found: Found,
                columns: &Columns,
                inputs: &[Wide<f64>],
                lane: usize,
                ranks: &Ranks,
                row: &mut Row<$key>,
            ) {
                match found.0 {
                    // SAFETY: `found` shows that the processor has what the function is compiled for.
                    Vectors::Avx512 => unsafe { avx512::$row(columns, inputs, lane, ranks, row) },
                    _ => columns.fill_row(inputs, lane, row),
                }
            }

            fn bits32(
                found: Found,
                cuts: &[Cut<$key, u32>],
                leaves: &Line<[f64; 32]>,
                batch: &mut Batch<'_, $key>,
            ) {
                match found.0 {
                    Vectors::Portable => plain::bits(cuts, &leaves.0, batch),
                    // SAFETY: `found` shows that the processor has what the function is compiled for.
                    Vectors::Avx2 => unsafe { avx2::$bits32(cuts, leaves, batch) },
                    // SAFETY: as above.
                    Vectors::Avx512 => unsafe { avx512::$bits32(cuts, leaves, batch) },
                }
            }

            fn bits64(
                found: Found,
                cuts: &[Cut<$key, u64>],
                leaves: &Line<[f64; 64]>,
                batch: &mut Batch<'_, $key>,
            ) {
                match found.0 {
                    Vectors::Portable => plain::bits(cuts, &leaves.0, batch),
                    // SAFETY: `found` shows that the processor has what the function is compiled for.
                    Vectors::Avx2 => unsafe { avx2::$bits64(cuts, leaves, batch) },
                    // SAFETY: as above.
                    Vectors::Avx512 => unsafe { avx512::$bits64(cuts, leaves, batch) },
                }
            }
        }

        #[cfg(not(target_arch = "x86_64"))]
        impl Kernels for $key {
            fn fill(
                _: Found,
                columns: &Columns,
                inputs: &[Wide<f64>],
                lanes: usize,
                keys: &mut [Wide<$key>],
            ) {
                columns.fill_lanes(inputs, lanes, keys);
            }

            fn fill_row(
                _: Found,
                columns: &Columns,
                inputs: &[Wide<f64>],
                lane: usize,
                _: &Ranks,
                row: &mut Row<$key>,
            ) {
                columns.fill_row(inputs, lane, row);
            }

            fn bits32(
                _: Found,
                cuts: &[Cut<$key, u32>],
                leaves: &Line<[f64; 32]>,
                batch: &mut Batch<'_, $key>,
            ) {
                plain::bits(cuts, &leaves.0, batch);
            }

            fn bits64(
                _: Found,
                cuts: &[Cut<$key, u64>],
                leaves: &Line<[f64; 64]>,
                batch: &mut Batch<'_, $key>,
            ) {
                plain::bits(cuts, &leaves.0, batch);
            }
        }
    };
}
kernels!(f32, fill_f32, row_f32, bits32_f32, bits64_f32);
kernels!(f64, fill_f64, row_f64, bits32_f64, bits64_f64);

/// The plain kernels, compiled for AVX2.
#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{Batch, Columns, Cut, Line, Wide, plain};

    macro_rules! compiled {
        ($key:ty, $fill:ident, $bits32:ident, $bits64:ident) => {
            #[target_feature(enable = "avx2,lzcnt,bmi1,bmi2")]
            pub fn $fill(columns: &Columns, inputs: &[Wide<f64>], lanes: usize, keys: &mut [Wide<$key>]) {
                columns.fill_lanes(inputs, lanes, keys);
            }

            #[target_feature(enable = "avx2,lzcnt,bmi1,bmi2")]
            pub fn $bits32(cuts: &[Cut<$key, u32>], leaves: &Line<[f64; 32]>, batch: &mut Batch<'_, $key>) {
                plain::bits(cuts, &leaves.0, batch);
            }

            #[target_feature(enable = "avx2,lzcnt,bmi1,bmi2")]
            pub fn $bits64(cuts: &[Cut<$key, u64>], leaves: &Line<[f64; 64]>, batch: &mut Batch<'_, $key>) {
                plain::bits(cuts, &leaves.0, batch);
            }
        };
    }
    compiled!(f32, fill_f32, bits32_f32, bits64_f32);
    compiled!(f64, fill_f64, bits32_f64, bits64_f64);
}
