//! Checked trees to engine instructions over numbered columns and registers.
//!
//! Types are followed again here, because two things that the checker underneath does not know decide which instruction is
//! right: money is compared in whole minor units, and a literal keeps the digits it was written with.

mod builder;
mod compare;
mod expression;
mod number;
#[cfg(test)]
mod tests;
mod text;
pub(crate) mod value;

use std::collections::HashMap;

use cel_core::SpannedExpr;
use cel_core::types::Span;
use engine::feature::{Builtin, FeatureId, FeatureTable, Type};
use engine::policy::Witness;
use engine::program::{Op, Program, Truth};

pub(crate) use builder::Builder;
pub(crate) use compare::holds;
pub(crate) use number::{float, whole};

use crate::cel::text::Text;
use crate::diagnostic::{Code, Diagnostic, Sink};
use value::Value;

/// When a program runs, which says what it may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Before velocity: conditions of limits.
    Gate,
    /// After the model: rules.
    Rules,
}

/// A feature cannot be lowered: the fault is in the sink already.
pub(crate) struct Refused;
type Lowered<T> = Result<T, Refused>;

/// Lowers expressions of one program.
pub(crate) struct Lowering<'t> {
    features: &'t FeatureTable,
    /// Place of each list by name.
    lists: &'t HashMap<String, u16>,
    /// Features from here on are velocity features.
    velocity_from: usize,
    moment: Moment,
    builder: Builder,
    /// Largest constant that each whole-number feature is compared with, among those that can be held exactly.
    thresholds: HashMap<FeatureId, i64>,
}

/// One expression being lowered.
struct Expression<'e, 't> {
    lowering: &'e mut Lowering<'t>,
    text: &'e Text<'e>,
    sink: &'e mut Sink,
    witness: Option<(Weight, Witness)>,
}

/// How much a witness tells: what the reason quotes is the first of the weightiest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Flag,
    Number,
    Velocity,
}

impl<'t> Lowering<'t> {
    pub(crate) fn new(
        features: &'t FeatureTable,
        lists: &'t HashMap<String, u16>,
        velocity_from: usize,
        moment: Moment,
    ) -> Lowering<'t> {
        let (builder, thresholds) = (Builder::default(), HashMap::new());
        Lowering { features, lists, velocity_from, moment, builder, thresholds }
    }

    /// The register of a condition, and what a reason quotes of it.
    pub(crate) fn condition(
        &mut self,
        tree: &SpannedExpr,
        text: &Text<'_>,
        sink: &mut Sink,
    ) -> Option<(Truth, Option<Witness>)> {
        let (value, witness) = self.value(tree, text, sink)?;
        match value {
            Value::Truth(truth) => Some((truth, witness)),
            other => {
                let message = format!("a condition is true or false, and this is {}", other.type_name());
                let fault = Diagnostic::error(Code::WrongType, text.place(&tree.span), message);
                sink.push(fault.label("expected a comparison"));
                None
            }
        }
    }

    /// The value of an expression of any type.
    pub(crate) fn value(
        &mut self,
        tree: &SpannedExpr,
        text: &Text<'_>,
        sink: &mut Sink,
    ) -> Option<(Value, Option<Witness>)> {
        let mut expression = Expression { lowering: self, text, sink, witness: None };
        let value = expression.lower(tree).ok()?;
        let witness = expression.witness.map(|(_, witness)| witness);
        Some((value, witness))
    }

    /// The condition that holds when the value is on that list.
    pub(crate) fn on_list(&mut self, list: u16) -> Truth {
        self.builder.truth(|to| Op::OnList { to, list })
    }

    /// The program and the thresholds that counts are compared with; no program if it outgrew the engine.
    pub(crate) fn finish(self) -> (Option<Program>, HashMap<FeatureId, i64>) {
        (self.builder.finish(), self.thresholds)
    }

    /// The builder, for a caller that adds its own last instruction.
    pub(crate) fn builder(&mut self) -> &mut Builder {
        &mut self.builder
    }
}

impl Expression<'_, '_> {
    /// Reports a fault at that piece of the expression.
    fn refuse<T>(&mut self, code: Code, span: &Span, message: impl Into<String>, label: &str) -> Lowered<T> {
        let fault = Diagnostic::error(code, self.text.place(span), message).label(label);
        self.sink.push(fault);
        Err(Refused)
    }

    /// The feature of that name, if it is known at this moment.
    fn feature(&mut self, name: &str, span: &Span) -> Lowered<(FeatureId, Type)> {
        let Some(id) = self.lowering.features.find(name) else {
            return self.refuse(Code::UnknownName, span, format!("nothing is named `{name}`"), "unknown");
        };
        let is_score = id == Builtin::Score.id();
        let late = is_score || id == Builtin::ModelScore.id() || id.index() >= self.lowering.velocity_from;
        match self.lowering.moment {
            Moment::Rules if is_score => self.refuse(
                Code::NotKnownYet,
                span,
                "`score` is complete only after every rule, and belongs to `bands`",
                "expected `model_score` or another feature",
            ),
            Moment::Gate if late => self.refuse(
                Code::NotKnownYet,
                span,
                format!("`{name}` is not known yet where limits are reserved, before velocity and model"),
                "expected a field, a list, token, qr or a profile feature",
            ),
            _ => Ok((id, self.lowering.features.row(id).ty)),
        }
    }

    fn quote(&mut self, weight: Weight, witness: Witness) {
        if self.witness.is_none_or(|(held, _)| weight > held) {
            self.witness = Some((weight, witness));
        }
    }

    fn is_velocity(&self, id: FeatureId) -> bool {
        id.index() >= self.lowering.velocity_from
    }
}
