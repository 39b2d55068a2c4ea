//! The walk over a tree: literals, names, operators that combine and choose.

use cel_core::{BinaryOp, Expr, SpannedExpr, UnaryOp};
use engine::feature::{Builtin, FeatureId, Type};
use engine::policy::Witness;
use engine::program::{Comparison, NumberType, Op, Source, TextSource, Truth};

use super::decimal::Exact;
use super::value::{Item, List, Literal, Number, Text, Unit, Value};
use super::{Expression, Lowered, Refused, Weight};
use crate::advice;
use crate::cel::dotted;
use crate::diagnostic::{Code, Diagnostic};
use crate::limits::{ITEMS_MAX, STEP_BYTES};

impl<'t> Expression<'_, 't> {
    pub(super) fn lower(&mut self, tree: &SpannedExpr) -> Lowered<Value> {
        self.step(1, &tree.span)?;
        match &tree.node {
            Expr::Ident(_) | Expr::Member { optional: false, .. } => self.read(tree),
            Expr::Null => Ok(Value::Null),
            Expr::Bool(truth) => Ok(Value::Truth(self.lowering.builder.always(*truth))),
            Expr::Int(n) => Ok(Value::Number(Number::int(*n))),
            Expr::UInt(n) => Ok(Value::Number(Number::of(Unit::Uint, Source::Constant(*n)))),
            Expr::Float(x) => {
                let written = self.text.value.get(tree.span.clone()).unwrap_or("");
                Ok(Value::Number(Number::decimal(*x, Exact::parse(written))))
            }
            Expr::String(text) => {
                self.step(text.len() / STEP_BYTES, &tree.span)?;
                Ok(Value::text(text))
            }
            Expr::Bytes(bytes) => {
                self.step(bytes.len() / STEP_BYTES, &tree.span)?;
                Ok(Value::Bytes(Text::Constant(bytes.clone())))
            }
            Expr::Unary { op: UnaryOp::Not, expr } => {
                let a = self.truth(expr)?;
                Ok(Value::Truth(self.lowering.builder.not(a)))
            }
            Expr::Unary { op: UnaryOp::Neg, expr } => {
                let number = self.number(expr)?;
                self.negate(number, tree).map(Value::Number)
            }
            Expr::Binary { op, left, right } => self.binary(*op, left, right, tree),
            Expr::Ternary { cond, then_expr, else_expr } => self.ternary(cond, then_expr, else_expr, tree),
            Expr::List(elements) => self.list_of(elements),
            Expr::Map(entries) => self.map_of(entries),
            Expr::Index { expr, index, optional: false } => self.index(expr, index, tree),
            Expr::Call { expr, args } => self.call(expr, args, tree),
            Expr::RootIdent(_) => self.unsupported("a name that begins with a dot", tree),
            Expr::Struct { .. } => self.unsupported("a message", tree),
            _ => self.unsupported("this form", tree),
        }
    }

    /// Refuses a form of CEL that the engine does not run.
    fn unsupported<T>(&mut self, what: &str, tree: &SpannedExpr) -> Lowered<T> {
        self.refuse(Code::Unsupported, &tree.span, format!("{what} is not supported"), "here")
    }

    /// A variable, a named constant, a feature by its whole name, or a field of a map.
    fn read(&mut self, tree: &SpannedExpr) -> Lowered<Value> {
        if let Expr::Ident(name) = &tree.node {
            if let Some(at) = self.variables.iter().rposition(|(known, _)| known == name) {
                self.step(self.variables[at].1.parts(), &tree.span)?;
                return Ok(self.variables[at].1.clone());
            }
            if let Some(literal) = self.constant(name) {
                let value = match literal {
                    Literal::Truth(truth) => Value::Truth(self.lowering.builder.always(*truth)),
                    Literal::Number(number) => Value::Number(*number),
                    Literal::Text(text) => Value::text(text),
                };
                self.step(value.parts(), &tree.span)?;
                return Ok(value);
            }
        }
        match (&tree.node, self.name_of(tree)?) {
            (_, Some(name)) => self.read_name(&name, tree),
            (Expr::Member { expr, field, .. }, None) => self.member(expr, field, tree),
            _ => Err(Refused),
        }
    }

    fn constant(&self, name: &str) -> Option<&'t Literal> {
        self.lowering.named.iter().find(|(known, _)| known == name).map(|(_, literal)| literal)
    }

    /// The whole dotted name, unless it begins with a variable or a named constant.
    pub(super) fn name_of(&mut self, tree: &SpannedExpr) -> Lowered<Option<String>> {
        let Some(parts) = dotted(tree) else { return Ok(None) };
        // A chain of fields is walked once for each of them.
        self.step(parts.len(), &tree.span)?;
        let first = parts[0];
        let is_value =
            self.variables.iter().any(|(known, _)| known == first) || self.constant(first).is_some();
        Ok((!is_value).then(|| parts.join(".")))
    }

    fn read_name(&mut self, name: &str, tree: &SpannedExpr) -> Lowered<Value> {
        match name {
            "lists" => {
                self.step(self.lowering.symbols.list_numbers.len(), &tree.span)?;
                return Ok(Value::List(self.declared_lists()));
            }
            "ext" => {
                self.step(self.lowering.symbols.ext.len(), &tree.span)?;
                return Ok(Value::Map(self.ext()));
            }
            "time" => {
                let to = self.lowering.builder.number(|to| Op::Time { to });
                return Ok(Value::Number(Number::of(Unit::Time, Source::Register(to))));
            }
            _ => {}
        }
        let (id, ty) = self.feature(name, &tree.span)?;
        Ok(self.value_of(id, ty))
    }

    /// The value of a feature.
    pub(super) fn value_of(&mut self, id: FeatureId, ty: Type) -> Value {
        let number = |unit| Value::Number(Number::of(unit, Source::Feature(id)));
        match ty {
            Type::Bool => {
                let witness = Witness { feature: id, threshold: Source::Constant(1), ty: NumberType::Int };
                self.quote(Weight::Flag, witness);
                Value::Truth(self.lowering.builder.truth(|to| Op::Flag { to, feature: id }))
            }
            Type::Int => number(Unit::Int),
            Type::Money => number(Unit::Money(self.places())),
            Type::Double => number(Unit::Double),
            Type::Text => Value::Text(Text::Feature(id)),
        }
    }

    pub(super) fn truth(&mut self, tree: &SpannedExpr) -> Lowered<Truth> {
        match self.lower(tree)? {
            Value::Truth(truth) => Ok(truth),
            other => self.expected("true or false", &other, tree),
        }
    }

    pub(super) fn number(&mut self, tree: &SpannedExpr) -> Lowered<Number> {
        match self.lower(tree)? {
            Value::Number(number) => Ok(number),
            other => self.expected("a number", &other, tree),
        }
    }

    pub(super) fn expected<T>(&mut self, what: &str, found: &Value, tree: &SpannedExpr) -> Lowered<T> {
        let message = format!("expected {what}, found {}", found.type_name());
        self.refuse(Code::WrongType, &tree.span, message, &format!("expected {what}"))
    }

    /// Refuses an operator or function for these types.
    pub(super) fn unfit<T>(&mut self, what: &str, values: &[&Value], tree: &SpannedExpr) -> Lowered<T> {
        let types: Vec<&str> = values.iter().map(|value| value.type_name()).collect();
        let message = format!("`{what}` does not take {}", types.join(" and "));
        let label = if types.contains(&"int") && types.contains(&"double") {
            "convert one side with `double(…)` or `int(…)`"
        } else {
            "these types do not fit"
        };
        let fault = Diagnostic::error(Code::WrongType, self.text.place(&tree.span), message).label(label);
        let written = self.text.value.get(tree.span.clone()).unwrap_or("");
        self.sink.push(match advice::types(what, &types, written) {
            Some(advice) => fault.help(advice),
            None => fault,
        });
        Err(Refused)
    }

    fn binary(
        &mut self,
        op: BinaryOp,
        left: &SpannedExpr,
        right: &SpannedExpr,
        tree: &SpannedExpr,
    ) -> Lowered<Value> {
        let comparison = match op {
            BinaryOp::And | BinaryOp::Or => {
                let (a, b) = (self.truth(left), self.truth(right));
                let (a, b, builder) = (a?, b?, &mut self.lowering.builder);
                let both = op == BinaryOp::And;
                return Ok(Value::Truth(if both { builder.and(a, b) } else { builder.or(a, b) }));
            }
            BinaryOp::In => return self.within(left, right, tree).map(Value::Truth),
            BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div | BinaryOp::Mod => {
                let (a, b) = (self.lower(left), self.lower(right));
                return self.combine(op, a?, b?, tree);
            }
            BinaryOp::Eq => Comparison::Equal,
            BinaryOp::Ne => Comparison::NotEqual,
            BinaryOp::Lt => Comparison::Less,
            BinaryOp::Le => Comparison::LessOrEqual,
            BinaryOp::Gt => Comparison::Greater,
            BinaryOp::Ge => Comparison::GreaterOrEqual,
        };
        let (a, b) = (self.lower(left), self.lower(right));
        self.compare(comparison, a?, b?, tree).map(Value::Truth)
    }

    /// Arithmetic of numbers, and texts, byte strings and lists put together.
    fn combine(&mut self, op: BinaryOp, a: Value, b: Value, tree: &SpannedExpr) -> Lowered<Value> {
        match (a, b) {
            (Value::Number(a), Value::Number(b)) => self.calculate(op, a, b, tree).map(Value::Number),
            (Value::Text(a), Value::Text(b)) if op == BinaryOp::Add => self.join(a, b, tree).map(Value::Text),
            (Value::Bytes(a), Value::Bytes(b)) if op == BinaryOp::Add => {
                self.join(a, b, tree).map(Value::Bytes)
            }
            (Value::List(mut a), Value::List(b)) if op == BinaryOp::Add => {
                self.check_items(a.items.len() + b.items.len(), tree)?;
                let sound = self.lowering.builder.and(a.sound, b.sound);
                a.items.extend(b.items);
                Ok(Value::List(List { items: a.items, sound }))
            }
            (a, b) => self.unfit(sign(op), &[&a, &b], tree),
        }
    }

    fn check_items(&mut self, items: usize, tree: &SpannedExpr) -> Lowered<()> {
        if items <= ITEMS_MAX {
            return Ok(());
        }
        let message = format!("a list has at most {ITEMS_MAX} items, lists put together included");
        self.refuse(Code::Bound, &tree.span, message, "use a declared list")
    }

    /// True for every value, and a fault where the value is one.
    pub(super) fn sound(&mut self, value: &Value) -> Truth {
        let builder = &mut self.lowering.builder;
        let either = |builder: &mut super::Builder, equal: Truth| {
            let other = builder.not(equal);
            builder.or(equal, other)
        };
        match value {
            Value::Number(Number { unit, source: a @ Source::Register(_), .. }) => {
                let (a, ty) = (*a, unit.number_type());
                let equal =
                    builder.truth(|to| Op::Compare { to, ty, comparison: Comparison::Equal, a, b: a });
                either(builder, equal)
            }
            Value::Truth(truth) if builder.known(*truth).is_none() => either(builder, *truth),
            Value::Text(Text::Register(words)) | Value::Bytes(Text::Register(words)) => {
                let a = TextSource::Register(*words);
                let test = engine::program::TextTest::Compare(Comparison::Equal);
                builder.truth(|to| Op::Text { to, test, a, b: a })
            }
            Value::List(list) => list.sound,
            Value::Map(map) => map.keys.sound,
            _ => builder.always(true),
        }
    }

    /// The value where the condition is true, and a fault where it is one.
    pub(super) fn guarded(&mut self, sound: Truth, truth: Truth) -> Truth {
        self.lowering.builder.choose(sound, truth, sound)
    }

    fn ternary(
        &mut self,
        condition: &SpannedExpr,
        a: &SpannedExpr,
        b: &SpannedExpr,
        tree: &SpannedExpr,
    ) -> Lowered<Value> {
        let (condition, a, b) = (self.truth(condition), self.lower(a), self.lower(b));
        self.choose(condition?, a?, b?, tree)
    }

    /// CEL `condition ? a : b` of any type that both have.
    pub(super) fn choose(
        &mut self,
        condition: Truth,
        a: Value,
        b: Value,
        tree: &SpannedExpr,
    ) -> Lowered<Value> {
        let is_literal = |number: &Number| number.constant().is_some() || number.exact.is_some();
        if let (Value::Number(a), Value::Number(b)) = (&a, &b)
            && (a.unit == b.unit || is_literal(a) || is_literal(b))
            && let Some((a, b)) = self.alike(*a, *b)
        {
            return Ok(Value::Number(self.choose_number(condition, a, b)));
        }
        Ok(match (a, b) {
            (Value::Truth(a), Value::Truth(b)) => Value::Truth(self.lowering.builder.choose(condition, a, b)),
            (Value::Text(a), Value::Text(b)) => Value::Text(self.choose_text(condition, &a, &b)),
            (Value::Bytes(a), Value::Bytes(b)) => Value::Bytes(self.choose_text(condition, &a, &b)),
            (Value::Null, Value::Null) => Value::Null,
            (Value::List(a), Value::List(b)) => {
                self.check_items(a.items.len() + b.items.len(), tree)?;
                self.step(a.parts() + b.parts(), &tree.span)?;
                let builder = &mut self.lowering.builder;
                let sound = builder.choose(condition, a.sound, b.sound);
                let otherwise = builder.not(condition);
                let mut items = Vec::new();
                for (list, given) in [(a, condition), (b, otherwise)] {
                    for item in list.items {
                        items.push(Item { given: builder.and(given, item.given), value: item.value });
                    }
                }
                Value::List(List { items, sound })
            }
            (a, b) => {
                let message = format!("the two sides of `? :` are {} and {}", a.type_name(), b.type_name());
                return self.refuse(Code::WrongType, &tree.span, message, "expected one type");
            }
        })
    }

    /// `condition ? a : b` of two numbers of one unit.
    pub(super) fn choose_number(&mut self, condition: Truth, a: Number, b: Number) -> Number {
        match self.lowering.builder.known(condition) {
            Some(true) => a,
            Some(false) => b,
            None => {
                let source = self.lowering.builder.choose_number(condition, a.source, b.source);
                Number { exact: self.choose_exact(condition, a, b), ..Number::of(a.unit, source) }
            }
        }
    }

    /// `has(x)`: only what an event may or may not carry can be asked about, and keys of maps.
    pub(super) fn has(&mut self, arg: &SpannedExpr) -> Lowered<Truth> {
        let Some(name) = self.name_of(arg)? else {
            if let Expr::Member { expr, field, .. } = &arg.node {
                return self.has_member(expr, field, arg);
            }
            let message = "`has` asks about a field by name";
            return self.refuse(Code::WrongType, &arg.span, message, "expected a field");
        };
        let (feature, _) = self.feature(&name, &arg.span)?;
        if !self.is_carried(feature) {
            let message = format!("`{name}` is computed and always there; `has` asks what the event carried");
            return self.refuse(Code::WrongType, &arg.span, message, "expected a field of the event");
        }
        Ok(self.lowering.builder.truth(|to| Op::Present { to, feature }))
    }

    /// Whether the feature is a field that an event may leave out.
    pub(super) fn is_carried(&self, id: FeatureId) -> bool {
        let carried = [
            Builtin::Lat,
            Builtin::Lon,
            Builtin::Amount,
            Builtin::Kyc,
            Builtin::Factors,
            Builtin::Face,
            Builtin::Voice,
        ];
        id <= Builtin::Ip.id()
            || carried.iter().any(|builtin| builtin.id() == id)
            || self.lowering.symbols.features.row(id).name.starts_with("ext.")
    }
}

/// An operator as it is written.
pub(super) fn sign(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Add => "+",
        BinaryOp::Sub => "-",
        BinaryOp::Mul => "*",
        BinaryOp::Div => "/",
        BinaryOp::Mod => "%",
        BinaryOp::Eq => "==",
        BinaryOp::Ne => "!=",
        BinaryOp::Lt => "<",
        BinaryOp::Le => "<=",
        BinaryOp::Gt => ">",
        BinaryOp::Ge => ">=",
        BinaryOp::And => "&&",
        BinaryOp::Or => "||",
        BinaryOp::In => "in",
    }
}
