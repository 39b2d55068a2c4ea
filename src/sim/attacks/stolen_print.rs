//! A poster's code is photographed and passed around in reward-hunting groups: a crowd of real people and real
//! phones, but none of them is where the poster hangs. Patient hunters fake the poster's place.

use wire::Kind;

use super::Campaign;
use crate::handset::Handset;
use crate::network;
use crate::phrases::ADVERTS;
use crate::step::{Party, Rig, Step};

pub(super) fn run(campaign: &mut Campaign<'_>) {
    let shop = campaign.world.merchants.anywhere(&mut campaign.world.draw);
    let poster = campaign.world.merchants.get(shop).spot;
    let number = campaign.world.new_campaign();
    let text = campaign.world.draw.pick(&ADVERTS);
    // The mint is the shop's own.
    let packet = campaign.world.mint(campaign.at_ms, Party::Merchant(shop), 20_000, "print", text, number);
    let hunters = campaign.world.draw.between(20, 50) as usize;
    let hunters = campaign.world.people.sleepers(hunters, &mut campaign.world.draw);
    let mut at_ms = campaign.at_ms + campaign.world.draw.minutes(10.0, 60.0);
    for hunter in hunters {
        let city = campaign.world.people.get(hunter).city;
        let serial = campaign.serial();
        let spot = if campaign.by_craft(false, false, true) {
            let (north, east) = (campaign.world.draw.normal() * 0.1, campaign.world.draw.normal() * 0.1);
            poster.moved(north, east)
        } else {
            campaign.place(city)
        };
        let geo = if campaign.by_craft(false, true, false) { campaign.shown(spot) } else { Some(spot.geo()) };
        // Half of a crude group runs on rooted phones with several accounts each.
        let handset = if campaign.by_craft(serial.is_multiple_of(2), false, false) {
            Handset::rooted(serial % 8)
        } else {
            Handset::phone(serial)
        };
        let rig = Rig { handset, ip: network::mobile(city, serial), geo };
        let minor = campaign.world.draw.between(10, 500);
        campaign.act(at_ms, Step::person(Kind::Scan, hunter).packet(&packet).rig(rig));
        let claim_ms = at_ms + campaign.world.draw.seconds(1.0, 6.0);
        campaign.act(claim_ms, Step::person(Kind::Claim, hunter).packet(&packet).amount(minor).rig(rig));
        at_ms += campaign.pause_ms(4.0, 30.0, 180.0);
    }
}
