//! Organised attackers. A campaign is one attack of one craft; each kind is a file of its own.

mod account_takeover;
mod bonus_cash_out;
mod card_testing;
mod credential_stuffing;
mod device_farm;
mod geo_spoof;
mod invite_ring;
mod mule_fan_in;
mod packet_sniping;
mod qr_swap;
mod scam_transfer;
mod stolen_print;
mod structuring;
mod token_forgery;

use std::net::IpAddr;

use wire::Geo;

use crate::handset::Handset;
use crate::label::{Attack, Craft};
use crate::network;
use crate::places::{self, Spot};
use crate::step::Step;
use crate::world::World;

/// How many events each kind has made: the next campaign is of the kind furthest behind its share, so that even
/// short streams hold every kind.
#[derive(Default)]
pub(crate) struct Attacks {
    made: [u32; Attack::ALL.len()],
}

impl Attacks {
    /// Plans one campaign and returns the number of its attack events.
    pub fn start(&mut self, world: &mut World, at_ms: i64) -> u32 {
        let attack = self.furthest_behind(world);
        let craft = match world.draw.unit() {
            luck if luck < 0.45 => Craft::Crude,
            luck if luck < 0.80 => Craft::Careful,
            _ => Craft::Patient,
        };
        let mut campaign = Campaign { world, attack, craft, at_ms, events: 0 };
        run(&mut campaign);
        let events = campaign.events;
        self.made[attack as usize] += events;
        events
    }

    fn furthest_behind(&self, world: &mut World) -> Attack {
        let mut chosen = (f64::INFINITY, Attack::DeviceFarm);
        for &attack in Attack::ALL {
            // A third of a typical campaign of chance keeps the order from repeating.
            let made = f64::from(self.made[attack as usize]) + 15.0 * world.draw.unit();
            let progress = made / attack.facts().weight;
            if progress < chosen.0 {
                chosen = (progress, attack);
            }
        }
        chosen.1
    }
}

fn run(campaign: &mut Campaign<'_>) {
    match campaign.attack {
        Attack::DeviceFarm => device_farm::run(campaign),
        Attack::PacketSniping => packet_sniping::run(campaign),
        Attack::AccountTakeover => account_takeover::run(campaign),
        Attack::MuleFanIn => mule_fan_in::run(campaign),
        Attack::Structuring => structuring::run(campaign),
        Attack::CardTesting => card_testing::run(campaign),
        Attack::TokenForgery => token_forgery::run(campaign),
        Attack::StolenPrint => stolen_print::run(campaign),
        Attack::InviteRing => invite_ring::run(campaign),
        Attack::ScamTransfer => scam_transfer::run(campaign),
        Attack::GeoSpoof => geo_spoof::run(campaign),
        Attack::CredentialStuffing => credential_stuffing::run(campaign),
        Attack::BonusCashOut => bonus_cash_out::run(campaign),
        Attack::QrSwap => qr_swap::run(campaign),
    }
}

/// One attack under way.
pub(crate) struct Campaign<'w> {
    world: &'w mut World,
    attack: Attack,
    craft: Craft,
    at_ms: i64,
    events: u32,
}

impl Campaign<'_> {
    /// Plans one labelled event of this attack.
    fn act(&mut self, at_ms: i64, step: Step) {
        self.events += 1;
        self.world.plan(at_ms, step.part_of(self.attack, self.craft));
    }

    /// The value for this campaign's craft.
    fn by_craft<T: Copy>(&self, crude: T, careful: T, patient: T) -> T {
        match self.craft {
            Craft::Crude => crude,
            Craft::Careful => careful,
            Craft::Patient => patient,
        }
    }

    /// A pause of that mean, by craft, in seconds.
    fn pause_ms(&mut self, crude_s: f64, careful_s: f64, patient_s: f64) -> i64 {
        let mean_s = self.by_craft(crude_s, careful_s, patient_s);
        (self.world.draw.wait(mean_s) * 1000.0) as i64 + 1
    }

    fn serial(&mut self) -> u64 {
        self.world.draw.word()
    }

    /// A device as the attacker's means allow: an emulator, a rooted phone, a clean one.
    fn device(&mut self) -> Handset {
        let serial = self.serial();
        match self.craft {
            Craft::Crude => Handset::emulator(serial),
            Craft::Careful if self.world.draw.chance(0.5) => Handset::rooted(serial),
            _ => Handset::phone(serial),
        }
    }

    /// An address as the attacker's means allow: a rented server, a carrier's SIM card, a household's router.
    fn address(&mut self, city: u8) -> IpAddr {
        let word = self.serial();
        match self.craft {
            Craft::Crude => network::datacentre(word),
            Craft::Careful if self.world.draw.chance(0.3) => network::datacentre(word),
            Craft::Careful => network::mobile(city, word),
            Craft::Patient => network::home(word, word as u32, 0),
        }
    }

    fn any_city(&mut self) -> u8 {
        places::weighted(self.world.draw.unit())
    }

    /// A place in that city.
    fn place(&mut self, city: u8) -> Spot {
        let (north, east) = (self.world.draw.normal() * 5.0, self.world.draw.normal() * 5.0);
        Spot::near(city, north, east)
    }

    /// The place as the attacker's tool reports it; crude ones report none half of the time.
    fn shown(&mut self, spot: Spot) -> Option<Geo> {
        let hidden = self.by_craft(0.5, 0.1, 0.1);
        if self.world.draw.chance(hidden) { None } else { Some(spot.geo()) }
    }
}
