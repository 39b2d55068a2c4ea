//! What profiles tell, feature by feature.

use engine::feature::{Builtin, Scalar};
use engine::{Now, Parts, Scratch, Sizes, Snapshot, Tables, decide};
use wire::{Check, Geo, Kind, Verdict};

const START_MS: i64 = 1_767_607_200_000;
const DAY_MS: i64 = 86_400_000;

/// Tables, a snapshot without rules, and a counter that ids are made of.
struct Site {
    tables: Tables,
    snapshot: Snapshot,
    scratch: Scratch,
    asked: u32,
}

impl Site {
    fn new() -> Site {
        let sizes = Sizes {
            accounts: 100,
            devices: 100,
            velocity_keys: 1,
            list_entries: 1,
            decisions: 4_000,
            ..Sizes::default()
        };
        let tables = Tables::new(&sizes).expect("small");
        let snapshot = Snapshot::build(Parts::default(), &tables, None).expect("sound");
        Site { tables, snapshot, scratch: Scratch::new(0), asked: 0 }
    }

    /// Decides an event of that account so long after the start; gives a feature of it.
    fn see(
        &mut self,
        after_ms: i64,
        kind: Kind,
        account: &str,
        change: impl FnOnce(&mut Check<'_>),
        feature: Builtin,
    ) -> Scalar {
        self.asked += 1;
        let id = self.asked.to_string();
        let mut check = Check::new(id.as_str(), kind, account);
        change(&mut check);
        let (mut decisions, now) = (Vec::new(), Now { ms: START_MS + after_ms, waited_us: 0 });
        decide(&self.snapshot, &self.tables, now, &[check], &mut decisions, &mut self.scratch);
        assert_eq!(decisions[0].verdict, Verdict::Allow);
        self.scratch.value(feature.id(), 0)
    }

    fn amount(&mut self, kind: Kind, amount_minor: i64, feature: Builtin) -> Scalar {
        self.see(0, kind, "u", |check| check.amount_minor = Some(amount_minor), feature)
    }

    fn device(&mut self, shown: (&str, &str, bool), feature: Builtin) -> Scalar {
        let (os, model, rooted) = shown;
        let show = |check: &mut Check<'_>| {
            check.device.id = "d".into();
            (check.device.os, check.device.model) = (os.to_owned().into(), model.to_owned().into());
            check.device.rooted = rooted;
        };
        self.see(0, Kind::Login, "u", show, feature)
    }

    fn at(&mut self, after_ms: i64, (lat, lon): (f64, f64), feature: Builtin) -> Scalar {
        self.see(after_ms, Kind::Login, "u", |check| check.geo = Some(Geo { lat, lon }), feature)
    }
}

const BEIJING: (f64, f64) = (39.9042, 116.4074);
const TIANJIN: (f64, f64) = (39.0842, 117.2009);
const SHANGHAI: (f64, f64) = (31.2304, 121.4737);
const CHENGDU: (f64, f64) = (30.5728, 104.0668);
const SYDNEY: (f64, f64) = (-33.8688, 151.2093);

#[test]
fn first_and_last_seen_are_told_of_accounts_and_devices() {
    let mut site = Site::new();
    let mut see = |after_ms, account, feature| {
        site.see(after_ms, Kind::Login, account, |check| check.device.id = "d".into(), feature)
    };
    assert_eq!(see(0, "u", Builtin::AccountIdle), Scalar::Int(-1));
    assert_eq!(see(1_500, "u", Builtin::AccountIdle), Scalar::Int(1));
    assert_eq!(see(5_000, "u", Builtin::AccountAge), Scalar::Int(5));
    assert_eq!(see(5_000, "u", Builtin::AccountEvents), Scalar::Int(3));
    assert_eq!(see(9_000, "v", Builtin::AccountIdle), Scalar::Int(-1), "another account");
    assert_eq!(see(9_000, "v", Builtin::DeviceAge), Scalar::Int(9), "on the same device");
    assert_eq!(see(12_000, "w", Builtin::DeviceIdle), Scalar::Int(3));
    let mut fresh = Site::new();
    assert_eq!(fresh.device(("", "", false), Builtin::DeviceIdle), Scalar::Int(-1));
}

#[test]
fn what_a_device_shows_of_itself_is_told_apart() {
    let mut site = Site::new();
    let (no, yes) = (Scalar::Bool(false), Scalar::Bool(true));
    assert_eq!(
        site.device(("Android 14", "X1", false), Builtin::DeviceChanged),
        no,
        "nothing to compare with"
    );
    assert_eq!(site.device(("Android 14", "X1", false), Builtin::DeviceChanged), no);
    // An update changes the system and nothing else.
    assert_eq!(site.device(("Android 15", "X1", false), Builtin::DeviceOsChanged), yes);
    assert_eq!(site.device(("Android 16", "X1", false), Builtin::DeviceModelChanged), no);
    assert_eq!(site.device(("Android 17", "X1", false), Builtin::DeviceChanged), yes);
    assert_eq!(site.device(("Android 17", "X2", false), Builtin::DeviceModelChanged), yes);
    assert_eq!(site.device(("Android 17", "X3", false), Builtin::DeviceOsChanged), no);
    // What a check leaves out has not changed.
    assert_eq!(site.device(("", "", false), Builtin::DeviceChanged), no);
    assert_eq!(site.device(("Android 17", "", false), Builtin::DeviceChanged), no);
    assert_eq!(site.device(("Android 17", "X3", false), Builtin::DeviceModelChanged), no);
}

#[test]
fn a_rooted_flag_that_disappears_is_remembered() {
    let mut site = Site::new();
    let (no, yes) = (Scalar::Bool(false), Scalar::Bool(true));
    assert_eq!(site.device(("A", "X", false), Builtin::DeviceRootedBefore), no);
    assert_eq!(site.device(("A", "X", true), Builtin::DeviceRootedBefore), no, "not before this one");
    assert_eq!(site.device(("A", "X", false), Builtin::DeviceRootedBefore), yes);
    assert_eq!(site.device(("A", "X", false), Builtin::DeviceChanged), no, "since the last");
    assert_eq!(site.device(("A", "X", false), Builtin::DeviceRootedBefore), yes, "and for good");
    assert_eq!(site.device(("A", "X", true), Builtin::DeviceChanged), yes);
    assert_eq!(site.device(("", "", false), Builtin::DeviceChanged), no, "a check that says nothing");
    assert_eq!(site.device(("A", "X", true), Builtin::DeviceChanged), no);
}

#[test]
fn a_bound_device_stays_bound_whatever_it_shows() {
    let mut site = Site::new();
    let on = |check: &mut Check<'_>| check.device.id = "d".into();
    assert_eq!(site.see(0, Kind::Login, "u", on, Builtin::DeviceBound), Scalar::Bool(false));
    site.see(0, Kind::Bind, "u", on, Builtin::DeviceBound);
    assert_eq!(site.see(0, Kind::Login, "u", on, Builtin::DeviceBound), Scalar::Bool(true));
    assert_eq!(site.device(("A", "X", true), Builtin::DeviceBound), Scalar::Bool(true));
    assert_eq!(site.device(("A", "X", false), Builtin::DeviceBoundOther), Scalar::Bool(false));
    assert_eq!(site.see(0, Kind::Login, "v", on, Builtin::DeviceBoundOther), Scalar::Bool(true));
    site.see(0, Kind::Bind, "v", on, Builtin::DeviceBound);
    assert_eq!(site.see(0, Kind::Login, "u", on, Builtin::DeviceBoundOther), Scalar::Bool(true));
    assert_eq!(
        site.device(("A", "X", false), Builtin::DeviceRootedBefore),
        Scalar::Bool(true),
        "still known"
    );
}

#[test]
fn accounts_of_a_device_and_devices_of_an_account_are_counted() {
    let mut site = Site::new();
    let accounts: Vec<String> = (0..12).map(|n| format!("u{n}")).collect();
    for (seen, account) in accounts.iter().enumerate() {
        let found =
            site.see(0, Kind::Login, account, |check| check.device.id = "d".into(), Builtin::DeviceAccounts);
        assert_eq!(found, Scalar::Int(1 + seen.min(8) as i64), "of which it remembers nine");
    }
    let again = site.see(0, Kind::Login, "u3", |check| check.device.id = "d".into(), Builtin::DeviceAccounts);
    assert_eq!(again, Scalar::Int(9));
    for seen in 0..9 {
        let device = format!("d{seen}");
        let on = |check: &mut Check<'_>| check.device.id = device.clone().into();
        let found = site.see(0, Kind::Login, "owner", on, Builtin::AccountDevices);
        assert_eq!(found, Scalar::Int(1 + seen.min(5)), "of which it remembers six");
        let on = |check: &mut Check<'_>| check.device.id = device.clone().into();
        assert_eq!(site.see(0, Kind::Login, "owner", on, Builtin::DeviceNew), Scalar::Bool(false));
    }
    let mut is_new = |device: &'static str| {
        site.see(0, Kind::Login, "owner", |check| check.device.id = device.into(), Builtin::DeviceNew)
    };
    assert_eq!(is_new("d3"), Scalar::Bool(false), "one of the latest six");
    assert_eq!(is_new("d0"), Scalar::Bool(true), "long forgotten");
    assert_eq!(is_new("d3"), Scalar::Bool(false), "kept by its use, where the ones that were not make room");
    let without = site.see(0, Kind::Login, "owner", |_| {}, Builtin::AccountDevices);
    assert_eq!(without, Scalar::Int(6), "an event without a device");
}

#[test]
fn a_place_is_new_far_from_the_latest_ones() {
    let mut site = Site::new();
    let (no, yes) = (Scalar::Bool(false), Scalar::Bool(true));
    let mut day = 0;
    let mut visit = |place: (f64, f64)| {
        day += 1;
        site.at(day * DAY_MS, place, Builtin::PlaceNew)
    };
    assert_eq!(visit(BEIJING), no, "the first is no news");
    assert_eq!(visit((BEIJING.0 + 0.3, BEIJING.1)), no, "thirty kilometres off");
    assert_eq!((visit(SHANGHAI), visit(BEIJING), visit(SHANGHAI)), (yes, no, no), "home and away");
    assert_eq!((visit(TIANJIN), visit(CHENGDU), visit(SYDNEY)), (yes, yes, yes));
    assert_eq!(visit(SHANGHAI), no, "the fourth last");
    assert_eq!(visit(BEIJING), yes, "four others came since");
    let mut site = Site::new();
    site.at(0, BEIJING, Builtin::PlaceNew);
    let Scalar::Double(speed) = site.at(3_600_000, SHANGHAI, Builtin::SpeedKmh) else { panic!("a speed") };
    assert!((1_060.0..1_075.0).contains(&speed), "{speed}");
    let nowhere = site.see(3_600_000, Kind::Login, "u", |_| {}, Builtin::PlaceNew);
    assert_eq!(nowhere, no, "an event without a place");
}

#[test]
fn amounts_are_held_against_those_of_their_own_class() {
    let mut site = Site::new();
    // Red packets of a few yuan, each of them received.
    for _ in 0..20 {
        site.amount(Kind::Claim, 200, Builtin::AmountRatio);
    }
    assert_eq!(site.amount(Kind::Claim, 400, Builtin::AmountRatio), Scalar::Double(2.0));
    assert_eq!(
        site.amount(Kind::Pay, 5_000, Builtin::AmountRatio),
        Scalar::Double(1.0),
        "claims tell nothing of it"
    );
    assert_eq!(site.amount(Kind::Pay, 5_000, Builtin::AmountMean), Scalar::Money(0));
    site.amount(Kind::Mint, 5_000, Builtin::AmountMean);
    assert_eq!(site.amount(Kind::Pay, 10_000, Builtin::AmountMean), Scalar::Money(5_000));
    // Of transfers there are none yet: they are held against what was spent.
    let Scalar::Double(ratio) = site.amount(Kind::Transfer, 62_500, Builtin::AmountRatio) else {
        panic!("a ratio")
    };
    assert_eq!(ratio, 10.0);
    for _ in 0..2 {
        site.amount(Kind::Withdraw, 62_500, Builtin::AmountRatio);
    }
    assert_eq!(
        site.amount(Kind::Transfer, 62_500, Builtin::AmountRatio),
        Scalar::Double(1.0),
        "three were moved"
    );
    assert_eq!(
        site.amount(Kind::Transfer, 68_750, Builtin::AmountZscore),
        Scalar::Double(1.0),
        "a tenth of the mean"
    );
    let absent = site.see(0, Kind::Pay, "u", |_| {}, Builtin::AmountMean);
    assert_eq!(absent, Scalar::Money(0), "an event without an amount");
}

#[test]
fn the_share_of_usual_hours_follows_the_account() {
    let mut site = Site::new();
    for day in 0..25 {
        site.see(day * DAY_MS, Kind::Login, "u", |_| {}, Builtin::HourShare);
    }
    let share = |site: &mut Site, after_ms| site.see(after_ms, Kind::Login, "u", |_| {}, Builtin::HourShare);
    assert_eq!(share(&mut site, 25 * DAY_MS), Scalar::Double(1.0));
    assert_eq!(share(&mut site, 25 * DAY_MS + 12 * 3_600_000), Scalar::Double(0.0));
}

#[test]
fn an_event_that_comes_late_is_held_against_the_time_between_and_moves_no_place_back() {
    let mut site = Site::new();
    let mut at = |after_ms: i64, late_ms: i64, (lat, lon), feature| {
        let change = |check: &mut Check<'_>| {
            check.geo = Some(Geo { lat, lon });
            check.time_ms = Some(START_MS + after_ms - late_ms);
        };
        match site.see(after_ms, Kind::Login, "u", change, feature) {
            Scalar::Double(number) => number,
            Scalar::Bool(truth) => f64::from(u8::from(truth)),
            other => panic!("{other:?}"),
        }
    };
    at(600_000, 0, BEIJING, Builtin::DistanceKm);
    let north = (BEIJING.0 + 0.054, BEIJING.1);
    let speed = at(600_000, 240_000, north, Builtin::SpeedKmh);
    assert!((85.0..95.0).contains(&speed), "six kilometres in four minutes, not {speed} km/h");
    assert!(at(601_000, 0, BEIJING, Builtin::DistanceKm) < 0.01, "that was before");
    assert_eq!(at(602_000, 100_000, SHANGHAI, Builtin::PlaceNew), 1.0);
    assert_eq!(at(603_000, 90_000, SHANGHAI, Builtin::PlaceNew), 0.0, "it is known from then on");
    assert!(at(604_000, 0, BEIJING, Builtin::SpeedKmh) < 0.01, "and nobody has travelled");
    assert_eq!(at(90_000_000, 0, SHANGHAI, Builtin::PlaceNew), 0.0);
    assert_eq!(at(90_001_000, 0, BEIJING, Builtin::PlaceNew), 0.0, "nor has either pushed the other out");
}

#[test]
fn an_account_that_was_quiet_for_years_is_as_old_as_it_is() {
    // Times in the heads of slots came again after 2^36 milliseconds once, stamps do after 2^32 less one.
    for quiet_ms in
        [49 * DAY_MS, (1 << 32) - 1, 365 * DAY_MS, 1 << 36, (1 << 36) + 7 * DAY_MS, 9 * 365 * DAY_MS]
    {
        let mut site = Site::new();
        site.see(0, Kind::Login, "u", |_| {}, Builtin::AccountAge);
        assert_eq!(
            site.see(quiet_ms, Kind::Login, "u", |_| {}, Builtin::AccountAge),
            Scalar::Int(quiet_ms / 1_000)
        );
        let idle = site.see(2 * quiet_ms, Kind::Login, "u", |_| {}, Builtin::AccountIdle);
        assert_eq!(idle, Scalar::Int(quiet_ms / 1_000));
    }
}
