//! Keys of lists: what an entry of each way of matching is found by, and which entries a value asks for.

use std::borrow::Cow;
use std::net::IpAddr;

use wire::{FieldValue, Form, Refusal};

use super::ListError;
use crate::key::{Hash, Seed};
use crate::limits::LIST_PREFIX_MAX;
use crate::policy::Matching;
use crate::table::{Ordering, Word};

/// A key as tables know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListKey {
    pub(super) hash: Hash,
    /// Its prefix length where the list matches by prefix; see [`Lengths`].
    pub(super) length: Option<u8>,
}

impl ListKey {
    /// The key that people write, as a list of that way of matching takes it, in the form of the values it is looked up with.
    ///
    /// # Errors
    /// [`ListError::BadKey`] if no value could ever match it.
    pub(super) fn read(seed: &Seed, matching: Matching, form: Form, key: &str) -> Result<ListKey, ListError> {
        let bad = |why: &str| {
            let shown: String = key.chars().take(SHOWN_CHARACTERS).collect();
            Err(ListError::BadKey(format!("{why}, not {shown:?}")))
        };
        match matching {
            Matching::Exact if key.len() > wire::limits::TEXT_BYTES_MAX => {
                bad("a key is text of 1 to 512 bytes")
            }
            Matching::Exact => match read_exact(form, key) {
                Ok(FieldValue::Absent) => bad("a key is not empty"),
                Ok(value) => Ok(ListKey { hash: seed.value(&value), length: None }),
                Err(refusal) => bad(&refusal.message),
            },
            Matching::Network => {
                let (address, length) = key.split_once('/').map_or((key, None), |(a, l)| (a, Some(l)));
                let Ok(ip) = address.parse::<IpAddr>().map(|ip| ip.to_canonical()) else {
                    return bad("a key is an address or a network such as 203.0.113.0/24");
                };
                let (bits, base) = width(ip);
                match length.map_or(Ok(bits), str::parse::<usize>) {
                    Ok(length) if length <= bits => Ok(ListKey {
                        hash: network(seed, ip, length),
                        // At most 161.
                        length: Some((base + length) as u8),
                    }),
                    _ => bad("a prefix length is at most 32 (v4) or 128 (v6)"),
                }
            }
            Matching::Prefix => match form.read_prefix(key) {
                Ok(prefix) if prefix.is_empty() || prefix.len() > LIST_PREFIX_MAX => {
                    bad("a prefix is text of 1 to 64 bytes")
                }
                Ok(prefix) => {
                    Ok(ListKey { hash: seed.bytes(prefix.as_bytes()), length: Some(prefix.len() as u8) })
                }
                Err(refusal) => bad(&refusal.message),
            },
        }
    }
}

/// The one way to write a key, so that an entry is one however its key was written.
///
/// # Errors
/// [`ListError::BadKey`] if no value could ever match it.
pub fn canonical(matching: Matching, form: Form, key: &str) -> Result<Cow<'_, str>, ListError> {
    let bad = |refusal: Refusal| ListError::BadKey(refusal.message.into_owned());
    match matching {
        Matching::Exact => read_exact(form, key).map_err(bad).map(|value| match value {
            FieldValue::Text(text) => text,
            other => Cow::Owned(other.into_text()),
        }),
        Matching::Prefix => form.read_prefix(key).map_err(bad),
        Matching::Network => canonical_network(key).map(Cow::Owned).ok_or_else(|| {
            ListError::BadKey("a key is an address or a network such as 203.0.113.0/24".to_owned())
        }),
    }
}

fn canonical_network(key: &str) -> Option<String> {
    let (address, length) = key.split_once('/').map_or((key, None), |(a, l)| (a, Some(l)));
    let address = address.parse::<IpAddr>().ok()?.to_canonical();
    let width = if address.is_ipv4() { 32 } else { 128 };
    let length =
        length.map_or(Some(width), |length| length.parse().ok()).filter(|&length| length <= width)?;
    let cut = width - length;
    let masked = match address {
        IpAddr::V4(v4) => IpAddr::V4((v4.to_bits().checked_shr(cut).unwrap_or(0) << (cut % 32)).into()),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits().checked_shr(cut).unwrap_or(0) << (cut % 128)).into()),
    };
    Some(if cut == 0 { masked.to_string() } else { format!("{masked}/{length}") })
}

/// So much of a refused key is shown.
const SHOWN_CHARACTERS: usize = 64;
const _: () = assert!(LIST_PREFIX_MAX == 64 && LIST_PREFIX_MAX < V4_LENGTHS_FROM);

/// A key in its canonical form. Free text is taken as it is, and has to be such that a person could write it again.
fn read_exact(form: Form, key: &str) -> Result<FieldValue<'_>, Refusal> {
    if matches!(form, Form::Memo | Form::Token | Form::Qr) {
        wire::visible::all_visible(key)?;
        return Ok(match key.trim() {
            "" => FieldValue::Absent,
            _ => FieldValue::Text(Cow::Borrowed(key)),
        });
    }
    form.read(Cow::Borrowed(key))
}

/// Tells the hashes of all entries that would put a value (its hash from the seed, and itself) on a list with entries of
/// these lengths.
pub(super) fn asked(
    seed: &Seed,
    matching: Matching,
    lengths: &Lengths,
    (hash, text, ip): (Hash, &str, Option<IpAddr>),
    mut tell: impl FnMut(Hash),
) {
    match (matching, ip) {
        (Matching::Exact, _) if hash == 0 => {}
        (Matching::Exact, _) => tell(hash),
        (Matching::Network, None) => {}
        (Matching::Network, Some(ip)) => {
            let (bits, base) = width(ip);
            lengths.among(base..=base + bits).for_each(|length| tell(network(seed, ip, length - base)));
        }
        (Matching::Prefix, _) => {
            let digits = text.as_bytes();
            let lengths = lengths.among(1..=digits.len().min(LIST_PREFIX_MAX));
            lengths.for_each(|length| tell(seed.bytes(&digits[..length])));
        }
    }
}

/// Which prefix lengths any entry has: bits 0 to 128 for v6 networks and for prefixes of digits, 129 to 161 for v4.
pub(super) struct Lengths([Word; 3]);

impl Default for Lengths {
    fn default() -> Lengths {
        Lengths(std::array::from_fn(|_| Word::new(0)))
    }
}

const V4_LENGTHS_FROM: usize = 129;
/// Most entries that can put one value on a list.
pub(crate) const ASKED_MAX: usize = V4_LENGTHS_FROM;

impl Lengths {
    /// The prefix lengths among these that any entry has.
    fn among(&self, among: std::ops::RangeInclusive<usize>) -> impl Iterator<Item = usize> {
        let (first, last) = (*among.start(), *among.end());
        (first / 64..=last / 64).flat_map(move |at| {
            let mut bits = self.0[at].load(Ordering::Acquire);
            std::iter::from_fn(move || {
                let bit = (bits != 0).then(|| bits.trailing_zeros() as usize);
                bits &= bits.wrapping_sub(1);
                bit.map(|bit| at * 64 + bit)
            })
            .filter(move |length| (first..=last).contains(length))
        })
    }

    /// Adds the length of a key, if it has one. To be done before its entry can be found by it.
    pub fn add(&self, key: ListKey) {
        if let Some(length) = key.length.map(usize::from) {
            self.0[length / 64].fetch_or(1 << (length % 64), Ordering::AcqRel);
        }
    }

    /// Adds those of another.
    pub fn join(&self, bits: [u64; 3]) {
        for (word, bits) in self.0.iter().zip(bits) {
            word.fetch_or(bits, Ordering::AcqRel);
        }
    }

    /// As bits.
    pub fn bits(&self) -> [u64; 3] {
        std::array::from_fn(|at| self.0[at].load(Ordering::Acquire))
    }
}

/// Hash of a network of that prefix length.
fn network(seed: &Seed, ip: IpAddr, length: usize) -> Hash {
    let (bits, base) = width(ip);
    let value = match ip {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    };
    let shift = (bits - length) as u32;
    let masked = value.checked_shr(shift).and_then(|kept| kept.checked_shl(shift)).unwrap_or(0);
    let mut bytes = [0; 17];
    bytes[..16].copy_from_slice(&masked.to_le_bytes());
    bytes[16] = (base + length) as u8;
    seed.bytes(&bytes)
}

/// Bits of an address and where its lengths begin.
fn width(ip: IpAddr) -> (usize, usize) {
    match ip {
        IpAddr::V4(_) => (32, V4_LENGTHS_FROM),
        IpAddr::V6(_) => (128, 0),
    }
}
