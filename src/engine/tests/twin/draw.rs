//! Cases drawn from a seed: few keys so that events collide, and times chosen where windows begin and end.

use engine::feature::Builtin;
use engine::limits::{EXACT_COUNT_MAX, EXACT_DISTINCT_MAX, WINDOW_MS_MAX, WINDOW_MS_MIN};
use engine::policy::{Absent, Status, Tier};
use engine::program::Kinds;
use wire::limits::{AMOUNT_MINOR_MAX, CLOCK_AHEAD_MS_MAX, CLOCK_BEHIND_MS_MAX, REASONS_MAX};
use wire::{Kind, OutcomeKind, Verdict};

use crate::case::{Case, CheckSpec, Kept, LimitSpec, Number, RuleSpec, Step, WindowSpec};

/// A Monday, 10:00 UTC.
const START_MS: i64 = 1_767_607_200_000;
const DAY_MS: i64 = 86_400_000;
/// Approved windows of a case: a kind of event may count in eight.
const APPROVED_MAX: usize = 6;
/// Sub-windows after which their numbers wrap in a cell.
const TURN: i64 = 1 << 20;
/// Milliseconds after which stamps come again, and those of the first heads that were kept.
const STAMPS_MS: i64 = (1 << 32) - 1;
const HEADS_MS: i64 = 1 << 36;

const KEYS: [Builtin; 6] = [
    Builtin::Account,
    Builtin::DeviceId,
    Builtin::Counterparty,
    Builtin::Channel,
    Builtin::Packet,
    Builtin::Ip,
];
const KINDS: [Kind; 4] = [Kind::Claim, Kind::Pay, Kind::Transfer, Kind::Login];

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ bits >> 31
    }

    fn below(&mut self, end: i64) -> i64 {
        (self.next() % end.max(1) as u64) as i64
    }

    fn between(&mut self, first: i64, last: i64) -> i64 {
        first + self.below(last - first + 1)
    }

    fn percent(&mut self, percent: i64) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as i64) as usize]
    }
}

/// The case of a seed.
pub fn case(seed: u64) -> Case {
    let mut draw = Draw::new(seed);
    let windows = draw.windows();
    let limits = draw.limits(&windows);
    let rules = draw.rules(&windows);
    let steps = draw.steps(&windows);
    let tiny = draw.tiny;
    let velocity_keys = if tiny { draw.rng.between(1, 30) as usize } else { 400 };
    Case {
        start_ms: draw.start_ms,
        velocity_keys,
        busy_keys: if draw.rng.percent(25) { draw.rng.between(1, 12) as usize } else { velocity_keys },
        decisions: if tiny && draw.rng.percent(50) { draw.rng.between(1, 100) as usize } else { 4_000 },
        windows,
        limits,
        rules,
        steps,
    }
}

struct Draw {
    rng: Rng,
    start_ms: i64,
    /// Tables smaller than the keys that come.
    tiny: bool,
    /// Stated times differ from arrival.
    disorder: bool,
    reloads: bool,
    /// Keys are quiet for months and years.
    quiet: bool,
    /// Values of each key field.
    values: i64,
    ids: usize,
}

impl Draw {
    fn new(seed: u64) -> Draw {
        let mut rng = Rng(seed.wrapping_mul(0xd134_2543_de82_ef95));
        let (tiny, disorder, reloads) = (rng.percent(25), rng.percent(50), rng.percent(40));
        let near_wrap = START_MS - START_MS % STAMPS_MS + STAMPS_MS - rng.below(2_000_000);
        let start_ms = if rng.percent(15) { near_wrap } else { START_MS + rng.below(40 * DAY_MS) };
        let values = if tiny { rng.between(10, 60) } else { rng.pick(&[1, 2, 2, 3, 4, 8]) };
        let quiet = rng.percent(25);
        Draw { rng, start_ms, tiny, disorder, reloads, quiet, values, ids: 0 }
    }

    fn window_ms(&mut self) -> i64 {
        match self.rng.below(10) {
            0 => WINDOW_MS_MIN,
            1 => WINDOW_MS_MAX,
            2 => self.rng.between(18 * DAY_MS - 2, 18 * DAY_MS + 3),
            3 | 4 => self.rng.between(WINDOW_MS_MIN, 6_000),
            5 | 6 => self.rng.pick(&[60_000, 600_000, 3_600_000, DAY_MS]),
            7 | 8 => self.rng.between(6_000, 4_000_000),
            _ => self.rng.between(DAY_MS, WINDOW_MS_MAX),
        }
    }

    fn windows(&mut self) -> Vec<WindowSpec> {
        let mut keys: Vec<Vec<Builtin>> = Vec::new();
        for _ in 0..self.rng.between(1, 3) {
            let mut fields = KEYS.to_vec();
            let count = self.rng.pick(&[1, 1, 1, 2, 2, 3, 4]);
            keys.push(
                (0..count).map(|_| fields.remove(self.rng.below(fields.len() as i64) as usize)).collect(),
            );
        }
        let mut approved = 0;
        let mut windows: Vec<WindowSpec> = Vec::new();
        for at in 0..self.rng.between(1, 9) {
            let number = self.rng.pick(&[Number::Amount, Number::Amount, Number::Kyc, Number::Own]);
            let aggregate = match self.rng.below(12) {
                0..=4 => Kept::Count,
                5..=7 => Kept::Sum(number),
                8 => Kept::Max(number),
                9 => Kept::Distinct(self.rng.pick(&KEYS)),
                10 => Kept::Last,
                _ => Kept::First,
            };
            let reservable = matches!(aggregate, Kept::Count | Kept::Sum(_));
            let status = match reservable && approved < APPROVED_MAX && self.rng.percent(60) {
                true => Status::Approved,
                false => Status::Attempt,
            };
            approved += usize::from(status == Status::Approved);
            let exact = match aggregate {
                Kept::Count if self.rng.percent(70) => self.rng.between(0, 12),
                Kept::Count => self.rng.between(0, EXACT_COUNT_MAX as i64 + 1),
                Kept::Distinct(_) if self.rng.percent(70) => self.rng.between(1, 8),
                Kept::Distinct(_) => self.rng.between(1, EXACT_DISTINCT_MAX as i64),
                _ => 0,
            };
            let kinds = KINDS.iter().filter(|_| self.rng.percent(60)).copied().collect::<Vec<_>>();
            let kinds = if kinds.is_empty() { Kinds::ALL } else { Kinds::of(&kinds) };
            windows.push(WindowSpec {
                name: format!("w{at}"),
                aggregate,
                kinds,
                key: keys[self.rng.below(keys.len() as i64) as usize].clone(),
                window_ms: self.window_ms(),
                status,
                exact: exact as u16,
            });
        }
        if windows.len() > 2 && self.rng.percent(30) {
            // One name with two definitions: never in force at once, and neither inherits from the other.
            let last = windows.len() - 1;
            windows[last].name = windows[0].name.clone();
        }
        windows
    }

    fn limits(&mut self, windows: &[WindowSpec]) -> Vec<LimitSpec> {
        let mut limits = Vec::new();
        for (window, spec) in windows.iter().enumerate().filter(|(_, spec)| spec.status == Status::Approved) {
            for _ in 0..self.rng.pick(&[0, 1, 1, 1, 2, 2]) {
                // All that refuse are told, as long as reasons have room.
                if limits.len() == REASONS_MAX {
                    break;
                }
                let max = match spec.aggregate {
                    Kept::Count => self.rng.pick(&[0, 1, 2, 3, 5, 8, 10, 64, 70]),
                    Kept::Sum(Number::Amount) => self.rng.pick(&[1, 99, 500, 5_000, 100_000]),
                    _ => self.rng.between(0, 60),
                };
                // A compiled policy holds one more than a limit on a count exactly; a hand-made one may do as it likes.
                let kyc = self.rng.percent(30).then(|| self.rng.below(3) as u8);
                let verdict =
                    self.rng.pick(&[Verdict::Deny, Verdict::Deny, Verdict::Review, Verdict::Challenge]);
                let absent = self.rng.pick(&[Absent::Deny, Absent::Skip]);
                limits.push(LimitSpec { window, max, kyc, verdict, absent });
            }
        }
        limits
    }

    fn rules(&mut self, windows: &[WindowSpec]) -> Vec<RuleSpec> {
        let mut rules = Vec::new();
        for window in 0..windows.len() {
            if self.rng.percent(30) {
                let tier =
                    self.rng.pick(&[Tier::Deny, Tier::Allow, Tier::Review, Tier::Challenge, Tier::Challenge]);
                rules.push(RuleSpec { window, from: self.rng.pick(&[1, 2, 3, 5, 10, 64, 1_000]), tier });
            }
        }
        rules
    }

    fn active(&mut self, windows: &[WindowSpec]) -> Vec<usize> {
        let mut active: Vec<usize> = Vec::new();
        for at in 0..windows.len() {
            let named = active.iter().any(|&other: &usize| windows[other].name == windows[at].name);
            if !named && self.rng.percent(75) {
                let place = self.rng.below(active.len() as i64 + 1) as usize;
                active.insert(place, at);
            }
        }
        if active.is_empty() { vec![0] } else { active }
    }

    fn steps(&mut self, windows: &[WindowSpec]) -> Vec<Step> {
        let all: Vec<usize> = (0..windows.len())
            .filter(|&at| windows[..at].iter().all(|other| other.name != windows[at].name))
            .collect();
        let mut steps = vec![Step::Reload(all)];
        let mut checks = self.rng.between(20, if self.tiny { 260 } else { 140 });
        let burst_percent = self.rng.pick(&[20, 50, 80]);
        while checks > 0 {
            if !self.rng.percent(burst_percent) {
                let rest = self.rest(windows);
                steps.push(Step::Rest(rest));
            }
            if self.quiet && self.rng.percent(8) {
                self.quiet(windows, &mut steps);
            }
            if self.reloads && self.rng.percent(8) {
                let (without, with) = (self.active(windows), self.active(windows));
                steps.push(Step::Reload(without));
                if self.rng.percent(50) {
                    // Out of force and in again.
                    steps.push(Step::Reload(with));
                }
            }
            if self.ids > 0 && self.rng.percent(20) {
                let outcome = self.rng.below(OutcomeKind::ALL.len() as i64) as usize;
                let outcome = match self.rng.percent(50) {
                    true => self.rng.pick(&[
                        OutcomeKind::Failed,
                        OutcomeKind::Cancelled,
                        OutcomeKind::ChallengePassed,
                    ]),
                    false => OutcomeKind::ALL[outcome],
                };
                steps.push(Step::Outcome(self.known_id(), outcome));
            }
            if self.rng.percent(8) {
                // Whoever was challenged lately passes: more than limits may have room for.
                let latest = (0..self.ids).rev().take(12);
                steps.extend(latest.map(|id| Step::Outcome(id, OutcomeKind::ChallengePassed)));
            }
            let count = match self.rng.below(20) {
                0..=11 => 1,
                12..=16 => self.rng.between(2, 8),
                17 | 18 => self.rng.between(8, 40),
                _ => self.rng.between(60, 140),
            };
            steps.push(Step::Decide((0..count).map(|_| self.check(windows)).collect()));
            checks -= count;
        }
        steps
    }

    /// A long time in which next to nothing happens: now and then a check that keeps its keys from being forgotten, or nothing.
    fn quiet(&mut self, windows: &[WindowSpec], steps: &mut Vec<Step>) {
        let turns = [STAMPS_MS, 2 * STAMPS_MS, 365 * DAY_MS, HEADS_MS, HEADS_MS + STAMPS_MS];
        let window_ms = windows[self.rng.below(windows.len() as i64) as usize].window_ms;
        let off_ms = if self.rng.percent(50) {
            self.rng.between(-2_000, 2_000)
        } else {
            self.rng.between(-window_ms, window_ms)
        };
        let mut left_ms = self.rng.pick(&turns) + off_ms;
        let most_ms = self.rng.pick(&[DAY_MS, 6 * DAY_MS, 19 * DAY_MS, 30 * DAY_MS, i64::MAX]);
        while left_ms > 0 {
            let rest_ms = self.rng.between(most_ms / 2, most_ms).min(left_ms);
            left_ms -= rest_ms;
            steps.push(Step::Rest(rest_ms));
            if left_ms > 0 {
                steps.push(Step::Decide(vec![self.check(windows)]));
            }
        }
    }

    /// Mostly a late one.
    fn known_id(&mut self) -> usize {
        let back = if self.rng.percent(70) { self.ids.min(8) } else { self.ids } as i64;
        self.ids - 1 - self.rng.below(back) as usize
    }

    fn rest(&mut self, windows: &[WindowSpec]) -> i64 {
        let window_ms = windows[self.rng.below(windows.len() as i64) as usize].window_ms;
        let sub_window_ms = (window_ms + 15) / 16;
        match self.rng.below(12) {
            0 | 1 => self.rng.below(20),
            2 | 3 => self.rng.below(1_000),
            4 => self.rng.below(6_000),
            5 | 6 => self.rng.below(2 * sub_window_ms),
            7 => self.rng.below(window_ms),
            8 => (window_ms + self.rng.between(-3, 3)).max(0),
            9 => window_ms + self.rng.below(2 * sub_window_ms),
            10 => self.rng.below(3 * window_ms),
            // About when the numbers of sub-windows wrap, and about when stamps do; both only while a longer window keeps
            // the key from being forgotten.
            _ => match self.rng.below(4) {
                0 if sub_window_ms * TURN < 40 * DAY_MS => sub_window_ms * (TURN - self.rng.below(9_000)),
                1 => self.rng.below(40 * DAY_MS),
                _ => window_ms + CLOCK_BEHIND_MS_MAX + self.rng.between(-2_000, 4_000),
            },
        }
    }

    fn stated_ms(&mut self, windows: &[WindowSpec]) -> Option<i64> {
        if !self.disorder {
            return self.rng.percent(30).then_some(0);
        }
        Some(match self.rng.below(100) {
            0..=54 => return None,
            55..=66 => -self.rng.below(20),
            67..=79 => -self.rng.below(5_001),
            80..=84 => -self.rng.between(5_000, CLOCK_BEHIND_MS_MAX),
            85..=87 => -self.rng.between(CLOCK_BEHIND_MS_MAX - 2, 400 * CLOCK_BEHIND_MS_MAX),
            88..=93 => self.rng.below(CLOCK_AHEAD_MS_MAX + 1),
            94..=96 => self.rng.between(CLOCK_AHEAD_MS_MAX - 2, 400 * DAY_MS),
            _ => -windows[self.rng.below(windows.len() as i64) as usize].window_ms.min(CLOCK_BEHIND_MS_MAX),
        })
    }

    fn value(&mut self, absent_percent: i64) -> usize {
        if self.rng.percent(absent_percent) { 0 } else { self.rng.between(1, self.values) as usize }
    }

    fn check(&mut self, windows: &[WindowSpec]) -> CheckSpec {
        let id = if self.ids > 0 && self.rng.percent(6) {
            self.known_id()
        } else {
            self.ids += 1;
            self.ids - 1
        };
        CheckSpec {
            id,
            kind: self.rng.pick(&KINDS),
            account: self.value(0),
            device: self.value(10),
            counterparty: self.value(10),
            channel: self.value(5),
            packet: self.value(5),
            ip: self.value(5),
            amount: match self.rng.below(20) {
                0 => None,
                1 => Some(0),
                2 if self.rng.percent(20) => Some(AMOUNT_MINOR_MAX),
                2..=9 => Some(self.rng.below(100)),
                _ => Some(self.rng.below(3_000)),
            },
            kyc: self.rng.percent(80).then(|| self.rng.below(4) as u8),
            own: match self.rng.below(20) {
                0 => Some(-self.rng.below(100)),
                1..=12 => Some(self.rng.below(20)),
                _ => None,
            },
            stated_ms: self.stated_ms(windows),
        }
    }
}
