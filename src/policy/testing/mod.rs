//! The files' own tests: what they state, what they expect, and running them through the engine.
//!
//! Names are resolved when the policy is compiled, so that a test which speaks of a feature or rule that no longer exists
//! is a diagnostic and not a test that passes by accident.

mod acting;
mod check;
mod entries;
mod expect;
mod run;
mod trace;

use engine::feature::{FeatureId, Scalar};
use wire::Check;
use wire::limits::TIME_MS_MAX;

use crate::diagnostic::{Code, Diagnostic, Place, Sink};
use crate::document::Document;
use crate::document::test::Test as DeclaredTest;
use crate::symbols::Symbols;
use crate::yaml::fields::Fields;
use crate::yaml::{Node, values};

pub use expect::Expect;
pub use run::{Failure, failures, run};

/// Start of a test's events unless it says another: a Monday, 10:00 UTC.
pub const START_MS: i64 = 1_767_607_200_000;

/// One test.
#[derive(Clone, Debug)]
pub struct Test {
    /// Its name.
    pub name: String,
    /// Where it is written.
    pub place: Place,
    /// Entries of lists while it runs: a list's number, and a key in its canonical form.
    pub entries: Vec<(u16, String)>,
    /// What it does.
    pub body: Body,
}

/// What a test does.
#[derive(Clone, Debug)]
pub enum Body {
    /// One check with stated feature values.
    Given(Box<Given>, Expect),
    /// Checks in order through a fresh engine.
    Events(Vec<Event>),
}

/// A check and feature values that stand in for what the engine would compute.
#[derive(Clone, Debug)]
pub struct Given {
    /// The check.
    pub check: Check<'static>,
    /// Stated values of computed features.
    pub features: Vec<(FeatureId, Scalar)>,
    /// Lists that the check is on, by number.
    pub lists: Vec<u16>,
}

/// One check of a row.
#[derive(Clone, Debug)]
pub struct Event {
    /// When, in Unix milliseconds.
    pub at_ms: i64,
    /// The check.
    pub check: Check<'static>,
    /// What it must give, if anything is expected of it.
    pub expect: Option<Expect>,
    /// Where it is written.
    pub place: Place,
}

/// The tests of a document; faults go to the sink.
pub(crate) fn compile(document: &Document, symbols: &Symbols, ids: &[&str], sink: &mut Sink) -> Vec<Test> {
    let first_limit = ids.len() - document.limits.len() - document.breakers.len();
    let limited = |number: usize| {
        let limit = document.limits.get(number.checked_sub(first_limit)?)?;
        symbols.features.find(&limit.feature.as_ref()?.text)
    };
    let numbered = &expect::Ids::new(ids);
    let resolve = |test: &DeclaredTest| {
        // Every part is read before any of them may be missing: all faults of a test are shown at once.
        let mut entries = Some(Vec::new());
        if let Some(node) = &test.lists {
            entries = entries::read(node, symbols, sink);
        }
        let given = test.given.as_ref().map(|node| read_given(node, symbols, sink));
        let expect = test.expect.as_ref().map(|node| expect::read(node, numbered, sink));
        let start_ms = test.start.as_ref().map_or(Some(START_MS), |node| read_start(node, sink));
        let from = start_ms.unwrap_or(START_MS);
        let events = test.events.as_ref().map(|nodes| read_events(nodes, from, symbols, numbered, sink));
        if let (Some(node), Some(Some(given)), Some(Some(expect))) = (&test.given, &given, &expect) {
            for &number in expect.rules.iter().chain(&expect.not) {
                let stated = limited(number).filter(|read| given.features.iter().any(|(id, _)| id == read));
                stated.iter().for_each(|&read| warn_of_limit(node, symbols, read, ids[number], sink));
            }
        }
        let body = match events {
            Some(events) => Body::Events(events?),
            None => Body::Given(Box::new(given??), expect??),
        };
        Some(Test { name: test.name.clone()?, place: test.place, entries: entries?, body })
    };
    document.tests.iter().filter_map(resolve).collect()
}

/// A limit asks its window, which nothing stands in yet, and not what a test states.
fn warn_of_limit(given: &Node, symbols: &Symbols, read: FeatureId, limit: &str, sink: &mut Sink) {
    let name = &symbols.features.row(read).name;
    let message = format!("the limit `{limit}` does not see a stated `{name}`");
    let fault = Diagnostic::warning(Code::Test, given.place, message);
    sink.push(fault.label("rules and the model do").help("have `events` fill what the limit counts"));
}

fn read_given(node: &Node, symbols: &Symbols, sink: &mut Sink) -> Option<Given> {
    let errors = sink.errors();
    let mut reader = check::Reader::new(symbols, true);
    reader.read(node, &[], sink);
    let given = reader.finish(node.place, sink)?;
    (sink.errors() == errors).then_some(given)
}

fn read_events(
    nodes: &[Node],
    start_ms: i64,
    symbols: &Symbols,
    ids: &expect::Ids<'_>,
    sink: &mut Sink,
) -> Option<Vec<Event>> {
    let errors = sink.errors();
    let mut events: Vec<Event> = Vec::with_capacity(nodes.len());
    for (i, node) in nodes.iter().enumerate() {
        let Some(mut fields) = Fields::of(node, "an event", sink) else { continue };
        let at = fields.require("at").and_then(|node| values::moment(node, sink));
        let expect = fields.get("expect").map(|node| expect::read(node, ids, sink));
        let mut reader = check::Reader::new(symbols, false);
        reader.read(node, &["at", "expect"], sink);
        let (Some(at), Some(given)) = (at, reader.finish(fields.head(), sink)) else { continue };
        let mut check = given.check;
        check.id = format!("event-{i}").into();
        let at_ms = start_ms.saturating_add(at);
        if at_ms > TIME_MS_MAX {
            sink.error(Code::OutOfRange, fields.head(), "this event comes after the year 9999");
            continue;
        }
        check.time_ms = Some(at_ms);
        events.push(Event { at_ms, check, expect: expect.flatten(), place: fields.head() });
    }
    (sink.errors() == errors).then_some(events)
}

fn read_start(node: &Node, sink: &mut Sink) -> Option<i64> {
    let text = values::scalar(node, "a time such as 2026-03-01T08:00:00Z", sink)?;
    let moment = instant_ms(text);
    if moment.is_none() {
        let message = format!("`{}` is not a time", values::shortened(text));
        let label = "expected a time such as 2026-03-01T08:00:00Z";
        sink.push(Diagnostic::error(Code::OutOfRange, node.place, message).label(label));
    }
    moment
}

/// A time that an engine's clock may show: of the years 1970 to 9999, in Unix milliseconds.
fn instant_ms(text: &str) -> Option<i64> {
    let ms = wire::instant::parse(text).ok()?.ms();
    (0..=TIME_MS_MAX).contains(&ms).then_some(ms)
}
