//! Interleavings of two threads: over a window's words, where permits are never given twice and none is lost, and over a table's
//! slots and blocks, which never have two keys at once.
//!
//! Built only for this purpose: `RUSTFLAGS="--cfg loom" cargo test -p engine --release --test loom`.
#![cfg(loom)]

use engine::lists::entries::{Entries, Put};
use engine::lists::slot::Slot;
use engine::table::{
    Circuit, Distinct, Far, Ordering, Passage, Permits, Recent, Room, Shape, Slots, Span, Sum, Terms, Word,
};
use loom::sync::Arc;

const NOW_MS: i64 = 1_000_000;

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

fn recent(words: &Words, time_ms: i64) -> i64 {
    Recent::new(&words.0, Far::new(&words.1, &words.2), &Span::new(16_000)).add(time_ms)
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

/// A table of one set with two places.
fn table(far: usize, busy: Option<usize>) -> Arc<Slots> {
    let shape = Shape { near: 1, zeroed: 1, far, rare: 0, busy, renewed: true, certain: false };
    Arc::new(Slots::new(1, shape, 1_000, &Default::default()).expect("small"))
}

/// Goes through what two threads may do, as far as each is interrupted no more than so often.
fn bounded(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

/// Runs both with the table at once.
fn both<T: Send + 'static>(
    table: &Arc<Slots>,
    a: impl FnOnce(&Slots) -> T + Send + 'static,
    b: impl FnOnce(&Slots) -> T,
) -> (T, T) {
    let theirs = table.clone();
    let thread = loom::thread::spawn(move || a(&theirs));
    let ours = b(table);
    (thread.join().expect("no panic"), ours)
}

/// Counts one for the key in its slot; gives the count, and whether the key was new.
fn visit(worker: usize, key: u64, now_ms: i64) -> impl Fn(&Slots) -> Option<(u64, bool)> + Copy + Send {
    move |table| {
        let _pin = table.pins().enter(worker, now_ms);
        let found = table.find_or_claim(key, now_ms)?;
        assert!(table.holds(found.slot, key));
        let count = 1 + table.payload(found.slot).near()[0].fetch_add(1, Ordering::AcqRel);
        assert!(table.holds(found.slot, key), "a slot is its key's as long as the pin");
        Some((count, found.fresh))
    }
}

#[test]
fn threads_that_bring_the_same_new_key_meet_in_one_slot() {
    bounded(|| {
        let table = table(0, None);
        let (a, b) = both(&table, visit(0, 7, NOW_MS), visit(1, 7, NOW_MS));
        let (a, b) = (a.expect("room"), b.expect("room"));
        assert!(a.0 != b.0 && a.0.max(b.0) == 2, "both count in one place");
        assert!(a.1 != b.1, "and it was new for one of them");
    });
}

#[test]
fn a_key_in_hands_is_not_evicted_and_an_evicted_one_begins_anew() {
    bounded(|| {
        let table = table(0, None);
        let later_ms = NOW_MS + 160;
        visit(0, 7, NOW_MS)(&table).expect("room");
        visit(0, 8, later_ms)(&table).expect("room");
        let (seven, nine) = both(&table, visit(0, 7, later_ms), visit(1, 9, later_ms));
        assert!(matches!(seven, Some((2, false) | (1, true)) | None), "{seven:?}");
        assert!(matches!(nine, Some((1, true)) | None), "{nine:?}");
    });
}

#[test]
fn a_batch_that_lags_behind_keeps_the_slots_it_finds() {
    bounded(|| {
        let table = table(0, None);
        visit(0, 7, NOW_MS)(&table).expect("room");
        visit(0, 8, NOW_MS + 160)(&table).expect("room");
        // Found as it was touched, so the slot's head does not change: only the pin tells that somebody is there.
        let (seven, nine) = both(&table, visit(0, 7, NOW_MS), visit(1, 9, NOW_MS + 160));
        assert!(matches!(seven, Some((2, false) | (1, true)) | None), "{seven:?}");
        assert!(matches!(nine, Some((1, true)) | None), "{nine:?}");
    });
}

#[test]
fn a_key_that_rested_begins_anew_for_both_who_find_it() {
    bounded(|| {
        let table = table(0, None);
        visit(0, 7, NOW_MS)(&table).expect("room");
        let later_ms = NOW_MS + 16_000;
        let (a, b) = both(&table, visit(0, 7, later_ms), visit(1, 7, later_ms));
        let (a, b) = (a.expect("there"), b.expect("there"));
        // While one holds a pin the slot is not cleared: then both go on with what stands there, which has expired.
        let counts = [a.0.min(b.0), a.0.max(b.0)];
        assert!(counts == [1, 2] || counts == [2, 3], "{counts:?}");
    });
}

#[test]
fn a_slot_has_one_block_whoever_opens_it() {
    bounded(|| {
        let table = table(2, Some(2));
        visit(0, 7, NOW_MS)(&table).expect("room");
        let open = |worker: usize, part: usize| {
            move |table: &Slots| {
                let _pin = table.pins().enter(worker, NOW_MS);
                let slot = table.find_or_claim(7, NOW_MS).expect("there").slot;
                let words = table.payload(slot).part(part, part..part + 1).opened();
                words.iter().map(|word| word.fetch_add(1, Ordering::AcqRel)).collect::<Vec<_>>()
            }
        };
        let (a, b) = both(&table, open(0, 0), open(1, 1));
        assert_eq!((a, b), (vec![0], vec![0]));
        let (a, b) = (open(0, 0)(&table), open(0, 1)(&table));
        assert_eq!((a, b), (vec![1], vec![1]), "what either wrote is there");
    });
}

#[test]
fn one_block_for_two_keys_is_never_shared() {
    bounded(|| {
        let table = table(1, Some(1));
        let open = |worker: usize, key: u64, now_ms: i64| {
            move |table: &Slots| {
                let _pin = table.pins().enter(worker, now_ms);
                let Some(found) = table.find_or_claim(key, now_ms) else { return };
                for word in table.payload(found.slot).part(0, 0..1).opened() {
                    let before = word.swap(key, Ordering::AcqRel);
                    assert!(before == 0 || before == key, "{key} found {before}");
                }
                assert!(table.holds(found.slot, key));
            }
        };
        open(0, 7, NOW_MS)(&table);
        both(&table, open(0, 7, NOW_MS + 160), open(1, 8, NOW_MS + 160));
    });
}

/// A breaker with one trial.
fn circuit(word: &Word, now_ms: i64, trips: bool) -> Passage {
    let terms = Terms { open_ms: 1_000, half_open_ms: 1_000, trials: 1 };
    Circuit::new(word, terms).pass(now_ms, trips)
}

/// Three events at once, each at that time and with that truth of the condition, on a breaker that opened at `NOW_MS` if at all.
fn three_at_once(opened: bool, events: [(i64, bool); 3], check: fn([Passage; 3])) {
    loom::model(move || {
        let word = Arc::new(Word::new(0));
        if opened {
            assert_eq!(circuit(&word, NOW_MS, true), Passage::Opened);
        }
        let thread = |(now_ms, trips)| {
            let word = word.clone();
            loom::thread::spawn(move || circuit(&word, now_ms, trips))
        };
        let others = [thread(events[0]), thread(events[1])];
        let ours = circuit(&word, events[2].0, events[2].1);
        let [a, b] = others.map(|thread| thread.join().expect("no panic"));
        check([a, b, ours]);
    });
}

#[test]
fn a_breaker_that_three_trip_at_once_opens_once() {
    three_at_once(false, [(NOW_MS, true), (NOW_MS + 1, true), (NOW_MS, true)], |passages| {
        let opened = passages.iter().filter(|passage| **passage == Passage::Opened).count();
        assert_eq!(opened, 1, "{passages:?}");
        assert!(passages.iter().all(|passage| !matches!(passage, Passage::Closed)), "{passages:?}");
    });
}

#[test]
fn the_trial_of_a_half_open_breaker_is_given_once() {
    let later_ms = NOW_MS + 1_000;
    three_at_once(true, [(later_ms, false), (later_ms + 1, false), (later_ms, false)], |passages| {
        let trials = passages.iter().filter(|passage| **passage == Passage::Trial).count();
        assert_eq!(trials, 1, "{passages:?}");
        let spent = passages.iter().filter(|passage| **passage == Passage::Spent { used: 1 }).count();
        assert_eq!(spent, 2, "{passages:?}");
    });
}

#[test]
fn a_half_open_breaker_that_is_tripped_while_trials_run_gives_no_second_one() {
    let later_ms = NOW_MS + 1_000;
    three_at_once(true, [(later_ms, false), (later_ms, true), (later_ms, false)], |passages| {
        let count = |wanted: fn(&Passage) -> bool| passages.iter().filter(|passage| wanted(passage)).count();
        assert!(count(|passage| *passage == Passage::Trial) <= 1, "{passages:?}");
        assert_eq!(count(|passage| *passage == Passage::Opened), 1, "{passages:?}");
        assert_eq!(count(|passage| *passage == Passage::Closed), 0, "{passages:?}");
    });
}

#[test]
fn of_three_that_find_a_breaker_closed_again_one_says_so_and_none_waits() {
    let later_ms = NOW_MS + 2_000;
    three_at_once(true, [(later_ms, false), (later_ms + 1, false), (later_ms, false)], |passages| {
        let count = |wanted: Passage| passages.iter().filter(|passage| **passage == wanted).count();
        assert_eq!((count(Passage::Recovered), count(Passage::Closed)), (1, 2), "{passages:?}");
    });
}

/// A list's slot under one change of hands while a check looks for one of its keys; what the check found.
fn look_up_while_it_changes_hands(looked_for: u128, old: (u128, i64), next: (u128, i64)) {
    loom::model(move || {
        let words = Arc::new([Word::new(0), Word::new(0), Word::new(0)]);
        Slot(&words).fill(old.0, old.1);
        let theirs = words.clone();
        let writer = loom::thread::spawn(move || {
            Slot(&theirs).end();
            Slot(&theirs).fill(next.0, next.1);
        });
        let found = Slot(&words).live(looked_for, NOW_MS);
        writer.join().expect("no panic");
        let ever_live = |(hash, expires_ms): (u128, i64)| hash == looked_for && expires_ms > NOW_MS;
        assert!(found != Some(true) || ever_live(old) || ever_live(next), "it never was on the list");
        assert_eq!(Slot(&words).live(next.0, NOW_MS), Some(next.1 > NOW_MS));
    });
}

#[test]
fn a_list_slot_never_shows_one_entry_the_end_of_another() {
    // Keys that share a half of their hashes, which is the hardest case.
    let (a, b) = (7_u128 << 64 | 1, 7_u128 << 64 | 2);
    for looked_for in [a, b] {
        look_up_while_it_changes_hands(looked_for, (a, NOW_MS), (b, i64::MAX));
        look_up_while_it_changes_hands(looked_for, (a, i64::MAX), (b, NOW_MS));
    }
}

#[test]
fn a_list_entry_with_another_end_is_never_missed() {
    loom::model(|| {
        let words = Arc::new([Word::new(0), Word::new(0), Word::new(0)]);
        Slot(&words).fill(7, NOW_MS + 1);
        let theirs = words.clone();
        let writer = loom::thread::spawn(move || Slot(&theirs).date(i64::MAX));
        assert_eq!(Slot(&words).live(7, NOW_MS), Some(true));
        writer.join().expect("no panic");
    });
}

/// A list of few entries, all in one group, whose writer does something while a check looks a key up; what the check found.
fn look_up_while(
    before: &'static [(u128, i64)],
    write: fn(&Entries),
    looked_for: u128,
    check: fn(bool),
    after: bool,
) {
    loom::model(move || {
        let entries = Arc::new(Entries::with_room(2).expect("small"));
        for &(hash, expires_ms) in before {
            assert_eq!(entries.put(hash, expires_ms, 0), Put::Done);
        }
        let theirs = entries.clone();
        let writer = loom::thread::spawn(move || write(&theirs));
        check(entries.live(looked_for, NOW_MS));
        writer.join().expect("no panic");
        assert_eq!(entries.live(looked_for, NOW_MS), after);
    });
}

/// Keys that share a tag, a group and a half of their hashes, which is the hardest case.
const KEYS: [u128; 3] = [7 << 64 | 1, 7 << 64 | 2, 7 << 64 | 3];

#[test]
fn a_list_entry_that_stands_is_found_whatever_is_done_to_others() {
    let found = |found: bool| assert!(found, "it stood all the while");
    let before = &[(KEYS[0], i64::MAX), (KEYS[1], i64::MAX)];
    look_up_while(before, |entries| assert!(entries.remove(KEYS[0])), KEYS[1], found, true);
    let put = |entries: &Entries| assert_eq!(entries.put(KEYS[2], i64::MAX, 0), Put::Done);
    look_up_while(before, put, KEYS[1], found, true);
    let replace = |entries: &Entries| {
        entries.remove(KEYS[0]);
        entries.put(KEYS[2], i64::MAX, 0);
    };
    look_up_while(before, replace, KEYS[1], found, true);
}

#[test]
fn a_list_entry_that_never_was_is_not_found_whatever_takes_its_place() {
    let missed = |found: bool| assert!(!found, "it never was on the list");
    let replace = |entries: &Entries| {
        entries.remove(KEYS[0]);
        entries.put(KEYS[1], i64::MAX, 0);
    };
    look_up_while(&[(KEYS[0], i64::MAX)], replace, KEYS[2], missed, false);
    // One that had ended gives its slot to one that has not.
    let over_ended = |entries: &Entries| assert_eq!(entries.put(KEYS[1], i64::MAX, NOW_MS), Put::Done);
    look_up_while(&[(KEYS[0], NOW_MS - 1)], over_ended, KEYS[0], missed, false);
}

#[test]
fn a_list_entry_that_comes_or_goes_is_found_or_not_and_then_as_it_is() {
    let either = |_: bool| {};
    let put = |entries: &Entries| assert_eq!(entries.put(KEYS[0], i64::MAX, 0), Put::Done);
    look_up_while(&[], put, KEYS[0], either, true);
    look_up_while(&[(KEYS[0], i64::MAX)], |entries| assert!(entries.remove(KEYS[0])), KEYS[0], either, false);
    let over_ended = |entries: &Entries| assert_eq!(entries.put(KEYS[1], i64::MAX, NOW_MS), Put::Done);
    look_up_while(&[(KEYS[0], NOW_MS - 1)], over_ended, KEYS[1], either, true);
}
