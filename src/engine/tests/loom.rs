//! Every interleaving of two threads over a window's words: permits are never given twice, and none is lost.
//!
//! Built only for this purpose: `RUSTFLAGS="--cfg loom" cargo test -p engine --release --test loom`.
#![cfg(loom)]

use engine::table::{Distinct, Stamps, SumRing, Word};
use loom::sync::Arc;

const NOW_MS: i64 = 1_000_000;

fn words(count: usize) -> Arc<Vec<Word>> {
    Arc::new((0..count).map(|_| Word::new(0)).collect())
}

/// Runs both over the same words at once; gives what each returned.
fn race<T: Send + 'static>(
    words: &Arc<Vec<Word>>,
    a: impl FnOnce(&[Word]) -> T + Send + 'static,
    b: impl FnOnce(&[Word]) -> T,
) -> (T, T) {
    let theirs = words.clone();
    let thread = loom::thread::spawn(move || a(&theirs));
    let ours = b(words);
    (thread.join().expect("no panic"), ours)
}

#[test]
fn the_last_permit_is_given_once() {
    loom::model(|| {
        let words = words(Stamps::words(2));
        Stamps::new(&words, 1_000).reserve(NOW_MS, 2).expect("the first of two");
        let take = |words: &[Word]| Stamps::new(words, 1_000).reserve(NOW_MS + 1, 2).is_ok();
        let (a, b) = race(&words, take, take);
        assert!(a != b, "one of them gets it");
    });
}

#[test]
fn a_permit_that_expires_under_two_threads_is_free_for_one() {
    loom::model(|| {
        let words = words(Stamps::words(1));
        Stamps::new(&words, 1_000).reserve(NOW_MS, 1).expect("the only one");
        let take = |words: &[Word]| Stamps::new(words, 1_000).reserve(NOW_MS + 1_000, 1).is_ok();
        let (a, b) = race(&words, take, take);
        assert!(a != b, "one of them gets it");
    });
}

#[test]
fn a_permit_given_back_is_free_again() {
    loom::model(|| {
        let words = words(Stamps::words(1));
        Stamps::new(&words, 1_000).reserve(NOW_MS, 1).expect("the only one");
        let give = |words: &[Word]| {
            Stamps::new(words, 1_000).release(NOW_MS);
            false
        };
        let (_, taken) = race(&words, give, |words| Stamps::new(words, 1_000).reserve(NOW_MS, 1).is_ok());
        let left = Stamps::new(&words, 1_000).reserve(NOW_MS, 1).is_ok();
        assert!(taken != left, "the permit is held exactly once");
    });
}

#[test]
fn a_sum_stays_within_its_maximum_while_a_sub_window_is_swept() {
    loom::model(|| {
        let words = words(SumRing::WORDS);
        SumRing::new(&words, 16_000).add(NOW_MS, 8);
        let later_ms = NOW_MS + 17_000;
        let take = move |words: &[Word]| SumRing::new(words, 16_000).reserve(later_ms, 6, 10).is_ok();
        let (a, b) = race(&words, take, take);
        assert!(!(a && b), "twelve of ten are never given");
        let left = SumRing::new(&words, 16_000).value(later_ms);
        assert_eq!(left, 6 * i64::from(a || b), "and the total is the truth afterwards");
    });
}

#[test]
fn a_value_brought_twice_at_once_counts_once() {
    loom::model(|| {
        let words = words(2);
        let add = |words: &[Word]| Distinct::new(words, 1_000).add(NOW_MS, 7 << 40);
        race(&words, add, add);
        assert_eq!(Distinct::new(&words, 1_000).count(NOW_MS), 1);
    });
}
