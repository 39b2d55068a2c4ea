//! The span of time of `--from` and `--to`.

use std::ops::Range;

use events::show_instant;

use crate::outcome::Failure;

/// From one up to, but without, the other; all of time where neither is given.
///
/// # Errors
/// If nothing can lie in it.
pub fn span(from: Option<i64>, to: Option<i64>) -> Result<Range<i64>, Failure> {
    let span = from.unwrap_or(i64::MIN)..to.unwrap_or(i64::MAX);
    if span.is_empty() {
        let [from, to] = [span.start, span.end].map(show_instant);
        return Err(Failure(format!("--from {from} is not before --to {to}: nothing lies between")));
    }
    Ok(span)
}

/// Why nothing was found: there is nothing at all, or nothing in that span.
pub fn nothing(from: Option<i64>, to: Option<i64>) -> String {
    match (from.map(show_instant), to.map(show_instant)) {
        (None, None) => "it has no rows".to_owned(),
        (Some(from), None) => format!("no row of it is of {from} or later, see --from"),
        (None, Some(to)) => format!("no row of it is earlier than {to}, see --to"),
        (Some(from), Some(to)) => format!("no row of it lies from {from} to {to}, see --from and --to"),
    }
}
