//! How a key comes into a table: found, given a free slot, or the slot of the set that was longest untouched.

use super::slots::{ABANDONED, EMPTY, Found, PREPARING, Slots, WAYS, head, tag, tag_of, touch, touched};
use super::{Ordering, fence, scan, spin_loop};

/// Turns to wait for a thread that is preparing a slot, before going on without.
const SPINS: usize = 10_000;
/// A slot touched within so many units after a batch entered is in the batch's hands; nothing is longer under way.
const HANDS_UNITS: u32 = 1 << 20;

/// Whether a slot touched then may be in the hands of a batch that entered at `pinned`.
#[inline]
fn in_hands(touched: u32, pinned: u32) -> bool {
    touched.wrapping_sub(pinned) < HANDS_UNITS
}

/// How long a slot was left alone.
#[inline]
fn idle(head: u64, now: u32) -> u32 {
    if tag_of(head) == ABANDONED { u32::MAX } else { now.wrapping_sub(touched(head)) }
}

/// What a try came to.
enum Step {
    Found(Found),
    /// Another thread was at it: try again.
    Retry,
    /// The key does not stand here, or there is no room for it.
    None,
}

impl Slots {
    /// The slot of a key, putting the key in if it is new; `None` if every slot it may stand in is in somebody's hands.
    /// The caller holds a pin entered at `now_ms` or before.
    pub fn find_or_claim(&self, key: u64, now_ms: i64) -> Option<Found> {
        self.find_or_evict(None, key, now_ms)
    }

    /// The same, with a slot that was the longest untouched of the set a moment ago.
    fn find_or_evict(&self, idle: Option<usize>, key: u64, now_ms: i64) -> Option<Found> {
        let (first, now) = (self.places(key).start, touch(now_ms));
        for _ in 0..SPINS {
            let (tagged, empty) = self.marks(key);
            let step = match self.own(tagged, key, now) {
                Step::None if empty != 0 => {
                    self.take(first + empty.trailing_zeros() as usize, EMPTY, key, now)
                }
                Step::None => self.evict(idle, key, now),
                step => step,
            };
            match step {
                Step::Found(found) => return Some(found),
                Step::None => return None,
                Step::Retry => spin_loop(),
            }
        }
        None
    }

    /// The slot of a key that is in the table, touched, so that it stays the key's for as long as the caller's pin.
    pub fn find(&self, key: u64, now_ms: i64) -> Option<usize> {
        for _ in 0..SPINS {
            match self.own(self.marks(key).0, key, touch(now_ms)) {
                Step::Found(found) => return Some(found.slot),
                Step::None => return None,
                Step::Retry => spin_loop(),
            }
        }
        None
    }

    /// [`Slots::find_or_claim`], with the slot that [`Slots::likely`] gave a moment ago.
    #[inline]
    pub(super) fn claim(&self, likely: u32, key: u64, now_ms: i64) -> Option<Found> {
        match self.own_at(likely as usize, key, touch(now_ms)) {
            Step::Found(found) => Some(found),
            _ => {
                let idle = Some(likely as usize).filter(|slot| self.places(key).contains(slot));
                self.find_or_evict(idle, key, now_ms)
            }
        }
    }

    /// The slot that [`Slots::find_or_claim`] will most likely give: what to prefetch. The heads of the set, which begins at
    /// `first`, should be in the cache.
    #[inline]
    pub(super) fn likely(&self, first: u32, key: u64, now_ms: i64) -> u32 {
        let first = first as usize;
        let (tagged, empty) = self.marks_at(first, key);
        let slot = match if tagged != 0 { tagged } else { empty } {
            0 => self.longest_idle(first, touch(now_ms)),
            ways => first + ways.trailing_zeros() as usize,
        };
        slot as u32
    }

    /// The slot of a set that was longest untouched.
    #[inline(never)]
    fn longest_idle(&self, first: usize, now: u32) -> usize {
        let heads = self.heads.words()[first..first + WAYS].iter().map(|head| head.load(Ordering::Relaxed));
        first + heads.enumerate().max_by_key(|(_, head)| idle(*head, now)).map_or(0, |(way, _)| way)
    }

    /// The slots of a key's set with its tag, and the empty ones; a bit each.
    fn marks(&self, key: u64) -> (u32, u32) {
        self.marks_at(self.places(key).start, key)
    }

    #[inline]
    fn marks_at(&self, first: usize, key: u64) -> (u32, u32) {
        let heads = self.heads.words()[first..].first_chunk();
        heads.map_or((0, 0), |heads| scan::marks(heads, tag(key)))
    }

    /// The key's own slot among those of its tag.
    fn own(&self, mut tagged: u32, key: u64, now: u32) -> Step {
        let first = self.places(key).start;
        while tagged != 0 {
            match self.own_at(first + tagged.trailing_zeros() as usize, key, now) {
                Step::None => tagged &= tagged - 1,
                step => return step,
            }
        }
        Step::None
    }

    /// The slot if it is the key's own, touched.
    #[inline]
    fn own_at(&self, slot: usize, key: u64, now: u32) -> Step {
        let Some(own) = self.heads.words().get(slot) else { return Step::None };
        let held = own.load(Ordering::Acquire);
        if tag_of(held) != tag(key) || touched(held) == PREPARING {
            return Step::Retry;
        }
        if !self.holds(slot, key) {
            return Step::None;
        }
        let found = Step::Found(Found { slot, fresh: false });
        let idle = idle(held, now);
        // A time ahead of ours is that of a thread that entered later.
        if idle == 0 || idle > u32::MAX - HANDS_UNITS {
            return found;
        }
        if self.shape.renewed && idle > self.expiry && !self.entered_since(held) {
            return self.take(slot, held, key, now);
        }
        // The touch keeps evicting threads away: either this exchange fails or theirs.
        let wanted = head(tag(key), now);
        let kept = own.compare_exchange(held, wanted, Ordering::AcqRel, Ordering::Acquire);
        if kept.is_ok() { found } else { Step::Retry }
    }

    /// Gives the slot of the set that was longest untouched to the key.
    fn evict(&self, likely: Option<usize>, key: u64, now: u32) -> Step {
        let standing = |slot: usize| (slot, self.heads.words()[slot].load(Ordering::Acquire));
        // If nobody has touched it since, it still is.
        let likely = likely.map(standing).filter(|(_, held)| tag_of(*held) != tag(key));
        let chosen =
            self.idlest(likely.into_iter(), now).or_else(|| self.idlest(self.places(key).map(standing), now));
        match chosen {
            Some((slot, held)) => self.take(slot, held, key, now),
            None => Step::None,
        }
    }

    /// The slot that was longest untouched among those that nobody can be working on, given with their heads.
    pub(super) fn idlest(&self, slots: impl Iterator<Item = (usize, u64)>, now: u32) -> Option<(usize, u64)> {
        let pinned = self.pins.oldest_ms().map_or(now, touch);
        let free = |head: u64| {
            touched(head) != PREPARING && (tag_of(head) == ABANDONED || !in_hands(touched(head), pinned))
        };
        slots.filter(|(_, head)| free(*head)).max_by_key(|(_, head)| idle(*head, now))
    }

    /// Makes a slot whose head was `held` the caller's alone, under its old tag until it is certain that nobody works on it:
    /// whoever looks for the old key waits that long. `false` if it is in somebody's hands after all.
    pub(super) fn seize(&self, slot: usize, held: u64, old: u32, now: u32) -> bool {
        let own = &self.heads.words()[slot];
        if own.compare_exchange(held, head(old, PREPARING), Ordering::AcqRel, Ordering::Relaxed).is_err() {
            return false;
        }
        if held == EMPTY {
            self.counters.claimed.fetch_add(1, Ordering::Relaxed);
            return true;
        }
        // Against the one in `Pins::enter`: either we see the pin of a batch, or its look-ups see the slot being prepared.
        fence(Ordering::SeqCst);
        if old != ABANDONED {
            if self.entered_since(held) {
                // Somebody entered between our choice and the exchange, and may have found the old key before it.
                own.store(held, Ordering::Release);
                return false;
            }
            if idle(held, now) < self.expiry {
                self.counters.live_evictions.fetch_add(1, Ordering::Relaxed);
            }
        }
        true
    }

    /// Whether a batch is in flight that may have found the slot when its head was this.
    fn entered_since(&self, head: u64) -> bool {
        self.pins.oldest_ms().is_some_and(|pinned| in_hands(touched(head), touch(pinned)))
    }

    /// Takes a slot over for the key, whose head was `held`.
    fn take(&self, slot: usize, held: u64, key: u64, now: u32) -> Step {
        let old = if held == EMPTY { tag(key) } else { tag_of(held) };
        if !self.seize(slot, held, old, now) {
            return Step::Retry;
        }
        let own = &self.heads.words()[slot];
        own.store(head(tag(key), PREPARING), Ordering::Release);
        // Two threads may have chosen different slots for the same key. With a fence between the store above and these loads
        // the later of the two sees the earlier and gives up; both may, and then both try again.
        fence(Ordering::SeqCst);
        let (first, (tagged, _)) = (self.places(key).start, self.marks(key));
        let mut others = tagged & !(1 << (slot - first));
        let mut elsewhere = false;
        while others != 0 && !elsewhere {
            let other = first + others.trailing_zeros() as usize;
            let standing = self.heads.words()[other].load(Ordering::Acquire);
            elsewhere =
                tag_of(standing) == tag(key) && (touched(standing) == PREPARING || self.holds(other, key));
            others &= others - 1;
        }
        if elsewhere {
            self.abandon(slot);
            return Step::Retry;
        }
        if held != EMPTY {
            self.clear(slot);
        }
        self.split(slot).0.store(key, Ordering::Release);
        own.store(head(tag(key), now), Ordering::Release);
        Step::Found(Found { slot, fresh: true })
    }

    /// Leaves a seized slot to whoever needs one.
    pub(super) fn abandon(&self, slot: usize) {
        self.heads.words()[slot].store(head(ABANDONED, 0), Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;

    use super::super::Word;
    use super::super::slots::Shape;
    use super::*;

    fn table(capacity: usize, expiry_ms: i64) -> Slots {
        let shape = Shape { near: 4, zeroed: 4, ..Shape::default() };
        Slots::new(capacity, shape, expiry_ms, &Arc::default()).expect("small")
    }

    fn first(table: &Slots, slot: usize) -> &Word {
        &table.payload(slot).near()[0]
    }

    #[test]
    fn a_key_keeps_its_slot_and_its_payload() {
        let table = table(100, 1_000);
        let found = table.find_or_claim(42, 10).expect("room");
        assert!(found.fresh);
        first(&table, found.slot).store(5, Ordering::Relaxed);
        let again = table.find_or_claim(42, 2_000).expect("there");
        assert_eq!((again.slot, again.fresh), (found.slot, false));
        assert_eq!(first(&table, again.slot).load(Ordering::Relaxed), 5);
        assert_eq!((table.find(42, 2_000), table.find(43, 2_000)), (Some(found.slot), None));
    }

    #[test]
    fn keys_of_one_tag_are_told_apart() {
        let table = table(8, 1_000);
        let keys: Vec<u64> = (1..=8).map(|n| n << 32 | 7).collect();
        let slots: Vec<usize> =
            keys.iter().map(|&key| table.find_or_claim(key, 100).expect("room").slot).collect();
        for (&key, &slot) in keys.iter().zip(&slots) {
            assert_eq!(table.find(key, 100), Some(slot));
            assert_eq!(table.find_or_claim(key, 200), Some(Found { slot, fresh: false }));
        }
        assert_eq!(table.find(9 << 32 | 7, 100), None);
    }

    #[test]
    fn a_full_table_evicts_what_was_not_used_lately_and_counts_live_ones() {
        let table = table(8, 32_000);
        let pins = table.pins.clone();
        for round in 0..200 {
            let now_ms = 1_600 + 16 * round;
            let _pin = pins.enter(0, now_ms);
            assert!(table.find_or_claim(7, now_ms).is_some(), "in use at every round");
            assert!(table.find_or_claim(1_000 + round as u64, now_ms).is_some_and(|f| f.fresh));
        }
        assert!(table.find(7, 5_000).is_some(), "a key in use is not the one that makes room");
        assert!(table.find(1_000, 5_000).is_none() && table.live_evictions() > 100);
        let before = table.live_evictions();
        let _pin = pins.enter(0, 80_000);
        let found = table.find_or_claim(9_999, 80_000).expect("room");
        assert!(found.fresh);
        assert_eq!(table.live_evictions(), before, "an expired key is no loss");
    }

    #[test]
    fn a_new_key_finds_nothing_of_the_last_one() {
        for busy in [None, Some(4)] {
            find_nothing_of_the_last(Shape { near: 4, zeroed: 3, far: 10, rare: 0, busy, renewed: true });
        }
    }

    fn find_nothing_of_the_last(shape: Shape) {
        let table = Slots::new(1, shape, 1_000, &Arc::default()).expect("small");
        let write_all = |slot| {
            let payload = table.payload(slot);
            for word in &payload.near()[..3] {
                assert_eq!(word.swap(9, Ordering::Relaxed), 0);
            }
            for part in [payload.part(0, 0..4), payload.part(31, 4..10)] {
                assert!(part.used().is_empty());
                for word in part.open() {
                    assert_eq!(word.swap(9, Ordering::Relaxed), 0);
                }
            }
        };
        for key in 1..100 {
            let found = table.find_or_claim(key, 100 * key as i64).expect("room");
            assert!(found.fresh);
            write_all(found.slot);
        }
        let back = table.find_or_claim(99, 9_900 + 1_100).expect("there");
        assert!(back.fresh, "everything known of it has expired");
        write_all(back.slot);
    }

    #[test]
    fn a_slot_in_somebodys_hands_is_not_evicted() {
        let table = table(8, 0);
        let pins = table.pins.clone();
        let slow = pins.enter(1, 800);
        for key in 0..100 {
            let _ = table.find_or_claim(1_000 + key, 960);
        }
        assert_eq!(table.find_or_claim(9_999, 1_120), None);
        drop(slow);
        assert!(table.find_or_claim(9_999, 1_120).is_some());
    }

    #[test]
    fn threads_that_bring_the_same_new_keys_meet_in_the_same_slots() {
        let table = table(64, 0);
        std::thread::scope(|scope| {
            for worker in 0..4 {
                let table = &table;
                scope.spawn(move || {
                    for round in 0..2_000_u64 {
                        let now_ms = 16 * round as i64;
                        let _pin = table.pins.enter(worker, now_ms);
                        if let Some(found) = table.find_or_claim(round % 300, now_ms) {
                            assert!(table.holds(found.slot, round % 300));
                            first(table, found.slot).fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        let mut seen = std::collections::HashSet::new();
        for slot in 0..table.slots() {
            let held = table.heads.words()[slot].load(Ordering::Relaxed);
            assert_ne!(touched(held), PREPARING, "no slot is left half prepared");
            if tag_of(held) > ABANDONED {
                let key = table.split(slot).0.load(Ordering::Relaxed);
                assert!(seen.insert(key), "a key stands in one slot only");
            }
        }
    }
}
