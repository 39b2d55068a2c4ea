//! Reason codes: the inputs that did most to raise a score.

use super::{Explainer, Explanation};

/// Most reasons of one decision: as many as notices of a refusal usually name.
pub const REASONS_MAX: usize = 4;

/// Below this part of all that raised the score an input is none of its reasons.
const LEAST_PART: f64 = 0.01;

/// The code of an input's reason: its name after `M:`, so that it stays the same from model to model.
pub fn reason_code(input: &str) -> String {
    format!("M:{input}")
}

impl Explanation {
    /// Places of the inputs that did anything, what did most first.
    pub fn largest_first(&self) -> Vec<usize> {
        let size = |place: usize| self.contributions[place].abs();
        let mut places: Vec<usize> =
            (0..self.contributions.len()).filter(|&place| size(place) != 0.0).collect();
        places.sort_by(|&a, &b| size(b).total_cmp(&size(a)));
        places
    }
}

impl Explainer {
    /// Places of the inputs that raised the score, what did most first; at most [`REASONS_MAX`]. An input that lowered it is
    /// no reason, nor is one whose part is less than a hundredth of all that raised it.
    pub fn reasons(&self, explanation: &Explanation) -> Vec<usize> {
        let sign = if self.rises() { 1.0 } else { -1.0 };
        let raised = |place: usize| explanation.contributions[place] * sign;
        let mut places = explanation.largest_first();
        places.retain(|&place| raised(place) > 0.0);
        let least = places.iter().map(|&place| raised(place)).sum::<f64>() * LEAST_PART;
        places.retain(|&place| raised(place) >= least);
        places.truncate(REASONS_MAX);
        places
    }
}
