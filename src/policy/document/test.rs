//! `tests:` — a name, and either stated values or a row of events. Resolved in [`crate::testing`].

use crate::diagnostic::{Code, Diagnostic, Place, Sink};
use crate::limits::TEST_EVENTS_MAX;
use crate::yaml::fields::Fields;
use crate::yaml::{Node, values};

/// A declared test.
pub(crate) struct Test {
    pub name: String,
    pub place: Place,
    pub body: Body,
}

/// What it does.
pub(crate) enum Body {
    /// One check with stated feature values, and what it must give.
    Given { given: Node, expect: Node },
    /// Checks in order through a fresh engine, from a start time.
    Events { start: Option<Node>, events: Vec<Node> },
}

pub(crate) fn read(node: &Node, sink: &mut Sink) -> Option<Test> {
    let mut fields = Fields::of(node, "a test", sink)?;
    let name = fields.require("name").and_then(|node| values::words(node, "a name", sink));
    let place = fields.head();
    let (given, expect) = (fields.get("given"), fields.get("expect"));
    let (start, events) = (fields.get("start"), fields.get("events"));
    fields.finish(sink);
    let body = match (given, expect, events) {
        (Some(given), Some(expect), None) if start.is_none() => {
            Body::Given { given: given.clone(), expect: expect.clone() }
        }
        (None, None, Some(events)) => {
            let nodes = values::list(events, "a list of events", sink);
            if nodes.len() > TEST_EVENTS_MAX {
                sink.error(Code::Bound, events.place, format!("a test has at most {TEST_EVENTS_MAX} events"));
                return None;
            }
            Body::Events { start: start.cloned(), events: nodes.to_vec() }
        }
        _ => {
            let message = "a test has either `given` and `expect`, or `events`";
            sink.push(Diagnostic::error(Code::MissingKey, place, message).label("in this test"));
            return None;
        }
    };
    Some(Test { name: name?, place, body })
}
