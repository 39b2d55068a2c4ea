//! How a window measures time: stamps of 32 bits for single events, numbered sub-windows for sums.
//!
//! A stamp is the event's time modulo 2³² units, a unit being one millisecond, or two for windows of more than eighteen
//! days. Ages are differences of stamps, so they are right as long as a stamp is looked at before 2³² units have passed:
//! whoever looks at a stamp that is older than its window by a day moves it forward, and a key left alone for longer than
//! its longest window is cleared. (18 + 1 + 30 days of milliseconds, 30 + 1 + 30 days of two, are below 2³² units.)

use wire::limits::{CLOCK_AHEAD_MS_MAX, CLOCK_BEHIND_MS_MAX};

use crate::limits::{LATE_MS, SUB_WINDOWS, WINDOW_MS_MAX};

/// A free place: no stamp is 0.
pub(super) const FREE: u32 = 0;
/// Cells that a window needs: its sub-windows, and the one that its far end cuts through.
pub(super) const CELLS: i64 = SUB_WINDOWS + 1;

const DAY_MS: i64 = 86_400_000;
/// Longest window that is measured in single milliseconds.
const FINE_MS_MAX: i64 = 18 * DAY_MS;
/// Events may lie so far ahead of the one that looks at them.
const AHEAD_UNITS: u32 = 600_000;
/// Bits of a Unix time in milliseconds: enough until the year 2527.
const TIME_BITS: u32 = 44;

const _: () = assert!(CLOCK_BEHIND_MS_MAX + 2 * CLOCK_AHEAD_MS_MAX < DAY_MS);
const _: () =
    assert!(FINE_MS_MAX + DAY_MS + WINDOW_MS_MAX + (AHEAD_UNITS + Ages::LATER) as i64 + 1 < 1 << 32);
const _: () =
    assert!((WINDOW_MS_MAX + DAY_MS + WINDOW_MS_MAX) / 2 + (AHEAD_UNITS + Ages::LATER) as i64 + 1 < 1 << 32);

/// The measures of one window.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    window_ms: i64,
    /// A stamp younger than this lies in the window.
    units: i64,
    /// Milliseconds of a unit, as a power of two.
    shift: u32,
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
        let shift = u32::from(window_ms > FINE_MS_MAX);
        // In units of two milliseconds the window reaches one unit further back: never below the truth.
        let units = (window_ms >> shift) + i64::from(shift);
        let sub_window_ms = (window_ms + SUB_WINDOWS - 1) / SUB_WINDOWS;
        // Round-up method (Granlund and Montgomery 1994): exact if time × sub_window_ms < 2^shift.
        let reciprocal_shift = TIME_BITS + (64 - (sub_window_ms as u64).leading_zeros());
        let reciprocal = (1_u128 << reciprocal_shift).div_ceil(sub_window_ms as u128) as u64;
        Span { window_ms, units, shift, sub_window_ms, reciprocal, reciprocal_shift }
    }

    /// The stamp of a time.
    #[inline]
    pub(super) fn stamp(&self, time_ms: i64) -> u32 {
        ((time_ms >> self.shift) as u32).max(FREE + 1)
    }

    /// Units between a stamp and a time; negative for a stamp that lies ahead.
    #[inline]
    pub(super) fn age(&self, stamp: u32, time_ms: i64) -> i64 {
        let behind = self.stamp(time_ms).wrapping_sub(stamp);
        if behind > u32::MAX - AHEAD_UNITS { -i64::from(behind.wrapping_neg()) } else { i64::from(behind) }
    }

    /// The same as if stamps that lie ahead, but not by more than events may be late, lay in the window: all ages are
    /// [`Ages::LATER`] more, and the window is as much longer.
    #[inline]
    pub(super) fn ages_with_later(&self, time_ms: i64) -> Ages {
        let Ages { now, units, gone, longest } = self.ages(time_ms);
        let [units, gone, longest] = [units, gone, longest].map(|units| units + Ages::LATER);
        Ages { now: now.wrapping_add(Ages::LATER), units, gone, longest }
    }

    /// The ages of many stamps at one time.
    #[inline]
    pub(super) fn ages(&self, time_ms: i64) -> Ages {
        let (gone, longest) = (self.units + self.late(), self.units + (DAY_MS >> self.shift));
        let now = self.stamp(time_ms);
        Ages { now, units: self.units as u32, gone: gone as u32, longest: longest as u32 }
    }

    /// Whether an event of that age lies in the window.
    #[inline]
    pub(super) fn holds(&self, age: i64) -> bool {
        (0..self.units).contains(&age)
    }

    /// Whether an event of that age is out of every window, those that end at late events included.
    #[inline]
    pub(super) fn gone(&self, age: i64) -> bool {
        age >= self.units + self.late()
    }

    /// A later stamp for one that is so old that it might be taken for a young one some day: still outside the window.
    #[inline]
    pub(super) fn moved_forward(&self, age: i64, time_ms: i64) -> Option<u32> {
        (age > self.units + (DAY_MS >> self.shift)).then(|| self.outside(time_ms))
    }

    /// How late an event may be that still finds its place, seen from one that is dated ahead.
    #[inline]
    fn late(&self) -> i64 {
        (LATE_MS + CLOCK_AHEAD_MS_MAX) >> self.shift
    }

    /// A stamp that is out of every window, that of the latest event there can be included.
    #[inline]
    pub(super) fn outside(&self, time_ms: i64) -> u32 {
        let late = self.late() + ((CLOCK_BEHIND_MS_MAX + CLOCK_AHEAD_MS_MAX) >> self.shift);
        match self.stamp(time_ms).wrapping_sub((self.units + late) as u32) {
            FREE => u32::MAX,
            stamp => stamp,
        }
    }

    /// Whether an event at `then_ms` has left the window that ends at `time_ms`; for times of any age.
    #[inline]
    pub(super) fn has_left(&self, then_ms: i64, time_ms: i64) -> bool {
        (time_ms >> self.shift) - (then_ms >> self.shift) >= self.units
    }

    /// The time of an event of that age, to the unit.
    #[inline]
    pub(super) fn time_ms(&self, age: i64, now_ms: i64) -> i64 {
        now_ms - (age << self.shift)
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
    #[cfg(all(test, not(loom)))]
    pub(super) fn sub_window_ms(&self) -> i64 {
        self.sub_window_ms
    }
}

/// Stamps seen from one moment, in numbers of 32 bits.
#[derive(Clone, Copy)]
pub(super) struct Ages {
    pub now: u32,
    /// A stamp younger than this lies in the window.
    pub units: u32,
    /// A stamp no younger than this is out of every window, those that end at late events included.
    pub gone: u32,
    /// A stamp older than this is moved forward.
    pub longest: u32,
}

impl Ages {
    /// What [`Span::ages_with_later`] adds.
    pub const LATER: u32 = (LATE_MS + CLOCK_AHEAD_MS_MAX) as u32;
    /// From here on what looks old lies ahead.
    pub const AHEAD: u32 = u32::MAX - AHEAD_UNITS + 1;

    /// Whether none of the stamps whose oldest has this rank has left the window.
    pub fn all_hold(&self, rank: u32) -> bool {
        rank < self.units + 2
    }

    /// Whether a stamp lies in the window.
    pub fn holds(&self, stamp: u32) -> bool {
        self.now.wrapping_sub(stamp) < self.units
    }

    /// Whether a stamp is out of every window.
    pub fn gone(&self, stamp: u32) -> bool {
        (self.gone..Self::AHEAD).contains(&self.now.wrapping_sub(stamp))
    }

    /// The same of the oldest of some stamps, of this rank.
    pub fn rank_gone(&self, rank: u32) -> bool {
        rank >= self.gone + 2
    }

    /// Whether the oldest of some stamps, of this rank, has to be moved forward.
    #[inline]
    pub fn overdue(&self, rank: u32) -> bool {
        rank > self.longest + 2
    }

    /// The rank, or 0 for no stamp.
    pub fn rank_or_free(&self, stamp: u32) -> u32 {
        if stamp == FREE { 0 } else { self.rank(stamp) }
    }

    /// Higher for an older stamp, lowest for one that lies ahead; never 0.
    #[inline]
    pub fn rank(&self, stamp: u32) -> u32 {
        let behind = self.now.wrapping_sub(stamp);
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
            time in 1_i64 << 41..1 << 42,
            age_ms in 0..(1_i64 << 32) - 2 * i64::from(AHEAD_UNITS),
        ) {
            let span = Span::new(window_ms);
            let age = span.age(span.stamp(time), time + age_ms);
            prop_assert!(age >= 0);
            if age_ms < window_ms {
                prop_assert!(span.holds(age), "never below the truth");
            }
            let unit_ms = 1 << span.shift;
            if age_ms > window_ms + 2 * (unit_ms - 1) + i64::from(span.stamp(time) == FREE + 1) {
                prop_assert!(!span.holds(age), "exact to the unit");
            }
            prop_assert!((span.time_ms(age, time + age_ms) - time).abs() <= unit_ms);
        }
    }

    #[test]
    fn stamps_ahead_are_not_in_the_window_and_old_ones_are_moved_forward() {
        let span = Span::new(60_000);
        let now = 1_767_607_200_000;
        assert_eq!(span.age(span.stamp(now + 5_000), now), -5_000);
        assert!(!span.holds(-5_000));
        assert_eq!(span.moved_forward(60_000 + DAY_MS, now), None);
        let moved = span.moved_forward(60_001 + DAY_MS, now).expect("older than a day");
        assert!(!span.holds(span.age(moved, now)));
    }
}
