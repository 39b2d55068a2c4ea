//! Errors of the parser underneath, in the words of rule files.

use cel_core::ParseError;

use super::text::Text;
use crate::advice;
use crate::diagnostic::{Code, Diagnostic};

/// A syntax error.
pub(crate) fn syntax(error: &ParseError, text: &Text<'_>) -> Diagnostic {
    let place = text.place(&error.span);
    let fault =
        Diagnostic::error(Code::Expression, place, format!("not an expression: {}", plain(&error.message)));
    let found = text.value.get(error.span.clone()).unwrap_or("");
    let fault = fault.label("the expression breaks here");
    match advice::syntax(text.value, error.span.start, found) {
        Some(advice) => fault.help(advice),
        None => fault,
    }
}

/// The parser shows its own types for tokens; the first line without them is what helps.
fn plain(message: &str) -> String {
    let cut = message.replace("found None", "but the expression ends").replace("Some(", "").replace(')', "");
    if message.contains("Some(") { cut } else { message.replace("found None", "but the expression ends") }
}
