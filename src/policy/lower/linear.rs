//! What a comparison with a computed count asks of the count: `claims - 1 >= 4` asks as much as `claims >= 5`.

use cel_core::SpannedExpr;
use engine::feature::FeatureId;
use engine::limits::EXACT_COUNT_MAX;
use engine::policy::Aggregate;
use engine::program::{Arithmetic, Comparison, NumberType, Op, Source};

use super::Expression;
use super::compare::flipped;
use super::value::{Constant, Number};
use crate::diagnostic::{Code, Diagnostic};

/// Parts of a computed number that are looked at.
const PARTS_MAX: usize = 64;

/// A number as a sum of multiples of counts and a constant.
struct Linear {
    terms: Vec<(FeatureId, f64)>,
    add: f64,
    /// How far a division of whole numbers may have moved it.
    slack: f64,
}

/// How a number comes of counts.
enum Form {
    Linear(Linear),
    /// Of constants and this one count, in another way.
    Bent(FeatureId),
    /// Of other things as well.
    Unknown,
}

impl Form {
    fn constant(add: f64) -> Form {
        Form::Linear(Linear { terms: Vec::new(), add, slack: 0.0 })
    }

    /// Of one count at most.
    fn bent(self) -> Form {
        match self {
            Form::Linear(Linear { terms, .. }) => match terms[..] {
                [(feature, _)] => Form::Bent(feature),
                _ => Form::Unknown,
            },
            other => other,
        }
    }

    /// Both in a way that is not linear.
    fn bent_with(self, other: Form) -> Form {
        let is_constant =
            |form: &Form| matches!(form, Form::Linear(Linear { terms, .. }) if terms.is_empty());
        if is_constant(&self) {
            return other.bent();
        }
        if is_constant(&other) {
            return self.bent();
        }
        match (self.bent(), other.bent()) {
            (Form::Bent(one), Form::Bent(other)) if one == other => Form::Bent(one),
            _ => Form::Unknown,
        }
    }
}

impl Linear {
    fn plus(mut self, other: Linear, sign: f64) -> Linear {
        for (feature, times) in other.terms {
            match self.terms.iter_mut().find(|(known, _)| *known == feature) {
                Some((_, own)) => *own += sign * times,
                None => self.terms.push((feature, sign * times)),
            }
        }
        self.terms.retain(|(_, times)| *times != 0.0);
        Linear { terms: self.terms, add: self.add + sign * other.add, slack: self.slack + other.slack }
    }

    fn times(mut self, factor: f64) -> Linear {
        self.terms.iter_mut().for_each(|(_, times)| *times *= factor);
        Linear { terms: self.terms, add: self.add * factor, slack: self.slack * factor.abs() }
    }
}

impl Expression<'_, '_> {
    /// Asks of the counts that a number is computed from what its comparison with a constant asks; one of which nothing
    /// follows is warned of.
    pub(super) fn ask_of_counts(
        &mut self,
        comparison: Comparison,
        number: Number,
        constant: Constant,
        tree: &SpannedExpr,
    ) {
        let Source::Register(_) = number.source else { return };
        let constant = match constant {
            Constant::Int(n) => n as f64,
            Constant::Uint(n) => n as f64,
            Constant::Double(x) => x,
        };
        match self.form(number.source, number.unit.number_type(), &mut PARTS_MAX.clone()) {
            Form::Linear(linear) => self.ask_linear(comparison, &linear, constant),
            Form::Bent(feature) if !self.is_declared_exact(feature) => {
                let name = &self.lowering.symbols.features.row(feature).name;
                let message =
                    format!("`{name}` is compared by way of arithmetic, and may not be exact there");
                let label = format!("compare `{name}` itself, or give it `exact:`");
                let warning = Diagnostic::warning(Code::OutOfRange, self.text.place(&tree.span), message);
                self.sink.push(warning.label(label));
            }
            Form::Bent(_) | Form::Unknown => {}
        }
    }

    /// Counts are no less than 0: where all are added, none can be beyond what the constant leaves and change the answer.
    fn ask_linear(&mut self, comparison: Comparison, linear: &Linear, constant: f64) {
        let Linear { terms, add, slack } = linear;
        let (up, down) =
            (terms.iter().all(|(_, times)| *times > 0.0), terms.iter().all(|(_, times)| *times < 0.0));
        if !up && !down {
            return;
        }
        let comparison = if up { comparison } else { flipped(comparison) };
        for &(feature, times) in terms {
            let least = (constant - add) / times + slack / times.abs();
            let whole = least.ceil();
            let most = EXACT_COUNT_MAX as f64;
            let asked = match comparison {
                Comparison::Less | Comparison::GreaterOrEqual if whole == most + 1.0 => most,
                _ => whole,
            };
            if (0.0..=most).contains(&asked) {
                self.ask(feature, asked as i64);
            }
        }
    }

    /// Asks that a count be exact where it is compared with that.
    pub(super) fn ask(&mut self, feature: FeatureId, constant: i64) {
        let held = self.lowering.asked().thresholds.entry(feature).or_insert(constant);
        *held = constant.max(*held);
    }

    fn is_declared_exact(&self, feature: FeatureId) -> bool {
        self.lowering.symbols.windows.iter().any(|window| window.feature == feature && window.exact > 0)
    }

    fn is_count(&self, feature: FeatureId) -> bool {
        let mut windows = self.lowering.symbols.windows.iter();
        windows.any(|window| {
            window.feature == feature && matches!(window.aggregate, Aggregate::Count | Aggregate::Distinct(_))
        })
    }

    fn form(&self, source: Source, ty: NumberType, parts: &mut usize) -> Form {
        let Some(left) = parts.checked_sub(1) else { return Form::Unknown };
        *parts = left;
        let register = match source {
            Source::Constant(bits) => {
                return Form::constant(match ty {
                    NumberType::Int => bits as i64 as f64,
                    NumberType::Uint => bits as f64,
                    NumberType::Double => f64::from_bits(bits),
                });
            }
            Source::Feature(feature) if self.is_count(feature) => {
                return Form::Linear(Linear { terms: vec![(feature, 1.0)], add: 0.0, slack: 0.0 });
            }
            Source::Feature(_) => return Form::Unknown,
            Source::Register(register) => register,
        };
        match self.lowering.builder.number_op(register) {
            Some(Op::Calculate { ty, operation, a, b, .. }) => {
                let (a, b) = (self.form(a, ty, parts), self.form(b, ty, parts));
                calculated(operation, ty, a, b)
            }
            Some(Op::ToDouble { ty, a, scale, .. }) => match self.form(a, ty, parts) {
                Form::Linear(linear) => Form::Linear(linear.times(1.0 / f64::from(scale))),
                other => other,
            },
            Some(Op::ToWhole { a, .. }) => match self.form(a, NumberType::Double, parts) {
                Form::Linear(linear) => Form::Linear(Linear { slack: linear.slack + 1.0, ..linear }),
                other => other,
            },
            Some(Op::Bounded { a, .. }) => self.form(a, ty, parts),
            Some(Op::ChooseNumber { a, b, .. }) => {
                let (a, b) = (self.form(a, ty, parts), self.form(b, ty, parts));
                a.bent_with(b)
            }
            _ => Form::Unknown,
        }
    }
}

fn calculated(operation: Arithmetic, ty: NumberType, a: Form, b: Form) -> Form {
    let whole = ty != NumberType::Double;
    match (operation, a, b) {
        (Arithmetic::Add, Form::Linear(a), Form::Linear(b)) => Form::Linear(a.plus(b, 1.0)),
        (Arithmetic::Subtract, Form::Linear(a), Form::Linear(b)) => Form::Linear(a.plus(b, -1.0)),
        (Arithmetic::Multiply, Form::Linear(a), Form::Linear(b)) if b.terms.is_empty() => {
            Form::Linear(a.times(b.add))
        }
        (Arithmetic::Multiply, Form::Linear(a), Form::Linear(b)) if a.terms.is_empty() => {
            Form::Linear(b.times(a.add))
        }
        (Arithmetic::Divide, Form::Linear(a), Form::Linear(b)) if b.terms.is_empty() && b.add != 0.0 => {
            let divided = a.times(1.0 / b.add);
            Form::Linear(Linear { slack: divided.slack + if whole { 1.0 } else { 0.0 }, ..divided })
        }
        (_, a, b) => a.bent_with(b),
    }
}
