//! Numbers by sub-window: a few near cells that take any sub-window, and seventeen far ones, each for its own.
//!
//! A cell packs the number of its sub-window and what it holds into one word, so it changes hands by one compare-and-swap and
//! no reader sees one without the other. Several cells may hold the same sub-window: two threads may have claimed one each.
#![allow(unsafe_code)]

use wire::limits::CLOCK_BEHIND_MS_MAX;

use super::payload::Far;
use super::slots::ERA_MS;
use super::span::{CELLS, Span};
use super::{Ordering, Word};
use crate::limits::{SUB_WINDOWS, WINDOW_MS_MIN};

/// A cell may be so many sub-windows ahead of an event that comes late; all others lie behind it.
const AHEAD: u64 = 8_192;

/// The cells of one window of one key. `BITS` are for what a cell holds, the rest numbers its sub-window.
///
/// Sub-window numbers begin again after 2^(64 − BITS); no cell is left for as long: see [`Cells::keep_up`].
#[derive(Clone, Copy)]
pub(super) struct Cells<'a, const BITS: u32> {
    pub near: &'a [Word],
    pub far: Far<'a>,
}

/// Cells of amounts in minor units: numbers wrap after 65,536 windows.
pub(super) type Amounts<'a> = Cells<'a, 44>;
/// Cells of counts: numbers wrap after a hundred years of the shortest window.
pub(super) type Counts<'a> = Cells<'a, 28>;

/// The largest amount that windows hold, in whatever decimals: the largest of two decimals is written with three here, where a policy
/// has a currency of three.
pub const AMOUNT_MAX: i64 = Amounts::HELD_MAX as i64;

const _: () = assert!(10 * wire::limits::AMOUNT_MINOR_MAX <= AMOUNT_MAX);
// Of the shortest window none is older when it is let go of.
const _: () = assert!(
    (2 * ERA_MS + CLOCK_BEHIND_MS_MAX) / (WINDOW_MS_MIN / SUB_WINDOWS) + CELLS + 1
        < (Amounts::TURN - AHEAD) as i64,
    "numbers begin again after more than two eras"
);

impl<const BITS: u32> Cells<'_, BITS> {
    /// The largest that a cell holds.
    pub const HELD_MAX: u64 = (1 << BITS) - 1;
    const TURN: u64 = 1 << (64 - BITS);

    fn pack(epoch: i64, held: u64) -> u64 {
        (epoch as u64) << BITS | held.min(Self::HELD_MAX)
    }

    /// How many sub-windows a cell lies behind `epoch`; negative when ahead.
    fn age(cell: u64, epoch: i64) -> i64 {
        let behind = (epoch as u64).wrapping_sub(cell >> BITS) & (Self::TURN - 1);
        if behind < Self::TURN - AHEAD { behind as i64 } else { behind as i64 - Self::TURN as i64 }
    }

    /// Near cells: a key that is seen in no more sub-windows than this needs no far ones.
    pub const NEAR: usize = 3;
    /// Far cells.
    pub const FAR: usize = CELLS as usize;

    /// Changes what a sub-window holds; gives what expired to make room. `None` if the sub-window has left the cells.
    pub fn put(&self, epoch: i64, next: impl Fn(u64) -> u64) -> Option<u64> {
        'again: loop {
            let mut room = None;
            for cell in self.near {
                let held = cell.load(Ordering::Acquire);
                let behind = if held & Self::HELD_MAX == 0 { CELLS } else { Self::age(held, epoch) };
                if behind == 0 {
                    if exchange(cell, held, Self::pack(epoch, next(held & Self::HELD_MAX))) {
                        return Some(0);
                    }
                    continue 'again;
                }
                if behind >= CELLS && room.is_none() {
                    room = Some((cell, held));
                }
            }
            if let Some((cell, held)) = room {
                if exchange(cell, held, Self::pack(epoch, next(0))) {
                    return Some(held & Self::HELD_MAX);
                }
                continue;
            }
            let Some(cell) = self.far.open().get(epoch.rem_euclid(CELLS) as usize) else {
                return self.put_later(epoch, next);
            };
            let held = cell.load(Ordering::Acquire);
            let behind = if held & Self::HELD_MAX == 0 { CELLS } else { Self::age(held, epoch) };
            let (wanted, expired) = match behind {
                0 => (next(held & Self::HELD_MAX), 0),
                1.. => (next(0), held & Self::HELD_MAX),
                _ => return None,
            };
            if exchange(cell, held, Self::pack(epoch, wanted)) {
                return Some(expired);
            }
        }
    }

    /// Without far cells what does not fit goes in with the latest of the near ones, or that one with it: some events count
    /// longer than they should, none shorter. `None` without near cells.
    fn put_later(&self, epoch: i64, next: impl Fn(u64) -> u64) -> Option<u64> {
        loop {
            let near = self.near.iter().map(|cell| (cell, cell.load(Ordering::Acquire)));
            let (cell, held) = near.min_by_key(|(_, held)| Self::age(*held, epoch))?;
            let later = epoch.max(epoch - Self::age(held, epoch));
            if exchange(cell, held, Self::pack(later, next(held & Self::HELD_MAX))) {
                return Some(0);
            }
        }
    }

    /// Takes `delta` out of a sub-window again; gives how much of it was still there.
    pub fn take(&self, epoch: i64, delta: u64) -> u64 {
        let mut left = delta;
        let own = self.far.used().get(epoch.rem_euclid(CELLS) as usize);
        for cell in self.near.iter().chain(own) {
            let mut held = cell.load(Ordering::Acquire);
            while left > 0 && held & Self::HELD_MAX > 0 && Self::age(held, epoch) == 0 {
                let part = left.min(held & Self::HELD_MAX);
                match cell.compare_exchange_weak(held, held - part, Ordering::AcqRel, Ordering::Acquire) {
                    Ok(_) => {
                        left -= part;
                        break;
                    }
                    Err(seen) => held = seen,
                }
            }
        }
        delta - left
    }

    /// Empties the cells that lie before the window of `epoch`; `expired` is told of what each held. Where all that was there
    /// lies before it, `newest` is given, the latest sub-window that anything was put into: a cell that looks later than that
    /// is from a turn ago and goes too.
    pub fn expire(&self, epoch: i64, newest: Option<&Word>, expired: impl Fn(u64)) {
        let before = |held: u64| {
            let age = Self::age(held, epoch);
            // Read after the cell: `newest` is raised before a cell is written.
            let later = |newest: &Word| Self::age(held, newest.load(Ordering::Acquire) as i64) < 0;
            age >= CELLS || (age < 0 && newest.is_some_and(later))
        };
        for cell in self.near.iter().chain(self.far.used()) {
            let mut held = cell.load(Ordering::Acquire);
            while held & Self::HELD_MAX > 0 && before(held) {
                match cell.compare_exchange_weak(
                    held,
                    held & !Self::HELD_MAX,
                    Ordering::AcqRel,
                    Ordering::Acquire,
                ) {
                    Ok(_) => {
                        expired(held & Self::HELD_MAX);
                        break;
                    }
                    Err(seen) => held = seen,
                }
            }
        }
    }

    /// Empties the cells that lie before the window of `time_ms`, and before that of the latest event that may still come; all of
    /// them if nothing was written since before it. Numbers
    /// begin again soonest after eighteen hours, those of windows so short that a rest of an era empties them.
    pub fn keep_up(&self, span: &Span, time_ms: i64, rest_ms: i64, expired: impl Fn(u64)) {
        let epoch = span.epoch(time_ms);
        let oldest = CELLS + CLOCK_BEHIND_MS_MAX / span.sub_window_ms() + 1;
        let before = |held: u64| span.is_over(-rest_ms.max(0), 0) || Self::age(held, epoch) >= oldest;
        for cell in self.near.iter().chain(self.far.used()) {
            let mut held = cell.load(Ordering::Acquire);
            while held & Self::HELD_MAX > 0 && before(held) {
                let empty = held & !Self::HELD_MAX;
                match cell.compare_exchange_weak(held, empty, Ordering::AcqRel, Ordering::Acquire) {
                    Ok(_) => {
                        expired(held & Self::HELD_MAX);
                        break;
                    }
                    Err(seen) => held = seen,
                }
            }
        }
    }

    /// The same as [`Cells::put`] for whatever others do meanwhile. `newest` is the latest sub-window that anything was put into,
    /// raised before it is; `None` for a sub-window that is too old for the cells. `cleared` is told of what was emptied that
    /// had been left from a turn ago.
    #[inline]
    pub fn put_surely(
        &self,
        epoch: i64,
        newest: &Word,
        next: impl Fn(u64) -> u64,
        cleared: impl Fn(u64),
    ) -> Option<u64> {
        // Read each time: a thread that rests in between may be overtaken by a whole window.
        let latest = || newest.load(Ordering::Acquire) as i64;
        while latest() - epoch < CELLS {
            if let Some(expired) = self.put(epoch, &next) {
                return Some(expired);
            }
            let latest = latest();
            if latest - epoch < CELLS {
                // Not overtaken: a wrapped number makes a cell look newer, and the event counts with the latest ones instead.
                if let Some(expired) = self.put(latest, &next) {
                    return Some(expired);
                }
                self.clear_later(newest, &cleared);
            }
        }
        None
    }

    /// Empties the cells that look later than `newest`: they are from a turn ago, and would keep what comes now from being put
    /// in.
    #[cold]
    fn clear_later(&self, newest: &Word, cleared: impl Fn(u64)) {
        for cell in self.near.iter().chain(self.far.used()) {
            // In this order: `newest` is raised before a cell is written.
            let held = cell.load(Ordering::Acquire);
            let newest = newest.load(Ordering::Acquire) as i64;
            let later = held & Self::HELD_MAX > 0 && Self::age(held, newest) < 0;
            if later && exchange(cell, held, held & !Self::HELD_MAX) {
                cleared(held & Self::HELD_MAX);
            }
        }
    }

    /// All that the cells within the window of `epoch` hold.
    #[inline]
    pub fn sum(&self, epoch: i64) -> u64 {
        [self.near, self.far.used()].into_iter().map(|cells| Self::sum_of(cells, epoch)).sum()
    }

    #[inline]
    fn sum_of(cells: &[Word], epoch: i64) -> u64 {
        #[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
        if super::vectors::avx2::is_there() {
            // SAFETY: the processor has AVX2.
            return unsafe { avx2::sum::<BITS>(cells, epoch) };
        }
        Self::one_by_one(cells, epoch)
    }

    fn one_by_one(cells: &[Word], epoch: i64) -> u64 {
        let held = cells.iter().map(|cell| cell.load(Ordering::Acquire));
        held.filter(|&held| (0..CELLS).contains(&Self::age(held, epoch)))
            .map(|held| held & Self::HELD_MAX)
            .sum()
    }

    /// What the cells within the window of `epoch` hold.
    pub fn inside(&self, epoch: i64) -> impl Iterator<Item = u64> {
        self.aged(epoch).map(|(_, held)| held)
    }

    /// How many sub-windows the cells within the window of `epoch` lie behind it, and what they hold.
    pub fn aged(&self, epoch: i64) -> impl Iterator<Item = (i64, u64)> {
        let cells = self.near.iter().chain(self.far.used()).map(|cell| cell.load(Ordering::Acquire));
        let aged = cells.map(move |cell| (Self::age(cell, epoch), cell & Self::HELD_MAX));
        aged.filter(|(age, _)| (0..CELLS).contains(age))
    }
}

fn exchange(cell: &Word, held: u64, wanted: u64) -> bool {
    cell.compare_exchange(held, wanted, Ordering::AcqRel, Ordering::Acquire).is_ok()
}

#[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
mod avx2 {
    use std::arch::x86_64::*;

    use super::super::Word;
    use super::super::vectors::avx2::{WORDS, four};
    use super::{CELLS, Cells};

    /// The same as [`Cells::one_by_one`].
    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn sum<const BITS: u32>(cells: &[Word], epoch: i64) -> u64 {
        let all = |number: u64| _mm256_set1_epi64x(number.cast_signed());
        let (number, held_max) = (_mm_cvtsi32_si128(BITS.cast_signed()), Cells::<BITS>::HELD_MAX);
        let mut sums = _mm256_setzero_si256();
        for cells in cells.chunks(WORDS) {
            let cells = four(cells);
            let behind = _mm256_sub_epi64(all(epoch.cast_unsigned()), _mm256_srl_epi64(cells, number));
            let behind = _mm256_and_si256(behind, all(Cells::<BITS>::TURN - 1));
            let inside = _mm256_cmpgt_epi64(_mm256_set1_epi64x(CELLS), behind);
            let held = _mm256_and_si256(cells, all(held_max));
            sums = _mm256_add_epi64(sums, _mm256_and_si256(inside, held));
        }
        let sums = _mm_add_epi64(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
        let sums = _mm_add_epi64(sums, _mm_unpackhi_epi64(sums, sums));
        _mm_cvtsi128_si64(sums).cast_unsigned()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_sum_of_many_is_that_of_each(
            cells in prop::collection::vec((-20_i64..20, prop_oneof![Just(0), 0_u64..1 << 28]), 0..20),
            epoch in prop_oneof![0_i64..100, 1_i64 << 30..1 << 44],
        ) {
            let words: Vec<Word> = cells.iter().map(|&(ahead, held)| Word::new(Counts::pack(epoch + ahead, held))).collect();
            prop_assert_eq!(Counts::sum_of(&words, epoch), Counts::one_by_one(&words, epoch));
            let words: Vec<Word> = cells.iter().map(|&(ahead, held)| Word::new(Amounts::pack(epoch + ahead, held))).collect();
            prop_assert_eq!(Amounts::sum_of(&words, epoch), Amounts::one_by_one(&words, epoch));
        }
    }
}
