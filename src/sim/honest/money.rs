//! Money between people, and out to the bank.

use wire::Kind;

use crate::clock;
use crate::merchants::price_minor;
use crate::people::PersonId;
use crate::phrases::{DELICATE_MEMOS, MEMOS};
use crate::step::{Party, Step};
use crate::world::World;

fn memo(world: &mut World) -> &'static str {
    let luck = world.draw.unit();
    if luck < 0.45 {
        ""
    } else if luck < 0.985 {
        world.draw.pick(&MEMOS)
    } else {
        world.draw.pick(&DELICATE_MEMOS)
    }
}

fn transfer(world: &mut World, from: PersonId, to: PersonId, yuan: f64) -> Step {
    let yuan = yuan * f64::from(world.people.get(from).wealth);
    let minor = price_minor(yuan, &mut world.draw);
    let text = memo(world);
    let factors = if minor > 100_000 { 2 } else { 1 };
    Step::person(Kind::Transfer, from).to(Party::Person(to)).amount(minor).text(text).factors(factors)
}

pub(super) fn to_friend(world: &mut World, who: PersonId, at_ms: i64) {
    // One in twenty transfers goes to somebody never seen before: a market stall, a landlord, a stranger's used bicycle.
    let friend = if world.draw.chance(0.05) {
        world.people.anyone(&mut world.draw)
    } else {
        world.people.friend(who, &mut world.draw)
    };
    let yuan = world.draw.skewed(60.0, 1.1);
    let step = transfer(world, who, friend, yuan);
    world.plan(at_ms, step);
}

pub(super) fn to_family(world: &mut World, who: PersonId, at_ms: i64) {
    let relative = world.people.relative(who, &mut world.draw);
    let yuan = world.draw.skewed(500.0, 0.9);
    let mut step = transfer(world, who, relative, yuan);
    step.tablet = world.draw.chance(0.15);
    world.plan(at_ms, step);
}

pub(super) fn rent(world: &mut World, who: PersonId, at_ms: i64) {
    let landlord = world.people.anyone(&mut world.draw);
    let yuan = world.draw.skewed(2_800.0, 0.5);
    let step = transfer(world, who, landlord, yuan).text("房租").factors(2);
    world.plan(at_ms, step);
}

/// One pays for the evening, the others send their part: many small sums into one account within the hour.
pub(super) fn collection(world: &mut World, who: PersonId, at_ms: i64) {
    let friends = world.draw.between(3, 18);
    let part = world.draw.skewed(70.0, 0.6);
    let minor = price_minor(part, &mut world.draw);
    for _ in 0..friends {
        let friend = world.people.friend(who, &mut world.draw);
        let later_ms = at_ms + (world.draw.wait(15.0) * 60_000.0) as i64;
        let step = Step::person(Kind::Transfer, friend).to(Party::Person(who)).amount(minor).text("AA");
        world.plan(later_ms, step);
    }
    if world.draw.chance(0.15) {
        let later_ms = at_ms + world.draw.minutes(60.0, 300.0);
        world.plan(later_ms, Step::person(Kind::Withdraw, who).amount(minor * friends).factors(2));
    }
}

/// A shop pays its staff within a few minutes.
pub(super) fn payroll(world: &mut World, who: PersonId, at_ms: i64) {
    let city = world.people.get(who).city;
    let shop = world.merchants.in_city(city, &mut world.draw);
    let staff = world.draw.between(4, 40);
    let mut at_ms = at_ms;
    for _ in 0..staff {
        let worker = world.people.friend(who, &mut world.draw);
        let wage = world.draw.skewed(5_200.0, 0.3);
        let minor = price_minor(wage, &mut world.draw);
        let step = Step::new(Kind::Transfer, Party::Merchant(shop)).to(Party::Person(worker)).amount(minor);
        world.plan(at_ms, step.text("工资").factors(2));
        at_ms += world.draw.seconds(2.0, 12.0);
    }
}

/// A flat's deposit, a car: sums near the reporting threshold that are nobody's crime.
pub(super) fn large_purchase(world: &mut World, who: PersonId, at_ms: i64) {
    let seller = world.people.anyone(&mut world.draw);
    let thousands = world.draw.between(18, 80);
    let parts = if world.draw.chance(0.2) { 2 } else { 1 };
    for part in 0..parts {
        let later_ms = at_ms + part * world.draw.minutes(3.0, 30.0);
        let minor = thousands * 100_000;
        let step = Step::person(Kind::Transfer, who).to(Party::Person(seller)).amount(minor);
        world.plan(later_ms, step.text("定金").factors(3));
    }
}

pub(super) fn withdraw(world: &mut World, who: PersonId, at_ms: i64) {
    let yuan = world.draw.skewed(600.0, 1.0) * f64::from(world.people.get(who).wealth);
    let minor = (yuan as i64 / 10 * 1000).clamp(1000, 20_000_000);
    // Some look at their account first.
    if world.draw.chance(0.3) {
        world.plan(at_ms, Step::person(Kind::Login, who));
    }
    let later_ms = at_ms + world.draw.seconds(10.0, 120.0).min(clock::HOUR_MS);
    world.plan(later_ms, Step::person(Kind::Withdraw, who).amount(minor).factors(2));
}
