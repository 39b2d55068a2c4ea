//! What is measured beside each other: whoever keeps the windows and says their values.

use super::event::{Event, Values};
use crate::machine::processor_ns;

/// Keeper of the windows.
pub trait System: Send + Sync {
    /// Takes events in, in their order, and writes the values of their windows; values of windows whose key an event does not
    /// have are left alone. Every thread comes with a number of its own.
    fn take(&self, worker: usize, events: &[Event], values: &mut [Values]);

    /// Nanoseconds of processor time spent so far by whoever does the work: the calling thread, if nobody else.
    fn processor_ns(&self) -> i64 {
        processor_ns()
    }
}

impl<S: System> System for std::sync::Arc<S> {
    fn take(&self, worker: usize, events: &[Event], values: &mut [Values]) {
        S::take(self, worker, events, values);
    }
}
