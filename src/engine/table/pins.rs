//! Which batches are in flight: a slot may be given to another key only if nobody can still be working on it.
//!
//! A worker pins the time at which its batch entered; whoever evicts takes only slots last touched before every pinned
//! time. This is epoch-based reclamation with the clock as the epoch.

use super::{Ordering, Word, fence};
use crate::limits::PINS_MAX;

/// The place outcomes are applied under; workers stand behind it.
const OUTCOMES: usize = 0;

/// Alone on its cache line, so that workers do not slow each other down.
#[repr(align(64))]
struct Line(Word);

/// Entry times of the batches in flight.
pub struct Pins {
    entered_ms: [Line; PINS_MAX],
    /// The highest place anybody has entered at: whoever evicts looks no further.
    highest: Line,
}

const IDLE: u64 = u64::MAX;

impl Default for Pins {
    fn default() -> Self {
        Pins { entered_ms: std::array::from_fn(|_| Line(Word::new(IDLE))), highest: Line(Word::new(0)) }
    }
}

impl Pins {
    /// Pins a worker's batch until the pin is dropped. Workers are numbered by their owner, each number used by one thread.
    #[inline]
    pub fn enter(&self, worker: usize, now_ms: i64) -> Pin<'_> {
        self.pin(1 + worker % (PINS_MAX - 1), now_ms)
    }

    /// Pins the application of an outcome, of which there is one at a time.
    pub fn enter_outcome(&self, now_ms: i64) -> Pin<'_> {
        self.pin(OUTCOMES, now_ms)
    }

    #[inline]
    fn pin(&self, place: usize, now_ms: i64) -> Pin<'_> {
        let word = &self.entered_ms[place].0;
        if self.highest.0.load(Ordering::Relaxed) < place as u64 {
            self.highest.0.fetch_max(place as u64, Ordering::Relaxed);
        }
        word.store(now_ms as u64, Ordering::Relaxed);
        // An evicting thread that does not see the pin after its own fence is itself seen by our look-ups.
        fence(Ordering::SeqCst);
        Pin { word }
    }

    /// Slots last touched before this time are out of every worker's hands; all are if there is none.
    #[inline]
    pub fn oldest_ms(&self) -> Option<i64> {
        let highest = self.highest.0.load(Ordering::Acquire) as usize;
        let entered = self.entered_ms[..=highest].iter().map(|line| line.0.load(Ordering::Acquire));
        entered.filter(|&ms| ms != IDLE).min().map(|ms| ms as i64)
    }
}

/// Proof that a batch is in flight.
pub struct Pin<'a> {
    word: &'a Word,
}

impl Drop for Pin<'_> {
    fn drop(&mut self) {
        self.word.store(IDLE, Ordering::Release);
    }
}
