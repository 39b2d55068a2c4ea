//! Reservations that are open until they settle, beside those that stand.

use engine::table::{Approved, Far, Held, Room, Span, Word};
use loom::sync::Arc;

use crate::{NOW_MS, bounded};

/// Near words, flags and far words of both windows.
type Words = [(Vec<Word>, Word, Vec<Word>); 2];

fn words() -> Arc<Words> {
    let Room { near, far, .. } = Approved::room(2);
    let words = |count| (0..count).map(|_| Word::new(0)).collect();
    Arc::new([0, 1].map(|_| (words(near), Word::new(0), words(far))))
}

fn held<T>(words: &Words, act: impl FnOnce(&Held<'_>, &Span) -> T) -> T {
    let (long, short) = (Span::new(16_000), Span::new(8_000));
    let of = |at: usize, span| {
        let (near, flags, far) = &words[at];
        Approved::new(near, Far::new(flags, far), span, 2)
    };
    // The spans outlive the views.
    let (standing, open) = (of(0, &long), of(1, &short));
    act(&Held::new(standing, Some(open)), &long)
}

fn reserve(words: &Words, time_ms: i64, max: i64) -> bool {
    held(words, |it, _| it.reserve(time_ms, 1, max).is_ok())
}

/// Runs both over the same words at once; gives what each returned.
fn race<A: Send + 'static, B>(
    words: &Arc<Words>,
    a: impl FnOnce(&Words) -> A + Send + 'static,
    b: impl FnOnce(&Words) -> B,
) -> (A, B) {
    let theirs = words.clone();
    let thread = loom::thread::spawn(move || a(&theirs));
    let ours = b(words);
    (thread.join().expect("no panic"), ours)
}

#[test]
fn what_settles_while_another_is_reserved_never_leaves_room_for_it() {
    bounded(3, || {
        let words = words();
        assert!(reserve(&words, NOW_MS, 1));
        let settle = |words: &Words| held(words, |it, span| it.settle(span, NOW_MS + 1, NOW_MS, 1));
        let (second, ()) = race(&words, |words| reserve(words, NOW_MS + 1, 1), settle);
        assert!(!second, "one is the maximum, and one was there throughout");
        assert_eq!(held(&words, |it, _| it.value(NOW_MS + 2)), 1);
    });
}

#[test]
fn the_last_room_is_given_once_beside_what_stands() {
    bounded(3, || {
        let words = words();
        assert!(reserve(&words, NOW_MS, 2));
        held(&words, |it, span| it.settle(span, NOW_MS, NOW_MS, 1));
        let take = |words: &Words| reserve(words, NOW_MS + 1, 2);
        let (a, b) = race(&words, take, take);
        assert!(!(a && b), "two are the maximum");
        assert_eq!(held(&words, |it, _| it.value(NOW_MS + 2)), 1 + i64::from(a) + i64::from(b));
    });
}
