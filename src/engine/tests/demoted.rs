//! What only watches refuses nothing and is recorded with what it would have refused, whether its file says so or it was demoted.

mod site;

use engine::feature::Builtin;
use engine::policy::{Aggregate, Breaker, BreakerState, Mode, Origin, Status, Tier};
use engine::program::Kinds;
use engine::record::Record;
use engine::table::Terms;
use engine::{Scratch, Snapshot, Tables};
use site::{Draft, ask, claim, snapshot, tables};
use wire::{Kind, Value, Verdict};

/// A deny rule, a limit and a breaker, each on an amount of its own.
fn all_three(rule: i64, limit: i64, breaker: i64) -> Draft {
    let mut draft = Draft::new("three");
    let amount = Builtin::Amount.id();
    let paid = Aggregate::Sum(amount);
    draft.window("paid", paid, Kind::Claim, Builtin::Account, Status::Approved, 0);
    draft.limit(limit);
    draft.rule("large", Tier::Deny, Verdict::Deny, amount, rule);
    let (when, witness) = draft.at_least(amount, breaker);
    draft.policy.breakers.push(Breaker {
        key: vec![Builtin::Account.id()],
        kinds: Kinds::of(&[Kind::Claim]),
        when,
        on_error: Default::default(),
        terms: Terms { open_ms: 10_000, half_open_ms: 5_000, trials: 2 },
        verdict: Verdict::Deny,
        challenge: None,
        mode: Mode::Live,
        reason: site::words("B1", "surge"),
        witness,
    });
    draft
}

/// Verdict of a claim, and what its record says that only watched: of what, with value and threshold.
fn told(
    snapshot: &Snapshot,
    tables: &Tables,
    scratch: &mut Scratch,
    id: &str,
    amount: i64,
) -> (Verdict, Vec<(Origin, Value, Value)>) {
    let decision = ask(snapshot, tables, 0, &[claim(id, id, amount)], scratch)[0];
    let (_, _, bytes) = scratch.records().next().expect("one check has one record");
    let record = Record::decode(bytes).expect("the engine wrote it");
    assert_eq!(record.hits.iter().filter(|hit| !hit.shadow).count(), decision.hits().len());
    let shadows = record.hits.iter().filter(|hit| hit.shadow);
    let origin = |index: u32| snapshot.policy().origin_of(index as usize);
    (decision.verdict, shadows.map(|hit| (origin(hit.index), hit.value, hit.threshold)).collect())
}

#[test]
fn what_was_demoted_refuses_nothing_is_recorded_and_can_be_turned_on_again() {
    let (tables, mut scratch) = (tables(), Scratch::new(0));
    let live = snapshot(all_three(1_000, 2_000, 3_000), &tables, None);
    let all = [Origin::Rule(0), Origin::Limit(0), Origin::Breaker(0, BreakerState::Opened)];
    assert_eq!(told(&live, &tables, &mut scratch, "a", 4_000).0, Verdict::Deny);

    let policy = live.policy().clone();
    let watching = live.demoted(&policy, all);
    let (verdict, shadows) = told(&watching, &tables, &mut scratch, "b", 4_000);
    assert_eq!(verdict, Verdict::Allow);
    let money = |value, threshold| (Value::Money(value), Value::Money(threshold));
    let expected =
        [(all[1], money(4_000, 2_000)), (all[2], money(4_000, 3_000)), (all[0], money(4_000, 1_000))];
    assert_eq!(shadows, expected.map(|(origin, (value, threshold))| (origin, value, threshold)));

    // One that is demoted leaves the others as they are.
    let without_rule = watching.demoted(&policy, [all[0]]);
    let (verdict, shadows) = told(&without_rule, &tables, &mut scratch, "c", 1_500);
    assert_eq!((verdict, shadows.len()), (Verdict::Allow, 1));
    assert_eq!(told(&without_rule, &tables, &mut scratch, "d", 2_500).0, Verdict::Deny);
    let again = watching.demoted(&policy, []);
    assert_eq!(told(&again, &tables, &mut scratch, "e", 1_500), (Verdict::Deny, Vec::new()));
}

#[test]
fn a_demoted_limit_goes_on_counting_and_refuses_by_it_once_it_is_live() {
    let (tables, mut scratch) = (tables(), Scratch::new(0));
    let live = snapshot(all_three(100_000, 2_000, 100_000), &tables, None);
    let watching = live.demoted(live.policy(), [Origin::Limit(0)]);
    let mut ask = |snapshot: &Snapshot, id, amount| {
        let decision = ask(snapshot, &tables, 0, &[claim(id, "u", amount)], &mut scratch)[0];
        (decision.verdict, decision.hits().first().map(|hit| hit.value))
    };
    assert_eq!(ask(&watching, "a", 1_500), (Verdict::Allow, None));
    assert_eq!(ask(&watching, "b", 1_500), (Verdict::Allow, None), "beyond the limit, which only watches");
    assert_eq!(ask(&live, "c", 1), (Verdict::Deny, Some(Value::Money(3_001))));
}

#[test]
fn what_a_file_has_in_shadow_or_off_refuses_nothing() {
    let (tables, mut scratch) = (tables(), Scratch::new(0));
    for (mode, watched) in [(Mode::Shadow, 3), (Mode::Off, 0)] {
        let mut draft = all_three(1_000, 2_000, 3_000);
        draft.policy.rules[0].mode = mode;
        draft.policy.limits[0].mode = mode;
        draft.policy.breakers[0].mode = mode;
        let snapshot = snapshot(draft, &tables, None);
        let id = format!("{mode:?}");
        let (verdict, shadows) = told(&snapshot, &tables, &mut scratch, &id, 4_000);
        assert_eq!((verdict, shadows.len()), (Verdict::Allow, watched), "{mode:?}");
    }
}
