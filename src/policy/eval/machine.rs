//! Runs a program for one event, one instruction after another, in the most obvious way.
//!
//! The engine runs the same program for 64 events at once; this is the slow twin that it is held against, and what the
//! analyst's `rules eval` runs.

use std::collections::HashMap;

use engine::feature::{Builtin, FeatureId, FeatureTable, Scalar};
use engine::program::{Arithmetic, Comparison, NumberType, Op, Program, Source, TextSource, TextTest};
use wire::Kind;

/// An error of evaluation, as CEL has them: overflow, division by zero, a conversion out of range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault;

/// What one event carries.
#[derive(Clone, Debug, Default)]
pub struct Lane {
    /// Values of features other than text.
    pub scalars: HashMap<FeatureId, Scalar>,
    /// Values of text features.
    pub texts: HashMap<FeatureId, String>,
    /// Lists that the event is on, by number.
    pub lists: Vec<u16>,
}

/// Registers after a run.
#[derive(Clone, Debug, Default)]
pub struct Registers {
    /// Truth registers.
    pub truths: Vec<Result<bool, Fault>>,
    /// Number registers, as bits.
    pub numbers: Vec<Result<u64, Fault>>,
}

/// One event against one table of features.
pub struct Machine<'m> {
    features: &'m FeatureTable,
    lane: &'m Lane,
}

impl<'m> Machine<'m> {
    /// A machine for that event.
    pub fn new(features: &'m FeatureTable, lane: &'m Lane) -> Machine<'m> {
        Machine { features, lane }
    }

    /// Every register of the program.
    pub fn run(&self, program: &Program) -> Registers {
        let mut registers = Registers {
            truths: vec![Err(Fault); usize::from(program.truths)],
            numbers: vec![Err(Fault); usize::from(program.numbers)],
        };
        for op in &program.ops {
            self.step(program, *op, &mut registers);
        }
        registers
    }

    fn step(&self, program: &Program, op: Op, registers: &mut Registers) {
        let truth = |t: engine::program::Truth| registers.truths[usize::from(t.0)];
        let number = |source| self.number(registers, source);
        let text = |source| self.text(program, source);
        let truth_out = match op {
            Op::Always { to, truth } => (to, Ok(truth)),
            Op::Fault { to } => (to, Err(Fault)),
            Op::Flag { to, feature } => (to, Ok(self.scalar(feature).bits() != 0)),
            Op::Present { to, feature } => (to, Ok(self.present(feature))),
            Op::KindIn { to, kinds } => {
                let kind = self.lane.texts.get(&Builtin::Kind.id()).and_then(|name| Kind::from_name(name));
                (to, Ok(kind.is_some_and(|kind| kinds.has(kind))))
            }
            Op::OnList { to, list } => (to, Ok(self.lane.lists.contains(&list))),
            Op::Compare { to, ty, comparison, a, b } => {
                (to, number(a).and_then(|a| number(b).map(|b| compare(ty, comparison, a, b))))
            }
            Op::Text { to, test, a, b } => (to, Ok(test_text(test, text(a), text(b)))),
            Op::Not { to, a } => (to, truth(a).map(|a| !a)),
            Op::And { to, a, b } => (to, decided_by(false, truth(a), truth(b))),
            Op::Or { to, a, b } => (to, decided_by(true, truth(a), truth(b))),
            Op::ChooseTruth { to, condition, a, b } => {
                (to, truth(condition).and_then(|condition| if condition { truth(a) } else { truth(b) }))
            }
            Op::ChooseNumber { to, condition, a, b } => {
                let chosen =
                    truth(condition).and_then(|condition| if condition { number(a) } else { number(b) });
                registers.numbers[usize::from(to.0)] = chosen;
                return;
            }
            Op::Calculate { to, ty, operation, a, b } => {
                let result = number(a).and_then(|a| number(b).and_then(|b| calculate(ty, operation, a, b)));
                registers.numbers[usize::from(to.0)] = result;
                return;
            }
            Op::ToDouble { to, a, scale } => {
                let result = number(a).map(|a| (a as i64 as f64 / f64::from(scale)).to_bits());
                registers.numbers[usize::from(to.0)] = result;
                return;
            }
            Op::ToInt { to, a } => {
                let result = number(a).and_then(to_int);
                registers.numbers[usize::from(to.0)] = result;
                return;
            }
            Op::TextSize { to, a } => {
                let size = text(a).chars().count() as u64;
                registers.numbers[usize::from(to.0)] = Ok(size);
                return;
            }
        };
        registers.truths[usize::from(truth_out.0.0)] = truth_out.1;
    }

    fn scalar(&self, id: FeatureId) -> Scalar {
        self.lane.scalars.get(&id).copied().unwrap_or(self.features.row(id).missing)
    }

    fn present(&self, id: FeatureId) -> bool {
        self.lane.scalars.contains_key(&id) || self.lane.texts.get(&id).is_some_and(|text| !text.is_empty())
    }

    /// The bits of a number.
    pub fn number(&self, registers: &Registers, source: Source) -> Result<u64, Fault> {
        match source {
            Source::Feature(id) => Ok(self.scalar(id).bits()),
            Source::Register(number) => registers.numbers[usize::from(number.0)],
            Source::Constant(bits) => Ok(bits),
        }
    }

    /// A text.
    pub fn text<'p>(&'p self, program: &'p Program, source: TextSource) -> &'p str {
        match source {
            TextSource::Feature(id) => self.lane.texts.get(&id).map_or("", String::as_str),
            TextSource::Constant(id) => &program.texts[usize::from(id.0)],
        }
    }
}

/// CEL's `&&` and `||`: one side with the deciding truth hides whatever the other is.
fn decided_by(deciding: bool, a: Result<bool, Fault>, b: Result<bool, Fault>) -> Result<bool, Fault> {
    match (a, b) {
        (Ok(truth), _) | (_, Ok(truth)) if truth == deciding => Ok(deciding),
        (Err(Fault), _) | (_, Err(Fault)) => Err(Fault),
        (Ok(_), Ok(_)) => Ok(!deciding),
    }
}

fn compare(ty: NumberType, comparison: Comparison, a: u64, b: u64) -> bool {
    let order = match ty {
        NumberType::Int => Some((a as i64).cmp(&(b as i64))),
        NumberType::Double => f64::from_bits(a).partial_cmp(&f64::from_bits(b)),
    };
    crate::lower::holds(comparison, order)
}

fn test_text(test: TextTest, a: &str, b: &str) -> bool {
    match test {
        TextTest::Compare(comparison) => crate::lower::holds(comparison, Some(a.cmp(b))),
        TextTest::StartsWith => a.starts_with(b),
        TextTest::EndsWith => a.ends_with(b),
        TextTest::Contains => a.contains(b),
    }
}

fn calculate(ty: NumberType, operation: Arithmetic, a: u64, b: u64) -> Result<u64, Fault> {
    match ty {
        NumberType::Double => {
            Ok(crate::lower::float(operation, f64::from_bits(a), f64::from_bits(b)).to_bits())
        }
        NumberType::Int => crate::lower::whole(operation, a as i64, b as i64).map(|n| n as u64).ok_or(Fault),
    }
}

fn to_int(bits: u64) -> Result<u64, Fault> {
    let x = f64::from_bits(bits);
    let fits = x > -9_223_372_036_854_775_808.0 && x < 9_223_372_036_854_775_808.0;
    if fits { Ok(x as i64 as u64) } else { Err(Fault) }
}
