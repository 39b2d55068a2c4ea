//! Trees to engine instructions over numbered columns and registers; names and types are checked on the way.
//!
//! Types are followed here rather than by a checker of CEL's, because what decides which instruction is right is not in its
//! types: money is compared in whole minor units, and a literal keeps the digits it was written with. Both sides of every
//! operator are lowered before either may fail, so that one run shows every fault of an expression.

mod builder;
mod calls;
mod compare;
mod decimal;
mod domain;
mod expression;
mod linear;
mod list;
mod money;
mod names;
mod number;
mod pattern;
mod ranges;
mod renumber;
mod spelling;
#[cfg(test)]
mod tests;
mod text;
mod time;
pub(crate) mod value;

use std::collections::{HashMap, HashSet};

use cel_core::SpannedExpr;
use cel_core::types::Span;
use engine::feature::{Builtin, FeatureId, Type};
use engine::policy::Witness;
use engine::program::{Comparison, Op, Output, Program, TextSource, TextTest, Truth};

pub(crate) use builder::Builder;
pub(crate) use compare::{holds, order, sign};
pub(crate) use number::float;
pub(crate) use renumber::{Renumbered, kinds, pruned};
pub(crate) use time::{SPAN_US_MAX, TIME_US_MAX, TIME_US_MIN, calendar, shown_span, shown_time, zone_named};

use crate::budget::{Budget, Spent};
use crate::cel::text::Text;
use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::limits::{POLICY_STEPS_MAX, STEPS_MAX};
use crate::symbols::Symbols;
use value::{Literal, Value};

/// When a program runs, which says what it may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Before velocity: conditions of limits.
    Gate,
    /// After the model: rules.
    Rules,
    /// On its own, to look at its value: what always fails is a value as well.
    Alone,
}

/// A feature cannot be lowered: the fault is in the sink already.
pub(crate) struct Refused;
type Lowered<T> = Result<T, Refused>;

/// Lowers expressions of one program.
pub(crate) struct Lowering<'t> {
    symbols: &'t Symbols,
    budget: &'t Budget,
    moment: Moment,
    builder: Builder,
    /// What the expressions that act ask of features, and what those ask that only watch.
    asked: [Asked; 2],
    /// Whether what is lowered now only watches.
    watching: bool,
    /// Named constants, which are variables around every expression.
    named: &'t [(String, Literal)],
}

/// Every expression of one program, lowered.
pub(crate) struct Lowerings {
    /// The program, and what its registers became; or of what there are too many for the engine.
    pub program: Result<(Program, Renumbered), &'static str>,
    /// What the expressions that act ask of features.
    pub acting: Asked,
    /// What those ask that do not act: rules in shadow, and off.
    pub watching: Asked,
}

/// What expressions ask of features.
#[derive(Default)]
pub(crate) struct Asked {
    /// Largest constant that each whole-number feature is compared with, among those that can be held exactly.
    pub thresholds: HashMap<FeatureId, i64>,
    /// Features that some expression reads.
    pub read: HashSet<FeatureId>,
    /// Declared lists that some expression asks for, by number.
    pub lists: HashSet<u16>,
}

/// One expression being lowered.
struct Expression<'e, 't> {
    lowering: &'e mut Lowering<'t>,
    text: &'e Text<'e>,
    sink: &'e mut Sink,
    witness: Option<(Weight, Witness)>,
    /// Variables of the macros around the part being lowered, innermost last.
    variables: Vec<(String, Value)>,
    steps: usize,
    /// Whether an amount of whatever currency is read, whether something of money is compared with a constant, and whether the
    /// currency is asked for.
    amounts: Amounts,
}

/// What an expression does with amounts of several currencies.
#[derive(Clone, Copy, Default)]
struct Amounts {
    read: bool,
    with_constant: bool,
    by_currency: bool,
}

/// How much a witness tells: what the reason quotes is the first of the weightiest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Flag,
    Number,
    Velocity,
}

impl<'t> Lowering<'t> {
    pub(crate) fn new(symbols: &'t Symbols, budget: &'t Budget, moment: Moment) -> Lowering<'t> {
        let (builder, asked) = (Builder::default(), <[Asked; 2]>::default());
        Lowering { symbols, budget, moment, builder, asked, watching: false, named: &[] }
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
        let variables = Vec::new();
        let amounts = Amounts::default();
        let mut expression =
            Expression { lowering: self, text, sink, witness: None, variables, steps: 0, amounts };
        let value = expression.lower(tree).ok()?;
        expression.check_currencies(tree);
        let witness = expression.witness.map(|(_, witness)| witness);
        Some((value, witness))
    }

    /// Says of the expressions that follow whether they only watch: what they ask changes no window of those that act.
    pub(crate) fn watch(&mut self, watching: bool) {
        self.watching = watching;
    }

    fn asked(&mut self) -> &mut Asked {
        &mut self.asked[usize::from(self.watching)]
    }

    /// Gives the expressions that follow these named constants.
    pub(crate) fn bind(&mut self, values: &'t [(String, Literal)]) {
        self.named = values;
    }

    /// Whether there is room for no more instructions or constants.
    pub(crate) fn is_full(&self) -> bool {
        self.builder.is_full()
    }

    /// The condition that holds where a text field is that text.
    pub(crate) fn is_text(&mut self, field: FeatureId, text: &str) -> Truth {
        self.asked().read.insert(field);
        let (a, b) = (TextSource::Feature(field), TextSource::Constant(self.builder.text(text.as_bytes())));
        let test = TextTest::Compare(Comparison::Equal);
        self.builder.truth(|to| Op::Text { to, test, a, b })
    }

    /// The condition that holds when the value is on that list.
    pub(crate) fn on_list(&mut self, list: u16) -> Truth {
        self.builder.truth(|to| Op::OnList { to, list })
    }

    /// What was lowered, with what those truths depend on.
    pub(crate) fn finish(self, roots: impl IntoIterator<Item = Truth>) -> Lowerings {
        let program = self.builder.finish(roots.into_iter().map(Output::Truth));
        let [acting, watching] = self.asked;
        Lowerings { program, acting, watching }
    }

    /// The program whole, for one who looks at every register of it.
    ///
    /// # Errors
    /// Of what there are too many for the engine.
    pub(crate) fn whole(self) -> Result<Program, &'static str> {
        self.builder.whole()
    }

    /// The builder, for a caller that adds its own last instruction.
    pub(crate) fn builder(&mut self) -> &mut Builder {
        &mut self.builder
    }
}

/// The constant that an expression is; `None` where it reads something of the event, or is of another type.
pub(crate) fn literal(
    tree: &SpannedExpr,
    text: &Text<'_>,
    budget: &Budget,
    sink: &mut Sink,
) -> Option<Literal> {
    let symbols = Symbols::default();
    let mut alone = Lowering::new(&symbols, budget, Moment::Alone);
    match alone.value(tree, text, sink)?.0 {
        Value::Truth(truth) => alone.builder.known(truth).map(Literal::Truth),
        Value::Number(number) => number.constant().map(|_| Literal::Number(number)),
        Value::Text(value::Text::Constant(bytes)) => String::from_utf8(bytes).ok().map(Literal::Text),
        _ => None,
    }
}

impl Expression<'_, '_> {
    /// Reports a fault at that piece of the expression.
    fn refuse<T>(&mut self, code: Code, span: &Span, message: impl Into<String>, label: &str) -> Lowered<T> {
        let fault = Diagnostic::error(code, self.text.place(span), message).label(label);
        self.sink.push(fault);
        Err(Refused)
    }

    /// Counts steps, one for each part that is read, copied or compared; too many of them end the expression.
    fn step(&mut self, steps: usize, span: &Span) -> Lowered<()> {
        let before = self.steps;
        self.steps = before.saturating_add(steps);
        let told = match self.lowering.budget.step(steps) {
            Ok(()) if self.steps <= STEPS_MAX => return Ok(()),
            // The fault was told by the step that came to the bound.
            Ok(()) if before > STEPS_MAX => return Err(Refused),
            Err(Spent::Before) => return Err(Refused),
            Ok(()) => format!("the macros of this expression unfold to more than {STEPS_MAX} parts"),
            Err(Spent::Now) => {
                format!(
                    "the expressions of this policy unfold to more than {POLICY_STEPS_MAX} parts together"
                )
            }
        };
        self.refuse(Code::Bound, span, told, "shorten the lists")
    }

    /// The feature of that name, if it is known at this moment.
    fn feature(&mut self, name: &str, span: &Span) -> Lowered<(FeatureId, Type)> {
        let Some(id) = self.lowering.symbols.features.find(name) else {
            self.unknown(name, span);
            return Err(Refused);
        };
        let is_score = id == Builtin::Score.id();
        let velocity_from = self.lowering.symbols.velocity_from;
        let late = id.is_score() || id.index() >= velocity_from;
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
            _ => {
                self.lowering.asked().read.insert(id);
                self.amounts.by_currency |= id == Builtin::Currency.id();
                self.amounts.read |= self.is_of_any_currency(id);
                Ok((id, self.lowering.symbols.features.row(id).ty))
            }
        }
    }

    fn quote(&mut self, weight: Weight, witness: Witness) {
        if self.witness.is_none_or(|(held, _)| weight > held) {
            self.witness = Some((weight, witness));
        }
    }

    fn is_velocity(&self, id: FeatureId) -> bool {
        id.index() >= self.lowering.symbols.velocity_from
    }
}
