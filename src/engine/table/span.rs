//! How a window measures time: stamps of 32 bits for single events, numbered sub-windows for sums.
//!
//! A stamp is the event's time in milliseconds modulo 2³² − 1, from 1 on, which leaves 0 for a free place. Ages are differences
//! of stamps, right for all that is younger than 49.7 days. Nothing older is ever looked at: the table keeps the words of a slot
//! up ([`super::upkeep`]) before anybody who comes back to the key sees them, however long it was quiet.

use wire::limits::{CLOCK_AHEAD_MS_MAX, CLOCK_BEHIND_MS_MAX};

use super::slots::ERA_MS;
use crate::limits::{LATE_MS, SUB_WINDOWS, WINDOW_MS_MAX};

/// A free place: no stamp is 0.
pub(super) const FREE: u32 = 0;
/// Cells that a window needs: its sub-windows, and the one that its far end cuts through.
pub(super) const CELLS: i64 = SUB_WINDOWS + 1;

/// Stamps count up to here and begin again at 1.
const TURN: u32 = u32::MAX;
/// Events may lie so far ahead of the one that looks at them.
const AHEAD_MS: u32 = 600_000;
/// Bits of a Unix time in milliseconds: enough until the year 2527.
const TIME_BITS: u32 = 44;
/// How late an event may be that still finds its place, seen from one that is dated ahead.
const LATER_MS: i64 = LATE_MS + CLOCK_AHEAD_MS_MAX;
/// How far outside of its window a stamp is put that must not come back into it: out of that of the latest event too.
const OUTSIDE_MS: i64 = LATER_MS + CLOCK_BEHIND_MS_MAX + CLOCK_AHEAD_MS_MAX;

// Between two times of upkeep lie two eras at most: one that ends, and as long a rest.
const _: () = assert!(WINDOW_MS_MAX + OUTSIDE_MS + 2 * ERA_MS + LATER_MS + 1 < (TURN - AHEAD_MS) as i64);
// What a longer rest hides is a turn old at most.
const _: () = assert!(WINDOW_MS_MAX + OUTSIDE_MS + ERA_MS < TURN as i64);

/// The measures of one window.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    window_ms: i64,
    sub_window_ms: i64,
    /// `time × reciprocal >> reciprocal_shift` is `time / sub_window_ms` for every time of 44 bits: a division costs more
    /// than all else that a quiet window needs.
    reciprocal: u64,
    reciprocal_shift: u32,
}

impl Span {
    /// The measures of a window of that many milliseconds, 1 s to 30 d.
    pub fn new(window_ms: i64) -> Span {
        let window_ms = window_ms.clamp(1, WINDOW_MS_MAX);
        let sub_window_ms = (window_ms + SUB_WINDOWS - 1) / SUB_WINDOWS;
        // Round-up method (Granlund and Montgomery 1994): exact if time × sub_window_ms < 2^shift.
        let reciprocal_shift = TIME_BITS + (64 - (sub_window_ms as u64).leading_zeros());
        let reciprocal = (1_u128 << reciprocal_shift).div_ceil(sub_window_ms as u128) as u64;
        Span { window_ms, sub_window_ms, reciprocal, reciprocal_shift }
    }

    /// The stamp of a time; never [`FREE`].
    #[inline]
    pub(super) fn stamp(&self, time_ms: i64) -> u32 {
        // 2³² leaves 1, so a number leaves the sum of its halves; a second time for what that carries.
        let fold = |time: u64| (time >> 32) + u64::from(time as u32);
        fold(fold(time_ms.max(1) as u64)) as u32
    }

    /// Milliseconds between a stamp and a time; negative for a stamp that lies ahead.
    #[inline]
    pub(super) fn age(&self, stamp: u32, time_ms: i64) -> i64 {
        let behind = behind(self.stamp(time_ms), stamp);
        if behind >= Ages::AHEAD { i64::from(behind) - i64::from(TURN) } else { i64::from(behind) }
    }

    /// The same as if stamps that lie ahead, but not by more than events may be late, lay in the window: all ages are
    /// [`Ages::LATER`] more, and the window is as much longer.
    #[inline]
    pub(super) fn ages_with_later(&self, time_ms: i64) -> Ages {
        let Ages { window, gone, .. } = self.ages(time_ms);
        let [window, gone] = [window, gone].map(|ms| ms + Ages::LATER);
        Ages { now: self.stamp(time_ms + LATER_MS), window, gone, later: Ages::LATER }
    }

    /// The ages of many stamps at one time.
    #[inline]
    pub(super) fn ages(&self, time_ms: i64) -> Ages {
        let (window, gone) = (self.window_ms as u32, (self.window_ms + LATER_MS) as u32);
        Ages { now: self.stamp(time_ms), window, gone, later: 0 }
    }

    /// Whether an event of that age lies in the window.
    #[inline]
    pub(super) fn holds(&self, age_ms: i64) -> bool {
        (0..self.window_ms).contains(&age_ms)
    }

    /// Whether an event of that age is out of every window, those that end at late events included.
    #[inline]
    pub(super) fn gone(&self, age_ms: i64) -> bool {
        age_ms >= self.window_ms + LATER_MS
    }

    /// A later stamp for one that would be taken for a young one some day, or is by now: still out of every window. Nothing
    /// was written for `rest_ms`, so that what looks younger is older by a turn.
    pub(super) fn moved_forward(&self, stamp: u32, time_ms: i64, rest_ms: i64) -> Option<u32> {
        let age_ms = self.age(stamp, time_ms);
        (age_ms > self.window_ms + OUTSIDE_MS || age_ms < rest_ms).then(|| self.outside(time_ms))
    }

    /// A stamp that is out of every window, that of the latest event there can be included.
    #[inline]
    pub(super) fn outside(&self, time_ms: i64) -> u32 {
        self.stamp(time_ms - self.window_ms - OUTSIDE_MS)
    }

    /// Whether an event at `then_ms` has left the window that ends at `time_ms`; for times of any age.
    #[inline]
    pub(super) fn has_left(&self, then_ms: i64, time_ms: i64) -> bool {
        time_ms - then_ms >= self.window_ms
    }

    /// The same of all windows, and of their sub-windows.
    #[inline]
    pub fn is_over(&self, then_ms: i64, time_ms: i64) -> bool {
        time_ms - then_ms > self.window_ms + 2 * self.sub_window_ms + OUTSIDE_MS
    }

    /// The time of an event of that age.
    #[inline]
    pub(super) fn time_ms(&self, age_ms: i64, now_ms: i64) -> i64 {
        now_ms - age_ms
    }

    /// Milliseconds of the window.
    pub(super) fn window_ms(&self) -> i64 {
        self.window_ms
    }

    /// Number of the sub-window that a time lies in.
    #[inline]
    pub(super) fn epoch(&self, time_ms: i64) -> i64 {
        let time = time_ms.clamp(0, (1 << TIME_BITS) - 1) as u128;
        ((time * u128::from(self.reciprocal)) >> self.reciprocal_shift) as i64
    }

    /// When a sub-window begins.
    pub(super) fn begin_ms(&self, epoch: i64) -> i64 {
        epoch * self.sub_window_ms
    }

    /// Milliseconds of a sub-window.
    pub(super) fn sub_window_ms(&self) -> i64 {
        self.sub_window_ms
    }
}

/// Milliseconds from one stamp to another, the way round.
#[inline]
pub(super) fn behind(now: u32, stamp: u32) -> u32 {
    now.wrapping_sub(stamp).wrapping_sub(u32::from(stamp > now))
}

/// Stamps seen from one moment, in numbers of 32 bits.
#[derive(Clone, Copy)]
pub(super) struct Ages {
    pub now: u32,
    /// A stamp younger than this lies in the window.
    pub window: u32,
    /// A stamp no younger than this is out of every window, those that end at late events included.
    pub gone: u32,
    /// A stamp younger than this is later than the event that looks, as one is that lies ahead.
    pub later: u32,
}

impl Ages {
    /// What [`Span::ages_with_later`] adds.
    pub const LATER: u32 = LATER_MS as u32;
    /// From here on what looks old lies ahead.
    pub const AHEAD: u32 = TURN - AHEAD_MS;

    /// Whether none of the stamps whose oldest has this rank has left the window.
    pub fn all_hold(&self, rank: u32) -> bool {
        rank < self.window + 2
    }

    /// Whether a stamp lies in the window.
    pub fn holds(&self, stamp: u32) -> bool {
        behind(self.now, stamp) < self.window
    }

    /// Whether a stamp is out of every window.
    pub fn gone(&self, stamp: u32) -> bool {
        (self.gone..Self::AHEAD).contains(&behind(self.now, stamp))
    }

    /// Whether a stamp is later than the event that looks.
    pub fn is_later(&self, stamp: u32) -> bool {
        let behind = behind(self.now, stamp);
        behind < self.later || behind >= Self::AHEAD
    }

    /// The same of the oldest of some stamps, of this rank.
    pub fn rank_gone(&self, rank: u32) -> bool {
        rank >= self.gone + 2
    }

    /// The rank, or 0 for no stamp.
    pub fn rank_or_free(&self, stamp: u32) -> u32 {
        if stamp == FREE { 0 } else { self.rank(stamp) }
    }

    /// Higher for an older stamp, lowest for one that lies ahead; never 0.
    #[inline]
    pub fn rank(&self, stamp: u32) -> u32 {
        let behind = behind(self.now, stamp);
        if behind >= Self::AHEAD { 1 } else { behind + 2 }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_epoch_is_a_quotient(window_ms in 1_000..=WINDOW_MS_MAX, time in 0_i64..1 << TIME_BITS, whole in any::<bool>()) {
            let span = Span::new(window_ms);
            // Quotients go wrong at multiples first.
            let time = if whole { time / span.sub_window_ms * span.sub_window_ms } else { time };
            prop_assert_eq!(span.epoch(time), time / span.sub_window_ms);
            prop_assert_eq!(span.epoch((time - 1).max(0)), (time - 1).max(0) / span.sub_window_ms);
        }

        #[test]
        fn a_stamp_is_in_the_window_when_its_event_is(
            window_ms in 1_000..=WINDOW_MS_MAX,
            time in prop_oneof![1_i64 << 41..1 << 42, (400_i64..1_000, -3_i64..4).prop_map(|(turn, off)| turn * i64::from(TURN) + off)],
            age_ms in -i64::from(AHEAD_MS)..i64::from(TURN - AHEAD_MS),
            end in prop::option::of(-2_i64..3),
        ) {
            let (span, age_ms) = (Span::new(window_ms), end.map_or(age_ms, |off| window_ms + off));
            let age = span.age(span.stamp(time), time + age_ms);
            prop_assert_eq!(age, age_ms);
            prop_assert_eq!(span.holds(age), (0..window_ms).contains(&age_ms), "to the millisecond");
            prop_assert_eq!(span.time_ms(age, time + age_ms), time);
            let ages = span.ages(time + age_ms);
            prop_assert_eq!(ages.holds(span.stamp(time)), span.holds(age));
            prop_assert_eq!(ages.is_later(span.stamp(time)), age_ms < 0);
            prop_assert!(span.stamp(time) != FREE);
        }

        #[test]
        fn what_rested_is_out_of_its_window_however_long(
            window_ms in 1_000..=WINDOW_MS_MAX,
            time in 1_i64 << 41..1 << 42,
            before_ms in 0..WINDOW_MS_MAX,
            rest_ms in ERA_MS..WINDOW_MS_MAX + OUTSIDE_MS,
        ) {
            let (span, now_ms) = (Span::new(window_ms), time + before_ms + rest_ms);
            let (stamp, age_ms) = (span.stamp(time), before_ms + rest_ms);
            prop_assume!(before_ms <= window_ms + OUTSIDE_MS + ERA_MS);
            match span.moved_forward(stamp, now_ms, rest_ms) {
                Some(moved) => {
                    prop_assert!(age_ms > window_ms + OUTSIDE_MS);
                    prop_assert!(span.gone(span.age(moved, now_ms)));
                }
                None => prop_assert_eq!(span.age(stamp, now_ms), age_ms),
            }
        }
    }

    #[test]
    fn stamps_ahead_are_not_in_the_window() {
        let (span, now) = (Span::new(60_000), 1_767_607_200_000);
        assert_eq!(span.age(span.stamp(now + 5_000), now), -5_000);
        assert!(!span.holds(-5_000));
        assert_eq!(
            span.moved_forward(span.stamp(now + 5_000), now, i64::MIN),
            None,
            "others write meanwhile"
        );
    }
}
