//! The one table of a check's fields.
//!
//! JSON, frames, bounds, canonical forms, list keys, rule-file tests, the engine's columns and the tables in `docs/` follow
//! from these rows, or are held against them by a test. A new field is one row here and its meaning in the engine.

use crate::check::{Check, Geo};
use crate::form::{FieldValue, Form, Held};

/// The object that a field stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// The check itself.
    Check,
    /// `device`.
    Device,
    /// `geo`: both of its fields or neither.
    Geo,
    /// `biometric`.
    Biometric,
}

impl Group {
    /// The objects within a check.
    pub const NESTED: [Group; 3] = [Group::Device, Group::Geo, Group::Biometric];

    /// Its key in a check; empty for the check itself.
    pub const fn name(self) -> &'static str {
        match self {
            Group::Check => "",
            Group::Device => "device",
            Group::Geo => "geo",
            Group::Biometric => "biometric",
        }
    }
}

/// What it means that a check does not have a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// The check is refused.
    Refused,
    /// The time of arrival.
    Arrival,
    /// Empty text.
    Empty,
    /// Nothing is known; a rule reads the missing value of the feature table.
    Unknown,
    /// `false`.
    False,
    /// `phone`.
    Phone,
    /// `CNY`.
    Cny,
}

impl Absent {
    /// As the documentation says it.
    pub const fn words(self) -> &'static str {
        match self {
            Absent::Refused => "refused",
            Absent::Arrival => "arrival",
            Absent::Empty => "empty",
            Absent::Unknown => "unknown",
            Absent::False => "`false`",
            Absent::Phone => "`phone`",
            Absent::Cny => "`CNY`",
        }
    }
}

/// Where a binary frame holds a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// In the head of every item.
    Head,
    /// Of fixed size, present if this bit is set. An address takes the next bit too, for IPv6.
    Bit(u32),
    /// That place among the texts.
    Text(usize),
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// The object that it stands in.
    pub group: Group,
    /// Its key in that object.
    pub name: &'static str,
    /// Its path, as errors and rules write it.
    pub path: &'static str,
    /// How its values are written and bounded.
    pub form: Form,
    /// What absence means.
    pub absent: Absent,
    /// Where frames hold it.
    pub at: At,
    /// What it says.
    pub doc: &'static str,
}

/// Takes what a check says, field by field. Absent fields are not visited, and flags only where they are set.
pub trait Visit {
    /// A text, a kind, class or currency by its name.
    fn text(&mut self, field: Field, text: &str);
    /// A whole number; a flag is 1.
    fn whole(&mut self, field: Field, number: i64);
    /// A finite number.
    fn decimal(&mut self, field: Field, number: f64);
    /// An address or a UUID, by its bits.
    fn bits(&mut self, field: Field, bits: u128);
}

macro_rules! check_fields {
    (@path Check $name:literal) => { $name };
    (@path Device $name:literal) => { concat!("device.", $name) };
    (@path Geo $name:literal) => { concat!("geo.", $name) };
    (@path Biometric $name:literal) => { concat!("biometric.", $name) };

    (@get $check:ident geo . $part:ident) => {
        $check.geo.map_or(FieldValue::Absent, |geo| FieldValue::Decimal(geo.$part))
    };
    (@get $check:ident $($place:tt)+) => { $check.$($place)+.value() };

    (@visit $check:ident $visitor:ident $variant:ident geo . $part:ident) => {
        if let Some(geo) = $check.geo {
            $visitor.decimal(Field::$variant, geo.$part);
        }
    };
    (@visit $check:ident $visitor:ident $variant:ident $($place:tt)+) => {
        $check.$($place)+.visit(Field::$variant, $visitor)
    };

    (@text $check:ident geo . $part:ident) => { "" };
    (@text $check:ident $($place:tt)+) => { $check.$($place)+.text() };

    // One half of a place is there before the other; the readers demand both.
    (@set $check:ident $value:ident geo . $part:ident) => {
        match $value {
            FieldValue::Decimal(degrees) => {
                $check.geo.get_or_insert(Geo { lat: f64::NAN, lon: f64::NAN }).$part = degrees;
            }
            _ => debug_assert!(false, "a place holds numbers"),
        }
    };
    (@set $check:ident $value:ident $($place:tt)+) => { $check.$($place)+.hold($value) };

    ($($variant:ident = $group:ident $name:literal, $form:ident, [$($place:tt)+], $at:expr, $absent:ident, $doc:literal;)+) => {
        /// A field of a check, without `ext`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Field { $(#[doc = $doc] $variant,)+ }

        impl Field {
            /// Every field, in the order in which JSON is written.
            pub const ALL: &'static [Field] = &[$(Field::$variant,)+];

            const SPECS: &'static [Spec] = &[$(Spec {
                group: Group::$group,
                name: $name,
                path: check_fields!(@path $group $name),
                form: Form::$form,
                absent: Absent::$absent,
                at: $at,
                doc: $doc,
            },)+];

            /// The field of that key in that object.
            pub fn in_group(group: Group, name: &str) -> Option<Field> {
                match (group, name) {
                    $((Group::$group, $name) => Some(Field::$variant),)+
                    _ => None,
                }
            }

            /// The field of that path, such as `device.os`.
            pub fn from_path(path: &str) -> Option<Field> {
                match path {
                    $(check_fields!(@path $group $name) => Some(Field::$variant),)+
                    _ => None,
                }
            }

            /// What a check says in this field.
            #[inline]
            pub fn of<'c>(self, check: &'c Check<'_>) -> FieldValue<'c> {
                match self { $(Field::$variant => check_fields!(@get check $($place)+),)+ }
            }

            /// Visits what a check says in every field that it has: unrolled, each field by the method of its type.
            #[inline(always)]
            pub fn visit(check: &Check<'_>, visitor: &mut impl Visit) {
                $(check_fields!(@visit check visitor $variant $($place)+);)+
            }

            /// The text of a field that is held as text; empty for any other.
            #[inline(always)]
            pub fn text<'c>(self, check: &'c Check<'_>) -> &'c str {
                match self { $(Field::$variant => check_fields!(@text check $($place)+),)+ }
            }

            /// Puts a value of this field's form into a check.
            #[inline]
            pub fn put<'a>(self, check: &mut Check<'a>, value: FieldValue<'a>) {
                match self { $(Field::$variant => check_fields!(@set check value $($place)+),)+ }
            }
        }
    };
}

use At::{Bit, Head, Text};

#[rustfmt::skip]
check_fields! {
    Id           = Check "id",           Id,         [id],              Text(0),  Refused, "idempotency key";
    Kind         = Check "kind",         Kind,       [kind],            Head,     Refused, "what is about to happen";
    Time         = Check "time",         Time,       [time_ms],         Bit(0),   Arrival, "event time";
    Account      = Check "account",      Identifier, [account],         Text(1),  Refused, "who acts";
    Counterparty = Check "counterparty", Identifier, [counterparty],    Text(2),  Empty,   "issuer of the packet on claim, payee on pay and transfer";
    DeviceId     = Device "id",          Identifier, [device.id],       Text(3),  Empty,   "device fingerprint";
    DeviceImei   = Device "imei",        Imei,       [device.imei],     Text(4),  Empty,   "IMEI or MEID of the device";
    DeviceMac    = Device "mac",         Mac,        [device.mac],      Text(5),  Empty,   "MAC address of the device";
    DeviceOs     = Device "os",          Identifier, [device.os],       Text(6),  Empty,   "operating system and version of the device";
    DeviceModel  = Device "model",       Identifier, [device.model],    Text(7),  Empty,   "hardware model of the device";
    DeviceApp    = Device "app",         Identifier, [device.app],      Text(8),  Empty,   "version of the calling app";
    DeviceEmulator = Device "emulator",  Flag,       [device.emulator], Bit(13),  False,   "the app found itself in an emulator";
    DeviceRooted = Device "rooted",      Flag,       [device.rooted],   Bit(14),  False,   "the system is rooted or jailbroken";
    DeviceClass  = Device "class",       Class,      [device.class],    Bit(12),  Phone,   "sort of device";
    Ip           = Check "ip",           Address,    [ip],              Bit(3),   Unknown, "network address";
    Lat          = Geo "lat",            Latitude,   [geo.lat],         Bit(5),   Unknown, "latitude, degrees WGS 84";
    Lon          = Geo "lon",            Longitude,  [geo.lon],         Bit(5),   Unknown, "longitude, degrees WGS 84";
    Amount       = Check "amount",       Money,      [amount_minor],    Bit(1),   Unknown, "amount of money";
    Currency     = Check "currency",     Currency,   [currency],        Bit(2),   Cny,     "currency of the amount";
    Packet       = Check "packet",       Packet,     [packet],          Bit(6),   Unknown, "the red packet's id";
    Token        = Check "token",        Token,      [token],           Text(9),  Empty,   "sealed QR token";
    Qr           = Check "qr",           Qr,         [qr],              Text(10), Empty,   "raw EMVCo payload";
    Channel      = Check "channel",      Identifier, [channel],         Text(11), Empty,   "how the code spread: chat, moments, print …";
    Campaign     = Check "campaign",     Identifier, [campaign],        Text(12), Empty,   "marketing campaign";
    Inviter      = Check "inviter",      Identifier, [inviter],         Text(13), Empty,   "account that invited this one";
    Utm          = Check "utm",          Identifier, [utm],             Text(14), Empty,   "UTM source";
    Kyc          = Check "kyc",          Level,      [kyc],             Bit(10),  Unknown, "real-name tier";
    Factors      = Check "factors",      Level,      [factors],         Bit(11),  Unknown, "authentication factors passed";
    Face         = Biometric "face",     Fraction,   [face],            Bit(7),   Unknown, "face match";
    Voice        = Biometric "voice",    Fraction,   [voice],           Bit(8),   Unknown, "voice match";
    Text         = Check "text",         Memo,       [text],            Text(15), Empty,   "greeting or memo";
    BudgetUs     = Check "budget_us",    Micros,     [budget_us],       Bit(9),   Unknown, "the caller's deadline for the answer";
}

impl Field {
    /// Its row.
    #[inline]
    pub const fn spec(self) -> &'static Spec {
        &Field::SPECS[self as usize]
    }

    /// Its path, such as `device.os`.
    pub const fn path(self) -> &'static str {
        self.spec().path
    }

    /// How its values are written and bounded.
    pub const fn form(self) -> Form {
        self.spec().form
    }

    /// The fields of an object.
    pub fn of_group(group: Group) -> impl Iterator<Item = Field> {
        Field::ALL.iter().copied().filter(move |field| field.spec().group == group)
    }
}

/// Number of texts in a frame's item.
pub const TEXTS_COUNT: usize = 16;
/// Number of bits in a frame's item that are not of texts; the last is `ext`.
pub const BITS_COUNT: usize = 16;

/// The texts in the order in which frames hold them.
pub const TEXTS: [Field; TEXTS_COUNT] = {
    let mut texts = [Field::Id; TEXTS_COUNT];
    let (mut at, mut found) = (0, 0);
    while at < Field::ALL.len() {
        if let Text(place) = Field::ALL[at].spec().at {
            texts[place] = Field::ALL[at];
            found |= 1_u32 << place;
        }
        at += 1;
    }
    assert!(found == (1 << TEXTS_COUNT) - 1, "every place among the texts has one field");
    texts
};

/// The fields of fixed size by their bits: two where two share one.
pub const FIXED: [[Option<Field>; 2]; BITS_COUNT] = {
    let mut fixed = [[None; 2]; BITS_COUNT];
    let mut at = 0;
    while at < Field::ALL.len() {
        let field = Field::ALL[at];
        if let Bit(bit) = field.spec().at {
            let here = &mut fixed[bit as usize];
            if here[0].is_none() {
                here[0] = Some(field);
            } else {
                assert!(here[1].is_none(), "at most two fields share a bit");
                here[1] = Some(field);
            }
        }
        at += 1;
    }
    fixed
};
