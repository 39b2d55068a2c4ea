//! One large sum moved in pieces, each just below the 50,000 yuan that are reported. Careful ones vary the pieces;
//! patient ones take more and smaller pieces over a day and mix transfers with withdrawals.

use wire::Kind;

use super::Campaign;
use crate::step::{Party, Step};

/// The reporting threshold, in minor units.
const REPORTED_MINOR: i64 = 5_000_000;

pub(super) fn run(campaign: &mut Campaign<'_>) {
    // The account is a real customer's, well verified: a business with something to hide.
    let owner = campaign.world.people.anyone(&mut campaign.world.draw);
    let receivers = campaign.world.people.sleepers(6, &mut campaign.world.draw);
    let pieces = campaign.world.draw.between(4, 8) as usize;
    let mut at_ms = campaign.at_ms;
    for piece in 0..pieces {
        let (low, high) = campaign.by_craft((990, 999), (880, 995), (480, 900));
        let thousandths = campaign.world.draw.between(low, high);
        let minor = REPORTED_MINOR / 1000 * thousandths;
        let step = if campaign.by_craft(false, piece % 3 == 2, piece % 2 == 1) {
            Step::person(Kind::Withdraw, owner)
        } else {
            let receiver = receivers[piece % campaign.by_craft(1, 3, 6)];
            Step::person(Kind::Transfer, owner).to(Party::Person(receiver)).text("货款")
        };
        campaign.act(at_ms, step.amount(minor).factors(3));
        at_ms += campaign.pause_ms(300.0, 2400.0, 7200.0);
    }
}
