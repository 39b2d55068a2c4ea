//! Isolation forests (Liu, Ting and Zhou, 2008): odd rows are parted from the rest by few random cuts. No label is needed.
//!
//! A leaf holds the length of the path to it: the cuts above it, and the mean length that its rows would still take. The
//! score, 2^(−mean path / path of the sample), is the engine's transform `isolation`.

use engine::forest::{Node, Tree};
use rand::rngs::StdRng;
use rand::seq::index;
use rand::{Rng, SeedableRng};

use super::Settings;
use crate::dataset::Dataset;

/// c(n): mean length of an unsuccessful search in a binary tree of n rows, by which paths are made comparable.
pub fn mean_path(rows: usize) -> f64 {
    match rows {
        0 | 1 => 0.0,
        2 => 1.0,
        n => {
            // H(n − 1), the sum itself: the usual logarithm is a quarter too small at three rows.
            let harmonic: f64 = (1..n).map(|k| 1.0 / k as f64).sum();
            2.0 * harmonic - 2.0 * (n as f64 - 1.0) / n as f64
        }
    }
}

/// The path of the sample, and the trees. Each tree has a seed of its own, so that fewer trees are the first of many.
pub fn trees(data: &Dataset, settings: &Settings, done: &(dyn Fn(usize) + Sync)) -> (f64, Vec<Tree>) {
    let rows = settings.isolated_rows.min(data.len());
    // Paths past the mean tell little apart: the trees end there, as in the paper.
    let depth = settings.depth.min(rows.ilog2() as usize + usize::from(!rows.is_power_of_two()));
    let paths: Vec<f64> = (0..=rows).map(mean_path).collect();
    let grown = (0..settings.trees).map(|number| {
        let mut random = StdRng::seed_from_u64(settings.seed.wrapping_add(number as u64));
        let drawn = index::sample(&mut random, data.len(), rows).into_vec();
        let tree = grow(data, drawn, depth.max(1), &paths, &mut random);
        done(number + 1);
        tree
    });
    (paths[rows], grown.collect())
}

fn grow(data: &Dataset, drawn: Vec<usize>, depth_max: usize, paths: &[f64], random: &mut StdRng) -> Tree {
    let mut nodes = vec![Node::Leaf(0.0)];
    let mut open = vec![(0, drawn, 0)];
    while let Some((at, rows, depth)) = open.pop() {
        let cut = if depth < depth_max { cut(data, &rows, random) } else { None };
        let Some((input, threshold)) = cut else {
            nodes[at] = Node::Leaf(depth as f64 + paths[rows.len()]);
            continue;
        };
        // A missing value is not at most anything, and goes right as it will in the engine.
        let (left, right) = rows.iter().partition(|row| data.row(**row)[input] <= threshold);
        let child = nodes.len();
        nodes[at] = Node::at_most(input as u16, threshold, child as u32, child as u32 + 1);
        nodes.extend([Node::Leaf(0.0), Node::Leaf(0.0)]);
        open.extend([(child + 1, right, depth + 1), (child, left, depth + 1)]);
    }
    Tree { nodes }
}

/// An input that can part these rows, drawn at random, and a threshold between its ends; none if all rows are alike.
fn cut(data: &Dataset, rows: &[usize], random: &mut StdRng) -> Option<(usize, f64)> {
    let mut inputs: Vec<usize> = (0..data.inputs().len()).collect();
    while !inputs.is_empty() && rows.len() > 1 {
        let input = inputs.swap_remove(random.random_range(0..inputs.len()));
        let (mut least, mut most, mut missing) = (f64::INFINITY, f64::NEG_INFINITY, false);
        for row in rows {
            let value = data.row(*row)[input];
            missing |= value.is_nan();
            (least, most) = (least.min(value), most.max(value));
        }
        if least < most {
            let share: f64 = random.random();
            // Below the largest, however it was rounded, so that both sides have rows.
            let threshold = (least * (1.0 - share) + most * share).clamp(least, most.next_down());
            return Some((input, threshold));
        }
        // One value, and rows that have none.
        if missing && least.is_finite() {
            return Some((input, most));
        }
    }
    None
}
