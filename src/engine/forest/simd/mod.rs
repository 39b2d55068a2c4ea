//! The kernels: one written in plain code, compiled for three instruction sets, and one by hand for AVX-512. All of them give
//! the same bits: comparisons and additions of numbers in one order, and nothing is contracted.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod avx512;
mod plain;
mod walk;

use super::alone::{Slot, Stretch, TREES, Windows};
use super::bytes::{BYTE, Ranks, Touch};
use super::columns::{Columns, Row};
use super::key::Key;
use super::layout::{ByteTree, Cut, Line, Wide};

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

    /// Whether there is a kernel for bundles of trees, which is faster than walks. It permutes bytes, which the first
    /// processors with AVX-512 cannot.
    #[cfg(target_arch = "x86_64")]
    pub fn bundles(self) -> bool {
        self.0 == Vectors::Avx512 && std::arch::is_x86_feature_detected!("avx512vbmi")
    }

    /// As above.
    #[cfg(not(target_arch = "x86_64"))]
    pub fn bundles(self) -> bool {
        false
    }

    /// Whether batches are faster by bytes than by words: where a comparison of floats has few lanes, and there are so many
    /// cuts to an input that finding its place among them costs less than it saves.
    pub fn by_bytes(self, cuts: usize, inputs: usize) -> bool {
        match self.0 {
            Vectors::Portable => cuts > 32 * inputs,
            Vectors::Avx2 => cuts > 128 * inputs,
            Vectors::Avx512 => false,
        }
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

/// A bundle of small trees for a row alone.
pub struct Bundle<'f> {
    pub stretches: &'f [Stretch],
    pub slots: &'f [Slot],
    /// Bytes of the largest tree.
    pub bytes: u32,
    /// Their leaves, each tree's from the start of so many bytes.
    pub leaves: &'f [f64],
    pub trees: u32,
}

impl Bundle<'_> {
    /// The values of the leaves that were reached, tree by tree.
    #[inline(always)]
    fn values(&self, leaves: &[u8; TREES]) -> impl Iterator<Item = f64> {
        let tables = self.leaves.chunks_exact(self.bytes as usize * BYTE).take(self.trees as usize);
        // The bound changes nothing: a leaf is one of its tree.
        tables.zip(leaves).map(|(table, &leaf)| table[usize::from(leaf).min(table.len() - 1)])
    }
}

/// The sum and the leaves that a row reaches in the trees of a bundle. There are none without [`Found::bundles`].
pub fn bundle(found: Found, bundle: &Bundle<'_>, row: &Windows, sum: f64, single: bool) -> f64 {
    #[cfg(target_arch = "x86_64")]
    if found.bundles() {
        // SAFETY: that shows that the processor has what the function is compiled for.
        return unsafe { avx512::bundle(bundle, row, sum, single) };
    }
    let _ = (found, row);
    plain::add_all(sum, bundle.values(&[0; TREES]), single)
}

/// Writes the places of the keys of the first groups' lanes into byte columns.
pub fn place<K: Key>(
    found: Found,
    ranks: &Ranks,
    keys: &[Wide<K>],
    groups: usize,
    bytes: &mut [[Wide<i8>; 2]],
) {
    match found.0 {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `found` shows that the processor has what the function is compiled for.
        Vectors::Avx2 => unsafe { avx2::place(ranks, keys, groups, bytes) },
        _ => ranks.place_lanes(keys, groups * GROUP, bytes),
    }
}

/// Adds the leaves of a small tree.
pub fn bytes<K: Key>(
    found: Found,
    tree: &ByteTree,
    touches: &[Touch],
    bytes: &[[Wide<i8>; 2]],
    batch: &mut Batch<'_, K>,
) {
    match found.0 {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `found` shows that the processor has what the function is compiled for.
        Vectors::Avx2 => unsafe { avx2::bytes(tree, touches, bytes, batch) },
        _ => plain::bytes(tree, touches, bytes, batch),
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
    use super::{Batch, ByteTree, Columns, Cut, GROUP, Key, Line, Ranks, Touch, Wide, plain};

    #[target_feature(enable = "avx2,lzcnt,bmi1,bmi2")]
    pub fn place<K: Key>(ranks: &Ranks, keys: &[Wide<K>], groups: usize, bytes: &mut [[Wide<i8>; 2]]) {
        ranks.place_lanes(keys, groups * GROUP, bytes);
    }

    #[target_feature(enable = "avx2,lzcnt,bmi1,bmi2")]
    pub fn bytes<K: Key>(
        tree: &ByteTree,
        touches: &[Touch],
        bytes: &[[Wide<i8>; 2]],
        batch: &mut Batch<'_, K>,
    ) {
        plain::bytes(tree, touches, bytes, batch);
    }

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
