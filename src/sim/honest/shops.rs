//! Paying merchants.

use wire::Kind;

use crate::merchants::{MerchantId, price_minor};
use crate::people::PersonId;
use crate::step::{Party, Step};
use crate::world::World;

/// A small share of payments is made on the family's tablet.
const TABLET_SHARE: f64 = 0.03;

fn pay(world: &mut World, who: PersonId, shop: MerchantId) -> Step {
    let wealth = f64::from(world.people.get(who).wealth);
    let minor = world.merchants.ticket_minor(shop, wealth, &mut world.draw);
    let factors = if minor > 100_000 { 2 } else { 1 };
    Step::person(Kind::Pay, who).to(Party::Merchant(shop)).amount(minor).factors(factors)
}

fn shop_nearby(world: &mut World, who: PersonId, at_ms: i64) -> MerchantId {
    let city = world.people.whereabouts(who, at_ms).city;
    world.merchants.in_city(city, &mut world.draw)
}

/// Scans the code on the counter, then pays.
pub(super) fn counter(world: &mut World, who: PersonId, at_ms: i64) {
    let shop = shop_nearby(world, who, at_ms);
    let step = pay(world, who, shop);
    world.plan(at_ms, Step::person(Kind::Scan, who).code(shop).channel("print"));
    let later_ms = at_ms + world.draw.seconds(3.0, 25.0);
    world.plan(later_ms, step.code(shop).channel("print"));
}

/// Shows the own code to the merchant's scanner.
pub(super) fn shown_code(world: &mut World, who: PersonId, at_ms: i64) {
    let shop = shop_nearby(world, who, at_ms);
    let step = pay(world, who, shop);
    world.plan(at_ms, step);
}

/// Buys from a shop anywhere, at home, sometimes on the tablet.
pub(super) fn online(world: &mut World, who: PersonId, at_ms: i64) {
    let shop = world.merchants.anywhere(&mut world.draw);
    let mut step = pay(world, who, shop).channel("online").factors(2);
    step.tablet = world.draw.chance(TABLET_SHARE * 4.0);
    world.plan(at_ms, step);
}

/// A few coins, again and again: drinks for the whole office, bus fares.
pub(super) fn vending(world: &mut World, who: PersonId, at_ms: i64) {
    let shop = shop_nearby(world, who, at_ms);
    let times = world.draw.between(1, 4);
    let mut at_ms = at_ms;
    for _ in 0..times {
        let coins = 1.0 + 4.0 * world.draw.unit();
        let minor = price_minor(coins, &mut world.draw);
        world.plan(
            at_ms,
            Step::person(Kind::Pay, who).to(Party::Merchant(shop)).amount(minor).channel("print"),
        );
        at_ms += world.draw.seconds(8.0, 40.0);
    }
}

/// The first payment fails, the second goes through.
pub(super) fn double_tap(world: &mut World, who: PersonId, at_ms: i64) {
    let shop = shop_nearby(world, who, at_ms);
    let step = pay(world, who, shop);
    world.plan(at_ms, step.clone().doubtful());
    let again_ms = at_ms + world.draw.seconds(2.0, 15.0);
    world.plan(again_ms, step);
}
