//! A step: an event that is planned but not due. Small, because many wait; it becomes a check when its time comes.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use uuid::Uuid;
use wire::{Geo, Kind};

use crate::handset::Handset;
use crate::label::{Attack, Craft, Label};
use crate::merchants::MerchantId;
use crate::people::PersonId;

/// Who acts or receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Party {
    Person(PersonId),
    Merchant(MerchantId),
}

/// A minted packet, shared by all steps about it.
#[derive(Debug)]
pub(crate) struct Packet {
    pub id: Uuid,
    pub issuer: Party,
    /// Sealed token; empty when nobody seals.
    pub token: String,
    pub channel: &'static str,
    /// Number of the marketing campaign; 0 for none.
    pub campaign: u16,
    pub expires_ms: i64,
}

/// Which token goes with a packet's step.
#[derive(Clone, Debug)]
pub(crate) enum TokenUse {
    None,
    /// The packet's own.
    Genuine,
    /// Another packet's.
    Borrowed(Arc<Packet>),
    /// Bytes that nobody sealed.
    Forged,
    /// The packet's own with one character changed.
    Bent,
}

/// Device, network and place that an attacker chose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rig {
    pub handset: Handset,
    pub ip: IpAddr,
    pub geo: Option<Geo>,
}

/// How much a money event is likely to go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nearly always settles.
    Usual,
    /// Fails more often than not: stolen cards, empty accounts.
    Doubtful,
}

#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub kind: Kind,
    pub who: Party,
    /// Absent: the person's own handset, network and place at that time.
    pub rig: Option<Rig>,
    /// Absent: the person's usual tablet or phone. Only with an absent rig.
    pub tablet: bool,
    pub counterparty: Option<Party>,
    pub amount_minor: Option<i64>,
    pub packet: Option<Arc<Packet>>,
    pub token: TokenUse,
    pub code: Option<MerchantId>,
    /// Whether the code's checksum was broken by whoever edited it.
    pub code_broken: bool,
    pub channel: &'static str,
    pub campaign: u16,
    pub utm: &'static str,
    pub inviter: Option<PersonId>,
    pub factors: u8,
    pub text: Cow<'static, str>,
    pub fate: Fate,
    pub label: Label,
    pub craft: Option<Craft>,
}

impl Step {
    pub fn new(kind: Kind, who: Party) -> Step {
        Step {
            kind,
            who,
            rig: None,
            tablet: false,
            counterparty: None,
            amount_minor: None,
            packet: None,
            token: TokenUse::None,
            code: None,
            code_broken: false,
            channel: "",
            campaign: 0,
            utm: "",
            inviter: None,
            factors: 1,
            text: Cow::Borrowed(""),
            fate: Fate::Usual,
            label: Label::Honest,
            craft: None,
        }
    }

    pub fn person(kind: Kind, who: PersonId) -> Step {
        Step::new(kind, Party::Person(who))
    }

    pub fn to(mut self, party: Party) -> Step {
        self.counterparty = Some(party);
        self
    }

    pub fn amount(mut self, minor: i64) -> Step {
        self.amount_minor = Some(minor.clamp(1, wire::limits::AMOUNT_MINOR_MAX));
        self
    }

    /// About that packet, with its own token, channel and campaign.
    pub fn packet(mut self, packet: &Arc<Packet>) -> Step {
        self.channel = packet.channel;
        self.campaign = packet.campaign;
        self.packet = Some(Arc::clone(packet));
        if self.kind != Kind::Mint {
            self.token = TokenUse::Genuine;
        }
        if self.kind == Kind::Claim {
            self.counterparty = Some(packet.issuer);
        }
        self
    }

    pub fn token(mut self, token: TokenUse) -> Step {
        self.token = token;
        self
    }

    pub fn code(mut self, merchant: MerchantId) -> Step {
        self.code = Some(merchant);
        self
    }

    pub fn channel(mut self, channel: &'static str) -> Step {
        self.channel = channel;
        self
    }

    pub fn rig(mut self, rig: Rig) -> Step {
        self.rig = Some(rig);
        self
    }

    pub fn factors(mut self, factors: u8) -> Step {
        self.factors = factors;
        self
    }

    pub fn text(mut self, text: &'static str) -> Step {
        self.text = Cow::Borrowed(text);
        self
    }

    pub fn invited_by(mut self, inviter: PersonId) -> Step {
        self.inviter = Some(inviter);
        self
    }

    pub fn doubtful(mut self) -> Step {
        self.fate = Fate::Doubtful;
        self
    }

    pub fn part_of(mut self, attack: Attack, craft: Craft) -> Step {
        self.label = Label::Attack(attack);
        self.craft = Some(craft);
        self
    }
}
