//! A small site for tests: tables, a policy written by hand, and checks against them.

use engine::feature::{Builtin, Feature, FeatureId, Scalar, Type};
use engine::policy::{
    Absent, Aggregate, Limit, Mode, Policy, ReasonText, Rule, Status, Tier, Window, Witness,
};
use engine::program::{Comparison, Kinds, NumberType, Op, Source, Truth};
use engine::{Decision, Now, Parts, Scratch, Sizes, Snapshot, Tables, decide};
use wire::{Check, Kind, Verdict};

/// A Monday, 10:00 UTC.
pub const START_MS: i64 = 1_767_607_200_000;

/// A policy under construction.
#[derive(Default)]
pub struct Draft {
    /// The policy so far.
    pub policy: Policy,
}

impl Draft {
    /// A draft of that version.
    pub fn new(version: &str) -> Draft {
        let mut draft = Draft::default();
        draft.policy.version = version.to_owned();
        draft
    }

    /// Adds a window; gives its feature.
    pub fn window(
        &mut self,
        name: &str,
        aggregate: Aggregate,
        kind: Kind,
        key: Builtin,
        status: Status,
        exact: u16,
    ) -> FeatureId {
        let ty = match aggregate {
            Aggregate::Sum(field) => self.policy.features.row(field).ty,
            _ => Type::Int,
        };
        let missing = if ty == Type::Money { Scalar::Money(0) } else { Scalar::Int(0) };
        let feature = Feature { name: name.to_owned(), ty, missing, doc: String::new() };
        let feature = self.policy.features.push(feature).expect("room");
        let (kinds, key) = (Kinds::of(&[kind]), vec![key.id()]);
        self.policy.windows.push(Window {
            feature,
            aggregate,
            kinds,
            key,
            window_ms: 60_000,
            status,
            currency: None,
            exact,
            release_after_ms: None,
        });
        feature
    }

    /// Limits the latest window.
    pub fn limit(&mut self, max: i64) {
        let window = self.policy.windows.len() - 1;
        let reason = words("L1", "limit");
        self.policy.limits.push(Limit {
            window,
            max,
            when: None,
            on_error: Default::default(),
            verdict: Verdict::Deny,
            challenge: None,
            mode: Mode::Live,
            absent: Absent::Deny,
            reason,
        });
    }

    /// Adds a rule on `feature >= number`.
    pub fn rule(
        &mut self,
        id: &str,
        tier: Tier,
        verdict: Verdict,
        feature: FeatureId,
        number: i64,
    ) -> &mut Rule {
        let (to, witness) = self.at_least(feature, number);
        self.policy.rules.push(Rule {
            tier,
            kinds: Kinds::ALL,
            when: to,
            on_error: Default::default(),
            verdict,
            challenge: None,
            score: 0.0,
            reason: words("R1", id),
            witness,
            mode: Mode::Live,
            sample_percent: 100,
            expires_ms: i64::MAX,
            variants: Vec::new(),
        });
        self.policy.rules.last_mut().expect("just pushed")
    }

    /// A condition `feature >= number`, and what a reason quotes of it.
    pub fn at_least(&mut self, feature: FeatureId, number: i64) -> (Truth, Option<Witness>) {
        let to = Truth(self.policy.program.truths);
        self.policy.program.truths += 1;
        let (a, b) = (Source::Feature(feature), Source::Constant(number as u64));
        let comparison = Comparison::GreaterOrEqual;
        self.policy.program.ops.push(Op::Compare { to, ty: NumberType::Int, comparison, a, b });
        (to, Some(Witness { feature, threshold: b, ty: NumberType::Int }))
    }
}

/// A reason of that code and rule.
pub fn words(code: &str, rule: &str) -> ReasonText {
    ReasonText {
        code: code.to_owned(),
        rule: rule.to_owned(),
        text: rule.to_owned(),
        customer: String::new(),
    }
}

/// Small tables.
pub fn tables() -> Tables {
    Tables::new(&small()).expect("a few megabytes")
}

/// Sizes of small tables.
pub fn small() -> Sizes {
    Sizes {
        accounts: 2_000,
        devices: 2_000,
        velocity_keys: 2_000,
        busy_keys: 2_000,
        list_entries: 100,
        decisions: 4_000,
        seed: [9; 16],
    }
}

/// The snapshot of a draft.
pub fn snapshot(draft: Draft, tables: &Tables, previous: Option<&Snapshot>) -> Snapshot {
    let parts = Parts { policy: draft.policy, ..Parts::default() };
    Snapshot::build(parts, tables, previous).expect("a sound policy")
}

/// One claim of an account out of the packet that all tests share.
pub fn claim<'a>(id: &'a str, account: &'a str, amount_minor: i64) -> Check<'a> {
    let mut check = Check::new(id, Kind::Claim, account);
    check.amount_minor = Some(amount_minor);
    check.packet = Some(uuid::Uuid::from_u128(7));
    check.device.id = "d1".into();
    check
}

/// Decides checks at that time after the start.
pub fn ask(
    snapshot: &Snapshot,
    tables: &Tables,
    after_ms: i64,
    checks: &[Check<'_>],
    scratch: &mut Scratch,
) -> Vec<Decision> {
    let mut decisions = Vec::new();
    let now = Now { ms: START_MS + after_ms, waited_us: 0 };
    decide(snapshot, tables, now, checks, &mut decisions, scratch);
    decisions
}
