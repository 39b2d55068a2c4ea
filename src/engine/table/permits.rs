//! Permits of a limit on a count: the time each was taken.
//!
//! A total is kept beside the times with the rule of [`super::Sum`]: raised before a time is written, lowered after one is
//! cleared, so a permit is given only if it is free under any interleaving. A permit is dated no earlier than any expiry
//! that may have freed it, so that threads whose clocks differ by a millisecond cannot overshoot a window either.

use super::halves::{self, Place};
use super::payload::{Far, Room};
use super::span::{FREE, Span};
use super::{Full, Ordering, Reserved, Word, one_order, spin_loop};

/// Words before the times.
const HEAD: usize = 3;
/// Words of near times: four.
const NEAR: usize = 2;

/// Bits of the number beside the time of the latest displaced permit.
const TURN_BITS: u32 = 20;

/// A permit that had to make room, for whoever took its place to put it back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Displaced {
    /// Its stamp, or [`FREE`] for none.
    stamp: u32,
    /// What the word of the latest displaced permit was made, and what it was before.
    mark: u64,
    before: u64,
}

/// A view over the words of [`Permits::room`].
#[derive(Clone, Copy)]
pub struct Permits<'a> {
    total: &'a Word,
    newest: &'a Word,
    /// When the latest permit was taken that had to make room for another, and beside it a number that changes with each.
    displaced: &'a Word,
    near: &'a [Word],
    far: Far<'a>,
    span: &'a Span,
}

impl<'a> Permits<'a> {
    /// Words of a view that holds `count` permits.
    pub const fn room(count: usize) -> Room {
        let times = halves::words(count).saturating_sub(NEAR);
        Room { near: HEAD + NEAR, far: times, soon: times, rare: 0 }
    }

    /// The permits that lie in these words.
    #[inline]
    pub fn new(words: &'a [Word], far: Far<'a>, span: &'a Span) -> Permits<'a> {
        let (head, near) = words.split_at(HEAD);
        Permits { total: &head[0], newest: &head[1], displaced: &head[2], near: &near[..NEAR], far, span }
    }

    /// Gives back what has expired, as [`Permits::count`] does, and what only looks as if it had not: see [`Span::moved_forward`].
    pub(super) fn keep_up(&self, time_ms: i64, rest_ms: i64) {
        for place in self.times().filter(|place| place.stamp != FREE) {
            let age_ms = self.span.age(place.stamp, time_ms);
            if age_ms < rest_ms || (age_ms >= 0 && !self.span.holds(age_ms)) {
                self.newest.fetch_max(time_ms as u64, Ordering::AcqRel);
                self.clear(place);
            }
        }
    }

    #[inline]
    fn times(&self) -> impl Iterator<Item = Place<'a>> {
        halves::iter(self.near).chain(halves::iter(self.far.used()))
    }

    /// Permits there are for one more than `taken`: those of the near words until they are taken, then all, if the table has
    /// far words left.
    fn places(&self, taken: u64) -> u64 {
        let near = 2 * NEAR;
        let all = (taken as usize) < near || !self.far.open().is_empty();
        (if all { near + self.far.stamps() } else { near }) as u64
    }

    /// Permits taken within the window ending at `time_ms`; as many as there are means so many or more.
    pub fn count(&self, time_ms: i64) -> usize {
        let mut inside = 0;
        for place in self.times().filter(|place| place.stamp != FREE) {
            let age = self.span.age(place.stamp, time_ms);
            if self.span.holds(age) {
                inside += 1;
            } else if age >= 0 {
                self.newest.fetch_max(time_ms as u64, Ordering::AcqRel);
                self.clear(place);
            }
        }
        inside
    }

    /// Takes one of `max` permits for the window; gives the count including it and the time it is dated.
    ///
    /// # Errors
    /// [`Full`] if none is free.
    pub fn reserve(&self, time_ms: i64, max: usize) -> Result<Reserved, Full> {
        // Frees what has expired.
        self.count(time_ms);
        let mut total = self.total.load(Ordering::Acquire);
        loop {
            if total >= self.places(total).min(max as u64) {
                return Err(Full { current: total as i64 });
            }
            match self.total.compare_exchange_weak(total, total + 1, Ordering::SeqCst, Ordering::Acquire) {
                Ok(_) => break,
                Err(seen) => total = seen,
            }
        }
        let time_ms = time_ms.max(self.newest.load(Ordering::Acquire) as i64);
        self.put(time_ms);
        Ok(Reserved { value: total as i64 + 1, time_ms, displaced: Displaced::default() })
    }

    /// Whether the permits tell all there is: none that had to make room was taken within the window. Where this does not
    /// hold, permits that are given back would let too many in, and whoever asks has to ask the sum.
    #[inline]
    pub fn complete(&self, time_ms: i64) -> bool {
        let displaced = (self.displaced.load(Ordering::SeqCst) >> TURN_BITS) as i64;
        displaced == 0 || self.span.has_left(displaced, time_ms)
    }

    /// Permits that are taken, about to be, or not yet given back, in one order with what others take of the sum beside them.
    #[inline]
    pub(super) fn taken(&self) -> i64 {
        one_order();
        self.total.load(Ordering::SeqCst) as i64
    }

    /// Takes a permit at that time without regard to a maximum, for events that the sum decides. Where none is free the
    /// oldest makes room.
    pub fn take(&self, time_ms: i64) -> Displaced {
        self.count(time_ms);
        let free = |total: u64| (total < self.places(total)).then_some(total + 1);
        loop {
            if self.total.fetch_update(Ordering::SeqCst, Ordering::Acquire, free).is_ok() {
                self.put(time_ms);
                return Displaced::default();
            }
            if let Some(displaced) = self.replace_oldest(time_ms) {
                return displaced;
            }
            // Every place is free: each belongs to a permit about to be written there, or one was given back meanwhile.
            spin_loop();
        }
    }

    /// Takes the place of the oldest permit that is written, if there is one that stays what it is.
    fn replace_oldest(&self, time_ms: i64) -> Option<Displaced> {
        let age = |place: &Place<'_>| self.span.age(place.stamp, time_ms);
        let oldest = self.times().filter(|place| place.stamp != FREE).max_by_key(age)?;
        let kept = age(&oldest).max(0);
        let taken_ms = self.span.time_ms(kept, time_ms) as u64;
        // The number makes each mark another one, so that only the latest can be taken away again.
        let marked = |before: u64| {
            (before >> TURN_BITS).max(taken_ms) << TURN_BITS | before.wrapping_add(1) & ((1 << TURN_BITS) - 1)
        };
        let mut before = self.displaced.load(Ordering::Acquire);
        loop {
            match self.displaced.compare_exchange_weak(
                before,
                marked(before),
                Ordering::SeqCst,
                Ordering::Acquire,
            ) {
                Ok(_) => break,
                Err(seen) => before = seen,
            }
        }
        let stamp = oldest.stamp;
        oldest.exchange(self.span.stamp(time_ms)).then_some(Displaced { stamp, mark: marked(before), before })
    }

    /// Gives a permit back; nothing happens if it has expired meanwhile.
    pub fn release(&self, time_ms: i64) {
        let stamp = self.span.stamp(time_ms);
        let _ = self.times().any(|place| place.stamp == stamp && self.clear(place));
    }

    /// Gives a permit back as if it had never been taken: one that had to make room for it has its place again.
    pub fn undo(&self, time_ms: i64, displaced: Displaced) {
        if displaced.stamp == FREE {
            return self.release(time_ms);
        }
        let stamp = self.span.stamp(time_ms);
        if self.times().any(|place| place.stamp == stamp && place.replace(displaced.stamp)) {
            let Displaced { mark, before, .. } = displaced;
            // Where another permit had to make room since, the mark stays: that one is still missing.
            let _ = self.displaced.compare_exchange(mark, before, Ordering::SeqCst, Ordering::Relaxed);
        }
    }

    fn clear(&self, place: Place) -> bool {
        let cleared = place.free();
        if cleared {
            self.total.fetch_sub(1, Ordering::AcqRel);
        }
        cleared
    }

    /// Writes the time of a permit the total already holds. The total counts every written time and every permit about to
    /// be written, and is at most as many as there are places: so a free one is there.
    fn put(&self, time_ms: i64) {
        let stamp = self.span.stamp(time_ms);
        let put = |words| halves::iter(words).any(|place| place.stamp == FREE && place.exchange(stamp));
        while !put(self.near) && !put(self.far.open()) {
            spin_loop();
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Near words, flags and far words.
    type Words = (Vec<Word>, Word, Vec<Word>);

    fn words(count: usize) -> Words {
        let words = |count| (0..count).map(|_| Word::new(0)).collect();
        let Room { near, far, .. } = Permits::room(count);
        (words(near), Word::new(0), words(far))
    }

    fn permits<'a>((near, flags, far): &'a Words, span: &'a Span) -> Permits<'a> {
        Permits::new(near, Far::new(flags, far), span)
    }

    #[test]
    fn threads_take_exactly_as_many_permits_as_there_are() {
        let (words, span) = (words(10), Span::new(60_000));
        let granted = Word::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                let (words, span, granted) = (&words, &span, &granted);
                scope.spawn(move || {
                    for n in 0..100 {
                        if permits(words, span).reserve(1_000_000 + n, 10).is_ok() {
                            granted.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(granted.load(Ordering::Relaxed), 10);
    }

    #[test]
    fn a_permit_is_free_again_when_its_window_has_passed_or_it_is_given_back() {
        let (words, span) = (words(2), Span::new(1_000));
        let stamps = permits(&words, &span);
        let value = |time_ms| stamps.reserve(time_ms, 2).map(|reserved| reserved.value);
        assert_eq!(value(5_000), Ok(1));
        assert_eq!(value(5_500), Ok(2));
        assert_eq!(value(5_999), Err(Full { current: 2 }));
        assert_eq!(value(6_000), Ok(2), "(t − w, t] no longer holds 5,000");
        stamps.release(5_500);
        assert_eq!(value(6_001), Ok(2));
    }

    #[test]
    fn what_is_undone_leaves_the_permits_as_they_were() {
        let (words, span) = (words(4), Span::new(10_000));
        let permits = permits(&words, &span);
        for n in 0..4 {
            permits.take(100_000 + n);
        }
        let taken: Vec<_> = (0..3).map(|n| (101_000 + n, permits.take(101_000 + n))).collect();
        assert!(!permits.complete(101_010));
        for &(time_ms, displaced) in taken.iter().rev() {
            permits.undo(time_ms, displaced);
        }
        assert!(permits.complete(101_010), "all that had to make room are there again");
        assert_eq!(permits.count(101_010), 4);
        assert_eq!(permits.count(110_001), 2, "at their own times");
    }

    #[test]
    fn permits_that_made_room_leave_the_sum_to_answer_until_they_have_expired() {
        let (words, span) = (words(4), Span::new(10_000));
        let permits = permits(&words, &span);
        for n in 0..8 {
            permits.take(100_000 + n);
        }
        for n in 4..8 {
            permits.release(100_000 + n);
        }
        assert_eq!(permits.count(100_010), 0, "all that are kept were given back");
        assert!(!permits.complete(100_010), "but four that made room still count");
        assert!(permits.complete(110_010), "until their window has passed");
    }
}
