//! The one feature table: id, name, type, and the value where an event has none.
//!
//! Rules, model, record and reports all read it, so a name means the same number everywhere. Built-in features come
//! first and keep their ids; a policy's `schema` fields and velocity features follow.

use wire::{Field, Form, Value};

/// Number of a feature: its place in the table and its column in the scratch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FeatureId(pub u16);

impl FeatureId {
    /// The place in the table.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// Form of its values, for a text feature: that of the check's field, or free text for a field of the site.
    pub fn form(self) -> Form {
        self.field().map_or(Form::Memo, Field::form)
    }

    /// The field of the check that it is, if it is one.
    pub fn field(self) -> Option<Field> {
        FIELDS.get(self.index()).copied().flatten()
    }

    /// Whether models and rules give it: it is known last, and no model reads it.
    pub fn is_score(self) -> bool {
        [Builtin::ModelScore, Builtin::AnomalyScore, Builtin::Score].iter().any(|score| score.id() == self)
    }
}

/// Type of a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// A truth value.
    Bool,
    /// A 64-bit whole number.
    Int,
    /// Money: 64-bit whole units of the last decimal ([`FeatureTable::money_places`]), written in major units in rules.
    Money,
    /// A 64-bit float.
    Double,
    /// Text, read from the check itself.
    Text,
}

/// One value of a feature other than text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar {
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Money in whole units of the last decimal.
    Money(i64),
    /// A float.
    Double(f64),
    /// The empty text: the missing value of every text feature.
    NoText,
}

impl Scalar {
    /// The bits a column holds.
    pub const fn bits(self) -> u64 {
        match self {
            Scalar::Bool(b) => b as u64,
            Scalar::Int(n) | Scalar::Money(n) => n as u64,
            Scalar::Double(x) => x.to_bits(),
            Scalar::NoText => 0,
        }
    }

    /// The value of that type in those bits.
    pub const fn from_bits(ty: Type, bits: u64) -> Scalar {
        match ty {
            Type::Bool => Scalar::Bool(bits != 0),
            Type::Int => Scalar::Int(bits as i64),
            Type::Money => Scalar::Money(bits as i64),
            Type::Double => Scalar::Double(f64::from_bits(bits)),
            Type::Text => Scalar::NoText,
        }
    }

    /// The value as models read it: flags 0 or 1, money in minor units.
    pub const fn to_number(self) -> f64 {
        match self {
            Scalar::Bool(b) => b as u8 as f64,
            Scalar::Int(n) | Scalar::Money(n) => n as f64,
            Scalar::Double(x) => x,
            Scalar::NoText => 0.0,
        }
    }

    /// The value as an answer's reason shows it.
    pub const fn to_value(self) -> Value {
        match self {
            Scalar::Bool(b) => Value::Int(b as i64),
            Scalar::Int(n) => Value::Int(n),
            Scalar::Money(n) => Value::Money(n),
            Scalar::Double(x) => Value::Double(x),
            Scalar::NoText => Value::Absent,
        }
    }
}

/// One row of the feature table.
#[derive(Clone, Debug, PartialEq)]
pub struct Feature {
    /// Name in rules, models and reports.
    pub name: String,
    /// Type.
    pub ty: Type,
    /// Value where an event has none.
    pub missing: Scalar,
    /// What it is, with its unit.
    pub doc: String,
}

macro_rules! builtins {
    ($($variant:ident $name:literal $ty:ident $missing:expr, $doc:literal;)+) => {
        /// Features every snapshot has, in the order of their ids.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum Builtin { $(#[doc = $doc] $variant,)+ }

        /// Name, type, missing value and meaning of every built-in feature, in the order of their ids.
        pub const BUILTINS: &[(Builtin, &str, Type, Scalar, &str)] =
            &[$((Builtin::$variant, $name, Type::$ty, $missing, $doc),)+];
    };
}

/// The fields of a check among the built-in features, by number: those of the same name.
pub(crate) const FIELDS: [Option<Field>; BUILTINS.len()] = {
    let mut fields = [None; BUILTINS.len()];
    let mut at = 0;
    while at < fields.len() {
        let mut field = 0;
        while field < Field::ALL.len() {
            if is_same(BUILTINS[at].1, Field::ALL[field].path()) {
                fields[at] = Some(Field::ALL[field]);
            }
            field += 1;
        }
        at += 1;
    }
    fields
};

const fn is_same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

builtins! {
    Kind "kind" Text Scalar::NoText, "what is about to happen: mint, scan, claim, pay, transfer, withdraw, login, bind";
    Account "account" Text Scalar::NoText, "who acts";
    Counterparty "counterparty" Text Scalar::NoText, "issuer of the packet on claim, payee on pay and transfer";
    DeviceId "device.id" Text Scalar::NoText, "device fingerprint";
    DeviceImei "device.imei" Text Scalar::NoText, "IMEI of the device";
    DeviceMac "device.mac" Text Scalar::NoText, "MAC address of the device";
    DeviceOs "device.os" Text Scalar::NoText, "operating system and version of the device";
    DeviceModel "device.model" Text Scalar::NoText, "hardware model of the device";
    DeviceApp "device.app" Text Scalar::NoText, "version of the calling app";
    DeviceClass "device.class" Text Scalar::NoText, "phone, pos, kiosk, car or iot";
    Currency "currency" Text Scalar::NoText, "ISO 4217 code of the amount";
    Packet "packet" Text Scalar::NoText, "red packet id, as 36 characters";
    Channel "channel" Text Scalar::NoText, "how the code spread";
    Campaign "campaign" Text Scalar::NoText, "marketing campaign";
    Inviter "inviter" Text Scalar::NoText, "account that invited this one";
    Utm "utm" Text Scalar::NoText, "UTM source";
    Text "text" Text Scalar::NoText, "greeting or memo";
    Ip "ip" Text Scalar::NoText, "network address; usable as a key and in lists";
    DeviceEmulator "device.emulator" Bool Scalar::Bool(false), "the app found itself in an emulator";
    DeviceRooted "device.rooted" Bool Scalar::Bool(false), "the system is rooted or jailbroken";
    Lat "geo.lat" Double Scalar::Double(f64::NAN), "latitude, degrees WGS 84; every comparison is false when absent";
    Lon "geo.lon" Double Scalar::Double(f64::NAN), "longitude, degrees WGS 84; every comparison is false when absent";
    Amount "amount" Money Scalar::Money(0), "amount; in rules in major units with two decimals";
    Kyc "kyc" Int Scalar::Int(0), "real-name tier, 0 to 3";
    Factors "factors" Int Scalar::Int(0), "authentication factors passed, 0 to 3";
    Face "biometric.face" Double Scalar::Double(0.0), "face match, 0 to 1";
    Voice "biometric.voice" Double Scalar::Double(0.0), "voice match, 0 to 1";
    Hour "hour" Int Scalar::Int(0), "hour of the day in the policy's time zone, 0 to 23";
    Weekday "weekday" Int Scalar::Int(0), "day of the week in the policy's time zone, 1 Monday to 7 Sunday";
    TextBytes "text_bytes" Int Scalar::Int(0), "length of text in bytes";
    TokenPresent "token.present" Bool Scalar::Bool(false), "the check carries a sealed QR token";
    TokenValid "token.valid" Bool Scalar::Bool(false), "the token opens with a known key, has not expired and names this packet";
    TokenExpired "token.expired" Bool Scalar::Bool(false), "the token opens but its time is over";
    TokenAge "token.age_s" Int Scalar::Int(0), "seconds since the token was minted";
    QrPresent "qr.present" Bool Scalar::Bool(false), "the check carries a raw EMVCo payload";
    QrValid "qr.valid" Bool Scalar::Bool(false), "the EMVCo payload is well formed and its CRC holds";
    AccountAge "account_age_s" Int Scalar::Int(0), "seconds since the account was first seen";
    AccountEvents "account_events" Int Scalar::Int(0), "checks of the account before this one, up to a million";
    AccountIdle "account_idle_s" Int Scalar::Int(-1), "seconds since the account's check before this one; -1 when there was none";
    DeviceAge "device_age_s" Int Scalar::Int(0), "seconds since the device was first seen";
    DeviceNew "device_new" Bool Scalar::Bool(false), "a known account acts from a device it has not used lately (it remembers six)";
    DeviceChanged "device_changed" Bool Scalar::Bool(false), "os, model or rooted flag differ from what this device showed last";
    DeviceAccounts "device_accounts" Int Scalar::Int(0), "accounts seen on this device, exact to 9, then 9";
    DeviceBound "device_bound" Bool Scalar::Bool(false), "this device is bound to this account by an approved bind";
    DeviceBoundOther "device_bound_other" Bool Scalar::Bool(false), "this device is bound to another account";
    DistanceKm "distance_km" Double Scalar::Double(0.0), "kilometres from the account's last known place";
    SpeedKmh "speed_kmh" Double Scalar::Double(0.0), "kilometres an hour needed from the account's last known place; distances under 5 km count as 0";
    AmountRatio "amount_ratio" Double Scalar::Double(1.0), "amount over amount_mean; 1 where there is none";
    AmountZscore "amount_zscore" Double Scalar::Double(0.0), "deviations of the amount from amount_mean; 0 where there is none";
    HourShare "hour_share" Double Scalar::Double(1.0), "share of the account's checks within an hour of this hour of the day; 1 before twenty of them";
    ModelScore "model_score" Double Scalar::Double(0.0), "the model's score, 0 to 1; 0 when no model scored";
    Score "score" Double Scalar::Double(0.0), "model's score and live rules' scores together, 0 to 1; known to bands only";
    AccountDevices "account_devices" Int Scalar::Int(0), "devices the account has used, this one included, exact to 6, then 6";
    PlaceNew "place_new" Bool Scalar::Bool(false), "more than 50 km from each of the account's latest four places";
    AmountMean "amount_mean" Money Scalar::Money(0), "mean of the latest approved amounts of the account and this class: received (claim), spent (mint, pay), moved (transfer, withdraw); spent and moved together before three of one, 0 before three of both";
    DeviceIdle "device_idle_s" Int Scalar::Int(-1), "seconds since the device's check before this one; -1 when there was none";
    DeviceOsChanged "device_os_changed" Bool Scalar::Bool(false), "os differs from what this device showed last";
    DeviceModelChanged "device_model_changed" Bool Scalar::Bool(false), "model differs from what this device showed last";
    DeviceRootedBefore "device_rooted_before" Bool Scalar::Bool(false), "the device was rooted at an earlier check, whatever it says now";
    AnomalyScore "anomaly_score" Double Scalar::Double(0.0), "the anomaly model's score, 0 to 1, about 0.5 for an event like any other; 0 when none scored";
}

impl Builtin {
    /// The feature's id.
    pub const fn id(self) -> FeatureId {
        FeatureId(self as u16)
    }
}

/// Every feature of a snapshot.
#[derive(Clone, Debug)]
pub struct FeatureTable {
    features: Vec<Feature>,
    money_places: u8,
}

impl Default for FeatureTable {
    fn default() -> Self {
        let row = |&(_, name, ty, missing, doc): &(Builtin, &str, Type, Scalar, &str)| Feature {
            name: name.to_owned(),
            ty,
            missing,
            doc: doc.to_owned(),
        };
        FeatureTable { features: BUILTINS.iter().map(row).collect(), money_places: 2 }
    }
}

impl FeatureTable {
    /// Adds a feature at the end and gives its id; `None` if the name is taken or the table is full.
    pub fn push(&mut self, feature: Feature) -> Option<FeatureId> {
        if self.features.len() >= crate::limits::FEATURES_MAX || self.find(&feature.name).is_some() {
            return None;
        }
        self.features.push(feature);
        Some(FeatureId(self.features.len() as u16 - 1))
    }

    /// Decimals of money: two, or as many as the finest currency of the policy has. Money features are held in whole units of the
    /// last of them, whatever the currency.
    pub fn money_places(&self) -> u8 {
        self.money_places
    }

    /// Holds money in units of that many decimals, at least two.
    pub fn set_money_places(&mut self, places: u8) {
        self.money_places = places.max(2);
    }

    /// Money as answers show it: whole hundredths of a major unit, or the nearest double where it is finer.
    pub fn money_value(&self, units: i64) -> Value {
        let finer = 10_i64.pow(u32::from(self.money_places - 2));
        match units % finer {
            0 => Value::Money(units / finer),
            _ => Value::Double(units as f64 / 10_f64.powi(i32::from(self.money_places))),
        }
    }

    /// A value of one of these features as an answer's reason shows it.
    pub fn value(&self, scalar: Scalar) -> Value {
        match scalar {
            Scalar::Money(units) => self.money_value(units),
            other => other.to_value(),
        }
    }

    /// The id of that name. Linear: for load time, not for the hot path.
    pub fn find(&self, name: &str) -> Option<FeatureId> {
        self.features.iter().position(|f| f.name == name).map(|i| FeatureId(i as u16))
    }

    /// The row of that id.
    ///
    /// # Panics
    /// If the id came from another, larger table.
    pub fn row(&self, id: FeatureId) -> &Feature {
        &self.features[id.index()]
    }

    /// All rows with their ids.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (FeatureId, &Feature)> {
        self.features.iter().enumerate().map(|(i, f)| (FeatureId(i as u16), f))
    }

    /// How many features there are.
    pub fn len(&self) -> usize {
        self.features.len()
    }

    /// Whether there are none (never: the built-in ones always stand).
    pub fn is_empty(&self) -> bool {
        self.features.is_empty()
    }
}
