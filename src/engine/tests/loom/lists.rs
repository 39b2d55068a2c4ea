//! Entries of a list while checks look them up.

use engine::lists::entries::{Entries, Put};
use engine::lists::slot::Slot;
use engine::table::Word;
use loom::sync::Arc;

use crate::NOW_MS;

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
