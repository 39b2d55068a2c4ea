//! Limits whatever outcomes say: random sequences of checks, outcomes and time-outs against an obvious account of who goes on.
#![expect(clippy::disallowed_macros, reason = "a test says what it did")]

mod site;

use std::collections::{BTreeMap, HashMap};

use engine::feature::Builtin;
use engine::policy::{Absent, Aggregate, Status, Tier};
use engine::{CheckState, Decision, Move, OutcomeEffect, Scratch, Tables, outcome};
use site::{Draft, START_MS, ask, claim, snapshot, tables};
use wire::{Kind, OutcomeKind, Value, Verdict};

const WINDOW_MS: i64 = 60_000;
const SUM_MAX: i64 = 10_000;
const COUNT_MAX: usize = 4;

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Rng(u64);

impl Rng {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ bits >> 31) % end
    }
}

/// An event that goes on: since when, until when if it no longer counts, how much, of whom.
#[derive(Clone, Debug)]
struct Goes {
    from_ms: i64,
    ended: bool,
    settled: bool,
    amount: i64,
    account: u64,
}

/// Transfers within 100.00 a minute by account and four claims a packet; from 50.00 on a challenge, from 90.00 on a refusal.
fn policy(release_after_ms: Option<i64>) -> Draft {
    let mut draft = Draft::new("outcomes");
    let amount = Builtin::Amount.id();
    draft.window("paid", Aggregate::Sum(amount), Kind::Claim, Builtin::Account, Status::Approved, 0);
    draft.limit(SUM_MAX);
    let exact = COUNT_MAX as u16 + 1;
    draft.window("claims", Aggregate::Count, Kind::Claim, Builtin::Account, Status::Approved, exact);
    draft.limit(COUNT_MAX as i64);
    draft.policy.windows.iter_mut().for_each(|window| window.release_after_ms = release_after_ms);
    draft.rule("step up", Tier::Challenge, Verdict::Challenge, amount, 5_000);
    draft.rule("too much", Tier::Deny, Verdict::Deny, amount, 9_000);
    draft
}

/// What goes on never passes a limit, in any window that ends now; a time-out ends what has not settled.
fn held(goes: &HashMap<String, Goes>, now_ms: i64, timeout_ms: Option<i64>, account: u64) -> (i64, usize) {
    let counts = |goes: &&Goes| {
        let timed_out = !goes.settled && timeout_ms.is_some_and(|ms| now_ms >= goes.from_ms + ms);
        goes.account == account && !goes.ended && !timed_out && now_ms - goes.from_ms < WINDOW_MS
    };
    let those: Vec<&Goes> = goes.values().filter(counts).collect();
    (those.iter().map(|goes| goes.amount).sum(), those.len())
}

fn run(seed: u64, timeout_ms: Option<i64>, seen: &mut BTreeMap<&'static str, u64>) {
    let (tables, mut scratch, mut rng) = (tables(), Scratch::new(0), Rng(seed));
    let snapshot = snapshot(policy(timeout_ms), &tables, None);
    let (mut after_ms, mut ids): (i64, Vec<(String, u64, i64, Verdict)>) = (0, Vec::new());
    let mut goes: HashMap<String, Goes> = HashMap::new();
    for step in 0..160 {
        after_ms += match rng.below(8) {
            0 => rng.below(30_000) as i64,
            1 => timeout_ms.unwrap_or(WINDOW_MS) + rng.below(3_000) as i64,
            _ => rng.below(200) as i64,
        };
        let now_ms = START_MS + after_ms;
        let mut note = |what| *seen.entry(what).or_default() += 1;
        let mut lately: Vec<u64> = Vec::new();
        if ids.is_empty() || rng.below(3) == 0 {
            let drawn: Vec<(String, u64, i64)> = (0..1 + rng.below(6))
                .map(|n| {
                    let amount = [1_000, 2_500, 4_000, 6_000, 9_500][rng.below(5) as usize];
                    (format!("{step}-{n}"), rng.below(2), amount)
                })
                .collect();
            let names: Vec<String> = drawn.iter().map(|(_, account, _)| format!("u{account}")).collect();
            let checks: Vec<_> = drawn
                .iter()
                .zip(&names)
                .map(|((id, _, amount), account)| claim(id, account, *amount))
                .collect();
            let decisions: Vec<Decision> = ask(&snapshot, &tables, after_ms, &checks, &mut scratch);
            for ((id, account, amount), decision) in drawn.into_iter().zip(&decisions) {
                if decision.verdict == Verdict::Allow {
                    note("allowed");
                    let (from_ms, ended, settled) = (now_ms, false, false);
                    goes.insert(id.clone(), Goes { from_ms, ended, settled, amount, account });
                }
                lately.push(account);
                ids.push((id, account, amount, decision.verdict));
            }
        } else {
            // Mostly one of the latest few, so that one check gets many outcomes.
            let back = (rng.below(8) as usize).min(ids.len() - 1);
            let (id, account, amount, verdict) = ids[ids.len() - 1 - back].clone();
            let kind = match rng.below(2) {
                0 => OutcomeKind::ChallengePassed,
                _ => OutcomeKind::ALL[rng.below(OutcomeKind::ALL.len() as u64) as usize],
            };
            let effect = outcome(&snapshot, &tables, now_ms, &id, kind);
            match (kind, effect) {
                (OutcomeKind::ChallengePassed, OutcomeEffect::Taken) => {
                    note("passed");
                    assert_eq!(verdict, Verdict::Challenge, "{id} was never challenged");
                    let (from_ms, ended, settled) = (now_ms, false, false);
                    let before = goes.insert(id, Goes { from_ms, ended, settled, amount, account });
                    assert!(before.is_none(), "an event goes on once");
                }
                (OutcomeKind::ChallengePassed, OutcomeEffect::NoChallenge(_)) => note("no challenge"),
                (OutcomeKind::ChallengePassed, OutcomeEffect::Full { .. }) => note("full"),
                (OutcomeKind::ChallengePassed, other) => panic!("a pass is answered {other:?}"),
                (OutcomeKind::Failed | OutcomeKind::Cancelled, OutcomeEffect::GivenBack) => {
                    note("given back");
                    let goes = goes.get_mut(&id).expect("nothing is given back that was not taken");
                    assert!(!std::mem::replace(&mut goes.ended, true), "once");
                }
                (OutcomeKind::Settled, OutcomeEffect::Noted) => {
                    if let Some(goes) = goes.get_mut(&id) {
                        let late = timeout_ms.is_some_and(|ms| now_ms >= goes.from_ms + ms);
                        note(if late { "settled late" } else { "settled" });
                        // What settles late counts beyond all limits: of it the law says nothing.
                        goes.settled = !late;
                    }
                }
                _ => {}
            }
            lately.push(account);
        }
        for account in lately {
            let (sum, count) = held(&goes, now_ms, timeout_ms, account);
            assert!(sum <= SUM_MAX, "seed {seed}, step {step}: {sum} of {account} go on");
            assert!(count <= COUNT_MAX, "seed {seed}, step {step}: {count} of {account} go on");
        }
    }
    forget(tables);
}

fn forget(_: Tables) {}

#[test]
fn whoever_goes_on_only_after_an_allow_or_a_taken_pass_never_passes_a_limit() {
    for timeout_ms in [None, Some(20_000)] {
        let mut seen = BTreeMap::new();
        (0..150).for_each(|seed| run(seed, timeout_ms, &mut seen));
        println!("time-out {timeout_ms:?}: {seen:?}");
        let mut all = vec!["allowed", "passed", "no challenge", "full", "given back", "settled"];
        all.extend(timeout_ms.map(|_| "settled late"));
        assert!(all.iter().all(|what| seen.contains_key(what)), "{seen:?}");
    }
}

#[test]
fn a_reservation_without_an_outcome_ends_with_its_time_out_unless_it_settles() {
    let (tables, mut scratch) = (tables(), Scratch::new(0));
    let snapshot = snapshot(policy(Some(16_000)), &tables, None);
    let mut at = |after_ms: i64, id: &str, amount: i64| {
        ask(&snapshot, &tables, after_ms, &[claim(id, "u", amount)], &mut scratch)[0].verdict
    };
    let told = |after_ms, id, kind| outcome(&snapshot, &tables, START_MS + after_ms, id, kind);
    assert_eq!([at(0, "a", 4_000), at(0, "b", 4_000)], [Verdict::Allow; 2]);
    assert_eq!(told(1, "a", OutcomeKind::Settled), OutcomeEffect::Noted);
    assert_eq!(at(15_999, "c", 4_000), Verdict::Deny, "b may still settle");
    assert_eq!(at(18_000, "d", 4_000), Verdict::Allow, "b is given up");
    assert_eq!(at(18_000, "e", 4_000), Verdict::Deny, "a has settled, and d is open");
    assert_eq!(told(19_000, "d", OutcomeKind::Cancelled), OutcomeEffect::GivenBack);
    assert_eq!(
        told(20_000, "b", OutcomeKind::Settled),
        OutcomeEffect::Noted,
        "late, but the money has moved"
    );
    assert_eq!(at(20_000, "f", 4_000), Verdict::Deny, "so it counts");
    assert_eq!(at(20_000, "g", 2_000), Verdict::Allow);
    assert_eq!(told(21_000, "b", OutcomeKind::Failed), OutcomeEffect::Settled, "settled is final");
    assert_eq!(at(64_500, "h", 4_900), Verdict::Allow, "a and b have left the window");
}

#[test]
fn a_limit_on_amounts_refuses_an_event_without_one_or_has_no_say() {
    for absent in [Absent::Deny, Absent::Skip] {
        let (tables, mut scratch) = (tables(), Scratch::new(0));
        let mut draft = policy(None);
        draft.policy.limits[0].absent = absent;
        let snapshot = snapshot(draft, &tables, None);
        let mut bare = claim("bare", "u", 0);
        bare.amount_minor = None;
        let answer = ask(&snapshot, &tables, 0, &[bare], &mut scratch)[0];
        let skips = absent == Absent::Skip;
        assert_eq!(answer.verdict, if skips { Verdict::Allow } else { Verdict::Deny });
        let quoted: Vec<_> = answer.hits().iter().map(|hit| (hit.value, hit.threshold)).collect();
        assert_eq!(quoted, if skips { vec![] } else { vec![(Value::Absent, Value::Money(SUM_MAX))] });
        let nothing = claim("nothing", "u", 0);
        assert_eq!(
            ask(&snapshot, &tables, 0, &[nothing], &mut scratch)[0].verdict,
            Verdict::Allow,
            "0.00 is"
        );
    }
}

#[test]
fn denials_known_before_velocity_hold_nothing_and_say_the_same() {
    let (tables, mut scratch) = (tables(), Scratch::new(0));
    let snapshot = snapshot(policy(None), &tables, None);
    let names: Vec<String> = (0..30).map(|n| format!("c{n}")).collect();
    let mut checks: Vec<_> = names.iter().map(|id| claim(id, "u", 2_000)).collect();
    checks[..20].iter_mut().for_each(|check| check.token = "forged".into());
    let decisions = ask(&snapshot, &tables, 0, &checks, &mut scratch);
    let allowed: Vec<usize> = (0..30).filter(|&at| decisions[at].verdict == Verdict::Allow).collect();
    assert_eq!(allowed, (20..24).collect::<Vec<_>>(), "the first four that are good");
    assert!(decisions[..20].iter().all(|decision| decision.hits().len() == 1), "no limit had to do with it");
}

/// The table of the page, row by row.
#[test]
fn the_page_shows_the_table_that_the_engine_runs() {
    let page = include_str!("../../../docs/http.md");
    let row = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    };
    let mut lines = page.lines().skip_while(|line| !line.starts_with("| the check is |"));
    let head = row(lines.next().expect("the table"));
    let rows: BTreeMap<String, Vec<String>> = lines
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(row)
        .map(|row| (row[0].clone(), row))
        .collect();
    assert_eq!(rows.len(), CheckState::ALL.len());
    for state in CheckState::ALL {
        let row = &rows[state.name()];
        assert_eq!(row[1], if state.holds() { "yes" } else { "no" }, "{state:?}");
        for &outcome in OutcomeKind::ALL {
            let column = head.iter().position(|name| name == outcome.name()).expect("a column");
            let (next, moves) = state.after(outcome);
            let expected = match moves {
                Move::Refuse => "409".to_owned(),
                Move::GiveBack => format!("{}, given back", next.name()),
                Move::Reserve => format!("{}, reserved", next.name()),
                Move::Nothing | Move::Final | Move::Settle => next.name().to_owned(),
            };
            assert_eq!(row[column], expected, "{state:?}, {}", outcome.name());
            let gives = state.holds() && !next.holds();
            assert_eq!(gives, moves == Move::GiveBack, "{state:?}, {outcome:?}: what is held goes only so");
            let takes = next.holds() && !state.holds();
            assert_eq!(takes, moves == Move::Reserve, "{state:?}, {outcome:?}: and comes only so");
        }
    }
}
