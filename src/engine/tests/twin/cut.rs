//! A batch answers as if its checks were decided one after the other: however the steps of a case are cut into frames, every
//! answer, record and outcome is the same.

use engine::{Decision, Now, OutcomeEffect, Parts, Scratch, Sizes, Snapshot, Tables, decide, outcome};
use wire::{Check, Kind};

use crate::case::{Case, Step};

/// How steps are cut into frames.
#[derive(Clone, Copy, Debug)]
pub enum Cut {
    /// As they are.
    Whole,
    /// One check a frame.
    Single,
    /// By chance, from this seed.
    Chance(u64),
}

impl Cut {
    fn next(&mut self, left: usize) -> usize {
        match self {
            Cut::Whole => left,
            Cut::Single => 1,
            Cut::Chance(seed) => {
                *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (1 + (*seed >> 33) as usize % 40).min(left)
            }
        }
    }
}

/// All that a caller and the journal see of a case.
#[derive(Debug, Default, PartialEq)]
pub struct Seen {
    decisions: Vec<Decision>,
    records: Vec<Vec<u8>>,
    effects: Vec<OutcomeEffect>,
    /// What was matched how often.
    matched: Vec<(u64, u64)>,
}

impl Seen {
    /// Where two part, if they do.
    pub fn differ(&self, other: &Seen) -> Option<String> {
        let at = self.decisions.iter().zip(&other.decisions).position(|(ours, theirs)| ours != theirs);
        if let Some(at) = at {
            return Some(format!("answer {at}: {:?}\nand {:?}", self.decisions[at], other.decisions[at]));
        }
        let at = self.records.iter().zip(&other.records).position(|(ours, theirs)| ours != theirs);
        if let Some(at) = at {
            let read = |seen: &Seen| engine::record::Record::decode(&seen.records[at]);
            return Some(format!("record {at}: {:?}\nand {:?}", read(self), read(other)));
        }
        (self != other).then(|| format!("outcomes or counts of matches: {self:?}\nand {other:?}"))
    }

    /// Checks that were not allowed.
    pub fn refused(&self) -> usize {
        self.decisions.iter().filter(|decision| decision.verdict != wire::Verdict::Allow).count()
    }
}

/// Runs a case with its frames cut so. Tables have room for everything: what a full one forgets depends on who comes first.
pub fn run(case: &Case, mut cut: Cut, scratch: &mut Scratch) -> Seen {
    let many = 1_024;
    let sizes = Sizes {
        accounts: many,
        devices: many,
        velocity_keys: many,
        busy_keys: many,
        list_entries: 1,
        decisions: 2 * many,
        seed: [3; 16],
    };
    let tables = Tables::new(&sizes).expect("small tables");
    let (mut seen, mut now_ms, mut snapshot) = (Seen::default(), case.start_ms, None);
    let mut decisions = Vec::new();
    for step in &case.steps {
        match step {
            Step::Rest(ms) => now_ms += ms,
            Step::Reload(active) => {
                let mut built = case.build(active);
                built.watch_profiles();
                let parts = Parts { policy: built.policy, ..Parts::default() };
                snapshot = Some(Snapshot::build(parts, &tables, snapshot.as_ref()).expect("a sound policy"));
            }
            Step::Outcome(id, kind) => {
                let Some(snapshot) = &snapshot else { continue };
                seen.effects.push(outcome(snapshot, &tables, now_ms, &format!("id{id}"), *kind));
            }
            Step::Decide(specs) => {
                let Some(snapshot) = &snapshot else { continue };
                let mut checks: Vec<Check<'_>> = specs.iter().map(|spec| spec.check(now_ms)).collect();
                for (check, spec) in checks.iter_mut().zip(specs) {
                    if spec.id % 9 == 0 {
                        check.kind = Kind::Bind;
                    }
                }
                let mut left = &checks[..];
                while !left.is_empty() {
                    let (frame, rest) = left.split_at(cut.next(left.len()));
                    left = rest;
                    let now = Now { ms: now_ms, waited_us: 0 };
                    decide(snapshot, &tables, now, frame, &mut decisions, scratch);
                    seen.decisions.extend(decisions.iter().copied());
                    seen.records.extend(scratch.records().map(|(.., record)| record.to_vec()));
                }
                let tally = scratch.match_tally();
                seen.matched.extend(tally.matches.iter().map(|count| (count.live, count.shadow)));
            }
        }
    }
    seen
}
