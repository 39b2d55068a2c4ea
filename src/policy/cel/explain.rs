//! Errors of the parser and checker underneath, in the words of rule files.

use cel_core::{CheckError, CheckErrorKind, ParseError};

use super::text::Text;
use crate::diagnostic::{Code, Diagnostic};

/// A syntax error.
pub(crate) fn syntax(error: &ParseError, text: &Text<'_>) -> Diagnostic {
    let place = text.place(&error.span);
    let mut fault =
        Diagnostic::error(Code::Expression, place, format!("not an expression: {}", plain(&error.message)));
    let found = text.value.get(error.span.clone()).unwrap_or("");
    match (found, text.value) {
        ("=", _) => fault = fault.help("equality is written `==`"),
        ("&", _) => fault = fault.help("and is written `&&`"),
        ("|", _) => fault = fault.help("or is written `||`"),
        ("and" | "AND", _) => fault = fault.help("and is written `&&`"),
        ("or" | "OR", _) => fault = fault.help("or is written `||`"),
        ("not" | "NOT", _) => fault = fault.help("not is written `!`"),
        _ => {}
    }
    fault.label("the expression breaks here")
}

/// The parser shows its own types for tokens; the first line without them is what helps.
fn plain(message: &str) -> String {
    let cut = message.replace("found None", "but the expression ends").replace("Some(", "").replace(')', "");
    if message.contains("Some(") { cut } else { message.replace("found None", "but the expression ends") }
}

/// A type error; `None` for names, which [`super::names`] reports better.
pub(crate) fn typing(error: &CheckError, text: &Text<'_>) -> Option<Diagnostic> {
    let place = text.place(&error.span);
    let (message, help) = match &error.kind {
        CheckErrorKind::UndeclaredReference { .. } | CheckErrorKind::UndefinedField { .. } => return None,
        CheckErrorKind::NoMatchingOverload { function, arg_types } => {
            let types: Vec<String> = arg_types.iter().map(type_name).collect();
            let mixes = |a: &str, b: &str| types.iter().any(|t| t == a) && types.iter().any(|t| t == b);
            let help = mixes("int", "double").then_some("convert one side with `double(…)` or `int(…)`");
            (unfit(function, &types), help)
        }
        CheckErrorKind::TypeMismatch { expected, actual } => {
            (format!("expected {}, found {}", type_name(expected), type_name(actual)), None)
        }
        other => (other.to_string(), None),
    };
    let fault = Diagnostic::error(Code::WrongType, place, message).label("these types do not fit");
    Some(match help {
        Some(help) => fault.help(help),
        None => fault,
    })
}

/// The name of a type as rule files say it.
fn type_name(ty: &cel_core::CelType) -> String {
    match ty {
        cel_core::CelType::String => "text".to_owned(),
        cel_core::CelType::Abstract { name, .. } => name.to_string(),
        cel_core::CelType::List(inner) => format!("a list of {}", type_name(inner)),
        other => other.display_name(),
    }
}

fn unfit(function: &str, types: &[String]) -> String {
    let operator = function.trim_matches('_').trim_start_matches('@');
    match (operator, types) {
        ("?_:", [_, a, b]) => format!("the two sides of `? :` are {a} and {b}"),
        (_, [a]) => format!("`{operator}` does not take {a}"),
        (_, [a, b]) if function.starts_with('_') || function.starts_with('@') => {
            format!("`{operator}` does not take {a} and {b}")
        }
        _ => format!("`{operator}` does not take ({})", types.join(", ")),
    }
}
