//! `features:` — velocity features: an aggregate, the events it takes in, the key, and the window.

use engine::limits::{EXACT_COUNT_MAX, EXACT_DISTINCT_MAX, KEY_FIELDS_MAX};
use engine::policy::Status;
use engine::program::Kinds;

use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::yaml::fields::Fields;
use crate::yaml::{Node, Word, values};

/// What is computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Aggregate {
    Count,
    Sum(Word),
    Max(Word),
    Distinct(Word),
    Last,
    First,
}

/// A declared velocity feature.
pub(crate) struct Feature {
    pub name: Word,
    pub aggregate: Aggregate,
    pub kinds: Kinds,
    pub key: Vec<Word>,
    pub window_ms: i64,
    /// As the file wrote the window, for the feature's description.
    pub window: String,
    pub status: Option<Status>,
    pub exact: Option<u16>,
}

const AGGREGATES: [&str; 6] = ["count", "sum", "distinct", "last", "first", "max"];
const STATUSES: [(&str, Status); 2] = [("attempt", Status::Attempt), ("approved", Status::Approved)];

pub(crate) fn read(name: &Word, node: &Node, sink: &mut Sink) -> Option<Feature> {
    let named = super::check_expression_name(name, "a feature", sink);
    let mut fields = Fields::of(node, "a feature", sink)?;
    let aggregate = read_aggregate(&mut fields, sink);
    // count, last and first name their events themselves; the others say `on`.
    let on = fields.entry("on");
    let kinds = match (&aggregate, on) {
        (Some((_, Some(_))), Some((word, _))) => {
            let message = "the events of count, last and first stand in the aggregate itself";
            sink.push(Diagnostic::error(Code::UnknownKey, word.place, message).label("say them once"));
            None
        }
        (Some((_, Some(kinds))), None) => Some(*kinds),
        (_, Some((_, node))) => Some(super::kinds(node, sink)),
        (_, None) => Some(Kinds::ALL),
    };
    let key = fields.require("by").map(|node| read_key(node, sink)).unwrap_or_default();
    let window_node = fields.require("window");
    let window_ms = window_node.and_then(|node| values::window(node, sink));
    let status = fields.get("status").and_then(|node| values::choice(node, "a status", &STATUSES, sink));
    let exact_max = match &aggregate {
        Some((Aggregate::Distinct(_), _)) => EXACT_DISTINCT_MAX,
        _ => EXACT_COUNT_MAX,
    };
    let exact = fields.entry("exact").and_then(|(word, node)| {
        let counts = matches!(&aggregate, Some((Aggregate::Count | Aggregate::Distinct(_), _)) | None);
        if !counts {
            sink.error(
                Code::UnknownKey,
                word.place,
                "`exact` belongs to count and distinct; the others are exact",
            );
            return None;
        }
        values::integer(node, 0..=exact_max as i64, sink).map(|n| n as u16)
    });
    fields.finish(sink);
    let window =
        window_node.and_then(|node| values::scalar(node, "a window", sink)).unwrap_or_default().to_owned();
    let (aggregate, kinds, window_ms) = (aggregate?.0, kinds?, window_ms?);
    let complete = named && !key.is_empty() && kinds != Kinds(0);
    complete.then_some(Feature {
        name: name.clone(),
        aggregate,
        kinds,
        key,
        window_ms,
        window,
        status,
        exact,
    })
}

/// The aggregate, and the kinds if it names them.
fn read_aggregate(fields: &mut Fields<'_>, sink: &mut Sink) -> Option<(Aggregate, Option<Kinds>)> {
    let found: Vec<_> = AGGREGATES
        .into_iter()
        .filter_map(|name| fields.entry(name).map(|(word, node)| (name, word, node)))
        .collect();
    match found[..] {
        [] => {
            let message = "a feature needs an aggregate";
            let label = format!("expected one of {}", AGGREGATES.join(", "));
            sink.push(Diagnostic::error(Code::MissingKey, fields.head(), message).label(label));
            None
        }
        [(name, _, node)] => {
            let kinds = matches!(name, "count" | "last" | "first").then(|| super::kinds(node, sink));
            let aggregate = match name {
                "count" => Aggregate::Count,
                "last" => Aggregate::Last,
                "first" => Aggregate::First,
                "sum" => Aggregate::Sum(values::word(node, "a number field such as amount", sink)?),
                "max" => Aggregate::Max(values::word(node, "a number field such as amount", sink)?),
                _ => Aggregate::Distinct(values::word(node, "a text field such as account", sink)?),
            };
            Some((aggregate, kinds))
        }
        [_, (name, word, _), ..] => {
            let message = format!("a feature has one aggregate, and `{name}` is a second one");
            sink.error(Code::Duplicate, word.place, message);
            None
        }
    }
}

fn read_key(node: &Node, sink: &mut Sink) -> Vec<Word> {
    let members = values::one_or_many(node, "a field or a list of fields", sink);
    if members.len() > KEY_FIELDS_MAX {
        sink.error(Code::Bound, node.place, format!("a key has at most {KEY_FIELDS_MAX} fields"));
        return Vec::new();
    }
    members.into_iter().filter_map(|member| values::word(member, "a text field", sink)).collect()
}
