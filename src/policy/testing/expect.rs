//! What a test expects of a decision.

use std::collections::BTreeMap;

use engine::policy::Rule;
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
    /// Rules that must match, by number; others may match as well.
    pub rules: Vec<usize>,
    /// Rules that must not match, by number.
    pub not: Vec<usize>,
    /// The score, to a millionth.
    pub score: Option<f64>,
}

/// Where each rule stands, by its id.
pub(super) struct RuleNames<'r> {
    places: BTreeMap<&'r str, usize>,
}

impl<'r> RuleNames<'r> {
    pub(super) fn new(rules: &'r [Rule]) -> RuleNames<'r> {
        // Of two with one id, which is a fault of its own, the first.
        let places =
            rules.iter().enumerate().rev().map(|(at, rule)| (rule.reason.rule.as_str(), at)).collect();
        RuleNames { places }
    }

    fn find(&self, id: &str) -> Option<usize> {
        self.places.get(id).copied()
    }
}

/// A verdict alone, or a map of everything that is expected.
pub(super) fn read(node: &Node, rules: &RuleNames<'_>, sink: &mut Sink) -> Option<Expect> {
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
        expect.rules = read_rules(node, rules, sink);
    }
    if let Some(node) = fields.get("not") {
        expect.not = read_rules(node, rules, sink);
    }
    if let Some(node) = fields.get("score") {
        expect.score = values::decimal(node, 0.0..=1.0, sink);
    }
    fields.finish(sink);
    (sink.errors() == errors).then_some(expect)
}

fn read_rules(node: &Node, rules: &RuleNames<'_>, sink: &mut Sink) -> Vec<usize> {
    let Data::List(nodes) = &node.data else {
        return values::one_or_many(node, "a list of rules", sink)
            .into_iter()
            .filter_map(|node| read_rule(node, rules, sink))
            .collect();
    };
    nodes.iter().filter_map(|node| read_rule(node, rules, sink)).collect()
}

fn read_rule(node: &Node, rules: &RuleNames<'_>, sink: &mut Sink) -> Option<usize> {
    let id = values::scalar(node, "a rule's id", sink)?;
    let at = rules.find(id);
    if at.is_none() {
        let message = format!("no rule is named `{}`", values::shortened(id));
        let fault = Diagnostic::error(Code::UnknownName, node.place, message)
            .label("expected a rule's id; a list's rule is list:NAME")
            .nearest(id, rules.places.keys().copied(), sink);
        sink.push(fault);
    }
    at
}
