//! Many small transfers gather in one account, which is emptied as soon as they are there. Patient mules spread them
//! over hours and withdraw in parts, much as somebody who collects for a dinner.

use wire::Kind;

use super::Campaign;
use crate::merchants::price_minor;
use crate::step::{Party, Step};

pub(super) fn run(campaign: &mut Campaign<'_>) {
    let mule = campaign.world.people.sleepers(1, &mut campaign.world.draw)[0];
    let senders = campaign.world.draw.between(15, 40) as usize;
    let senders = campaign.world.people.sleepers(senders + 1, &mut campaign.world.draw);
    let median_yuan = campaign.by_craft(180.0, 150.0, 90.0);
    let mut at_ms = campaign.at_ms;
    let mut gathered_minor = 0;
    for &sender in senders.iter().filter(|&&sender| sender != mule) {
        let yuan = campaign.world.draw.skewed(median_yuan, 0.4);
        let minor = price_minor(yuan, &mut campaign.world.draw);
        gathered_minor += minor;
        let mut step = Step::person(Kind::Transfer, sender).to(Party::Person(mule)).amount(minor);
        if campaign.by_craft(false, true, true) {
            step = step.text(campaign.by_craft("", "货款", "AA"));
        }
        campaign.act(at_ms, step);
        at_ms += campaign.pause_ms(8.0, 70.0, 500.0);
    }
    let parts = campaign.by_craft(1, 2, 5);
    for _ in 0..parts {
        at_ms += campaign.pause_ms(60.0, 600.0, 3000.0);
        let minor = gathered_minor * 95 / 100 / parts;
        campaign.act(at_ms, Step::person(Kind::Withdraw, mule).amount(minor).factors(2));
    }
}
