//! The engine against its slow, obvious twin: random policies over random events, every value and every answer compared.
//!
//! `RISKD_TWIN_CASES` asks for more cases than the suite runs, `RISKD_TWIN_SEED` for the one that was printed.
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a test is told how much to do, and says what it did"
)]

mod case;
mod cut;
mod draw;
mod drive;
mod memory;
mod shrink;
mod years;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use case::Case;
use drive::Tally;
use engine::Scratch;

/// Cases in the suite.
const CASES: u64 = 1_000;

#[test]
fn policies_over_events_agree_with_the_twin() {
    let asked = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    if let Some(seed) = asked("RISKD_TWIN_SEED") {
        check(seed, &mut Scratch::new(0));
        return;
    }
    let (cases, next) = (asked("RISKD_TWIN_CASES").unwrap_or(CASES), AtomicU64::new(0));
    let all = Mutex::new(Tally::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                let mut scratch = Scratch::new(0);
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= cases {
                        return;
                    }
                    let tally = check(seed, &mut scratch);
                    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                    tally.into_iter().for_each(|(what, count)| *all.entry(what).or_default() += count);
                }
            });
        }
    });
    let all = all.into_inner().expect("no thread panicked");
    println!("{cases} cases: {all:?}");
    for what in [
        "exact",
        "one-sided",
        "late",
        "claimed to be exact",
        "known to be unsure",
        "limits that refused",
        "limits that let pass",
        "repetitions",
        "given back",
        "taken after a challenge",
        "full after a challenge",
        "no challenge is open",
        "challenges that lapsed",
        "reloads",
        "ids forgotten",
        "windows without room",
        "out of blocks",
    ] {
        assert!(all.contains_key(what), "no case had: {what}");
    }
}

/// Cases that are cut into frames in the suite; each runs three times.
const CUT_CASES: u64 = 250;

#[test]
fn any_batch_cut_into_any_frames_gives_the_same_answers() {
    let asked = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    let seeds = match asked("RISKD_TWIN_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..asked("RISKD_TWIN_CASES").unwrap_or(CUT_CASES),
    };
    let (mut refused, mut scratch) = (0, Scratch::new(0));
    for seed in seeds {
        let case = draw::case(seed);
        let single = cut::run(&case, cut::Cut::Single, &mut scratch);
        for cut in [cut::Cut::Whole, cut::Cut::Chance(seed)] {
            let parts = |case: &Case| {
                let scratch = &mut Scratch::new(0);
                let single = cut::run(case, cut::Cut::Single, scratch);
                single.differ(&cut::run(case, cut, scratch))
            };
            if let Some(what) = single.differ(&cut::run(&case, cut, &mut scratch)) {
                let (small, why) = shrink::shrink(case, what, parts);
                panic!(
                    "seed {seed}, {cut:?}: one by one and in frames\n{why}\nthe smallest case:\n{}",
                    small.lines()
                );
            }
        }
        refused += single.refused();
    }
    println!("{refused} checks were not allowed");
    assert!(refused > 0, "nothing fell away");
}

/// Runs a seed; a failure is printed with the smallest case that still shows it.
fn check(seed: u64, scratch: &mut Scratch) -> Tally {
    let case = draw::case(seed);
    match run(&case, scratch) {
        Ok(tally) => tally,
        Err(what) => {
            let (small, why) =
                shrink::shrink(case, what.clone(), |case| run(case, &mut Scratch::new(0)).err());
            panic!(
                "seed {seed}: {what}\nagain with RISKD_TWIN_SEED={seed}\nthe smallest case that fails: {why}\n{}",
                small.lines()
            );
        }
    }
}

/// A panic of the engine is a failure like others.
fn run(case: &Case, scratch: &mut Scratch) -> Result<Tally, String> {
    catch_unwind(AssertUnwindSafe(|| drive::run(case, scratch))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Err(text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned())).unwrap_or_default())
    })
}
