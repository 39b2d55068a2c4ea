//! Keyed hashes of identifiers: what tables, lists and the log hold instead of the identifiers themselves.
//!
//! SipHash-1-3 with 128 bits of output under a secret seed (Aumasson and Bernstein 2012): nobody who does not know the
//! seed can choose keys that collide, and nobody who reads a table or a log line can tell an identifier from it without
//! the seed.

use std::hash::Hasher as _;
use std::net::IpAddr;

use siphasher::sip128::{Hash128, Hasher128, SipHasher13};
use wire::fields::Visit;
use wire::{Check, FieldValue};

use crate::fingerprint::Fingerprints;

/// The keyed hash of a text; 0 stands for an absent one.
pub type Hash = u128;

/// The secret that hashes are keyed with. One seed belongs to one set of tables for as long as they live.
#[derive(Clone)]
pub struct Seed {
    keys: (u64, u64),
    fingerprints: Fingerprints,
}

impl Seed {
    /// The seed of these bytes.
    pub fn new(bytes: [u8; 16]) -> Seed {
        let half = |range: std::ops::Range<usize>| {
            bytes[range].iter().rev().fold(0_u64, |n, &byte| n << 8 | u64::from(byte))
        };
        let keys = (half(0..8), half(8..16));
        Seed { keys, fingerprints: Fingerprints::new(keys.0 ^ keys.1.rotate_left(32)) }
    }

    /// Fingerprint of every field of a check that a rule can read; another visitor sees them by the way.
    #[inline(always)]
    pub(crate) fn fingerprint(&self, check: &Check<'_>, other: &mut impl Visit) -> u64 {
        self.fingerprints.of(check, other)
    }

    /// Hash of a text; 0 for the empty one, which is an absent one.
    pub fn text(&self, text: &str) -> Hash {
        if text.is_empty() { 0 } else { self.bytes(text.as_bytes()) }
    }

    /// Hash of a value of a check: the same for a value and for the text that [`wire::Form`] reads it from; 0 for an absent one.
    pub fn value(&self, value: &FieldValue<'_>) -> Hash {
        match value {
            FieldValue::Absent => 0,
            FieldValue::Text(text) => self.text(text),
            FieldValue::Kind(kind) => self.text(kind.name()),
            FieldValue::Class(class) => self.text(class.name()),
            FieldValue::Currency(code) => self.bytes(code),
            FieldValue::Address(IpAddr::V4(address)) => self.bytes(&address.octets()),
            FieldValue::Address(IpAddr::V6(address)) => self.bytes(&address.octets()),
            FieldValue::Packet(packet) => self.bytes(packet.as_bytes()),
            FieldValue::Flag(flag) => self.bytes(&[u8::from(*flag)]),
            FieldValue::Whole(number) => self.bytes(&number.to_le_bytes()),
            FieldValue::Decimal(number) => self.bytes(&number.to_le_bytes()),
        }
    }

    /// Hash of bytes, never 0.
    pub fn bytes(&self, bytes: &[u8]) -> Hash {
        let mut hasher = SipHasher13::new_with_keys(self.keys.0, self.keys.1);
        hasher.write(bytes);
        let Hash128 { h1, h2 } = hasher.finish128();
        (u128::from(h1) << 64 | u128::from(h2)).max(1)
    }
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(secret)")
    }
}

/// Folds the hash of another field into a key; the order of fields matters. Both are outputs of the keyed hash, so mixing
/// by multiplication is enough.
pub fn fold(key: Hash, field: Hash) -> Hash {
    const ODD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
    (key.rotate_left(61) ^ field).wrapping_mul(ODD)
}

/// The 64 bits of a hash that tables find keys by.
pub fn short(hash: Hash) -> u64 {
    (hash >> 64) as u64
}

/// What the id of a rule does to [`share`]: the same in every build and process.
pub fn salt(id: &str) -> u64 {
    short(Seed::new([0; 16]).text(id))
}

/// Which hundredth of the keys this one is of, for that salt: of one salt it tells nothing about another.
pub fn share(key: Hash, salt: u64) -> u8 {
    // The finalizer of SplitMix64 (Steele, Lea and Flood 2014): every bit of the key and the salt moves every bit.
    let mut mixed = key as u64 ^ salt;
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    ((u128::from(mixed) * 100) >> 64) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_depend_on_the_seed_and_the_order_of_fields() {
        let (a, b) = (Seed::new([1; 16]), Seed::new([2; 16]));
        assert_eq!(a.text(""), 0);
        assert_ne!(a.text("u1"), b.text("u1"));
        let (x, y) = (a.text("x"), a.text("y"));
        assert_ne!(fold(x, y), fold(y, x));
        assert_eq!(format!("{a:?}"), "Seed(secret)");
    }
}
