//! Everything sessions and attacks act on: the people, the shops, the agenda, and chance.

use std::sync::Arc;

use uuid::Uuid;
use wire::Kind;

use crate::agenda::Agenda;
use crate::clock;
use crate::config::{Config, PENDING_PER_ACCOUNT};
use crate::draw::{Draw, hash};
use crate::merchants::{Merchants, merchant_name};
use crate::people::{People, PersonId};
use crate::spending::Spending;
use crate::step::{Packet, Party, Step};
use crate::token::{TokenRequest, TokenSource};

/// A code is valid for a day, as red packets are.
const PACKET_VALID_MS: i64 = clock::DAY_MS;

pub(crate) struct World {
    pub draw: Draw,
    pub people: People,
    pub merchants: Merchants,
    pub spending: Spending,
    pub agenda: Agenda,
    pub tokens: Option<Box<dyn TokenSource + Send>>,
    pub festival: Option<i64>,
    campaigns: u16,
}

impl World {
    pub fn new(config: &Config) -> World {
        World {
            draw: Draw::new(hash(config.seed, 0x5eed)),
            people: People::new(config.seed, config.accounts),
            merchants: Merchants::new(config.seed, config.accounts),
            spending: Spending::default(),
            agenda: Agenda::new((config.accounts as usize * PENDING_PER_ACCOUNT).max(1 << 14)),
            tokens: None,
            festival: config.festival_day.map(|day| clock::day(config.start_ms) + i64::from(day)),
            campaigns: 0,
        }
    }

    /// Plans a step. A full agenda drops it: memory is bounded before fidelity.
    pub fn plan(&mut self, at_ms: i64, step: Step) {
        self.agenda.plan(at_ms, step);
    }

    pub fn name(&self, party: Party) -> String {
        match party {
            Party::Person(who) => self.people.name(who),
            Party::Merchant(id) => merchant_name(id),
        }
    }

    /// A version-7 id of that moment.
    pub fn id(&mut self, at_ms: i64) -> Uuid {
        let mut random = [0; 10];
        random[..8].copy_from_slice(&self.draw.word().to_le_bytes());
        random[8..].copy_from_slice(&(self.draw.word() as u16).to_le_bytes());
        uuid::Builder::from_unix_timestamp_millis(at_ms as u64, &random).into_uuid()
    }

    pub fn new_campaign(&mut self) -> u16 {
        self.campaigns = self.campaigns % 9999 + 1;
        self.campaigns
    }

    /// A packet with its sealed token. The caller plans the mint itself.
    pub fn seal(
        &mut self,
        at_ms: i64,
        issuer: Party,
        amount_minor: i64,
        channel: &'static str,
        campaign: u16,
    ) -> Arc<Packet> {
        let id = self.id(at_ms);
        let expires_ms = at_ms + PACKET_VALID_MS;
        let name = self.name(issuer);
        let token = self.tokens.as_mut().map_or_else(String::new, |source| {
            source.seal(&TokenRequest {
                packet: id,
                issuer: &name,
                amount_minor,
                issued_ms: at_ms,
                expires_ms,
            })
        });
        Arc::new(Packet { id, issuer, token, channel, campaign, expires_ms })
    }

    /// Mints a packet: the honest step and the packet that others scan and claim.
    pub fn mint(
        &mut self,
        at_ms: i64,
        issuer: Party,
        amount_minor: i64,
        channel: &'static str,
        text: &'static str,
        campaign: u16,
    ) -> Arc<Packet> {
        let packet = self.seal(at_ms, issuer, amount_minor, channel, campaign);
        let step = Step::new(Kind::Mint, issuer).packet(&packet).amount(amount_minor).text(text).factors(2);
        self.plan(at_ms, step);
        packet
    }

    /// A scan and, some seconds later, a claim.
    pub fn scan_and_claim(&mut self, at_ms: i64, who: PersonId, packet: &Arc<Packet>, amount_minor: i64) {
        self.plan(at_ms, Step::person(Kind::Scan, who).packet(packet));
        let later_ms = at_ms + self.draw.seconds(1.0, 8.0);
        self.plan(later_ms, Step::person(Kind::Claim, who).packet(packet).amount(amount_minor));
    }
}
