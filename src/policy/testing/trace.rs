//! Why something that a test names did not match, or did: the comparisons of its condition, each with what it found.
//!
//! They are told as compiled, in the order in which they are written: a macro is written out, and a part that no event can
//! decide is gone.

use engine::feature::{FeatureId, FeatureTable, Scalar, Type};
use engine::policy::Policy;
use engine::program::{Kinds, NumberType, Op, Output, Program, Source, TextSource, TextTest, Truth};
use engine::{Scratch, Snapshot};
use wire::money::Major;
use wire::{Check, Value};

use super::expect::Named;
use crate::eval::{Fault, Lane, Machine, Registers};
use crate::limits::TRACE_MAX;
use crate::lower::sign;

/// A check that was decided last, alone.
pub(super) struct Decided<'d> {
    pub snapshot: &'d Snapshot,
    pub scratch: &'d Scratch,
    pub check: &'d Check<'d>,
    pub now_ms: i64,
}

impl Decided<'_> {
    /// What the one of that number looked at, and what it found.
    pub fn trace(&self, number: usize) -> String {
        let policy = self.snapshot.policy();
        let (kinds, expires_ms) = match Named::of(policy, number) {
            Named::Rule(at) => (policy.rules[at].kinds, policy.rules[at].expires_ms),
            Named::Limit(at) => (policy.windows[policy.limits[at].window].kinds, i64::MAX),
            Named::Breaker(at) => (policy.breakers[at].kinds, i64::MAX),
        };
        if !kinds.has(self.check.kind) {
            return format!("it looks at {}, and this is {}", listed(kinds), self.check.kind.name());
        }
        if expires_ms <= self.now_ms {
            return "it has expired by then".to_owned();
        }
        match Named::of(policy, number) {
            Named::Rule(at) => self.condition(&policy.program, policy.rules[at].when),
            Named::Breaker(at) => self.condition(&policy.program, policy.breakers[at].when),
            Named::Limit(at) => {
                let limit = &policy.limits[at];
                let window = &policy.windows[limit.window];
                let counted = self.feature(window.feature);
                let max = shown(
                    &policy.features,
                    policy.features.row(window.feature).ty,
                    NumberType::Int,
                    limit.max as u64,
                );
                let room = format!("{counted}, this event included, of at most {max}");
                match limit.when {
                    Some(when) => format!("{room}; {}", self.condition(&policy.gate, when)),
                    None => room,
                }
            }
        }
    }

    /// The comparisons that a condition is made of, with their truths.
    fn condition(&self, program: &Program, when: Truth) -> String {
        let (program, _) = crate::depended_on(program, &[when]);
        let policy = self.snapshot.policy();
        let lane = self.lane();
        let machine = Machine::new(&policy.features, &lane);
        let registers = machine.run(&program);
        let told =
            Told { decided: self, policy, program: &program, machine: &machine, registers: &registers };
        let mut parts: Vec<String> = program.ops.iter().filter_map(|op| told.part(op)).collect();
        if parts.len() > TRACE_MAX {
            let more = parts.len() - TRACE_MAX;
            parts.truncate(TRACE_MAX);
            parts.push(format!("and {more} more"));
        }
        parts.join("; ")
    }

    /// What the event carried and the engine computed.
    fn lane(&self) -> Lane {
        let policy = self.snapshot.policy();
        let mut lane = Lane { time_ms: self.scratch.time_ms(0), ..Lane::default() };
        for (id, row) in policy.features.iter() {
            if row.ty == Type::Text {
                lane.texts.insert(id, self.text(id).to_owned());
            } else if self.scratch.is_present(id, 0) {
                lane.scalars.insert(id, self.scratch.value(id, 0));
            }
        }
        let listed = |list: &u16| self.scratch.is_on(*list, 0);
        lane.lists = (0..policy.lists.len() as u16).filter(listed).collect();
        lane
    }

    fn text(&self, feature: FeatureId) -> &str {
        self.scratch.text(self.snapshot, self.check, feature, 0)
    }

    /// A feature, and its value in brackets.
    fn feature(&self, feature: FeatureId) -> String {
        let row = self.snapshot.policy().features.row(feature);
        let value = match self.scratch.value(feature, 0) {
            _ if row.ty == Type::Text => format!("{:?}", self.text(feature)),
            Scalar::Bool(truth) => truth.to_string(),
            other => match self.snapshot.policy().features.value(other) {
                Value::Money(minor) => Major(minor).to_string(),
                Value::Int(number) => number.to_string(),
                Value::Double(number) => format!("{number:?}"),
                Value::Absent => "absent".to_owned(),
            },
        };
        format!("{} ({value})", row.name)
    }
}

/// A program that was run, in words.
struct Told<'t> {
    decided: &'t Decided<'t>,
    policy: &'t Policy,
    program: &'t Program,
    machine: &'t Machine<'t>,
    registers: &'t Registers,
}

impl Told<'_> {
    /// An instruction that finds a truth out, rather than putting others together.
    fn part(&self, op: &Op) -> Option<String> {
        let feature = |id| self.decided.feature(id);
        let what = match *op {
            Op::Flag { feature: id, .. } => feature(id),
            Op::Present { feature: id, .. } => format!("has({})", self.policy.features.row(id).name),
            Op::KindIn { kinds, .. } => {
                format!("kind ({}) is {}", self.decided.check.kind.name(), listed(kinds))
            }
            Op::OnList { list, .. } => format!("{:?} in lists", self.policy.lists[usize::from(list)].name),
            Op::Compare { ty, comparison, a, b, .. } => {
                let (a, b) = (self.number(a, ty, b), self.number(b, ty, a));
                format!("{a} {} {b}", sign(comparison))
            }
            Op::CompareMixed { comparison, a, a_ty, b, b_ty, .. } => {
                let (a, b) = (self.number(a, a_ty, b), self.number(b, b_ty, a));
                format!("{a} {} {b}", sign(comparison))
            }
            Op::Text { test, a, b, .. } => {
                let (a, b) = (self.text(a), self.text(b));
                match test {
                    TextTest::Compare(comparison) => format!("{a} {} {b}", sign(comparison)),
                    TextTest::StartsWith => format!("{a} starts with {b}"),
                    TextTest::EndsWith => format!("{a} ends with {b}"),
                    TextTest::Contains => format!("{a} contains {b}"),
                }
            }
            Op::Matches { a, pattern, .. } => {
                format!("{} matches {:?}", self.text(a), self.program.patterns[usize::from(pattern)].text)
            }
            Op::InNetwork { a, network, .. } => {
                let network = self.program.networks[usize::from(network)];
                format!("{} in {}/{}", self.text(a), network.address, network.bits)
            }
            Op::Luhn { a, .. } => format!("luhn of {}", self.text(a)),
            _ => return None,
        };
        let Output::Truth(to) = op.output() else { return None };
        let truth = match self.registers.truths[usize::from(to.0)] {
            Ok(truth) => truth.to_string(),
            Err(Fault) => "an error".to_owned(),
        };
        Some(format!("{what} is {truth}"))
    }

    /// A number; a constant as what it is compared with is shown.
    fn number(&self, source: Source, ty: NumberType, beside: Source) -> String {
        let of = |source| match source {
            Source::Feature(id) => self.policy.features.row(id).ty,
            Source::Constant(_) | Source::Register(_) => Type::Int,
        };
        match (source, self.machine.number(self.registers, source)) {
            (Source::Feature(id), _) => self.decided.feature(id),
            (Source::Constant(bits), _) => shown(&self.policy.features, of(beside), ty, bits),
            (Source::Register(_), Ok(bits)) => {
                format!("a result ({})", shown(&self.policy.features, Type::Int, ty, bits))
            }
            (Source::Register(_), Err(Fault)) => "a result (an error)".to_owned(),
        }
    }

    fn text(&self, source: TextSource) -> String {
        match (source, self.machine.text(self.program, self.registers, source)) {
            (TextSource::Feature(id), _) => self.decided.feature(id),
            (_, Ok(bytes)) => format!("{:?}", String::from_utf8_lossy(bytes)),
            (_, Err(Fault)) => "an error".to_owned(),
        }
    }
}

fn shown(features: &FeatureTable, feature: Type, ty: NumberType, bits: u64) -> String {
    match (feature, ty) {
        (Type::Money, NumberType::Int) => features.money_value(bits as i64).to_string(),
        (_, NumberType::Int) => (bits as i64).to_string(),
        (_, NumberType::Uint) => bits.to_string(),
        (_, NumberType::Double) => format!("{:?}", f64::from_bits(bits)),
    }
}

fn listed(kinds: Kinds) -> String {
    let names: Vec<&str> =
        wire::Kind::ALL.iter().filter(|kind| kinds.has(**kind)).map(|kind| kind.name()).collect();
    crate::yaml::values::listed(&names)
}
