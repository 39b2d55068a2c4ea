//! How the scores of each model are distributed, as a Prometheus histogram: workers count in bins of the engine's, and add
//! them here now and then.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use engine::{Role, SCORE_BOUNDS};

const BINS: usize = SCORE_BOUNDS.len() + 1;
/// Parts of a score that its sum is kept in, so that threads can add to it.
const PARTS: f64 = 1e6;

/// The scores of one model.
#[derive(Debug)]
pub struct ScoreHistogram {
    role: Role,
    model: String,
    bins: [AtomicU64; BINS],
    sum: AtomicU64,
}

impl ScoreHistogram {
    /// Adds what a worker has counted, and the sum of those scores.
    pub fn add(&self, counts: &[u64; BINS], sum: f64) {
        for (bin, count) in self.bins.iter().zip(counts).filter(|(_, count)| **count > 0) {
            bin.fetch_add(*count, Ordering::Relaxed);
        }
        self.sum.fetch_add((sum * PARTS).round() as u64, Ordering::Relaxed);
    }
}

/// Those of all models that were ever loaded.
#[derive(Debug, Default)]
pub struct Scores(Mutex<Vec<Arc<ScoreHistogram>>>);

impl Scores {
    /// The histogram of a model in a role.
    pub fn of(&self, role: Role, model: &str) -> Arc<ScoreHistogram> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.iter().find(|one| one.role == role && one.model == model) {
            return found.clone();
        }
        let (bins, sum) = Default::default();
        known.push(Arc::new(ScoreHistogram { role, model: model.to_owned(), bins, sum }));
        known[known.len() - 1].clone()
    }

    /// Appends the Prometheus text of them.
    pub fn render(&self, name: &str, help: &str, out: &mut String) {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing to a String cannot fail.
        let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} histogram\n");
        for one in known.iter() {
            // Names of models are of plain letters: nothing of them has to be escaped.
            let labels = format!("role=\"{}\",model=\"{}\"", one.role.name(), one.model);
            let mut count = 0;
            for (at, bin) in one.bins.iter().enumerate() {
                count += bin.load(Ordering::Relaxed);
                let _ = match SCORE_BOUNDS.get(at) {
                    Some(bound) => writeln!(out, "{name}_bucket{{{labels},le=\"{bound}\"}} {count}"),
                    None => writeln!(out, "{name}_bucket{{{labels},le=\"+Inf\"}} {count}"),
                };
            }
            let sum = one.sum.load(Ordering::Relaxed) as f64 / PARTS;
            let _ = writeln!(out, "{name}_sum{{{labels}}} {sum}\n{name}_count{{{labels}}} {count}");
        }
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_comes_back_goes_on_counting() {
        let scores = Scores::default();
        let mut counts = [0; BINS];
        (counts[0], counts[BINS - 1]) = (3, 1);
        scores.of(Role::Champion, "m@1").add(&counts, 0.95);
        scores.of(Role::Challenger, "m@1").add(&counts, 0.95);
        scores.of(Role::Champion, "m@1").add(&counts, 0.95);
        let mut out = String::new();
        scores.render("x", "Test.", &mut out);
        for line in [
            "x_bucket{role=\"champion\",model=\"m@1\",le=\"0.001\"} 6",
            "x_bucket{role=\"champion\",model=\"m@1\",le=\"0.9\"} 6",
            "x_bucket{role=\"champion\",model=\"m@1\",le=\"+Inf\"} 8",
            "x_sum{role=\"champion\",model=\"m@1\"} 1.9",
            "x_count{role=\"challenger\",model=\"m@1\"} 4",
        ] {
            assert!(out.lines().any(|l| l == line), "{line} is not in\n{out}");
        }
    }
}
