//! The code on a shop's counter is pasted over: honest customers at an honest shop pay a stranger. Each of them is
//! as usual; only the receiver is new, and the code's checksum where the edit was clumsy.

use wire::Kind;

use super::Campaign;
use crate::step::{Party, Step};

pub(super) fn run(campaign: &mut Campaign<'_>) {
    let front = campaign.world.merchants.front(&mut campaign.world.draw);
    let shop = campaign.world.merchants.anywhere(&mut campaign.world.draw);
    let city = campaign.world.merchants.get(shop).city;
    let customers = campaign.world.draw.between(6, 20);
    let broken = campaign.by_craft(true, false, false);
    let mut at_ms = campaign.at_ms;
    let mut gathered_minor = 0;
    for _ in 0..customers {
        let customer = campaign.world.people.townsman(city, &mut campaign.world.draw);
        let wealth = f64::from(campaign.world.people.get(customer).wealth);
        let minor = campaign.world.merchants.ticket_minor(shop, wealth, &mut campaign.world.draw);
        gathered_minor += minor;
        let mut scan = Step::person(Kind::Scan, customer).code(front).channel("print");
        scan.code_broken = broken;
        campaign.act(at_ms, scan);
        let mut pay = Step::person(Kind::Pay, customer).to(Party::Merchant(front)).amount(minor).code(front);
        pay.code_broken = broken;
        let pay_ms = at_ms + campaign.world.draw.seconds(3.0, 25.0);
        campaign.act(pay_ms, pay.channel("print"));
        at_ms += campaign.pause_ms(60.0, 180.0, 600.0);
    }
    let out_ms = at_ms + campaign.pause_ms(120.0, 1800.0, 7200.0);
    campaign.act(out_ms, Step::new(Kind::Withdraw, Party::Merchant(front)).amount(gathered_minor).factors(2));
}
