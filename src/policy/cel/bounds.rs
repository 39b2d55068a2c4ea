//! Bounds an expression before it is parsed: the parser and checker underneath recurse on what they read.

use crate::limits::{EXPRESSION_BYTES_MAX, EXPRESSION_MARKS_MAX};

/// Why an expression is too large to parse, if it is.
///
/// Marks are counted in strings as well: the count may be too high but never too low, whatever the quoting.
pub(crate) fn too_large(expression: &str) -> Option<String> {
    if expression.len() > EXPRESSION_BYTES_MAX {
        return Some(format!("an expression has at most {EXPRESSION_BYTES_MAX} bytes"));
    }
    let is_mark = |b: &u8| b"()[]{}?!-+*/%<>=&|.:".contains(b);
    let marks = expression.bytes().filter(|b| is_mark(b)).count() + expression.matches("in").count();
    (marks > EXPRESSION_MARKS_MAX)
        .then(|| format!("an expression has at most {EXPRESSION_MARKS_MAX} operators and brackets"))
}
