//! Runs a program for one event, one instruction after another, in the most obvious way.
//!
//! The engine runs the same program for 64 events at once; this is the slow twin that it is held against, and what the
//! analyst's `rules eval` runs.

use std::collections::HashMap;
use std::net::IpAddr;

use engine::feature::{Builtin, FeatureId, FeatureTable, Scalar};
use engine::limits::JOINED_BYTES_MAX;
use engine::program::{
    Arithmetic, Comparison, NumberType, Op, Output, Program, Source, TextSource, TextTest, Truth,
};
use wire::Kind;

use crate::lower::value::Constant;

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
    /// Event time, in Unix milliseconds.
    pub time_ms: i64,
}

/// Registers after a run.
#[derive(Clone, Debug, Default)]
pub struct Registers {
    /// Truth registers.
    pub truths: Vec<Result<bool, Fault>>,
    /// Number registers, as bits.
    pub numbers: Vec<Result<u64, Fault>>,
    /// Text registers.
    pub words: Vec<Result<Vec<u8>, Fault>>,
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
            words: vec![Err(Fault); usize::from(program.words)],
        };
        for op in &program.ops {
            match op.output() {
                Output::Truth(to) => {
                    registers.truths[usize::from(to.0)] = self.truth(program, op, &registers);
                }
                Output::Number(to) => {
                    registers.numbers[usize::from(to.0)] = self.calculated(program, op, &registers);
                }
                Output::Words(to) => {
                    registers.words[usize::from(to.0)] = self.written(program, op, &registers);
                }
            }
        }
        registers
    }

    fn truth(&self, program: &Program, op: &Op, registers: &Registers) -> Result<bool, Fault> {
        let truth = |t: Truth| registers.truths[usize::from(t.0)];
        let number = |source| self.number(registers, source);
        let text = |source| self.text(program, registers, source);
        match *op {
            Op::Always { truth, .. } => Ok(truth),
            Op::Fault { .. } => Err(Fault),
            Op::Flag { feature, .. } => Ok(self.scalar(feature).bits() != 0),
            Op::Present { feature, .. } => Ok(self.present(feature)),
            Op::KindIn { kinds, .. } => {
                let kind = self.lane.texts.get(&Builtin::Kind.id()).and_then(|name| Kind::from_name(name));
                Ok(kind.is_some_and(|kind| kinds.has(kind)))
            }
            Op::OnList { list, .. } => Ok(self.lane.lists.contains(&list)),
            Op::Compare { ty, comparison, a, b, .. } => {
                Ok(compare(comparison, constant(ty, number(a)?), constant(ty, number(b)?)))
            }
            Op::CompareMixed { comparison, a, a_ty, b, b_ty, .. } => {
                Ok(compare(comparison, constant(a_ty, number(a)?), constant(b_ty, number(b)?)))
            }
            Op::Text { test, a, b, .. } => Ok(test_text(test, text(a)?, text(b)?)),
            Op::Matches { a, pattern, .. } => Ok(program.patterns[usize::from(pattern)].is_in(text(a)?)),
            Op::InNetwork { a, network, .. } => {
                let text = String::from_utf8_lossy(text(a)?);
                let network = program.networks[usize::from(network)];
                match text.parse::<IpAddr>() {
                    _ if text.is_empty() => Ok(false),
                    Ok(address) => Ok(network.has(address.to_canonical())),
                    Err(_) => Err(Fault),
                }
            }
            Op::Luhn { a, .. } => Ok(luhn(&String::from_utf8_lossy(text(a)?))),
            Op::Not { a, .. } => truth(a).map(|a| !a),
            Op::And { a, b, .. } => decided_by(false, truth(a), truth(b)),
            Op::Or { a, b, .. } => decided_by(true, truth(a), truth(b)),
            Op::ChooseTruth { condition, a, b, .. } => {
                if truth(condition)? {
                    truth(a)
                } else {
                    truth(b)
                }
            }
            // The others write no truth.
            _ => Err(Fault),
        }
    }

    fn calculated(&self, program: &Program, op: &Op, registers: &Registers) -> Result<u64, Fault> {
        let number = |source| self.number(registers, source);
        let text = |source| self.text(program, registers, source);
        match *op {
            Op::ChooseNumber { condition, a, b, .. } => {
                if registers.truths[usize::from(condition.0)]? {
                    number(a)
                } else {
                    number(b)
                }
            }
            Op::Calculate { ty, operation, a, b, .. } => calculate(ty, operation, number(a)?, number(b)?),
            Op::Bounded { a, low, high, .. } => {
                let within = |bits: &u64| (low..=high).contains(&(*bits as i64));
                Some(number(a)?).filter(within).ok_or(Fault)
            }
            Op::ToDouble { ty: NumberType::Uint, a, .. } => Ok((number(a)? as f64).to_bits()),
            Op::ToDouble { a, scale, .. } => Ok((number(a)? as i64 as f64 / f64::from(scale)).to_bits()),
            Op::ToWhole { ty, a, .. } => to_whole(ty, f64::from_bits(number(a)?)),
            Op::Parse { ty, a, .. } => {
                let text = String::from_utf8_lossy(text(a)?);
                match ty {
                    NumberType::Int => text.parse::<i64>().map(|n| n as u64).map_err(|_| Fault),
                    NumberType::Uint => text.parse::<u64>().map_err(|_| Fault),
                    NumberType::Double => text.parse::<f64>().map(f64::to_bits).map_err(|_| Fault),
                }
            }
            Op::TextSize { a, bytes: true, .. } => Ok(text(a)?.len() as u64),
            Op::TextSize { a, .. } => Ok(String::from_utf8_lossy(text(a)?).chars().count() as u64),
            Op::Kilometres { places, .. } => {
                let at = program.places[usize::from(places)].map(number);
                let degrees = |at: Result<u64, Fault>| at.map(f64::from_bits);
                let [lat_a, lon_a, lat_b, lon_b] = at.map(degrees);
                Ok(kilometres((lat_a?, lon_a?), (lat_b?, lon_b?)).to_bits())
            }
            Op::Time { .. } => Ok((self.lane.time_ms * 1_000) as u64),
            Op::Calendar { part, a, zone, .. } => {
                let zone = &program.zones[usize::from(zone)];
                crate::lower::calendar(part, number(a)? as i64, zone).map(|n| n as u64).ok_or(Fault)
            }
            // The others write no number.
            _ => Err(Fault),
        }
    }

    fn written(&self, program: &Program, op: &Op, registers: &Registers) -> Result<Vec<u8>, Fault> {
        let text = |source| self.text(program, registers, source).map(<[u8]>::to_vec);
        match *op {
            Op::ChooseText { condition, a, b, .. } => {
                if registers.truths[usize::from(condition.0)]? {
                    text(a)
                } else {
                    text(b)
                }
            }
            Op::Join { a, b, .. } => {
                Some([text(a)?, text(b)?].concat()).filter(|all| all.len() <= JOINED_BYTES_MAX).ok_or(Fault)
            }
            Op::Write { ty, a, .. } => {
                let bits = self.number(registers, a)?;
                Ok(match ty {
                    NumberType::Int => (bits as i64).to_string(),
                    NumberType::Uint => bits.to_string(),
                    NumberType::Double => f64::from_bits(bits).to_string(),
                }
                .into_bytes())
            }
            // The others write no text.
            _ => Err(Fault),
        }
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

    /// A text, in bytes.
    ///
    /// # Errors
    /// [`Fault`], where the instruction that wrote it failed.
    pub fn text<'p>(
        &'p self,
        program: &'p Program,
        registers: &'p Registers,
        source: TextSource,
    ) -> Result<&'p [u8], Fault> {
        match source {
            TextSource::Feature(id) => Ok(self.lane.texts.get(&id).map_or(&[], String::as_bytes)),
            TextSource::Constant(id) => Ok(&program.texts[usize::from(id.0)]),
            TextSource::Register(words) => {
                registers.words[usize::from(words.0)].as_deref().map_err(|fault| *fault)
            }
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

fn constant(ty: NumberType, bits: u64) -> Constant {
    match ty {
        NumberType::Int => Constant::Int(bits as i64),
        NumberType::Uint => Constant::Uint(bits),
        NumberType::Double => Constant::Double(f64::from_bits(bits)),
    }
}

fn compare(comparison: Comparison, a: Constant, b: Constant) -> bool {
    crate::lower::holds(comparison, crate::lower::order(a, b))
}

fn test_text(test: TextTest, a: &[u8], b: &[u8]) -> bool {
    match test {
        TextTest::Compare(comparison) => crate::lower::holds(comparison, Some(a.cmp(b))),
        TextTest::StartsWith => a.starts_with(b),
        TextTest::EndsWith => a.ends_with(b),
        TextTest::Contains => b.is_empty() || a.windows(b.len()).any(|part| part == b),
    }
}

fn calculate(ty: NumberType, operation: Arithmetic, a: u64, b: u64) -> Result<u64, Fault> {
    match ty {
        NumberType::Double => {
            Ok(crate::lower::float(operation, f64::from_bits(a), f64::from_bits(b)).to_bits())
        }
        NumberType::Uint => operation.uints(a, b).ok_or(Fault),
        NumberType::Int => operation.ints(a as i64, b as i64).map(|n| n as u64).ok_or(Fault),
    }
}

fn to_whole(ty: NumberType, x: f64) -> Result<u64, Fault> {
    match ty {
        NumberType::Uint if x > -1.0 && x < 18_446_744_073_709_551_616.0 => Ok(x as u64),
        NumberType::Int if x > -9_223_372_036_854_775_808.0 && x < 9_223_372_036_854_775_808.0 => {
            Ok(x as i64 as u64)
        }
        _ => Err(Fault),
    }
}

/// Luhn's sum, digit by digit from the right.
fn luhn(text: &str) -> bool {
    let digits: String = text.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    let weighed = digits.chars().rev().enumerate().map(|(at, c)| {
        let digit = c.to_digit(10).filter(|_| c.is_ascii_digit())?;
        let weighed = digit * if at % 2 == 1 { 2 } else { 1 };
        Some(if weighed > 9 { weighed - 9 } else { weighed })
    });
    let sum: Option<Vec<u32>> = weighed.collect();
    sum.is_some_and(|sum| sum.len() >= 2 && sum.iter().sum::<u32>() % 10 == 0)
}

/// Great-circle distance on a sphere of 6,371 km, by the haversine formula.
fn kilometres(a: (f64, f64), b: (f64, f64)) -> f64 {
    let half = |degrees: f64| (degrees.to_radians() / 2.0).sin().powi(2);
    let h = half(b.0 - a.0) + a.0.to_radians().cos() * b.0.to_radians().cos() * half(b.1 - a.1);
    2.0 * 6_371.0 * if h > 1.0 { 1.0_f64 } else { h.sqrt() }.asin()
}
