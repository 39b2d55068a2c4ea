//! Names of an expression against the names that exist, before types are looked at.
//!
//! The checker underneath knows one segment of a dotted name at a time; a person who wrote `device.emulatr` wants to hear
//! about `device.emulator`. Functions are held against what the engine can run.

use cel_core::{BinaryOp, Expr, SpannedExpr};

use super::text::Text;
use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::symbols::Symbols;
use crate::yaml::values;

/// Functions that the engine runs.
const FUNCTIONS: [&str; 7] = ["has", "int", "double", "size", "startsWith", "endsWith", "contains"];

/// Functions and macros of CEL that it does not run yet.
const NOT_YET: [&str; 26] = [
    "all",
    "bool",
    "bytes",
    "duration",
    "dyn",
    "exists",
    "exists_one",
    "filter",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
    "lowerAscii",
    "map",
    "matches",
    "string",
    "timestamp",
    "type",
    "uint",
    "upperAscii",
];

/// The whole name of a chain such as `device.id`; `None` for anything else.
pub(crate) fn dotted(tree: &SpannedExpr) -> Option<String> {
    match &tree.node {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Member { expr, field, optional: false } => Some(format!("{}.{field}", dotted(expr)?)),
        _ => None,
    }
}

/// Reports every name of the tree that nothing declares; whether every name stands.
pub(crate) fn check(tree: &SpannedExpr, symbols: &Symbols, text: &Text<'_>, sink: &mut Sink) -> bool {
    let errors = sink.errors();
    let mut walk = Walk { symbols, text, sink, faulty: false };
    walk.check(tree);
    !walk.faulty && sink.errors() == errors
}

struct Walk<'w> {
    symbols: &'w Symbols,
    text: &'w Text<'w>,
    sink: &'w mut Sink,
    /// A name was met whose own declaration is at fault.
    faulty: bool,
}

impl Walk<'_> {
    fn check(&mut self, tree: &SpannedExpr) {
        if let Some(name) = dotted(tree) {
            return self.check_name(&name, tree);
        }
        match &tree.node {
            Expr::Unary { expr, .. } => self.check(expr),
            Expr::Binary { op: BinaryOp::In, left, right } if dotted(right).as_deref() == Some("lists") => {
                self.check_list_name(left);
            }
            Expr::Binary { left, right, .. } => {
                self.check(left);
                self.check(right);
            }
            Expr::Ternary { cond, then_expr, else_expr } => {
                for part in [cond, then_expr, else_expr] {
                    self.check(part);
                }
            }
            Expr::List(elements) => elements.iter().for_each(|element| self.check(&element.expr)),
            Expr::Call { expr, args } => self.check_call(expr, args),
            Expr::Member { expr, .. } => {
                self.check(expr);
                self.unsupported("fields of a computed value", tree);
            }
            Expr::Bool(_) | Expr::Int(_) | Expr::Float(_) | Expr::String(_) | Expr::Ident(_) => {}
            Expr::UInt(_) => self.unsupported("an unsigned number", tree),
            Expr::Bytes(_) => self.unsupported("a byte string", tree),
            Expr::Null => self.unsupported("`null`", tree),
            Expr::Map(_) | Expr::Struct { .. } => self.unsupported("a map", tree),
            Expr::Index { .. } => self.unsupported("an index", tree),
            Expr::RootIdent(_) => self.unsupported("a name that begins with a dot", tree),
            Expr::Comprehension(_) | Expr::Bind { .. } | Expr::MemberTestOnly { .. } | Expr::Error => {
                self.unsupported("this form", tree);
            }
        }
    }

    /// Reports a form of CEL that the engine cannot run yet.
    fn unsupported(&mut self, what: &str, tree: &SpannedExpr) {
        let message = format!("{what} is not supported yet");
        self.sink.push(Diagnostic::error(Code::Unsupported, self.text.place(&tree.span), message));
    }

    fn check_name(&mut self, name: &str, tree: &SpannedExpr) {
        if self.symbols.features.find(name).is_some() || name == "lists" {
            return;
        }
        if self.symbols.faulty.contains(name) {
            self.faulty = true;
            return;
        }
        let place = self.text.place(&tree.span);
        let group: Vec<&str> = self
            .symbols
            .features
            .iter()
            .map(|(_, feature)| feature.name.as_str())
            .filter(|known| known.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
            .collect();
        let fault = if group.is_empty() {
            let known = self.symbols.features.iter().map(|(_, feature)| feature.name.as_str());
            Diagnostic::error(
                Code::UnknownName,
                place,
                format!("nothing is named `{}`", values::shortened(name)),
            )
            .label("expected a field, an ext field or a feature")
            .nearest(name, known)
        } else {
            let message = format!("`{name}` is a group, not a value");
            Diagnostic::error(Code::UnknownName, place, message)
                .label(format!("expected {}", values::listed(&group)))
        };
        self.sink.push(fault);
    }

    fn check_list_name(&mut self, left: &SpannedExpr) {
        let place = self.text.place(&left.span);
        let fault = match &left.node {
            Expr::String(name) if self.symbols.list_numbers.contains_key(name) => return,
            Expr::String(name) if self.symbols.faulty.contains(name) => {
                self.faulty = true;
                return;
            }
            Expr::String(name) => Diagnostic::error(
                Code::UnknownName,
                place,
                format!("no list is named `{}`", values::shortened(name)),
            )
            .label("expected a list declared under `lists:`")
            .nearest(name, self.symbols.list_numbers.keys().map(String::as_str)),
            _ => Diagnostic::error(
                Code::WrongType,
                place,
                "`lists` is asked by name, as in `\"vip\" in lists`",
            )
            .label("expected the name of a list in quotes"),
        };
        self.sink.push(fault);
    }

    fn check_call(&mut self, callee: &SpannedExpr, args: &[SpannedExpr]) {
        let (name, receiver) = match &callee.node {
            Expr::Ident(name) => (name, None),
            Expr::Member { expr, field, .. } => (field, Some(expr)),
            _ => return self.unsupported("a call of a computed function", callee),
        };
        if !FUNCTIONS.contains(&name.as_str()) {
            let place = self.text.place(&callee.span);
            let fault = if NOT_YET.contains(&name.as_str()) {
                Diagnostic::error(Code::Unsupported, place, format!("`{name}` is not supported yet"))
            } else {
                let message = format!("no function is named `{}`", values::shortened(name));
                Diagnostic::error(Code::UnknownName, place, message)
                    .label(format!("expected one of {}", FUNCTIONS.join(", ")))
                    .nearest(name, FUNCTIONS)
            };
            // What stands inside an unknown function or macro may be its own names.
            return self.sink.push(fault);
        }
        receiver.into_iter().for_each(|receiver| self.check(receiver));
        args.iter().for_each(|arg| self.check(arg));
    }
}
