//! A step whose time has come, as the check a gateway would send, with its truth beside it.

use wire::{Check, Kind, OutcomeKind, Text};

use crate::draw::hash;
use crate::handset::{HEX, hex};
use crate::label::{Event, FollowUp, Label};
use crate::network;
use crate::step::{Fate, Party, Step, TokenUse};
use crate::world::World;

/// How often an honest customer passes a challenge: cold fingers, bad light, a lost PIN.
const HONEST_PASSES: f64 = 0.97;
/// Metres of error of a handset's place, one standard deviation, in kilometres.
const GPS_NOISE_KM: f64 = 0.02;

pub(crate) fn event(world: &mut World, at_ms: i64, step: &Step) -> Event {
    let id = world.id(at_ms);
    let mut check = Check::new(id.hyphenated().to_string(), step.kind, world.name(step.who));
    check.time_ms = Some(at_ms);
    origin(world, &mut check, at_ms, step);
    if let Some(party) = step.counterparty {
        check.counterparty = Text::Owned(world.name(party));
    }
    check.amount_minor = step.amount_minor;
    check.token = Text::Owned(token(world, step));
    check.packet = step.packet.as_ref().map(|packet| packet.id);
    if let Some(merchant) = step.code {
        let mut code = world.merchants.get(merchant).code.clone();
        if step.code_broken {
            code.replace_range(code.len() - 4.., "0000");
        }
        check.qr = Text::Owned(code);
    }
    check.channel = Text::Borrowed(step.channel);
    if step.campaign != 0 {
        check.campaign = Text::Owned(format!("spring-{:04}", step.campaign));
    }
    if let Some(inviter) = step.inviter {
        check.inviter = Text::Owned(world.people.name(inviter));
    }
    check.utm = Text::Borrowed(step.utm);
    check.kyc = Some(match step.who {
        Party::Person(who) => world.people.get(who).kyc,
        Party::Merchant(_) => 3,
    });
    check.factors = Some(step.factors);
    check.text = step.text.clone();
    Event {
        passes_challenge: passes(world, step),
        outcome: outcome(world, step),
        report: report(world, step),
        label: step.label,
        craft: step.craft,
        check,
    }
}

/// Device, network and place.
fn origin(world: &mut World, check: &mut Check<'static>, at_ms: i64, step: &Step) {
    match (step.rig, step.who) {
        (Some(rig), _) => {
            check.device = rig.handset.device();
            check.ip = Some(rig.ip);
            check.geo = rig.geo;
        }
        (None, Party::Merchant(id)) => {
            check.device = world.merchants.terminal(id).device();
            check.ip = Some(network::office(world.merchants.get(id).city, hash(3, u64::from(id))));
            check.geo = Some(world.merchants.geo(id));
        }
        (None, Party::Person(who)) => {
            let place = world.people.whereabouts(who, at_ms);
            let handset =
                if step.tablet { world.people.family_tablet(who) } else { world.people.handset(who, at_ms) };
            check.device = handset.device();
            check.ip = Some(world.people.address(who, &place, at_ms, &mut world.draw));
            if world.people.shows_place(who) {
                let (north, east) = (world.draw.normal() * GPS_NOISE_KM, world.draw.normal() * GPS_NOISE_KM);
                check.geo = Some(place.spot.moved(north, east).geo());
            }
        }
    }
}

fn token(world: &mut World, step: &Step) -> String {
    let own = step.packet.as_ref().map_or("", |packet| packet.token.as_str());
    match &step.token {
        TokenUse::None => String::new(),
        TokenUse::Genuine => own.to_owned(),
        TokenUse::Borrowed(other) => other.token.clone(),
        TokenUse::Forged => {
            let length = if own.is_empty() { 96 } else { own.len() };
            let mut text = hex("AQ", world.draw.word());
            while text.len() < length {
                text.push(char::from(HEX[world.draw.below(16)]));
            }
            text.truncate(length);
            text
        }
        TokenUse::Bent => {
            let mut bytes = own.as_bytes().to_vec();
            let at = world.draw.below(bytes.len());
            if let Some(byte) = bytes.get_mut(at) {
                *byte = if *byte == b'A' { b'B' } else { b'A' };
            }
            // A token is base64url: one of its characters was exchanged for another.
            String::from_utf8(bytes).unwrap_or_default()
        }
    }
}

fn passes(world: &mut World, step: &Step) -> bool {
    let share = match (step.label, step.craft) {
        (Label::Attack(attack), Some(craft)) => attack.facts().passes[craft as usize],
        _ => HONEST_PASSES,
    };
    world.draw.chance(share)
}

fn outcome(world: &mut World, step: &Step) -> Option<FollowUp> {
    if !matches!(step.kind, Kind::Claim | Kind::Pay | Kind::Transfer | Kind::Withdraw) {
        return None;
    }
    let luck = world.draw.unit();
    let (settled, failed) = match step.fate {
        Fate::Usual => (0.975, 0.99),
        Fate::Doubtful => (0.35, 0.98),
    };
    let (kind, delay_ms) = if luck < settled {
        (OutcomeKind::Settled, world.draw.seconds(0.1, 1.5))
    } else if luck < failed {
        (OutcomeKind::Failed, world.draw.seconds(0.1, 5.0))
    } else {
        (OutcomeKind::Cancelled, world.draw.seconds(2.0, 60.0))
    };
    Some(FollowUp { kind, delay_ms })
}

fn report(world: &mut World, step: &Step) -> Option<FollowUp> {
    let Label::Attack(attack) = step.label else { return None };
    if !world.draw.chance(attack.facts().reported) {
        return None;
    }
    // Half of the victims notice within a day; some look at their account once a month.
    let hours = world.draw.skewed(20.0, 1.2).clamp(0.2, 2000.0);
    Some(FollowUp { kind: OutcomeKind::Fraud, delay_ms: (hours * 3_600_000.0) as i64 })
}
