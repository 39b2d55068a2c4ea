//! Texts: comparisons, tests and sizes, and the closed sets whose unknown names are faults.

use cel_core::SpannedExpr;
use engine::feature::{Builtin, FeatureId};
use engine::program::{Comparison, Kinds, Op, Source, TextSource, TextTest, Truth};
use wire::{DeviceClass, Kind};

use super::compare::holds;
use super::value::{Number, Text, Unit, Value};
use super::{Expression, Lowered};
use crate::diagnostic::{Code, Diagnostic};
use crate::limits::{CONSTANT_BYTES_MAX, STEP_BYTES};
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
            self.step(a.len().min(b.len()) / STEP_BYTES, &tree.span)?;
            let truth = holds(comparison, Some(a.cmp(b)));
            return Ok(self.lowering.builder.always(truth));
        }
        if matches!(comparison, Comparison::Equal | Comparison::NotEqual) {
            for (feature, constant) in [(a, b), (b, a)] {
                if let (Text::Feature(id), Text::Constant(name)) = (feature, constant) {
                    if name.is_empty() {
                        // A text that is not empty is one that the event carried, which is known already.
                        let feature = *id;
                        let present = self.lowering.builder.truth(|to| Op::Present { to, feature });
                        let absent = comparison == Comparison::Equal;
                        return Ok(if absent { self.lowering.builder.not(present) } else { present });
                    }
                    let name = String::from_utf8_lossy(name);
                    self.check_closed(*id, &name, tree)?;
                    if *id == Builtin::Kind.id() {
                        let is = self.kinds([&*name]);
                        let same = comparison == Comparison::Equal;
                        return Ok(if same { is } else { self.lowering.builder.not(is) });
                    }
                    self.check_spelling(*id, &name, tree);
                }
            }
        }
        let (a, b) = (self.text_source(a), self.text_source(b));
        Ok(self.lowering.builder.truth(|to| Op::Text { to, test: TextTest::Compare(comparison), a, b }))
    }

    pub(super) fn kinds<'n>(&mut self, names: impl IntoIterator<Item = &'n str>) -> Truth {
        let kinds: Vec<Kind> = names.into_iter().filter_map(Kind::from_name).collect();
        let kinds = Kinds::of(&kinds);
        match kinds {
            Kinds::ALL => self.lowering.builder.always(true),
            Kinds(0) => self.lowering.builder.always(false),
            kinds => self.lowering.builder.truth(|to| Op::KindIn { to, kinds }),
        }
    }

    /// A name that a closed set does not hold is a slip, not a comparison.
    pub(super) fn check_closed(&mut self, id: FeatureId, name: &str, tree: &SpannedExpr) -> Lowered<()> {
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
        let what = &self.lowering.symbols.features.row(id).name;
        let message = format!("`{}` is no {what}", values::shortened(name));
        let fault = Diagnostic::error(Code::OutOfRange, self.text.place(&tree.span), message)
            .label(format!("expected {}", values::listed(&known)))
            .nearest(&name.to_lowercase(), known.iter().copied(), self.sink);
        self.sink.push(fault);
        Err(super::Refused)
    }

    /// Code points of a text, or bytes.
    pub(super) fn size(&mut self, text: &Text, bytes: bool) -> Number {
        if let Text::Constant(text) = text {
            let points = String::from_utf8_lossy(text).chars().count();
            return Number::int(if bytes { text.len() } else { points } as i64);
        }
        let a = self.text_source(text);
        let to = self.lowering.builder.number(|to| Op::TextSize { to, a, bytes });
        Number::of(Unit::Int, Source::Register(to))
    }

    /// One text behind the other.
    pub(super) fn join(&mut self, a: Text, b: Text, tree: &SpannedExpr) -> Lowered<Text> {
        let bytes = a.constant_bytes() + b.constant_bytes();
        if bytes > CONSTANT_BYTES_MAX {
            let message = format!("a constant text has at most {CONSTANT_BYTES_MAX} bytes");
            return self.refuse(Code::Bound, &tree.span, message, "this one is longer");
        }
        self.step(bytes / STEP_BYTES, &tree.span)?;
        Ok(match (a, b) {
            (Text::Constant(a), Text::Constant(b)) => Text::Constant([a, b].concat()),
            (Text::Constant(empty), other) | (other, Text::Constant(empty)) if empty.is_empty() => other,
            (a, b) => {
                let (a, b) = (self.text_source(&a), self.text_source(&b));
                Text::Register(self.lowering.builder.words(|to| Op::Join { to, a, b }))
            }
        })
    }

    pub(super) fn choose_text(&mut self, condition: Truth, a: &Text, b: &Text) -> Text {
        match self.lowering.builder.known(condition) {
            Some(true) => a.clone(),
            Some(false) => b.clone(),
            None => {
                let (a, b) = (self.text_source(a), self.text_source(b));
                Text::Register(self.lowering.builder.words(|to| Op::ChooseText { to, condition, a, b }))
            }
        }
    }

    pub(super) fn text_of(&mut self, tree: &SpannedExpr) -> Lowered<Text> {
        match self.lower(tree)? {
            Value::Text(text) => Ok(text),
            other => self.expected("text", &other, tree),
        }
    }

    pub(super) fn text_source(&mut self, text: &Text) -> TextSource {
        match text {
            Text::Feature(id) => TextSource::Feature(*id),
            Text::Constant(text) => TextSource::Constant(self.lowering.builder.text(text)),
            Text::Register(words) => TextSource::Register(*words),
        }
    }
}
