//! How a key comes into a table: found, or given a slot of the line with more room, the one that was longest untouched.

use super::slots::{
    ABANDONED, EMPTY, ERA_UNITS, Found, LINE, PREPARING, Slots, head, is_other_era, tag, tag_of, touch,
    touched, units,
};
use super::{Ordering, Word, fence, scan, spin_loop};

/// Turns to wait for a thread that is preparing a slot, before going on without.
const SPINS: usize = 10_000;
/// A slot touched within so many units after a batch entered is in the batch's hands; nothing is longer under way.
pub(super) const HANDS_UNITS: u32 = ERA_UNITS;

/// Whether a slot touched then may be in the hands of a batch that entered at `pinned`.
#[inline]
fn in_hands(touched: u64, pinned: u64) -> bool {
    units(pinned, touched) < u64::from(HANDS_UNITS)
}

/// Whether a slot holds no key: it never had one, or was given up.
#[inline]
fn free(head: u64) -> bool {
    tag_of(head) <= ABANDONED
}

/// How long a slot was left alone. A time ahead of ours is that of a thread that entered later.
#[inline]
pub(super) fn idle(head: u64, now: u64) -> u32 {
    if free(head) {
        return u32::MAX;
    }
    let ahead = units(now, touched(head));
    if (1..u64::from(HANDS_UNITS)).contains(&ahead) {
        return 0;
    }
    units(touched(head), now).min(u64::from(u32::MAX - 1)) as u32
}

/// What a try came to.
pub(super) enum Step {
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

    /// The same, with a slot that [`Slots::roomiest`] chose a moment ago.
    fn find_or_evict(&self, idle: Option<usize>, key: u64, now_ms: i64) -> Option<Found> {
        let now = touch(now_ms);
        for _ in 0..SPINS {
            let step = match self.own(self.tagged(key), key, now_ms) {
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
            match self.own(self.tagged(key), key, now_ms) {
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
        match self.own_at(likely as usize, key, now_ms) {
            Step::Found(found) => Some(found),
            _ => {
                let in_line = |first: usize| (first..first + LINE).contains(&(likely as usize));
                let idle = Some(likely as usize).filter(|_| self.places(key).into_iter().any(in_line));
                self.find_or_evict(idle, key, now_ms)
            }
        }
    }

    /// The slot that [`Slots::find_or_claim`] will most likely give: what to prefetch. `lines` are its
    /// [`Slots::places`], which should be in the cache.
    #[inline(always)]
    pub(super) fn likely(&self, key: u64, lines: [u32; 2], now_ms: i64) -> u32 {
        let places = lines.map(|first| first as usize);
        let lines = self.heads_of(places);
        let slot = match scan::tagged(lines, tag(key)) {
            0 => {
                // As [`Slots::roomiest`] chooses if nobody is at work.
                let [first, second] = lines.map(|line| scan::room(line, touch(now_ms), self.expiry));
                let better = (second.slots, second.idle) >= (first.slots, first.idle);
                if better { places[1] + second.at } else { places[0] + first.at }
            }
            tagged => Self::way(places, tagged),
        };
        slot as u32
    }

    /// The heads of two lines.
    #[inline]
    fn heads_of(&self, places: [usize; 2]) -> [&[Word; LINE]; 2] {
        let (lines, _) = self.heads.words().as_chunks();
        places.map(|first| &lines[first / LINE])
    }

    /// The slots of a key's lines with its tag; a bit each.
    #[inline]
    fn tagged(&self, key: u64) -> u32 {
        scan::tagged(self.heads_of(self.places(key)), tag(key))
    }

    /// The slot of the lowest bit.
    #[inline]
    fn slot(&self, key: u64, tagged: u32) -> usize {
        Self::way(self.places(key), tagged)
    }

    /// The slot of the lowest bit in these lines.
    #[inline]
    fn way(places: [usize; 2], tagged: u32) -> usize {
        let way = tagged.trailing_zeros() as usize;
        places[way / LINE] + way % LINE
    }

    /// The key's own slot among those of its tag.
    fn own(&self, mut tagged: u32, key: u64, now_ms: i64) -> Step {
        while tagged != 0 {
            match self.own_at(self.slot(key, tagged), key, now_ms) {
                Step::None => tagged &= tagged - 1,
                step => return step,
            }
        }
        Step::None
    }

    /// The slot if it is the key's own, touched.
    #[inline(always)]
    fn own_at(&self, slot: usize, key: u64, now_ms: i64) -> Step {
        let Some(own) = self.heads.words().get(slot) else { return Step::None };
        let held = own.load(Ordering::Acquire);
        if tag_of(held) != tag(key) || touched(held) == PREPARING {
            return Step::Retry;
        }
        if !self.holds(slot, key) {
            return Step::None;
        }
        if held == head(tag(key), touch(now_ms)) {
            return Step::Found(Found { slot, fresh: false });
        }
        self.touch_own(slot, held, key, now_ms)
    }

    /// Touches the key's own slot.
    fn touch_own(&self, slot: usize, held: u64, key: u64, now_ms: i64) -> Step {
        let found = Step::Found(Found { slot, fresh: false });
        let (now, own) = (touch(now_ms), &self.heads.words()[slot]);
        let idle = idle(held, now);
        if idle == 0 {
            return found;
        }
        if self.shape.renewed && idle > self.expiry && !self.entered_since(held) {
            return self.take(slot, held, key, now);
        }
        if self.shape.renewed && is_other_era(touched(held), now) {
            return self.touch_anew(slot, held, key, now_ms, idle);
        }
        // The touch keeps evicting threads away: either this exchange fails or theirs.
        let wanted = head(tag(key), now);
        let kept = own.compare_exchange(held, wanted, Ordering::AcqRel, Ordering::Acquire);
        if kept.is_ok() { found } else { Step::Retry }
    }

    /// Gives a slot of the line with more room to the key.
    fn evict(&self, likely: Option<usize>, key: u64, now: u64) -> Step {
        let may = self.out_of_hands(now);
        let standing = |slot: usize| (slot, self.heads.words()[slot].load(Ordering::Acquire));
        // If nobody has touched it since, it still is the one to go.
        let likely = likely.map(standing).filter(|(_, held)| tag_of(*held) != tag(key) && may(*held));
        match likely.or_else(|| self.roomiest(key, now, may)) {
            Some((slot, held)) => self.take(slot, held, key, now),
            None => Step::None,
        }
    }

    /// The longest untouched slot of that line of a key's which has more slots that are free or expired; of both lines where
    /// neither has any. Given with its head; only slots that `may` go.
    fn roomiest(&self, key: u64, now: u64, may: impl Fn(u64) -> bool) -> Option<(usize, u64)> {
        let lines = self.places(key).into_iter().filter_map(|first| {
            let (mut room, mut idlest) = (0, None::<(u32, usize, u64)>);
            for (slot, head) in self.line(first) {
                let head = head.load(Ordering::Acquire);
                let idle = idle(head, now);
                room += u32::from(idle >= self.expiry);
                if idlest.is_none_or(|(most, ..)| idle > most) && may(head) {
                    idlest = Some((idle, slot, head));
                }
            }
            idlest.map(|(idle, slot, head)| (room, idle, slot, head))
        });
        lines.max_by_key(|&(room, idle, ..)| (room, idle)).map(|(.., slot, head)| (slot, head))
    }

    /// The slot that was longest untouched among those that nobody can be working on, given with their heads.
    pub(super) fn idlest(&self, slots: impl Iterator<Item = (usize, u64)>, now: u64) -> Option<(usize, u64)> {
        let may = self.out_of_hands(now);
        slots.filter(|(_, head)| may(*head)).max_by_key(|(_, head)| idle(*head, now))
    }

    /// Tells of a head whether nobody can be working on its slot.
    fn out_of_hands(&self, now: u64) -> impl Fn(u64) -> bool + use<> {
        let pinned = self.pins.oldest_ms().map_or(now, touch);
        move |head| touched(head) != PREPARING && (free(head) || !in_hands(touched(head), pinned))
    }

    /// Makes a slot whose head was `held` the caller's alone, under its old tag until it is certain that nobody works on it:
    /// whoever looks for the old key waits that long. `false` if it is in somebody's hands after all.
    pub(super) fn seize(&self, slot: usize, held: u64, old: u32, now: u64) -> bool {
        let own = &self.heads.words()[slot];
        if own.compare_exchange(held, head(old, PREPARING), Ordering::AcqRel, Ordering::Relaxed).is_err() {
            return false;
        }
        if held == EMPTY {
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
                // Every look-up reads it: written once a unit of time at most.
                if self.evicted.load(Ordering::Relaxed) != now + 1 {
                    self.evicted.store(now + 1, Ordering::Release);
                }
                self.live_evictions.raise();
            }
        }
        true
    }

    /// Whether a batch is in flight that may have found the slot when its head was this.
    pub(super) fn entered_since(&self, head: u64) -> bool {
        self.pins.oldest_ms().is_some_and(|pinned| in_hands(touched(head), touch(pinned)))
    }

    /// Takes a slot over for the key, whose head was `held`.
    fn take(&self, slot: usize, held: u64, key: u64, now: u64) -> Step {
        let old = if held == EMPTY { tag(key) } else { tag_of(held) };
        if !self.seize(slot, held, old, now) {
            return Step::Retry;
        }
        let own = &self.heads.words()[slot];
        own.store(head(tag(key), PREPARING), Ordering::Release);
        // Two threads may have chosen different slots for the same key. With a fence between the store above and these loads
        // the later of the two sees the earlier and gives up; both may, and then both try again.
        fence(Ordering::SeqCst);
        let mut others = self.tagged(key);
        let mut elsewhere = false;
        while others != 0 && !elsewhere {
            let other = self.slot(key, others);
            let standing = self.heads.words()[other].load(Ordering::Acquire);
            elsewhere = other != slot
                && tag_of(standing) == tag(key)
                && (touched(standing) == PREPARING || self.holds(other, key));
            others &= others - 1;
        }
        if elsewhere {
            self.abandon(slot);
            return Step::Retry;
        }
        if held != EMPTY {
            self.clear(slot);
        }
        self.split(slot).0.store(key >> 32 << 32 | u64::from(now as u32), Ordering::Release);
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

    /// SplitMix64, for the keyed hash that keys are.
    fn spread(n: u64) -> u64 {
        let n = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let n = (n ^ n >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let n = (n ^ n >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        n ^ n >> 31
    }

    #[test]
    fn a_key_that_was_forgotten_and_came_back_has_not_been_there_since() {
        let table = table(8, 1_000);
        let slot = table.find_or_claim(spread(0), 1_600).expect("room").slot;
        assert!(table.held_since(slot, 1_600) && table.held_since(slot, 1_600 + 30 * 86_400_000));
        assert!(!table.held_since(slot, 1_599));
        let mut now_ms = 1_600;
        while table.find(spread(0), now_ms).is_some() {
            for n in 1..=16 {
                now_ms += 16;
                assert!(table.find_or_claim(spread(now_ms as u64 + n), now_ms).is_some());
            }
        }
        let slot = table.find_or_claim(spread(0), now_ms).expect("room").slot;
        assert!(!table.held_since(slot, 1_600) && table.held_since(slot, now_ms));
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
            find_nothing_of_the_last(Shape {
                near: 4,
                zeroed: 3,
                far: 10,
                rare: 0,
                busy,
                renewed: true,
                certain: false,
            });
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
            let found = table.find_or_claim(spread(key), 100 * key as i64).expect("room");
            assert!(found.fresh);
            write_all(found.slot);
        }
        let back = table.find_or_claim(spread(99), 9_900 + 1_100).expect("there");
        assert!(back.fresh, "everything known of it has expired");
        write_all(back.slot);
    }

    /// How often both lines of a new key hold so many live ones, in a table that takes its capacity in keys in one expiry.
    ///
    /// Lines come to hold k + 1 by keys that found k in both, and leave that by one of k + 1 expiring: of λ keys a line in one
    /// expiry, at most a share λ / (k + 1) of those finds. Both lines of the next key hold k + 1 by the square of that.
    #[test]
    fn a_live_key_goes_by_chance_less_than_once_in_a_thousand_million() {
        const CAPACITY: i64 = 8_192;
        const EXPIRY_MS: i64 = 60_000;
        let shape = Shape { near: 1, zeroed: 1, certain: true, ..Shape::default() };
        let table = Slots::new(CAPACITY as usize, shape, EXPIRY_MS, &Arc::default()).expect("small");
        let keys = 1_500_000;
        let mut found = [0; LINE + 1];
        for n in 0..keys {
            let (now_ms, key) = (n * EXPIRY_MS / CAPACITY, spread(n as u64));
            let live = |head: &Word| idle(head.load(Ordering::Relaxed), touch(now_ms)) < table.expiry;
            let live = |first| table.line(first).filter(|(_, head)| live(head)).count();
            found[table.places(key).map(live).into_iter().min().expect("two")] += 1;
            assert!(table.find_or_claim(key, now_ms).is_some_and(|found| found.fresh));
        }
        assert_eq!((table.live_evictions(), found[LINE]), (0, 0));
        let per_line = CAPACITY as f64 / (table.slots() / LINE) as f64;
        let all_but_one = f64::from(found[LINE - 1]) / keys as f64;
        let all = (all_but_one * per_line / LINE as f64).powi(2);
        assert!(found[LINE - 1] > 0 && all < 1e-9, "{found:?}: {all:.1e}");
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
        // Miri takes a thousand times as long, and sees a race at its first chance.
        let rounds = if cfg!(miri) { 20 } else { 2_000 };
        let table = table(64, 0);
        std::thread::scope(|scope| {
            for worker in 0..4 {
                let table = &table;
                scope.spawn(move || {
                    for round in 0..rounds {
                        let now_ms = 16 * round as i64;
                        let _pin = table.pins.enter(worker, now_ms);
                        let key = spread(round % 300);
                        if let Some(found) = table.find_or_claim(key, now_ms) {
                            assert!(table.holds(found.slot, key));
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
                let key = table.split(slot).0.load(Ordering::Relaxed) >> 32;
                assert!(seen.insert((key, tag_of(held))), "a key stands in one slot only");
            }
        }
    }
}
