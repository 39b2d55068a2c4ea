//! What an answer means, stated against the engine itself.

mod site;

use std::sync::atomic::{AtomicUsize, Ordering};

use engine::feature::{Builtin, Scalar};
use engine::policy::{Aggregate, Mode, Status, Tier};
use engine::record::Record;
use engine::token::{Body, TokenKey, seal};
use engine::{CheckState, OutcomeEffect, Parts, Scratch, Sizes, Snapshot, Tables, outcome};
use site::{Draft, START_MS, ask, claim, small, snapshot, tables};
use wire::{Check, Degraded, Kind, OutcomeKind, Value, Verdict};

/// Ten approved claims a packet.
fn ten_a_packet() -> Draft {
    let mut draft = Draft::new("ten");
    draft.window("claims", Aggregate::Count, Kind::Claim, Builtin::Packet, Status::Approved, 11);
    draft.limit(10);
    draft
}

#[test]
fn five_hundred_parallel_claims_cannot_pass_a_limit_of_ten() {
    let (tables, allowed) = (tables(), AtomicUsize::new(0));
    let snapshot = snapshot(ten_a_packet(), &tables, None);
    let claim_all = |round: usize| {
        std::thread::scope(|scope| {
            for worker in 0..10 {
                let (tables, snapshot, allowed) = (&tables, &snapshot, &allowed);
                scope.spawn(move || {
                    let mut scratch = Scratch::new(worker);
                    for n in 0..50 {
                        let (id, account) = (format!("{round}-{worker}-{n}"), format!("u{worker}-{n}"));
                        let after_ms = (n as i64 % 3) * worker as i64;
                        let answer =
                            ask(snapshot, tables, after_ms, &[claim(&id, &account, 100)], &mut scratch)[0];
                        if answer.verdict == Verdict::Allow {
                            allowed.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
    };
    claim_all(1);
    assert_eq!(allowed.load(Ordering::Relaxed), 10);
    claim_all(2);
    assert_eq!(allowed.load(Ordering::Relaxed), 10, "no eleventh within the window");
}

/// Two claims a packet and 10.00 an account; from 1.00 on a claim is challenged.
fn challenged() -> Draft {
    let mut draft = Draft::new("challenged");
    let amount = Builtin::Amount.id();
    draft.window("claims", Aggregate::Count, Kind::Claim, Builtin::Packet, Status::Approved, 3);
    draft.limit(2);
    draft.window("paid", Aggregate::Sum(amount), Kind::Claim, Builtin::Account, Status::Approved, 0);
    draft.limit(1_000);
    draft.rule("face", Tier::Challenge, Verdict::Challenge, amount, 100);
    draft
}

#[test]
fn a_passed_challenge_takes_what_every_limit_leaves_or_nothing() {
    let (tables, mut scratch) = (tables(), Scratch::new(0));
    let mut draft = challenged();
    let snapshot = snapshot(draft, &tables, None);
    let mut ask_for = |id: &str, account: &str, amount: i64| {
        ask(&snapshot, &tables, 0, &[claim(id, account, amount)], &mut scratch)[0].verdict
    };
    let pass = |snapshot: &Snapshot, id: &str| {
        outcome(snapshot, &tables, START_MS + 1, id, OutcomeKind::ChallengePassed)
    };
    for (id, account, amount) in [("a", "u", 600), ("b", "u", 500), ("c", "v", 500), ("d", "w", 900)] {
        assert_eq!(ask_for(id, account, amount), Verdict::Challenge, "each by itself fits");
    }
    assert_eq!(pass(&snapshot, "a"), OutcomeEffect::Taken);
    let full = pass(&snapshot, "b");
    assert!(matches!(full, OutcomeEffect::Full { max: 1_000, .. }), "11.00 of one account: {full:?}");
    assert_eq!(pass(&snapshot, "c"), OutcomeEffect::Taken, "what b would have taken of the packet is there");
    let full = pass(&snapshot, "d");
    assert!(matches!(full, OutcomeEffect::Full { max: 2, .. }), "a third share: {full:?}");
    assert_eq!(ask_for("e", "w", 50), Verdict::Deny, "so it is for those that were not challenged");
    let give_back = |id| outcome(&snapshot, &tables, START_MS + 2, id, OutcomeKind::Failed);
    assert_eq!(give_back("b"), OutcomeEffect::Noted, "it holds nothing");
    assert_eq!(give_back("a"), OutcomeEffect::GivenBack);
    assert_eq!(pass(&snapshot, "b"), OutcomeEffect::NoChallenge(CheckState::Ended), "refused by its caller");
    assert_eq!(pass(&snapshot, "d"), OutcomeEffect::Taken);
    assert_eq!((give_back("c"), give_back("d")), (OutcomeEffect::GivenBack, OutcomeEffect::GivenBack));

    // A maximum that is lowered meanwhile holds; one that is raised does not for those asked before.
    assert_eq!(ask_for("f", "x", 700), Verdict::Challenge);
    draft = challenged();
    draft.policy.limits[1].max = 600;
    let lowered =
        Snapshot::build(Parts { policy: draft.policy, ..Parts::default() }, &tables, Some(&snapshot));
    let full = pass(&lowered.expect("sound"), "f");
    assert!(matches!(full, OutcomeEffect::Full { max: 600, .. }), "{full:?}");
}

#[test]
fn a_limit_that_asks_for_a_challenge_hides_none_that_denies_and_what_passes_counts() {
    let (tables, mut scratch) = (tables(), Scratch::new(0));
    let mut draft = Draft::new("step up");
    let paid = Aggregate::Sum(Builtin::Amount.id());
    let feature = draft.window("paid", paid, Kind::Claim, Builtin::Account, Status::Approved, 0);
    draft.limit(1_000);
    draft.policy.limits[0].verdict = Verdict::Challenge;
    draft.limit(3_000);
    let snapshot = snapshot(draft, &tables, None);
    let mut spend = |id: &str, amount: i64| {
        let answer = ask(&snapshot, &tables, 0, &[claim(id, "u", amount)], &mut scratch)[0];
        (answer.verdict, answer.hits().len(), scratch.value(feature, 0))
    };
    let pass = |id| outcome(&snapshot, &tables, START_MS, id, OutcomeKind::ChallengePassed);
    assert_eq!(spend("a", 1_000), (Verdict::Allow, 0, Scalar::Money(1_000)));
    assert_eq!(spend("b", 1_500), (Verdict::Challenge, 1, Scalar::Money(2_500)));
    assert_eq!(pass("b"), OutcomeEffect::Taken);
    assert_eq!(spend("c", 500), (Verdict::Challenge, 1, Scalar::Money(3_000)), "what passed counts");
    assert_eq!(spend("d", 501), (Verdict::Deny, 2, Scalar::Money(3_001)), "no challenge lifts this one");
    assert_eq!(pass("d"), OutcomeEffect::NoChallenge(CheckState::Refused), "a denied event has none");
    assert_eq!(spend("e", 400), (Verdict::Challenge, 1, Scalar::Money(2_900)));
    assert_eq!(pass("c"), OutcomeEffect::Taken);
    assert!(matches!(pass("e"), OutcomeEffect::Full { max: 3_000, .. }));
    assert_eq!(
        outcome(&snapshot, &tables, START_MS, "b", OutcomeKind::Cancelled),
        OutcomeEffect::GivenBack,
        "and can be given back"
    );
    assert_eq!(pass("e"), OutcomeEffect::Taken);
}

#[test]
fn what_a_forgotten_key_had_reserved_is_not_given_back_out_of_its_next_life() {
    let tables = Tables::new(&Sizes { velocity_keys: 1, busy_keys: 1, ..small() }).expect("small");
    let mut draft = Draft::new("spent");
    let amount = Builtin::Amount.id();
    let spent =
        draft.window("spent", Aggregate::Sum(amount), Kind::Claim, Builtin::Account, Status::Approved, 0);
    let (snapshot, mut scratch) = (snapshot(draft, &tables, None), Scratch::new(0));
    let mut spend = |id: &str, account: &str, amount: i64, at_ms: i64| {
        ask(&snapshot, &tables, at_ms, &[claim(id, account, amount)], &mut scratch);
        scratch.value(spent, 0)
    };
    assert_eq!(spend("a", "u", 500, 0), Scalar::Money(500));
    for n in 1..=16 {
        spend(&format!("other{n}"), &format!("v{n}"), 1, 20 * n);
    }
    assert_eq!(spend("b", "u", 700, 400), Scalar::Money(700), "sixteen others came");
    let failed = outcome(&snapshot, &tables, START_MS + 410, "a", OutcomeKind::Failed);
    assert_eq!(failed, OutcomeEffect::GivenBack);
    assert_eq!(spend("c", "u", 1, 420), Scalar::Money(701), "the same sub-window, and all of b's is there");
}

#[test]
fn a_repeated_id_is_known_for_sixty_seconds_at_the_configured_rate() {
    let decisions = 4_000;
    let tables = Tables::new(&Sizes { decisions, ..small() }).expect("small");
    let (snapshot, mut scratch) = (snapshot(Draft::new("none"), &tables, None), Scratch::new(0));
    let per_batch = decisions / 60 / 10;
    let mut ask_batch = |batch: usize, at_ms: i64| {
        let ids: Vec<String> = (0..per_batch).map(|n| format!("{batch}-{n}")).collect();
        let checks: Vec<Check<'_>> = ids.iter().map(|id| claim(id, "u", 1)).collect();
        ask(&snapshot, &tables, at_ms, &checks, &mut scratch).iter().filter(|d| d.replayed).count()
    };
    for batch in 0..6_000 {
        let now_ms = 100 * batch as i64;
        assert_eq!(ask_batch(batch, now_ms), 0);
        // A repetition is remembered as long as a first answer, and takes as much of the rate.
        if batch >= 600 && batch % 20 == 0 {
            assert_eq!(ask_batch(batch - 600, now_ms), per_batch, "sixty seconds later");
        }
    }
}

#[test]
fn ids_there_is_no_room_for_are_decided_once_a_batch_and_say_so() {
    let tables = Tables::new(&Sizes { decisions: 1, ..small() }).expect("small");
    let (snapshot, mut scratch) = (snapshot(ten_a_packet(), &tables, None), Scratch::new(0));
    let ids: Vec<String> = (0..30).map(|n| format!("id{n}")).collect();
    let checks: Vec<Check<'_>> = ids.iter().chain(&ids).map(|id| claim(id, "u", 1)).collect();
    let answers = ask(&snapshot, &tables, 0, &checks, &mut scratch);
    let (first, second) = answers.split_at(30);
    assert!(first.iter().all(|first| !first.replayed));
    for (first, second) in first.iter().zip(second) {
        let mut repeated = *first;
        repeated.replayed = true;
        assert_eq!(repeated, *second);
    }
    let unremembered = |d: &&engine::Decision| d.degraded & Degraded::Idempotency.bit() != 0;
    assert_eq!(first.iter().filter(unremembered).count(), 30 - 16, "a table of one has sixteen slots");
    assert_eq!(first.iter().filter(|d| d.verdict == Verdict::Allow).count(), 10);
    let other = [claim("new", "u", 1), claim("id29", "u", 2), claim("id29", "v", 2)];
    let reused = ask(&snapshot, &tables, 0, &other, &mut scratch)[2];
    assert!(reused.replayed && reused.degraded & Degraded::IdReused.bit() != 0);
}

#[test]
fn what_outcomes_give_back_can_be_claimed_again_and_no_more() {
    let (tables, mut scratch) = (tables(), Scratch::new(0));
    let snapshot = snapshot(ten_a_packet(), &tables, None);
    let mut claim_twenty = |round: i64| -> Vec<String> {
        let ids: Vec<String> = (0..20).map(|n| format!("{round}-{n}")).collect();
        ids.into_iter()
            .filter(|id| {
                ask(&snapshot, &tables, round, &[claim(id, "u", 1)], &mut scratch)[0].verdict
                    == Verdict::Allow
            })
            .collect()
    };
    let first = claim_twenty(0);
    assert_eq!(first.len(), 10);
    for id in &first[..3] {
        assert_eq!(
            outcome(&snapshot, &tables, START_MS, id, OutcomeKind::Cancelled),
            OutcomeEffect::GivenBack
        );
        assert_eq!(
            outcome(&snapshot, &tables, START_MS, id, OutcomeKind::Failed),
            OutcomeEffect::Settled,
            "once only"
        );
    }
    assert_eq!(outcome(&snapshot, &tables, START_MS, &first[3], OutcomeKind::Settled), OutcomeEffect::Noted);
    assert_eq!(claim_twenty(1).len(), 3);
    assert_eq!(
        outcome(&snapshot, &tables, START_MS, "never seen", OutcomeKind::Failed),
        OutcomeEffect::Unknown
    );
}

#[test]
fn a_refused_limit_says_value_and_maximum_and_reserves_nothing() {
    let (tables, mut scratch) = (tables(), Scratch::new(0));
    let mut draft = Draft::new("sum");
    draft.window(
        "paid",
        Aggregate::Sum(Builtin::Amount.id()),
        Kind::Claim,
        Builtin::Account,
        Status::Approved,
        0,
    );
    draft.limit(10_000);
    let snapshot = snapshot(draft, &tables, None);
    let mut ask = |id: &str, amount| ask(&snapshot, &tables, 0, &[claim(id, "u", amount)], &mut scratch)[0];
    assert_eq!(ask("a", 9_000).verdict, Verdict::Allow);
    let refused = ask("b", 1_001);
    assert_eq!(refused.verdict, Verdict::Deny);
    assert_eq!(
        (refused.hits()[0].value, refused.hits()[0].threshold),
        (Value::Money(10_001), Value::Money(10_000))
    );
    let words: Vec<_> = snapshot.reasons(&refused).map(|reason| (reason.code, reason.rule)).collect();
    assert_eq!(words, [("L1", "limit")]);
    assert_eq!(ask("c", 1_000).verdict, Verdict::Allow, "the refused thousand and one was not counted");
}

#[test]
fn a_repeated_id_gets_the_first_answer_and_counts_once() {
    let (tables, mut scratch) = (tables(), Scratch::new(0));
    let mut draft = Draft::new("v");
    let claims = draft.window("claims", Aggregate::Count, Kind::Claim, Builtin::Account, Status::Attempt, 65);
    draft.rule("third", Tier::Review, Verdict::Review, claims, 3);
    let snapshot = snapshot(draft, &tables, None);
    let checks = [claim("a", "u", 1), claim("b", "u", 1), claim("c", "u", 1), claim("c", "u", 1)];
    let first = ask(&snapshot, &tables, 0, &checks, &mut scratch);
    assert_eq!(first[2].verdict, Verdict::Review);
    assert!(
        first[3].replayed && first[3].number == first[2].number,
        "two copies in one batch are one decision"
    );
    let again = ask(&snapshot, &tables, 5_000, &checks[2..3], &mut scratch)[0];
    let mut expected = first[2];
    expected.replayed = true;
    assert_eq!(again, expected);
    let other = ask(&snapshot, &tables, 5_000, &[claim("c", "somebody else", 999)], &mut scratch)[0];
    assert_eq!(other.verdict, Verdict::Review);
    assert_eq!(other.degraded, Degraded::IdReused.bit());
    ask(&snapshot, &tables, 5_000, &[claim("d", "u", 1)], &mut scratch);
    assert_eq!(scratch.value(claims, 0), Scalar::Int(4), "a, b, c and d");
}

#[test]
fn the_first_tier_with_a_match_decides_and_every_match_is_reported() {
    let (tables, mut scratch) = (tables(), Scratch::new(0));
    let mut draft = Draft::new("tiers");
    let amount = Builtin::Amount.id();
    draft.rule("challenge", Tier::Challenge, Verdict::Challenge, amount, 100);
    draft.rule("trust", Tier::Allow, Verdict::Allow, amount, 200);
    draft.rule("refuse", Tier::Deny, Verdict::Deny, amount, 300);
    draft.rule("watch", Tier::Deny, Verdict::Deny, amount, 0).mode = Mode::Shadow;
    let snapshot = snapshot(draft, &tables, None);
    let checks = [claim("a", "u", 50), claim("b", "u", 150), claim("c", "u", 250), claim("d", "u", 350)];
    let answers = ask(&snapshot, &tables, 0, &checks, &mut scratch);
    let verdicts: Vec<Verdict> = answers.iter().map(|answer| answer.verdict).collect();
    assert_eq!(verdicts, [Verdict::Allow, Verdict::Challenge, Verdict::Allow, Verdict::Deny]);
    let rules: Vec<_> = snapshot.reasons(&answers[3]).map(|reason| reason.rule).collect();
    assert_eq!(rules, ["refuse", "trust", "challenge"], "the deciding tier first, the shadow rule never");
    let (_, _, record) = scratch.records().next().expect("recorded");
    let record = Record::decode(record).expect("our own");
    assert!(record.hits.iter().any(|hit| hit.shadow && hit.index == 3), "but the log knows of it");
}

#[test]
fn a_record_tells_the_decision_and_no_identifier() {
    let (tables, mut scratch) = (tables(), Scratch::new(0));
    let mut draft = Draft::new("version-of-the-rules");
    draft.rule("all", Tier::Deny, Verdict::Deny, Builtin::Amount.id(), 1);
    let snapshot = snapshot(draft, &tables, None);
    let answer = ask(&snapshot, &tables, 0, &[claim("id-0001", "account-0001", 888)], &mut scratch)[0];
    let (key, number, bytes) = scratch.records().next().expect("recorded");
    assert_eq!((key, number), (tables.id_key("id-0001"), answer.number));
    let text = String::from_utf8_lossy(bytes);
    assert!(!text.contains("account-0001") && !text.contains("id-0001"));
    let record = Record::decode(bytes).expect("our own");
    assert_eq!(
        (record.verdict, record.amount_minor, record.number),
        (Verdict::Deny, Some(888), answer.number)
    );
    assert_eq!(record.policy, "version-of-the-rules");
    assert!(record.features.contains(&(Builtin::Amount.id().0, 888)));
    for cut in 0..bytes.len() {
        assert!(Record::decode(&bytes[..cut]).is_err(), "cut at {cut}");
    }
}

#[test]
fn a_reload_keeps_the_counts_of_unchanged_windows() {
    let (tables, mut scratch) = (tables(), Scratch::new(0));
    let count = |draft: &mut Draft, name: &str| {
        draft.window(name, Aggregate::Count, Kind::Claim, Builtin::Account, Status::Attempt, 10)
    };
    let mut draft = Draft::new("before");
    let kept = count(&mut draft, "kept");
    let before = snapshot(draft, &tables, None);
    ask(&before, &tables, 0, &[claim("a", "u", 1), claim("b", "u", 1)], &mut scratch);
    assert_eq!(scratch.value(kept, 1), Scalar::Int(2));
    let mut draft = Draft::new("after");
    let added = count(&mut draft, "added");
    let kept = count(&mut draft, "kept");
    let after = snapshot(draft, &tables, Some(&before));
    ask(&after, &tables, 1, &[claim("c", "u", 1)], &mut scratch);
    assert_eq!((scratch.value(kept, 0), scratch.value(added, 0)), (Scalar::Int(3), Scalar::Int(1)));
}

#[test]
fn a_limit_that_a_reload_changes_keeps_its_counts() {
    let (tables, mut scratch) = (tables(), Scratch::new(0));
    let limited = |version: &str, max: i64, previous: Option<&Snapshot>| {
        let mut draft = Draft::new(version);
        let exact = max.min(64) as u16 + 1;
        draft.window("claims", Aggregate::Count, Kind::Claim, Builtin::Account, Status::Approved, exact);
        draft.limit(max);
        snapshot(draft, &tables, previous)
    };
    let mut claims = |snapshot: &Snapshot, name: &str| {
        let ids: Vec<String> = (0..100).map(|n| format!("{name}{n}")).collect();
        let checks: Vec<_> = ids.iter().map(|id| claim(id, "u", 1)).collect();
        let decisions = ask(snapshot, &tables, 0, &checks, &mut scratch);
        decisions.iter().filter(|decision| decision.verdict == Verdict::Allow).count()
    };
    let ten = limited("ten", 10, None);
    assert_eq!(claims(&ten, "a"), 10);
    let twelve = limited("twelve", 12, Some(&ten));
    assert_eq!((claims(&twelve, "b"), twelve.narrowed().count()), (2, 0), "two more, as exact as before");
    let forty = limited("forty", 40, Some(&twelve));
    assert_eq!(claims(&forty, "c"), 28, "there is no room for forty times, and the sum decides");
    assert_eq!(forty.narrowed().collect::<Vec<_>>(), ["claims"]);
    let three = limited("three", 3, Some(&forty));
    assert_eq!(claims(&three, "d"), 0);
}

#[test]
fn a_key_is_not_forgotten_before_its_last_event_is_out_of_every_window() {
    let (tables, mut scratch) = (tables(), Scratch::new(0));
    let mut draft = Draft::new("edge");
    let claims = draft.window("claims", Aggregate::Count, Kind::Claim, Builtin::Account, Status::Attempt, 10);
    let snapshot = snapshot(draft, &tables, None);
    let mut count = |id: &str, account: &str, after_ms: i64, late_ms: i64| {
        let mut check = claim(id, account, 1);
        check.time_ms = Some(START_MS + after_ms - late_ms);
        ask(&snapshot, &tables, after_ms, &[check], &mut scratch);
        scratch.value(claims, 0)
    };
    assert_eq!(count("a", "u", 15, 0), Scalar::Int(1));
    assert_eq!(count("b", "u", 60_014, 0), Scalar::Int(2), "one millisecond before it is out");
    assert_eq!(count("c", "u", 60_015, 0), Scalar::Int(2), "and when it is out");
    assert_eq!(count("d", "v", 0, 0), Scalar::Int(1));
    assert_eq!(count("e", "v", 61_000, 4_000), Scalar::Int(2), "a late event finds what its window held");
    assert_eq!(count("f", "v", 2_000_000, 0), Scalar::Int(1));
}

#[test]
fn a_token_that_does_not_hold_is_denied_with_its_reason() {
    let tables = tables();
    let mut scratch = Scratch::new(0);
    let keys = vec![TokenKey::new(1, [4; 32])];
    let body = Body { packet: 7, minted_ms: START_MS, expires_ms: START_MS + 1_000, amount_minor: 0 };
    let good = seal(&keys[0], [1; 12], &body);
    let other = seal(&keys[0], [2; 12], &Body { packet: 8, ..body });
    let forged = seal(&TokenKey::new(1, [5; 32]), [3; 12], &body);
    let parts = Parts { token_keys: keys, ..Parts::default() };
    let snapshot = Snapshot::build(parts, &tables, None).expect("sound");
    for (id, token, after_ms, expected) in [
        ("a", &good, 0, None),
        ("b", &good, 1_000, Some("G102")),
        ("c", &other, 0, Some("G103")),
        ("d", &forged, 0, Some("G101")),
    ] {
        let mut check = claim(id, "u", 1);
        check.token = token.as_str().into();
        let answer = ask(&snapshot, &tables, after_ms, &[check], &mut scratch)[0];
        let code = snapshot.reasons(&answer).next().map(|reason| reason.code);
        assert_eq!(code, expected, "{id}");
        assert_eq!(answer.verdict == Verdict::Deny, expected.is_some(), "{id}");
    }
}

#[test]
fn a_time_out_of_bounds_is_counted_at_the_bound_and_flagged() {
    let (tables, mut scratch) = (tables(), Scratch::new(0));
    let snapshot = snapshot(Draft::new("v"), &tables, None);
    for (id, stated_ms, flagged) in [
        ("a", START_MS, false),
        ("b", START_MS + 1_000, false),
        ("c", 4_102_444_800_000, true),
        ("d", 0, true),
    ] {
        let mut check = claim(id, "u", 1);
        check.time_ms = Some(stated_ms);
        let answer = ask(&snapshot, &tables, 0, &[check], &mut scratch)[0];
        assert_eq!(answer.degraded == Degraded::ClockSkew.bit(), flagged, "{id}");
    }
}

#[test]
fn one_at_a_time_or_in_batches_independent_checks_get_the_same_bits() {
    let (mut scratch, ids) = (Scratch::new(0), (0..200).map(|n| n.to_string()).collect::<Vec<_>>());
    let checks: Vec<_> = ids
        .iter()
        .map(|id| {
            let mut check = claim(id, id, id.len() as i64 * 77);
            check.device.id = id.as_str().into();
            check
        })
        .collect();
    let run = |batch: usize, scratch: &mut Scratch| {
        let tables = tables();
        let mut draft = Draft::new("v");
        let seen = draft.window("seen", Aggregate::Count, Kind::Claim, Builtin::Account, Status::Attempt, 5);
        draft.rule("some", Tier::Review, Verdict::Review, Builtin::Amount.id(), 150);
        draft.rule("seen", Tier::Challenge, Verdict::Challenge, seen, 1);
        let snapshot = snapshot(draft, &tables, None);
        checks.chunks(batch).flat_map(|chunk| ask(&snapshot, &tables, 0, chunk, scratch)).collect::<Vec<_>>()
    };
    assert_eq!(run(1, &mut scratch), run(200, &mut scratch));
}

#[test]
fn without_time_for_the_model_the_answer_says_so() {
    use engine::forest::{Calibration, ForestSpec, Node, Precision, Transform, Tree};
    let (tables, mut scratch) = (tables(), Scratch::new(0));
    let forest = ForestSpec {
        version: "m1".to_owned(),
        inputs: vec!["amount".to_owned()],
        trees: vec![Tree { nodes: vec![Node::Leaf(0.75)] }],
        inputs_as: Precision::Double,
        sums_as: Precision::Double,
        base: 0.0,
        mean: true,
        transform: Transform::Identity,
        calibration: Calibration::None,
    };
    let parts = Parts { forest: Some(forest), ..Parts::default() };
    let snapshot = Snapshot::build(parts, &tables, None).expect("sound");
    let mut hurried = claim("a", "u", 1);
    hurried.budget_us = Some(5);
    let answers = ask(&snapshot, &tables, 0, &[hurried, claim("b", "u", 1)], &mut scratch);
    assert_eq!((answers[0].score, answers[0].degraded), (0.0, Degraded::Model.bit()));
    assert_eq!((answers[1].score, answers[1].degraded), (0.75, 0));
    assert_eq!(snapshot.model_version(), "m1");
}
