//! Every interleaving of two threads over a window's words: permits are never given twice, and none is lost.
//!
//! Built only for this purpose: `RUSTFLAGS="--cfg loom" cargo test -p engine --release --test loom`.
#![cfg(loom)]

use engine::table::{Distinct, Far, Permits, Recent, Room, Span, Sum, Word};
use loom::sync::Arc;

const NOW_MS: i64 = 1_000_000;

/// Near words, flags and far words.
type Words = (Vec<Word>, Word, Vec<Word>);

fn words(room: Room) -> Arc<Words> {
    let words = |count| (0..count).map(|_| Word::new(0)).collect();
    Arc::new((words(room.near), Word::new(0), words(room.far)))
}

fn permits<T>(words: &Words, act: impl FnOnce(Permits<'_>) -> T) -> T {
    act(Permits::new(&words.0, Far::new(&words.1, &words.2), &Span::new(1_000)))
}

fn sum<T>(words: &Words, act: impl FnOnce(Sum<'_>) -> T) -> T {
    act(Sum::new(&words.0, Far::new(&words.1, &words.2), &Span::new(16_000)))
}

fn recent(words: &Words, time_ms: i64) -> i64 {
    Recent::new(&words.0, Far::new(&words.1, &words.2), &Span::new(16_000)).add(time_ms)
}

fn distinct<T>(words: &Words, act: impl FnOnce(Distinct<'_>) -> T) -> T {
    act(Distinct::new(&words.0, Far::new(&words.1, &words.2), &Span::new(1_000)))
}

/// Runs both over the same words at once; gives what each returned.
fn race<T: Send + 'static>(
    words: &Arc<Words>,
    a: impl FnOnce(&Words) -> T + Send + 'static,
    b: impl FnOnce(&Words) -> T,
) -> (T, T) {
    let theirs = words.clone();
    let thread = loom::thread::spawn(move || a(&theirs));
    let ours = b(words);
    (thread.join().expect("no panic"), ours)
}

fn take(max: usize, time_ms: i64) -> impl Fn(&Words) -> bool + Copy + Send {
    move |words| permits(words, |permits| permits.reserve(time_ms, max).is_ok())
}

#[test]
fn the_last_permit_is_given_once() {
    loom::model(|| {
        let words = words(Permits::room(2));
        assert!(take(2, NOW_MS)(&words), "the first of two");
        let (a, b) = race(&words, take(2, NOW_MS + 1), take(2, NOW_MS + 1));
        assert!(a != b, "one of them gets it");
    });
}

#[test]
fn a_permit_that_expires_under_two_threads_is_free_for_one() {
    loom::model(|| {
        let words = words(Permits::room(1));
        assert!(take(1, NOW_MS)(&words), "the only one");
        let (a, b) = race(&words, take(1, NOW_MS + 1_000), take(1, NOW_MS + 1_000));
        assert!(a != b, "one of them gets it");
    });
}

#[test]
fn a_permit_given_back_is_free_again() {
    loom::model(|| {
        let words = words(Permits::room(1));
        assert!(take(1, NOW_MS)(&words), "the only one");
        let give = |words: &Words| {
            permits(words, |permits| permits.release(NOW_MS));
            false
        };
        let (_, taken) = race(&words, give, take(1, NOW_MS));
        assert!(taken != take(1, NOW_MS)(&words), "the permit is held exactly once");
    });
}

#[test]
fn a_sum_stays_within_its_maximum_while_a_sub_window_is_swept() {
    loom::model(|| {
        let words = words(Sum::ROOM);
        sum(&words, |sum| sum.add(NOW_MS, 8));
        let later_ms = NOW_MS + 17_000;
        let take = move |words: &Words| sum(words, |sum| sum.reserve(later_ms, 6, 10).is_ok());
        let (a, b) = race(&words, take, take);
        assert!(!(a && b), "twelve of ten are never given");
        let left = sum(&words, |sum| sum.value(later_ms));
        assert_eq!(left, 6 * i64::from(a || b), "and the total is the truth afterwards");
    });
}

#[test]
fn events_that_come_at_once_are_all_counted() {
    loom::model(|| {
        let words = words(Recent::room(4));
        for n in 0..3 {
            recent(&words, NOW_MS + n);
        }
        // The fourth place is free; the other event makes one of them go on into the far words.
        let (a, b) = race(&words, |w| recent(w, NOW_MS + 3), |w| recent(w, NOW_MS + 3));
        assert!(a >= 4 && b >= 4 && a.max(b) == 5, "never below those that came before");
        assert_eq!(recent(&words, NOW_MS + 4), 6, "and each is counted once afterwards");
    });
}

#[test]
fn a_value_brought_twice_at_once_counts_once() {
    loom::model(|| {
        let words = words(Distinct::room(2));
        let add = |words: &Words| distinct(words, |set| set.add(NOW_MS, 7 << 40));
        race(&words, add, add);
        assert_eq!(distinct(&words, |set| set.count(NOW_MS)), 1);
    });
}

#[test]
fn values_that_go_on_into_the_far_words_at_once_are_all_kept() {
    loom::model(|| {
        let words = words(Distinct::room(6));
        let add = |value: u64| move |words: &Words| distinct(words, |set| set.add(NOW_MS, value << 40));
        for value in 1..=4 {
            add(value)(&words);
        }
        race(&words, add(5), add(6));
        assert_eq!(distinct(&words, |set| set.count(NOW_MS)), 6);
    });
}
