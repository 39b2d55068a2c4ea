//! A fingerprint of a check: 64 bits over every field that a rule can read, to tell a repetition from a reused id.
//!
//! It is compared only with that of an earlier check of the same id, and keyed, so a fast hash serves (foldhash). Values are in
//! their canonical form: another spelling of the same value is the same check.

use std::hash::{BuildHasher as _, Hasher as _};
use std::net::IpAddr;

use foldhash::quality::FixedState;
use wire::{Check, ExtValue, Field, FieldValue};

/// What fingerprints are keyed with.
#[derive(Clone)]
pub(crate) struct Fingerprints(FixedState);

impl Fingerprints {
    pub fn new(key: u64) -> Fingerprints {
        Fingerprints(FixedState::with_seed(key))
    }

    /// The fingerprint of a check. The id is what it is found by; the caller's deadline may differ in a retry.
    pub fn of(&self, check: &Check<'_>) -> u64 {
        let mut hasher = self.0.build_hasher();
        let mut present = 0_u64;
        Field::each(check, |field, value| {
            if matches!(field, Field::Id | Field::BudgetUs) || value == FieldValue::Absent {
                return;
            }
            present |= 1 << field as u8;
            match value {
                FieldValue::Absent => {}
                FieldValue::Text(text) => {
                    hasher.write_u16(text.len() as u16);
                    hasher.write(text.as_bytes());
                }
                FieldValue::Flag(flag) => hasher.write_u8(u8::from(flag)),
                FieldValue::Whole(number) => hasher.write_i64(number),
                FieldValue::Decimal(number) => hasher.write_u64(number.to_bits()),
                FieldValue::Kind(kind) => hasher.write_u8(kind.code()),
                FieldValue::Class(class) => hasher.write_u8(class.code()),
                FieldValue::Currency(code) => hasher.write(&code),
                FieldValue::Address(IpAddr::V4(address)) => hasher.write_u32(address.to_bits()),
                FieldValue::Address(IpAddr::V6(address)) => hasher.write_u128(address.to_bits()),
                FieldValue::Packet(packet) => hasher.write_u128(packet.as_u128()),
            }
        });
        hasher.write_u64(present);
        // The order of a map's fields means nothing.
        let ext = check.ext.iter().map(|(name, value)| self.of_ext(name, value));
        hasher.write_u64(ext.fold(0, u64::wrapping_add));
        hasher.finish()
    }

    fn of_ext(&self, name: &str, value: &ExtValue<'_>) -> u64 {
        let mut hasher = self.0.build_hasher();
        hasher.write_u16(name.len() as u16);
        hasher.write(name.as_bytes());
        match value {
            ExtValue::Bool(flag) => hasher.write_u8(u8::from(*flag)),
            // A whole number for a field of decimals is the decimal: rules read the same of both.
            ExtValue::Int(number) => hasher.write_u64((*number as f64).to_bits()),
            ExtValue::Double(number) => hasher.write_u64(number.to_bits()),
            ExtValue::Text(text) => hasher.write(text.as_bytes()),
        }
        if let ExtValue::Int(number) = value
            && *number as f64 as i64 != *number
        {
            hasher.write_i64(*number);
        }
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use wire::{Kind, json};

    use super::*;

    fn of(fields: &str) -> u64 {
        let body = format!(r#"{{"id":"a1","kind":"pay","account":"u1"{fields}}}"#);
        Fingerprints::new(7).of(&json::decode_check(body.as_bytes()).expect("a check"))
    }

    #[test]
    fn a_difference_in_any_field_is_seen() {
        let mut seen = vec![of("")];
        for &field in Field::ALL {
            let mut check = Check::new("a1", Kind::Pay, "u1");
            let before = Fingerprints::new(7).of(&check);
            let value = match field.of(&Check::new("a1", Kind::Pay, "u1")) {
                FieldValue::Flag(_) => FieldValue::Flag(true),
                FieldValue::Kind(_) => FieldValue::Kind(Kind::Scan),
                FieldValue::Class(_) => FieldValue::Class(wire::DeviceClass::Pos),
                FieldValue::Currency(_) => FieldValue::Currency(*b"USD"),
                _ => match field.form() {
                    wire::Form::Address => FieldValue::Address(IpAddr::from([203, 0, 113, 9])),
                    wire::Form::Packet => FieldValue::Packet(uuid::Uuid::from_u128(1)),
                    wire::Form::Fraction | wire::Form::Latitude | wire::Form::Longitude => {
                        FieldValue::Decimal(0.5)
                    }
                    wire::Form::Time | wire::Form::Money | wire::Form::Level | wire::Form::Micros => {
                        FieldValue::Whole(1)
                    }
                    _ => FieldValue::Text("x".into()),
                },
            };
            field.put(&mut check, value);
            let after = Fingerprints::new(7).of(&check);
            let is_part = !matches!(field, Field::Id | Field::BudgetUs);
            assert_eq!(before != after, is_part, "{}", field.path());
            assert!(!is_part || !seen.contains(&after), "{} is told from every other field", field.path());
            seen.push(after);
        }
        for ext in [r#","ext":{"a":1}"#, r#","ext":{"a":2}"#, r#","ext":{"b":1}"#, r#","ext":{"a":true}"#] {
            assert!(!seen.contains(&of(ext)), "{ext}");
            seen.push(of(ext));
        }
    }

    #[test]
    fn another_spelling_is_the_same_check() {
        assert_eq!(of(r#","ext":{"a":1,"b":"x"}"#), of(r#","ext":{"b":"x","a":1}"#));
        assert_eq!(of(r#","ext":{"a":1}"#), of(r#","ext":{"a":1.0}"#));
        assert_eq!(of(r#","amount":8.8"#), of(r#","amount":"8.80","currency":"cny""#));
        assert_eq!(of(r#","ip":"::ffff:10.0.0.1","text":"""#), of(r#","ip":"10.0.0.1","budget_us":9"#));
    }
}
