//! What rules and features cost on this machine, over simulated traffic.
//!
//! A rule is measured as a program of its own, over the columns that a batch of 64 left behind; a feature as what a whole
//! check takes longer with it alone. Both are the least of several runs: whatever else the machine does only adds.

use std::hint::black_box;
use std::time::Instant;

use engine::policy::{Policy, Rule};
use engine::program::{Op, Program};
use engine::{Decision, Now, Parts, Scratch, Sizes, Snapshot, Tables, decide, run_rules};
use sim::{Config, Traffic};
use wire::Check;

use crate::outcome::Failure;

const BATCH: usize = 64;
const RUNS: usize = 7;
const LOOPS: u32 = 200;

/// What one rule costs.
pub struct RuleCost {
    /// Nanoseconds a check in a batch of 64, as if it stood alone.
    pub ns: f64,
    /// Instructions and automata that it depends on.
    pub bytes: usize,
    /// Share of checks whose kind it looks at.
    pub reached: f64,
    /// Share of checks that it matches.
    pub matched: f64,
}

/// What the whole costs.
pub struct Costs {
    /// Of each rule, in the order of the policy.
    pub rules: Vec<RuleCost>,
    /// Nanoseconds a check of each velocity feature, in the order of the policy, and the share of checks it takes in.
    pub features: Vec<(f64, f64)>,
    /// Nanoseconds a check of all rules together, in a batch of 64 and alone.
    pub all_ns: (f64, f64),
}

/// Measures a policy over so many events.
///
/// # Errors
/// If the policy makes no snapshot.
pub fn measure(policy: &Policy, events: usize) -> Result<Costs, Failure> {
    let config = Config { seed: 1, days: 3650, ..Config::of_size(500) };
    let checks: Vec<Check<'static>> =
        Traffic::new(config).take(events.max(BATCH)).map(|event| event.check).collect();
    let share = |count: usize| count as f64 / checks.len() as f64;
    let mut whole = Engine::new(policy.clone())?;
    let mut matched = vec![0; policy.rules.len()];
    for batch in checks.chunks(BATCH) {
        whole.decide(batch);
        for hit in whole.decisions.iter().flat_map(Decision::hits) {
            if let Some(count) = matched.get_mut(whole.snapshot.hit_index(hit)) {
                *count += 1;
            }
        }
    }
    let last = &checks[checks.len() - BATCH..];
    whole.decide(last);
    let idle = whole.rules_ns(&Engine::snapshot(emptied(policy), &whole.tables)?, last);
    let mut rules = Vec::with_capacity(policy.rules.len());
    for (rule, matched) in policy.rules.iter().zip(matched) {
        let (mut program, when) = policy::depended_on(&policy.program, rule.when);
        program.kinds = vec![rule.kinds; program.ops.len()];
        let bytes = bytes(&program);
        let alone = Policy {
            program,
            rules: vec![Rule { when, variants: Vec::new(), ..rule.clone() }],
            ..emptied(policy)
        };
        let ns = whole.rules_ns(&Engine::snapshot(alone, &whole.tables)?, last) - idle;
        let reached = checks.iter().filter(|check| rule.kinds.has(check.kind)).count();
        rules.push(RuleCost { ns: ns.max(0.0), bytes, reached: share(reached), matched: share(matched) });
    }
    let only = |window: Option<usize>| {
        let windows = window.map(|at| policy.windows[at].clone()).into_iter().collect();
        Engine::checks_ns(&Policy { windows, ..emptied(policy) }, &checks)
    };
    let without = only(None)?;
    let mut features = Vec::with_capacity(policy.windows.len());
    for (at, window) in policy.windows.iter().enumerate() {
        let taken_in = checks.iter().filter(|check| window.kinds.has(check.kind)).count();
        features.push(((only(Some(at))? - without).max(0.0), share(taken_in)));
    }
    let all = Engine::snapshot(
        Policy { windows: Vec::new(), limits: Vec::new(), breakers: Vec::new(), ..policy.clone() },
        &whole.tables,
    )?;
    let in_batch = whole.rules_ns(&all, last);
    let single = whole.rules_ns(&all, &last[..1]);
    Ok(Costs { rules, features, all_ns: (in_batch, single) })
}

/// The policy with its features and nothing that reads them.
fn emptied(policy: &Policy) -> Policy {
    Policy {
        version: policy.version.clone(),
        features: policy.features.clone(),
        ext: policy.ext.clone(),
        lists: policy.lists.clone(),
        zone: policy.zone.clone(),
        ..Policy::default()
    }
}

fn bytes(program: &Program) -> usize {
    let patterns = program.ops.iter().filter_map(|op| match op {
        Op::Matches { pattern, .. } => Some(program.patterns[usize::from(*pattern)].automaton.memory_usage()),
        _ => None,
    });
    program.ops.len() * size_of::<Op>() + patterns.sum::<usize>()
}

/// A snapshot with tables and memory of its own.
struct Engine {
    snapshot: Snapshot,
    tables: Tables,
    scratch: Scratch,
    decisions: Vec<Decision>,
}

impl Engine {
    fn new(policy: Policy) -> Result<Engine, Failure> {
        let entries = 1 << 14;
        let sizes = Sizes {
            accounts: entries,
            devices: entries,
            velocity_keys: entries,
            busy_keys: entries,
            list_entries: 64,
            decisions: entries,
            seed: [7; 16],
        };
        let tables = Tables::new(&sizes).map_err(|error| Failure::of("tables", error))?;
        let snapshot = Engine::snapshot(policy, &tables)?;
        Ok(Engine { snapshot, tables, scratch: Scratch::new(0), decisions: Vec::new() })
    }

    fn snapshot(policy: Policy, tables: &Tables) -> Result<Snapshot, Failure> {
        let parts = Parts { policy, ..Parts::default() };
        Snapshot::build(parts, tables, None).map_err(|error| Failure::of("snapshot", error))
    }

    fn decide(&mut self, batch: &[Check<'_>]) {
        let ms = batch.last().and_then(|check| check.time_ms).unwrap_or_default();
        let now = Now { ms, waited_us: 0 };
        decide(&self.snapshot, &self.tables, now, batch, &mut self.decisions, &mut self.scratch);
    }

    /// Nanoseconds a check that another snapshot's rules take over the latest batch.
    fn rules_ns(&mut self, snapshot: &Snapshot, checks: &[Check<'_>]) -> f64 {
        let runs = (0..RUNS).map(|_| {
            let started = Instant::now();
            for _ in 0..LOOPS {
                black_box(run_rules(snapshot, Now::default(), black_box(checks), &mut self.scratch));
            }
            started.elapsed().as_nanos() as f64 / f64::from(LOOPS) / checks.len() as f64
        });
        runs.fold(f64::INFINITY, f64::min)
    }

    /// Nanoseconds that a whole check takes, over all of them.
    fn checks_ns(policy: &Policy, checks: &[Check<'_>]) -> Result<f64, Failure> {
        let mut least = f64::INFINITY;
        for _ in 0..RUNS {
            // Fresh tables each time: an id that was seen before is not decided again.
            let mut engine = Engine::new(policy.clone())?;
            let started = Instant::now();
            checks.chunks(BATCH).for_each(|batch| engine.decide(batch));
            least = least.min(started.elapsed().as_nanos() as f64 / checks.len() as f64);
        }
        Ok(least)
    }
}
