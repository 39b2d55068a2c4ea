//! What rules and features cost on this machine, over simulated traffic.
//!
//! A rule is measured as a program of its own, with what tenants have otherwise, over the columns that a batch of 64 left behind;
//! so is the condition of a limit or breaker. A feature, and what a limit or breaker keeps of each key, is what a whole check takes
//! longer with it alone. Both are the least of several runs: whatever else the machine does only adds.

use std::collections::HashMap;
use std::hint::black_box;
use std::time::Instant;

use engine::feature::Builtin;
use engine::policy::{Breaker, BreakerState, Limit, Mode, Origin, Policy, ReasonText, Rule, Tier};
use engine::program::{Comparison, Kinds, NumberType, Op, Program, Source, Truth};
use engine::{Decision, Now, Parts, Scratch, Sizes, Snapshot, Tables, decide, run_rules};
use sim::{Config, Traffic};
use wire::{Check, Verdict};

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

/// What one limit or breaker costs.
pub struct RefusalCost {
    /// Nanoseconds a check of its condition, as of a rule; 0 without one.
    pub when_ns: f64,
    /// Nanoseconds that a whole check takes longer because of what it keeps of each key: a limit beside its window alone, a
    /// breaker beside nothing.
    pub kept_ns: f64,
    /// As of a rule.
    pub bytes: usize,
    /// Share of checks whose kind it looks at.
    pub reached: f64,
    /// Share of checks that it refuses.
    pub refused: f64,
}

/// What one velocity feature costs.
pub struct FeatureCost {
    /// Nanoseconds that a whole check takes longer with it alone.
    pub ns: f64,
    /// Bytes of each key, and beside them of a busy one.
    pub bytes: [usize; 2],
    /// Share of checks that it takes in.
    pub taken_in: f64,
}

/// What the whole costs.
pub struct Costs {
    /// Of each rule, in the order of the policy.
    pub rules: Vec<RuleCost>,
    /// Of each limit, in the order of the policy.
    pub limits: Vec<RefusalCost>,
    /// Of each breaker, in the order of the policy.
    pub breakers: Vec<RefusalCost>,
    /// Of each velocity feature, in the order of the policy.
    pub features: Vec<FeatureCost>,
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
    checks.chunks(BATCH).for_each(|batch| whole.decide(batch));
    let mut matched: HashMap<Origin, usize> = HashMap::new();
    for (index, count) in whole.scratch.match_tally().matches.iter().enumerate() {
        let origin = match policy.origin_of(index) {
            Origin::Breaker(at, _) => Origin::Breaker(at, BreakerState::Opened),
            other => other,
        };
        *matched.entry(origin).or_default() += count.live as usize;
    }
    let last = &checks[checks.len() - BATCH..];
    whole.decide(last);
    let idle = whole.rules_ns(&Engine::snapshot(emptied(policy), &whole.tables)?, last);
    let mut rules = Vec::with_capacity(policy.rules.len());
    let matched = |origin| share(matched.get(&origin).copied().unwrap_or_default());
    let reached = |kinds: Kinds| share(checks.iter().filter(|check| kinds.has(check.kind)).count());
    let mut alone_ns = |program: &Program, rule: &Rule| {
        let alone = alone(policy, program, rule);
        let bytes = bytes(&alone.program);
        let ns = whole.rules_ns(&Engine::snapshot(alone, &whole.tables)?, last) - idle;
        Ok::<_, Failure>((ns.max(0.0), bytes))
    };
    for (at, rule) in policy.rules.iter().enumerate() {
        let (ns, bytes) = alone_ns(&policy.program, rule)?;
        let (reached, matched) = (reached(rule.kinds), matched(Origin::Rule(at)));
        rules.push(RuleCost { ns, bytes, reached, matched });
    }
    let mut limits = Vec::with_capacity(policy.limits.len());
    for (at, limit) in policy.limits.iter().enumerate() {
        let window = &policy.windows[limit.window];
        let (when_ns, bytes) = match limit.when {
            Some(when) => alone_ns(&policy.gate, &condition(when, window.kinds))?,
            None => (0.0, 0),
        };
        let bare = Policy { windows: vec![window.clone()], ..emptied(policy) };
        let kept = Policy { limits: vec![Limit { window: 0, when: None, ..limit.clone() }], ..bare.clone() };
        let kept_ns = Engine::checks_ns(&kept, &checks)? - Engine::checks_ns(&bare, &checks)?;
        let (reached, refused) = (reached(window.kinds), matched(Origin::Limit(at)));
        limits.push(RefusalCost { when_ns, kept_ns: kept_ns.max(0.0), bytes, reached, refused });
    }
    let mut breakers = Vec::with_capacity(policy.breakers.len());
    for (at, breaker) in policy.breakers.iter().enumerate() {
        let (when_ns, bytes) = alone_ns(&policy.program, &condition(breaker.when, breaker.kinds))?;
        let bare = Policy { program: never(), ..emptied(policy) };
        let kept = Policy { breakers: vec![Breaker { when: Truth(0), ..breaker.clone() }], ..bare.clone() };
        let kept_ns = Engine::checks_ns(&kept, &checks)? - Engine::checks_ns(&bare, &checks)?;
        let refused = matched(Origin::Breaker(at, BreakerState::Opened));
        let reached = reached(breaker.kinds);
        breakers.push(RefusalCost { when_ns, kept_ns: kept_ns.max(0.0), bytes, reached, refused });
    }
    let only = |window: Option<usize>| {
        let windows = window.map(|at| policy.windows[at].clone()).into_iter().collect();
        Engine::checks_ns(&Policy { windows, ..emptied(policy) }, &checks)
    };
    let without = only(None)?;
    let mut features = Vec::with_capacity(policy.windows.len());
    for (at, window) in policy.windows.iter().enumerate() {
        let taken_in = checks.iter().filter(|check| window.kinds.has(check.kind)).count();
        let (ns, bytes) = ((only(Some(at))? - without).max(0.0), whole.snapshot.bytes_of(window.feature));
        features.push(FeatureCost { ns, bytes: bytes.unwrap_or_default(), taken_in: share(taken_in) });
    }
    let all = Engine::snapshot(
        Policy { windows: Vec::new(), limits: Vec::new(), breakers: Vec::new(), ..policy.clone() },
        &whole.tables,
    )?;
    let in_batch = whole.rules_ns(&all, last);
    let single = whole.rules_ns(&all, &last[..1]);
    Ok(Costs { rules, limits, breakers, features, all_ns: (in_batch, single) })
}

/// A policy of one rule and what of a program it needs.
fn alone(policy: &Policy, program: &Program, rule: &Rule) -> Policy {
    let truths: Vec<Truth> = truths(rule).collect();
    let (mut program, truths) = policy::depended_on(program, &truths);
    program.kinds = vec![rule.kinds; program.ops.len()];
    let mut rule = Rule { when: truths[0], ..rule.clone() };
    for (variant, of) in rule.variants.iter_mut().zip(&truths[1..]) {
        variant.of = *of;
    }
    Policy { program, rules: vec![rule], ..emptied(policy) }
}

/// What a rule reads of its program: its condition, and of what tenant a check is.
pub fn truths(rule: &Rule) -> impl Iterator<Item = Truth> + '_ {
    [rule.when].into_iter().chain(rule.variants.iter().map(|variant| variant.of))
}

/// A rule that has nothing but a condition.
fn condition(when: Truth, kinds: Kinds) -> Rule {
    Rule {
        tier: Tier::Score,
        kinds,
        when,
        on_error: Default::default(),
        verdict: Verdict::Allow,
        challenge: None,
        score: 0.0,
        reason: ReasonText::default(),
        witness: None,
        mode: Mode::Live,
        sample_percent: 100,
        expires_ms: i64::MAX,
        variants: Vec::new(),
    }
}

/// A program whose first truth is met by no event: there is no such tier.
fn never() -> Program {
    let (a, b) = (Source::Feature(Builtin::Kyc.id()), Source::Constant(100));
    let (to, comparison) = (Truth(0), Comparison::Greater);
    let op = Op::Compare { to, ty: NumberType::Int, comparison, a, b };
    Program { ops: vec![op], kinds: vec![Kinds::ALL], truths: 1, ..Program::default() }
}

/// The policy with its features and nothing that reads them.
fn emptied(policy: &Policy) -> Policy {
    Policy {
        version: policy.version.clone(),
        features: policy.features.clone(),
        ext: policy.ext.clone(),
        lists: policy.lists.clone(),
        zone: policy.zone.clone(),
        currencies: policy.currencies.clone(),
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
