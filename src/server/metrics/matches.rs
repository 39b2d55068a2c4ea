//! Counters of what matches: rules, limits and breakers, acting and in shadow, each by its id.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use engine::policy::{BreakerState, Origin};
use engine::{MatchCount, MatchTally};
use metrics::{Counter, Key, Label, Recorder};

use super::{METADATA, Metrics};

/// Counters of a snapshot's matches.
#[derive(Clone)]
pub struct MatchCounters {
    /// By [`engine::policy::Policy::index_of`].
    matches: Vec<Counters>,
    /// Trials and closings, by the policy's breakers.
    breakers: Vec<[Counter; 2]>,
}

/// Of one match: what scrapers are told, and what the guard reads.
#[derive(Clone)]
struct Counters {
    live: Counter,
    shadow: Counter,
    errors: Counter,
    total: Arc<AtomicU64>,
}

impl Metrics {
    /// The counters of a snapshot's matches: of each, whose it is by id and by place.
    pub fn matches<'a>(&self, matches: impl Iterator<Item = (&'a str, Origin)>) -> MatchCounters {
        let counter =
            |name, labels| self.recorder.register_counter(&Key::from_parts(name, labels), &METADATA);
        let mut counters = MatchCounters { matches: Vec::new(), breakers: Vec::new() };
        for (id, origin) in matches {
            let label = |name: &'static str| Label::new(name, id.to_owned());
            let live = match origin {
                Origin::Breaker(_, state) => {
                    let labels = vec![label("breaker"), Label::from_static_parts("state", state.name())];
                    counter("riskd_breaker_refusals_total", labels)
                }
                _ => counter("riskd_rule_hits_total", vec![label("rule")]),
            };
            // The engine's own cannot be in shadow, and has no condition.
            let of_conditions = |name| match origin {
                Origin::Own(_) => Counter::noop(),
                _ => counter(name, vec![label("rule")]),
            };
            let shadow = of_conditions("riskd_rule_shadow_hits_total");
            let errors = of_conditions("riskd_rule_errors_total");
            if let Origin::Breaker(_, BreakerState::Opened) = origin {
                let names = ["riskd_breaker_trials_total", "riskd_breaker_closings_total"];
                counters.breakers.push(names.map(|name| counter(name, vec![label("breaker")])));
            }
            counters.matches.push(Counters { live, shadow, errors, total: self.total(id) });
        }
        counters
    }

    /// Adds what a worker's engine has counted under the snapshot of those counters, and empties it.
    pub fn take_matches(&self, tally: &mut MatchTally, counters: &MatchCounters) {
        for (answered, checks) in self.answered.iter().zip(&mut tally.checks) {
            answered.fetch_add(std::mem::take(checks), Ordering::Relaxed);
        }
        let counted = tally.matches.iter_mut().zip(&counters.matches);
        for (count, counters) in counted.filter(|(count, _)| **count != MatchCount::default()) {
            let MatchCount { live, shadow, errors } = std::mem::take(count);
            counters.total.fetch_add(live, Ordering::Relaxed);
            counters.live.increment(live);
            counters.shadow.increment(shadow);
            counters.errors.increment(errors);
        }
        for (count, [trials, closings]) in tally.breakers.iter_mut().zip(&counters.breakers) {
            let count = std::mem::take(count);
            trials.increment(count.trials);
            closings.increment(count.closings);
        }
    }
}
