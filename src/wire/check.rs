//! A check: one event of one account, asked about before it takes effect.

use std::borrow::Cow;
use std::net::IpAddr;

use uuid::Uuid;

/// Text borrowed from the bytes it was decoded from; owned only where JSON escapes had to be resolved.
pub type Text<'a> = Cow<'a, str>;

/// Defines a closed set of names: the enum, its wire codes, and its names in JSON and rules.
macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        // Sets that never cross the wire have no use for their codes.
        #[allow(dead_code)]
        impl $name {
            /// Every value, in the order of its code.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];

            /// The name used in JSON, rules and metrics.
            pub const fn name(self) -> &'static str {
                match self { $($name::$variant => $text,)+ }
            }

            /// The value of that name.
            pub fn from_name(name: &str) -> Option<$name> {
                match name { $($text => Some($name::$variant),)+ _ => None }
            }

            /// The value of that wire code.
            pub fn from_code(code: u8) -> Option<$name> {
                Self::ALL.get(usize::from(code)).copied()
            }

            /// The wire code.
            pub const fn code(self) -> u8 {
                self as u8
            }
        }

        impl $crate::check::Named for $name {
            const ALL: &'static [$name] = $name::ALL;

            fn name(self) -> &'static str {
                $name::name(self)
            }

            fn from_name(name: &str) -> Option<$name> {
                $name::from_name(name)
            }

            fn index(self) -> usize {
                self as usize
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}
pub(crate) use names;

/// A closed set of names, for code that reads any of them.
pub(crate) trait Named: Copy + 'static {
    const ALL: &'static [Self];
    fn name(self) -> &'static str;
    fn from_name(name: &str) -> Option<Self>;
    fn index(self) -> usize;
}

names! {
    /// What the account is about to do.
    Kind {
        /// Issue a red packet or QR code.
        Mint = "mint",
        /// Scan a code.
        Scan = "scan",
        /// Take money out of a packet.
        Claim = "claim",
        /// Pay a merchant.
        Pay = "pay",
        /// Send money to another account.
        Transfer = "transfer",
        /// Move money out to a bank.
        Withdraw = "withdraw",
        /// Sign in.
        Login = "login",
        /// Bind a device, card or phone to the account.
        Bind = "bind",
    }
}

names! {
    /// What sort of device the event comes from.
    DeviceClass {
        /// A handset; the default.
        Phone = "phone",
        /// A merchant's terminal.
        Pos = "pos",
        /// An unattended kiosk.
        Kiosk = "kiosk",
        /// A vehicle.
        Car = "car",
        /// Any other connected scanner.
        Iot = "iot",
    }
}

/// The device of a check. An empty text is an absent one.
#[derive(Clone, Debug, PartialEq)]
pub struct Device<'a> {
    /// The fingerprint.
    pub id: Text<'a>,
    /// IMEI, where the platform gives it.
    pub imei: Text<'a>,
    /// MAC address, where the platform gives it.
    pub mac: Text<'a>,
    /// Operating system and version.
    pub os: Text<'a>,
    /// Hardware model.
    pub model: Text<'a>,
    /// Version of the calling app.
    pub app: Text<'a>,
    /// Whether the app found itself in an emulator.
    pub emulator: bool,
    /// Whether the system is rooted or jailbroken.
    pub rooted: bool,
    /// Sort of device.
    pub class: DeviceClass,
}

impl Default for Device<'_> {
    fn default() -> Self {
        let none = Text::Borrowed("");
        Device {
            id: none.clone(),
            imei: none.clone(),
            mac: none.clone(),
            os: none.clone(),
            model: none.clone(),
            app: none,
            emulator: false,
            rooted: false,
            class: DeviceClass::Phone,
        }
    }
}

/// A place in degrees, WGS 84; finite and within ±90, ±180.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Geo {
    /// Latitude in degrees north.
    pub lat: f64,
    /// Longitude in degrees east.
    pub lon: f64,
}

/// Site-specific fields by name, declared in the policy's `schema`.
pub type Ext<'a> = Vec<(Text<'a>, ExtValue<'a>)>;

/// Value of a site-specific field.
#[derive(Clone, Debug, PartialEq)]
pub enum ExtValue<'a> {
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A finite decimal number.
    Double(f64),
    /// Text of at most [`crate::limits::TEXT_BYTES_MAX`] bytes.
    Text(Text<'a>),
}

/// One event of one account. Decoding has checked every bound of [`crate::limits`]; an empty text is an absent one.
#[derive(Clone, Debug, PartialEq)]
pub struct Check<'a> {
    /// Idempotency key, 1 to 64 bytes.
    pub id: Text<'a>,
    /// What is about to happen.
    pub kind: Kind,
    /// Event time in Unix milliseconds; absent means arrival.
    pub time_ms: Option<i64>,
    /// Who acts, 1 to 64 bytes.
    pub account: Text<'a>,
    /// Issuer of the packet on claim, payee on pay and transfer.
    pub counterparty: Text<'a>,
    /// The device.
    pub device: Device<'a>,
    /// Network address.
    pub ip: Option<IpAddr>,
    /// Place.
    pub geo: Option<Geo>,
    /// Amount in minor units, 0 to [`crate::limits::AMOUNT_MINOR_MAX`].
    pub amount_minor: Option<i64>,
    /// ISO 4217 code in capitals.
    pub currency: [u8; 3],
    /// The red packet's id.
    pub packet: Option<Uuid>,
    /// Sealed QR token.
    pub token: Text<'a>,
    /// Raw EMVCo payload.
    pub qr: Text<'a>,
    /// How the code spread: chat, moments, print …
    pub channel: Text<'a>,
    /// Marketing campaign.
    pub campaign: Text<'a>,
    /// Account that invited this one.
    pub inviter: Text<'a>,
    /// UTM source.
    pub utm: Text<'a>,
    /// Real-name tier, 0 to 3.
    pub kyc: Option<u8>,
    /// Authentication factors passed, 0 to 3.
    pub factors: Option<u8>,
    /// Face match, 0 to 1.
    pub face: Option<f64>,
    /// Voice match, 0 to 1.
    pub voice: Option<f64>,
    /// Greeting or memo.
    pub text: Text<'a>,
    /// Site-specific fields.
    pub ext: Ext<'a>,
    /// The caller's deadline for the answer, in microseconds.
    pub budget_us: Option<u32>,
}

impl<'a> Check<'a> {
    /// A check with the three fields every check must have; the rest absent, currency CNY.
    pub fn new(id: impl Into<Text<'a>>, kind: Kind, account: impl Into<Text<'a>>) -> Check<'a> {
        let none = Text::Borrowed("");
        Check {
            id: id.into(),
            kind,
            time_ms: None,
            account: account.into(),
            counterparty: none.clone(),
            device: Device::default(),
            ip: None,
            geo: None,
            amount_minor: None,
            currency: *b"CNY",
            packet: None,
            token: none.clone(),
            qr: none.clone(),
            channel: none.clone(),
            campaign: none.clone(),
            inviter: none.clone(),
            utm: none.clone(),
            kyc: None,
            factors: None,
            face: None,
            voice: None,
            text: none,
            ext: Vec::new(),
            budget_us: None,
        }
    }
}
