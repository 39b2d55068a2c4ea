//! The expression front: text to a tree. Names and types are looked at where the tree is lowered.
//!
//! CEL is parsed by cel-core. Macros are left unexpanded: over lists that are known when the policy is compiled they
//! become plain conditions, which is cheaper than the loops that the expansion would make of them.

mod bounds;
mod explain;
mod reserved;
pub(crate) mod text;

use cel_core::parser::{ParseOptions, parse_with_options};
use cel_core::{Expr, SpannedExpr};
pub(crate) use reserved::is_reserved;

use crate::diagnostic::{Code, Diagnostic, Sink};
use text::Text;

/// The tree of an expression; its faults go to the sink.
pub(crate) fn parse(text: &Text<'_>, sink: &mut Sink) -> Option<SpannedExpr> {
    if let Some(message) = bounds::too_large(text.value) {
        sink.push(Diagnostic::error(Code::Bound, text.place, message));
        return None;
    }
    if text.value.trim().is_empty() {
        sink.push(Diagnostic::error(Code::Expression, text.place, "an expression is empty"));
        return None;
    }
    let parsed = parse_with_options(text.value, ParseOptions::without_macros());
    // After the first syntax error the rest is guesswork.
    if let Some(error) = parsed.errors.first() {
        sink.push(explain::syntax(error, text));
        return None;
    }
    parsed.ast
}

/// The names of a chain such as `device.id`, from the first on; `None` for anything else.
pub(crate) fn dotted(tree: &SpannedExpr) -> Option<Vec<&str>> {
    let (mut tree, mut names) = (tree, Vec::new());
    loop {
        match &tree.node {
            Expr::Member { expr, field, optional: false } => {
                names.push(field.as_str());
                tree = expr;
            }
            Expr::Ident(name) => {
                names.push(name);
                names.reverse();
                return Some(names);
            }
            _ => return None,
        }
    }
}
