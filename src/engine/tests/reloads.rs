//! Reload after reload: windows that did not change keep their counts, or are named.

#[expect(dead_code, reason = "the site has more than this test needs")]
mod site;

use engine::feature::{Builtin, FeatureId, Scalar};
use engine::limits::{GROUPS_MAX, KEYS_MAX};
use engine::policy::{Aggregate, Breaker, Mode, Status};
use engine::program::Kinds;
use engine::table::Terms;
use engine::{Scratch, Sizes, Snapshot, Tables};
use site::{Draft, ask, claim, small, snapshot, words};
use wire::{Check, Kind, Verdict};

const FIELDS: [Builtin; 4] = [Builtin::Account, Builtin::Counterparty, Builtin::DeviceId, Builtin::Channel];
const HOUR_MS: i64 = 3_600_000;
/// Windows of each key. One of the first key's is limited.
const OF_KEY: usize = 4;

fn tables() -> Tables {
    Tables::new(&Sizes { velocity_keys: 10, busy_keys: 10, ..small() }).expect("some megabytes")
}

/// A key for each pair of fields.
fn key(at: usize) -> Vec<FeatureId> {
    let (first, second) = (FIELDS[at / 4], FIELDS[at % 4]);
    if first == second { vec![first.id()] } else { vec![first.id(), second.id()] }
}

/// Windows of these lengths over all keys, by turns.
fn draft(lengths_ms: &[i64]) -> (Draft, Vec<FeatureId>) {
    let mut draft = Draft::new(&format!("{lengths_ms:?}"));
    let mut features = Vec::new();
    for (at, &window_ms) in lengths_ms.iter().enumerate() {
        let status = if at == 0 { Status::Approved } else { Status::Attempt };
        features.push(draft.window(
            &format!("w{at}"),
            Aggregate::Count,
            Kind::Claim,
            Builtin::Account,
            status,
            0,
        ));
        let window = draft.policy.windows.last_mut().expect("just added");
        (window.window_ms, window.key) = (window_ms, key(at % KEYS_MAX));
        if at == 0 {
            draft.limit(1_000);
        }
    }
    (draft, features)
}

/// A claim with every field of the keys.
fn whole(id: &str) -> Check<'_> {
    let mut check = claim(id, "u", 1);
    (check.counterparty, check.channel) = ("c".into(), "h".into());
    check
}

#[test]
fn whatever_reloads_change_a_window_keeps_its_counts_or_is_named() {
    let (tables, mut scratch) = (tables(), Scratch::new(0));
    let mut lengths_ms = vec![HOUR_MS; OF_KEY * KEYS_MAX];
    let mut counts = vec![0_i64; lengths_ms.len()];
    let mut standing: Option<Snapshot> = None;
    let (mut named_in_all, mut changes) = (0, 0);
    for step in 0..100_usize {
        // The limited window first, then now one key's and now another's.
        let changed = if step == 1 { 0 } else { step * 29 % lengths_ms.len() };
        if step > 0 && (step == 1 || changed != 0) {
            lengths_ms[changed] += 1;
            counts[changed] = 0;
            changes += 1;
        }
        let (draft, features) = draft(&lengths_ms);
        let next = snapshot(draft, &tables, standing.as_ref());
        let named: Vec<&str> = next.begun_anew().collect();
        assert!(named.is_empty() || changes > GROUPS_MAX - KEYS_MAX, "{named:?} at reload {step}");
        assert!(!named.contains(&"w0"), "there is always one without a limit that can go");
        named_in_all += named.len();
        for name in named {
            let at: usize = name[1..].parse().expect("a number");
            assert_ne!(at, changed, "nobody is told of what is in the files");
            counts[at] = 0;
        }
        let id = step.to_string();
        ask(&next, &tables, 20 * step as i64, &[whole(&id)], &mut scratch);
        for (at, feature) in features.into_iter().enumerate() {
            counts[at] += 1;
            assert_eq!(scratch.value(feature, 0), Scalar::Int(counts[at]), "w{at} at reload {step}");
        }
        standing = Some(next);
    }
    assert!(named_in_all > 0 && named_in_all < 2 * changes, "{named_in_all} of {changes}");
}

#[test]
fn a_breaker_stays_open_over_reloads_that_lay_its_key_anew() {
    let (tables, mut scratch) = (tables(), Scratch::new(0));
    let build = |windows: usize, standing: Option<&Snapshot>| {
        let mut draft = Draft::new(&windows.to_string());
        for at in 0..windows {
            let name = format!("w{at}");
            draft.window(&name, Aggregate::Count, Kind::Claim, Builtin::Account, Status::Attempt, 0);
        }
        let (when, witness) = draft.at_least(Builtin::Amount.id(), 1_000);
        draft.policy.breakers.push(Breaker {
            key: vec![Builtin::Account.id()],
            kinds: Kinds::ALL,
            when,
            on_error: Default::default(),
            terms: Terms { open_ms: HOUR_MS, half_open_ms: HOUR_MS, trials: 1 },
            verdict: Verdict::Deny,
            challenge: None,
            mode: Mode::Live,
            reason: words("B1", "surge"),
            witness,
        });
        snapshot(draft, &tables, standing)
    };
    let mut standing = build(1, None);
    let mut decide = |standing: &Snapshot, id: usize, amount_minor: i64| {
        let id = id.to_string();
        ask(standing, &tables, 0, &[claim(&id, "u", amount_minor)], &mut scratch)[0].verdict
    };
    assert_eq!((decide(&standing, 0, 1), decide(&standing, 1, 1_000)), (Verdict::Allow, Verdict::Deny));
    // One window more each time: each lies in a table of its own, until some are laid together.
    for windows in 2..3 * GROUPS_MAX {
        standing = build(windows, Some(&standing));
        assert_eq!(decide(&standing, windows, 1), Verdict::Deny, "open for an hour, reload {windows}");
    }
    assert!(standing.begun_anew().all(|name| name != "surge"));
}
