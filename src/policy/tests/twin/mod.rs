//! The obvious decision over stated values: every rule's condition by the scalar machine, then tiers, then bands.
//!
//! It knows nothing of batches, velocity or tables. The engine's answer to a `given` test is held against it.

use engine::feature::{Builtin, Scalar};
use engine::policy::{Breaker, Mode, OnError, Policy, Tier};
use engine::program::Truth;
use policy::eval::{Lane, Machine};
use policy::testing::{Expect, Given};
use wire::{Challenge, Check, ExtValue, Verdict};

/// What was decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    pub verdict: Verdict,
    pub challenge: Option<Challenge>,
    pub score: f64,
    pub rules: Vec<usize>,
}

/// Decides a stated check. Limits are not looked at: nothing is reserved for stated values. Breakers are all closed before it.
pub fn decide(policy: &Policy, given: &Given) -> Decided {
    let lane = lane(policy, given);
    let registers = Machine::new(&policy.features, &lane).run(&policy.program);
    let holds = |when: Truth, on_error| {
        let truth = registers.truths[usize::from(when.0)];
        truth.unwrap_or(on_error == OnError::Match)
    };
    let matches = |at: &usize| {
        let rule = &policy.rules[*at];
        let holds = holds(rule.when, rule.on_error);
        holds && rule.mode == Mode::Live && rule.kinds.has(given.check.kind)
    };
    let mut rules: Vec<usize> = (0..policy.rules.len()).filter(matches).collect();
    let model = match lane.scalars.get(&Builtin::ModelScore.id()) {
        Some(Scalar::Double(score)) => *score,
        _ => 0.0,
    };
    let millionths = |score: f64| (score * 1e6).round() as i64;
    let added: i64 = rules.iter().map(|&at| millionths(policy.rules[at].score)).sum();
    let score = (millionths(model) + added).clamp(0, 1_000_000) as f64 / 1e6;
    let deciding = rules
        .iter()
        .map(|&at| &policy.rules[at])
        .filter(|rule| rule.tier != Tier::Score)
        .min_by_key(|rule| rule.tier);
    let opens = |breaker: &Breaker| {
        let has = |field| lane.texts.get(field).is_some_and(|text| !text.is_empty());
        let met = holds(breaker.when, breaker.on_error);
        met && breaker.kinds.has(given.check.kind) && breaker.key.iter().all(has)
    };
    let opened: Vec<usize> = (0..policy.breakers.len()).filter(|&at| opens(&policy.breakers[at])).collect();
    let guards =
        deciding.iter().filter(|rule| rule.tier == Tier::Guard).map(|rule| (rule.verdict, rule.challenge));
    let refused = opened.iter().map(|&at| (policy.breakers[at].verdict, policy.breakers[at].challenge));
    // Both stand in tier guard, where the severest verdict decides, and of equal ones a breaker's.
    let refused =
        refused.chain(guards).rev().max_by_key(|(verdict, _)| *verdict).filter(|_| !opened.is_empty());
    rules.extend(opened.iter().map(|at| policy.rules.len() + policy.limits.len() + at));
    if let Some((verdict, challenge)) = refused {
        return Decided { verdict, challenge, score, rules };
    }
    let (verdict, challenge) = match deciding {
        Some(rule) => (rule.verdict, rule.challenge),
        None if score >= policy.bands.deny => (Verdict::Deny, None),
        None if score >= policy.bands.review => (Verdict::Review, None),
        None if score >= policy.bands.challenge => (Verdict::Challenge, policy.band_challenge),
        None => (Verdict::Allow, None),
    };
    Decided { verdict, challenge, score, rules }
}

/// What differs from what was expected; empty if nothing does.
pub fn differences(policy: &Policy, expect: &Expect, got: &Decided) -> String {
    let name = |at: &usize| {
        let of_rules = policy.rules.iter().map(|rule| &rule.reason);
        let of_limits = policy.limits.iter().map(|limit| &limit.reason);
        let of_breakers = policy.breakers.iter().map(|breaker| &breaker.reason);
        of_rules.chain(of_limits).chain(of_breakers).nth(*at).map_or("", |reason| reason.rule.as_str())
    };
    let mut wrong = Vec::new();
    if expect.verdict.is_some_and(|verdict| verdict != got.verdict) {
        wrong.push(format!("verdict {}", got.verdict));
    }
    if expect.challenge.is_some() && expect.challenge != got.challenge {
        wrong.push(format!("challenge {:?}", got.challenge));
    }
    if expect.score.is_some_and(|score| score != got.score) {
        wrong.push(format!("score {}", got.score));
    }
    wrong.extend(
        expect
            .rules
            .iter()
            .filter(|at| !got.rules.contains(at))
            .map(|at| format!("no match of {}", name(at))),
    );
    wrong.extend(
        expect.not.iter().filter(|at| got.rules.contains(at)).map(|at| format!("a match of {}", name(at))),
    );
    if wrong.is_empty() {
        return String::new();
    }
    let matched: Vec<&str> = got.rules.iter().map(name).collect();
    format!("{}; matched: {}", wrong.join(", "), matched.join(", "))
}

fn lane(policy: &Policy, given: &Given) -> Lane {
    let check = &given.check;
    let mut lane = Lane { lists: given.lists.clone(), ..Lane::default() };
    let at_ms = check.time_ms.unwrap_or(policy::testing::START_MS);
    let hour = (at_ms + policy.zone.offset_ms(at_ms)).rem_euclid(86_400_000) / 3_600_000;
    lane.scalars.insert(Builtin::Hour.id(), Scalar::Int(hour));
    for (builtin, text) in texts(check) {
        lane.texts.insert(builtin.id(), text);
    }
    let scalars = [
        (Builtin::DeviceEmulator, Some(Scalar::Bool(check.device.emulator))),
        (Builtin::DeviceRooted, Some(Scalar::Bool(check.device.rooted))),
        (Builtin::Amount, check.amount_minor.map(Scalar::Money)),
        (Builtin::Kyc, check.kyc.map(|n| Scalar::Int(n.into()))),
        (Builtin::Factors, check.factors.map(|n| Scalar::Int(n.into()))),
        (Builtin::Face, check.face.map(Scalar::Double)),
        (Builtin::Voice, check.voice.map(Scalar::Double)),
        (Builtin::Lat, check.geo.map(|geo| Scalar::Double(geo.lat))),
        (Builtin::Lon, check.geo.map(|geo| Scalar::Double(geo.lon))),
    ];
    lane.scalars.extend(scalars.into_iter().filter_map(|(builtin, scalar)| Some((builtin.id(), scalar?))));
    for (name, value) in &check.ext {
        let id = policy.features.find(&format!("ext.{name}")).unwrap();
        let scalar = match value {
            ExtValue::Bool(truth) => Scalar::Bool(*truth),
            ExtValue::Int(n) => Scalar::Int(*n),
            ExtValue::Double(x) => Scalar::Double(*x),
            ExtValue::Text(text) => {
                lane.texts.insert(id, text.to_string());
                continue;
            }
        };
        lane.scalars.insert(id, scalar);
    }
    lane.scalars.extend(given.features.iter().copied());
    lane
}

fn texts(check: &Check<'_>) -> Vec<(Builtin, String)> {
    let device = &check.device;
    vec![
        (Builtin::Kind, check.kind.name().to_owned()),
        (Builtin::Account, check.account.to_string()),
        (Builtin::Counterparty, check.counterparty.to_string()),
        (Builtin::DeviceId, device.id.to_string()),
        (Builtin::DeviceImei, device.imei.to_string()),
        (Builtin::DeviceMac, device.mac.to_string()),
        (Builtin::DeviceOs, device.os.to_string()),
        (Builtin::DeviceModel, device.model.to_string()),
        (Builtin::DeviceApp, device.app.to_string()),
        (Builtin::DeviceClass, device.class.name().to_owned()),
        (Builtin::Currency, String::from_utf8_lossy(&check.currency).into_owned()),
        (Builtin::Packet, check.packet.map(|packet| packet.to_string()).unwrap_or_default()),
        (Builtin::Channel, check.channel.to_string()),
        (Builtin::Campaign, check.campaign.to_string()),
        (Builtin::Inviter, check.inviter.to_string()),
        (Builtin::Utm, check.utm.to_string()),
        (Builtin::Text, check.text.to_string()),
        (Builtin::Ip, check.ip.map(|ip| ip.to_string()).unwrap_or_default()),
    ]
}
