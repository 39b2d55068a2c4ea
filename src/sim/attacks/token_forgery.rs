//! Claims with tokens that do not belong: random bytes, a bent character, another packet's token, an expired one.
//! Patient forgers only replay real tokens, where nothing but binding and expiry can tell.

use std::sync::Arc;

use wire::Kind;

use super::Campaign;
use crate::clock;
use crate::step::{Packet, Party, Rig, Step, TokenUse};

pub(super) fn run(campaign: &mut Campaign<'_>) {
    let claims = campaign.world.draw.between(10, 30) as usize;
    let accounts = campaign.world.people.sleepers(claims.div_ceil(2), &mut campaign.world.draw);
    let city = campaign.any_city();
    let per_rig = campaign.by_craft(claims, 6, 2);
    let issuer = Party::Person(campaign.world.people.anyone(&mut campaign.world.draw));
    let target = campaign.world.seal(campaign.at_ms, issuer, 20_000, "chat", 0);
    let mut at_ms = campaign.at_ms + campaign.world.draw.minutes(1.0, 30.0);
    let mut rig = rig_in(campaign, city);
    for claim in 0..claims {
        if claim > 0 && claim % per_rig == 0 {
            rig = rig_in(campaign, city);
        }
        let (packet, token) = forge(campaign, at_ms, issuer, &target);
        let minor = campaign.world.draw.between(100, 5000);
        let step = Step::person(Kind::Claim, accounts[claim / 2]).packet(&packet).token(token).amount(minor);
        campaign.act(at_ms, step.rig(rig));
        at_ms += campaign.pause_ms(1.5, 20.0, 300.0);
    }
}

fn rig_in(campaign: &mut Campaign<'_>, city: u8) -> Rig {
    let spot = campaign.place(city);
    Rig { handset: campaign.device(), ip: campaign.address(city), geo: campaign.shown(spot) }
}

/// The packet named in the claim and the token shown for it.
fn forge(
    campaign: &mut Campaign<'_>,
    at_ms: i64,
    issuer: Party,
    target: &Arc<Packet>,
) -> (Arc<Packet>, TokenUse) {
    let means = campaign.by_craft(0, 1, 2) + campaign.world.draw.below(2);
    match means {
        0 => (Arc::clone(target), TokenUse::Forged),
        1 => (Arc::clone(target), TokenUse::Bent),
        2 => {
            let other = campaign.world.seal(at_ms - clock::HOUR_MS, issuer, 100, "chat", 0);
            (Arc::clone(target), TokenUse::Borrowed(other))
        }
        _ => {
            let days = campaign.world.draw.between(2, 20);
            (campaign.world.seal(at_ms - days * clock::DAY_MS, issuer, 20_000, "chat", 0), TokenUse::Genuine)
        }
    }
}
