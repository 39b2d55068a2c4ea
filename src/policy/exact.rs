//! How exact each window must be: what rules and limits compare a feature with decides, so that analysts need not.

use std::collections::HashMap;

use engine::feature::FeatureId;
use engine::limits::EXACT_DISTINCT_MAX;
use engine::policy::{Aggregate, Window};

use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::document::Document;
use crate::lower::Asked;
use crate::symbols::Symbols;

/// The distinct values that `distinct` holds exactly unless the file or a comparison asks for more.
const EXACT_DISTINCT: u16 = 16;

/// The windows with the exactness that rules and limits ask of them.
///
/// A rule in shadow, or off, asks nothing of a window that others read: its exactness is part of what they see.
pub(crate) fn windows(
    document: &Document,
    symbols: &Symbols,
    [acting, watching]: [&Asked; 2],
    limits: &HashMap<FeatureId, i64>,
    sink: &mut Sink,
) -> Vec<Window> {
    let mut windows = symbols.windows.clone();
    for window in &mut windows {
        let asked = |all: &HashMap<FeatureId, i64>| all.get(&window.feature).copied();
        let mut needed = [asked(&acting.thresholds), asked(limits)].into_iter().flatten().max();
        let row = symbols.features.row(window.feature);
        let declared = document.features.iter().find(|feature| feature.name.text == row.name);
        if let Some(watched) = asked(&watching.thresholds).filter(|n| needed.is_none_or(|needed| needed < *n))
        {
            let limited = document.limits.iter().filter_map(|limit| limit.feature.as_ref());
            let others = acting.read.contains(&window.feature)
                || limited.into_iter().any(|word| word.text == row.name)
                || declared.is_some_and(|feature| feature.for_model);
            if !others {
                needed = Some(watched);
            } else if let Some(declared) = declared.filter(|_| i64::from(window.exact) <= watched) {
                let message = format!(
                    "`{}` is compared with {watched} by no rule that acts, and is not exact there",
                    row.name
                );
                let fault = Diagnostic::warning(Code::OutOfRange, declared.name.place, message);
                sink.push(fault.label(format!("`exact: {}` would make it so", watched + 1)));
            }
        }
        // Every threshold is at most EXACT_COUNT_MAX, so one more still is a small number.
        let needed = needed.map_or(0, |n| n as u16 + 1);
        match window.aggregate {
            Aggregate::Count => window.exact = window.exact.max(needed),
            Aggregate::Distinct(_) => {
                let name = &row.name;
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
