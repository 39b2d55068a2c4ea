//! Checks and outcomes as JSON, for clients. Absent fields are left out.

use super::write::{push_double, push_number, push_text};
use crate::check::{Check, Device, DeviceClass, ExtValue};
use crate::money::Major;
use crate::outcome::Outcome;

/// Writes a check.
pub fn write_check(check: &Check<'_>, out: &mut Vec<u8>) {
    let mut fields = Fields::open(out);
    fields.text("id", &check.id);
    fields.text("kind", check.kind.name());
    fields.number("time", check.time_ms);
    fields.text("account", &check.account);
    fields.text("counterparty", &check.counterparty);
    if check.device != Device::default() {
        write_device(&check.device, fields.key("device"));
    }
    fields.quoted("ip", check.ip);
    if let Some(geo) = check.geo {
        let mut place = Fields::open(fields.key("geo"));
        place.double("lat", Some(geo.lat));
        place.double("lon", Some(geo.lon));
        place.close();
    }
    fields.quoted("amount", check.amount_minor.map(Major));
    fields.text("currency", std::str::from_utf8(&check.currency).unwrap_or_default());
    fields.quoted("packet", check.packet);
    fields.text("token", &check.token);
    fields.text("qr", &check.qr);
    fields.text("channel", &check.channel);
    fields.text("campaign", &check.campaign);
    fields.text("inviter", &check.inviter);
    fields.text("utm", &check.utm);
    fields.number("kyc", check.kyc);
    fields.number("factors", check.factors);
    if check.face.or(check.voice).is_some() {
        let mut biometric = Fields::open(fields.key("biometric"));
        biometric.double("face", check.face);
        biometric.double("voice", check.voice);
        biometric.close();
    }
    fields.text("text", &check.text);
    if !check.ext.is_empty() {
        let mut ext = Fields::open(fields.key("ext"));
        for (name, value) in &check.ext {
            match value {
                ExtValue::Bool(flag) => ext.number(name, Some(flag)),
                ExtValue::Int(number) => ext.number(name, Some(number)),
                ExtValue::Double(number) => ext.double(name, Some(*number)),
                ExtValue::Text(text) => push_text(text, ext.key(name)),
            }
        }
        ext.close();
    }
    fields.number("budget_us", check.budget_us);
    fields.close();
}

/// Writes an outcome.
pub fn write_outcome(outcome: &Outcome<'_>, out: &mut Vec<u8>) {
    let mut fields = Fields::open(out);
    fields.text("id", &outcome.id);
    fields.text("outcome", outcome.outcome.name());
    fields.number("time", outcome.time_ms);
    fields.close();
}

fn write_device(device: &Device<'_>, out: &mut Vec<u8>) {
    let mut fields = Fields::open(out);
    fields.text("id", &device.id);
    fields.text("imei", &device.imei);
    fields.text("mac", &device.mac);
    fields.text("os", &device.os);
    fields.text("model", &device.model);
    fields.text("app", &device.app);
    fields.number("emulator", device.emulator.then_some(true));
    fields.number("rooted", device.rooted.then_some(true));
    fields.quoted("class", (device.class != DeviceClass::Phone).then_some(device.class));
    fields.close();
}

/// An object being written; each field brings its own comma.
struct Fields<'o> {
    out: &'o mut Vec<u8>,
    empty: bool,
}

impl<'o> Fields<'o> {
    fn open(out: &'o mut Vec<u8>) -> Fields<'o> {
        out.push(b'{');
        Fields { out, empty: true }
    }

    fn close(self) {
        self.out.push(b'}');
    }

    /// Writes the key; the caller appends the value.
    fn key(&mut self, name: &str) -> &mut Vec<u8> {
        if !std::mem::replace(&mut self.empty, false) {
            self.out.push(b',');
        }
        push_text(name, self.out);
        self.out.push(b':');
        self.out
    }

    /// Text, unless empty.
    fn text(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            push_text(text, self.key(name));
        }
    }

    /// A number or truth value, as it displays.
    fn number(&mut self, name: &str, number: Option<impl std::fmt::Display>) {
        if let Some(number) = number {
            push_number(number, self.key(name));
        }
    }

    fn double(&mut self, name: &str, number: Option<f64>) {
        if let Some(number) = number {
            push_double(number, self.key(name));
        }
    }

    /// What displays without anything to escape, in quotes.
    fn quoted(&mut self, name: &str, value: Option<impl std::fmt::Display>) {
        if let Some(value) = value {
            push_number(format_args!("\"{value}\""), self.key(name));
        }
    }
}
