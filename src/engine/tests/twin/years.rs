//! Keys that are quiet in most of their windows for months and years, while one window keeps them from being forgotten: what
//! happened then must not come back when numbers that tell times apart begin again, in whatever way the time is spent.

use engine::Scratch;
use engine::feature::Builtin;
use engine::limits::WINDOW_MS_MAX;
use engine::policy::{Absent, Status};
use engine::program::Kinds;
use wire::{Kind, OutcomeKind, Verdict};

use crate::case::{Case, CheckSpec, Kept, LimitSpec, Number, Step, WindowSpec};
use crate::drive;

const START_MS: i64 = 1_767_607_200_000;
const DAY_MS: i64 = 86_400_000;
/// Stamps come again after as many milliseconds.
const STAMPS_MS: i64 = (1 << 32) - 1;

/// Every aggregate over windows short and long, and one that keeps the key.
fn windows() -> Vec<WindowSpec> {
    let mut windows = Vec::new();
    let mut add = |aggregate: Kept, kind: Kind, window_ms: i64, status: Status, exact: u16| {
        windows.push(WindowSpec {
            name: format!("w{}", windows.len()),
            aggregate,
            kinds: Kinds::of(&[kind]),
            key: vec![Builtin::Account],
            window_ms,
            status,
            exact,
        });
    };
    for window_ms in [1_000, 3_600_000, 20 * DAY_MS, WINDOW_MS_MAX] {
        add(Kept::Count, Kind::Pay, window_ms, Status::Attempt, 6);
        add(Kept::Sum(Number::Kyc), Kind::Pay, window_ms, Status::Attempt, 0);
        add(Kept::Max(Number::Amount), Kind::Pay, window_ms, Status::Attempt, 0);
        add(Kept::Distinct(Builtin::DeviceId), Kind::Pay, window_ms, Status::Attempt, 5);
        add(Kept::Last, Kind::Pay, window_ms, Status::Attempt, 0);
        add(Kept::First, Kind::Pay, window_ms, Status::Attempt, 0);
        add(Kept::Count, Kind::Pay, window_ms, Status::Approved, 11);
        add(Kept::Sum(Number::Amount), Kind::Pay, window_ms, Status::Approved, 0);
    }
    add(Kept::Count, Kind::Login, WINDOW_MS_MAX, Status::Attempt, 0);
    windows
}

struct Script {
    steps: Vec<Step>,
    ids: usize,
    /// The first check of all.
    first: Option<CheckSpec>,
}

impl Script {
    fn check(&mut self, kind: Kind) {
        self.ids += 1;
        let check = CheckSpec {
            id: self.ids,
            kind,
            account: 1,
            device: 1 + self.ids % 90,
            counterparty: 0,
            channel: 0,
            packet: 0,
            ip: 0,
            amount: Some(self.ids as i64),
            kyc: Some((self.ids % 4) as u8),
            own: None,
            stated_ms: None,
        };
        self.first.get_or_insert_with(|| check.clone());
        self.steps.push(Step::Decide(vec![check]));
    }

    /// The first check comes again, and is answered as it was.
    fn repeat(&mut self) {
        self.steps.push(Step::Decide(self.first.iter().cloned().collect()));
    }

    fn rest(&mut self, ms: i64) {
        self.steps.push(Step::Rest(ms));
    }

    /// More than any window holds one by one, some of it given back.
    fn burst(&mut self, count: usize) {
        for _ in 0..count {
            self.check(Kind::Pay);
            if self.ids % 7 == 0 {
                self.steps.push(Step::Outcome(self.ids, OutcomeKind::Failed));
            }
            self.rest(9);
        }
    }

    /// So long, with a check of another kind every so often.
    fn quiet(&mut self, mut left_ms: i64, every_ms: i64) {
        while left_ms > every_ms {
            self.rest(every_ms);
            self.check(Kind::Login);
            left_ms -= every_ms;
        }
        self.rest(left_ms);
    }
}

fn case(quiet_ms: i64, every_ms: i64) -> Case {
    let windows = windows();
    let mut script = Script { steps: vec![Step::Reload((0..windows.len()).collect())], ids: 0, first: None };
    script.burst(120);
    script.quiet(quiet_ms, every_ms);
    // Out of the windows of then, and one by one into a new one.
    let given_back = script.ids - 3;
    script.burst(100);
    script.steps.push(Step::Outcome(given_back, OutcomeKind::Cancelled));
    script.steps.push(Step::Outcome(5, OutcomeKind::Failed));
    script.repeat();
    script.burst(3);
    script.rest(DAY_MS);
    script.burst(12);
    let limited = windows.iter().enumerate().filter(|(_, spec)| spec.status == Status::Approved);
    let limits = limited.map(|(window, spec)| {
        let max = if spec.aggregate == Kept::Count { 10 } else { 9_000 };
        LimitSpec { window, max, kyc: None, verdict: Verdict::Deny, absent: Absent::Skip }
    });
    Case {
        start_ms: START_MS,
        velocity_keys: 16,
        busy_keys: 16,
        decisions: 4_000,
        limits: limits.collect(),
        rules: Vec::new(),
        windows,
        steps: script.steps,
    }
}

#[test]
fn what_was_long_ago_never_comes_back() {
    let mut scratch = Scratch::new(0);
    let whole_turns = [STAMPS_MS, 2 * STAMPS_MS, 1 << 36, (1 << 36) + STAMPS_MS].into_iter();
    let near = whole_turns.flat_map(|turn| [-1_200, -1, 0, 500].map(|off| turn + off));
    // A sub-window of the shortest window comes again after eighteen hours, and one of an hour after seven years.
    let cells = [63_i64 << 20, 10 * (63_i64 << 20), 225_000_i64 << 20]
        .into_iter()
        .flat_map(|turn| [turn - 500, turn, turn + 300]);
    for quiet_ms in near.chain(cells).chain([365 * DAY_MS, 3 * 365 * DAY_MS]) {
        for every_ms in [7 * 3_600_000, 5 * DAY_MS, 29 * DAY_MS, i64::MAX] {
            if quiet_ms / every_ms > 180 {
                continue;
            }
            let case = case(quiet_ms, every_ms);
            if let Err(what) = drive::run(&case, &mut scratch) {
                panic!("quiet for {quiet_ms} ms, with a check every {every_ms} ms: {what}");
            }
        }
    }
}
