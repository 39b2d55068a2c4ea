//! Runs tests through the engine: the same code that decides in the daemon, over small tables of the test's own.

use std::borrow::Cow;

use engine::policy::{Mode, Policy, Rule};
use engine::{
    BuildError, Decision, Now, Parts, Scratch, SizeError, Sizes, Snapshot, Tables, decide, decide_given,
};
use wire::{Challenge, Verdict};

use super::expect::{id, number};
use super::{Body, Event, Expect, Given, START_MS, Test};
use crate::Bundle;
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::limits::TEST_EVENTS_MAX;

/// A test that did not give what it expects.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// Its name.
    pub test: String,
    /// Where the test or the event at fault is written.
    pub place: Place,
    /// What was expected.
    pub expected: String,
    /// What came.
    pub got: String,
    /// Ids of the rules, limits and breakers that matched, deciding tier first.
    pub matched: Vec<String>,
}

/// The failures as diagnostics, to stand beside those of the compiler. None if every test holds.
pub fn run(bundle: &Bundle) -> Vec<Diagnostic> {
    let diagnostic = |failure: Failure| {
        let matched =
            if failure.matched.is_empty() { "nothing".to_owned() } else { failure.matched.join(", ") };
        let message = format!("test failed: {}", failure.test);
        Diagnostic::error(Code::Test, failure.place, message)
            .label(format!("expected {}, got {}", failure.expected, failure.got))
            .help(format!("matched: {matched}"))
    };
    failures(bundle).into_iter().map(diagnostic).collect()
}

/// Every test of the bundle that fails, in the order of the files.
pub fn failures(bundle: &Bundle) -> Vec<Failure> {
    bundle.tests.iter().filter_map(|test| run_one(&bundle.policy, test)).collect()
}

/// The first thing that is wrong with a test.
fn run_one(policy: &Policy, test: &Test) -> Option<Failure> {
    let policy = &acting(policy, test);
    let outcome = match &test.body {
        Body::Given(given, expect) => given_holds(policy, given, expect, test.place),
        Body::Events(events) => events_hold(policy, events),
    };
    let (place, wrong) = match outcome {
        Ok(None) => return None,
        Ok(Some(wrong)) => wrong,
        Err(error) => {
            let (expected, got) = ("an engine to run on".to_owned(), error.to_string());
            (test.place, Wrong { expected, got, matched: Vec::new() })
        }
    };
    let Wrong { expected, got, matched } = wrong;
    Some(Failure { test: test.name.clone(), place, expected, got, matched })
}

/// The policy in which the rules that the test names act, for every account: so the same test holds before a rule is turned on,
/// while it is, and after it was turned off.
fn acting<'p>(policy: &'p Policy, test: &Test) -> Cow<'p, Policy> {
    let expectations: Vec<&Expect> = match &test.body {
        Body::Given(_, expect) => vec![expect],
        Body::Events(events) => events.iter().filter_map(|event| event.expect.as_ref()).collect(),
    };
    let named = expectations.iter().flat_map(|expect| expect.rules.iter().chain(&expect.not));
    let mut acting = Cow::Borrowed(policy);
    for &at in named {
        let waits = |rule: &Rule| rule.mode != Mode::Live || rule.sample_percent < 100;
        if acting.rules.get(at).is_some_and(waits) {
            let policy = acting.to_mut();
            (policy.rules[at].mode, policy.rules[at].sample_percent) = (Mode::Live, 100);
            // For every kind of event: else what only a rule that is off reads would be computed for none.
            policy.program.kinds.clear();
        }
    }
    acting
}

struct Wrong {
    expected: String,
    got: String,
    matched: Vec<String>,
}

type Held = Result<Option<(Place, Wrong)>, BuildError>;

fn given_holds(policy: &Policy, given: &Given, expect: &Expect, place: Place) -> Held {
    let engine = Engine::new(policy)?;
    let Given { check, features, lists } = given;
    let decision = decide_given(
        &engine.snapshot,
        &engine.tables,
        check.time_ms.unwrap_or(START_MS),
        check,
        features,
        lists,
        &mut Scratch::new(0),
    );
    Ok(engine.wrong(expect, &decision).map(|wrong| (place, wrong)))
}

fn events_hold(policy: &Policy, events: &[Event]) -> Held {
    let engine = Engine::new(policy)?;
    let mut scratch = Scratch::new(0);
    let mut decisions = Vec::new();
    let mut now = Now::default();
    for event in events {
        // Time does not go backwards in the engine; an event out of order arrives late.
        now.ms = now.ms.max(event.at_ms);
        let check = std::slice::from_ref(&event.check);
        decide(&engine.snapshot, &engine.tables, now, check, &mut decisions, &mut scratch);
        let (Some(expect), Some(decision)) = (&event.expect, decisions.first()) else { continue };
        if let Some(wrong) = engine.wrong(expect, decision) {
            return Ok(Some((event.place, wrong)));
        }
    }
    Ok(None)
}

/// A fresh engine: what one test counts is nothing to the next.
struct Engine {
    snapshot: Snapshot,
    tables: Tables,
}

impl Engine {
    fn new(policy: &Policy) -> Result<Engine, BuildError> {
        // Twice as many slots as a test can have keys, so that no test sees an eviction.
        let entries = 2 * TEST_EVENTS_MAX;
        let sizes = Sizes {
            accounts: entries,
            devices: entries,
            velocity_keys: entries,
            busy_keys: entries,
            list_entries: 64,
            decisions: entries,
            seed: [0x5a; 16],
        };
        let tables = Tables::new(&sizes).map_err(|error: SizeError| BuildError::Size(error))?;
        let parts = Parts { policy: policy.clone(), ..Parts::default() };
        Ok(Engine { snapshot: Snapshot::build(parts, &tables, None)?, tables })
    }

    fn wrong(&self, expect: &Expect, decision: &Decision) -> Option<Wrong> {
        let policy = self.snapshot.policy();
        let matched: Vec<Option<usize>> =
            decision.hits().iter().map(|hit| number(policy, self.snapshot.hit_index(hit))).collect();
        let wrong = |expected: String, got: String| {
            let matched = self.snapshot.reasons(decision).map(|reason| reason.rule.to_owned()).collect();
            Some(Wrong { expected, got, matched })
        };
        let asked = decision.challenge.filter(|_| decision.verdict == Verdict::Challenge);
        if let Some(verdict) = expect.verdict.filter(|&verdict| verdict != decision.verdict) {
            return wrong(format!("verdict {verdict}"), decision.verdict.to_string());
        }
        if let Some(challenge) = expect.challenge.filter(|&challenge| asked != Some(challenge)) {
            return wrong(format!("challenge {challenge}"), asked.map_or("none", Challenge::name).to_owned());
        }
        if let Some(missing) = expect.rules.iter().find(|at| !matched.contains(&Some(**at))) {
            return wrong(format!("a match of {}", id(policy, *missing)), "none".to_owned());
        }
        if let Some(surplus) = expect.not.iter().find(|at| matched.contains(&Some(**at))) {
            return wrong(format!("no match of {}", id(policy, *surplus)), "one".to_owned());
        }
        if let Some(score) = expect.score.filter(|score| (score - decision.score).abs() > 1e-6) {
            return wrong(format!("score {score}"), decision.score.to_string());
        }
        None
    }
}
