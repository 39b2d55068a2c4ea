//! Stage `rules`: runs a program over the columns, one instruction at a time for all lanes.

use wire::Check;

use crate::feature::FeatureId;
use crate::fields;
use crate::limits::LANES;
use crate::program::{Arithmetic, Comparison, NumberType, Op, Program, Source, TextSource, TextTest, Truth};
use crate::scratch::{Column, Lane, Scratch};
use crate::snapshot::Snapshot;

/// A truth a lane, and the lanes whose evaluation failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mask {
    pub truth: u64,
    pub fault: u64,
}

/// Registers of a program.
#[derive(Default)]
pub(crate) struct Registers {
    truths: Vec<Mask>,
    numbers: Vec<Column>,
    number_faults: Vec<u64>,
}

impl Registers {
    /// Makes room for a program's registers.
    pub fn fit(&mut self, program: &Program) {
        let (truths, numbers) = (usize::from(program.truths), usize::from(program.numbers));
        self.truths.resize(self.truths.len().max(truths), Mask::default());
        self.numbers.resize(self.numbers.len().max(numbers), [0; LANES]);
        self.number_faults.resize(self.number_faults.len().max(numbers), 0);
    }

    /// Lanes where a condition is true and did not fail.
    pub fn met(&self, condition: Truth) -> u64 {
        let mask = self.truths[usize::from(condition.0)];
        mask.truth & !mask.fault
    }

    /// Whether a condition is met in a lane.
    pub fn holds(&self, condition: Truth, lane: usize) -> bool {
        self.met(condition) >> lane & 1 != 0
    }

    fn put(&mut self, to: Truth, mask: Mask) {
        self.truths[usize::from(to.0)] = mask;
    }
}

/// What a program reads.
struct Inputs<'a> {
    snapshot: &'a Snapshot,
    program: &'a Program,
    checks: &'a [Check<'a>],
    columns: &'a [Column],
    present: &'a [u64],
    on_lists: &'a [u64],
    lanes: &'a [Lane],
}

/// Runs a program for the first `checks.len()` lanes.
pub(crate) fn run<'a>(
    snapshot: &'a Snapshot,
    program: &'a Program,
    checks: &'a [Check<'a>],
    scratch: &mut Scratch,
) {
    let mut registers = std::mem::take(&mut scratch.registers);
    let inputs = Inputs {
        snapshot,
        program,
        checks,
        columns: &scratch.columns,
        present: &scratch.present,
        on_lists: &scratch.on_lists,
        lanes: &scratch.lanes,
    };
    for op in &program.ops {
        inputs.step(op, &mut registers);
    }
    scratch.registers = registers;
}

/// The bits of one number in every lane.
#[derive(Clone, Copy)]
enum Bits<'a> {
    Column(&'a Column),
    Constant(u64),
}

impl Bits<'_> {
    #[inline(always)]
    fn at(&self, lane: usize) -> u64 {
        match self {
            Bits::Column(column) => column[lane],
            Bits::Constant(bits) => *bits,
        }
    }
}

impl Inputs<'_> {
    fn all(&self) -> u64 {
        u64::MAX >> (LANES - self.checks.len())
    }

    /// A mask from a test of each lane.
    #[inline(always)]
    fn each(&self, test: impl Fn(usize) -> bool) -> u64 {
        (0..self.checks.len()).fold(0, |mask, lane| mask | u64::from(test(lane)) << lane)
    }

    fn number<'r>(&'r self, source: Source, registers: &'r Registers) -> (Bits<'r>, u64) {
        match source {
            Source::Feature(feature) => (Bits::Column(&self.columns[feature.index()]), 0),
            Source::Register(at) => {
                let at = usize::from(at.0);
                (Bits::Column(&registers.numbers[at]), registers.number_faults[at])
            }
            Source::Constant(bits) => (Bits::Constant(bits), 0),
        }
    }

    fn text(&self, source: TextSource, lane: usize) -> &str {
        match source {
            TextSource::Feature(feature) => self.text_of(feature, lane),
            TextSource::Constant(text) => &self.program.texts[usize::from(text.0)],
        }
    }

    fn text_of(&self, feature: FeatureId, lane: usize) -> &str {
        fields::text(self.snapshot, &self.checks[lane], &self.lanes[lane], feature)
    }

    fn step(&self, op: &Op, registers: &mut Registers) {
        let truth = |at: Truth, registers: &Registers| registers.truths[usize::from(at.0)];
        let sure = |truth: u64| Mask { truth, fault: 0 };
        match *op {
            Op::Always { to, truth } => registers.put(to, sure(if truth { self.all() } else { 0 })),
            Op::Fault { to } => registers.put(to, Mask { truth: 0, fault: self.all() }),
            Op::Flag { to, feature } => {
                let column = &self.columns[feature.index()];
                registers.put(to, sure(self.each(|lane| column[lane] != 0)));
            }
            Op::Present { to, feature } => registers.put(to, sure(self.present[feature.index()])),
            Op::KindIn { to, kinds } => {
                registers.put(to, sure(self.each(|lane| kinds.has(self.checks[lane].kind))));
            }
            Op::OnList { to, list } => registers.put(to, sure(self.on_lists[usize::from(list)])),
            Op::Compare { to, ty, comparison, a, b } => {
                let ((a, fault_a), (b, fault_b)) = (self.number(a, registers), self.number(b, registers));
                let truth = match ty {
                    NumberType::Int => {
                        self.compare(comparison, |lane| (a.at(lane) as i64, b.at(lane) as i64))
                    }
                    NumberType::Double => self
                        .compare(comparison, |lane| (f64::from_bits(a.at(lane)), f64::from_bits(b.at(lane)))),
                };
                registers.put(to, Mask { truth, fault: fault_a | fault_b });
            }
            Op::Text { to, test, a, b } => {
                let pair = |lane| (self.text(a, lane), self.text(b, lane));
                let truth = match test {
                    TextTest::Compare(comparison) => self.compare(comparison, pair),
                    TextTest::StartsWith => self.each(|lane| pair(lane).0.starts_with(pair(lane).1)),
                    TextTest::EndsWith => self.each(|lane| pair(lane).0.ends_with(pair(lane).1)),
                    TextTest::Contains => self.each(|lane| pair(lane).0.contains(pair(lane).1)),
                };
                registers.put(to, sure(truth));
            }
            Op::Not { to, a } => {
                let a = truth(a, registers);
                registers.put(to, Mask { truth: !a.truth & self.all() & !a.fault, fault: a.fault });
            }
            Op::And { to, a, b } => {
                let (a, b) = (truth(a, registers), truth(b, registers));
                let no = (!a.truth & !a.fault) | (!b.truth & !b.fault);
                registers.put(to, Mask { truth: a.truth & b.truth & !no, fault: (a.fault | b.fault) & !no });
            }
            Op::Or { to, a, b } => {
                let (a, b) = (truth(a, registers), truth(b, registers));
                let yes = (a.truth & !a.fault) | (b.truth & !b.fault);
                registers.put(to, Mask { truth: yes, fault: (a.fault | b.fault) & !yes });
            }
            Op::ChooseTruth { to, condition, a, b } => {
                let (when, a, b) = (truth(condition, registers), truth(a, registers), truth(b, registers));
                let choose = |a: u64, b: u64| (when.truth & a) | (!when.truth & b);
                let fault = choose(a.fault, b.fault) | when.fault;
                registers.put(to, Mask { truth: choose(a.truth, b.truth) & !fault, fault });
            }
            Op::ChooseNumber { to, condition, a, b } => {
                let when = truth(condition, registers);
                self.calculate(to, a, b, registers, |lane, a, b| {
                    Some(if when.truth >> lane & 1 != 0 { a } else { b })
                });
                let faults = [a, b].map(|source| self.number(source, registers).1);
                registers.number_faults[usize::from(to.0)] =
                    (when.truth & faults[0]) | (!when.truth & faults[1]) | when.fault;
            }
            Op::Calculate { to, ty: NumberType::Int, operation, a, b } => {
                self.calculate(to, a, b, registers, |_, a, b| {
                    whole(operation, a as i64, b as i64).map(|n| n as u64)
                });
            }
            Op::Calculate { to, ty: NumberType::Double, operation, a, b } => {
                self.calculate(to, a, b, registers, |_, a, b| {
                    Some(float(operation, f64::from_bits(a), f64::from_bits(b)).to_bits())
                });
            }
            Op::ToDouble { to, a, scale } => {
                let scale = f64::from(scale);
                self.calculate(to, a, a, registers, |_, a, _| Some((a as i64 as f64 / scale).to_bits()));
            }
            Op::ToInt { to, a } => {
                self.calculate(to, a, a, registers, |_, a, _| {
                    let float = f64::from_bits(a).trunc();
                    // The bounds are exact in a float; the upper one itself is already too large.
                    (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0)
                        .contains(&float)
                        .then_some(float as i64 as u64)
                });
            }
            Op::TextSize { to, a } => {
                let column = &mut registers.numbers[usize::from(to.0)];
                for (lane, size) in column.iter_mut().enumerate().take(self.checks.len()) {
                    *size = self.text(a, lane).chars().count() as u64;
                }
                registers.number_faults[usize::from(to.0)] = 0;
            }
        }
    }

    #[inline(always)]
    fn compare<T: PartialOrd>(&self, comparison: Comparison, pair: impl Fn(usize) -> (T, T)) -> u64 {
        match comparison {
            Comparison::Equal => self.each(|lane| pair(lane).0 == pair(lane).1),
            Comparison::NotEqual => self.each(|lane| pair(lane).0 != pair(lane).1),
            Comparison::Less => self.each(|lane| pair(lane).0 < pair(lane).1),
            Comparison::LessOrEqual => self.each(|lane| pair(lane).0 <= pair(lane).1),
            Comparison::Greater => self.each(|lane| pair(lane).0 > pair(lane).1),
            Comparison::GreaterOrEqual => self.each(|lane| pair(lane).0 >= pair(lane).1),
        }
    }

    /// Computes a number register; a lane without a result is a fault. Registers are written once, so `to` is neither `a`
    /// nor `b`, and its column is taken out while it is written.
    #[inline(always)]
    fn calculate(
        &self,
        to: crate::program::Number,
        a: Source,
        b: Source,
        registers: &mut Registers,
        result: impl Fn(usize, u64, u64) -> Option<u64>,
    ) {
        let to = usize::from(to.0);
        let mut column = std::mem::replace(&mut registers.numbers[to], [0; LANES]);
        let ((a, fault_a), (b, fault_b)) = (self.number(a, registers), self.number(b, registers));
        let mut fault = fault_a | fault_b;
        for (lane, number) in column.iter_mut().enumerate().take(self.checks.len()) {
            match result(lane, a.at(lane), b.at(lane)) {
                Some(bits) => *number = bits,
                None => {
                    *number = 0;
                    fault |= 1 << lane;
                }
            }
        }
        registers.numbers[to] = column;
        registers.number_faults[to] = fault;
    }
}

fn whole(operation: Arithmetic, a: i64, b: i64) -> Option<i64> {
    match operation {
        Arithmetic::Add => a.checked_add(b),
        Arithmetic::Subtract => a.checked_sub(b),
        Arithmetic::Multiply => a.checked_mul(b),
        Arithmetic::Divide => a.checked_div(b),
        Arithmetic::Remainder => a.checked_rem(b),
    }
}

fn float(operation: Arithmetic, a: f64, b: f64) -> f64 {
    match operation {
        Arithmetic::Add => a + b,
        Arithmetic::Subtract => a - b,
        Arithmetic::Multiply => a * b,
        Arithmetic::Divide => a / b,
        Arithmetic::Remainder => a % b,
    }
}
