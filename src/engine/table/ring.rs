//! Sliding sums and maxima over sub-windows.
//!
//! A ring holds the last seventeen sub-windows of w/16 (rounded up to a millisecond): sixteen whole ones and the one the window's far end cuts through,
//! so a value is never below the true one and above it by at most that one sub-window. Each cell packs the sub-window's
//! number and its sum into one word, so rotation is a compare-and-swap and no reader sees one without the other.

use super::{Ordering, Word};
use crate::limits::SUB_WINDOWS;

/// Cells of a ring: the sub-windows of a window and the partial one.
const CELLS: i64 = SUB_WINDOWS + 1;
/// Bits of a cell's sum; the rest numbers its sub-window.
const SUM_BITS: u32 = 44;
const SUM_MASK: u64 = (1 << SUM_BITS) - 1;
/// Sub-window numbers wrap after this many. A cell left over from exactly one turn ago (65,536 windows) would count again:
/// too much, never too little.
const TAGS: i64 = 1 << (64 - SUM_BITS);

const _: () = assert!(wire::limits::AMOUNT_MINOR_MAX < 1 << SUM_BITS);

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
}

/// What became of one attempt to change a cell.
enum Change {
    Done,
    /// The event's sub-window has already left the ring.
    TooOld,
}

fn tag(epoch: i64) -> u64 {
    epoch.rem_euclid(TAGS) as u64
}

fn pack(epoch: i64, sum: u64) -> u64 {
    tag(epoch) << SUM_BITS | sum
}

/// How many sub-windows a cell lies behind `epoch`; negative when ahead.
fn age(cell: u64, epoch: i64) -> i64 {
    let behind = (epoch - (cell >> SUM_BITS) as i64).rem_euclid(TAGS);
    if behind < TAGS / 2 { behind } else { behind - TAGS }
}

fn cell_of(words: &[Word], epoch: i64) -> &Word {
    &words[epoch.rem_euclid(CELLS) as usize]
}

/// A sliding sum of non-negative whole numbers: a view over [`SumRing::WORDS`] words.
///
/// The total stands in one word of its own, is raised before a cell is and lowered after one is, and therefore never lies
/// below the sum of the cells: a reservation that fits under the total fits under the truth. A reservation is dated no
/// earlier than any sweep that may have made room for it.
#[derive(Clone, Copy)]
pub struct SumRing<'a> {
    total: &'a Word,
    newest: &'a Word,
    swept: &'a Word,
    cells: &'a [Word],
    sub_window_ms: i64,
}

impl<'a> SumRing<'a> {
    /// Words of one ring.
    pub const WORDS: usize = 3 + CELLS as usize;

    /// The ring that lies in these words.
    pub fn new(words: &'a [Word], window_ms: i64) -> SumRing<'a> {
        let (head, cells) = words.split_at(3);
        SumRing {
            total: &head[0],
            newest: &head[1],
            swept: &head[2],
            cells: &cells[..CELLS as usize],
            sub_window_ms: sub_window_ms(window_ms),
        }
    }

    /// Sum over the window ending at `time_ms`.
    pub fn value(&self, time_ms: i64) -> i64 {
        self.sweep(time_ms / self.sub_window_ms);
        self.total.load(Ordering::Acquire) as i64
    }

    /// Adds an event and gives the sum including it.
    pub fn add(&self, time_ms: i64, delta: i64) -> i64 {
        let epoch = time_ms / self.sub_window_ms;
        self.sweep(epoch);
        let total = self.total.fetch_add(delta as u64, Ordering::AcqRel) as i64 + delta;
        self.put(epoch, delta);
        total
    }

    /// Adds an event only if the sum stays within `max`; gives the sum including it and the time it is dated.
    ///
    /// # Errors
    /// [`Full`] with the sum as it stands, which is unchanged.
    pub fn reserve(&self, time_ms: i64, delta: i64, max: i64) -> Result<Reserved, Full> {
        let epoch = time_ms / self.sub_window_ms;
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
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => break,
                Err(seen) => total = seen,
            }
        }
        let newest = self.newest.load(Ordering::Acquire) as i64;
        let (epoch, time_ms) =
            if newest > epoch { (newest, newest * self.sub_window_ms) } else { (epoch, time_ms) };
        self.put(epoch, delta);
        Ok(Reserved { value: total as i64 + delta, time_ms })
    }

    /// Takes an added event out again; nothing happens if it has left the window meanwhile.
    pub fn release(&self, time_ms: i64, delta: i64) {
        let epoch = time_ms / self.sub_window_ms;
        let cell = cell_of(self.cells, epoch);
        let mut held = cell.load(Ordering::Acquire);
        while held >> SUM_BITS == tag(epoch) && (held & SUM_MASK) as i64 >= delta {
            match cell.compare_exchange_weak(held, held - delta as u64, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    self.total.fetch_sub(delta as u64, Ordering::AcqRel);
                    return;
                }
                Err(seen) => held = seen,
            }
        }
    }

    /// Puts an event that the total already holds into its cell.
    fn put(&self, epoch: i64, delta: i64) {
        let change = change(cell_of(self.cells, epoch), epoch, |sum| {
            // Seventeen events of the largest amount within one sub-window fill a cell. The total then stays above the
            // truth: too much, never too little.
            (sum + delta as u64).min(SUM_MASK)
        });
        match change {
            (Change::Done, expired) if expired > 0 => {
                self.total.fetch_sub(expired, Ordering::AcqRel);
            }
            (Change::Done, _) => {}
            (Change::TooOld, _) => {
                self.total.fetch_sub(delta as u64, Ordering::AcqRel);
            }
        }
    }

    /// Empties the cells that lie before the window of `epoch`.
    fn sweep(&self, epoch: i64) {
        if self.swept.load(Ordering::Acquire) as i64 >= epoch {
            return;
        }
        self.newest.fetch_max(epoch as u64, Ordering::AcqRel);
        for cell in self.cells {
            let mut held = cell.load(Ordering::Acquire);
            while held & SUM_MASK > 0 && age(held, epoch) >= CELLS {
                match cell.compare_exchange_weak(held, held & !SUM_MASK, Ordering::AcqRel, Ordering::Acquire)
                {
                    Ok(_) => {
                        self.total.fetch_sub(held & SUM_MASK, Ordering::AcqRel);
                        break;
                    }
                    Err(seen) => held = seen,
                }
            }
        }
        self.swept.fetch_max(epoch as u64, Ordering::AcqRel);
    }
}

/// A sliding maximum of non-negative whole numbers: a view over [`MaxRing::WORDS`] words.
#[derive(Clone, Copy)]
pub struct MaxRing<'a> {
    cells: &'a [Word],
    sub_window_ms: i64,
}

impl<'a> MaxRing<'a> {
    /// Words of one ring.
    pub const WORDS: usize = CELLS as usize;

    /// The ring that lies in these words.
    pub fn new(words: &'a [Word], window_ms: i64) -> MaxRing<'a> {
        MaxRing { cells: &words[..CELLS as usize], sub_window_ms: sub_window_ms(window_ms) }
    }

    /// Takes an event in.
    pub fn add(&self, time_ms: i64, number: i64) {
        let epoch = time_ms / self.sub_window_ms;
        let number = (number as u64).min(SUM_MASK);
        // An event too old for the ring is too old for every later window as well.
        let _ = change(cell_of(self.cells, epoch), epoch, |largest| largest.max(number));
    }

    /// Largest over the window ending at `time_ms`; 0 over none.
    pub fn value(&self, time_ms: i64) -> i64 {
        let epoch = time_ms / self.sub_window_ms;
        let inside = |cell: &u64| (0..CELLS).contains(&age(*cell, epoch));
        let held = self.cells.iter().map(|cell| cell.load(Ordering::Acquire)).filter(inside);
        held.map(|cell| (cell & SUM_MASK) as i64).max().unwrap_or(0)
    }
}

/// Shortest sub-window such that sixteen cover the window.
fn sub_window_ms(window_ms: i64) -> i64 {
    (window_ms + SUB_WINDOWS - 1) / SUB_WINDOWS
}

/// Changes the sum of an epoch's cell, rotating the cell if it belongs to an older sub-window; gives the sum rotated away.
fn change(cell: &Word, epoch: i64, next: impl Fn(u64) -> u64) -> (Change, u64) {
    let mut held = cell.load(Ordering::Acquire);
    loop {
        let sum = held & SUM_MASK;
        let behind = if sum == 0 { CELLS } else { age(held, epoch) };
        let (wanted, rotated) = match behind {
            0 => (pack(epoch, next(sum)), 0),
            1.. => (pack(epoch, next(0)), sum),
            _ => return (Change::TooOld, 0),
        };
        match cell.compare_exchange_weak(held, wanted, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return (Change::Done, rotated),
            Err(seen) => held = seen,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words<const N: usize>() -> [Word; N] {
        std::array::from_fn(|_| Word::new(0))
    }

    const DAY_MS: i64 = 86_400_000;

    #[test]
    fn an_event_counts_until_its_window_has_passed() {
        let words = words::<{ SumRing::WORDS }>();
        let ring = SumRing::new(&words, 16_000);
        assert_eq!(ring.add(DAY_MS, 5), 5);
        assert_eq!(ring.value(DAY_MS + 15_999), 5);
        assert_eq!(ring.value(DAY_MS + 17_000), 0, "at most one sub-window later");
    }

    #[test]
    fn a_reservation_stops_at_the_maximum_and_room_comes_back() {
        let words = words::<{ SumRing::WORDS }>();
        let ring = SumRing::new(&words, 60_000);
        let value = |time_ms, delta| ring.reserve(time_ms, delta, 1_000).map(|reserved| reserved.value);
        assert_eq!(value(DAY_MS, 700), Ok(700));
        assert_eq!(value(DAY_MS + 1, 400), Err(Full { current: 700 }));
        ring.release(DAY_MS, 700);
        assert_eq!(value(DAY_MS + 2, 1_000), Ok(1_000));
    }

    #[test]
    fn threads_never_reserve_more_than_the_maximum() {
        let words = words::<{ SumRing::WORDS }>();
        let ring = SumRing::new(&words, 60_000);
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
            let words = words::<{ SumRing::WORDS }>();
            let largest = self::words::<{ MaxRing::WORDS }>();
            let (ring, max_ring) = (SumRing::new(&words, window_ms), MaxRing::new(&largest, window_ms));
            let mut twin: Vec<(i64, i64)> = Vec::new();
            let mut now = DAY_MS;
            for (step, amount) in events {
                now += step;
                twin.push((now, amount));
                let value = ring.add(now, amount);
                max_ring.add(now, amount);
                let over = |reach: i64| twin.iter().filter(move |(t, _)| *t > now - reach).map(|(_, a)| *a);
                let longer = sub_window_ms(window_ms) * CELLS;
                prop_assert!(value >= over(window_ms).sum::<i64>());
                prop_assert!(value <= over(longer).sum::<i64>());
                prop_assert!(max_ring.value(now) >= over(window_ms).max().unwrap_or(0));
                prop_assert!(max_ring.value(now) <= over(longer).max().unwrap_or(0));
            }
        }

        /// What is given back was never there.
        #[test]
        fn release_undoes_an_add(amounts in prop::collection::vec(0_i64..1_000_000_000_000, 1..15)) {
            let words = words::<{ SumRing::WORDS }>();
            let ring = SumRing::new(&words, 60_000);
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
