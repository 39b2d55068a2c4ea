//! Reason codes: the inputs that did most to raise a score.

use super::{Explainer, Explanation};

/// Most reasons of one decision: as many as notices of a refusal usually name.
pub const REASONS_MAX: usize = 4;

/// An input that raised the score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reason {
    /// Place among the forest's inputs.
    pub input: usize,
    /// What it added to the raw score; below 0 for isolation forests, whose raw score falls as risk rises.
    pub contribution: f64,
}

/// The code of an input's reason: its name after `M:`, so that it stays the same from model to model.
pub fn reason_code(input: &str) -> String {
    format!("M:{input}")
}

impl Explainer {
    /// The inputs that raised the score, the largest first; at most [`REASONS_MAX`]. An input that lowered it is no reason,
    /// nor is one whose part is less than a hundredth of all that raised it.
    pub fn reasons(&self, explanation: &Explanation) -> Vec<Reason> {
        let sign = if self.rises() { 1.0 } else { -1.0 };
        let mut raised: Vec<Reason> = explanation
            .contributions
            .iter()
            .enumerate()
            .filter(|(_, contribution)| **contribution * sign > 0.0)
            .map(|(input, &contribution)| Reason { input, contribution })
            .collect();
        let least = raised.iter().map(|reason| reason.contribution.abs()).sum::<f64>() * LEAST_PART;
        raised.sort_by(|a, b| b.contribution.abs().total_cmp(&a.contribution.abs()));
        raised.truncate(REASONS_MAX);
        raised.retain(|reason| reason.contribution.abs() >= least);
        raised
    }
}

/// Below this part of all that raised the score an input is none of its reasons.
const LEAST_PART: f64 = 0.01;
