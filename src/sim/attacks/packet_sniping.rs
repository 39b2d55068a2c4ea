//! Bots that sit in chat groups claim within milliseconds of the mint, before any human could have tapped. Careful
//! bots wait a second or two; patient ones wait as long as quick friends do and come through households' routers.

use wire::Kind;

use super::Campaign;
use crate::honest::group_packet;
use crate::step::{Rig, Step};

pub(super) fn run(campaign: &mut Campaign<'_>) {
    let bots = campaign.world.draw.between(2, 6) as usize;
    let bots = campaign.world.people.sleepers(bots, &mut campaign.world.draw);
    let city = campaign.any_city();
    let mut rigs = Vec::with_capacity(bots.len());
    for _ in &bots {
        let spot = campaign.place(city);
        rigs.push(Rig { handset: campaign.device(), ip: campaign.address(city), geo: campaign.shown(spot) });
    }
    let mut at_ms = campaign.at_ms;
    for _ in 0..campaign.world.draw.between(3, 8) {
        let issuer = campaign.world.people.active(&mut campaign.world.draw);
        // The mint and the friends' claims are honest.
        let (packet, sum_minor) = group_packet(campaign.world, issuer, at_ms);
        for (&bot, &rig) in bots.iter().zip(&rigs) {
            let (low_s, high_s) = campaign.by_craft((0.03, 0.4), (0.8, 3.0), (3.0, 25.0));
            let mut claim_ms = at_ms + campaign.world.draw.seconds(low_s, high_s);
            if campaign.by_craft(false, false, true) {
                campaign.act(claim_ms, Step::person(Kind::Scan, bot).packet(&packet).rig(rig));
                claim_ms += campaign.world.draw.seconds(0.8, 3.0);
            }
            let minor = campaign.world.draw.between(1, (sum_minor / 4).max(2));
            campaign.act(claim_ms, Step::person(Kind::Claim, bot).packet(&packet).amount(minor).rig(rig));
        }
        at_ms += campaign.pause_ms(60.0, 240.0, 900.0);
    }
}
