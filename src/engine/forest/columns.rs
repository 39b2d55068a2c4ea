//! What splits look at: each input as the kinds of splits read it, with missing values already led to their side.
//!
//! A missing value becomes a number below or above every threshold, and a question other than "at most?" becomes a column of
//! its answers, as such numbers too. So the kernels know one test only: what is above its threshold goes right.

use std::collections::HashMap;

use super::key::Key;
use super::layout::Wide;
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

/// The columns of a forest.
pub struct Columns {
    readings: Vec<Reading>,
    /// The same by content, to find one again.
    places: HashMap<Reading, u32>,
    inputs_as: Precision,
}

impl Columns {
    pub fn new(inputs_as: Precision) -> Columns {
        Columns { readings: Vec::new(), places: HashMap::new(), inputs_as }
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
        let next = self.readings.len();
        if let Some(&place) = self.places.get(&reading) {
            return Some((place, threshold));
        }
        if next == FOREST_COLUMNS_MAX {
            return None;
        }
        self.readings.push(reading.clone());
        self.places.insert(reading, next as u32);
        Some((next as u32, threshold))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.readings.len()
    }

    /// Fills the columns of one lane.
    pub fn fill_row<K: Key>(&self, inputs: &[Wide<f64>], lane: usize, keys: &mut [K]) {
        for (reading, key) in self.readings.iter().zip(keys) {
            *key = reading.key(self.inputs_as.round(inputs[usize::from(reading.input)].0[lane]));
        }
    }

    /// Fills the columns of the first lanes.
    #[inline(always)]
    pub fn fill_lanes<K: Key>(&self, inputs: &[Wide<f64>], lanes: usize, keys: &mut [Wide<K>]) {
        for (reading, keys) in self.readings.iter().zip(keys) {
            let values =
                inputs[usize::from(reading.input)].0[..lanes].iter().map(|&v| self.inputs_as.round(v));
            let pairs = keys.0[..lanes].iter_mut().zip(values);
            match reading {
                // The common kind by itself, so that it becomes a loop over vectors.
                Reading { missing: Missing::Nan(side), asked: Asked::Nothing, .. } => {
                    let missing = key_of(*side);
                    pairs.for_each(|(key, v)| *key = if v.is_nan() { missing } else { K::value(v) });
                }
                _ => pairs.for_each(|(key, value)| *key = reading.key(value)),
            }
        }
    }
}

impl Reading {
    #[inline(always)]
    fn key<K: Key>(&self, value: f64) -> K {
        let value = match self.missing {
            Missing::Nan(side) if value.is_nan() => return key_of(side),
            Missing::NanOrZero(side) if value.is_nan() || value.abs() <= ZERO_MAX => return key_of(side),
            Missing::Never if value.is_nan() => 0.0,
            _ => value,
        };
        let yes = match &self.asked {
            Asked::Nothing => return K::value(value),
            Asked::Equal(bits) => value == f64::from_bits(*bits),
            Asked::OneOf(categories) => categories.hold(value),
        };
        key_of(if yes { Side::Left } else { Side::Right })
    }
}

/// What goes to that side whatever the threshold.
#[inline(always)]
fn key_of<K: Key>(side: Side) -> K {
    match side {
        Side::Left => K::BELOW,
        Side::Right => K::ABOVE,
    }
}
