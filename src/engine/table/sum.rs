//! Sliding sums and maxima over sub-windows.
//!
//! A window is cut into sub-windows of w/16, rounded up to a millisecond. The last seventeen are kept: sixteen whole ones and
//! the one that the window's far end cuts through, so a value is never below the true one and above it by at most that one
//! sub-window.

use std::cell::Cell;

use super::cells::Amounts;
use super::payload::{Far, Room};
use super::permits::Displaced;
use super::span::{CELLS, Span};
use super::{Ordering, Word, one_order};

/// The limit leaves no room; `current` is what is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// Sum before this event.
    pub current: i64,
}

/// Room was there and is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// Sum or count including this event.
    pub value: i64,
    /// The time the event is dated: what a release has to name.
    pub time_ms: i64,
    /// The permit that had to make room for it.
    pub displaced: Displaced,
}

/// A sliding sum of non-negative whole numbers: a view over the words of [`Sum::ROOM`].
///
/// The total stands in one word of its own, is raised before a cell is and lowered after one is, and therefore never lies
/// below the sum of the cells: a reservation that fits under the total fits under the truth. A reservation is dated no
/// earlier than any sweep that may have made room for it.
#[derive(Clone, Copy)]
pub struct Sum<'a> {
    total: &'a Word,
    newest: &'a Word,
    swept: &'a Word,
    cells: Amounts<'a>,
    span: &'a Span,
}

impl<'a> Sum<'a> {
    /// Words of one sum.
    pub const ROOM: Room = Room { near: 3 + Amounts::NEAR, far: Amounts::FAR, soon: Amounts::FAR, rare: 0 };

    /// The sum that lies in these words.
    #[inline]
    pub fn new(words: &'a [Word], far: Far<'a>, span: &'a Span) -> Sum<'a> {
        let (head, near) = words.split_at(3);
        let cells = Amounts { near: &near[..Amounts::NEAR], far };
        Sum { total: &head[0], newest: &head[1], swept: &head[2], cells, span }
    }

    /// Sum over the window ending at `time_ms`.
    #[inline]
    pub fn value(&self, time_ms: i64) -> i64 {
        if self.total.load(Ordering::Acquire) == 0 {
            return 0;
        }
        self.sweep(self.span.epoch(time_ms));
        self.total.load(Ordering::Acquire) as i64
    }

    /// All that is taken, in one order with what others take of the permits beside it.
    #[inline]
    pub(super) fn taken(&self) -> i64 {
        one_order();
        self.total.load(Ordering::SeqCst) as i64
    }

    /// Adds an event and gives the sum including it.
    #[inline]
    pub fn add(&self, time_ms: i64, delta: i64) -> i64 {
        let epoch = self.span.epoch(time_ms);
        self.sweep(epoch);
        let total = self.total.fetch_add(delta as u64, Ordering::SeqCst) as i64 + delta;
        self.put(epoch, delta);
        total
    }

    /// Adds an event only if the sum stays within `max`; gives the sum including it and the time it is dated.
    ///
    /// # Errors
    /// [`Full`] with the sum as it stands, which is unchanged.
    #[inline]
    pub fn reserve(&self, time_ms: i64, delta: i64, max: i64) -> Result<Reserved, Full> {
        let epoch = self.span.epoch(time_ms);
        self.sweep(epoch);
        let mut total = self.total.load(Ordering::Acquire);
        loop {
            let current = total as i64;
            if current.saturating_add(delta) > max {
                return Err(Full { current });
            }
            match self.total.compare_exchange_weak(
                total,
                total.wrapping_add(delta as u64),
                Ordering::SeqCst,
                Ordering::Acquire,
            ) {
                Ok(_) => break,
                Err(seen) => total = seen,
            }
        }
        let newest = self.newest.load(Ordering::Acquire) as i64;
        let (epoch, time_ms) =
            if newest > epoch { (newest, self.span.begin_ms(newest)) } else { (epoch, time_ms) };
        self.put(epoch, delta);
        Ok(Reserved { value: total as i64 + delta, time_ms, displaced: Displaced::default() })
    }

    /// Whether something lies in a later sub-window than that.
    #[inline]
    pub fn is_late(&self, time_ms: i64) -> bool {
        self.newest.load(Ordering::Acquire) as i64 > self.span.epoch(time_ms)
    }

    /// Lets go of what has expired, however long ago: nothing was written for `rest_ms`.
    pub(super) fn keep_up(&self, time_ms: i64, rest_ms: i64) {
        self.cells.keep_up(self.span, time_ms, rest_ms, |sum| {
            self.total.fetch_sub(sum, Ordering::AcqRel);
        });
    }

    /// Takes an added event out again; nothing happens if it has left the window meanwhile.
    pub fn release(&self, time_ms: i64, delta: i64) {
        let taken = self.cells.take(self.span.epoch(time_ms), delta as u64);
        self.total.fetch_sub(taken, Ordering::AcqRel);
    }

    /// Puts an event that the total already holds into its cell.
    #[inline]
    fn put(&self, epoch: i64, delta: i64) {
        // A few events of the largest amount within one sub-window fill a cell. What no longer fits leaves the total again, which
        // would otherwise stay above the truth for as long as the key is seen: such a sum is told as the largest there is room for.
        let beyond = Cell::new(0);
        let next = |sum: u64| {
            beyond.set((sum + delta as u64).saturating_sub(Amounts::HELD_MAX));
            sum + delta as u64
        };
        let leave = |sum| {
            self.total.fetch_sub(sum, Ordering::AcqRel);
        };
        let gone = match self.cells.put_surely(epoch, self.newest, next, leave) {
            Some(expired) => expired + beyond.get(),
            None => delta as u64,
        };
        if gone > 0 {
            leave(gone);
        }
    }

    /// Empties the cells that lie before the window of `epoch`.
    #[inline]
    fn sweep(&self, epoch: i64) {
        if self.swept.load(Ordering::Acquire) as i64 >= epoch {
            return;
        }
        let before = self.newest.fetch_max(epoch as u64, Ordering::AcqRel) as i64;
        let all = Some(self.newest).filter(|_| epoch - before >= CELLS);
        self.cells.expire(epoch, all, |sum| {
            self.total.fetch_sub(sum, Ordering::AcqRel);
        });
        self.swept.fetch_max(epoch as u64, Ordering::AcqRel);
    }
}

/// A sliding maximum of non-negative whole numbers: a view over the words of [`Max::ROOM`].
#[derive(Clone, Copy)]
pub struct Max<'a> {
    /// The latest sub-window that anything was put into.
    newest: &'a Word,
    cells: Amounts<'a>,
    span: &'a Span,
}

impl<'a> Max<'a> {
    /// Words of one maximum.
    pub const ROOM: Room = Room { near: 1 + Amounts::NEAR, far: Amounts::FAR, soon: Amounts::FAR, rare: 0 };

    /// The maximum that lies in these words.
    #[inline]
    pub fn new(words: &'a [Word], far: Far<'a>, span: &'a Span) -> Max<'a> {
        let (newest, near) = (&words[0], &words[1..]);
        Max { newest, cells: Amounts { near: &near[..Amounts::NEAR], far }, span }
    }

    /// Takes an event in and gives the largest, it included.
    pub fn add(&self, time_ms: i64, number: i64) -> i64 {
        let epoch = self.span.epoch(time_ms);
        self.newest.fetch_max(epoch as u64, Ordering::AcqRel);
        // An event too old for the cells is too old for every later window as well.
        let _ = self.cells.put_surely(epoch, self.newest, |largest| largest.max(number as u64), |_| {});
        self.value(time_ms).max(number)
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

    /// Largest over the window ending at `time_ms`; 0 over none.
    pub fn value(&self, time_ms: i64) -> i64 {
        if self.newest.load(Ordering::Acquire) == 0 {
            return 0;
        }
        self.cells.inside(self.span.epoch(time_ms)).max().unwrap_or(0) as i64
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Near words, a flag and far words.
    type Words = ([Word; Sum::ROOM.near], Word, [Word; Sum::ROOM.far]);

    fn room() -> Words {
        (std::array::from_fn(|_| Word::new(0)), Word::new(0), std::array::from_fn(|_| Word::new(0)))
    }

    fn sum<'a>((words, flag, cells): &'a Words, span: &'a Span) -> Sum<'a> {
        Sum::new(words, Far::new(flag, cells), span)
    }

    fn max<'a>((words, flag, cells): &'a Words, span: &'a Span) -> Max<'a> {
        Max::new(words, Far::new(flag, cells), span)
    }

    const DAY_MS: i64 = 86_400_000;

    #[test]
    fn an_event_counts_until_its_window_has_passed() {
        let (room, span) = (room(), Span::new(16_000));
        let ring = sum(&room, &span);
        assert_eq!(ring.add(DAY_MS, 5), 5);
        assert_eq!(ring.value(DAY_MS + 15_999), 5);
        assert_eq!(ring.value(DAY_MS + 17_000), 0, "at most one sub-window later");
    }

    #[test]
    fn what_rested_until_numbers_wrap_neither_counts_nor_makes_others_uncounted() {
        let (room, span) = (room(), Span::new(1_000));
        let sum = sum(&room, &span);
        let turn_ms = 63 * (1 << 20);
        // Any rest of about one turn of the numbers, with all cells in use.
        for rest in (-9_000..9_000).step_by(250) {
            let start = DAY_MS * 100 + (rest + 9_000) * 40 * turn_ms / 250;
            (0..20).for_each(|n| {
                sum.add(start + n * 63, 5);
            });
            let later = start + turn_ms + rest * 63;
            let after: i64 = (0..10).map(|n| sum.add(later + n * 63, 7)).max().expect("ten");
            assert_eq!(after, 70, "after a rest of {rest}");
        }
    }

    #[test]
    fn a_maximum_that_rested_until_numbers_wrap_takes_in_what_comes() {
        let span = Span::new(1_000);
        for rest in -9_000..9_000_i64 {
            let room = room();
            let max = max(&room, &span);
            let start = DAY_MS * 100;
            (0..20).for_each(|n| {
                max.add(start + n * 63, 50);
            });
            let later = start + 63 * ((1 << 20) + rest);
            max.add(later, 7);
            assert!(max.value(later + 1) >= 7, "after a turn and {rest}");
        }
    }

    #[test]
    fn amounts_beyond_all_measure_neither_turn_the_sum_nor_stay_in_it() {
        let (room, span) = (room(), Span::new(16_000));
        let ring = sum(&room, &span);
        let most = Amounts::HELD_MAX as i64;
        for n in 0..2_000 {
            assert!(ring.add(DAY_MS + n, wire::limits::AMOUNT_MINOR_MAX) > 0);
        }
        assert!(ring.value(DAY_MS + 2_000) >= most);
        assert_eq!(ring.add(DAY_MS + 20_000, 5), 5, "their window has passed");
    }

    #[test]
    fn a_reservation_stops_at_the_maximum_and_room_comes_back() {
        let (room, span) = (room(), Span::new(60_000));
        let ring = sum(&room, &span);
        let value = |time_ms, delta| ring.reserve(time_ms, delta, 1_000).map(|reserved| reserved.value);
        assert_eq!(value(DAY_MS, 700), Ok(700));
        assert_eq!(value(DAY_MS + 1, 400), Err(Full { current: 700 }));
        ring.release(DAY_MS, 700);
        assert_eq!(value(DAY_MS + 2, 1_000), Ok(1_000));
    }

    #[test]
    fn threads_never_reserve_more_than_the_maximum() {
        let (room, span) = (room(), Span::new(60_000));
        let ring = sum(&room, &span);
        let granted = Word::new(0);
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (ring, granted) = (&ring, &granted);
                scope.spawn(move || {
                    for n in 0..200 {
                        if ring.reserve(DAY_MS + n * 7 + thread, 3, 100).is_ok() {
                            granted.fetch_add(3, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(
            granted.load(Ordering::Relaxed),
            99,
            "thirty-three times three fit, and all of them were given"
        );
    }

    proptest! {
        /// The slow twin keeps every event: the ring lies between the window and the window one sub-window longer.
        #[test]
        fn a_sum_is_never_low_and_at_most_one_sub_window_high(
            window_ms in 1_000_i64..100_000,
            events in prop::collection::vec((0_i64..5_000, 0_i64..1_000_000), 1..200),
        ) {
            let (summed, largest, span) = (room(), room(), Span::new(window_ms));
            let (ring, max_ring) = (sum(&summed, &span), max(&largest, &span));
            let mut twin: Vec<(i64, i64)> = Vec::new();
            let mut now = DAY_MS;
            for (step, amount) in events {
                now += step;
                twin.push((now, amount));
                let value = ring.add(now, amount);
                max_ring.add(now, amount);
                let over = |reach: i64| twin.iter().filter(move |(t, _)| *t > now - reach).map(|(_, a)| *a);
                let longer = span.sub_window_ms() * CELLS;
                prop_assert!(value >= over(window_ms).sum::<i64>());
                prop_assert!(value <= over(longer).sum::<i64>());
                prop_assert!(max_ring.value(now) >= over(window_ms).max().unwrap_or(0));
                prop_assert!(max_ring.value(now) <= over(longer).max().unwrap_or(0));
            }
        }

        /// What is given back was never there.
        #[test]
        fn release_undoes_an_add(amounts in prop::collection::vec(0_i64..1_000_000_000_000, 1..15)) {
            let (room, span) = (room(), Span::new(60_000));
            let ring = sum(&room, &span);
            for &amount in &amounts {
                ring.add(DAY_MS, amount);
            }
            prop_assert_eq!(ring.value(DAY_MS), amounts.iter().sum::<i64>());
            for &amount in &amounts {
                ring.release(DAY_MS, amount);
            }
            prop_assert_eq!(ring.value(DAY_MS), 0);
        }
    }
}
