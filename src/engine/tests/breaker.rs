//! What a breaker promises, stated against the engine itself.

mod site;

use std::sync::atomic::{AtomicUsize, Ordering};

use engine::feature::{Builtin, FeatureId};
use engine::policy::{Aggregate, Breaker, BreakerState, Mode, Origin, Status};
use engine::program::Kinds;
use engine::record::Record;
use engine::table::Terms;
use engine::{BuildError, Decision, Parts, Scratch, Snapshot, Tables};
use site::{Draft, ask, claim, snapshot, tables};
use wire::{Challenge, Kind, Value, Verdict};

/// Adds a breaker on `feature >= number` for claims, by that key: open ten seconds, half open five, two trials.
fn breaker<'d>(
    draft: &'d mut Draft,
    id: &str,
    key: &[Builtin],
    feature: FeatureId,
    number: i64,
) -> &'d mut Breaker {
    let (when, witness) = draft.at_least(feature, number);
    draft.policy.breakers.push(Breaker {
        key: key.iter().map(|field| field.id()).collect(),
        kinds: Kinds::of(&[Kind::Claim]),
        when,
        on_error: Default::default(),
        terms: Terms { open_ms: 10_000, half_open_ms: 5_000, trials: 2 },
        verdict: Verdict::Deny,
        challenge: None,
        mode: Mode::Live,
        reason: site::words("L300", id),
        witness,
    });
    draft.policy.breakers.last_mut().expect("just pushed")
}

/// Three claims of an account in a minute, and a breaker on the third.
fn third_claim(id: &str, number: i64) -> (Draft, FeatureId) {
    let mut draft = Draft::new(id);
    let claims = draft.window("claims", Aggregate::Count, Kind::Claim, Builtin::Account, Status::Attempt, 65);
    breaker(&mut draft, "surge", &[Builtin::Account], claims, number);
    (draft, claims)
}

/// Text, value and threshold of the first reason.
fn reason(snapshot: &Snapshot, decision: &Decision) -> (String, Value, Value) {
    snapshot
        .reasons(decision)
        .next()
        .map_or((String::new(), Value::Absent, Value::Absent), |r| (r.text.to_owned(), r.value, r.threshold))
}

#[test]
fn a_breaker_opens_refuses_lets_trials_through_and_closes_and_its_reasons_say_so() {
    let (tables, mut scratch) = (tables(), Scratch::new(0));
    let mut draft = Draft::new("states");
    breaker(&mut draft, "surge", &[Builtin::Account], Builtin::Amount.id(), 1_000);
    let snapshot = snapshot(draft, &tables, None);
    let mut asked = 0;
    let mut ask = |after_ms: i64, amount: i64| {
        asked += 1;
        let answer =
            ask(&snapshot, &tables, after_ms, &[claim(&asked.to_string(), "u", amount)], &mut scratch)[0];
        (answer.verdict, reason(&snapshot, &answer))
    };
    let refused = |text: &str, value, threshold| (Verdict::Deny, (text.to_owned(), value, threshold));
    let through = (Verdict::Allow, (String::new(), Value::Absent, Value::Absent));
    assert_eq!(ask(0, 999), through);
    let opens = refused("breaker opens: surge", Value::Money(1_001), Value::Money(1_000));
    assert_eq!(ask(0, 1_001), opens);
    let open = |seconds| refused("breaker open, seconds left: surge", Value::Int(seconds), Value::Absent);
    assert_eq!(ask(0, 1), open(10));
    assert_eq!(ask(0, 5_000), open(10), "what would open it finds it open");
    assert_eq!(ask(9_001, 1), open(1), "a begun second is one");
    assert_eq!((ask(10_000, 1), ask(12_000, 1)), (through.clone(), through.clone()), "two trials");
    let half_open = refused("breaker half open, trials used: surge", Value::Int(2), Value::Int(2));
    assert_eq!(ask(14_999, 1), half_open);
    assert_eq!(ask(15_000, 1), through, "closed again");
    assert_eq!(ask(16_000, 1_001).0, Verdict::Deny);
    assert_eq!((ask(26_000, 1), ask(26_000, 1_001)), (through, opens), "half open, it opens again at once");
    assert_eq!(ask(27_000, 1), open(9));
}

#[test]
fn other_keys_other_kinds_and_events_without_the_key_pass_an_open_breaker() {
    let (tables, mut scratch) = (tables(), Scratch::new(0));
    let mut draft = Draft::new("keys");
    let key = [Builtin::Account, Builtin::Counterparty];
    let pair = breaker(&mut draft, "pair", &key, Builtin::Amount.id(), 1_000);
    (pair.verdict, pair.challenge) = (Verdict::Challenge, Some(Challenge::Pin));
    let snapshot = snapshot(draft, &tables, None);
    let mut ask = |id: &str, kind: Kind, account: &str, counterparty: &str, amount: i64| {
        let mut check = claim(id, account, amount);
        (check.kind, check.counterparty) = (kind, counterparty.into());
        let answer = ask(&snapshot, &tables, 0, &[check], &mut scratch)[0];
        (answer.verdict, answer.challenge)
    };
    let challenged = (Verdict::Challenge, Some(Challenge::Pin));
    let allowed = (Verdict::Allow, None);
    assert_eq!(ask("a", Kind::Claim, "u", "v", 2_000), challenged);
    assert_eq!(ask("b", Kind::Claim, "u", "v", 1), challenged);
    assert_eq!(ask("c", Kind::Claim, "u", "w", 1), allowed);
    assert_eq!(ask("d", Kind::Claim, "v", "u", 1), allowed);
    assert_eq!(ask("e", Kind::Pay, "u", "v", 2_000), allowed, "neither refused nor looked at");
    assert_eq!(ask("f", Kind::Claim, "u", "", 2_000), allowed, "there is no key to open for");
}

#[test]
fn a_refusal_gives_back_what_was_reserved_and_repetitions_use_no_trial() {
    let (tables, mut scratch) = (tables(), Scratch::new(0));
    let mut draft = Draft::new("order");
    let taken = draft.window("taken", Aggregate::Count, Kind::Claim, Builtin::Account, Status::Approved, 11);
    draft.limit(10);
    breaker(&mut draft, "surge", &[Builtin::Account], Builtin::Amount.id(), 1_000);
    let snapshot = snapshot(draft, &tables, None);
    let ids: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    let refused: Vec<_> = ids.iter().map(|id| claim(id, "u", 1_000)).collect();
    let answers = ask(&snapshot, &tables, 0, &refused, &mut scratch);
    assert!(answers.iter().all(|answer| answer.verdict == Verdict::Deny));
    let states: Vec<Origin> = answers
        .iter()
        .flat_map(Decision::hits)
        .map(|hit| snapshot.policy().origin_of(snapshot.hit_index(hit)))
        .filter(|origin| matches!(origin, Origin::Breaker(..)))
        .collect();
    assert_eq!(states[0], Origin::Breaker(0, BreakerState::Opened));
    assert!(
        states.len() == 20
            && states[1..].iter().all(|state| *state == Origin::Breaker(0, BreakerState::Open))
    );
    let mut trial = |id: &str| ask(&snapshot, &tables, 10_000, &[claim(id, "u", 1)], &mut scratch)[0];
    assert_eq!(trial("t1").verdict, Verdict::Allow);
    assert!(trial("t1").replayed && trial("t1").replayed);
    assert_eq!((trial("t2").verdict, trial("t3").verdict), (Verdict::Allow, Verdict::Deny));
    ask(&snapshot, &tables, 15_000, &[claim("last", "u", 1)], &mut scratch);
    assert_eq!(scratch.value(taken, 0), engine::feature::Scalar::Int(3), "two trials and this one");
}

#[test]
fn threads_trip_a_breaker_once_and_share_its_trials() {
    let (tables, opened, tried) = (tables(), AtomicUsize::new(0), AtomicUsize::new(0));
    let mut draft = Draft::new("threads");
    breaker(&mut draft, "surge", &[Builtin::Packet], Builtin::Amount.id(), 1_000);
    let snapshot = snapshot(draft, &tables, None);
    let round = |name: &str, after_ms: i64, amount: i64| {
        std::thread::scope(|scope| {
            for worker in 0..8 {
                let (snapshot, tables, opened, tried) = (&snapshot, &tables, &opened, &tried);
                scope.spawn(move || {
                    let mut scratch = Scratch::new(worker);
                    for n in 0..40 {
                        let id = format!("{name}-{worker}-{n}");
                        let check = claim(&id, &id, amount);
                        let answer = ask(snapshot, tables, after_ms, &[check], &mut scratch)[0];
                        let of = |hit| snapshot.policy().origin_of(snapshot.hit_index(hit));
                        let opens = |hit| of(hit) == Origin::Breaker(0, BreakerState::Opened);
                        opened.fetch_add(usize::from(answer.hits().iter().any(opens)), Ordering::Relaxed);
                        tried.fetch_add(usize::from(answer.verdict == Verdict::Allow), Ordering::Relaxed);
                    }
                });
            }
        });
    };
    round("trip", 0, 5_000);
    assert_eq!((opened.load(Ordering::Relaxed), tried.load(Ordering::Relaxed)), (1, 0));
    round("try", 10_000, 1);
    assert_eq!((opened.load(Ordering::Relaxed), tried.load(Ordering::Relaxed)), (1, 2));
}

#[test]
fn an_unchanged_breaker_stays_open_over_a_reload_and_a_changed_one_is_closed() {
    let (tables, mut scratch) = (tables(), Scratch::new(0));
    let (draft, _) = third_claim("before", 3);
    let before = snapshot(draft, &tables, None);
    let ids = ["a", "b", "c"];
    let checks = ids.map(|id| claim(id, "u", 1));
    let verdicts: Vec<Verdict> =
        ask(&before, &tables, 0, &checks, &mut scratch).iter().map(|answer| answer.verdict).collect();
    assert_eq!(verdicts, [Verdict::Allow, Verdict::Allow, Verdict::Deny]);
    // A better condition, and a window more: the breaker is the same one.
    let (mut draft, claims) = third_claim("better", 50);
    draft.window("others", Aggregate::Count, Kind::Claim, Builtin::Account, Status::Attempt, 10);
    let after = snapshot(draft, &tables, Some(&before));
    let answer = ask(&after, &tables, 1, &[claim("d", "u", 1)], &mut scratch)[0];
    assert_eq!(reason(&after, &answer).0, "breaker open, seconds left: surge");
    assert_eq!(scratch.value(claims, 0), engine::feature::Scalar::Int(4), "and so is the window beside it");
    // Longer trials are another breaker.
    let (mut draft, _) = third_claim("changed", 50);
    draft.policy.breakers[0].terms.half_open_ms = 6_000;
    let changed = snapshot(draft, &tables, Some(&after));
    assert_eq!(ask(&changed, &tables, 2, &[claim("e", "u", 1)], &mut scratch)[0].verdict, Verdict::Allow);
}

#[test]
fn a_record_and_a_repeated_answer_tell_the_breaker_and_its_state() {
    let (tables, mut scratch) = (tables(), Scratch::new(0));
    let mut draft = Draft::new("record");
    draft.rule("rule", engine::policy::Tier::Review, Verdict::Review, Builtin::Amount.id(), 1);
    breaker(&mut draft, "first", &[Builtin::Account], Builtin::Amount.id(), 5_000);
    breaker(&mut draft, "second", &[Builtin::DeviceId], Builtin::Amount.id(), 1_000);
    let snapshot = snapshot(draft, &tables, None);
    let first = ask(&snapshot, &tables, 0, &[claim("a", "u", 2_000)], &mut scratch)[0];
    let (_, _, record) = scratch.records().next().expect("recorded");
    let record = Record::decode(record).expect("our own");
    let origin = |index: u32| snapshot.policy().origin_of(index as usize);
    let origins: Vec<Origin> = record.hits.iter().map(|hit| origin(hit.index)).collect();
    assert_eq!(origins, [Origin::Breaker(1, BreakerState::Opened), Origin::Rule(0)]);
    assert_eq!(snapshot.words_of(record.hits[0].index).map(|words| words.rule.as_str()), Some("second"));
    let again = ask(&snapshot, &tables, 0, &[claim("a", "u", 2_000)], &mut scratch)[0];
    let mut expected = first;
    expected.replayed = true;
    assert_eq!(again, expected);
    let token_reasons = (0..).map_while(|index| snapshot.words_of(index)).count();
    let own = snapshot.policy().index_of(Origin::Own(0));
    assert_eq!(own, 1 + 2 * 3);
    assert_eq!(snapshot.words_of(own as u32).map(|words| words.code.as_str()), Some("G101"));
    for index in 0..token_reasons {
        assert_eq!(snapshot.policy().index_of(snapshot.policy().origin_of(index)), index);
    }
}

#[test]
fn a_breaker_that_cannot_be_kept_is_refused() {
    let build = |change: fn(&mut Breaker)| {
        let mut draft = Draft::new("bad");
        change(breaker(&mut draft, "b", &[Builtin::Account], Builtin::Amount.id(), 1));
        let parts = Parts { policy: draft.policy, ..Parts::default() };
        Snapshot::build(parts, &tables(), None).map(|_| ()).map_err(|error| error.to_string())
    };
    let times = Err("breaker b is open or half open for a time outside 1 s to 30 d".to_owned());
    assert_eq!(build(|b| b.terms.open_ms = 999), times);
    assert_eq!(build(|b| b.terms.half_open_ms = i64::MAX), times);
    let trials = Err("breaker b has no trials or more than a thousand".to_owned());
    assert_eq!(build(|b| b.terms.trials = 0), trials);
    assert_eq!(build(|b| b.terms.trials = 1_001), trials);
    assert!(build(|b| b.key.clear()).is_err() && build(|b| b.key = vec![Builtin::Amount.id()]).is_err());
    assert_eq!(build(|_| {}), Ok(()));
    let mut draft = Draft::new("many");
    for n in 0..65 {
        breaker(&mut draft, &n.to_string(), &[Builtin::Account], Builtin::Amount.id(), 1);
    }
    let built = Snapshot::build(Parts { policy: draft.policy, ..Parts::default() }, &tables(), None);
    assert_eq!(built.map(|_| ()), Err(BuildError::TooMany { what: "breakers", count: 65, max: 64 }));
}

#[test]
fn a_key_without_room_is_refused_what_would_open_its_breaker_and_nothing_else() {
    let (mut scratch, sizes) = (Scratch::new(0), engine::Sizes { velocity_keys: 1, ..small() });
    let tables = Tables::new(&sizes).expect("small");
    let mut draft = Draft::new("full");
    breaker(&mut draft, "surge", &[Builtin::Account], Builtin::Amount.id(), 1_000);
    let snapshot = snapshot(draft, &tables, None);
    let ids: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    // One batch holds every slot of the one set that there is.
    let checks: Vec<_> = ids.iter().map(|id| claim(id, id, if id.len() == 1 { 1 } else { 1_000 })).collect();
    let answers = ask(&snapshot, &tables, 0, &checks, &mut scratch);
    for (check, answer) in checks.iter().zip(&answers) {
        let expected = if check.amount_minor == Some(1) { Verdict::Allow } else { Verdict::Deny };
        assert_eq!(answer.verdict, expected, "{}", check.id);
    }
    assert!(answers.iter().any(|answer| answer.degraded != 0), "some had no room");
}

fn small() -> engine::Sizes {
    engine::Sizes {
        accounts: 100,
        devices: 100,
        list_entries: 10,
        decisions: 100,
        ..engine::Sizes::default()
    }
}
