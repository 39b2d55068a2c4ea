//! The walk over a tree: operators that combine, choose and call.

use cel_core::{BinaryOp, Expr, SpannedExpr, UnaryOp};
use engine::feature::{Builtin, FeatureId, Type};
use engine::policy::Witness;
use engine::program::{Comparison, NumberType, Op, Source, Truth};

use super::value::{Number, Text, Unit, Value, decimal};
use super::{Expression, Lowered, Weight};
use crate::cel::dotted;
use crate::diagnostic::Code;

impl Expression<'_, '_> {
    pub(super) fn lower(&mut self, tree: &SpannedExpr) -> Lowered<Value> {
        if let Some(name) = dotted(tree) {
            return self.read(&name, tree);
        }
        match &tree.node {
            Expr::Bool(truth) => Ok(Value::Truth(self.lowering.builder.always(*truth))),
            Expr::Int(n) => Ok(Value::Number(Number::int(*n))),
            Expr::Float(x) => {
                let written = self.text.value.get(tree.span.clone()).unwrap_or("");
                Ok(Value::Number(Number { decimal: decimal(written), ..Number::double(*x) }))
            }
            Expr::String(text) => Ok(Value::Text(Text::Constant(text.clone()))),
            Expr::Unary { op: UnaryOp::Not, expr } => {
                let a = self.truth(expr)?;
                Ok(Value::Truth(self.lowering.builder.not(a)))
            }
            Expr::Unary { op: UnaryOp::Neg, expr } => {
                let number = self.number(expr)?;
                self.negate(number, tree).map(Value::Number)
            }
            Expr::Binary { op, left, right } => self.binary(*op, left, right, tree),
            Expr::Ternary { cond, then_expr, else_expr } => self.choose(cond, then_expr, else_expr, tree),
            Expr::Call { expr, args } => self.call(expr, args, tree),
            _ => self.refuse(Code::Unsupported, &tree.span, "this form is not supported yet", "here"),
        }
    }

    fn read(&mut self, name: &str, tree: &SpannedExpr) -> Lowered<Value> {
        if name == "lists" {
            let message = "`lists` is asked by name, as in `\"vip\" in lists`";
            return self.refuse(Code::WrongType, &tree.span, message, "on its own it is no value");
        }
        let (id, ty) = self.feature(name, &tree.span)?;
        let number = |unit| Value::Number(Number::of(unit, Source::Feature(id)));
        Ok(match ty {
            Type::Bool => {
                let witness = Witness { feature: id, threshold: Source::Constant(1), ty: NumberType::Int };
                self.quote(Weight::Flag, witness);
                Value::Truth(self.lowering.builder.truth(|to| Op::Flag { to, feature: id }))
            }
            Type::Int => number(Unit::Int),
            Type::Money => number(Unit::Money),
            Type::Double => number(Unit::Double),
            Type::Text => Value::Text(Text::Feature(id)),
        })
    }

    pub(super) fn truth(&mut self, tree: &SpannedExpr) -> Lowered<Truth> {
        match self.lower(tree)? {
            Value::Truth(truth) => Ok(truth),
            other => {
                let message = format!("expected true or false, found {}", other.type_name());
                self.refuse(Code::WrongType, &tree.span, message, "expected bool")
            }
        }
    }

    pub(super) fn number(&mut self, tree: &SpannedExpr) -> Lowered<Number> {
        match self.lower(tree)? {
            Value::Number(number) => Ok(number),
            other => {
                let message = format!("expected a number, found {}", other.type_name());
                self.refuse(Code::WrongType, &tree.span, message, "expected a number")
            }
        }
    }

    fn binary(
        &mut self,
        op: BinaryOp,
        left: &SpannedExpr,
        right: &SpannedExpr,
        tree: &SpannedExpr,
    ) -> Lowered<Value> {
        let comparison = match op {
            BinaryOp::And => {
                let (a, b) = (self.truth(left), self.truth(right));
                return Ok(Value::Truth(self.lowering.builder.and(a?, b?)));
            }
            BinaryOp::Or => {
                let (a, b) = (self.truth(left), self.truth(right));
                return Ok(Value::Truth(self.lowering.builder.or(a?, b?)));
            }
            BinaryOp::In => return self.member(left, right, tree).map(Value::Truth),
            BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div | BinaryOp::Mod => {
                let (a, b) = (self.number(left), self.number(right));
                return self.calculate(op, a?, b?, tree).map(Value::Number);
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

    /// `x in [a, b]` and `"name" in lists`.
    fn member(&mut self, left: &SpannedExpr, right: &SpannedExpr, tree: &SpannedExpr) -> Lowered<Truth> {
        if dotted(right).as_deref() == Some("lists") {
            let place = match &left.node {
                Expr::String(name) => self.lowering.lists.get(name).copied(),
                _ => None,
            };
            return match place {
                Some(list) => Ok(self.lowering.on_list(list)),
                None => {
                    self.refuse(Code::UnknownName, &left.span, "no such list", "expected a declared list")
                }
            };
        }
        let Expr::List(elements) = &right.node else {
            let message = "`in` looks into a list written out, or into `lists`";
            return self.refuse(Code::Unsupported, &right.span, message, "expected `[…]` or `lists`");
        };
        if elements.len() > crate::limits::MEMBERS_MAX {
            let message = format!("a list has at most {} members", crate::limits::MEMBERS_MAX);
            return self.refuse(Code::Bound, &right.span, message, "use a declared list");
        }
        let value = self.lower(left)?;
        if let Some(truth) = self.kind_in(&value, elements)? {
            return Ok(truth);
        }
        // CEL makes the list before it looks into it, so a member that fails fails the whole, found or not.
        let mut sound =
            if elements.is_empty() { self.sound(&value) } else { self.lowering.builder.always(true) };
        let mut any = self.lowering.builder.always(false);
        for element in elements {
            let member = self.lower(&element.expr)?;
            let member_sound = self.sound(&member);
            sound = self.lowering.builder.and(sound, member_sound);
            let equal = self.compare(Comparison::Equal, value.clone(), member, tree)?;
            any = self.lowering.builder.or(any, equal);
        }
        Ok(self.lowering.builder.and(any, sound))
    }

    /// True for every value, and a fault where the value is one.
    fn sound(&mut self, value: &Value) -> Truth {
        let builder = &mut self.lowering.builder;
        match value {
            Value::Number(Number { unit, source: a @ Source::Register(_), .. }) => {
                let (a, ty) = (*a, unit.number_type());
                let equal =
                    builder.truth(|to| Op::Compare { to, ty, comparison: Comparison::Equal, a, b: a });
                // A double that is no number equals nothing, itself included.
                let other =
                    builder.truth(|to| Op::Compare { to, ty, comparison: Comparison::NotEqual, a, b: a });
                builder.or(equal, other)
            }
            Value::Truth(truth) if builder.known(*truth).is_none() => {
                let not = builder.not(*truth);
                builder.or(*truth, not)
            }
            _ => builder.always(true),
        }
    }

    fn choose(
        &mut self,
        condition: &SpannedExpr,
        a: &SpannedExpr,
        b: &SpannedExpr,
        tree: &SpannedExpr,
    ) -> Lowered<Value> {
        let (condition, a, b) = (self.truth(condition), self.lower(a), self.lower(b));
        let (condition, a, b) = (condition?, a?, b?);
        match (a, b) {
            (Value::Truth(a), Value::Truth(b)) => {
                Ok(Value::Truth(self.lowering.builder.choose(condition, a, b)))
            }
            (Value::Number(a), Value::Number(b)) if a.unit == b.unit => {
                Ok(Value::Number(match self.lowering.builder.known(condition) {
                    Some(true) => a,
                    Some(false) => b,
                    None => {
                        let (x, y) = (a.source, b.source);
                        let to =
                            self.lowering.builder.number(|to| Op::ChooseNumber { to, condition, a: x, b: y });
                        Number::of(a.unit, Source::Register(to))
                    }
                }))
            }
            (Value::Text(_), Value::Text(_)) => self.refuse(
                Code::Unsupported,
                &tree.span,
                "choosing between texts is not supported yet",
                "here",
            ),
            (a, b) => {
                let message = format!("the two sides of `? :` are {} and {}", a.type_name(), b.type_name());
                self.refuse(Code::WrongType, &tree.span, message, "expected one type")
            }
        }
    }

    fn call(&mut self, callee: &SpannedExpr, args: &[SpannedExpr], tree: &SpannedExpr) -> Lowered<Value> {
        match (&callee.node, args) {
            (Expr::Ident(name), [arg]) => match name.as_str() {
                "has" => self.has(arg).map(Value::Truth),
                "size" => self.size(arg).map(Value::Number),
                "int" => {
                    let number = self.number(arg)?;
                    self.truncate(number, tree).map(Value::Number)
                }
                "double" => {
                    let number = self.number(arg)?;
                    Ok(Value::Number(self.widen(number)))
                }
                _ => self.refuse(
                    Code::Unsupported,
                    &callee.span,
                    format!("`{name}` is not supported yet"),
                    "here",
                ),
            },
            (Expr::Member { expr, field, .. }, []) if field == "size" => self.size(expr).map(Value::Number),
            (Expr::Member { expr, field, .. }, [arg]) => {
                self.text_test(expr, field, arg, callee).map(Value::Truth)
            }
            _ => self.refuse(Code::Unsupported, &tree.span, "this call is not supported yet", "here"),
        }
    }

    /// `has(x)`: only what an event may or may not carry can be asked about.
    fn has(&mut self, arg: &SpannedExpr) -> Lowered<Truth> {
        let Some(name) = dotted(arg) else {
            return self.refuse(
                Code::WrongType,
                &arg.span,
                "`has` asks about a field by name",
                "expected a field",
            );
        };
        let (feature, _) = self.feature(&name, &arg.span)?;
        if !is_carried(feature) && !name.starts_with("ext.") {
            let message = format!("`{name}` is computed and always there; `has` asks what the event carried");
            return self.refuse(Code::WrongType, &arg.span, message, "expected a field of the event");
        }
        Ok(self.lowering.builder.truth(|to| Op::Present { to, feature }))
    }
}

/// Whether the feature is a field that an event may leave out.
fn is_carried(id: FeatureId) -> bool {
    let carried = [
        Builtin::Lat,
        Builtin::Lon,
        Builtin::Amount,
        Builtin::Kyc,
        Builtin::Factors,
        Builtin::Face,
        Builtin::Voice,
    ];
    id <= Builtin::Ip.id() || carried.iter().any(|builtin| builtin.id() == id)
}
