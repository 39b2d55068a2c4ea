//! Rows to train on from simulated traffic: every event goes through the engine with the policy, in time order and with
//! its outcomes, and its features are taken as the engine had them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::Path;

use engine::Parts;
use engine::feature::{Builtin, FeatureId, Scalar, Type};
use engine::token::{self, Body, TokenKey};
use model::Dataset;
use sim::{Config, Label, TokenRequest, Traffic};
use wire::{OutcomeKind, Verdict};

use crate::outcome::Failure;
use crate::print;
use crate::replay::Driver;

/// Features that are left out unless named: places of the simulated cities, and proofs that follow a challenge.
const NOT_BY_DEFAULT: [Builtin; 4] = [Builtin::Lat, Builtin::Lon, Builtin::Face, Builtin::Voice];

/// Entries of each table: more accounts than a simulation of a few hundred thousand events knows.
const TABLE_ENTRIES: usize = 1 << 17;

/// The key that simulated tokens are sealed with. It guards nothing.
fn token_key() -> TokenKey {
    TokenKey::new(1, [1; 32])
}

/// Seals a simulated token. The nonce is the packet's own id, so that the same seed gives the same bytes.
fn seal(request: &TokenRequest<'_>) -> String {
    let mut nonce = [0; 12];
    nonce.copy_from_slice(&request.packet.as_bytes()[4..]);
    let body = Body {
        packet: request.packet.as_u128(),
        minted_ms: request.issued_ms,
        expires_ms: request.expires_ms,
        amount_minor: request.amount_minor,
    };
    token::seal(&token_key(), nonce, &body)
}

/// An outcome that waits for its time: when, the number of its event (so that equal times keep their order), and what.
type Pending = Reverse<(i64, usize, String, u8)>;

/// So many events of that traffic as rows. The label is the truth, not what victims report: most attacks are never
/// reported in full, and a simulation knows better.
///
/// # Errors
/// If the rules do not compile, or a feature is unknown.
pub fn rows(
    rules: &Path,
    events: usize,
    accounts: u32,
    seed: u64,
    features: &[String],
) -> Result<Dataset, Failure> {
    let policy = crate::rules::compile(rules)?;
    let parts = Parts { policy, token_keys: vec![token_key()], ..Parts::default() };
    let mut driver = Driver::new(parts, TABLE_ENTRIES)?;
    let inputs = inputs(&driver, features)?;
    let mut data = Dataset::new(inputs.iter().map(|(_, name)| name.clone()).collect());
    let mut values = vec![0.0; inputs.len()];
    let mut pending: BinaryHeap<Pending> = BinaryHeap::new();
    let bar = print::progress(Some(events as u64), "simulating");
    // The stream is cut by its number of events, never by its days.
    let config = Config { seed, days: 3650, ..Config::of_size(accounts) };
    let traffic = Traffic::new(config).with_tokens(seal);
    for (number, event) in traffic.take(events).enumerate() {
        bar.inc(1);
        let time_ms = event.check.time_ms.unwrap_or_default();
        while pending.peek().is_some_and(|Reverse((due_ms, ..))| *due_ms <= time_ms) {
            if let Some(Reverse((due_ms, _, id, code))) = pending.pop()
                && let Some(kind) = OutcomeKind::from_code(code)
            {
                driver.outcome(due_ms, &id, kind);
            }
        }
        driver.decide(time_ms, std::slice::from_ref(&event.check));
        for (value, (feature, _)) in values.iter_mut().zip(&inputs) {
            *value = number_of(driver.value(*feature, 0));
        }
        data.push(time_ms, &values, event.label != Label::Honest);
        let verdict = driver.answer(0).verdict;
        let money = event.outcome.filter(|_| verdict == Verdict::Allow);
        for follow_up in [money, event.report].into_iter().flatten() {
            let id = event.check.id.clone().into_owned();
            pending.push(Reverse((time_ms + follow_up.delay_ms, number, id, follow_up.kind.code())));
        }
    }
    bar.finish_and_clear();
    if let Some(last) = data.len().checked_sub(1) {
        let evicted: u64 = driver.fill(data.time_ms(last)).iter().map(|table| table.evictions).sum();
        if evicted > 0 {
            print::note(&format!(
                "the tables forgot {} before their time, so that some features are too low: simulate fewer events or accounts",
                print::counted(evicted as usize, "key")
            ));
        }
    }
    Ok(data)
}

/// The features to take, with their names.
fn inputs(driver: &Driver, names: &[String]) -> Result<Vec<(FeatureId, String)>, Failure> {
    let all = driver.columns();
    if names.is_empty() {
        let kept = all.into_iter().filter(|(id, ..)| !NOT_BY_DEFAULT.iter().any(|not| not.id() == *id));
        return Ok(kept.map(|(id, name, _)| (id, name)).collect());
    }
    let find = |name: &String| {
        let found = all.iter().find(|(_, known, ty)| known == name && *ty != Type::Text);
        found.map(|(id, ..)| (*id, name.clone())).ok_or_else(|| Failure(format!("no feature `{name}`")))
    };
    names.iter().map(find).collect()
}

/// A feature's value as the forest reads it.
fn number_of(value: Scalar) -> f64 {
    match value {
        Scalar::Bool(truth) => f64::from(u8::from(truth)),
        Scalar::Int(number) | Scalar::Money(number) => number as f64,
        Scalar::Double(number) => number,
        Scalar::NoText => 0.0,
    }
}
