//! How long ago the first event within a sliding window was.
//!
//! Of each sub-window its first event is kept, as the time that was left of it then: the most left is the earliest. So the
//! answer is exact as long as the first event's sub-window lies in the window whole; where the window's far end cuts through
//! it, it is too long by no more than that sub-window.

use super::cells::Amounts;
use super::payload::{Far, Room};
use super::span::Span;
use super::{Ordering, Word};

/// A view over the words of [`First::ROOM`].
#[derive(Clone, Copy)]
pub struct First<'a> {
    /// The latest sub-window that anything was put into.
    newest: &'a Word,
    cells: Amounts<'a>,
    span: &'a Span,
}

impl<'a> First<'a> {
    /// Words of one.
    pub const ROOM: Room = Room { near: 1 + Amounts::NEAR, far: Amounts::FAR, soon: Amounts::FAR, rare: 0 };

    /// The one that lies in these words.
    #[inline]
    pub fn new(words: &'a [Word], far: Far<'a>, span: &'a Span) -> First<'a> {
        let (newest, near) = (&words[0], &words[1..]);
        First { newest, cells: Amounts { near: &near[..Amounts::NEAR], far }, span }
    }

    /// Takes an event in and gives the milliseconds since the first, itself included.
    pub fn add(&self, time_ms: i64) -> i64 {
        let epoch = self.span.epoch(time_ms);
        let left_ms = self.span.begin_ms(epoch + 1) - time_ms;
        self.newest.fetch_max(epoch as u64, Ordering::AcqRel);
        let _ = self.cells.put_surely(epoch, self.newest, |most| most.max(left_ms as u64), |_| {});
        self.age_ms(time_ms)
    }

    /// Whether something lies in a later sub-window than that.
    #[inline]
    pub fn is_late(&self, time_ms: i64) -> bool {
        self.newest.load(Ordering::Acquire) as i64 > self.span.epoch(time_ms)
    }

    /// Lets go of what has expired, however long ago: nothing was written for `rest_ms`.
    pub(super) fn keep_up(&self, time_ms: i64, rest_ms: i64) {
        self.cells.keep_up(self.span, time_ms, rest_ms, |_| {});
    }

    /// Milliseconds since the first event of the window ending at `time_ms`; 0 where there is none.
    pub fn age_ms(&self, time_ms: i64) -> i64 {
        if self.newest.load(Ordering::Acquire) == 0 {
            return 0;
        }
        let epoch = self.span.epoch(time_ms);
        let first_ms = |(behind, left): (i64, u64)| self.span.begin_ms(epoch - behind + 1) - left as i64;
        let firsts = self.cells.aged(epoch).filter(|(_, left)| *left > 0).map(first_ms);
        firsts.min().map_or(0, |first_ms| (time_ms - first_ms).clamp(0, self.span.window_ms() - 1))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::super::span::CELLS;
    use super::*;

    proptest! {
        /// The slow twin keeps every event.
        #[test]
        fn it_is_never_short_and_at_most_one_sub_window_long(
            window_ms in 1_000_i64..100_000,
            steps in prop::collection::vec((0_i64..5_000, prop_oneof![3 => Just(0_i64), 1 => 0_i64..900]), 1..200),
        ) {
            let near: [Word; First::ROOM.near] = std::array::from_fn(|_| Word::new(0));
            let far: [Word; First::ROOM.far] = std::array::from_fn(|_| Word::new(0));
            let (flag, span) = (Word::new(0), Span::new(window_ms));
            let first = First::new(&near, Far::new(&flag, &far), &span);
            let mut twin: Vec<i64> = Vec::new();
            let mut now = 86_400_000;
            for (step, late) in steps {
                now += step;
                twin.push(now - late);
                first.add(now - late);
                let age = |reach: i64| twin.iter().filter(|&&t| t > now - reach).map(|t| now - t).max().unwrap_or(0);
                let longest = age(CELLS * span.sub_window_ms()).min(window_ms - 1);
                let told = first.age_ms(now);
                prop_assert!((age(window_ms)..=longest).contains(&told), "{told}");
            }
        }
    }
}
