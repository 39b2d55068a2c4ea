//! How our time is kept near the wall clock without ever standing still, going back or leaping while a limit counts on it.
//!
//! Our time is the boot-time clock and an offset. A wall clock that is behind is waited for by running slower by an eighth, one
//! that is a little ahead is caught up with by running faster by as much. One that leaps ahead is believed only after it has
//! kept to it for a minute: a wrong time is mostly put right again by then, and a limit must not be freed by it.

/// A change of the wall clock by more than this between two looks is a step and no drift.
pub const STEP_MS: i64 = 1_000;
/// A step ahead must have held for so long.
pub const HELD_MS: i64 = 60_000;
/// Our time runs faster or slower by one in so many.
pub const SLEW: i64 = 8;
/// Less than this is not corrected: two clocks are not read in the same instant.
pub(super) const SLACK_MS: i64 = 2;

/// A wall clock that leapt ahead, and since when it keeps to it.
#[derive(Clone, Copy, Debug)]
struct Ahead {
    gap_ms: i64,
    since_boot_ms: i64,
}

/// The state of it; time is given.
#[derive(Clone, Debug)]
pub struct Steering {
    /// Our time is the boot-time clock and this.
    offset_ms: i64,
    /// The wall clock less the boot-time clock at the latest look, and when that was.
    gap_ms: i64,
    looked_boot_ms: i64,
    /// What is left of an eighth of a millisecond.
    carry_ms: i64,
    ahead: Option<Ahead>,
    /// Steps of the wall clock, back and ahead.
    steps: [u64; 2],
}

impl Steering {
    /// Begins at the wall clock's time.
    pub fn new(boot_ms: i64, wall_ms: i64) -> Steering {
        let gap_ms = wall_ms - boot_ms;
        let (carry_ms, ahead) = (0, None);
        Steering { offset_ms: gap_ms, gap_ms, looked_boot_ms: boot_ms, carry_ms, ahead, steps: [0; 2] }
    }

    /// Looks at both clocks and gives the offset from here on.
    pub fn look(&mut self, boot_ms: i64, wall_ms: i64) -> i64 {
        let gap_ms = wall_ms - boot_ms;
        let elapsed_ms = (boot_ms - self.looked_boot_ms).max(0);
        self.looked_boot_ms = boot_ms;
        let moved_ms = gap_ms - self.gap_ms;
        self.steps[0] += u64::from(moved_ms <= -STEP_MS);
        self.steps[1] += u64::from(moved_ms >= STEP_MS);
        self.gap_ms = gap_ms;
        let missing_ms = gap_ms - self.offset_ms;
        if missing_ms >= STEP_MS {
            self.wait(gap_ms, boot_ms);
            self.carry_ms = 0;
            return self.offset_ms;
        }
        self.ahead = None;
        if missing_ms.abs() <= SLACK_MS {
            self.carry_ms = 0;
            return self.offset_ms;
        }
        let budget_ms = elapsed_ms + self.carry_ms;
        self.carry_ms = budget_ms % SLEW;
        self.offset_ms += missing_ms.clamp(-(budget_ms / SLEW), budget_ms / SLEW);
        self.offset_ms
    }

    /// Takes a step ahead that has held.
    fn wait(&mut self, gap_ms: i64, boot_ms: i64) {
        match self.ahead {
            Some(ahead) if (gap_ms - ahead.gap_ms).abs() < STEP_MS => {
                if boot_ms - ahead.since_boot_ms >= HELD_MS {
                    (self.offset_ms, self.ahead) = (gap_ms, None);
                }
            }
            _ => self.ahead = Some(Ahead { gap_ms, since_boot_ms: boot_ms }),
        }
    }

    /// How far our time is ahead of the wall clock; negative behind it.
    pub fn apart_ms(&self) -> i64 {
        self.offset_ms - self.gap_ms
    }

    /// Steps of the wall clock so far, back and ahead.
    pub fn steps(&self) -> [u64; 2] {
        self.steps
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR_MS: i64 = 3_600_000;
    const START_MS: i64 = 1_767_607_200_000;

    /// Both clocks, and our time by them.
    struct Bench {
        boot_ms: i64,
        wall_ms: i64,
        steering: Steering,
        now_ms: i64,
    }

    impl Bench {
        fn new() -> Bench {
            let (boot_ms, wall_ms) = (5_000, START_MS);
            Bench { boot_ms, wall_ms, steering: Steering::new(boot_ms, wall_ms), now_ms: wall_ms }
        }

        /// Lets that much time go by, and gives by how much ours went on.
        fn pass(&mut self, ms: i64) -> i64 {
            (self.boot_ms, self.wall_ms) = (self.boot_ms + ms, self.wall_ms + ms);
            let now_ms = self.boot_ms + self.steering.look(self.boot_ms, self.wall_ms);
            let went_ms = now_ms - self.now_ms;
            self.now_ms = now_ms;
            went_ms
        }

        fn pass_at_its_own_pace(&mut self, ms: i64) {
            let mut left_ms = ms;
            while left_ms > 0 {
                let step_ms = left_ms.min(16);
                let went_ms = self.pass(step_ms);
                assert!((step_ms - 3..=step_ms + 3).contains(&went_ms), "{went_ms} of {step_ms} ms");
                left_ms -= step_ms;
            }
        }
    }

    #[test]
    fn a_step_back_is_absorbed_by_running_an_eighth_slower() {
        for step_ms in [40, 5_000, HOUR_MS, 24 * HOUR_MS] {
            let mut bench = Bench::new();
            bench.pass_at_its_own_pace(10_000);
            bench.wall_ms -= step_ms;
            let (began_ms, since_ms) = (bench.boot_ms, bench.now_ms);
            bench.pass_at_its_own_pace(60_000);
            let slower = (60_000 - (bench.now_ms - since_ms)) * SLEW;
            assert!((slower - 60_000.min(step_ms * SLEW)).abs() <= 64, "{slower}");
            while bench.steering.apart_ms() > SLACK_MS {
                let went_ms = bench.pass(1_000);
                assert!((875 - 1..=1_001).contains(&went_ms), "{went_ms}");
            }
            let took_ms = bench.boot_ms - began_ms;
            assert!((took_ms - SLEW * step_ms).abs() <= 60_000, "{took_ms}");
            let steps = if step_ms >= STEP_MS { [1, 0] } else { [0, 0] };
            assert_eq!(bench.steering.steps(), steps);
        }
    }

    #[test]
    fn a_step_ahead_is_taken_after_a_minute_and_not_before() {
        for step_ms in [STEP_MS, HOUR_MS, 24 * HOUR_MS] {
            let mut bench = Bench::new();
            bench.wall_ms += step_ms;
            bench.pass_at_its_own_pace(HELD_MS);
            assert_eq!(bench.steering.apart_ms(), -step_ms);
            assert_eq!(bench.pass(16), 16 + step_ms);
            assert_eq!((bench.steering.apart_ms(), bench.steering.steps()), (0, [0, 1]));
        }
    }

    #[test]
    fn a_step_ahead_that_is_taken_back_within_the_minute_is_none() {
        let mut bench = Bench::new();
        bench.wall_ms += HOUR_MS;
        bench.pass_at_its_own_pace(59_000);
        bench.wall_ms -= HOUR_MS;
        bench.pass_at_its_own_pace(HOUR_MS);
        assert_eq!((bench.steering.apart_ms(), bench.steering.steps()), (0, [1, 1]));
    }

    #[test]
    fn a_clock_that_leaps_on_is_not_believed() {
        let mut bench = Bench::new();
        for _ in 0..60 {
            bench.wall_ms += HOUR_MS;
            bench.pass_at_its_own_pace(30_000);
        }
        assert_eq!(bench.steering.apart_ms(), -60 * HOUR_MS);
        bench.pass_at_its_own_pace(29_000);
        bench.pass(60_000);
        assert_eq!(bench.steering.apart_ms(), 0);
    }

    proptest! {
        /// Whatever the wall clock does.
        #[test]
        fn time_goes_on_and_leaps_only_to_what_held_for_a_minute(
            turns in prop::collection::vec(
                (1_i64..20_000, prop_oneof![5 => Just(0), 1 => -24 * HOUR_MS..24 * HOUR_MS, 1 => -3_000_i64..3_000]),
                1..400,
            ),
        ) {
            let mut bench = Bench::new();
            for (ms, step_ms) in turns {
                bench.wall_ms += step_ms;
                let went_ms = bench.pass(ms);
                prop_assert!(went_ms >= ms - ms / SLEW - 1, "{went_ms} of {ms} ms");
                if went_ms > ms + ms / SLEW + 1 {
                    prop_assert!(bench.steering.apart_ms() == 0);
                }
            }
        }
    }
}
