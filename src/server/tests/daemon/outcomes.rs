//! Limits whatever outcomes say and however batches are cut, as callers see it: over HTTP and in frames over the Unix socket.

use std::collections::HashMap;

use client::Client;
use serde_json::{Value, json};
use wire::{Check, ErrorCode, Kind, Outcome, OutcomeKind, Verdict};

use crate::harness::{Daemon, run};

const RULES: &str = include_str!("rules/outcomes.yaml");
const MAX: i64 = 10_000;

fn daemon() -> Daemon {
    Daemon::start_with(|config| {
        std::fs::write(config.policy.dir.join("test.yaml"), RULES).unwrap();
    })
}

fn transfer(id: &str, account: u64, amount: i64) -> Check<'static> {
    let mut check = Check::new(id.to_owned(), Kind::Transfer, format!("u{account}"));
    check.amount_minor = Some(amount);
    check
}

/// A check over one of the transports.
async fn verdict(daemon: &Daemon, frames: Option<&Client>, check: &Check<'_>) -> Verdict {
    match frames {
        Some(client) => client.check(check).await.unwrap().verdict,
        None => {
            let amount = check.amount_minor.map(|minor| format!("{}.{:02}", minor / 100, minor % 100));
            let body =
                json!({"id": check.id, "kind": "transfer", "account": check.account, "amount": amount});
            Verdict::from_name(&daemon.check(&body).verdict()).unwrap()
        }
    }
}

/// An outcome over one of the transports: the code of a refusal, if it is refused.
async fn report(
    daemon: &Daemon,
    frames: Option<&Client>,
    id: &str,
    outcome: OutcomeKind,
) -> Option<ErrorCode> {
    match frames {
        Some(client) => {
            let outcome = Outcome { id: id.to_owned().into(), outcome, time_ms: None };
            client.outcome_batch(&[outcome]).await.unwrap().remove(0).err().map(|error| error.code)
        }
        None => {
            let reply = daemon.post("/v1/outcome", json!({"id": id, "outcome": outcome.name()}).to_string());
            if reply.status == 200 {
                return None;
            }
            assert_eq!(reply.status, 409, "{reply:?}");
            ErrorCode::from_name(&reply.error().0)
        }
    }
}

#[test]
fn five_transfers_told_failed_and_then_passed_do_not_pass_a_limit() {
    use OutcomeKind::{Cancelled, ChallengeFailed, ChallengePassed, Failed, Settled};
    let daemon = daemon();
    run(async {
        let unix = daemon.unix_client().await;
        let before: [&[OutcomeKind]; 5] =
            [&[ChallengeFailed], &[Cancelled], &[Failed], &[Settled], &[ChallengePassed, Failed]];
        for (way, told) in before.iter().enumerate() {
            for frames in [None, Some(&unix)] {
                let account = (2 * way + usize::from(frames.is_some())) as u64;
                let mut on = 0;
                let ids: Vec<_> = (0..5).map(|n| format!("{way}-{}-{n}", frames.is_some())).collect();
                for id in &ids {
                    let check = transfer(id, account, 6_000);
                    assert_eq!(verdict(&daemon, frames, &check).await, Verdict::Challenge);
                }
                for id in &ids {
                    for &outcome in *told {
                        report(&daemon, frames, id, outcome).await;
                    }
                    on += i64::from(report(&daemon, frames, id, ChallengePassed).await.is_none());
                }
                assert!(on * 6_000 <= MAX, "{told:?}: {on} of five go on");
            }
        }
        let denied = transfer("denied", 99, 9_500);
        assert_eq!(verdict(&daemon, None, &denied).await, Verdict::Deny);
        for frames in [None, Some(&unix)] {
            let code = report(&daemon, frames, "denied", ChallengePassed).await;
            assert_eq!(code, Some(ErrorCode::NoOpenChallenge), "it was denied");
        }
    });
}

/// SplitMix64 (Steele, Lea and Flood 2014).
fn random(seed: &mut u64, end: u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut bits = *seed;
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (bits ^ bits >> 31) % end
}

#[test]
fn whoever_goes_on_only_after_an_allow_or_200_never_passes_a_limit() {
    let daemon = daemon();
    run(async {
        let unix = daemon.unix_client().await;
        for mut seed in 0..4_u64 {
            let base = seed;
            let mut checks: Vec<(String, u64, i64)> = Vec::new();
            let mut on: HashMap<String, (u64, i64)> = HashMap::new();
            let (mut ended, mut refused) = (Vec::new(), 0);
            for step in 0..120 {
                let frames = (random(&mut seed, 2) == 0).then_some(&unix);
                if checks.is_empty() || random(&mut seed, 3) == 0 {
                    let account = base * 10 + random(&mut seed, 2);
                    let amount = [1_000, 3_000, 6_000, 9_500][random(&mut seed, 4) as usize];
                    let id = format!("r{base}-{step}");
                    let check = transfer(&id, account, amount);
                    if verdict(&daemon, frames, &check).await == Verdict::Allow {
                        on.insert(id.clone(), (account, amount));
                    }
                    checks.push((id, account, amount));
                } else {
                    let back = (random(&mut seed, 6) as usize).min(checks.len() - 1);
                    let (id, account, amount) = checks[checks.len() - 1 - back].clone();
                    let outcome = match random(&mut seed, 2) {
                        0 => OutcomeKind::ChallengePassed,
                        _ => OutcomeKind::ALL[random(&mut seed, OutcomeKind::ALL.len() as u64) as usize],
                    };
                    let code = report(&daemon, frames, &id, outcome).await;
                    refused += usize::from(code.is_some());
                    match outcome {
                        OutcomeKind::ChallengePassed if code.is_none() => {
                            on.insert(id, (account, amount));
                        }
                        // The first word of how an event that goes on ends is the one that counts.
                        OutcomeKind::Settled if on.contains_key(&id) => ended.push(id),
                        OutcomeKind::Failed | OutcomeKind::Cancelled if !ended.contains(&id) => {
                            on.remove(&id);
                        }
                        _ => {}
                    }
                }
                for account in [base * 10, base * 10 + 1] {
                    let sum: i64 = on.values().filter(|(of, _)| *of == account).map(|(_, sum)| sum).sum();
                    assert!(sum <= MAX, "seed {base}, step {step}: {sum} of {account} go on");
                }
            }
            assert!(refused > 0, "nothing was refused");
        }
    });
}

#[test]
fn twenty_that_a_rule_denies_leave_ten_shares_to_ten_others_in_one_batch() {
    let daemon = daemon();
    let packet = |n: u128| uuid::Uuid::from_u128(0x0192_f6c4_7c1e_7000_8000_0000_0000_0000 + n);
    let verdicts = |answers: &[Value]| -> Vec<String> {
        answers.iter().map(|answer| answer["verdict"].as_str().unwrap().to_owned()).collect()
    };
    let expected: Vec<&str> = (0..30).map(|n| if n < 20 { "deny" } else { "allow" }).collect();
    let claim = |n: usize| {
        json!({"id": format!("h{n}"), "kind": "claim", "account": format!("u{n}"), "packet": packet(1),
               "device": {"id": format!("d{n}"), "rooted": n < 20}})
    };
    let batch: Vec<Value> = (0..30).map(claim).collect();
    let answers = daemon.post("/v1/checks", json!(batch).to_string()).json();
    assert_eq!(verdicts(answers.as_array().unwrap()), expected, "HTTP");

    let checks: Vec<Check<'_>> = (0..30)
        .map(|n| {
            let mut check = Check::new(format!("f{n}"), Kind::Claim, format!("u{n}"));
            (check.packet, check.device.rooted) = (Some(packet(2)), n < 20);
            check.device.id = format!("d{n}").into();
            check
        })
        .collect();
    let answers = run(async { daemon.unix_client().await.check_batch(&checks).await.unwrap() });
    let found: Vec<&str> = answers.iter().map(|answer| answer.as_ref().unwrap().verdict.name()).collect();
    assert_eq!(found, expected, "frames");
}
