//! What a decision is: plain data without borrows; its words stand in the snapshot.

use wire::limits::REASONS_MAX;
use wire::{Challenge, Value, Verdict};

/// One match: its words by number, and the numbers that met.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Place of its words in the snapshot's book.
    pub(crate) reason: u32,
    /// What it was a match of, by [`crate::policy::Policy::origin_of`].
    pub(crate) index: u32,
    /// What was found.
    pub value: Value,
    /// What it was compared with.
    pub threshold: Value,
}

impl Hit {
    pub(crate) const NONE: Hit = Hit { reason: 0, index: 0, value: Value::Absent, threshold: Value::Absent };
}

/// The decision of one check.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    /// What to do.
    pub verdict: Verdict,
    /// The proof to ask for.
    pub challenge: Option<Challenge>,
    /// Risk, 0 to 1.
    pub score: f64,
    /// Set of [`wire::Degraded`].
    pub degraded: u16,
    /// Whether it repeats an earlier one.
    pub replayed: bool,
    /// The same id is being decided by another worker at this moment: there is no answer yet, and nothing was counted.
    pub in_flight: bool,
    /// Number in the log.
    pub number: u64,
    /// Versions that decided, by their place in the snapshot's book.
    pub(crate) version: u32,
    pub(crate) count: u8,
    pub(crate) hits: [Hit; REASONS_MAX],
}

impl Decision {
    pub(crate) const EMPTY: Decision = Decision {
        verdict: Verdict::Allow,
        challenge: None,
        score: 0.0,
        degraded: 0,
        replayed: false,
        in_flight: false,
        number: 0,
        version: 0,
        count: 0,
        hits: [Hit::NONE; REASONS_MAX],
    };

    /// Live matches, deciding tier first, as many as an answer carries: the one that decided is among them.
    pub fn hits(&self) -> &[Hit] {
        &self.hits[..usize::from(self.count)]
    }

    /// Takes a match, if there is room for it.
    pub(crate) fn push(&mut self, hit: Hit) -> bool {
        let free = self.hits.get_mut(usize::from(self.count));
        let fits = free.is_some();
        if let Some(free) = free {
            *free = hit;
            self.count += 1;
        }
        fits
    }
}
