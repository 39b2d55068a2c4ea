//! Lists against a map, and the promises of a table that is read while it changes.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64};

use proptest::prelude::*;

use super::*;
use crate::table::Ordering;

fn lists(capacity: usize) -> Lists {
    Lists::new(capacity, Seed::new([3; 16]))
}

fn list(lists: &Lists, name: &str, matching: Matching) -> Arc<ListHandle> {
    let form = match matching {
        Matching::Network => Form::Address,
        _ => Form::Identifier,
    };
    lists.handle(name, matching, form).expect("memory for an empty list")
}

fn put(lists: &Lists, list: &ListHandle, text: &str, expires_ms: i64) -> Result<(), ListError> {
    lists.put(list, lists.key(list, text)?, expires_ms, 0)
}

fn holds(lists: &Lists, list: &ListHandle, key: ListKey, at_ms: i64) -> bool {
    lists.holds(list, &[key], at_ms) == 1
}

fn remove(lists: &Lists, list: &ListHandle, text: &str) -> bool {
    lists.remove(list, lists.key(list, text).expect("a key"))
}

fn on(lists: &Lists, list: &ListHandle, text: &str) -> bool {
    let ip = text.parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
    let (directory, mut found) = (lists.read(), false);
    let entries = directory.of(list);
    let value = (lists.seed.text(text), text, ip);
    key::asked(&lists.seed, list.matching, &entries.lengths, value, |hash| {
        found |= entries.live(hash, 1_000);
    });
    found
}

#[test]
fn an_entry_is_in_force_until_it_ends_or_is_taken_off() {
    let lists = lists(100);
    let bad = list(&lists, "bad", Matching::Exact);
    assert!(!on(&lists, &bad, "u1"));
    put(&lists, &bad, "u1", NEVER_MS).expect("room");
    put(&lists, &bad, "u2", 1_000).expect("room");
    assert!(on(&lists, &bad, "u1") && !on(&lists, &bad, "u2"));
    assert!(!on(&lists, &list(&lists, "other", Matching::Exact), "u1"), "lists do not share entries");
    assert!(remove(&lists, &bad, "u1") && !remove(&lists, &bad, "u1"));
    assert!(!on(&lists, &bad, "u1"));
}

#[test]
fn networks_hold_their_addresses() {
    let lists = lists(100);
    let ips = list(&lists, "ips", Matching::Network);
    for network in ["203.0.113.0/24", "198.51.100.7", "2001:db8::/32", "::ffff:192.0.2.1"] {
        put(&lists, &ips, network, NEVER_MS).expect("room");
    }
    for inside in ["203.0.113.9", "198.51.100.7", "2001:db8:1::1", "192.0.2.1"] {
        assert!(on(&lists, &ips, inside), "{inside}");
    }
    for outside in ["203.0.114.1", "198.51.100.8", "2001:db9::1"] {
        assert!(!on(&lists, &ips, outside), "{outside}");
    }
    for bad in ["", "1.2.3", "1.2.3.4/33", "::1/129", "1.2.3.4/-1"] {
        assert!(matches!(put(&lists, &ips, bad, NEVER_MS), Err(ListError::BadKey(_))), "{bad}");
    }
}

#[test]
fn prefixes_match_leading_digits() {
    let lists = lists(100);
    let bins = list(&lists, "bins", Matching::Prefix);
    put(&lists, &bins, "523421", NEVER_MS).expect("room");
    assert!(on(&lists, &bins, "5234210000006253") && !on(&lists, &bins, "5234990000006253"));
}

#[test]
fn a_key_of_64_kb_is_refused_in_few_words() {
    let lists = lists(100);
    let long = "k".repeat(64 << 10);
    for matching in [Matching::Exact, Matching::Network, Matching::Prefix] {
        let list = list(&lists, "x", matching);
        let Err(ListError::BadKey(why)) = lists.key(&list, &long) else { panic!("{matching:?}") };
        assert!(why.len() < 200, "{why}");
    }
}

#[derive(Clone, Debug)]
enum Step {
    Put(u8, i64),
    Remove(u8),
    /// The whole list becomes these.
    Replace(Vec<u8>),
    /// What ended before that time makes room.
    Pass(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ends = prop_oneof![Just(NEVER_MS), 1..400_000_i64];
    let step = prop_oneof![
        8 => (any::<u8>(), ends).prop_map(|(key, end)| Step::Put(key, end)),
        6 => any::<u8>().prop_map(Step::Remove),
        1 => proptest::collection::vec(any::<u8>(), 0..200).prop_map(Step::Replace),
        2 => (1..50_000_i64).prop_map(Step::Pass),
    ];
    proptest::collection::vec(step, 0..600)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The twin knows which keys are on the list until when. Small keys, so that tables fill, empty and are made anew.
    #[test]
    fn it_agrees_with_a_map_through_puts_removals_replacements_and_time(steps in steps()) {
        let lists = lists(200);
        let (x, other) = (list(&lists, "x", Matching::Exact), list(&lists, "other", Matching::Exact));
        put(&lists, &other, "7", NEVER_MS).expect("room");
        let mut twin: HashMap<u8, i64> = HashMap::new();
        let mut now_ms = 0;
        let text = |key: u8| format!("k{key}");
        for step in steps {
            match step {
                Step::Put(key, end) => {
                    let end = if end == NEVER_MS { end } else { now_ms + end };
                    let result = lists.put(&x, lists.key(&x, &text(key)).expect("a key"), end, now_ms);
                    let needed = twin.iter().filter(|&(_, &end)| end > now_ms - KEPT_MS).count();
                    if !twin.contains_key(&key) && needed >= 199 {
                        prop_assert_eq!(result, Err(ListError::Full { capacity: 200 }));
                    } else {
                        prop_assert_eq!(result, Ok(()));
                        twin.insert(key, end);
                    }
                }
                Step::Remove(key) => {
                    let was = remove(&lists, &x, &text(key));
                    // One that has ended may have made room already.
                    let twins = twin.remove(&key);
                    prop_assert!(was == twins.is_some() || twins.is_some_and(|end| end <= now_ms - KEPT_MS));
                }
                Step::Replace(keys) => {
                    let mut draft = lists.draft(0).expect("memory");
                    keys.iter().for_each(|&key| {
                        draft.put(lists.key(&x, &text(key)).expect("a key"), NEVER_MS).expect("room");
                    });
                    twin = keys.iter().map(|&key| (key, NEVER_MS)).collect();
                    prop_assert_eq!(lists.admit(&x, &draft, now_ms), Ok(()));
                    lists.replace(&x, draft);
                }
                Step::Pass(ms) => now_ms += ms,
            }
            // Events may be as late as an end is remembered.
            for at_ms in [now_ms, now_ms - KEPT_MS + 1] {
                for key in 0..=u8::MAX {
                    let holds = holds(&lists, &x, lists.key(&x, &text(key)).expect("a key"), at_ms);
                    prop_assert_eq!(holds, twin.get(&key).is_some_and(|&end| end > at_ms), "{} at {}", key, at_ms);
                }
            }
            prop_assert!(lists.len() <= 200);
        }
        prop_assert!(on(&lists, &other, "7"));
    }
}

#[test]
fn no_entry_takes_more_than_40_bytes_and_searches_stay_short_however_the_list_came_to_be() {
    let lists = lists(400_000);
    let x = list(&lists, "x", Matching::Exact);
    let key = |n: u64| lists.key(&x, &n.to_string()).expect("a key");
    let check = |what: &str| {
        let (bytes, len) = (lists.bytes(), lists.len());
        assert!(bytes <= len * 40, "{what}: {bytes} bytes for {len} entries");
        let groups: usize =
            (0..10_000).map(|n| lists.read().of(&x).groups_searched(key(u64::MAX - n).hash)).sum();
        assert!(groups < 60_000, "{what}: {groups} groups for 10,000 values that are on no list");
    };
    for n in 0..200_000 {
        lists.put(&x, key(n), NEVER_MS, 0).expect("room");
        if n % 10_000 == 9_999 {
            check("grown by one");
        }
    }
    // A list that stays as long and changes wholly, five times over.
    for n in 0..1_000_000 {
        assert!(lists.remove(&x, key(n)));
        lists.put(&x, key(n + 200_000), NEVER_MS, 0).expect("room");
        if n % 100_000 == 99_999 {
            check("churned");
        }
    }
    // The same by entries that end and are never taken off.
    let (year_ms, mut now_ms) = (365 * 86_400_000, 0);
    for n in 2_000_000..3_000_000_u64 {
        now_ms += KEPT_MS / 100_000;
        lists.put(&x, key(n), now_ms + 1, now_ms).expect("what ended makes room");
    }
    assert!(lists.len() <= 400_000);
    lists
        .reserve(&x, (0..200_000).map(|n| key(9_000_000 + n)), now_ms + year_ms)
        .expect("all had ended but 200,000");
    let mut draft = lists.draft(100_000).expect("room");
    (0..100_000).for_each(|n| draft.put(key(n), NEVER_MS).expect("room"));
    lists.replace(&x, draft);
    check("replaced");
    for n in 0..99_000 {
        assert!(lists.remove(&x, key(n)));
    }
    assert!(lists.bytes() < 1 << 20, "a list that shrinks gives memory back");
}

#[test]
fn a_full_table_says_so_and_changes_nothing() {
    let lists = lists(10);
    let x = list(&lists, "x", Matching::Exact);
    for n in 0..10 {
        put(&lists, &x, &n.to_string(), NEVER_MS).expect("room");
    }
    let full = Err(ListError::Full { capacity: 10 });
    assert_eq!(put(&lists, &x, "one more", NEVER_MS), full);
    put(&lists, &x, "3", 2_000).expect("what is there may get another end");
    let keys = |from: u64, to: u64| {
        let keys: Vec<_> = (from..to).map(|n| lists.key(&x, &n.to_string()).expect("a key")).collect();
        keys.into_iter()
    };
    assert_eq!(lists.reserve(&x, keys(5, 11), 0), full);
    assert_eq!(lists.reserve(&x, keys(5, 10), 0), Ok(()));
    assert_eq!(lists.draft(11).err(), full.clone().err());
    let y = list(&lists, "y", Matching::Exact);
    let mut draft = lists.draft(1).expect("room");
    draft.put(lists.key(&y, "a").expect("a key"), NEVER_MS).expect("room");
    assert_eq!(lists.admit(&y, &draft, 0), full);
    assert!((0..10).all(|n| on(&lists, &x, &n.to_string())) && !on(&lists, &y, "a"));
}

#[test]
fn a_list_that_nobody_declares_any_more_gives_its_room_back() {
    let lists = lists(10);
    let x = list(&lists, "x", Matching::Exact);
    (0..10).for_each(|n| put(&lists, &x, &n.to_string(), NEVER_MS).expect("room"));
    let same = list(&lists, "x", Matching::Exact);
    assert!(Arc::ptr_eq(&x, &same));
    drop((x, same));
    let y = list(&lists, "y", Matching::Exact);
    assert!(lists.is_empty());
    put(&lists, &y, "a", NEVER_MS).expect("room");
    let x = list(&lists, "x", Matching::Exact);
    assert!(!on(&lists, &x, "1") && on(&lists, &y, "a"));
}

/// The list is the even numbers or the odd ones, of one table or the next; a reader of one directory sees either, whole.
#[test]
fn a_batch_sees_the_old_list_or_the_new_one_whole() {
    let lists = lists(10_000);
    let x = list(&lists, "x", Matching::Exact);
    let key = |n: u64| lists.key(&x, &n.to_string()).expect("a key");
    let keys: Vec<_> = (0..200).map(key).collect();
    let half = |odd: usize| {
        let mut draft = lists.draft(100).expect("room");
        keys.iter().skip(odd).step_by(2).for_each(|&key| draft.put(key, NEVER_MS).expect("room"));
        lists.replace(&x, draft);
    };
    half(0);
    let (over, seen) = (AtomicBool::new(false), [0, 1].map(|_| AtomicU64::new(0)));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let directory = lists.read();
                    let on: Vec<bool> = keys.iter().map(|key| directory.of(&x).live(key.hash, 0)).collect();
                    let odd = usize::from(on[1]);
                    assert!(on.iter().enumerate().all(|(n, &on)| on == (n % 2 == odd)), "{on:?}");
                    seen[odd].fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let mut round = 0;
        while round < 2_000 || seen.iter().any(|seen| seen.load(Ordering::Relaxed) < 10) {
            round += 1;
            half(round % 2);
        }
        over.store(true, Ordering::Relaxed);
    });
    while !lists.free_retired() {}
}

/// One slot changes hands as fast as it can while others look for both of its keys: nobody is ever seen on the list who is
/// not, and whoever stays on it is never missed.
#[test]
fn a_slot_that_changes_hands_shows_neither_key_the_end_of_the_other() {
    let lists = lists(1_000);
    let x = list(&lists, "x", Matching::Exact);
    let key = |text: &str| lists.key(&x, text).expect("a key");
    let (stays, ended, never) = (key("stays"), key("ended"), key("never"));
    lists.put(&x, stays, NEVER_MS, 0).expect("room");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    assert!(holds(&lists, &x, stays, 10));
                    assert!(!holds(&lists, &x, ended, 10), "it had ended whenever it was there");
                }
            });
        }
        let now_ms = KEPT_MS + 10;
        for round in 0..200_000 {
            lists.put(&x, ended, 5, now_ms).expect("room");
            // Takes the place of what ended, where that stands on its way.
            lists.put(&x, never, NEVER_MS, now_ms).expect("room");
            lists.remove(&x, never);
            if round % 3 == 0 {
                lists.remove(&x, ended);
            }
        }
        over.store(true, Ordering::Relaxed);
    });
}
