//! What compiling one policy may take, spent as it goes.
//!
//! An expression has bounds of its own, but ten thousand of them, each compiled for every tenant, add up: so all of a policy draw
//! on one account, and what is refused is paid for like what is kept.

use std::cell::Cell;

use crate::limits::{PATTERNS_BYTES_MAX, POLICY_STEPS_MAX};

/// What is left for the expressions of a policy.
#[derive(Debug)]
pub(crate) struct Budget {
    steps: Cell<Option<usize>>,
    pattern_bytes: Cell<usize>,
}

/// Why nothing more is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spent {
    /// By this very step, which somebody has to tell.
    Now,
    /// By one before it, which was told.
    Before,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget { steps: Cell::new(Some(POLICY_STEPS_MAX)), pattern_bytes: Cell::new(PATTERNS_BYTES_MAX) }
    }
}

impl Budget {
    /// Takes steps of lowering.
    pub(crate) fn step(&self, steps: usize) -> Result<(), Spent> {
        let before = self.steps.get().ok_or(Spent::Before)?;
        let left = before.checked_sub(steps);
        self.steps.set(left);
        left.map(|_| ()).ok_or(Spent::Now)
    }

    /// Whether no step is left, which was told.
    pub(crate) fn is_spent(&self) -> bool {
        self.steps.get().is_none()
    }

    /// Takes bytes of automata, as many as there are.
    pub(crate) fn take_pattern(&self, bytes: usize) {
        self.pattern_bytes.set(self.pattern_bytes.get().saturating_sub(bytes));
    }

    /// Whether another pattern may be compiled.
    pub(crate) fn has_patterns(&self) -> bool {
        self.pattern_bytes.get() > 0
    }
}
