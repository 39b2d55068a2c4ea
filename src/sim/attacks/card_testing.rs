//! Stolen card numbers are tried with payments of a few fen to see which still work. Crude testers fire at one shop
//! from one emulator; patient ones change accounts, devices and shops and look like a vending machine's customers.

use wire::Kind;

use super::Campaign;
use crate::step::{Party, Rig, Step};

pub(super) fn run(campaign: &mut Campaign<'_>) {
    let probes = campaign.by_craft(60, 40, 20) + campaign.world.draw.between(0, 20) as usize;
    let accounts = campaign.by_craft(2, 8, 15);
    let accounts = campaign.world.people.sleepers(accounts, &mut campaign.world.draw);
    let per_rig = campaign.by_craft(probes, 10, 2);
    let city = campaign.any_city();
    let spot = campaign.place(city);
    let shops: Vec<u32> = (0..campaign.by_craft(1, 3, 8))
        .map(|_| campaign.world.merchants.anywhere(&mut campaign.world.draw))
        .collect();
    let mut rig = Rig { handset: campaign.device(), ip: campaign.address(city), geo: campaign.shown(spot) };
    let mut at_ms = campaign.at_ms;
    for probe in 0..probes {
        if probe > 0 && probe % per_rig == 0 {
            rig = Rig { handset: campaign.device(), ip: campaign.address(city), geo: campaign.shown(spot) };
        }
        let account = accounts[probe % accounts.len()];
        if campaign.by_craft(false, probe % 8 == 0, probe % 4 == 0) {
            campaign.act(at_ms, Step::person(Kind::Bind, account).rig(rig));
            at_ms += campaign.pause_ms(2.0, 10.0, 30.0);
        }
        let most_minor = campaign.by_craft(10, 100, 500);
        let minor = campaign.world.draw.between(1, most_minor);
        let shop = shops[probe % shops.len()];
        let step = Step::person(Kind::Pay, account).to(Party::Merchant(shop)).amount(minor).channel("online");
        campaign.act(at_ms, step.rig(rig).doubtful());
        at_ms += campaign.pause_ms(1.2, 15.0, 150.0);
    }
}
