//! An account appears in one city after another within minutes to collect geofenced rewards. Careful spoofers travel
//! at the pace of a plane; patient ones jump between districts of one city only.

use wire::Kind;

use super::Campaign;
use crate::network;
use crate::places::CITIES;
use crate::step::{Party, Rig, Step};

pub(super) fn run(campaign: &mut Campaign<'_>) {
    let accounts = campaign.world.draw.between(1, 4) as usize;
    for account in campaign.world.people.sleepers(accounts, &mut campaign.world.draw) {
        tour(campaign, account);
    }
}

fn tour(campaign: &mut Campaign<'_>, account: u32) {
    let handset = campaign.device();
    let home = campaign.world.people.get(account).city;
    // The network betrays the place only to those who know where a gateway stands.
    let word = campaign.serial();
    let ip = network::mobile(home, word);
    let mut at_ms = campaign.at_ms + campaign.world.draw.minutes(0.0, 20.0);
    let stops = campaign.world.draw.between(5, 12) as usize;
    for stop in 0..stops {
        let city =
            campaign.by_craft((usize::from(home) + stop * 7) % CITIES.len(), stop % 4, usize::from(home))
                as u8;
        let shop = campaign.world.merchants.in_city(city, &mut campaign.world.draw);
        let number = campaign.world.new_campaign();
        let packet = campaign.world.seal(at_ms, Party::Merchant(shop), 20_000, "print", number);
        // The fake place is the shop's door, to the metre.
        let rig = Rig { handset, ip, geo: Some(campaign.world.merchants.geo(shop)) };
        let minor = campaign.world.draw.between(200, 1500);
        let mut claim = Step::person(Kind::Claim, account).packet(&packet).amount(minor).rig(rig);
        claim.utm = "checkin";
        campaign.act(at_ms, claim);
        at_ms += campaign.pause_ms(60.0, 5400.0, 900.0);
    }
}
