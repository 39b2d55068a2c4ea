//! A breaker's word under three threads.

use engine::table::{Circuit, Passage, Terms, Word};
use loom::sync::Arc;

use crate::NOW_MS;

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
