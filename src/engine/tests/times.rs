//! What the times of events mean to windows: stated ahead, late, and how far back a window reaches.

#[expect(dead_code, reason = "the site has more than this test needs")]
mod site;

use engine::feature::{Builtin, FeatureId, Scalar};
use engine::policy::{Aggregate, Status};
use engine::{Scratch, Snapshot, Tables};
use site::{Draft, START_MS, ask, claim, snapshot, tables};
use wire::Kind;

const DAY_MS: i64 = 86_400_000;

/// Windows over the claims of an account.
struct Site {
    tables: Tables,
    snapshot: Snapshot,
    scratch: Scratch,
    features: Vec<FeatureId>,
    asked: usize,
}

impl Site {
    fn new(windows: &[(Aggregate, i64, u16)]) -> Site {
        let (tables, mut draft) = (tables(), Draft::new("times"));
        let features = windows.iter().enumerate().map(|(at, &(aggregate, window_ms, exact))| {
            let name = format!("w{at}");
            let feature =
                draft.window(&name, aggregate, Kind::Claim, Builtin::Account, Status::Attempt, exact);
            draft.policy.windows[at].window_ms = window_ms;
            feature
        });
        let features = features.collect();
        let snapshot = snapshot(draft, &tables, None);
        Site { tables, snapshot, scratch: Scratch::new(0), features, asked: 0 }
    }

    /// Claims so much, at a time that is stated so long ahead of the arrival; gives what every window says.
    fn claim(&mut self, after_ms: i64, ahead_ms: i64, amount_minor: i64) -> Vec<i64> {
        self.asked += 1;
        let id = self.asked.to_string();
        let mut check = claim(&id, "u", amount_minor);
        check.time_ms = Some(START_MS + after_ms + ahead_ms);
        ask(&self.snapshot, &self.tables, after_ms, &[check], &mut self.scratch);
        let value = |feature: &FeatureId| match self.scratch.value(*feature, 0) {
            Scalar::Int(number) | Scalar::Money(number) => number,
            other => panic!("{other:?}"),
        };
        self.features.iter().map(value).collect()
    }
}

#[test]
fn events_stated_ahead_take_nothing_out_of_short_windows() {
    let amount = Builtin::Amount.id();
    let second = [(Aggregate::Sum(amount), 0), (Aggregate::Max(amount), 0), (Aggregate::Count, 4)];
    let mut site = Site::new(&second.map(|(aggregate, exact)| (aggregate, 1_000, exact)));
    assert_eq!(site.claim(0, 0, 900), [900, 900, 1]);
    for n in 1..=15 {
        assert_eq!(site.claim(60 * n, 1_000, 1), [900 + n, 900, 1 + n], "the {n}th");
    }
    assert_eq!(site.claim(960, 0, 900), [1_815, 900, 17]);
}

#[test]
fn an_event_stated_ahead_is_the_one_before_those_that_arrive_after_it() {
    let mut site = Site::new(&[(Aggregate::Last, DAY_MS, 0)]);
    assert_eq!(site.claim(0, 1_000, 1), [-1]);
    assert_eq!(site.claim(3_000, 0, 1), [3]);
    assert_eq!(site.claim(5_000, -4_000, 1), [0], "of one that comes late the one before is not known");
    assert_eq!(site.claim(7_000, 0, 1), [4], "which does not disturb the others");
}

#[test]
fn first_is_the_first_within_its_own_window_whatever_else_is_kept_of_the_key() {
    let windows =
        [(Aggregate::First, 10_000, 0), (Aggregate::First, DAY_MS, 0), (Aggregate::Count, 30 * DAY_MS, 0)];
    let mut site = Site::new(&windows);
    for second in 0..60 {
        let ages = site.claim(1_000 * second, 0, 1);
        assert_eq!(ages[..2], [second.min(9), second], "at second {second}");
    }
    assert_eq!(site.claim(90_000, 0, 1)[..2], [0, 90], "nothing came for ten seconds");
    assert_eq!(site.claim(92_000, -1_000, 1)[..2], [1, 91], "one that comes late");
    assert_eq!(site.claim(99_000, 0, 1)[..2], [9, 99]);
    assert_eq!(site.claim(100_500, 0, 1)[..2], [9, 100], "is the first by now, in its true place");
    assert_eq!(site.claim(2 * DAY_MS, 0, 1)[..2], [0, 0]);
}
