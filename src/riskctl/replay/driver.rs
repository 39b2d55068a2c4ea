//! The engine as a replay drives it: fresh tables, the stream's own time, and each lane's features afterwards.

use std::time::{Duration, Instant};

use engine::feature::{FeatureId, FeatureTable, Scalar, Type};
use engine::{Decision, Fill, Now, Parts, Scratch, Sizes, Snapshot, Tables};
use wire::{Check, OutcomeKind, Verdict};

use crate::outcome::Failure;

/// A snapshot with tables of its own.
pub struct Driver {
    snapshot: Snapshot,
    tables: Tables,
    scratch: Scratch,
    decisions: Vec<Decision>,
    features: FeatureTable,
    spent: Duration,
}

/// What a replay looks at in an answer.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    /// What was answered.
    pub verdict: Verdict,
    /// Model and rules together.
    pub score: f64,
    /// Set of [`wire::Degraded`].
    pub degraded: u16,
    /// Whether it is the answer to an earlier event of the same id.
    pub replayed: bool,
}

impl Driver {
    /// A fresh engine with room for so many accounts, devices and velocity keys.
    ///
    /// # Errors
    /// If the parts do not make a snapshot.
    pub fn new(parts: Parts, entries: usize) -> Result<Driver, Failure> {
        let features = parts.policy.features.clone();
        // The seed guards against chosen keys; here a fixed one makes runs repeat.
        let sizes = Sizes {
            accounts: entries,
            devices: entries,
            velocity_keys: entries,
            busy_keys: entries,
            list_entries: 1,
            decisions: entries.max(1 << 16),
            seed: [7; 16],
        };
        let tables = Tables::new(&sizes).map_err(|error| Failure::of("tables", error))?;
        let snapshot =
            Snapshot::build(parts, &tables, None).map_err(|error| Failure::of("snapshot", error))?;
        Ok(Driver {
            snapshot,
            tables,
            scratch: Scratch::new(0),
            decisions: Vec::new(),
            features,
            spent: Duration::ZERO,
        })
    }

    /// The features of a row of the out file: all but texts and what models give themselves.
    pub fn columns(&self) -> Vec<(FeatureId, String, Type)> {
        let numbers = self.features.iter().filter(|(id, row)| row.ty != Type::Text && !id.is_score());
        numbers.map(|(id, row)| (id, row.name.clone(), row.ty)).collect()
    }

    /// Whether the daemon would take that body as a check: by its decoder, and by the policy's schema.
    ///
    /// # Errors
    /// The field at fault, with what was expected.
    pub fn admit(&self, body: &[u8]) -> Result<(), String> {
        let check = wire::json::decode_check(body).map_err(|error| error.to_string())?;
        self.snapshot.admit(&check).map_err(|error| error.to_string())
    }

    /// How full the tables are.
    pub fn fill(&self, now_ms: i64) -> Vec<Fill<'static>> {
        self.tables.fill(now_ms)
    }

    /// Decides a batch of at most 64 checks at that time.
    pub fn decide(&mut self, now_ms: i64, checks: &[Check<'_>]) {
        let started = Instant::now();
        let now = Now { ms: now_ms, waited_us: 0 };
        engine::decide(&self.snapshot, &self.tables, now, checks, &mut self.decisions, &mut self.scratch);
        self.spent += started.elapsed();
    }

    /// Tells what became of a check.
    pub fn outcome(&self, now_ms: i64, id: &str, outcome: OutcomeKind) {
        // An unknown id is one that left the table of decisions: nothing is lost but its effect.
        let _ = engine::outcome(&self.snapshot, &self.tables, now_ms, id, outcome);
    }

    /// The answer of that lane of the latest batch.
    pub fn answer(&self, lane: usize) -> Answered {
        let decision = &self.decisions[lane];
        Answered {
            verdict: decision.verdict,
            score: decision.score,
            degraded: decision.degraded,
            replayed: decision.replayed,
        }
    }

    /// A feature of that lane of the latest batch.
    pub fn value(&self, feature: FeatureId, lane: usize) -> Scalar {
        self.scratch.value(feature, lane)
    }

    /// Seconds spent within the engine.
    pub fn seconds(&self) -> f64 {
        self.spent.as_secs_f64()
    }
}
