//! A customer's account opens on a device nobody has seen, far away, and is emptied: first a probe, then larger sums,
//! then a withdrawal. Patient thieves come from the victim's own city, bind the device, wait, and keep to usual sums.

use wire::Kind;

use super::Campaign;
use crate::merchants::price_minor;
use crate::step::{Party, Rig, Step};

pub(super) fn run(campaign: &mut Campaign<'_>) {
    for _ in 0..campaign.world.draw.between(1, 3) {
        let victim = campaign.world.people.anyone(&mut campaign.world.draw);
        empty(campaign, victim);
    }
}

fn empty(campaign: &mut Campaign<'_>, victim: u32) {
    let home = campaign.world.people.get(victim).city;
    let city = if campaign.by_craft(false, false, true) { home } else { (home + 7) % 20 };
    let spot = campaign.place(city);
    let mut handset = campaign.device();
    handset.emulator = false;
    let rig = Rig { handset, ip: campaign.address(city), geo: campaign.shown(spot) };
    let mules = campaign.world.people.sleepers(4, &mut campaign.world.draw);
    let mut at_ms = campaign.at_ms + campaign.world.draw.minutes(0.0, 60.0);

    campaign.act(at_ms, Step::person(Kind::Login, victim).rig(rig));
    at_ms += campaign.pause_ms(15.0, 60.0, 120.0);
    if campaign.by_craft(false, true, true) {
        campaign.act(at_ms, Step::person(Kind::Bind, victim).rig(rig).factors(2));
        at_ms += campaign.pause_ms(30.0, 600.0, 7200.0);
    }
    let wealth = f64::from(campaign.world.people.get(victim).wealth);
    let mut yuan = campaign.by_craft(50.0, 300.0, 80.0) * wealth;
    let growth = campaign.by_craft(2.6, 1.8, 1.25);
    for transfer in 0..campaign.world.draw.between(3, 7) as usize {
        let minor = price_minor(yuan, &mut campaign.world.draw);
        let mule = mules[transfer % campaign.by_craft(1, 2, 4)];
        let step =
            Step::person(Kind::Transfer, victim).to(Party::Person(mule)).amount(minor).rig(rig).factors(2);
        campaign.act(at_ms, step);
        at_ms += campaign.pause_ms(20.0, 90.0, 2400.0);
        yuan *= growth;
    }
    if campaign.by_craft(true, true, false) {
        let minor = price_minor(yuan, &mut campaign.world.draw);
        campaign.act(at_ms, Step::person(Kind::Withdraw, victim).amount(minor).rig(rig).factors(2));
    }
}
