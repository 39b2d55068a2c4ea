//! Red packets: minted, spread through chat, moments or print, scanned and claimed by those they reach.

use std::sync::Arc;

use wire::Kind;

use crate::clock;
use crate::draw::Draw;
use crate::people::{CIRCLE, PersonId};
use crate::phrases::{ADVERTS, GREETINGS};
use crate::step::{Packet, Party, Step};
use crate::world::World;

/// Sums people choose for luck, in minor units.
const LUCKY_MINOR: [i64; 12] = [520, 666, 888, 1314, 1888, 2000, 5000, 5200, 6666, 8888, 10_000, 20_000];
/// The largest packet the platform mints.
const PACKET_MINOR_MAX: i64 = 20_000;

fn sum_minor(world: &mut World, who: PersonId) -> i64 {
    if world.draw.chance(0.6) {
        return world.draw.pick(&LUCKY_MINOR);
    }
    let yuan = world.draw.skewed(20.0, 0.9) * f64::from(world.people.get(who).wealth);
    ((yuan * 100.0) as i64).clamp(100, PACKET_MINOR_MAX)
}

/// The next part of a sum that `left` people share by luck: on average an equal one, up to twice that.
pub(crate) fn share_minor(rest_minor: i64, left: i64, draw: &mut Draw) -> i64 {
    if left <= 1 {
        return rest_minor.max(1);
    }
    draw.between(1, (2 * rest_minor / left).max(1)).min(rest_minor - left + 1).max(1)
}

/// Friends of the issuer's circle open the packet, the first within seconds.
fn circle_claims(
    world: &mut World,
    who: PersonId,
    at_ms: i64,
    packet: &Arc<Packet>,
    sum_minor: i64,
    mean_s: f64,
) {
    let parts = world.draw.between(3, 14).min(sum_minor);
    let first = world.people.friend(who, &mut world.draw);
    let mut rest_minor = sum_minor;
    for part in 0..parts {
        // A step of 5 through a circle of 48 meets no friend twice.
        let friend = neighbour(first, who, part as u32);
        let minor = share_minor(rest_minor, parts - part, &mut world.draw);
        rest_minor -= minor;
        let later_ms = at_ms + 1500 + (world.draw.wait(mean_s) * 1000.0) as i64;
        world.scan_and_claim(later_ms.min(packet.expires_ms - 10_000), friend, packet, minor);
    }
}

fn neighbour(first: PersonId, issuer: PersonId, part: u32) -> PersonId {
    let base = first / CIRCLE * CIRCLE;
    let friend = base + (first - base + part * 5) % CIRCLE;
    if friend == issuer { base + (friend - base + 1) % CIRCLE } else { friend }
}

/// A packet for the chat group.
pub(crate) fn to_group(world: &mut World, who: PersonId, at_ms: i64) {
    group_packet(world, who, at_ms);
}

/// As [`to_group`], for attacks that lie in wait for it.
pub(crate) fn group_packet(world: &mut World, who: PersonId, at_ms: i64) -> (Arc<Packet>, i64) {
    let minor = sum_minor(world, who);
    let text = world.draw.pick(&GREETINGS);
    let packet = world.mint(at_ms, Party::Person(who), minor, "chat", text, 0);
    // Lively groups empty a packet in a minute, sleepy ones in an hour.
    let mean_s = world.draw.skewed(90.0, 1.4).min(7200.0);
    circle_claims(world, who, at_ms, &packet, minor, mean_s);
    (packet, minor)
}

/// A gift to one person.
pub(super) fn to_one(world: &mut World, who: PersonId, at_ms: i64) {
    let minor = sum_minor(world, who);
    let text = world.draw.pick(&GREETINGS);
    let packet = world.mint(at_ms, Party::Person(who), minor, "chat", text, 0);
    let other = if world.draw.chance(0.4) {
        world.people.relative(who, &mut world.draw)
    } else {
        world.people.friend(who, &mut world.draw)
    };
    let wait_ms = (world.draw.skewed(120.0, 1.6) * 1000.0) as i64;
    world.scan_and_claim(at_ms + wait_ms.clamp(1500, 20 * clock::HOUR_MS), other, &packet, minor);
}

/// A packet in the moments feed: slower, and seen by friends of friends.
pub(super) fn moments(world: &mut World, who: PersonId, at_ms: i64) {
    let minor = sum_minor(world, who);
    let text = world.draw.pick(&GREETINGS);
    let packet = world.mint(at_ms, Party::Person(who), minor, "moments", text, 0);
    circle_claims(world, who, at_ms, &packet, minor / 2 + 3, 3000.0);
    for _ in 0..world.draw.between(0, 8) {
        let stranger = world.people.anyone(&mut world.draw);
        let later_ms = at_ms + (world.draw.wait(5400.0) * 1000.0) as i64;
        let part = world.draw.between(1, (minor / 8).max(2));
        world.scan_and_claim(later_ms.min(packet.expires_ms - 10_000), stranger, &packet, part);
    }
}

/// A shop's advertised packet on a poster: a crowd of strangers, one place, one code, several at once.
pub(super) fn marketing(world: &mut World, who: PersonId, at_ms: i64) {
    let city = world.people.get(who).city;
    let shop = world.merchants.in_city(city, &mut world.draw);
    let campaign = world.new_campaign();
    let text = world.draw.pick(&ADVERTS);
    let packet = world.mint(at_ms, Party::Merchant(shop), PACKET_MINOR_MAX, "print", text, campaign);
    let crowd = world.draw.between(20, 70);
    for _ in 0..crowd {
        // Passers-by live in the city and come in waves over an evening.
        let guest = world.people.townsman(city, &mut world.draw);
        let later_ms = at_ms + (world.draw.wait(80.0) * 60_000.0) as i64;
        let minor = world.draw.between(10, 500);
        let later_ms = later_ms.min(packet.expires_ms - 60_000);
        let mut scan = Step::person(Kind::Scan, guest).packet(&packet);
        scan.utm = "poster";
        world.plan(later_ms, scan);
        let mut claim = Step::person(Kind::Claim, guest).packet(&packet).amount(minor);
        claim.utm = "poster";
        let claim_ms = later_ms + world.draw.seconds(1.0, 8.0);
        world.plan(claim_ms, claim);
    }
}

/// Invites friends and relatives, who claim the newcomer's reward; relatives do it on the tablet at home.
pub(super) fn invitation(world: &mut World, who: PersonId, at_ms: i64) {
    let city = world.people.get(who).city;
    let shop = world.merchants.in_city(city, &mut world.draw);
    let campaign = world.new_campaign();
    let packet = world.seal(at_ms, Party::Merchant(shop), PACKET_MINOR_MAX, "chat", campaign);
    for _ in 0..world.draw.between(1, 5) {
        let family = world.draw.chance(0.3);
        let invited = if family {
            world.people.relative(who, &mut world.draw)
        } else {
            world.people.friend(who, &mut world.draw)
        };
        let later_ms = at_ms + world.draw.minutes(2.0, 300.0);
        let minor = world.draw.between(100, 1000);
        let mut step = Step::person(Kind::Claim, invited).packet(&packet).amount(minor).invited_by(who);
        step.tablet = family && world.draw.chance(0.4);
        step.utm = "invite";
        world.plan(later_ms, step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_packet_add_up_to_its_sum() {
        let mut draw = Draw::new(6);
        for sum_minor in [10, 888, 20_000] {
            let mut rest_minor = sum_minor;
            for left in (1..=10).rev() {
                let part = share_minor(rest_minor, left, &mut draw);
                assert!(part >= 1);
                rest_minor -= part;
            }
            assert_eq!(rest_minor, 0);
        }
    }
}
