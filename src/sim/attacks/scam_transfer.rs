//! A customer is talked into sending money: own phone, own face, usual place. What shows is the sum, the hour, the
//! new receiver and the words; patient callers dictate harmless words and ordinary hours.

use wire::Kind;

use super::Campaign;
use crate::clock;
use crate::merchants::price_minor;
use crate::phrases::{SCAM_CLEAN, SCAM_DISGUISED, SCAM_PLAIN};
use crate::step::{Party, Step};

pub(super) fn run(campaign: &mut Campaign<'_>) {
    for _ in 0..campaign.world.draw.between(2, 5) {
        let victim = campaign.world.people.anyone(&mut campaign.world.draw);
        deceive(campaign, victim);
    }
}

fn deceive(campaign: &mut Campaign<'_>, victim: u32) {
    let receiver = campaign.world.people.sleepers(1, &mut campaign.world.draw)[0];
    let spread_ms = campaign.world.draw.minutes(0.0, 90.0);
    let mut at_ms = campaign.at_ms + spread_ms;
    // A call late at night finds people alone; it is not worth waiting more than a few hours for.
    let night_ms = clock::next_hour(at_ms, 22.5);
    if campaign.by_craft(true, false, false) && night_ms - at_ms < 4 * clock::HOUR_MS {
        at_ms = night_ms + spread_ms;
    }
    let text = match campaign.by_craft(0, 1, 2) {
        0 => campaign.world.draw.pick(&SCAM_PLAIN),
        1 => campaign.world.draw.pick(&SCAM_DISGUISED),
        _ => campaign.world.draw.pick(&SCAM_CLEAN),
    };
    let wealth = f64::from(campaign.world.people.get(victim).wealth);
    let median = campaign.by_craft(6000.0, 4000.0, 1500.0);
    // A small sum first, to win trust; then what the account holds.
    let probe_minor = price_minor(50.0 + 150.0 * campaign.world.draw.unit(), &mut campaign.world.draw);
    let payment =
        |minor| Step::person(Kind::Transfer, victim).to(Party::Person(receiver)).amount(minor).text(text);
    campaign.act(at_ms, payment(probe_minor));
    for _ in 0..campaign.world.draw.between(1, 3) {
        at_ms += campaign.pause_ms(240.0, 900.0, 5400.0);
        let yuan = campaign.world.draw.skewed(median, 0.5) * wealth;
        let minor = price_minor(yuan, &mut campaign.world.draw);
        campaign.act(at_ms, payment(minor).factors(2));
    }
}
