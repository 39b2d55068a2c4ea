//! Checks and outcomes as JSON, for clients. Absent fields are left out.

use super::write::{push_double, push_number, push_text};
use crate::check::{Check, DeviceClass, ExtValue};
use crate::currency;
use crate::fields::{Field, Group};
use crate::form::FieldValue;
use crate::money::Minor;
use crate::outcome::Outcome;

/// Writes a check, without the fields that it does not have.
pub fn write_check(check: &Check<'_>, out: &mut Vec<u8>) {
    let mut object = Fields::open(out);
    let mut group = Group::Check;
    for &field in Field::ALL {
        let spec = field.spec();
        if is_default(field, check) {
            continue;
        }
        if spec.group != group {
            // Fields of one object follow each other in the table.
            if group != Group::Check {
                object.leave();
            }
            group = spec.group;
            if group != Group::Check {
                object.enter(group.name());
            }
        }
        write_value(check, spec.name, field.of(check), field, &mut object);
    }
    if group != Group::Check {
        object.leave();
    }
    if !check.ext.is_empty() {
        object.enter("ext");
        for (name, value) in &check.ext {
            match value {
                ExtValue::Bool(flag) => object.number(name, Some(flag)),
                ExtValue::Int(number) => object.number(name, Some(number)),
                ExtValue::Double(number) => push_double(*number, object.key(name)),
                ExtValue::Text(text) => push_text(text, object.key(name)),
            }
        }
        object.leave();
    }
    object.close();
}

/// Whether a field says what its absence says. A currency is written all the same, for people.
fn is_default(field: Field, check: &Check<'_>) -> bool {
    match field.of(check) {
        FieldValue::Absent | FieldValue::Flag(false) => true,
        FieldValue::Class(class) => class == DeviceClass::Phone,
        _ => false,
    }
}

fn write_value(check: &Check<'_>, name: &str, value: FieldValue<'_>, field: Field, object: &mut Fields<'_>) {
    match value {
        FieldValue::Text(text) => push_text(&text, object.key(name)),
        FieldValue::Flag(flag) => push_number(flag, object.key(name)),
        FieldValue::Whole(amount) if field == Field::Amount => {
            let decimals = currency::decimals(check.currency).unwrap_or(2);
            object.quoted(name, Minor { amount, decimals });
        }
        FieldValue::Whole(number) => push_number(number, object.key(name)),
        FieldValue::Decimal(number) => push_double(number, object.key(name)),
        FieldValue::Kind(kind) => object.quoted(name, kind),
        FieldValue::Class(class) => object.quoted(name, class),
        FieldValue::Currency(code) => push_text(currency::text(&code), object.key(name)),
        FieldValue::Address(address) => object.quoted(name, address),
        FieldValue::Packet(packet) => object.quoted(name, packet),
        FieldValue::Absent => {}
    }
}

/// Writes an outcome.
pub fn write_outcome(outcome: &Outcome<'_>, out: &mut Vec<u8>) {
    let mut fields = Fields::open(out);
    fields.text("id", &outcome.id);
    fields.text("outcome", outcome.outcome.name());
    fields.number("time", outcome.time_ms);
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

    /// Opens an object within this one, which the next fields are written into.
    fn enter(&mut self, name: &str) {
        self.key(name).push(b'{');
        self.empty = true;
    }

    fn leave(&mut self) {
        self.out.push(b'}');
        self.empty = false;
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

    /// What displays without anything to escape, in quotes.
    fn quoted(&mut self, name: &str, value: impl std::fmt::Display) {
        push_number(format_args!("\"{value}\""), self.key(name));
    }
}
