//! Past every bound of a policy, a table or an event: refused with the reason and nothing changed, or clamped and flagged.

#[expect(dead_code, reason = "the site has more than this test needs")]
mod site;

use engine::feature::{Builtin, Feature, FeatureId, Scalar, Type};
use engine::limits::{
    EXACT_COUNT_MAX, EXACT_DISTINCT_MAX, FEATURES_MAX, KEY_FIELDS_MAX, KEYS_MAX, LIMITS_MAX, PENDING_MAX,
    RECORD_BYTES_MAX, RULES_MAX, WINDOW_MS_MAX, WINDOW_MS_MIN, WINDOWS_MAX,
};
use engine::policy::{Aggregate, Status, Tier, Window};
use engine::program::Kinds;
use engine::table::PARTS_MAX;
use engine::{BuildError, Parts, Scratch, SizeError, Sizes, Snapshot, Tables};
use site::{Draft, START_MS, ask, claim, tables};
use wire::limits::CLOCK_AHEAD_MS_MAX;
use wire::{Degraded, Geo, Kind, Verdict};

const DAY_MS: i64 = 86_400_000;

/// A policy of one counted window, changed.
fn one(change: impl FnOnce(&mut Window)) -> Draft {
    let mut draft = Draft::new("one");
    draft.window("seen", Aggregate::Count, Kind::Claim, Builtin::Account, Status::Attempt, 0);
    change(&mut draft.policy.windows[0]);
    draft
}

/// A policy of so many windows over the keys that `key` gives.
fn many(count: usize, key: impl Fn(usize) -> Vec<FeatureId>) -> Draft {
    let mut draft = Draft::new("many");
    for at in 0..count {
        draft.window(&format!("w{at}"), Aggregate::Count, Kind::Claim, Builtin::Account, Status::Attempt, 0);
        draft.policy.windows[at].key = key(at);
    }
    draft
}

fn build(draft: Draft, tables: &Tables) -> Result<Snapshot, BuildError> {
    Snapshot::build(Parts { policy: draft.policy, ..Parts::default() }, tables, None)
}

fn why(draft: Draft) -> String {
    build(draft, &tables()).err().expect("past a bound").to_string()
}

#[test]
fn a_window_that_cannot_be_kept_is_refused_with_its_name_and_the_reason() {
    let text = |count| vec![Builtin::Account.id(); count];
    for window_ms in [0, 1, WINDOW_MS_MIN - 1, WINDOW_MS_MAX + 1, 365 * DAY_MS, -60_000, i64::MIN, i64::MAX] {
        let why = why(one(|window| window.window_ms = window_ms));
        assert_eq!(why, "feature seen has a window outside 1 s to 30 d", "{window_ms}");
    }
    for count in [0, KEY_FIELDS_MAX + 1, 6] {
        let why = why(one(|window| window.key = text(count)));
        assert_eq!(why, "feature seen has a key of none or more than four fields", "{count}");
    }
    let amount = Builtin::Amount.id();
    type Change = fn(&mut Window);
    let cases: [(Change, &str); 8] = [
        (|window| window.key = vec![Builtin::Amount.id()], "has a key that is not text"),
        (|window| window.exact = EXACT_COUNT_MAX as u16 + 2, "is exact beyond 64"),
        (|window| window.exact = u16::MAX, "is exact beyond 64"),
        (|window| window.aggregate = Aggregate::Sum(Builtin::Lat.id()), "sums what is neither"),
        (|window| window.aggregate = Aggregate::Max(Builtin::Account.id()), "sums what is neither"),
        (|window| window.aggregate = Aggregate::Distinct(Builtin::Kyc.id()), "tells apart what is not text"),
        (|window| window.aggregate = Aggregate::Distinct(Builtin::Ip.id()), "is exact for none or more than"),
        (|window| (window.aggregate, window.status) = (Aggregate::Last, Status::Approved), "is approved"),
    ];
    for (change, expected) in cases {
        let why = why(one(change));
        assert!(why.starts_with("feature seen ") && why.contains(expected), "{why}");
    }
    let sum = |window: &mut Window| (window.aggregate, window.exact) = (Aggregate::Sum(amount), 1);
    assert!(why(one(sum)).contains("has no exact range"));
    let distinct = Aggregate::Distinct(Builtin::DeviceId.id());
    let wide = |window: &mut Window| {
        (window.aggregate, window.exact) = (distinct, EXACT_DISTINCT_MAX as u16 + 1);
    };
    assert!(why(one(wide)).contains("more than 64 values"));
    let mut limited = one(|_| {});
    limited.limit(5);
    assert!(why(limited).contains("which only approved features can have"));
}

#[test]
fn more_of_anything_than_there_is_room_for_is_refused_by_number() {
    let fields = [
        Builtin::Account,
        Builtin::Counterparty,
        Builtin::DeviceId,
        Builtin::Packet,
        Builtin::Channel,
        Builtin::Campaign,
        Builtin::Inviter,
        Builtin::Utm,
        Builtin::Ip,
    ];
    let pair = |at: usize| vec![fields[at % 9].id(), fields[(at + 1 + at / 9) % 9].id()];
    let by_key = |at: usize| pair(at % KEYS_MAX);
    let mut rules = Draft::new("rules");
    for at in 0..=RULES_MAX {
        rules.rule(&format!("r{at}"), Tier::Deny, Verdict::Deny, Builtin::Kyc.id(), 1);
    }
    let mut limits = one(|window| window.status = Status::Approved);
    (0..=LIMITS_MAX as i64).for_each(|max| limits.limit(max));
    let mut approved = many(PENDING_MAX + 1, |_| vec![Builtin::Account.id()]);
    approved.policy.windows.iter_mut().for_each(|window| window.status = Status::Approved);
    for (draft, expected) in [
        (many(WINDOWS_MAX + 1, by_key), format!("257 velocity features, where {WINDOWS_MAX} have room")),
        (
            many(KEYS_MAX + 1, pair),
            format!("17 keys that windows and breakers are kept by, where {KEYS_MAX} have room"),
        ),
        (rules, format!("10001 rules, where {RULES_MAX} have room")),
        (limits, format!("65 limits, where {LIMITS_MAX} have room")),
        (approved, format!("9 approved features of one kind, where {PENDING_MAX} have room")),
    ] {
        assert_eq!(why(draft), expected);
    }
    build(many(WINDOWS_MAX, by_key), &tables()).map(drop).expect("as many as there is room for");
    // As many keys as there may be, and of one more windows than one table has parts.
    let uneven = |at: usize| pair(at.saturating_sub(PARTS_MAX) % KEYS_MAX);
    build(many(KEYS_MAX + PARTS_MAX, uneven), &tables()).map(drop).expect("within every bound");

    // A thousand features: the table of features says no before a policy can be made of them.
    let mut draft = Draft::new("thousand");
    let row = |at: usize| Feature {
        name: format!("f{at}"),
        ty: Type::Int,
        missing: Scalar::Int(0),
        doc: String::new(),
    };
    let kept = (0..1_000).filter(|&at| draft.policy.features.push(row(at)).is_some()).count();
    assert_eq!(draft.policy.features.len(), FEATURES_MAX);
    assert!(kept < FEATURES_MAX);
}

#[test]
fn tables_beyond_memory_are_refused_by_name() {
    let small = Sizes {
        accounts: 100,
        devices: 100,
        velocity_keys: 100,
        busy_keys: 100,
        list_entries: 100,
        decisions: 100,
        seed: [1; 16],
    };
    for entries in [1 << 40, usize::MAX / 2, usize::MAX] {
        for (sizes, table) in [
            (Sizes { accounts: entries, ..small.clone() }, "accounts"),
            (Sizes { devices: entries, ..small.clone() }, "devices"),
            (Sizes { decisions: entries, ..small.clone() }, "decisions"),
        ] {
            let error = Tables::new(&sizes).err().expect("no machine has so much");
            assert_eq!(error, SizeError::NoMemory { table, entries });
            assert!(error.to_string().contains(&format!("lower tables.{table}")), "{error}");
        }
        // Velocity tables are made with the policy.
        let tables = Tables::new(&Sizes { velocity_keys: entries, ..small.clone() }).expect("small so far");
        let error = build(one(|_| {}), &tables).err().expect("no machine has so much");
        assert_eq!(error, BuildError::Size(SizeError::NoMemory { table: "velocity_keys", entries }));
    }
}

#[test]
fn tables_that_do_not_fit_are_refused_before_any_is_touched() {
    let entries = 100_000;
    let sizes = Sizes {
        accounts: entries,
        devices: entries,
        velocity_keys: entries,
        busy_keys: entries,
        list_entries: 1_000,
        decisions: entries,
        seed: [1; 16],
    };
    let policy = one(|_| {}).policy;
    let bytes = Snapshot::fits(&policy, &sizes, u64::MAX).expect("no bound");
    assert!(bytes > 100_000_000);
    assert_eq!(Snapshot::fits(&policy, &sizes, bytes), Ok(bytes));
    let error = Snapshot::fits(&policy, &sizes, bytes - 1).expect_err("a byte short");
    let BuildError::Size(SizeError::TooLarge { table, bytes: all, free_bytes, .. }) = error else {
        panic!("{error}");
    };
    assert_eq!((table, all, free_bytes), ("decisions", bytes, bytes - 1));
    assert!(error.to_string().ends_with("lower tables.decisions"), "{error}");

    let error = Tables::within(&sizes, 1_000_000).err().expect("more than a megabyte");
    assert!(matches!(error, SizeError::TooLarge { .. }));
    let tables = Tables::within(&sizes, bytes).expect("what they take");
    assert!(build(one(|_| {}), &tables).is_ok(), "and what the policy takes");
    tables.allow(1_000_000);
    let error = build(one(|_| {}), &tables).err().expect("a new table");
    let BuildError::Size(SizeError::TooLarge { table, .. }) = error else { panic!("{error}") };
    assert_eq!(table, "velocity_keys");
}

#[test]
fn tables_of_no_entries_hold_the_fewest_there_can_be() {
    let none = Sizes {
        accounts: 0,
        devices: 0,
        velocity_keys: 0,
        busy_keys: 0,
        list_entries: 0,
        decisions: 0,
        seed: [1; 16],
    };
    let tables = Tables::new(&none).expect("some hundred bytes");
    let snapshot = build(one(|_| {}), &tables).expect("a set of slots");
    let mut scratch = Scratch::new(0);
    for n in 0..100 {
        let account = format!("u{n}");
        let answer = ask(&snapshot, &tables, 20 * n, &[claim(&n.to_string(), &account, 1)], &mut scratch)[0];
        assert_eq!(answer.verdict, Verdict::Allow);
    }
    assert!(tables.fill(START_MS + 2_000).iter().any(|row| row.name == "velocity" && row.evictions > 0));
}

#[test]
fn a_refused_policy_leaves_the_one_in_force_as_it_was() {
    let (tables, mut scratch) = (tables(), Scratch::new(0));
    let draft = one(|_| {});
    let feature = draft.policy.windows[0].feature;
    let standing = build(draft, &tables).expect("sound");
    ask(&standing, &tables, 0, &[claim("a", "u", 1)], &mut scratch);
    let entries = tables.fill(START_MS);
    let refused = one(|window| window.window_ms = 0);
    let parts = Parts { policy: refused.policy, ..Parts::default() };
    assert!(Snapshot::build(parts, &tables, Some(&standing)).is_err());
    assert_eq!(tables.fill(START_MS), entries);
    ask(&standing, &tables, 1, &[claim("b", "u", 1)], &mut scratch);
    assert_eq!(scratch.value(feature, 0), Scalar::Int(2));
}

/// A caller of the engine need not have come through the wire, which refuses most of this.
#[test]
fn events_past_every_bound_are_decided_and_their_times_flagged() {
    let (tables, mut scratch) = (tables(), Scratch::new(0));
    let mut draft = one(|window| window.kinds = Kinds::ALL);
    let feature = draft.policy.windows[0].feature;
    draft.rule("north", Tier::Deny, Verdict::Deny, Builtin::Lat.id(), 1);
    let snapshot = build(draft, &tables).expect("sound");
    let year_ms = |year: i64| (year - 1970) * 365 * DAY_MS + (year - 1969) / 4 * DAY_MS;
    let mut count = 0;
    for stated_ms in
        [0, 1, year_ms(1970), year_ms(2200), i64::MIN, i64::MAX, START_MS + CLOCK_AHEAD_MS_MAX + 1]
    {
        let id = count.to_string();
        let mut check = claim(&id, "u", 1);
        check.time_ms = Some(stated_ms);
        let answer = ask(&snapshot, &tables, 0, &[check], &mut scratch)[0];
        assert_eq!(answer.degraded, Degraded::ClockSkew.bit(), "{stated_ms}");
        count += 1;
        // At the newer bound all are within the minute that is counted, but those at the older one.
        let (Scalar::Int(seen) | Scalar::Money(seen)) = scratch.value(feature, 0) else { panic!("a number") };
        assert!((1..=count).contains(&seen), "{seen} of {count}");
    }

    let long = "k".repeat(64 << 10);
    let nowhere = [(f64::NAN, f64::NAN), (f64::INFINITY, 0.0), (0.0, f64::NEG_INFINITY), (1e300, -1e300)];
    for (at, (lat, lon)) in nowhere.into_iter().enumerate() {
        let id = format!("place {at}");
        let mut check = claim(&id, &long, i64::MAX);
        check.device.id = long.as_str().into();
        check.text = long.as_str().into();
        check.geo = Some(Geo { lat, lon });
        ask(&snapshot, &tables, 0, &[check], &mut scratch);
        assert!(scratch.records().all(|(.., record)| record.len() <= RECORD_BYTES_MAX));
        assert_eq!(scratch.value(feature, 0), Scalar::Int(at as i64 + 1), "one key, whole");
    }
    let mut somewhere = claim("back", &long, 1);
    somewhere.geo = Some(Geo { lat: 39.9, lon: 116.4 });
    ask(&snapshot, &tables, 0, &[somewhere], &mut scratch);
    let Scalar::Double(km) = scratch.value(Builtin::DistanceKm.id(), 0) else { panic!("a distance") };
    assert!((0.0..=20_100.0).contains(&km), "{km} km from nowhere");
}
