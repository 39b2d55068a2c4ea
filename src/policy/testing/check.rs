//! Reads the fields of a test's check, under the names that expressions use.

use std::borrow::Cow;
use std::net::IpAddr;

use engine::feature::{Builtin, FeatureId, Scalar, Type};
use uuid::Uuid;
use wire::{Check, DeviceClass, ExtValue, Geo, Kind, Text};

use super::{Given, instant_ms};
use crate::diagnostic::{Code, Diagnostic, Place, Sink};
use crate::document::closed;
use crate::symbols::Symbols;
use crate::yaml::{Data, Node, Word, values};

/// Groups that may be written as a map.
const GROUPS: [&str; 6] = ["device", "geo", "biometric", "ext", "token", "qr"];

/// Collects the fields of one check.
pub(super) struct Reader<'s> {
    symbols: &'s Symbols,
    /// Whether computed features may be stated.
    states: bool,
    kind: Option<Kind>,
    /// Whether `kind` was there, readable or not.
    kind_stated: bool,
    check: Check<'static>,
    /// Read once the currency says what its decimals are.
    amount: Option<&'s Node>,
    geo: Geo,
    features: Vec<(FeatureId, Scalar)>,
    lists: Vec<u16>,
}

impl<'s> Reader<'s> {
    pub(super) fn new(symbols: &'s Symbols, states: bool) -> Reader<'s> {
        let check = Check::new("test", Kind::Pay, "test-account");
        let geo = Geo { lat: f64::NAN, lon: f64::NAN };
        Reader {
            symbols,
            states,
            kind: None,
            kind_stated: false,
            check,
            amount: None,
            geo,
            features: Vec::new(),
            lists: Vec::new(),
        }
    }

    /// Every key of the node but those.
    pub(super) fn read(&mut self, node: &'s Node, but: &[&str], sink: &mut Sink) {
        let Data::Map(entries) = &node.data else {
            let message = format!("a check is a map of fields, and this is {}", node.shape());
            return sink.error(Code::WrongType, node.place, message);
        };
        for (word, node) in entries.iter().filter(|(word, _)| !but.contains(&word.text.as_str())) {
            match &node.data {
                Data::Map(inner) if GROUPS.contains(&word.text.as_str()) => {
                    for (field, node) in inner {
                        let name = format!("{}.{}", word.text, field.text);
                        self.set(&name, field, node, sink);
                    }
                }
                _ if word.text == "lists" && self.states => self.lists(node, sink),
                _ => self.set(&word.text, word, node, sink),
            }
        }
    }

    /// The check, once it has a kind.
    pub(super) fn finish(mut self, place: Place, sink: &mut Sink) -> Option<Given> {
        if !self.kind_stated {
            let fault = Diagnostic::error(Code::MissingKey, place, "a check needs `kind`");
            sink.push(fault.label("expected `kind: claim` or another kind"));
        }
        match (self.geo.lat.is_nan(), self.geo.lon.is_nan()) {
            (true, true) => {}
            (false, false) => self.check.geo = Some(self.geo),
            _ => {
                sink.error(Code::MissingKey, place, "a place needs both `geo.lat` and `geo.lon`");
                return None;
            }
        }
        if let Some(node) = self.amount {
            let decimals = wire::currency::decimals(self.check.currency).unwrap_or(2);
            self.check.amount_minor = values::money(node, decimals as u8, sink);
        }
        self.check.kind = self.kind?;
        Some(Given { check: self.check, features: self.features, lists: self.lists })
    }

    fn lists(&mut self, node: &Node, sink: &mut Sink) {
        for member in values::one_or_many(node, "a list of list names", sink) {
            let Some(name) = values::scalar(member, "a list's name", sink) else { continue };
            if let Some(number) = self.symbols.stated_list(name) {
                self.lists.push(number);
                continue;
            }
            let message = format!("no list is named `{}`", values::shortened(name));
            let known = self.symbols.list_numbers.keys().map(String::as_str);
            let fault = Diagnostic::error(Code::UnknownName, member.place, message);
            sink.push(fault.nearest(name, known, sink));
        }
    }

    fn set(&mut self, name: &str, word: &Word, node: &'s Node, sink: &mut Sink) {
        let check = &mut self.check;
        let text = match name {
            "account" => &mut check.account,
            "counterparty" => &mut check.counterparty,
            "device" | "device.id" => &mut check.device.id,
            "device.imei" => &mut check.device.imei,
            "device.mac" => &mut check.device.mac,
            "device.os" => &mut check.device.os,
            "device.model" => &mut check.device.model,
            "device.app" => &mut check.device.app,
            "channel" => &mut check.channel,
            "campaign" => &mut check.campaign,
            "inviter" => &mut check.inviter,
            "utm" => &mut check.utm,
            "text" => &mut check.text,
            "token" => &mut check.token,
            "qr" => &mut check.qr,
            _ => return self.set_other(name, word, node, sink),
        };
        if let Some(value) = values::scalar(node, "text", sink) {
            *text = Text::from(value.to_owned());
        }
    }

    fn set_other(&mut self, name: &str, word: &Word, node: &'s Node, sink: &mut Sink) {
        let check = &mut self.check;
        match name {
            "kind" => {
                let kinds = closed(Kind::ALL, Kind::name);
                self.kind_stated = true;
                self.kind = values::choice(node, "a kind of event", &kinds, sink);
            }
            "device.class" => {
                let classes = closed(DeviceClass::ALL, DeviceClass::name);
                check.device.class =
                    values::choice(node, "a device class", &classes, sink).unwrap_or(DeviceClass::Phone);
            }
            "device.emulator" => check.device.emulator = values::boolean(node, sink).unwrap_or_default(),
            "device.rooted" => check.device.rooted = values::boolean(node, sink).unwrap_or_default(),
            "geo.lat" => self.geo.lat = values::decimal(node, -90.0..=90.0, sink).unwrap_or_default(),
            "geo.lon" => self.geo.lon = values::decimal(node, -180.0..=180.0, sink).unwrap_or_default(),
            "amount" => self.amount = Some(node),
            "kyc" => check.kyc = values::integer(node, 0..=3, sink).map(|n| n as u8),
            "factors" => check.factors = values::integer(node, 0..=3, sink).map(|n| n as u8),
            "biometric.face" => check.face = values::decimal(node, 0.0..=1.0, sink),
            "biometric.voice" => check.voice = values::decimal(node, 0.0..=1.0, sink),
            "currency" => {
                if let Some(code) = values::currency(node, sink)
                    && self.symbols.check_currency((Some(code), node.place), sink)
                {
                    check.currency = code;
                }
            }
            "ip" => {
                check.ip =
                    values::scalar(node, "an address", sink).and_then(|text| text.parse::<IpAddr>().ok());
                if check.ip.is_none() {
                    sink.error(Code::OutOfRange, node.place, "expected an IPv4 or IPv6 address");
                }
            }
            "time" if self.states => {
                check.time_ms = values::scalar(node, "a time", sink).and_then(instant_ms);
                if check.time_ms.is_none() {
                    let label = "expected a time such as 2026-03-01T08:00:00Z";
                    sink.push(
                        Diagnostic::error(Code::OutOfRange, node.place, "this is not a time").label(label),
                    );
                }
            }
            "packet" => check.packet = values::scalar(node, "a packet", sink).map(packet),
            _ => self.set_feature(name, word, node, sink),
        }
    }

    /// An extra field, or a computed feature where tests may state one.
    fn set_feature(&mut self, name: &str, word: &Word, node: &Node, sink: &mut Sink) {
        let Some(id) = self.symbols.features.find(name).filter(|&id| id != Builtin::Score.id()) else {
            if self.symbols.faulty.contains(name) {
                return;
            }
            let message = format!("a check has no field `{}`", values::shortened(name));
            let known = self.symbols.features.iter().map(|(_, feature)| feature.name.as_str());
            let fault = Diagnostic::error(Code::UnknownKey, word.place, message)
                .label("expected a field of the event, or a feature")
                .nearest(name, known, sink);
            return sink.push(fault);
        };
        let ty = self.symbols.features.row(id).ty;
        let whole = i64::MIN..=i64::MAX;
        if let Some(field) = name.strip_prefix("ext.") {
            let value = match ty {
                Type::Bool => values::boolean(node, sink).map(ExtValue::Bool),
                Type::Int | Type::Money => values::integer(node, whole, sink).map(ExtValue::Int),
                Type::Double => values::decimal(node, f64::MIN..=f64::MAX, sink).map(ExtValue::Double),
                Type::Text => {
                    values::scalar(node, "text", sink).map(|text| ExtValue::Text(Cow::Owned(text.to_owned())))
                }
            };
            self.check.ext.extend(value.map(|value| (Text::from(field.to_owned()), value)));
            return;
        }
        if !self.states {
            let message = format!("`{name}` is computed from the events and cannot be stated in one");
            let fault = Diagnostic::error(Code::WrongType, word.place, message);
            return sink.push(fault.help("state it in a test with `given`"));
        }
        let value = match ty {
            Type::Bool => values::boolean(node, sink).map(Scalar::Bool),
            Type::Int => values::integer(node, whole, sink).map(Scalar::Int),
            Type::Money => values::money(node, self.symbols.money_places(), sink).map(Scalar::Money),
            Type::Double => values::decimal(node, f64::MIN..=f64::MAX, sink).map(Scalar::Double),
            Type::Text => None,
        };
        self.features.extend(value.map(|value| (id, value)));
    }
}

/// The packet of that id; any other text names a packet of its own, so that tests need not write UUIDs.
pub(super) fn packet(text: &str) -> Uuid {
    Uuid::parse_str(text).unwrap_or_else(|_| {
        let mut bytes = [0; 16];
        let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        bytes.copy_from_slice(&digest.as_ref()[..16]);
        Uuid::from_bytes(bytes)
    })
}
