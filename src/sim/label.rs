//! The truth about each event, which no daemon sees, and what becomes of it afterwards.

use wire::{Check, OutcomeKind};

/// One event with its truth.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What the gateway asks. Its time is always set.
    pub check: Check<'static>,
    /// Who is behind it.
    pub label: Label,
    /// How well the attack is made; absent on honest events.
    pub craft: Option<Craft>,
    /// Whether whoever acts would pass a challenge of face, voice, PIN or SMS.
    pub passes_challenge: bool,
    /// What becomes of the money if the event is let through; absent where no money is concerned.
    pub outcome: Option<FollowUp>,
    /// The label that arrives later, when a victim complains; most attacks are never reported in full.
    pub report: Option<FollowUp>,
}

/// News about an event, some time after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowUp {
    /// What happened.
    pub kind: OutcomeKind,
    /// Milliseconds after the event's time.
    pub delay_ms: i64,
}

/// The truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Label {
    /// A customer's own wish.
    Honest,
    /// Part of an attack.
    Attack(Attack),
}

/// How well an attack is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Craft {
    /// Fast, in bulk, with cheap tools: what simple rules are for.
    Crude,
    /// Slower, with better tools; shows in one or two features.
    Careful,
    /// Mimics customers, takes its time; hard by any means.
    Patient,
}

impl Craft {
    /// Every craft, the easiest to notice first.
    pub const ALL: &'static [Craft] = &[Craft::Crude, Craft::Careful, Craft::Patient];

    /// The name used in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Craft::Crude => "crude",
            Craft::Careful => "careful",
            Craft::Patient => "patient",
        }
    }
}

/// Kinds of attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Attack {
    /// Many accounts claim from few devices.
    DeviceFarm,
    /// Bots in chat groups claim right after the mint.
    PacketSniping,
    /// A stolen account is emptied from a strange device.
    AccountTakeover,
    /// Many small transfers gather in one account and leave at once.
    MuleFanIn,
    /// Sums just below the reporting threshold.
    Structuring,
    /// Rapid tiny payments that try stolen cards.
    CardTesting,
    /// Forged, expired or mismatched QR tokens.
    TokenForgery,
    /// A photographed print claimed by strangers far away.
    StolenPrint,
    /// Inviter and invited are one person.
    InviteRing,
    /// A deceived customer sends money away.
    ScamTransfer,
    /// Faked places collect geofenced rewards.
    GeoSpoof,
    /// Password lists tried on many accounts.
    CredentialStuffing,
    /// Rewards turned into money through a front shop.
    BonusCashOut,
    /// A shop's code pasted over with the attacker's.
    QrSwap,
}

/// What is known of a kind of attack beside its behaviour.
pub(crate) struct Facts {
    pub name: &'static str,
    /// Share among attack events.
    pub weight: f64,
    /// Chance to pass a challenge, by craft.
    pub passes: [f64; 3],
    /// Share of events that a victim reports.
    pub reported: f64,
}

impl Attack {
    /// Every kind.
    pub const ALL: &'static [Attack] = &[
        Attack::DeviceFarm,
        Attack::PacketSniping,
        Attack::AccountTakeover,
        Attack::MuleFanIn,
        Attack::Structuring,
        Attack::CardTesting,
        Attack::TokenForgery,
        Attack::StolenPrint,
        Attack::InviteRing,
        Attack::ScamTransfer,
        Attack::GeoSpoof,
        Attack::CredentialStuffing,
        Attack::BonusCashOut,
        Attack::QrSwap,
    ];

    /// The name used in reports.
    pub const fn name(self) -> &'static str {
        self.facts().name
    }

    pub(crate) const fn facts(self) -> Facts {
        const fn facts(name: &'static str, weight: f64, passes: [f64; 3], reported: f64) -> Facts {
            Facts { name, weight, passes, reported }
        }
        match self {
            Attack::DeviceFarm => facts("device_farm", 14.0, [0.02, 0.05, 0.2], 0.1),
            Attack::PacketSniping => facts("packet_sniping", 9.0, [0.02, 0.05, 0.2], 0.05),
            Attack::AccountTakeover => facts("account_takeover", 7.0, [0.05, 0.15, 0.35], 0.9),
            // Mules and structurers own their accounts: their own face is the right one.
            Attack::MuleFanIn => facts("mule_fan_in", 9.0, [0.7, 0.8, 0.9], 0.3),
            Attack::Structuring => facts("structuring", 3.0, [0.9, 0.9, 0.95], 0.2),
            Attack::CardTesting => facts("card_testing", 12.0, [0.02, 0.05, 0.1], 0.5),
            Attack::TokenForgery => facts("token_forgery", 7.0, [0.05, 0.1, 0.2], 0.3),
            Attack::StolenPrint => facts("stolen_print", 8.0, [0.3, 0.5, 0.7], 0.2),
            Attack::InviteRing => facts("invite_ring", 8.0, [0.05, 0.2, 0.4], 0.05),
            // The deceived customer acts in person and passes everything.
            Attack::ScamTransfer => facts("scam_transfer", 4.0, [0.95, 0.95, 0.97], 0.8),
            Attack::GeoSpoof => facts("geo_spoof", 5.0, [0.4, 0.6, 0.8], 0.05),
            Attack::CredentialStuffing => facts("credential_stuffing", 14.0, [0.0, 0.01, 0.02], 0.1),
            Attack::BonusCashOut => facts("bonus_cash_out", 7.0, [0.3, 0.5, 0.7], 0.05),
            Attack::QrSwap => facts("qr_swap", 5.0, [0.97, 0.97, 0.97], 0.6),
        }
    }
}
