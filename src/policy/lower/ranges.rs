//! Comparisons that the range of a feature decides: true or false for every event, so hardly what was meant.

use std::cmp::Ordering;

use cel_core::SpannedExpr;
use engine::feature::{Builtin, FeatureId, Type};
use engine::policy::Aggregate;
use engine::program::Comparison;

use super::compare::{order, sign};
use super::value::{Constant, Number};
use super::{Expression, Moment};
use crate::diagnostic::{Code, Diagnostic};

/// What the values of a feature lie between, in the units of its column; `None` for no bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Range {
    low: Option<Constant>,
    high: Option<Constant>,
    /// Whether it may be no number at all, which every comparison but `!=` is false of.
    maybe_nan: bool,
}

const fn ints(low: i64, high: i64) -> Range {
    Range { low: Some(Constant::Int(low)), high: Some(Constant::Int(high)), maybe_nan: false }
}

const fn from(low: i64) -> Range {
    Range { low: Some(Constant::Int(low)), high: None, maybe_nan: false }
}

/// The range of a built-in number.
fn builtin(id: FeatureId) -> Option<Range> {
    const RANGES: [(Builtin, Range); 26] = [
        (Builtin::Lat, Range { maybe_nan: true, ..ints(-90, 90) }),
        (Builtin::Lon, Range { maybe_nan: true, ..ints(-180, 180) }),
        (Builtin::Amount, from(0)),
        (Builtin::Kyc, ints(0, 3)),
        (Builtin::Factors, ints(0, 3)),
        (Builtin::Face, ints(0, 1)),
        (Builtin::Voice, ints(0, 1)),
        (Builtin::Hour, ints(0, 23)),
        (Builtin::Weekday, ints(1, 7)),
        (Builtin::TextBytes, ints(0, wire::limits::TEXT_BYTES_MAX as i64)),
        (Builtin::TokenAge, from(0)),
        (Builtin::AccountAge, from(0)),
        (Builtin::AccountEvents, from(0)),
        (Builtin::AccountIdle, from(-1)),
        (Builtin::DeviceAge, from(0)),
        (Builtin::DeviceAccounts, ints(0, 9)),
        (Builtin::DeviceIdle, from(-1)),
        (Builtin::AccountDevices, ints(0, 6)),
        (Builtin::AmountMean, from(0)),
        (Builtin::DistanceKm, from(0)),
        (Builtin::SpeedKmh, from(0)),
        (Builtin::AmountRatio, from(0)),
        (Builtin::HourShare, ints(0, 1)),
        (Builtin::ModelScore, ints(0, 1)),
        (Builtin::AnomalyScore, ints(0, 1)),
        (Builtin::Score, ints(0, 1)),
    ];
    RANGES.iter().find(|(builtin, _)| builtin.id() == id).map(|(_, range)| *range)
}

impl Expression<'_, '_> {
    fn range(&self, id: FeatureId) -> Option<Range> {
        let Some(window) = self.lowering.symbols.windows.iter().find(|window| window.feature == id) else {
            return builtin(id);
        };
        // What lies within the window is younger than it is long.
        let seconds_max = (window.window_ms - 1) / 1000;
        Some(match window.aggregate {
            Aggregate::Last => ints(-1, seconds_max),
            Aggregate::First => ints(0, seconds_max),
            // Of numbers that are summed negative ones count as nothing.
            Aggregate::Count | Aggregate::Distinct(_) | Aggregate::Sum(_) | Aggregate::Max(_) => from(0),
        })
    }

    /// Warns where no value of the feature makes the comparison come out one way or the other.
    pub(super) fn check_range(
        &mut self,
        id: FeatureId,
        comparison: Comparison,
        constant: Constant,
        number: Number,
        tree: &SpannedExpr,
    ) {
        let symbols = self.lowering.symbols;
        let row = symbols.features.row(id);
        // Money stands in whole units of its smallest decimal; what is beside it, in major ones.
        let constant = match row.ty {
            Type::Money => match self.as_money(number, self.places()).and_then(Number::constant) {
                Some(constant) => constant,
                None => return,
            },
            _ => constant,
        };
        let Some(range) = self.range(id).filter(|_| self.lowering.moment != Moment::Alone) else { return };
        let Some(decided) = decided(range, comparison, constant) else { return };
        let shown = |bound: Option<Constant>| match bound {
            Some(Constant::Int(n)) => n.to_string(),
            _ => String::new(),
        };
        let expected = match range.high {
            Some(_) => format!("`{}` is from {} to {}", row.name, shown(range.low), shown(range.high)),
            None => format!("`{}` is {} or more", row.name, shown(range.low)),
        };
        let how = if decided { "always true" } else { "never true" };
        let message = format!("this comparison by `{}` is {how}", sign(comparison));
        let fault = Diagnostic::warning(Code::OutOfRange, self.text.place(&tree.span), message);
        self.sink.push(fault.label(expected));
    }
}

/// The outcome of a comparison that is the same for every value of the range.
fn decided(range: Range, comparison: Comparison, constant: Constant) -> Option<bool> {
    let low = range.low.and_then(|low| order(low, constant));
    let high = range.high.and_then(|high| order(high, constant));
    // Every value is over the constant, at least it, at most it, under it.
    let over = low.is_some_and(Ordering::is_gt);
    let at_least = low.is_some_and(Ordering::is_ge);
    let at_most = high.is_some_and(Ordering::is_le);
    let under = high.is_some_and(Ordering::is_lt);
    let (always, never) = match comparison {
        Comparison::Equal => (over && under, over || under),
        Comparison::NotEqual => (over || under, false),
        Comparison::Less => (under, at_least),
        Comparison::LessOrEqual => (at_most, over),
        Comparison::Greater => (over, at_most),
        Comparison::GreaterOrEqual => (at_least, under),
    };
    match (always && !range.maybe_nan, never) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_decides_what_lies_beyond_it() {
        use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
        let kyc = |comparison, n| decided(ints(0, 3), comparison, Constant::Int(n));
        assert_eq!(kyc(Greater, 3), Some(false));
        assert_eq!(kyc(Greater, 2), None);
        assert_eq!(kyc(GreaterOrEqual, 0), Some(true));
        assert_eq!(kyc(LessOrEqual, 3), Some(true));
        assert_eq!((kyc(Less, 0), kyc(Less, 4), kyc(Less, 3)), (Some(false), Some(true), None));
        assert_eq!((kyc(Equal, 4), kyc(NotEqual, -1), kyc(Equal, 3)), (Some(false), Some(true), None));
        let lat = Range { maybe_nan: true, ..ints(-90, 90) };
        assert_eq!(decided(lat, LessOrEqual, Constant::Double(90.0)), None);
        assert_eq!(decided(lat, Greater, Constant::Double(90.5)), Some(false));
        assert_eq!(decided(from(0), Less, Constant::Double(0.5)), None);
    }
}
