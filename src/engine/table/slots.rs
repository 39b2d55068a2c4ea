//! A table of slots found by key: sets of sixteen, lock-free claim and eviction.
//!
//! A slot has a head (its key and the time it was last touched) and a payload, which belongs to whoever owns the table and
//! starts zeroed. The heads of a set lie side by side, so a key is found or missed within four neighbouring cache lines
//! whatever the size of its payload. A key, once in, stays in its slot until the slot is given to another key: slots never
//! become empty again, so a look-up may stop at the first empty one, and two threads that bring the same new key meet at the
//! same slot.

use super::{Memory, Ordering, Pins, Word};

/// Slots of a set: all a key may stand in. At the full load of two thirds one set in twenty-five is fuller than that and
/// gives up its least recently used key early.
const WAYS: usize = 16;
/// Words of a head: key, last touch.
const HEAD_WORDS: usize = 2;
/// Turns to wait for a thread that is preparing the same key's slot, before going on without.
const PREPARING_SPINS: usize = 10_000;

const EMPTY: u64 = 0;
/// A slot given up by a thread that found its key elsewhere: free for eviction at once.
const ABANDONED: u64 = 1;
/// Set in the key of a slot that is being cleared for that key.
const PREPARING: u64 = 1 << 63;

/// A slot of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Place of the slot in the table.
    pub slot: usize,
    /// Whether this call put the key in.
    pub fresh: bool,
}

/// The table.
pub struct Slots {
    heads: Memory,
    payloads: Memory,
    sets: usize,
    stride: usize,
    /// Words of a payload that a new key must find zeroed.
    cleared: usize,
    /// A key untouched for longer holds nothing of value: it is evicted first, and its eviction is no loss.
    expiry_ms: u64,
    live_evictions: Word,
    claimed: Word,
}

impl Slots {
    /// A table for `capacity` keys of `payload_words` words each; it is built half as large again.
    /// `None` if there is no memory for it.
    pub fn new(capacity: usize, payload_words: usize, expiry_ms: i64) -> Option<Slots> {
        let sets = capacity.checked_add(capacity / 2)?.div_ceil(WAYS).max(1);
        let slots = sets.checked_mul(WAYS)?;
        let stride = payload_words.next_multiple_of(8);
        Some(Slots {
            heads: Memory::new(slots.checked_mul(HEAD_WORDS)?)?,
            payloads: Memory::new(slots.checked_mul(stride)?)?,
            sets,
            stride,
            cleared: payload_words,
            expiry_ms: expiry_ms.max(0) as u64,
            live_evictions: Word::new(0),
            claimed: Word::new(0),
        })
    }

    /// The same, where a new key needs only so many words zeroed: its owner writes the rest before reading it.
    pub fn clearing(self, words: usize) -> Slots {
        Slots { cleared: words, ..self }
    }

    /// Any 64 bits as a key that collides with no mark.
    const fn key(hash: u64) -> u64 {
        let key = hash & !PREPARING;
        if key <= ABANDONED { key + 2 } else { key }
    }

    fn set(&self, key: u64) -> usize {
        let spread = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((u128::from(spread) * self.sets as u128) >> 64) as usize
    }

    /// The slots a key may stand in, in the order they are looked at.
    fn places(&self, key: u64) -> std::ops::Range<usize> {
        let first = self.set(key) * WAYS;
        first..first + WAYS
    }

    fn head(&self, slot: usize) -> (&Word, &Word) {
        let words = &self.heads.words()[slot * HEAD_WORDS..(slot + 1) * HEAD_WORDS];
        (&words[0], &words[1])
    }

    /// The payload of a slot.
    pub fn payload(&self, slot: usize) -> &[Word] {
        &self.payloads.words()[slot * self.stride..(slot + 1) * self.stride]
    }

    /// Brings the heads of a key's set into the cache.
    pub fn prefetch(&self, hash: u64) {
        self.heads.prefetch(self.set(Self::key(hash)) * WAYS * HEAD_WORDS, WAYS * HEAD_WORDS);
    }

    /// Brings the first `words` words of a slot's payload into the cache.
    pub fn prefetch_payload(&self, slot: usize, words: usize) {
        self.payloads.prefetch(slot * self.stride, words.min(self.stride));
    }

    /// The slot of a key that is in the table, without touching it.
    pub fn find(&self, hash: u64) -> Option<usize> {
        let key = Self::key(hash);
        for slot in self.places(key) {
            match self.head(slot).0.load(Ordering::Acquire) {
                EMPTY => return None,
                found if found == key => return Some(slot),
                _ => {}
            }
        }
        None
    }

    /// The slot of a key, putting the key in if it is new; `None` if every slot it may stand in is in somebody's hands.
    /// The caller holds a pin of `pins` entered at `now_ms` or before.
    pub fn find_or_claim(&self, hash: u64, now_ms: i64, pins: &Pins) -> Option<Found> {
        // Time 0 marks a slot that nobody has touched yet.
        let (key, now_ms) = (Self::key(hash), now_ms.max(1));
        let mut turns = 0;
        loop {
            match self.probe(key, now_ms as u64) {
                Probe::Found(found) => return Some(found),
                Probe::Preparing => {
                    turns += 1;
                    if turns > PREPARING_SPINS {
                        return None;
                    }
                    std::hint::spin_loop();
                }
                Probe::Crowded => match self.evict(key, now_ms as u64, pins) {
                    Evict::Done(found) => return Some(found),
                    Evict::Retry => turns += 1,
                    Evict::NoRoom => return None,
                },
            }
            if turns > PREPARING_SPINS {
                return None;
            }
        }
    }

    fn probe(&self, key: u64, now_ms: u64) -> Probe {
        let mut preparing = false;
        for slot in self.places(key) {
            let (head, touched) = self.head(slot);
            let mut found = head.load(Ordering::Acquire);
            if found == EMPTY {
                match head.compare_exchange(EMPTY, key, Ordering::AcqRel, Ordering::Acquire) {
                    Ok(_) => {
                        touched.store(now_ms, Ordering::Release);
                        self.claimed.fetch_add(1, Ordering::Relaxed);
                        return Probe::Found(Found { slot, fresh: true });
                    }
                    Err(other) => found = other,
                }
            }
            if found == key {
                // Touch, then look again: either the evicting thread sees the touch, or we see that the slot is gone.
                if touched.load(Ordering::Relaxed) < now_ms {
                    touched.fetch_max(now_ms, Ordering::SeqCst);
                    if head.load(Ordering::SeqCst) != key {
                        return Probe::Preparing;
                    }
                }
                return Probe::Found(Found { slot, fresh: false });
            }
            preparing |= found == key | PREPARING;
        }
        if preparing { Probe::Preparing } else { Probe::Crowded }
    }

    /// Gives the slot least recently used within the probes to the key.
    fn evict(&self, key: u64, now_ms: u64, pins: &Pins) -> Evict {
        let oldest_pinned_ms = pins.oldest_ms();
        let mut victim: Option<(usize, u64, u64)> = None;
        for slot in self.places(key) {
            let (head, touched) = self.head(slot);
            let held = head.load(Ordering::Acquire);
            let touched_ms = touched.load(Ordering::Acquire);
            // A key that was put in a moment ago has not been touched yet: it is in somebody's hands.
            let just_claimed = touched_ms == 0 && held != ABANDONED;
            if held & PREPARING != 0 || just_claimed || touched_ms >= oldest_pinned_ms {
                continue;
            }
            if victim.is_none_or(|(_, _, oldest)| touched_ms < oldest) {
                victim = Some((slot, held, touched_ms));
            }
        }
        let Some((slot, held, touched_ms)) = victim else { return Evict::NoRoom };
        let (head, touched) = self.head(slot);
        if head.compare_exchange(held, key | PREPARING, Ordering::SeqCst, Ordering::Relaxed).is_err() {
            return Evict::Retry;
        }
        if touched.load(Ordering::SeqCst) != touched_ms {
            // Somebody found the old key after we chose it: the slot is in use again.
            head.store(held, Ordering::SeqCst);
            return Evict::Retry;
        }
        for word in &self.payload(slot)[..self.cleared] {
            word.store(0, Ordering::Relaxed);
        }
        touched.store(now_ms, Ordering::Relaxed);
        if held != ABANDONED && touched_ms.saturating_add(self.expiry_ms) > now_ms {
            self.live_evictions.fetch_add(1, Ordering::Relaxed);
        }
        // Two threads may have chosen different victims for the same key. The exchange above and these loads have one order
        // for all threads, so the later of the two sees the earlier and gives up; both may, and then both try again.
        for other in self.places(key).filter(|other| *other != slot) {
            let standing = self.head(other).0.load(Ordering::SeqCst);
            if standing == key || standing == key | PREPARING {
                touched.store(0, Ordering::Relaxed);
                head.store(ABANDONED, Ordering::SeqCst);
                return Evict::Retry;
            }
        }
        head.store(key, Ordering::SeqCst);
        Evict::Done(Found { slot, fresh: true })
    }

    /// Whether the slot still holds the key.
    pub fn holds(&self, slot: usize, hash: u64) -> bool {
        self.head(slot).0.load(Ordering::Acquire) == Self::key(hash)
    }

    /// Keys evicted before their windows had expired.
    pub fn live_evictions(&self) -> u64 {
        self.live_evictions.load(Ordering::Relaxed)
    }

    /// Slots that hold or held a key.
    pub fn claimed(&self) -> u64 {
        self.claimed.load(Ordering::Relaxed)
    }

    /// Slots there are.
    pub fn slots(&self) -> usize {
        self.sets * WAYS
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.slots() * (self.stride + HEAD_WORDS) * size_of::<Word>()
    }
}

enum Probe {
    Found(Found),
    /// Another thread is putting the key in right now.
    Preparing,
    /// Every slot holds another key.
    Crowded,
}

enum Evict {
    Done(Found),
    Retry,
    NoRoom,
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_key_keeps_its_slot_and_its_payload() {
        let table = Slots::new(100, 4, 1_000).expect("small");
        let pins = Pins::default();
        let first = table.find_or_claim(42, 10, &pins).expect("room");
        assert!(first.fresh);
        table.payload(first.slot)[0].store(5, Ordering::Relaxed);
        let again = table.find_or_claim(42, 20, &pins).expect("there");
        assert_eq!((again.slot, again.fresh), (first.slot, false));
        assert_eq!(table.find(42), Some(first.slot));
        assert_eq!(table.find(43), None);
    }

    #[test]
    fn a_full_table_evicts_what_was_not_used_lately_and_counts_live_ones() {
        let table = Slots::new(8, 1, 1_000).expect("small");
        let pins = Pins::default();
        for round in 0..200 {
            let _pin = pins.enter(0, 100 + round);
            assert!(table.find_or_claim(7, 100 + round, &pins).is_some(), "in use at every round");
            assert!(table.find_or_claim(1_000 + round as u64, 100 + round, &pins).is_some_and(|f| f.fresh));
        }
        assert!(table.find(7).is_some(), "a key in use is not the one that makes room");
        assert!(table.find(1_000).is_none() && table.live_evictions() > 100);
        let before = table.live_evictions();
        let _pin = pins.enter(0, 5_000);
        assert!(table.find_or_claim(9_999, 5_000, &pins).is_some_and(|f| f.fresh));
        assert_eq!(table.live_evictions(), before, "an expired key is no loss");
    }

    #[test]
    fn a_slot_in_somebodys_hands_is_not_evicted() {
        let table = Slots::new(8, 1, 0).expect("small");
        let pins = Pins::default();
        let slow = pins.enter(1, 50);
        for key in 0..100 {
            let _ = table.find_or_claim(1_000 + key, 60, &pins);
        }
        assert_eq!(table.find_or_claim(9_999, 70, &pins), None);
        drop(slow);
        assert!(table.find_or_claim(9_999, 70, &pins).is_some());
    }

    #[test]
    fn threads_that_bring_the_same_new_keys_meet_in_the_same_slots() {
        let table = Slots::new(64, 1, 0).expect("small");
        let pins = Pins::default();
        std::thread::scope(|scope| {
            for worker in 0..4 {
                let (table, pins) = (&table, &pins);
                scope.spawn(move || {
                    for round in 0..2_000_u64 {
                        let _pin = pins.enter(worker, round as i64);
                        if let Some(found) = table.find_or_claim(round % 300, round as i64, pins) {
                            table.payload(found.slot)[0].fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        let mut seen = std::collections::HashSet::new();
        for slot in 0..table.slots() {
            let key = table.head(slot).0.load(Ordering::Relaxed);
            assert_eq!(key & PREPARING, 0, "no slot is left half prepared");
            if key > ABANDONED {
                assert!(seen.insert(key), "a key stands in one slot only");
            }
        }
    }
}
