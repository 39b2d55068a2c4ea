//! What one case of the twin is: windows, limits, rules, and the steps they go through, all drawn from one seed.

use engine::feature::{Builtin, Feature, FeatureId, FeatureTable, Scalar, Type};
use engine::policy::{
    self, Absent, Aggregate, Mode, Policy, ReasonText, Rule, Status, Tier, Window, Witness,
};
use engine::program::{Comparison, Kinds, NumberType, Op, Program, Source, Truth};
use engine::table::Terms;
use wire::{Check, ExtValue, Kind, OutcomeKind, Verdict};

/// A velocity feature by what it is, before a policy gives it a number.
#[derive(Clone, Debug)]
pub struct WindowSpec {
    pub name: String,
    pub aggregate: Kept,
    pub kinds: Kinds,
    pub key: Vec<Builtin>,
    pub window_ms: i64,
    pub status: Status,
    pub exact: u16,
}

/// [`Aggregate`] with fields by what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    Count,
    Sum(Number),
    Max(Number),
    Distinct(Builtin),
    Last,
    First,
}

/// A field that is summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    Amount,
    Kyc,
    /// The site's own whole number, `ext.n`.
    Own,
}

/// A maximum on a window of the case; with `kyc`, for that tier alone.
#[derive(Clone, Debug)]
pub struct LimitSpec {
    pub window: usize,
    pub max: i64,
    pub kyc: Option<u8>,
    pub verdict: Verdict,
    pub absent: Absent,
}

/// A rule on a window of the case: it matches from that value on.
#[derive(Clone, Debug)]
pub struct RuleSpec {
    pub window: usize,
    pub from: i64,
    pub tier: Tier,
}

/// A check; 0 stands for an absent field.
#[derive(Clone, Debug)]
pub struct CheckSpec {
    pub id: usize,
    pub kind: Kind,
    pub account: usize,
    pub device: usize,
    pub counterparty: usize,
    pub channel: usize,
    pub packet: usize,
    pub ip: usize,
    pub amount: Option<i64>,
    pub kyc: Option<u8>,
    pub own: Option<i64>,
    /// The stated time, seen from the time of the batch.
    pub stated_ms: Option<i64>,
}

/// One thing after the other.
#[derive(Clone, Debug)]
pub enum Step {
    Rest(i64),
    Decide(Vec<CheckSpec>),
    Outcome(usize, OutcomeKind),
    /// The windows in force from here on.
    Reload(Vec<usize>),
}

/// A policy and what happens under it.
#[derive(Clone, Debug)]
pub struct Case {
    pub start_ms: i64,
    pub velocity_keys: usize,
    pub busy_keys: usize,
    pub decisions: usize,
    pub windows: Vec<WindowSpec>,
    pub limits: Vec<LimitSpec>,
    pub rules: Vec<RuleSpec>,
    pub steps: Vec<Step>,
}

/// Places of the windows in a compiled policy.
pub struct Built {
    pub policy: Policy,
    /// By place in the policy: which window of the case, and its feature.
    pub windows: Vec<(usize, FeatureId)>,
    /// By place in the policy: which limit of the case.
    pub limits: Vec<usize>,
    /// By place in the policy: which rule of the case.
    pub rules: Vec<usize>,
}

impl Case {
    /// A line for each thing that it holds.
    pub fn lines(&self) -> String {
        let Case { start_ms, velocity_keys, busy_keys, decisions, windows, limits, rules, steps } = self;
        let mut lines =
            vec![format!("start {start_ms}, {velocity_keys} keys, {busy_keys} busy, {decisions} decisions")];
        lines.extend(windows.iter().enumerate().map(|(at, window)| format!("{at}: {window:?}")));
        lines.extend(limits.iter().map(|limit| format!("{limit:?}")));
        lines.extend(rules.iter().map(|rule| format!("{rule:?}")));
        lines.extend(steps.iter().map(|step| format!("{step:?}")));
        lines.join("\n")
    }

    /// The policy with these windows, and with the limits and rules on them.
    pub fn build(&self, active: &[usize]) -> Built {
        let mut policy = Policy { version: format!("{active:?}"), ..Policy::default() };
        let own =
            Feature { name: "ext.n".to_owned(), ty: Type::Int, missing: Scalar::Int(0), doc: String::new() };
        let own = policy.features.push(own).expect("room");
        policy.ext.push(own);
        let mut built = Built { policy, windows: Vec::new(), limits: Vec::new(), rules: Vec::new() };
        for &at in active {
            let (spec, policy) = (&self.windows[at], &mut built.policy);
            let feature = spec.feature(&mut policy.features);
            policy.windows.push(Window {
                currency: None,
                feature,
                aggregate: spec.aggregate.of(own),
                kinds: spec.kinds,
                key: spec.key.iter().map(|field| field.id()).collect(),
                window_ms: spec.window_ms,
                status: spec.status,
                exact: spec.exact,
                release_after_ms: None,
            });
            built.windows.push((at, feature));
        }
        for (at, limit) in self.limits.iter().enumerate() {
            if let Some(window) = active.iter().position(|&window| window == limit.window) {
                let when = limit.kyc.map(|kyc| {
                    at_least(&mut built.policy.gate, Builtin::Kyc.id(), Comparison::Equal, i64::from(kyc))
                });
                built.policy.limits.push(policy::Limit {
                    window,
                    max: limit.max,
                    when,
                    on_error: Default::default(),
                    verdict: limit.verdict,
                    challenge: None,
                    mode: Mode::Live,
                    absent: limit.absent,
                    reason: words("L", at),
                });
                built.limits.push(at);
            }
        }
        for (at, rule) in self.rules.iter().enumerate() {
            if let Some(window) = active.iter().position(|&window| window == rule.window) {
                built.rule(rule, built.windows[window].1, words("R", at));
                built.rules.push(at);
            }
        }
        built
    }
}

impl Built {
    /// Adds rules on what profiles hold, and breakers on the first window.
    pub fn watch_profiles(&mut self) {
        let program = &mut self.policy.program;
        let mean = at_least(program, Builtin::AmountMean.id(), Comparison::GreaterOrEqual, 700);
        let bound = Truth(program.truths);
        program.truths += 1;
        program.ops.push(Op::Flag { to: bound, feature: Builtin::DeviceBoundOther.id() });
        let busy = self
            .windows
            .first()
            .map(|&(_, feature)| at_least(&mut self.policy.program, feature, Comparison::GreaterOrEqual, 12));
        for (when, tier, verdict) in
            [(mean, Tier::Challenge, Verdict::Challenge), (bound, Tier::Review, Verdict::Review)]
        {
            let reason = words("P", self.policy.rules.len());
            self.policy.rules.push(Rule {
                tier,
                kinds: Kinds::ALL,
                when,
                on_error: Default::default(),
                verdict,
                challenge: None,
                score: 0.0,
                reason,
                witness: None,
                mode: Mode::Live,
                sample_percent: 100,
                expires_ms: i64::MAX,
                variants: Vec::new(),
            });
        }
        self.policy.breakers.extend(busy.map(|when| policy::Breaker {
            key: vec![Builtin::Account.id()],
            kinds: Kinds::ALL,
            when,
            on_error: Default::default(),
            terms: Terms { open_ms: 2_000, half_open_ms: 5_000, trials: 2 },
            verdict: Verdict::Review,
            challenge: None,
            mode: Mode::Live,
            reason: words("B", 0),
            witness: None,
        }));
    }

    fn rule(&mut self, rule: &RuleSpec, feature: FeatureId, reason: ReasonText) {
        let when = at_least(&mut self.policy.program, feature, Comparison::GreaterOrEqual, rule.from);
        let threshold = Source::Constant(rule.from as u64);
        self.policy.rules.push(Rule {
            tier: rule.tier,
            kinds: Kinds::ALL,
            when,
            on_error: Default::default(),
            verdict: rule.verdict(),
            challenge: None,
            score: 0.0,
            reason,
            witness: Some(Witness { feature, threshold, ty: NumberType::Int }),
            mode: Mode::Live,
            sample_percent: 100,
            expires_ms: i64::MAX,
            variants: Vec::new(),
        });
    }
}

impl RuleSpec {
    /// What it asks for.
    pub fn verdict(&self) -> Verdict {
        match self.tier {
            Tier::Allow | Tier::Score => Verdict::Allow,
            Tier::Challenge => Verdict::Challenge,
            Tier::Review => Verdict::Review,
            Tier::Guard | Tier::Deny => Verdict::Deny,
        }
    }
}

fn at_least(program: &mut Program, feature: FeatureId, comparison: Comparison, number: i64) -> Truth {
    let to = Truth(program.truths);
    program.truths += 1;
    let (a, b) = (Source::Feature(feature), Source::Constant(number as u64));
    program.ops.push(Op::Compare { to, ty: NumberType::Int, comparison, a, b });
    to
}

fn words(code: &str, at: usize) -> ReasonText {
    let name = format!("{code}{at}");
    ReasonText { code: name.clone(), rule: name.clone(), text: name, customer: String::new() }
}

impl Kept {
    fn of(self, own: FeatureId) -> Aggregate {
        let number = |number| match number {
            Number::Amount => Builtin::Amount.id(),
            Number::Kyc => Builtin::Kyc.id(),
            Number::Own => own,
        };
        match self {
            Kept::Count => Aggregate::Count,
            Kept::Sum(field) => Aggregate::Sum(number(field)),
            Kept::Max(field) => Aggregate::Max(number(field)),
            Kept::Distinct(field) => Aggregate::Distinct(field.id()),
            Kept::Last => Aggregate::Last,
            Kept::First => Aggregate::First,
        }
    }
}

impl WindowSpec {
    /// The value of an event that the window knows nothing of.
    pub fn missing(&self) -> i64 {
        if self.aggregate == Kept::Last { -1 } else { 0 }
    }

    fn feature(&self, features: &mut FeatureTable) -> FeatureId {
        let money = matches!(self.aggregate, Kept::Sum(Number::Amount) | Kept::Max(Number::Amount));
        let (ty, missing) = match money {
            true => (Type::Money, Scalar::Money(0)),
            false => (Type::Int, Scalar::Int(self.missing())),
        };
        features.push(Feature { name: self.name.clone(), ty, missing, doc: String::new() }).expect("room")
    }

    /// The key of a check; `None` where a field of it is absent.
    pub fn key_of(&self, check: &CheckSpec) -> Option<Vec<usize>> {
        let key: Vec<usize> = self.key.iter().map(|&field| check.field(field)).collect();
        (!key.contains(&0)).then_some(key)
    }
}

impl CheckSpec {
    /// The value of a text field; 0 where it is absent.
    pub fn field(&self, field: Builtin) -> usize {
        match field {
            Builtin::Account => self.account,
            Builtin::DeviceId => self.device,
            Builtin::Counterparty => self.counterparty,
            Builtin::Channel => self.channel,
            Builtin::Packet => self.packet,
            Builtin::Ip => self.ip,
            other => unreachable!("{other:?} is in no case"),
        }
    }

    /// The value of a number; negative ones count as nothing.
    pub fn number(&self, number: Number) -> i64 {
        let stated = match number {
            Number::Amount => self.amount.unwrap_or(0),
            Number::Kyc => i64::from(self.kyc.unwrap_or(0)),
            Number::Own => self.own.unwrap_or(0),
        };
        stated.clamp(0, wire::limits::AMOUNT_MINOR_MAX)
    }

    /// The check as the engine takes it.
    pub fn check(&self, now_ms: i64) -> Check<'static> {
        let text = |name: &str, n: usize| if n == 0 { String::new() } else { format!("{name}{n}") }.into();
        let mut check = Check::new(format!("id{}", self.id), self.kind, format!("account{}", self.account));
        check.time_ms = self.stated_ms.map(|stated_ms| now_ms + stated_ms);
        check.device.id = text("device", self.device);
        check.counterparty = text("counterparty", self.counterparty);
        check.channel = text("channel", self.channel);
        check.packet = (self.packet > 0).then(|| uuid::Uuid::from_u128(self.packet as u128));
        check.ip = (self.ip > 0).then(|| std::net::IpAddr::from([10, 0, 0, self.ip as u8]));
        check.amount_minor = self.amount;
        check.kyc = self.kyc;
        check.ext.extend(self.own.map(|n| ("n".into(), ExtValue::Int(n))));
        check
    }
}
