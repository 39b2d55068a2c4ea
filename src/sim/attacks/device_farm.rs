//! A rack of emulators or phones claims packets with many bought accounts. Careful farms reset fingerprints (the
//! hardware stays) and change gateways; patient ones use a clean phone for every two accounts, over hours.

use wire::Kind;

use super::Campaign;
use crate::honest::share_minor;
use crate::step::{Party, Rig, Step};

pub(super) fn run(campaign: &mut Campaign<'_>) {
    let accounts = campaign.world.draw.between(15, 45) as usize;
    let accounts = campaign.world.people.sleepers(accounts, &mut campaign.world.draw);
    let per_device = campaign.by_craft(30, 8, 2);
    let city = campaign.any_city();
    let spot = campaign.place(city);
    let issuer = campaign.world.people.anyone(&mut campaign.world.draw);
    let mut at_ms = campaign.at_ms;
    let packet = campaign.world.seal(at_ms, Party::Person(issuer), 20_000, "moments", 0);
    let mut rig = Rig { handset: campaign.device(), ip: campaign.address(city), geo: campaign.shown(spot) };
    for (index, &account) in accounts.iter().enumerate() {
        if index > 0 && index % per_device == 0 {
            let serial = campaign.serial();
            rig.handset.serial = serial;
            // Every third reset comes with another piece of hardware; a patient farm has one for each.
            if index % (per_device * campaign.by_craft(3, 3, 1)) == 0 {
                rig =
                    Rig { handset: campaign.device(), ip: campaign.address(city), geo: campaign.shown(spot) };
            }
        }
        let left = (accounts.len() - index) as i64;
        let minor = share_minor(300 * left, left, &mut campaign.world.draw);
        if campaign.by_craft(false, true, true) {
            campaign.act(at_ms, Step::person(Kind::Scan, account).packet(&packet).rig(rig));
            at_ms += campaign.world.draw.seconds(1.0, 5.0);
        }
        campaign.act(at_ms, Step::person(Kind::Claim, account).packet(&packet).amount(minor).rig(rig));
        at_ms += campaign.pause_ms(2.5, 40.0, 400.0);
    }
}
