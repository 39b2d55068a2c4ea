//! Views over the words of one window.

use engine::table::{Approved, Distinct, Far, Max, Permits, Recent, Room, Span, Sum, Word};
use loom::sync::Arc;

use crate::{NOW_MS, bounded};

/// Near words, flags and far words.
type Words = (Vec<Word>, Word, Vec<Word>);

fn words(room: Room) -> Arc<Words> {
    let words = |count| (0..count).map(|_| Word::new(0)).collect();
    Arc::new((words(room.near), Word::new(0), words(room.far + room.rare)))
}

fn permits<T>(words: &Words, act: impl FnOnce(Permits<'_>) -> T) -> T {
    act(Permits::new(&words.0, Far::new(&words.1, &words.2), &Span::new(1_000)))
}

fn sum<T>(words: &Words, act: impl FnOnce(Sum<'_>) -> T) -> T {
    act(Sum::new(&words.0, Far::new(&words.1, &words.2), &Span::new(16_000)))
}

/// Sub-windows of a second.
fn max<T>(words: &Words, act: impl FnOnce(Max<'_>) -> T) -> T {
    act(Max::new(&words.0, Far::new(&words.1, &words.2), &Span::new(16_000)))
}

/// Exact up to four, which is as many as near words hold.
fn approved<T>(words: &Words, act: impl FnOnce(Approved<'_>) -> T) -> T {
    act(Approved::new(&words.0, Far::new(&words.1, &words.2), &Span::new(16_000), 4))
}

fn recent(words: &Words, time_ms: i64) -> i64 {
    Recent::new(&words.0, Far::new(&words.1, &words.2), &Span::new(16_000)).add(time_ms).value
}

fn distinct<T>(words: &Words, act: impl FnOnce(Distinct<'_>) -> T) -> T {
    let (far, more) = Far::new(&words.1, &words.2).split(words.2.len() - Distinct::room(1).rare);
    act(Distinct::new(&words.0, far, more, &Span::new(1_000)))
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
        let add = |words: &Words| distinct(words, |set| set.add(NOW_MS, 7 << 40).value);
        race(&words, add, add);
        assert_eq!(distinct(&words, |set| set.count(NOW_MS).value), 1);
    });
}

#[test]
fn values_that_go_on_into_the_far_words_at_once_are_all_kept() {
    loom::model(|| {
        let words = words(Distinct::room(6));
        let add = |value: u64| move |words: &Words| distinct(words, |set| set.add(NOW_MS, value << 40).value);
        for value in 1..=4 {
            add(value)(&words);
        }
        race(&words, add(5), add(6));
        assert_eq!(distinct(&words, |set| set.count(NOW_MS).value), 6);
    });
}

#[test]
fn a_permit_taken_while_all_others_are_given_back_is_kept() {
    bounded(3, || {
        let words = words(Permits::room(4));
        let take = |after_ms: i64| move |words: &Words| permits(words, |it| it.take(NOW_MS + after_ms));
        (0..4).for_each(|n| take(n)(&words));
        let give_all = |words: &Words| (0..4).for_each(|n| permits(words, |it| it.release(NOW_MS + n)));
        race(&words, take(10), give_all);
        assert_eq!(permits(&words, |it| it.count(NOW_MS + 10)), 1);
    });
}

#[test]
fn permits_that_make_room_at_once_make_room_for_both() {
    bounded(3, || {
        let words = words(Permits::room(4));
        let take = |after_ms: i64| move |words: &Words| permits(words, |it| it.take(NOW_MS + after_ms));
        (0..4).for_each(|n| take(n)(&words));
        race(&words, take(10), take(11));
        let (count, last, complete) =
            permits(&words, |it| (it.count(NOW_MS + 11), it.count(NOW_MS + 1_003), it.complete(NOW_MS + 11)));
        // Of the four that stood, the two latest are left: they go first.
        assert_eq!((count, last, complete), (4, 2, false));
    });
}

#[test]
fn a_count_whose_permits_make_room_meanwhile_stays_within_its_maximum() {
    bounded(3, || {
        let words = words(Approved::room(4));
        let take =
            |time_ms, max| move |words: &Words| approved(words, |it| it.reserve(time_ms, 1, max).is_ok());
        (0..4).for_each(|n| assert!(take(NOW_MS + n, 100)(&words)));
        // A fifth makes the first make room, and two are given back: three stand, and three are the maximum of the other.
        let loose = move |words: &Words| {
            assert!(take(NOW_MS + 4, 100)(words));
            approved(words, |it| [2, 3].map(|n| it.release(NOW_MS + n, 1)));
            true
        };
        let (_, fourth) = race(&words, loose, take(NOW_MS + 4, 3));
        assert!(!fourth, "there never were fewer than three");
        assert_eq!(approved(&words, |it| it.value(NOW_MS + 5)), 3, "and what was refused left nothing");
    });
}

#[test]
fn two_maxima_of_one_count_hold_where_permits_decide_one_and_the_sum_the_other() {
    bounded(2, || {
        let words = words(Approved::room(4));
        let take = |max| move |words: &Words| approved(words, |it| it.reserve(NOW_MS, 1, max).is_ok());
        (0..3).for_each(|_| assert!(take(4)(&words)));
        let thread = |max| {
            let theirs = words.clone();
            loom::thread::spawn(move || take(max)(&theirs))
        };
        let loose = [thread(5), thread(5)];
        let tight = take(4)(&words);
        let loose = loose.map(|thread| thread.join().expect("no panic"));
        assert!(!(tight && loose[0] && loose[1]), "six of five are never given");
        let given = [tight, loose[0], loose[1]].into_iter().filter(|&given| given).count();
        assert_eq!(
            approved(&words, |it| it.value(NOW_MS)),
            3 + given as i64,
            "what is given up leaves nothing"
        );
    });
}

#[test]
fn a_maximum_whose_cell_goes_to_a_later_sub_window_meanwhile_lets_go_of_it() {
    bounded(3, || {
        let words = words(Max::ROOM);
        let add =
            |after: i64| move |words: &Words| max(words, |it| it.add(NOW_MS + 1_000 * after, 5 + after));
        (1..=3).for_each(|after| assert_eq!(add(after)(&words), 5 + after));
        let (late, latest) = race(&words, add(0), add(17));
        assert!(late >= 5 && latest == 22);
        assert_eq!(max(&words, |it| it.value(NOW_MS + 20_000)), 22);
    });
}

#[test]
fn a_sum_overtaken_by_a_whole_window_ends_at_the_truth() {
    bounded(2, || {
        let words = words(Sum::ROOM);
        let add =
            |after: i64| move |words: &Words| sum(words, |it| it.add(NOW_MS + 1_000 * after, 1 << after));
        (0..3).for_each(|after| {
            add(after)(&words);
        });
        let overtake = move |words: &Words| (17..=20).map(|after| add(after)(words)).max().expect("four");
        race(&words, add(3), overtake);
        // What was put in behind the last sweep goes with the next.
        assert_eq!(sum(&words, |it| it.value(NOW_MS + 21_000)), 0b1111 << 17);
    });
}

#[test]
fn values_that_make_room_for_each_other_at_once_are_all_counted() {
    let add = |value: u64| {
        move |words: &Words| distinct(words, |set| set.add(NOW_MS + value as i64, value << 40).value)
    };
    let after = move |values: [u64; 2]| {
        bounded(2, move || {
            let words = words(Distinct::room(2));
            [1, 2].into_iter().for_each(|value| {
                add(value)(&words);
            });
            race(&words, add(values[0]), add(values[1]));
            let count = distinct(&words, |set| set.count(NOW_MS + 4).value);
            assert_eq!(count, if values[0] == values[1] { 3 } else { 4 }, "{values:?}");
        });
    };
    after([3, 4]);
    after([3, 3]);
}
