//! Slots of a table and their blocks.

use engine::table::{Ordering, Shape, Slots};
use loom::sync::Arc;

use crate::{NOW_MS, bounded};

/// A table of one set with two places.
fn table(far: usize, busy: Option<usize>) -> Arc<Slots> {
    let shape = Shape { near: 1, zeroed: 1, far, rare: 0, busy, renewed: true, certain: false };
    Arc::new(Slots::new(1, shape, 1_000, &Default::default()).expect("small"))
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
    bounded(3, || {
        let table = table(0, None);
        let (a, b) = both(&table, visit(0, 7, NOW_MS), visit(1, 7, NOW_MS));
        let (a, b) = (a.expect("room"), b.expect("room"));
        assert!(a.0 != b.0 && a.0.max(b.0) == 2, "both count in one place");
        assert!(a.1 != b.1, "and it was new for one of them");
    });
}

#[test]
fn a_key_in_hands_is_not_evicted_and_an_evicted_one_begins_anew() {
    bounded(3, || {
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
    bounded(3, || {
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
    bounded(3, || {
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
    bounded(3, || {
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
    bounded(3, || {
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
