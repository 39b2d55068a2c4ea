//! What splits look at: each input as the kinds of splits read it, with missing values already led to their side.
//!
//! A missing value becomes a number below or above every threshold, and a question other than "at most?" becomes a column of
//! its answers, as such numbers too. So the kernels know one test only: what is above its threshold goes right.

use std::collections::HashMap;

use super::alone::WINDOW;
use super::key::Key;
use super::layout::{Line, Wide};
use super::node::{Categories, Missing, Side, Split, Test, ZERO_MAX};
use super::spec::Precision;
use crate::limits::FOREST_COLUMNS_MAX;

/// One column: an input, which of its values are missing, and what is asked of it ahead.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Reading {
    input: u16,
    missing: Missing,
    asked: Asked,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Asked {
    /// Nothing: the kernel compares with the thresholds.
    Nothing,
    /// Whether it is the number of these bits.
    Equal(u64),
    /// Whether it is one of these categories.
    OneOf(Categories),
}

/// How a column treats numbers near 0 and NaN.
#[derive(Clone, Copy, Debug)]
struct Gate {
    /// Numbers no farther from 0 than this are missing, as NaN is; below 0 where only NaN is.
    zero_max: f64,
    /// What a missing value becomes.
    missing: f64,
}

/// A row alone.
#[derive(Default)]
pub struct Row<K> {
    /// What columns hold before it is made keys of.
    values: Vec<f64>,
    pub keys: Vec<K>,
    /// The keys' places, as bundles look at them.
    pub windows: Vec<Line<[u8; WINDOW]>>,
}

impl<K: Key> Row<K> {
    /// Takes room for so many columns and byte columns.
    pub fn fit(&mut self, columns: usize, bytes: usize) {
        grow(&mut self.values, columns, 0.0);
        grow(&mut self.keys, columns, K::default());
        grow(&mut self.windows, bytes.div_ceil(WINDOW), Line([0; WINDOW]));
    }
}

/// Makes memory as long as that, if it is shorter.
pub fn grow<T: Clone>(memory: &mut Vec<T>, len: usize, fill: T) {
    if memory.len() < len {
        memory.resize(len, fill);
    }
}

/// The columns of a forest.
pub struct Columns {
    inputs: Vec<u16>,
    gates: Vec<Gate>,
    /// Columns that hold answers, with a split that asks.
    asking: Vec<(usize, Split)>,
    /// Columns by what they hold, to find one again.
    places: HashMap<Reading, u32>,
    inputs_as: Precision,
}

impl Columns {
    pub fn new(inputs_as: Precision) -> Columns {
        let (inputs, gates, asking) = (Vec::new(), Vec::new(), Vec::new());
        Columns { inputs, gates, asking, places: HashMap::new(), inputs_as }
    }

    /// The column that a split looks at, added if it is new, and the split's threshold there. Nothing once there are too
    /// many columns: splits by category have one each.
    pub fn place(&mut self, split: &Split) -> Option<(u32, f64)> {
        let (asked, threshold) = match &split.test {
            Test::AtMost(threshold) => (Asked::Nothing, *threshold),
            Test::Equal(number) => (Asked::Equal(number.to_bits()), 0.0),
            Test::OneOf(categories) => (Asked::OneOf(categories.clone()), 0.0),
        };
        let reading = Reading { input: split.input, missing: split.missing, asked };
        if let Some(&place) = self.places.get(&reading) {
            return Some((place, threshold));
        }
        let place = self.inputs.len();
        if place == FOREST_COLUMNS_MAX {
            return None;
        }
        self.inputs.push(split.input);
        self.gates.push(match (&reading.asked, split.missing) {
            (Asked::Nothing, Missing::Never) => Gate { zero_max: -1.0, missing: 0.0 },
            (Asked::Nothing, Missing::Nan(side)) => Gate { zero_max: -1.0, missing: far(side) },
            (Asked::Nothing, Missing::NanOrZero(side)) => Gate { zero_max: ZERO_MAX, missing: far(side) },
            // What answers has to see the value itself.
            _ => Gate { zero_max: -1.0, missing: f64::NAN },
        });
        if reading.asked != Asked::Nothing {
            self.asking.push((place, split.clone()));
        }
        self.places.insert(reading, place as u32);
        Some((place as u32, threshold))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Fills the columns of one lane.
    #[inline(always)]
    pub fn fill_row<K: Key>(&self, inputs: &[Wide<f64>], lane: usize, row: &mut Row<K>) {
        let (values, keys) = (&mut row.values[..self.len()], &mut row.keys[..self.len()]);
        for (value, &input) in values.iter_mut().zip(&self.inputs) {
            *value = inputs[usize::from(input)].0[lane];
        }
        if self.inputs_as == Precision::Single {
            values.iter_mut().for_each(|value| *value = Precision::Single.round(*value));
        }
        for ((key, value), gate) in keys.iter_mut().zip(&mut *values).zip(&self.gates) {
            *value = gate.pass(*value);
            *key = K::value(*value);
        }
        for (place, split) in &self.asking {
            keys[*place] = K::value(far(split.side(values[*place])));
        }
    }

    /// Fills the columns of the first lanes.
    #[inline(always)]
    pub fn fill_lanes<K: Key>(&self, inputs: &[Wide<f64>], lanes: usize, keys: &mut [Wide<K>]) {
        for ((keys, gate), &input) in keys.iter_mut().zip(&self.gates).zip(&self.inputs) {
            let pairs = keys.0[..lanes].iter_mut().zip(&inputs[usize::from(input)].0[..lanes]);
            match self.inputs_as {
                Precision::Double => pairs.for_each(|(key, &value)| *key = K::value(gate.pass(value))),
                Precision::Single => {
                    let round = |value| Precision::Single.round(value);
                    pairs.for_each(|(key, &value)| *key = K::value(gate.pass(round(value))));
                }
            }
        }
        for (place, split) in &self.asking {
            let values = &inputs[usize::from(split.input)].0;
            for (key, &value) in keys[*place].0[..lanes].iter_mut().zip(values) {
                *key = K::value(far(split.side(self.inputs_as.round(value))));
            }
        }
    }
}

impl Gate {
    /// The value, or what it becomes if it is missing.
    #[inline(always)]
    fn pass(&self, value: f64) -> f64 {
        // NaN is not above anything.
        if value.abs() > self.zero_max { value } else { self.missing }
    }
}

/// What goes to that side whatever the threshold.
fn far(side: Side) -> f64 {
    match side {
        Side::Left => f64::NEG_INFINITY,
        Side::Right => f64::INFINITY,
    }
}
