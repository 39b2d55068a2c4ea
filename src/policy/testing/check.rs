//! Reads the fields of a test's check, under the names that expressions use.

use std::borrow::Cow;

use engine::feature::{Builtin, FeatureId, Scalar, Type};
use uuid::Uuid;
use wire::{Check, DeviceClass, ExtValue, Field, FieldValue, Form, Kind, Text};

use super::Given;
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
    features: Vec<(FeatureId, Scalar)>,
    lists: Vec<u16>,
}

impl<'s> Reader<'s> {
    pub(super) fn new(symbols: &'s Symbols, states: bool) -> Reader<'s> {
        let mut check = Check::new("test", Kind::Pay, "test-account");
        // What a test does not say is what most events of the policy have.
        check.currency = symbols.currencies.first().copied().unwrap_or(check.currency);
        Reader {
            symbols,
            states,
            kind: None,
            kind_stated: false,
            check,
            amount: None,
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
        if self.check.geo.is_some_and(|geo| geo.lat.is_nan() || geo.lon.is_nan()) {
            sink.error(Code::MissingKey, place, "a place needs both `geo.lat` and `geo.lon`");
            return None;
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

    /// A field of the table of fields, in the form that checks have it in; or what the policy adds.
    fn set(&mut self, name: &str, word: &Word, node: &'s Node, sink: &mut Sink) {
        let path = if name == "device" { "device.id" } else { name };
        match Field::from_path(path) {
            // A test has no use for an id of its own, and none for a deadline.
            None | Some(Field::Id | Field::BudgetUs) => self.set_feature(name, word, node, sink),
            Some(Field::Time) if !self.states => self.set_feature(name, word, node, sink),
            Some(Field::Amount) => self.amount = Some(node),
            Some(Field::Kind) => {
                let kinds = closed(Kind::ALL, Kind::name);
                self.kind_stated = true;
                self.kind = values::choice(node, "a kind of event", &kinds, sink);
            }
            Some(field) => {
                if let Some(value) = self.value(field, node, sink) {
                    field.put(&mut self.check, value);
                }
            }
        }
    }

    /// The value of a field, read as checks are.
    fn value(&self, field: Field, node: &Node, sink: &mut Sink) -> Option<FieldValue<'static>> {
        let form = field.form();
        match form {
            Form::Flag => values::boolean(node, sink).map(FieldValue::Flag),
            Form::Level => values::integer(node, 0..=3, sink).map(FieldValue::Whole),
            Form::Fraction => values::decimal(node, 0.0..=1.0, sink).map(FieldValue::Decimal),
            Form::Latitude => values::decimal(node, -90.0..=90.0, sink).map(FieldValue::Decimal),
            Form::Longitude => values::decimal(node, -180.0..=180.0, sink).map(FieldValue::Decimal),
            Form::Class => {
                let classes = closed(DeviceClass::ALL, DeviceClass::name);
                values::choice(node, "a device class", &classes, sink).map(FieldValue::Class)
            }
            Form::Currency => values::currency(node, sink)
                .filter(|code| self.symbols.check_currency((Some(*code), node.place), sink))
                .map(FieldValue::Currency),
            Form::Packet => values::scalar(node, "a packet", sink).map(packet).map(FieldValue::Packet),
            _ => {
                let text = values::scalar(node, "text", sink)?;
                form.read(Cow::Owned(text.to_owned()))
                    .map_err(|refusal| sink.error(Code::OutOfRange, node.place, refusal.to_string()))
                    .ok()
            }
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
