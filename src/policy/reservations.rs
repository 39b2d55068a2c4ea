//! What limits say of their reservations: when one without an outcome ends, and what becomes of events without an amount.

use std::collections::HashMap;

use engine::feature::Type;
use engine::policy::Aggregate;
use wire::Kind;

use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::document::limit::Limit;
use crate::symbols::Symbols;

/// Milliseconds after which a reservation without an outcome ends, by place of its window.
pub(crate) type Timeouts = HashMap<usize, Option<i64>>;

/// Takes in when reservations of a limit without an outcome end. They are those of its feature, so all limits of one feature
/// say the same.
pub(crate) fn time_out(
    declared: &Limit,
    window: usize,
    symbols: &Symbols,
    timeouts: &mut Timeouts,
    sink: &mut Sink,
) {
    let of = &symbols.windows[window];
    let name = &symbols.features.row(of.feature).name;
    let place = declared.release_after.map_or(declared.refusal.place, |(_, place)| place);
    let after_ms = declared.release_after.map(|(ms, _)| ms);
    if after_ms.is_some_and(|ms| ms >= of.window_ms) {
        let message = format!("`release_after` is no shorter than the window of `{name}`");
        let fault = Diagnostic::error(Code::OutOfRange, place, message)
            .label("a reservation leaves its window before")
            .help("without `release_after` it counts until its window has passed");
        sink.push(fault);
        return;
    }
    let first = *timeouts.entry(window).or_insert(after_ms);
    if first != after_ms {
        let message = format!("another limit on `{name}` has another `release_after`, or none");
        let fault = Diagnostic::error(Code::OutOfRange, place, message)
            .label("limits on one feature share its reservations")
            .help("say the same in all of them, or declare the feature twice");
        sink.push(fault);
    }
}

/// Warns of a limit on amounts over kinds of event that mostly have none, unless it says what it does with those.
pub(crate) fn warn_of_absence(declared: &Limit, window: usize, symbols: &Symbols, sink: &mut Sink) {
    let of = &symbols.windows[window];
    let sums_money =
        matches!(of.aggregate, Aggregate::Sum(_)) && symbols.features.row(of.feature).ty == Type::Money;
    if !sums_money || declared.absent.is_some() {
        return;
    }
    let without = [Kind::Login, Kind::Bind, Kind::Scan].into_iter().filter(|kind| of.kinds.has(*kind));
    let without: Vec<&str> = without.map(Kind::name).collect();
    if let (false, Some(name)) = (without.is_empty(), &declared.feature) {
        let message = format!("`{}` takes in {}, which seldom have an amount", name.text, without.join(", "));
        let fault = Diagnostic::warning(Code::OutOfRange, name.place, message)
            .label("this limit refuses every event without an amount")
            .help("say `absent: deny` to keep it so, or `absent: skip` to let them pass");
        sink.push(fault);
    }
}
