//! How exact each window must be: what rules and limits compare a feature with decides, so that analysts need not.

use std::collections::HashMap;

use engine::feature::FeatureId;
use engine::limits::EXACT_DISTINCT_MAX;
use engine::policy::{Aggregate, Window};

use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::document::Document;
use crate::symbols::Symbols;

/// The distinct values that `distinct` holds exactly unless the file or a comparison asks for more.
const EXACT_DISTINCT: u16 = 16;

/// The windows with the exactness that rules and limits ask of them.
pub(crate) fn windows(
    document: &Document,
    symbols: &Symbols,
    thresholds: &HashMap<FeatureId, i64>,
    limits: &HashMap<FeatureId, i64>,
    sink: &mut Sink,
) -> Vec<Window> {
    let mut windows = symbols.windows.clone();
    for window in &mut windows {
        let asked = |all: &HashMap<FeatureId, i64>| all.get(&window.feature).copied();
        let needed = [asked(thresholds), asked(limits)].into_iter().flatten().max();
        // Every threshold is at most EXACT_COUNT_MAX, so one more still is a small number.
        let needed = needed.map_or(0, |n| n as u16 + 1);
        match window.aggregate {
            Aggregate::Count => window.exact = window.exact.max(needed),
            Aggregate::Distinct(_) => {
                let name = &symbols.features.row(window.feature).name;
                let declared = document.features.iter().find(|feature| feature.name.text == *name);
                if let Some(declared) = declared.filter(|feature| feature.exact.is_some_and(|n| n < needed)) {
                    let message = format!("`{name}` is compared with {}, beyond its `exact`", needed - 1);
                    let fault = Diagnostic::warning(Code::OutOfRange, declared.name.place, message);
                    sink.push(fault.label(format!("{needed} would make the comparison exact")));
                }
                if declared.is_none_or(|feature| feature.exact.is_none()) {
                    window.exact = needed.clamp(EXACT_DISTINCT, EXACT_DISTINCT_MAX as u16);
                }
            }
            _ => {}
        }
    }
    windows
}
