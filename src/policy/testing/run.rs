//! Runs tests through the engine: the same code that decides in the daemon, over small tables of the test's own.

use std::sync::Arc;

use engine::lists::{ListHandle, ListKey, NEVER_MS};
use engine::policy::{List, Policy};
use engine::{BuildError, Decision, Now, Parts, Scratch, Sizes, Snapshot, Tables, decide, decide_given};
use wire::{Challenge, Check, Verdict};

use super::expect::{id, number};
use super::trace::Decided;
use super::{Body, Event, Expect, Given, START_MS, Test, acting};
use crate::Bundle;
use crate::diagnostic::{Code, Diagnostic, Place};

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
    /// Of what the test names and did not do as expected: its id, and the comparisons of its condition.
    pub traces: Vec<(String, String)>,
}

/// The failures as diagnostics, to stand beside those of the compiler. None if every test holds.
pub fn run(bundle: &Bundle) -> Vec<Diagnostic> {
    let diagnostic = |failure: Failure| {
        let matched =
            if failure.matched.is_empty() { "nothing".to_owned() } else { failure.matched.join(", ") };
        let traces: String = failure.traces.iter().map(|(id, trace)| format!("\n{id}: {trace}")).collect();
        let message = format!("test failed: {}", failure.test);
        Diagnostic::error(Code::Test, failure.place, message)
            .label(format!("expected {}, got {}", failure.expected, failure.got))
            .help(format!("matched: {matched}{traces}"))
    };
    failures(bundle).into_iter().map(diagnostic).collect()
}

/// Every test of the bundle that fails, in the order of the files.
pub fn failures(bundle: &Bundle) -> Vec<Failure> {
    let mut engines = Engines::new(bundle);
    bundle.tests.iter().filter_map(|test| run_one(&mut engines, test)).collect()
}

/// The first thing that is wrong with a test.
fn run_one(engines: &mut Engines<'_>, test: &Test) -> Option<Failure> {
    let outcome = engines.of(test).map(|engine| {
        let put = engine.put(&test.entries);
        let wrong = match &test.body {
            Body::Given(given, expect) => engine.given(given, expect).map(|wrong| (test.place, wrong)),
            Body::Events(events) => engine.events(events),
        };
        engine.take_off(put);
        wrong
    });
    let (place, wrong) = match outcome {
        Ok(wrong) => wrong?,
        Err(error) => {
            let (expected, got) = ("an engine to run on".to_owned(), error.to_string());
            (test.place, Wrong { expected, got, matched: Vec::new(), traces: Vec::new() })
        }
    };
    let Wrong { expected, got, matched, traces } = wrong;
    Some(Failure { test: test.name.clone(), place, expected, got, matched, traces })
}

struct Wrong {
    expected: String,
    got: String,
    matched: Vec<String>,
    traces: Vec<(String, String)>,
}

/// Engines that tests run on: building one takes longer than most tests do.
struct Engines<'b> {
    policy: &'b Policy,
    /// Keys that a test of the bundle may have at most.
    keys: usize,
    /// Entries of lists that one may.
    entries: usize,
    /// Of the policy as it stands.
    standing: Option<Engine>,
    /// The latest of a policy in which more acts, and what, by number.
    acting: Option<(Vec<usize>, Engine)>,
}

impl<'b> Engines<'b> {
    fn new(bundle: &'b Bundle) -> Engines<'b> {
        let events = |test: &Test| match &test.body {
            Body::Given(..) => 1,
            Body::Events(events) => events.len(),
        };
        let keys = bundle.tests.iter().map(events).max().unwrap_or(0);
        let entries = bundle.tests.iter().map(|test| test.entries.len()).max().unwrap_or(0);
        Engines { policy: &bundle.policy, keys, entries, standing: None, acting: None }
    }

    /// One that nothing was decided on yet, where what the test names acts.
    fn of(&mut self, test: &Test) -> Result<&mut Engine, BuildError> {
        let waiting = acting::waiting(self.policy, test);
        let engine = if waiting.is_empty() {
            match self.standing.take() {
                Some(engine) => self.standing.insert(engine),
                None => self.standing.insert(Engine::new(self.policy.clone(), self.keys, self.entries)?),
            }
        } else {
            match self.acting.take().filter(|(acting, _)| *acting == waiting) {
                Some(same) => &mut self.acting.insert(same).1,
                None => {
                    let engine = Engine::new(acting::acting(self.policy, &waiting), self.keys, self.entries)?;
                    &mut self.acting.insert((waiting, engine)).1
                }
            }
        };
        engine.tables.forget(&engine.snapshot);
        Ok(engine)
    }
}

/// A snapshot with small tables of its own.
struct Engine {
    snapshot: Snapshot,
    tables: Tables,
    scratch: Scratch,
}

impl Engine {
    fn new(policy: Policy, keys: usize, list_entries: usize) -> Result<Engine, BuildError> {
        // Twice as many as a test can have keys, so that no test sees an eviction.
        let entries = 2 * keys;
        let sizes = Sizes {
            accounts: entries,
            devices: entries,
            velocity_keys: entries,
            busy_keys: entries,
            list_entries: list_entries.max(64),
            decisions: entries,
            seed: [0x5a; 16],
        };
        let tables = Tables::new(&sizes).map_err(BuildError::Size)?;
        let parts = Parts { policy, ..Parts::default() };
        let snapshot = Snapshot::build(parts, &tables, None)?;
        Ok(Engine { snapshot, tables, scratch: Scratch::new(0) })
    }

    /// Puts entries on lists, as the daemon does; what was put.
    fn put(&self, entries: &[(u16, String)]) -> Vec<(Arc<ListHandle>, ListKey)> {
        let (policy, lists) = (self.snapshot.policy(), &self.tables.lists);
        let put = |(number, key): &(u16, String)| {
            let List { name, on, matching } = &policy.lists[usize::from(*number)];
            // The snapshot has made it, the compiler has read the key, and the tables have room for all of them.
            let handle = lists.handle(name, *matching, on.form())?;
            let key = lists.key(&handle, key).ok()?;
            lists.put(&handle, key, NEVER_MS, START_MS).ok()?;
            Some((handle, key))
        };
        entries.iter().filter_map(put).collect()
    }

    fn take_off(&self, put: Vec<(Arc<ListHandle>, ListKey)>) {
        for (handle, key) in put {
            self.tables.lists.remove(&handle, key);
        }
    }

    fn given(&mut self, given: &Given, expect: &Expect) -> Option<Wrong> {
        let Given { check, features, lists } = given;
        let now_ms = check.time_ms.unwrap_or(START_MS);
        let Engine { snapshot, tables, scratch } = self;
        let decision = decide_given(snapshot, tables, now_ms, check, features, lists, scratch);
        self.wrong(expect, &decision, check, now_ms)
    }

    fn events(&mut self, events: &[Event]) -> Option<(Place, Wrong)> {
        let mut decisions = Vec::new();
        let mut now = Now::default();
        for event in events {
            // Time does not go backwards in the engine; an event out of order arrives late.
            now.ms = now.ms.max(event.at_ms);
            let check = std::slice::from_ref(&event.check);
            decide(&self.snapshot, &self.tables, now, check, &mut decisions, &mut self.scratch);
            let (Some(expect), Some(decision)) = (&event.expect, decisions.first()) else {
                self.matched();
                continue;
            };
            if let Some(wrong) = self.wrong(expect, decision, &event.check, now.ms) {
                return Some((event.place, wrong));
            }
        }
        None
    }

    /// Everything that matched since this was asked last, by its index: a decision holds the first few.
    fn matched(&mut self) -> Vec<usize> {
        let counts = self.scratch.match_tally().matches.iter_mut().map(std::mem::take).enumerate();
        counts.filter(|(_, count)| count.live > 0).map(|(index, _)| index).collect()
    }

    /// Ids of what matched, deciding tier first.
    fn names(&self, matched: &[usize], decision: &Decision) -> Vec<String> {
        let told = decision.hits().iter().map(|hit| self.snapshot.hit_index(hit));
        let untold = matched.iter().copied().filter(|index| !told.clone().any(|told| told == *index));
        let words = told.clone().chain(untold).filter_map(|index| self.snapshot.words_of(index as u32));
        words.map(|words| words.rule.clone()).collect()
    }

    /// What of an expectation does not hold; of what it names and does otherwise, why.
    fn wrong(
        &mut self,
        expect: &Expect,
        decision: &Decision,
        check: &Check<'_>,
        now_ms: i64,
    ) -> Option<Wrong> {
        let found = self.matched();
        let policy = self.snapshot.policy();
        let matched: Vec<Option<usize>> = found.iter().map(|&index| number(policy, index)).collect();
        let has = |at: &&usize| matched.contains(&Some(**at));
        let wrong = |expected: String, got: String| {
            let decided = Decided { snapshot: &self.snapshot, scratch: &self.scratch, check, now_ms };
            let odd = expect.rules.iter().filter(|at| !has(at)).chain(expect.not.iter().filter(has));
            let traces = odd.map(|&at| (id(policy, at).to_owned(), decided.trace(at))).collect();
            Some(Wrong { expected, got, matched: self.names(&found, decision), traces })
        };
        let asked = decision.challenge.filter(|_| decision.verdict == Verdict::Challenge);
        if let Some(verdict) = expect.verdict.filter(|&verdict| verdict != decision.verdict) {
            return wrong(format!("verdict {verdict}"), decision.verdict.to_string());
        }
        if let Some(challenge) = expect.challenge.filter(|&challenge| asked != Some(challenge)) {
            return wrong(format!("challenge {challenge}"), asked.map_or("none", Challenge::name).to_owned());
        }
        if let Some(missing) = expect.rules.iter().find(|at| !has(at)) {
            return wrong(format!("a match of {}", id(policy, *missing)), "none".to_owned());
        }
        if let Some(surplus) = expect.not.iter().find(has) {
            return wrong(format!("no match of {}", id(policy, *surplus)), "one".to_owned());
        }
        if let Some(score) = expect.score.filter(|&score| score != decision.score) {
            return wrong(format!("score {score}"), decision.score.to_string());
        }
        None
    }
}
