//! A fingerprint of a check: 64 bits over every field that a rule can read, to tell a repetition from a reused id.
//!
//! It is compared only with that of an earlier check of the same id, and keyed, so a fast hash serves (foldhash). Values are in
//! their canonical form: another spelling of the same value is the same check.

use std::hash::{BuildHasher as _, Hasher};

use foldhash::quality::FixedState;
use wire::fields::Visit;
use wire::{Check, ExtValue, Field};

/// What fingerprints are keyed with.
#[derive(Clone)]
pub(crate) struct Fingerprints(FixedState);

impl Fingerprints {
    pub fn new(key: u64) -> Fingerprints {
        Fingerprints(FixedState::with_seed(key))
    }

    /// The fingerprint of a check, whose fields are handed to another visitor by the way. The id is what it is found by; the
    /// caller's deadline may differ in a retry.
    #[inline(always)]
    pub fn of(&self, check: &Check<'_>, other: &mut impl Visit) -> u64 {
        let mut fields = Fields { hasher: self.0.build_hasher(), present: 0, other };
        Field::visit(check, &mut fields);
        let Fields { mut hasher, present, .. } = fields;
        hasher.write_u64(present);
        if !check.ext.is_empty() {
            // The order of a map's fields means nothing.
            let ext = check.ext.iter().map(|(name, value)| self.of_ext(name, value));
            hasher.write_u64(ext.fold(0, u64::wrapping_add));
        }
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

/// Which fields are present, and the hash of their values so far. A hash of a text takes in its length.
struct Fields<'o, H, O> {
    hasher: H,
    present: u64,
    other: &'o mut O,
}

impl<H: Hasher, O: Visit> Fields<'_, H, O> {
    #[inline(always)]
    fn counts(&mut self, field: Field) -> bool {
        let counts = !matches!(field, Field::Id | Field::BudgetUs);
        self.present |= u64::from(counts) << field as u8;
        counts
    }
}

impl<H: Hasher, O: Visit> Visit for Fields<'_, H, O> {
    #[inline(always)]
    fn text(&mut self, field: Field, text: &str) {
        if self.counts(field) {
            self.hasher.write(text.as_bytes());
        }
        self.other.text(field, text);
    }

    #[inline(always)]
    fn whole(&mut self, field: Field, number: i64) {
        if self.counts(field) {
            self.hasher.write_u64(number.cast_unsigned());
        }
        self.other.whole(field, number);
    }

    #[inline(always)]
    fn decimal(&mut self, field: Field, number: f64) {
        if self.counts(field) {
            self.hasher.write_u64(number.to_bits());
        }
        self.other.decimal(field, number);
    }

    #[inline(always)]
    fn bits(&mut self, field: Field, bits: u128) {
        if self.counts(field) {
            self.hasher.write_u128(bits);
        }
        self.other.bits(field, bits);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use wire::{FieldValue, Kind, json};

    use super::*;

    struct Nobody;

    impl Visit for Nobody {
        fn text(&mut self, _: Field, _: &str) {}
        fn whole(&mut self, _: Field, _: i64) {}
        fn decimal(&mut self, _: Field, _: f64) {}
        fn bits(&mut self, _: Field, _: u128) {}
    }

    fn fingerprint(check: &Check<'_>) -> u64 {
        Fingerprints::new(7).of(check, &mut Nobody)
    }

    fn of(fields: &str) -> u64 {
        let body = format!(r#"{{"id":"a1","kind":"pay","account":"u1"{fields}}}"#);
        fingerprint(&json::decode_check(body.as_bytes()).expect("a check"))
    }

    #[test]
    fn a_difference_in_any_field_is_seen() {
        let mut seen = vec![of("")];
        for &field in Field::ALL {
            let mut check = Check::new("a1", Kind::Pay, "u1");
            let before = fingerprint(&check);
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
            let after = fingerprint(&check);
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
