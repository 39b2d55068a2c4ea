//! A count that many threads raise: each raises a word of its own, so that none takes the line from the others' caches.

use super::{Ordering, Word};

/// Words there are; threads beyond that many share.
const STRIPES: usize = 16;

/// The count.
#[derive(Default)]
pub struct Striped([Stripe; STRIPES]);

/// Two lines, since processors fetch them in pairs.
#[repr(align(128))]
struct Stripe(Word);

impl Default for Stripe {
    fn default() -> Stripe {
        Stripe(Word::new(0))
    }
}

impl Striped {
    /// Counts one more.
    pub fn raise(&self) {
        self.0[own()].0.fetch_add(1, Ordering::Relaxed);
    }

    /// The count of all threads.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|stripe| stripe.0.load(Ordering::Relaxed)).sum()
    }
}

/// The calling thread's stripe.
#[cfg(not(loom))]
fn own() -> usize {
    use std::sync::atomic::AtomicUsize;

    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: usize = THREADS.fetch_add(1, Ordering::Relaxed) % STRIPES;
    }
    OWN.with(|&own| own)
}

#[cfg(loom)]
fn own() -> usize {
    0
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_threads_raise_is_counted_whole() {
        let count = Striped::default();
        std::thread::scope(|scope| {
            for _ in 0..2 * STRIPES {
                scope.spawn(|| (0..100).for_each(|_| count.raise()));
            }
        });
        assert_eq!(count.count(), 200 * STRIPES as u64);
    }
}
