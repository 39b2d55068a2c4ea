//! What ordinary people do. Each habit is one function; a session draws one by its weight.
//!
//! Much of it looks like an attack to a naive rule: collections among friends, payroll, shared tablets, crowds at one
//! address, trips, tunnels, house deposits just below a threshold.

mod money;
mod packets;
mod shops;
mod signing;

use crate::clock;
use crate::people::PersonId;
use crate::world::World;

pub(crate) use packets::{group_packet, share_minor};

type Habit = fn(&mut World, PersonId, i64);

/// Habits by how often a session is one of them.
const HABITS: [(f64, Habit); 20] = [
    (34.0, shops::counter),
    (7.0, shops::shown_code),
    (8.0, shops::online),
    (4.0, shops::vending),
    (1.0, shops::double_tap),
    (6.0, money::to_friend),
    (2.5, money::to_family),
    (0.7, money::rent),
    (0.35, money::collection),
    (0.03, money::payroll),
    (0.05, money::large_purchase),
    (2.5, money::withdraw),
    (2.6, packets::to_group),
    (2.0, packets::to_one),
    (0.25, packets::moments),
    (0.05, packets::marketing),
    (0.15, packets::invitation),
    (9.0, signing::login),
    (0.6, signing::forgotten_password),
    (0.4, signing::bind_card),
];

/// Habits of a festival evening.
const FESTIVE_HABITS: [(f64, Habit); 5] = [
    (10.0, packets::to_group),
    (8.0, packets::to_one),
    (1.0, packets::moments),
    (6.0, shops::counter),
    (4.0, signing::login),
];

/// Plans one session of somebody who is awake.
pub(crate) fn session(world: &mut World, at_ms: i64) {
    let who = awake(world, at_ms);
    if world.people.new_handset(who, at_ms) {
        signing::new_handset(world, who, at_ms);
        return;
    }
    let habits: &[(f64, Habit)] =
        if clock::festive(at_ms, world.festival) { &FESTIVE_HABITS } else { &HABITS };
    let total: f64 = habits.iter().map(|(weight, _)| weight).sum();
    let mut left = world.draw.unit() * total;
    for (weight, habit) in habits {
        left -= weight;
        if left < 0.0 {
            habit(world, who, at_ms);
            return;
        }
    }
}

/// A customer whose own clock says day; after a few tries, whoever cannot sleep.
fn awake(world: &mut World, at_ms: i64) -> PersonId {
    let mut who = world.people.active(&mut world.draw);
    for _ in 0..3 {
        let hour = clock::hour(at_ms) - f64::from(world.people.get(who).late_h);
        if (7.0..23.5).contains(&hour) {
            break;
        }
        who = world.people.active(&mut world.draw);
    }
    who
}
