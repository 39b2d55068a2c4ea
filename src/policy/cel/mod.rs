//! The expression front: text to a tree whose names and types are known to hold.
//!
//! CEL is parsed and type-checked by cel-core against the feature table as declared variables. Macros are left
//! unexpanded: `has(x)` must take plain names, and the others are refused with their own words rather than as loops.

mod bounds;
mod declare;
mod explain;
mod names;
pub(crate) mod text;

use cel_core::parser::{ParseOptions, parse_with_options};
use cel_core::{Env, SpannedExpr};
pub(crate) use declare::is_reserved;
pub(crate) use names::dotted;

use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::symbols::Symbols;
use text::Text;

/// Checks expressions against one set of names.
pub(crate) struct Front<'t> {
    env: Env,
    symbols: &'t Symbols,
}

impl<'t> Front<'t> {
    /// A front that knows these features and lists.
    pub(crate) fn new(symbols: &'t Symbols) -> Front<'t> {
        Front { env: declare::environment(&symbols.features), symbols }
    }

    /// The tree of an expression; its faults go to the sink.
    pub(crate) fn check(&self, text: &Text<'_>, sink: &mut Sink) -> Option<SpannedExpr> {
        if let Some(message) = bounds::too_large(text.value) {
            sink.push(Diagnostic::error(Code::Bound, text.place, message));
            return None;
        }
        if text.value.trim().is_empty() {
            sink.push(Diagnostic::error(Code::Expression, text.place, "an expression is empty"));
            return None;
        }
        let errors = sink.errors();
        let parsed = parse_with_options(text.value, ParseOptions::without_macros());
        // After the first syntax error the rest is guesswork.
        if let Some(error) = parsed.errors.first() {
            sink.push(explain::syntax(error, text));
            return None;
        }
        let tree = parsed.ast?;
        if !names::check(&tree, self.symbols, text, sink) {
            return None;
        }
        let checked = self.env.check(&tree);
        for error in &checked.errors {
            if let Some(fault) = explain::typing(error, text) {
                sink.push(fault);
            }
        }
        (sink.errors() == errors).then_some(tree)
    }
}
