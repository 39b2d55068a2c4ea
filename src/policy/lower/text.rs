//! Texts: comparisons, tests and sizes, and the closed sets whose unknown names are faults.

use cel_core::types::ListElement;
use cel_core::{Expr, SpannedExpr};
use engine::feature::{Builtin, FeatureId};
use engine::program::{Comparison, Kinds, Op, Source, TextSource, TextTest, Truth};
use wire::{DeviceClass, Kind};

use super::compare::holds;
use super::value::{Number, Text, Unit, Value};
use super::{Expression, Lowered};
use crate::diagnostic::{Code, Diagnostic};
use crate::yaml::values;

impl Expression<'_, '_> {
    pub(super) fn compare_texts(
        &mut self,
        comparison: Comparison,
        a: &Text,
        b: &Text,
        tree: &SpannedExpr,
    ) -> Lowered<Truth> {
        if let (Text::Constant(a), Text::Constant(b)) = (a, b) {
            let truth = holds(comparison, Some(a.cmp(b)));
            return Ok(self.lowering.builder.always(truth));
        }
        if matches!(comparison, Comparison::Equal | Comparison::NotEqual) {
            for (feature, constant) in [(a, b), (b, a)] {
                if let (Text::Feature(id), Text::Constant(name)) = (feature, constant) {
                    self.check_closed(*id, name, tree)?;
                    if *id == Builtin::Kind.id() {
                        let is = self.kinds([name.as_str()]);
                        let same = comparison == Comparison::Equal;
                        return Ok(if same { is } else { self.lowering.builder.not(is) });
                    }
                }
            }
        }
        let (a, b) = (self.text_source(a), self.text_source(b));
        Ok(self.lowering.builder.truth(|to| Op::Text { to, test: TextTest::Compare(comparison), a, b }))
    }

    /// `kind in ["claim", "pay"]` as one set; `None` where the left side is not the kind.
    pub(super) fn kind_in(&mut self, value: &Value, elements: &[ListElement]) -> Lowered<Option<Truth>> {
        let Value::Text(Text::Feature(id)) = value else { return Ok(None) };
        let mut names = Vec::new();
        for element in elements {
            let Expr::String(name) = &element.expr.node else { return Ok(None) };
            self.check_closed(*id, name, &element.expr)?;
            names.push(name.as_str());
        }
        Ok((*id == Builtin::Kind.id()).then(|| self.kinds(names)))
    }

    fn kinds<'n>(&mut self, names: impl IntoIterator<Item = &'n str>) -> Truth {
        let kinds: Vec<Kind> = names.into_iter().filter_map(Kind::from_name).collect();
        let kinds = Kinds::of(&kinds);
        match kinds {
            Kinds::ALL => self.lowering.builder.always(true),
            Kinds(0) => self.lowering.builder.always(false),
            kinds => self.lowering.builder.truth(|to| Op::KindIn { to, kinds }),
        }
    }

    /// A name that a closed set does not hold is a slip, not a comparison.
    fn check_closed(&mut self, id: FeatureId, name: &str, tree: &SpannedExpr) -> Lowered<()> {
        let known: Vec<&str> = match id {
            id if id == Builtin::Kind.id() => Kind::ALL.iter().map(|kind| kind.name()).collect(),
            id if id == Builtin::DeviceClass.id() => {
                DeviceClass::ALL.iter().map(|class| class.name()).collect()
            }
            _ => return Ok(()),
        };
        if known.contains(&name) {
            return Ok(());
        }
        let what = &self.lowering.features.row(id).name;
        let message = format!("`{}` is no {what}", values::shortened(name));
        let fault = Diagnostic::error(Code::OutOfRange, self.text.place(&tree.span), message)
            .label(format!("expected {}", values::listed(&known)))
            .nearest(name, known.iter().copied());
        self.sink.push(fault);
        Err(super::Refused)
    }

    pub(super) fn text_test(
        &mut self,
        receiver: &SpannedExpr,
        name: &str,
        arg: &SpannedExpr,
        callee: &SpannedExpr,
    ) -> Lowered<Truth> {
        let test = match name {
            "startsWith" => TextTest::StartsWith,
            "endsWith" => TextTest::EndsWith,
            "contains" => TextTest::Contains,
            _ => {
                let message = format!("`{name}` is not supported yet");
                return self.refuse(Code::Unsupported, &callee.span, message, "here");
            }
        };
        let (a, b) = (self.text_of(receiver), self.text_of(arg));
        let (a, b) = (a?, b?);
        if let (Text::Constant(a), Text::Constant(b)) = (&a, &b) {
            let truth = match test {
                TextTest::StartsWith => a.starts_with(b.as_str()),
                TextTest::EndsWith => a.ends_with(b.as_str()),
                _ => a.contains(b.as_str()),
            };
            return Ok(self.lowering.builder.always(truth));
        }
        let (a, b) = (self.text_source(&a), self.text_source(&b));
        Ok(self.lowering.builder.truth(|to| Op::Text { to, test, a, b }))
    }

    pub(super) fn size(&mut self, tree: &SpannedExpr) -> Lowered<Number> {
        match self.text_of(tree)? {
            Text::Constant(text) => Ok(Number::int(text.chars().count() as i64)),
            Text::Feature(id) => {
                let a = TextSource::Feature(id);
                let to = self.lowering.builder.number(|to| Op::TextSize { to, a });
                Ok(Number::of(Unit::Int, Source::Register(to)))
            }
        }
    }

    fn text_of(&mut self, tree: &SpannedExpr) -> Lowered<Text> {
        match self.lower(tree)? {
            Value::Text(text) => Ok(text),
            other => {
                let message = format!("expected text, found {}", other.type_name());
                self.refuse(Code::WrongType, &tree.span, message, "expected text")
            }
        }
    }

    fn text_source(&mut self, text: &Text) -> TextSource {
        match text {
            Text::Feature(id) => TextSource::Feature(*id),
            Text::Constant(text) => TextSource::Constant(self.lowering.builder.text(text)),
        }
    }
}
