//! The state of one breaker of one key, in one word: when it opened, and how many trials it has let through since.
//!
//! Closed, open and half open are not written down: they are how long ago it opened. So nothing has to happen for a breaker
//! to half-open or to close, and every change is one exchange of the word: of threads that trip it at once one does,
//! no interleaving lets more trials through than there are, and of those that find it closed again one says so.

use super::{Ordering, Word};

/// Bits of the trials used; the 44 others hold the time, as in a reservation.
const TRIAL_BITS: u32 = 20;
/// Most trials that a word can count.
pub const TRIALS_MAX: u32 = (1 << TRIAL_BITS) - 1;

/// How long a breaker stays in each state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Everything is refused for so many milliseconds after it opened.
    pub open_ms: i64,
    /// Then, for so many milliseconds, only trials go through.
    pub half_open_ms: i64,
    /// How many, at most [`TRIALS_MAX`].
    pub trials: u32,
}

/// What a breaker made of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// It is closed: the event goes on.
    Closed,
    /// It has closed, and the event is the first to find it so: it goes on.
    Recovered,
    /// The event opened it and is refused.
    Opened,
    /// It is open, for so many milliseconds more.
    Open {
        /// Until it half-opens.
        left_ms: i64,
    },
    /// It is half open, and the event is one of its trials: it goes on.
    Trial,
    /// It is half open and its trials are used.
    Spent {
        /// How many there were.
        used: u32,
    },
}

/// A view over a breaker's word; zero is one that never opened, or was found closed since.
#[derive(Clone, Copy)]
pub struct Circuit<'a> {
    word: &'a Word,
    terms: Terms,
}

impl<'a> Circuit<'a> {
    /// The breaker of that word.
    pub fn new(word: &'a Word, terms: Terms) -> Circuit<'a> {
        Circuit { word, terms }
    }

    /// Takes an event at that time; `trips` says whether it meets the condition that opens the breaker.
    pub fn pass(&self, now_ms: i64, trips: bool) -> Passage {
        let Terms { open_ms, half_open_ms, trials } = self.terms;
        let mut held = self.word.load(Ordering::Acquire);
        loop {
            let (opened_ms, used) = ((held >> TRIAL_BITS) as i64, held as u32 & TRIALS_MAX);
            // Threads' clocks differ by a batch: an opening ahead of our time is one of this moment.
            let age_ms = (now_ms - opened_ms).max(0);
            let closed = held == 0 || age_ms - open_ms >= half_open_ms;
            let (passage, wanted) = if !closed && age_ms < open_ms {
                return Passage::Open { left_ms: open_ms - age_ms };
            } else if trips {
                (Passage::Opened, (now_ms.max(1) as u64) << TRIAL_BITS)
            } else if held == 0 {
                return Passage::Closed;
            } else if closed {
                (Passage::Recovered, 0)
            } else if used >= trials {
                return Passage::Spent { used };
            } else {
                (Passage::Trial, held + 1)
            };
            match self.word.compare_exchange(held, wanted, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return passage,
                Err(seen) => held = seen,
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TERMS: Terms = Terms { open_ms: 10_000, half_open_ms: 5_000, trials: 2 };

    #[test]
    fn it_opens_half_opens_lets_trials_through_and_closes() {
        let word = Word::new(0);
        let pass = |now_ms, trips| Circuit::new(&word, TERMS).pass(now_ms, trips);
        assert_eq!(pass(1_000, false), Passage::Closed);
        assert_eq!(pass(2_000, true), Passage::Opened);
        assert_eq!(
            pass(2_000, true),
            Passage::Open { left_ms: 10_000 },
            "open is open: it does not open again"
        );
        assert_eq!(pass(11_999, false), Passage::Open { left_ms: 1 });
        assert_eq!(pass(12_000, false), Passage::Trial);
        assert_eq!(pass(12_001, false), Passage::Trial);
        assert_eq!(pass(16_999, false), Passage::Spent { used: 2 });
        assert_eq!(pass(17_000, false), Passage::Recovered);
        assert_eq!(pass(17_000, false), Passage::Closed, "once");
        assert_eq!(pass(17_000, true), Passage::Opened, "and it can open again");
    }

    #[test]
    fn an_event_that_meets_the_condition_opens_a_half_open_breaker_again() {
        let word = Word::new(0);
        let pass = |now_ms, trips| Circuit::new(&word, TERMS).pass(now_ms, trips);
        assert_eq!((pass(1_000, true), pass(11_000, false)), (Passage::Opened, Passage::Trial));
        assert_eq!(pass(11_500, true), Passage::Opened);
        assert_eq!(pass(21_499, false), Passage::Open { left_ms: 1 });
        assert_eq!(
            (pass(21_500, false), pass(21_500, false)),
            (Passage::Trial, Passage::Trial),
            "with trials of its own"
        );
        assert_eq!(pass(21_500, false), Passage::Spent { used: 2 });
    }

    #[test]
    fn a_thread_whose_clock_is_behind_finds_an_open_breaker_open() {
        let word = Word::new(0);
        let pass = |now_ms, trips| Circuit::new(&word, TERMS).pass(now_ms, trips);
        assert_eq!(pass(5_000, true), Passage::Opened);
        assert_eq!(pass(4_990, true), Passage::Open { left_ms: 10_000 });
    }

    #[test]
    fn threads_trip_it_once_and_share_its_trials() {
        let word = Word::new(0);
        let count = |now_ms: i64, trips: bool, wanted: Passage| {
            let counted = Word::new(0);
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    let (word, counted) = (&word, &counted);
                    scope.spawn(move || {
                        for _ in 0..200 {
                            if Circuit::new(word, Terms { trials: 50, ..TERMS }).pass(now_ms, trips) == wanted
                            {
                                counted.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                    });
                }
            });
            counted.load(Ordering::Relaxed)
        };
        assert_eq!(count(1_000, true, Passage::Opened), 1);
        assert_eq!(count(11_000, false, Passage::Trial), 50);
        assert_eq!(count(16_000, false, Passage::Recovered), 1);
    }

    /// The states written out, one variable each.
    #[derive(Default)]
    struct Twin {
        opened_ms: Option<i64>,
        used: u32,
    }

    impl Twin {
        fn pass(&mut self, now_ms: i64, trips: bool, terms: Terms) -> Passage {
            let since = self.opened_ms.map(|opened_ms| now_ms - opened_ms);
            match since {
                Some(since) if since < terms.open_ms => {
                    return Passage::Open { left_ms: terms.open_ms - since };
                }
                Some(since) if since >= terms.open_ms + terms.half_open_ms => {
                    self.opened_ms = None;
                    if !trips {
                        return Passage::Recovered;
                    }
                }
                _ => {}
            }
            if trips {
                (self.opened_ms, self.used) = (Some(now_ms), 0);
                Passage::Opened
            } else if self.opened_ms.is_none() {
                Passage::Closed
            } else if self.used == terms.trials {
                Passage::Spent { used: self.used }
            } else {
                self.used += 1;
                Passage::Trial
            }
        }
    }

    proptest! {
        #[test]
        fn one_word_does_what_the_states_written_out_do(
            (open_ms, half_open_ms, trials) in (1_i64..40, 1_i64..40, 1_u32..5),
            events in prop::collection::vec(
                (prop_oneof![9 => 0_i64..12, 1 => 0_i64..1 << 38], prop::bool::weighted(0.2)),
                1..200,
            ),
        ) {
            let terms = Terms { open_ms, half_open_ms, trials };
            let (word, mut twin, mut now_ms) = (Word::new(0), Twin::default(), 1_767_607_200_000);
            for (step_ms, trips) in events {
                now_ms += step_ms;
                prop_assert_eq!(Circuit::new(&word, terms).pass(now_ms, trips), twin.pass(now_ms, trips, terms));
            }
        }
    }
}
