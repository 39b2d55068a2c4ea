//! Small trees in bytes: each key becomes its place among the thresholds of its column, so that one byte holds it, and each
//! tree eight leaves a byte. A vector then compares four or eight times as many keys as it would floats.
//!
//! A tree is cuts without order, as in [`super::layout`], but its children change places so that the one with fewer leaves comes
//! first: a cut then clears few leaves, mostly of one byte. Where children changed places the cut clears when the key is *not*
//! above its threshold; there it looks at the complement of the key.

use std::hint::select_unpredictable;

use super::alone::WINDOW;
use super::columns::Columns;
use super::key::Key;
use super::layout::Line;
use super::node::{Node, Tree};

/// Leaves of a byte.
pub const BYTE: usize = 8;
/// Bytes of the largest small tree.
pub const BYTES: usize = 8;
/// Leaves of the largest small tree.
pub const LEAVES_MAX: usize = BYTE * BYTES;
/// Places a byte column tells apart: a key is above none to all of as many thresholds.
const PLACES: usize = 255;

/// Eight numbers of one line.
pub type Eight = Line<[f64; 8]>;

/// What a cut does to one byte of its tree's leaves.
#[derive(Clone, Copy, Debug)]
pub struct Touch {
    /// Which byte of the tree.
    pub byte: u8,
    /// 0 for each leaf that is out where the key is above the threshold.
    pub keep: u8,
    pub threshold: u8,
    /// Whether it looks at the complement of the key.
    pub flipped: bool,
    /// Byte column.
    pub column: u32,
}

/// A small tree: its touches in the order of bytes, then of columns, and its leaves.
pub struct Small {
    pub touches: Vec<Touch>,
    pub leaves: Vec<f64>,
}

/// The thresholds of each column, and where its byte columns are.
#[derive(Default)]
pub struct Ranks {
    columns: Vec<Ranked>,
    /// In order, column after column.
    sorted: Vec<f64>,
    /// The same in blocks of eight, of which a column's last is not full but ends in +∞; before them the last of each block, in
    /// blocks too.
    eights: Vec<Eight>,
    bytes: usize,
}

struct Ranked {
    /// The column, and its first byte column.
    column: u32,
    byte: u32,
    /// Among the sorted, from one place to before another.
    from: u32,
    to: u32,
    pivots: u32,
    blocks: u32,
}

/// A cut before thresholds have places.
struct Cut {
    column: u32,
    threshold: f64,
    flipped: bool,
    from: usize,
    to: usize,
}

/// The trees that are small, by their place, and the places of their thresholds. A tree that asks for more columns than there
/// may be is none.
pub fn small<K: Key>(
    trees: &[Tree],
    columns: &mut Columns,
    leaf: &impl Fn(f64) -> f64,
) -> (Vec<Option<Small>>, Ranks) {
    let cut: Vec<Option<(Vec<Cut>, Vec<f64>)>> =
        trees.iter().map(|tree| cuts::<K>(tree, columns, leaf)).collect();
    let mut thresholds = vec![Vec::new(); columns.len()];
    for cut in cut.iter().flatten().flat_map(|(cuts, _)| cuts) {
        thresholds[cut.column as usize].push(cut.threshold);
    }
    let mut ranks = Ranks::default();
    let mut places = vec![0; thresholds.len()];
    for (column, thresholds) in thresholds.into_iter().enumerate() {
        if !thresholds.is_empty() {
            places[column] = ranks.columns.len();
            ranks.add(column, thresholds);
        }
    }
    let touch = |(cuts, leaves): (Vec<Cut>, Vec<f64>)| {
        let touches = cuts.iter().flat_map(|cut| ranks.touches(cut, places[cut.column as usize]));
        let mut touches: Vec<Touch> = touches.collect();
        touches.sort_by_key(|touch| (touch.byte, touch.column));
        Small { touches, leaves }
    };
    (cut.into_iter().map(|cut| cut.map(touch)).collect(), ranks)
}

/// A small tree's cuts and leaves, the child with fewer leaves first.
fn cuts<K: Key>(
    tree: &Tree,
    columns: &mut Columns,
    leaf: &impl Fn(f64) -> f64,
) -> Option<(Vec<Cut>, Vec<f64>)> {
    if tree.nodes.len().div_ceil(2) > LEAVES_MAX {
        return None;
    }
    let mut below = vec![0; tree.nodes.len()];
    let mut order = vec![0_usize];
    let mut at = 0;
    while at < order.len() {
        if let Node::Split(split) = &tree.nodes[order[at]] {
            order.extend([split.left as usize, split.right as usize]);
        }
        at += 1;
    }
    // Parents came before their children.
    for &at in order.iter().rev() {
        below[at] = match &tree.nodes[at] {
            Node::Leaf(_) => 1,
            Node::Split(split) => below[split.left as usize] + below[split.right as usize],
        };
    }
    let (mut cuts, mut leaves) = (Vec::new(), vec![0.0; below[0]]);
    let mut open = vec![(0_usize, 0_usize)];
    while let Some((at, from)) = open.pop() {
        match &tree.nodes[at] {
            Node::Leaf(value) => leaves[from] = leaf(*value),
            Node::Split(split) => {
                let (column, threshold) = columns.place(split)?;
                let (left, right) = (split.left as usize, split.right as usize);
                let flipped = below[right] < below[left];
                let (first, second) = if flipped { (right, left) } else { (left, right) };
                let to = from + below[first];
                // −0 and 0 are one number.
                let threshold = K::threshold(threshold).double() + 0.0;
                cuts.push(Cut { column, threshold, flipped, from, to });
                open.extend([(first, from), (second, to)]);
            }
        }
    }
    Some((cuts, leaves))
}

impl Ranks {
    /// How many byte columns there are.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn add(&mut self, column: usize, mut thresholds: Vec<f64>) {
        thresholds.sort_unstable_by(f64::total_cmp);
        thresholds.dedup();
        let blocks = in_eights(&thresholds);
        let last: Vec<f64> = blocks.iter().map(|block| block.0[7]).collect();
        let pivots = self.eights.len() as u32;
        self.eights.extend(in_eights(&last));
        self.columns.push(Ranked {
            column: column as u32,
            byte: self.bytes as u32,
            from: self.sorted.len() as u32,
            to: (self.sorted.len() + thresholds.len()) as u32,
            pivots,
            blocks: self.eights.len() as u32,
        });
        self.eights.extend(blocks);
        self.bytes += thresholds.len().div_ceil(PLACES);
        self.sorted.extend(thresholds);
    }

    /// What a cut does to each byte that it clears leaves of.
    fn touches(&self, cut: &Cut, place: usize) -> impl Iterator<Item = Touch> {
        let Ranked { byte: first, from, to, .. } = self.columns[place];
        let rank = self.sorted[from as usize..to as usize].partition_point(|&other| other < cut.threshold);
        let (column, place) = (first + (rank / PLACES) as u32, (rank % PLACES) as u8);
        // What is not above it has a complement above that.
        let threshold = if cut.flipped { (PLACES - 1) as u8 - place } else { place };
        let (flipped, from, to) = (cut.flipped, cut.from, cut.to);
        (from / BYTE..to.div_ceil(BYTE)).map(move |byte| {
            let out = (0..BYTE).filter(|bit| (from..to).contains(&(byte * BYTE + bit)));
            let keep = out.fold(u8::MAX, |keep, bit| keep & !(0x80 >> bit));
            Touch { byte: byte as u8, keep, threshold, flipped, column }
        })
    }

    /// Writes a row's keys, as places, into windows of byte columns. `below` counts those of eight numbers that are below another.
    #[inline(always)]
    pub fn place_row<K: Key>(
        &self,
        keys: &[K],
        windows: &mut [Line<[u8; WINDOW]>],
        below: impl Fn(&Eight, f64) -> usize,
    ) {
        for ranked in &self.columns {
            let key = keys[ranked.column as usize].double();
            let pivots = &self.eights[ranked.pivots as usize..ranked.blocks as usize];
            // Full blocks can lie below it as a whole, and the last one is not full.
            let block: usize = pivots.iter().map(|eight| below(eight, key)).sum();
            let place = block * 8 + below(&self.eights[ranked.blocks as usize + block], key);
            ranked.spread(place, |column, byte| windows[column / WINDOW].0[column % WINDOW] = byte);
        }
    }

    /// Writes the places of the first lanes' keys, and their complements, both less 128: so instructions compare bytes.
    #[inline(always)]
    pub fn place_lanes<K: Key, const LANES: usize>(
        &self,
        keys: &[Line<[K; LANES]>],
        lanes: usize,
        bytes: &mut [[Line<[i8; LANES]>; 2]],
    ) {
        const STEP: usize = 16;
        for ranked in &self.columns {
            let sorted = &self.sorted[ranked.from as usize..ranked.to as usize];
            let keys = &keys[ranked.column as usize].0;
            for from in (0..lanes).step_by(STEP) {
                let keys: [f64; STEP] = std::array::from_fn(|lane| keys[from + lane].double());
                let mut below = [0_u32; STEP];
                let mut left = sorted.len() as u32;
                // Sixteen searches side by side: none waits for the memory of another, and no branch guesses where one goes.
                while left > 0 {
                    let half = left.div_ceil(2);
                    for (below, &key) in below.iter_mut().zip(&keys) {
                        let above = sorted[(*below + half - 1) as usize] < key;
                        *below = select_unpredictable(above, *below + half, *below);
                    }
                    left -= half;
                }
                for (lane, &place) in below.iter().enumerate() {
                    ranked.spread(place as usize, |column, byte| {
                        let byte = (byte ^ 0x80).cast_signed();
                        bytes[column][0].0[from + lane] = byte;
                        bytes[column][1].0[from + lane] = !byte;
                    });
                }
            }
        }
    }
}

impl Ranked {
    /// A place, byte column by byte column: each tells how many of its own thresholds the key is above.
    #[inline(always)]
    fn spread(&self, place: usize, mut write: impl FnMut(usize, u8)) {
        let parts = (self.to - self.from).div_ceil(PLACES as u32) as usize;
        for part in 0..parts {
            write(self.byte as usize + part, place.saturating_sub(part * PLACES).min(PLACES) as u8);
        }
    }
}

/// Blocks of eight, the last one not full.
fn in_eights(numbers: &[f64]) -> Vec<Eight> {
    let number = |at: usize| numbers.get(at).copied().unwrap_or(f64::INFINITY);
    (0..=numbers.len() / 8).map(|at| Line(std::array::from_fn(|n| number(at * 8 + n)))).collect()
}
