//! How exact each window must be: what rules and limits compare a feature with decides, so that analysts need not.

use std::collections::HashMap;

use engine::feature::FeatureId;
use engine::limits::{EXACT_COUNT_MAX, EXACT_DISTINCT_MAX};
use engine::policy::{Aggregate, Window};

use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::document::Document;
use crate::document::feature::Feature;
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
        // The others are exact by themselves.
        let most = match window.aggregate {
            Aggregate::Count => EXACT_COUNT_MAX as u16 + 1,
            Aggregate::Distinct(_) => EXACT_DISTINCT_MAX as u16,
            _ => continue,
        };
        // Every threshold is at most EXACT_COUNT_MAX, so one more still is a small number.
        let enough_for = |n: i64| (n as u16 + 1).min(most);
        let is_distinct = matches!(window.aggregate, Aggregate::Distinct(_));
        // What the file has to say for that many, as `exact` is read.
        let said_for = |n: i64| if is_distinct { enough_for(n) } else { n as u16 };
        let asked = |all: &HashMap<FeatureId, i64>| all.get(&window.feature).copied();
        let row = symbols.features.row(window.feature);
        let declared = document.features.iter().find(|feature| feature.name.text == row.name);
        let limited = document.limits.iter().filter_map(|limit| limit.feature.as_ref());
        let others = acting.read.contains(&window.feature)
            || limited.into_iter().any(|word| word.text == row.name)
            || declared.is_some_and(|feature| feature.for_model);
        let live = [asked(&acting.thresholds), asked(limits)].into_iter().flatten().max();
        let watched = asked(&watching.thresholds);
        let needed = if others { live } else { live.max(watched) };
        let own = declared.is_some_and(|feature| feature.exact.is_some());
        match needed.map(|n| (n, enough_for(n))) {
            Some((n, enough)) if is_distinct && own && window.exact < enough => {
                let message = format!("`{}` is compared with {n}, beyond its `exact`", row.name);
                warn(declared, message, format!("{enough} would make the comparison exact"), sink);
            }
            Some((_, enough)) if !(is_distinct && own) => window.exact = window.exact.max(enough),
            _ => {}
        }
        if is_distinct && !own {
            window.exact = window.exact.max(EXACT_DISTINCT);
        }
        if let Some(n) = watched.filter(|n| others && enough_for(*n) > window.exact) {
            let message =
                format!("`{}` is compared with {n} by no rule that acts, and is not exact there", row.name);
            warn(declared, message, format!("`exact: {}` would make it so", said_for(n)), sink);
        }
    }
    windows
}

fn warn(declared: Option<&Feature>, message: String, label: String, sink: &mut Sink) {
    if let Some(declared) = declared {
        sink.push(Diagnostic::warning(Code::OutOfRange, declared.name.place, message).label(label));
    }
}
