//! Lists: which values are on deny, allow and watch lists, looked up by keyed hash.
//!
//! One table holds the entries of all lists. Look-ups take no lock; one writer at a time changes it, and a change is in
//! force for the next check. Reasons and sources of entries are kept by whoever makes them durable, not here.
#![expect(clippy::disallowed_types, reason = "the lock of the one writer; look-ups never take it")]

mod look_up;

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

pub(crate) use look_up::{look_up, prefetch};

use crate::key::{Hash, Seed};
use crate::limits::{LIST_PREFIX_MAX, LIST_PROBES_MAX};
use crate::policy::Matching;
use crate::table::{Memory, Ordering, Word};

/// Words of an entry: the two halves of its hash, and when it ends.
const ENTRY_WORDS: usize = 3;
const EMPTY: u64 = 0;
/// Marks an entry as free for another key.
const REMOVED: u64 = 1;
/// An entry that never ends.
pub const NEVER_MS: i64 = i64::MAX;

/// Why a list did not take an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListError {
    /// The key is not one the list can hold; the sentence says why.
    BadKey(String),
    /// The table has no room within its probes.
    Full,
}

impl std::fmt::Display for ListError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ListError::BadKey(why) => f.write_str(why),
            ListError::Full => f.write_str("the list table is full: raise tables.list_entries"),
        }
    }
}

impl std::error::Error for ListError {}

/// Entries of all lists.
pub struct Lists {
    memory: Memory,
    slots: usize,
    seed: Seed,
    writer: Mutex<Vec<Arc<ListHandle>>>,
    entries: Word,
}

/// A list's identity, which survives reloads: entries belong to the name and the way of matching.
pub struct ListHandle {
    name: String,
    matching: Matching,
    salt: Hash,
    /// Which prefix lengths any entry has: bits 0 to 128 for v6 networks and for prefixes of digits, 129 to 161 for v4.
    lengths: [Word; 3],
}

const V4_LENGTHS_FROM: usize = 129;

impl ListHandle {
    /// Most entries that can put one value on a list.
    pub(crate) const ENTRIES_MAX: usize = V4_LENGTHS_FROM;

    /// The prefix lengths among these that any entry has.
    fn lengths(&self, among: std::ops::RangeInclusive<usize>) -> impl Iterator<Item = usize> {
        let (first, last) = (*among.start(), *among.end());
        (first / 64..=last / 64).flat_map(move |at| {
            let mut bits = self.lengths[at].load(Ordering::Acquire);
            std::iter::from_fn(move || {
                let bit = (bits != 0).then(|| bits.trailing_zeros() as usize);
                bits &= bits.wrapping_sub(1);
                bit.map(|bit| at * 64 + bit)
            })
            .filter(move |length| (first..=last).contains(length))
        })
    }
}

impl Lists {
    /// A table for that many entries; `None` if there is no memory for it.
    pub fn new(capacity: usize, seed: Seed) -> Option<Lists> {
        let slots = capacity.checked_add(capacity / 2)?.max(64);
        let memory = Memory::new(slots.checked_mul(ENTRY_WORDS)?)?;
        Some(Lists { memory, slots, seed, writer: Mutex::new(Vec::new()), entries: Word::new(0) })
    }

    /// The handle of a list, made at its first mention.
    pub fn handle(&self, name: &str, matching: Matching) -> Arc<ListHandle> {
        let mut handles = self.lock();
        if let Some(known) = handles.iter().find(|h| h.name == name && h.matching == matching) {
            return known.clone();
        }
        let salt = self.seed.bytes(format!("list {matching:?} {name}").as_bytes());
        let lengths = std::array::from_fn(|_| Word::new(0));
        let handle = Arc::new(ListHandle { name: name.to_owned(), matching, salt, lengths });
        handles.push(handle.clone());
        handle
    }

    /// Puts a key on a list until `expires_ms` (or [`NEVER_MS`]); an entry already there gets the new end.
    ///
    /// # Errors
    /// [`ListError`] if the key is none for this list, or the table is full.
    pub fn add(&self, list: &ListHandle, key: &str, expires_ms: i64) -> Result<(), ListError> {
        let (hash, length) = self.entry(list, key)?;
        let _writer = self.lock();
        let mut room = None;
        for slot in self.places(hash) {
            match self.words(slot)[0].load(Ordering::Acquire) {
                EMPTY => {
                    room = room.or(Some(slot));
                    break;
                }
                REMOVED => room = room.or(Some(slot)),
                high if high == self.high(hash)
                    && self.words(slot)[1].load(Ordering::Acquire) == hash as u64 =>
                {
                    self.words(slot)[2].store(expires_ms as u64, Ordering::Release);
                    return Ok(());
                }
                _ => {}
            }
        }
        let slot = room.ok_or(ListError::Full)?;
        let [high, low, expires] = self.words(slot) else { return Err(ListError::Full) };
        // A reader that sees the first half sees the rest: the first half is written last.
        low.store(hash as u64, Ordering::Release);
        expires.store(expires_ms as u64, Ordering::Release);
        high.store(self.high(hash), Ordering::Release);
        if let Some(length) = length {
            list.lengths[length / 64].fetch_or(1 << (length % 64), Ordering::AcqRel);
        }
        self.entries.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Takes a key off a list; says whether it was on it.
    ///
    /// # Errors
    /// [`ListError::BadKey`] if the key is none for this list.
    pub fn remove(&self, list: &ListHandle, key: &str) -> Result<bool, ListError> {
        let (hash, _) = self.entry(list, key)?;
        let _writer = self.lock();
        let Some(slot) = self.slot_of(hash) else { return Ok(false) };
        self.words(slot)[0].store(REMOVED, Ordering::Release);
        self.entries.fetch_sub(1, Ordering::Relaxed);
        Ok(true)
    }

    /// Tells the hashes of all entries that would put a value (its hash from the seed, and itself) on the list.
    fn entries(
        &self,
        list: &ListHandle,
        hash: Hash,
        text: &str,
        ip: Option<IpAddr>,
        mut tell: impl FnMut(Hash),
    ) {
        match (list.matching, ip) {
            (Matching::Exact, _) if hash == 0 => {}
            (Matching::Exact, _) => tell(hash ^ list.salt),
            (Matching::Network, None) => {}
            (Matching::Network, Some(ip)) => {
                let (bits, base) = width(ip);
                let lengths = list.lengths(base..=base + bits);
                lengths.for_each(|length| tell(self.network(ip, length - base) ^ list.salt));
            }
            (Matching::Prefix, _) => {
                let digits = text.as_bytes();
                let lengths = list.lengths(1..=digits.len().min(LIST_PREFIX_MAX));
                lengths.for_each(|length| tell(self.seed.bytes(&digits[..length]) ^ list.salt));
            }
        }
    }

    /// Brings the first place of an entry's hash into the cache.
    fn prefetch(&self, hash: Hash) {
        if let Some(slot) = self.places(hash).next() {
            self.memory.prefetch(slot * ENTRY_WORDS, ENTRY_WORDS);
        }
    }

    /// Entries standing.
    pub fn len(&self) -> u64 {
        self.entries.load(Ordering::Relaxed)
    }

    /// Places for entries.
    pub fn capacity(&self) -> u64 {
        self.slots as u64
    }

    /// Whether no entry stands.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Hash of a network of that prefix length.
    fn network(&self, ip: IpAddr, length: usize) -> Hash {
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
        self.seed.bytes(&bytes)
    }

    /// Hash of a key as the list stores it, and its prefix length where the list matches by prefix.
    fn entry(&self, list: &ListHandle, key: &str) -> Result<(Hash, Option<usize>), ListError> {
        let bad = |why: &str| Err(ListError::BadKey(format!("{why}, not {key:?}")));
        match list.matching {
            Matching::Exact if key.is_empty() || key.len() > wire::limits::TEXT_BYTES_MAX => {
                bad("a key is text of 1 to 512 bytes")
            }
            Matching::Exact => Ok((self.seed.text(key) ^ list.salt, None)),
            Matching::Network => {
                let (address, length) = key.split_once('/').map_or((key, None), |(a, l)| (a, Some(l)));
                let Ok(ip) = address.parse::<IpAddr>().map(|ip| ip.to_canonical()) else {
                    return bad("a key is an address or a network such as 203.0.113.0/24");
                };
                let (bits, base) = width(ip);
                match length.map_or(Ok(bits), str::parse::<usize>) {
                    Ok(length) if length <= bits => {
                        Ok((self.network(ip, length) ^ list.salt, Some(base + length)))
                    }
                    _ => bad("a prefix length is at most 32 (v4) or 128 (v6)"),
                }
            }
            Matching::Prefix if !key.is_empty() && key.len() <= LIST_PREFIX_MAX && key.is_ascii() => {
                Ok((self.seed.bytes(key.as_bytes()) ^ list.salt, Some(key.len())))
            }
            Matching::Prefix => bad("a prefix is 1 to 16 characters of ASCII"),
        }
    }

    fn live(&self, hash: Hash, now_ms: i64) -> bool {
        self.slot_of(hash).is_some_and(|slot| self.words(slot)[2].load(Ordering::Acquire) as i64 > now_ms)
    }

    fn slot_of(&self, hash: Hash) -> Option<usize> {
        let high = self.high(hash);
        for slot in self.places(hash) {
            match self.words(slot)[0].load(Ordering::Acquire) {
                EMPTY => return None,
                found if found == high && self.words(slot)[1].load(Ordering::Acquire) == hash as u64 => {
                    return Some(slot);
                }
                _ => {}
            }
        }
        None
    }

    /// The first half of a hash, kept clear of the marks.
    fn high(&self, hash: Hash) -> u64 {
        ((hash >> 64) as u64).max(REMOVED + 1)
    }

    fn places(&self, hash: Hash) -> impl Iterator<Item = usize> {
        let (slots, first) = (self.slots, ((u128::from(hash as u64) * self.slots as u128) >> 64) as usize);
        (0..LIST_PROBES_MAX).map(move |probe| (first + probe) % slots)
    }

    fn words(&self, slot: usize) -> &[Word] {
        &self.memory.words()[slot * ENTRY_WORDS..(slot + 1) * ENTRY_WORDS]
    }

    /// Admin threads only; a panic of one of them leaves whole entries, so a poisoned lock is as good as a sound one.
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<ListHandle>>> {
        self.writer.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Bits of an address and where its lengths begin in a handle.
fn width(ip: IpAddr) -> (usize, usize) {
    match ip {
        IpAddr::V4(_) => (32, V4_LENGTHS_FROM),
        IpAddr::V6(_) => (128, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists() -> Lists {
        Lists::new(1_000, Seed::new([3; 16])).expect("small")
    }

    fn on(lists: &Lists, list: &ListHandle, text: &str) -> bool {
        let ip = text.parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
        let mut found = false;
        lists.entries(list, lists.seed.text(text), text, ip, |hash| found |= lists.live(hash, 1_000));
        found
    }

    #[test]
    fn an_entry_is_in_force_until_it_ends_or_is_taken_off() {
        let lists = lists();
        let list = lists.handle("bad", Matching::Exact);
        assert!(!on(&lists, &list, "u1"));
        lists.add(&list, "u1", NEVER_MS).expect("room");
        lists.add(&list, "u2", 1_000).expect("room");
        assert!(on(&lists, &list, "u1") && !on(&lists, &list, "u2"));
        assert!(!on(&lists, &lists.handle("other", Matching::Exact), "u1"), "lists do not share entries");
        assert_eq!(lists.remove(&list, "u1"), Ok(true));
        assert_eq!(lists.remove(&list, "u1"), Ok(false));
        assert!(!on(&lists, &list, "u1"));
    }

    #[test]
    fn networks_hold_their_addresses() {
        let lists = lists();
        let list = lists.handle("ips", Matching::Network);
        for network in ["203.0.113.0/24", "198.51.100.7", "2001:db8::/32", "::ffff:192.0.2.1"] {
            lists.add(&list, network, NEVER_MS).expect("room");
        }
        for inside in ["203.0.113.9", "198.51.100.7", "2001:db8:1::1", "192.0.2.1"] {
            assert!(on(&lists, &list, inside), "{inside}");
        }
        for outside in ["203.0.114.1", "198.51.100.8", "2001:db9::1"] {
            assert!(!on(&lists, &list, outside), "{outside}");
        }
        for bad in ["", "1.2.3", "1.2.3.4/33", "::1/129", "1.2.3.4/-1"] {
            assert!(matches!(lists.add(&list, bad, NEVER_MS), Err(ListError::BadKey(_))), "{bad}");
        }
    }

    #[test]
    fn prefixes_match_leading_digits() {
        let lists = lists();
        let list = lists.handle("bins", Matching::Prefix);
        lists.add(&list, "523421", NEVER_MS).expect("room");
        assert!(on(&lists, &list, "5234210000006253") && !on(&lists, &list, "5234990000006253"));
    }

    #[test]
    fn it_agrees_with_a_set_through_adds_and_removals() {
        let lists = lists();
        let list = lists.handle("x", Matching::Exact);
        let mut twin = std::collections::HashSet::new();
        for n in 0..20_000_u64 {
            let key = (n.wrapping_mul(2_654_435_761) % 900).to_string();
            if n % 3 == 0 {
                assert_eq!(lists.remove(&list, &key), Ok(twin.remove(&key)));
            } else {
                lists.add(&list, &key, NEVER_MS).expect("room");
                twin.insert(key);
            }
        }
        assert_eq!(lists.len(), twin.len() as u64);
        assert!((0..900).all(|n| on(&lists, &list, &n.to_string()) == twin.contains(&n.to_string())));
    }
}
