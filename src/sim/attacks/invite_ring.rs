//! Invite-to-earn abused: one person invites the own bought accounts and collects the newcomers' rewards. Crude rings
//! use one phone; careful ones chain the invitations; patient ones have a phone for each, but one home.

use wire::Kind;

use super::Campaign;
use crate::step::{Party, Rig, Step};

pub(super) fn run(campaign: &mut Campaign<'_>) {
    let members = campaign.world.draw.between(8, 25) as usize;
    let members = campaign.world.people.sleepers(members, &mut campaign.world.draw);
    let city = campaign.any_city();
    let spot = campaign.place(city);
    let shop = campaign.world.merchants.anywhere(&mut campaign.world.draw);
    let number = campaign.world.new_campaign();
    let packet = campaign.world.seal(campaign.at_ms, Party::Merchant(shop), 20_000, "chat", number);
    let base = Rig { handset: campaign.device(), ip: campaign.address(city), geo: Some(spot.geo()) };
    let per_device = campaign.by_craft(members.len(), 4, 1);
    let mut rig = base;
    let mut at_ms = campaign.at_ms;
    for (index, &invited) in members.iter().enumerate().skip(1) {
        if index % per_device == 0 {
            rig = Rig { handset: campaign.device(), ..base };
        }
        // A star around the first, a chain, or a tree with three branches.
        let inviter = members[campaign.by_craft(0, index - 1, index / 3)];
        let mut login = Step::person(Kind::Login, invited).rig(rig);
        login.utm = "invite";
        campaign.act(at_ms, login);
        at_ms += campaign.world.draw.seconds(3.0, 20.0);
        let minor = campaign.world.draw.between(500, 1000);
        let mut claim = Step::person(Kind::Claim, invited).packet(&packet).amount(minor);
        claim.utm = "invite";
        campaign.act(at_ms, claim.rig(rig).invited_by(inviter));
        at_ms += campaign.pause_ms(5.0, 90.0, 900.0);
    }
}
