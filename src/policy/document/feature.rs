//! `features:` — velocity features: an aggregate, the events it takes in, the key, and the window.

use engine::limits::{EXACT_COUNT_MAX, EXACT_DISTINCT_MAX, KEY_FIELDS_MAX};
use engine::policy::Status;
use engine::program::Kinds;

use crate::diagnostic::{Code, Diagnostic, Place, Sink};
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
    /// None where a fault leaves open what is computed.
    pub aggregate: Option<Aggregate>,
    pub kinds: Option<Kinds>,
    pub key: Vec<Word>,
    pub window_ms: Option<i64>,
    /// As the file wrote the window, for the feature's description.
    pub window: String,
    pub status: Option<Status>,
    pub exact: Option<u16>,
    /// The currency of the events that it takes in, and where that is written.
    pub currency: Option<Stated>,
    /// Whether a model reads it, so that no rule has to.
    pub for_model: bool,
}

const AGGREGATES: [&str; 6] = ["count", "sum", "distinct", "last", "first", "max"];
/// Who reads it.
pub(crate) const READERS: [(&str, bool); 2] = [("rules", false), ("model", true)];
const STATUSES: [(&str, Status); 2] = [("attempt", Status::Attempt), ("approved", Status::Approved)];

pub(crate) fn read(name: &Word, node: &Node, sink: &mut Sink) -> Option<Feature> {
    let named = super::check_expression_name(name, "a feature", sink);
    let mut fields = Fields::of(node, "a feature", sink)?;
    let aggregate = read_aggregate(&mut fields, sink);
    // count, last and first name their events themselves; the others say `on`.
    let on = fields.entry("on");
    let kinds = match (&aggregate, on) {
        (Some((_, Some(_))), Some((word, node))) => {
            let message = "the events of count, last and first stand in the aggregate itself";
            sink.push(Diagnostic::error(Code::UnknownKey, word.place, message).label("say them once"));
            super::kinds(node, sink).and(None)
        }
        (Some((_, Some(kinds))), None) => *kinds,
        (_, Some((_, node))) => super::kinds(node, sink),
        (_, None) => Some(Kinds::ALL),
    };
    let key = fields.require("by").map(|node| read_key(node, sink)).unwrap_or_default();
    let window_node = fields.require("window");
    let window_ms = window_node.and_then(|node| values::window(node, sink));
    let status = fields.get("status").and_then(|node| values::choice(node, "a status", &STATUSES, sink));
    let exact_max = match &aggregate {
        Some((Some(Aggregate::Distinct(_)), _)) => EXACT_DISTINCT_MAX,
        _ => EXACT_COUNT_MAX,
    };
    let exact = fields.entry("exact").and_then(|(word, node)| {
        let counts =
            matches!(&aggregate, Some((Some(Aggregate::Count | Aggregate::Distinct(_)) | None, _)) | None);
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
    let currency = read_currency(&mut fields, sink);
    let for_model = fields.get("for").and_then(|node| values::choice(node, "a reader", &READERS, sink));
    fields.finish(sink);
    let window =
        window_node.and_then(|node| values::scalar(node, "a window", sink)).unwrap_or_default().to_owned();
    let aggregate = aggregate.and_then(|(aggregate, _)| aggregate);
    named.then_some(Feature {
        name: name.clone(),
        aggregate,
        kinds,
        key,
        window_ms,
        window,
        status,
        exact,
        currency,
        for_model: for_model.unwrap_or(false),
    })
}

/// A currency, and where it is written; none where it cannot be read.
pub(crate) type Stated = (Option<[u8; 3]>, Place);

/// The one currency that something is of.
pub(super) fn read_currency(fields: &mut Fields<'_>, sink: &mut Sink) -> Option<Stated> {
    let (_, node) = fields.entry("currency")?;
    Some((values::currency(node, sink), node.place))
}

/// The aggregate, and the kinds if it names them: `None` inside where what was written cannot be read.
type Read = (Option<Aggregate>, Option<Option<Kinds>>);

/// The one aggregate of a feature.
fn read_aggregate(fields: &mut Fields<'_>, sink: &mut Sink) -> Option<Read> {
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
            let number = "a number field such as amount";
            let aggregate = match name {
                "count" => Some(Aggregate::Count),
                "last" => Some(Aggregate::Last),
                "first" => Some(Aggregate::First),
                "sum" => values::word(node, number, sink).map(Aggregate::Sum),
                "max" => values::word(node, number, sink).map(Aggregate::Max),
                _ => values::word(node, "a text field such as account", sink).map(Aggregate::Distinct),
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

pub(super) fn read_key(node: &Node, sink: &mut Sink) -> Vec<Word> {
    let errors = sink.errors();
    let members = values::one_or_many(node, "a field or a list of fields", sink);
    if members.len() > KEY_FIELDS_MAX {
        sink.error(Code::Bound, node.place, format!("a key has at most {KEY_FIELDS_MAX} fields"));
        return Vec::new();
    }
    if members.is_empty() && sink.errors() == errors {
        sink.error(Code::Bound, node.place, "a key has at least one field");
    }
    members.into_iter().filter_map(|member| values::word(member, "a text field", sink)).collect()
}
