//! `tests:` — a name, and either stated values or a row of events. Resolved in [`crate::testing`].

use crate::diagnostic::{Code, Diagnostic, Place, Sink};
use crate::limits::TEST_EVENTS_MAX;
use crate::yaml::fields::Fields;
use crate::yaml::{Node, values};

/// A declared test: `given` and `expect`, or `events` with or without a `start`.
pub(crate) struct Test {
    pub name: Option<String>,
    pub place: Place,
    pub lists: Option<Node>,
    pub given: Option<Node>,
    pub expect: Option<Node>,
    pub start: Option<Node>,
    pub events: Option<Vec<Node>>,
}

pub(crate) fn read(node: &Node, sink: &mut Sink) -> Option<Test> {
    let mut fields = Fields::of(node, "a test", sink)?;
    let name = fields.require("name").and_then(|node| values::words(node, "a name", sink));
    let place = fields.head();
    let lists = fields.get("lists").cloned();
    let (given, expect) = (fields.get("given"), fields.get("expect"));
    let (start, events) = (fields.get("start"), fields.get("events"));
    fields.finish(sink);
    let (single, row) = (given.is_some() && expect.is_some(), events.is_some());
    let mixed = row && (given.is_some() || expect.is_some()) || start.is_some() && !row;
    if mixed || !(single || row) {
        let message = "a test has either `given` and `expect`, or `events`";
        sink.push(Diagnostic::error(Code::MissingKey, place, message).label("in this test"));
    }
    let events = events.map(|events| (events, values::list(events, "a list of events", sink)));
    if let Some((events, nodes)) = events
        && nodes.len() > TEST_EVENTS_MAX
    {
        sink.error(Code::Bound, events.place, format!("a test has at most {TEST_EVENTS_MAX} events"));
        return None;
    }
    let events = events.map(|(_, nodes)| nodes.to_vec());
    let (given, expect, start) = (given.cloned(), expect.cloned(), start.cloned());
    Some(Test { name, place, lists, given, expect, start, events })
}
