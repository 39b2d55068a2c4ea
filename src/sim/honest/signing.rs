//! Logins, new handsets, cards.

use wire::Kind;

use crate::people::PersonId;
use crate::step::Step;
use crate::world::World;

pub(super) fn login(world: &mut World, who: PersonId, at_ms: i64) {
    let mut step = Step::person(Kind::Login, who);
    step.tablet = world.draw.chance(0.05);
    world.plan(at_ms, step);
}

/// Several tries in a row.
pub(super) fn forgotten_password(world: &mut World, who: PersonId, at_ms: i64) {
    let mut at_ms = at_ms;
    for _ in 0..world.draw.between(2, 6) {
        world.plan(at_ms, Step::person(Kind::Login, who).factors(0));
        at_ms += world.draw.seconds(6.0, 50.0);
    }
    world.plan(at_ms, Step::person(Kind::Login, who).factors(2));
}

pub(super) fn bind_card(world: &mut World, who: PersonId, at_ms: i64) {
    world.plan(at_ms, Step::person(Kind::Bind, who).factors(2));
}

/// The first sign of life on a new handset: login, bind, and often a payment to see that it works.
pub(super) fn new_handset(world: &mut World, who: PersonId, at_ms: i64) {
    world.plan(at_ms, Step::person(Kind::Login, who).factors(2));
    let bind_ms = at_ms + world.draw.seconds(20.0, 200.0);
    world.plan(bind_ms, Step::person(Kind::Bind, who).factors(2));
    if world.draw.chance(0.5) {
        super::shops::counter(world, who, bind_ms + 60_000);
    }
}
