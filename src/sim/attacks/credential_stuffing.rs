//! Leaked passwords tried on customer after customer. Crude lists run from one server at one login a second; careful
//! ones change the address every few tries; patient ones try few accounts an hour from household routers.

use wire::Kind;

use super::Campaign;
use crate::step::{Rig, Step};

pub(super) fn run(campaign: &mut Campaign<'_>) {
    let tries = campaign.by_craft(80, 50, 25) + campaign.world.draw.between(0, 30) as usize;
    let per_rig = campaign.by_craft(tries, 8, 2);
    let mut city = campaign.any_city();
    let mut rig = Rig { handset: campaign.device(), ip: campaign.address(city), geo: None };
    let mut at_ms = campaign.at_ms;
    for attempt in 0..tries {
        if attempt > 0 && attempt % per_rig == 0 {
            city = campaign.any_city();
            rig = Rig { handset: campaign.device(), ip: campaign.address(city), geo: None };
        }
        let victim = campaign.world.people.anyone(&mut campaign.world.draw);
        // One password in fifty is right; the gateway asks about the wrong ones too.
        let factors = u8::from(campaign.world.draw.chance(0.02));
        campaign.act(at_ms, Step::person(Kind::Login, victim).rig(rig).factors(factors));
        at_ms += campaign.pause_ms(1.0, 12.0, 150.0);
    }
}
