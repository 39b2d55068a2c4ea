//! Whether all keepers do the same work: the same events to each and to an exact, slow twin, over days of windows that slide,
//! and every value held against what its keeper promises.

use std::collections::{HashMap, HashSet, VecDeque};

use engine::policy::{Aggregate, Policy};

use super::entry::{SET_MAX, TIMES_MAX};
use super::event::{Event, Skew, Stream, VALUES, Values};
use super::system::System;

/// Milliseconds between groups of 64: some windows slide by a little, some empty.
const STEPS_MS: &[i64] = &[50, 7_000, 61_000, 400_000, 900_000, 32, 1_300_000];
const ACCOUNTS: u64 = 300;
const GROUPS: usize = 192;
const LANES: usize = engine::limits::LANES;

/// How a keeper counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// Exact below what policy compares with, and from there at most a sub-window high.
    AsPromised,
    /// Exact up to 64, and 64 from there on.
    Times,
    /// At most a sub-window high.
    Cells,
}

/// Everything that ever happened under a key.
#[derive(Default)]
struct Past(HashMap<(usize, u64), VecDeque<Event>>);

/// The least and the most that a window may say: the truth, and the truth over a window a sixteenth longer.
struct Truth {
    least: i64,
    most: i64,
}

/// Values compared.
///
/// # Errors
/// The first value that is not what its keeper promises, in words.
pub fn agreement(policy: &Policy, keepers: &[(&str, Counts, &dyn System)]) -> Result<u64, String> {
    let mut stream = Stream::new(ACCOUNTS, Skew::Zipf, 5, 0).with_steps(STEPS_MS);
    let mut past = Past::default();
    let (mut events, mut compared) = (Vec::new(), 0);
    for _ in 0..GROUPS {
        stream.fill(&mut events, LANES);
        let said: Vec<Vec<Values>> = keepers
            .iter()
            .map(|(_, _, keeper)| {
                let mut values = vec![[0; VALUES]; LANES];
                keeper.take(0, &events, &mut values);
                values
            })
            .collect();
        for (lane, event) in events.iter().enumerate() {
            past.add(event);
            for (at, window) in policy.windows.iter().enumerate() {
                let key = super::key_of(at);
                if event.keys[key] == 0 {
                    continue;
                }
                let truth = past.truth(policy, at, key, event);
                for ((name, counts, _), said) in keepers.iter().zip(&said) {
                    let said = said[lane][at];
                    if !truth.allows(window.aggregate, *counts, i64::from(window.exact), said) {
                        let window = &policy.features.row(window.feature).name;
                        let Truth { least, most } = truth;
                        return Err(format!("{name} says {said} for {window}, which is {least} to {most}"));
                    }
                    compared += 1;
                }
            }
        }
    }
    Ok(compared)
}

impl Past {
    fn add(&mut self, event: &Event) {
        for (key, &hash) in event.keys.iter().enumerate().filter(|(_, hash)| **hash != 0) {
            self.0.entry((key, hash)).or_default().push_front(*event);
        }
    }

    fn truth(&self, policy: &Policy, at: usize, key: usize, event: &Event) -> Truth {
        let window = &policy.windows[at];
        let of = |window_ms: i64| -> i64 {
            let all = self.0.get(&(key, event.keys[key])).into_iter().flatten();
            let inside = all.take_while(|past| past.time_ms > event.time_ms - window_ms);
            let inside = inside.filter(|past| window.kinds.has(past.kind));
            match window.aggregate {
                Aggregate::Sum(_) => inside.map(|past| past.amount).sum(),
                Aggregate::Max(_) => inside.map(|past| past.amount).max().unwrap_or(0),
                Aggregate::Distinct(_) => {
                    let value = |past: &Event| if key == 0 { past.counterparty } else { past.keys[0] };
                    inside.map(value).filter(|&value| value != 0).collect::<HashSet<_>>().len() as i64
                }
                _ => inside.count() as i64,
            }
        };
        Truth { least: of(window.window_ms), most: of(window.window_ms + window.window_ms / 16) }
    }
}

impl Truth {
    fn allows(&self, aggregate: Aggregate, counts: Counts, exact: i64, said: i64) -> bool {
        let within = (self.least..=self.most).contains(&said);
        match (aggregate, counts) {
            (Aggregate::Distinct(_), _) => said.min(SET_MAX as i64) == self.least.min(SET_MAX as i64),
            (Aggregate::Count, Counts::Times) => said == self.least.min(TIMES_MAX as i64),
            (Aggregate::Count, Counts::AsPromised) => within && (self.least >= exact || said == self.least),
            _ => within,
        }
    }
}
