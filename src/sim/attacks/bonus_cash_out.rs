//! Rewards turned into money: bought accounts pay a front shop with coupons, the shop withdraws and shares. Patient
//! rings pay odd sums over hours and buy at honest shops in between.

use wire::Kind;

use super::Campaign;
use crate::merchants::price_minor;
use crate::step::{Party, Rig, Step};

pub(super) fn run(campaign: &mut Campaign<'_>) {
    let front = campaign.world.merchants.front(&mut campaign.world.draw);
    let accounts = campaign.world.draw.between(8, 20) as usize;
    let accounts = campaign.world.people.sleepers(accounts, &mut campaign.world.draw);
    let city = campaign.world.merchants.get(front).city;
    let spot = campaign.place(city);
    let number = campaign.world.new_campaign();
    let ip = campaign.address(city);
    let per_device = campaign.by_craft(10, 3, 1);
    let mut rig = Rig { handset: campaign.device(), ip, geo: Some(spot.geo()) };
    let mut at_ms = campaign.at_ms;
    let mut gathered_minor = 0;
    for (index, &account) in accounts.iter().enumerate() {
        if index > 0 && index % per_device == 0 {
            rig = Rig { handset: campaign.device(), ip, geo: Some(spot.geo()) };
        }
        let odd_yuan = 22.0 + 45.0 * campaign.world.draw.unit();
        let odd_minor = price_minor(odd_yuan, &mut campaign.world.draw);
        let minor = campaign.by_craft(9900, 8000, odd_minor);
        gathered_minor += minor;
        let mut pay = Step::person(Kind::Pay, account).to(Party::Merchant(front)).amount(minor).rig(rig);
        pay.campaign = number;
        campaign.act(at_ms, pay.code(front).channel("print"));
        if campaign.by_craft(false, false, index % 3 == 0) {
            // Cover: a real purchase, harming nobody, and labelled so.
            let shop = campaign.world.merchants.in_city(city, &mut campaign.world.draw);
            let minor = campaign.world.merchants.ticket_minor(shop, 1.0, &mut campaign.world.draw);
            let cover_ms = at_ms + campaign.world.draw.minutes(2.0, 30.0);
            let step = Step::person(Kind::Pay, account).to(Party::Merchant(shop)).amount(minor).rig(rig);
            campaign.world.plan(cover_ms, step);
        }
        at_ms += campaign.pause_ms(10.0, 120.0, 1200.0);
    }
    let out_ms = at_ms + campaign.pause_ms(60.0, 900.0, 7200.0);
    campaign.act(
        out_ms,
        Step::new(Kind::Withdraw, Party::Merchant(front)).amount(gathered_minor * 9 / 10).factors(2),
    );
}
