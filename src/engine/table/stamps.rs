//! The times of the last N events of a key: exact counts up to N, and limits on counts as N permits.
//!
//! Always the N latest times are kept, so if fewer than N of them lie in a window, the window holds just those. For a limit
//! a total is kept beside them with the rule of [`super::SumRing`]: raised before a time is written, lowered after one is
//! cleared, so a permit is given only if it is free under any interleaving. A permit is dated no earlier than any expiry
//! that may have freed it, so that threads whose clocks differ by a millisecond cannot overshoot a window either.

use super::{Full, Ordering, Reserved, Word};

const FREE: u64 = 0;

/// A view over [`Stamps::words`] words.
#[derive(Clone, Copy)]
pub struct Stamps<'a> {
    total: &'a Word,
    newest: &'a Word,
    times: &'a [Word],
    window_ms: i64,
}

impl<'a> Stamps<'a> {
    /// Words of a view that holds `exact` events.
    pub const fn words(exact: usize) -> usize {
        2 + exact
    }

    /// The times that lie in these words.
    pub fn new(words: &'a [Word], window_ms: i64) -> Stamps<'a> {
        let (head, times) = words.split_at(2);
        Stamps { total: &head[0], newest: &head[1], times, window_ms }
    }

    /// Takes an event in, dropping the oldest if there is no room; gives the events within the window ending at it, itself
    /// included, where N means N or more. Where only this is called, free words stand behind all others, so a key with few
    /// events costs few looks.
    pub fn add(&self, time_ms: i64) -> usize {
        loop {
            let (mut oldest, mut place, mut inside) = (time_ms as u64, None, 0);
            for word in self.times {
                let held = word.load(Ordering::Acquire);
                inside += usize::from(self.holds(held, time_ms));
                if held < oldest {
                    (oldest, place) = (held, Some(word));
                    if held == FREE {
                        break;
                    }
                }
            }
            // Older than all that are kept: it is not among the N latest.
            let Some(word) = place else { return (inside + 1).min(self.times.len()) };
            if word.compare_exchange(oldest, time_ms as u64, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                return inside + 1 - usize::from(self.holds(oldest, time_ms));
            }
        }
    }

    fn holds(&self, held: u64, time_ms: i64) -> bool {
        (held as i64) > time_ms - self.window_ms && held as i64 <= time_ms
    }

    /// Events within the window ending at `time_ms`; N means N or more.
    pub fn count(&self, time_ms: i64) -> usize {
        self.times.iter().filter(|word| self.holds(word.load(Ordering::Acquire), time_ms)).count()
    }

    /// Takes one of `max` permits (at most N) for the window; gives the count including it and the time it is dated.
    ///
    /// # Errors
    /// [`Full`] if none is free.
    pub fn reserve(&self, time_ms: i64, max: usize) -> Result<Reserved, Full> {
        let max = max.min(self.times.len()) as u64;
        self.expire(time_ms);
        let mut total = self.total.load(Ordering::Acquire);
        loop {
            if total >= max {
                return Err(Full { current: total as i64 });
            }
            match self.total.compare_exchange_weak(total, total + 1, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => break,
                Err(seen) => total = seen,
            }
        }
        let time_ms = time_ms.max(self.newest.load(Ordering::Acquire) as i64);
        self.put(time_ms);
        Ok(Reserved { value: total as i64 + 1, time_ms })
    }

    /// Takes a permit without regard to a maximum, for events that no limit applies to. Beyond N the oldest makes room:
    /// N permits are taken either way, and every maximum is at most N. Gives the time the event is dated.
    pub fn take(&self, time_ms: i64) -> i64 {
        match self.reserve(time_ms, self.times.len()) {
            Ok(reserved) => reserved.time_ms,
            Err(_) => {
                self.add(time_ms);
                time_ms
            }
        }
    }

    /// Gives a permit back; nothing happens if it has expired meanwhile.
    pub fn release(&self, time_ms: i64) {
        for word in self.times {
            if self.clear(word, time_ms as u64) {
                return;
            }
        }
    }

    fn expire(&self, time_ms: i64) {
        self.newest.fetch_max(time_ms as u64, Ordering::AcqRel);
        for word in self.times {
            let held = word.load(Ordering::Acquire);
            if held != FREE && held as i64 <= time_ms - self.window_ms {
                self.clear(word, held);
            }
        }
    }

    fn clear(&self, word: &Word, held: u64) -> bool {
        let cleared = word.compare_exchange(held, FREE, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if cleared {
            self.total.fetch_sub(1, Ordering::AcqRel);
        }
        cleared
    }

    /// Writes the time of a permit the total already holds. The total counts every written time and every permit about to
    /// be written, and is at most N: so a free word is there.
    fn put(&self, time_ms: i64) {
        loop {
            for word in self.times {
                if word.load(Ordering::Relaxed) == FREE
                    && word
                        .compare_exchange(FREE, time_ms as u64, Ordering::AcqRel, Ordering::Acquire)
                        .is_ok()
                {
                    return;
                }
            }
            std::hint::spin_loop();
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(exact: usize) -> Vec<Word> {
        (0..Stamps::words(exact)).map(|_| Word::new(0)).collect()
    }

    #[test]
    fn threads_take_exactly_as_many_permits_as_there_are() {
        let words = words(10);
        let granted = Word::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                let (words, granted) = (&words, &granted);
                scope.spawn(move || {
                    for n in 0..100 {
                        if Stamps::new(words, 60_000).reserve(1_000_000 + n, 10).is_ok() {
                            granted.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(granted.load(Ordering::Relaxed), 10);
    }

    #[test]
    fn a_permit_is_free_again_when_its_window_has_passed_or_it_is_given_back() {
        let words = words(2);
        let stamps = Stamps::new(&words, 1_000);
        let value = |time_ms| stamps.reserve(time_ms, 2).map(|reserved| reserved.value);
        assert_eq!(value(5_000), Ok(1));
        assert_eq!(value(5_500), Ok(2));
        assert_eq!(value(5_999), Err(Full { current: 2 }));
        assert_eq!(value(6_000), Ok(2), "(t − w, t] no longer holds 5,000");
        stamps.release(5_500);
        assert_eq!(value(6_001), Ok(2));
    }

    proptest! {
        /// Whatever the disorder, a count below N is the true count.
        #[test]
        fn a_count_below_its_capacity_is_exact(
            exact in 1_usize..20,
            window_ms in 1_000_i64..50_000,
            events in prop::collection::vec((0_i64..4_000, 0_i64..5_000), 1..200),
        ) {
            let words = words(exact);
            let stamps = Stamps::new(&words, window_ms);
            let mut twin: Vec<i64> = Vec::new();
            let mut now = 1_000_000;
            for (step, late) in events {
                now += step;
                let time = now - late;
                twin.push(time);
                let count = stamps.add(time);
                let truth = twin.iter().filter(|t| **t > time - window_ms && **t <= time).count();
                let newer = twin.iter().filter(|t| **t > time).count();
                prop_assert!(stamps.count(time) <= count && count <= truth);
                // Later events take places too; without them the count is exact up to N.
                if newer == 0 || truth + newer < exact {
                    prop_assert_eq!(count, truth.min(exact));
                    prop_assert_eq!(stamps.count(time), count);
                }
            }
        }
    }
}
