//! What a test expects of a decision.

use std::collections::BTreeMap;

use engine::policy::{Origin, Policy};
use wire::{Challenge, Verdict};

use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::document::closed;
use crate::yaml::fields::Fields;
use crate::yaml::{Data, Node, values};

/// What a decision must be. What is not stated is not looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expect {
    /// The verdict.
    pub verdict: Option<Verdict>,
    /// The proof asked for.
    pub challenge: Option<Challenge>,
    /// Rules, limits and breakers that must match, by number, counted through in this order; others may match as well.
    pub rules: Vec<usize>,
    /// Those that must not match.
    pub not: Vec<usize>,
    /// The score, to a millionth.
    pub score: Option<f64>,
}

/// Where each rule, limit and breaker stands, by its id.
pub(super) struct Ids<'i> {
    places: BTreeMap<&'i str, usize>,
}

impl<'i> Ids<'i> {
    pub(super) fn new(ids: &[&'i str]) -> Ids<'i> {
        // Of two with one id, which is a fault of its own, the first.
        Ids { places: ids.iter().enumerate().rev().map(|(at, &id)| (id, at)).collect() }
    }

    fn find(&self, id: &str) -> Option<usize> {
        self.places.get(id).copied()
    }
}

/// A verdict alone, or a map of everything that is expected.
pub(super) fn read(node: &Node, ids: &Ids<'_>, sink: &mut Sink) -> Option<Expect> {
    let verdicts = closed(Verdict::ALL, Verdict::name);
    if let Data::Scalar(..) = &node.data {
        let verdict = values::choice(node, "a verdict", &verdicts, sink)?;
        return Some(Expect { verdict: Some(verdict), ..Expect::default() });
    }
    let errors = sink.errors();
    let mut fields = Fields::of(node, "an expectation", sink)?;
    let mut expect = Expect::default();
    if let Some(node) = fields.get("verdict") {
        expect.verdict = values::choice(node, "a verdict", &verdicts, sink);
    }
    if let Some(node) = fields.get("challenge") {
        expect.challenge =
            values::choice(node, "a challenge", &closed(Challenge::ALL, Challenge::name), sink);
    }
    if let Some(node) = fields.get("rules") {
        expect.rules = read_rules(node, ids, sink);
    }
    if let Some(node) = fields.get("not") {
        expect.not = read_rules(node, ids, sink);
    }
    if let Some(node) = fields.get("score") {
        expect.score = values::score(node, 0.0..=1.0, sink);
    }
    fields.finish(sink);
    (sink.errors() == errors).then_some(expect)
}

fn read_rules(node: &Node, ids: &Ids<'_>, sink: &mut Sink) -> Vec<usize> {
    let Data::List(nodes) = &node.data else {
        return values::one_or_many(node, "a list of rules", sink)
            .into_iter()
            .filter_map(|node| read_rule(node, ids, sink))
            .collect();
    };
    nodes.iter().filter_map(|node| read_rule(node, ids, sink)).collect()
}

fn read_rule(node: &Node, ids: &Ids<'_>, sink: &mut Sink) -> Option<usize> {
    let id = values::scalar(node, "a rule's id", sink)?;
    let at = ids.find(id);
    if at.is_none() {
        let message = format!("no rule is named `{}`", values::shortened(id));
        let fault = Diagnostic::error(Code::UnknownName, node.place, message)
            .label("expected the id of a rule, limit or breaker; a list's rule is list:NAME")
            .nearest(id, ids.places.keys().copied(), sink);
        sink.push(fault);
    }
    at
}

/// What an expectation names by a number.
pub(super) enum Named {
    Rule(usize),
    Limit(usize),
    Breaker(usize),
}

impl Named {
    /// The one of that number.
    pub(super) fn of(policy: &Policy, number: usize) -> Named {
        match number.checked_sub(policy.rules.len()) {
            None => Named::Rule(number),
            Some(number) => match number.checked_sub(policy.limits.len()) {
                None => Named::Limit(number),
                Some(number) => Named::Breaker(number),
            },
        }
    }
}

/// The number that an expectation knows a match by; none for the engine's own.
pub(super) fn number(policy: &Policy, index: usize) -> Option<usize> {
    let (limits, breakers) = (policy.rules.len(), policy.rules.len() + policy.limits.len());
    match policy.origin_of(index) {
        Origin::Rule(at) => Some(at),
        Origin::Limit(at) => Some(limits + at),
        Origin::Breaker(at, _) => Some(breakers + at),
        Origin::Own(_) => None,
    }
}

/// The id behind such a number.
pub(super) fn id(policy: &Policy, number: usize) -> &str {
    let reason = match Named::of(policy, number) {
        Named::Rule(at) => &policy.rules[at].reason,
        Named::Limit(at) => &policy.limits[at].reason,
        Named::Breaker(at) => &policy.breakers[at].reason,
    };
    &reason.rule
}
