//! Counts of every event: the times of the N latest, and by sub-window those that had to make room for them.
//!
//! Always the N latest times are kept, so a count below N is exact. From N on the older events are added, which are never too
//! few and at most the events of one sub-window too many. A key that sees few events in a window needs no far words.

use super::cells::Counts;
use super::four;
use super::halves::{self, Place};
use super::payload::{Far, Room};
use super::span::{FREE, Span};
use super::stamps::{self, Holds};
use super::{Ordering, Reading, Word, spin_loop};

/// Words of near times: four.
const NEAR: usize = 2;

/// A view over the words of [`Recent::room`].
#[derive(Clone, Copy)]
pub struct Recent<'a> {
    near: &'a [Word; NEAR],
    far: Far<'a>,
    older: Counts<'a>,
    span: &'a Span,
}

/// What the times say at one moment.
struct Seen<'a> {
    /// Times within the window.
    inside: usize,
    /// A free place, else the oldest time's.
    place: Option<Place<'a>>,
    /// Age of the oldest time; of a free place, what is older than all.
    age: i64,
    /// Whether one is later than the event.
    later: bool,
}

impl<'a> Recent<'a> {
    /// Words of a view that is exact below `exact` events.
    pub const fn room(exact: usize) -> Room {
        let times = halves::words(exact).saturating_sub(NEAR);
        Room { near: NEAR, far: times + Counts::FAR, soon: times, rare: 0 }
    }

    /// The count that lies in these words.
    #[inline]
    pub fn new(near: &'a [Word], far: Far<'a>, span: &'a Span) -> Recent<'a> {
        let (far, older) = far.split_last(Counts::FAR);
        let (near, _) = near.as_chunks();
        Recent { near: &near[0], far, older: Counts { near: &[], far: older }, span }
    }

    /// Takes an event in and gives the count over the window ending at it, itself included.
    #[inline(always)]
    pub fn add(&self, time_ms: i64) -> Reading {
        let epoch = |time_ms| self.span.epoch(time_ms);
        let add_older = |time_ms| self.older.put(epoch(time_ms), |count| count + 1);
        loop {
            let seen = self.look(time_ms);
            let reading = |value| Reading { value, late: seen.later };
            let Some(place) = seen.place else { return reading(seen.inside as i64) };
            if seen.age <= 0 {
                // No later than any that is kept.
                let own = i64::from(add_older(time_ms).is_none());
                return reading(own + self.with_older(seen.inside, time_ms));
            }
            // A time that still counts goes among the older ones before it makes room, so that no reader misses it.
            let displaced = (!self.span.gone(seen.age)).then(|| self.span.time_ms(seen.age, time_ms));
            if let Some(displaced) = displaced {
                add_older(displaced);
            }
            if place.exchange(self.span.stamp(time_ms)) {
                let inside = seen.inside + 1 - usize::from(self.span.holds(seen.age));
                return reading(if self.span.holds(seen.age) {
                    self.with_older(inside, time_ms)
                } else {
                    inside as i64
                });
            }
            if let Some(displaced) = displaced {
                self.older.take(epoch(displaced), 1);
            }
        }
    }

    /// Events within the window ending at `time_ms`.
    #[inline(always)]
    pub fn value(&self, time_ms: i64) -> Reading {
        let (four, _) = four::stamps(self.near, self.span.ages(time_ms));
        if four.free == 0 {
            return self.value_on(time_ms);
        }
        Reading { value: i64::from(four.count()), late: four.later != 0 }
    }

    /// The same of a key that has many.
    fn value_on(&self, time_ms: i64) -> Reading {
        let ages = self.span.ages(time_ms);
        let seen = stamps::glance([self.near, self.far.used()], Holds::Stamps, ages);
        // If one of the times is before the window, so is everything that made room for it.
        let all = seen.free.is_none() && ages.all_hold(seen.rank);
        let inside = seen.inside as usize;
        let value = if all { self.with_older(inside, time_ms) } else { inside as i64 };
        Reading { value, late: seen.later }
    }

    /// See [`Span::moved_forward`].
    pub(super) fn keep_up(&self, time_ms: i64, rest_ms: i64) {
        let words = self.near.iter().chain(self.far.used());
        for (word, half) in words.flat_map(|word| [(word, 0), (word, 1)]) {
            // Read for each half: the one before may have been moved.
            let place = halves::place(word, word.load(Ordering::Acquire), half);
            if place.stamp == FREE {
                continue;
            }
            if let Some(later) = self.span.moved_forward(place.stamp, time_ms, rest_ms) {
                place.exchange(later);
            }
        }
    }

    #[inline]
    fn with_older(&self, inside: usize, time_ms: i64) -> i64 {
        (inside as u64 + self.older.sum(self.span.epoch(time_ms))) as i64
    }

    /// Looks for a place. Free ones stand behind all others, so a quiet key costs one look. The far times are opened when the near
    /// ones are full of times that still count.
    #[inline(always)]
    fn look(&self, time_ms: i64) -> Seen<'a> {
        let (four, held) = four::stamps(self.near, self.span.ages(time_ms));
        if four.free == 0 {
            return self.look_on(time_ms);
        }
        let at = four.free.trailing_zeros() as usize;
        let place = halves::place(&self.near[at / 2], held[at / 2], at % 2);
        Seen { inside: four.count() as usize, place: Some(place), age: i64::MAX, later: four.later != 0 }
    }

    /// Looks at all times, the near ones being full.
    fn look_on(&self, time_ms: i64) -> Seen<'a> {
        let ages = self.span.ages(time_ms);
        loop {
            let mut far = self.far.used();
            if far.is_empty() {
                let near = stamps::look([self.near, &[]], Holds::Stamps, ages);
                if !ages.rank_gone(near.rank) {
                    far = self.far.open();
                }
            }
            let found = stamps::look([self.near, far], Holds::Stamps, ages);
            let (inside, later) = (found.inside as usize, found.later);
            let Some(spot) = found.free.or(found.oldest) else {
                return Seen { inside, place: None, age: i64::MIN, later };
            };
            let place = halves::place(spot.word, spot.word.load(Ordering::Acquire), spot.half);
            let age = match found.free {
                Some(_) if place.stamp == FREE => i64::MAX,
                None if ages.rank_or_free(place.stamp) == found.rank => self.span.age(place.stamp, time_ms),
                // Another thread has been at it since.
                _ => {
                    spin_loop();
                    continue;
                }
            };
            return Seen { inside, place: Some(place), age, later };
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Words {
        near: Vec<Word>,
        flags: Word,
        far: Vec<Word>,
    }

    impl Words {
        fn new(exact: usize) -> Words {
            let words = |count| (0..count).map(|_| Word::new(0)).collect();
            let Room { near, far, .. } = Recent::room(exact);
            Words { near: words(near), flags: Word::new(0), far: words(far) }
        }

        fn recent<'a>(&'a self, span: &'a Span) -> Recent<'a> {
            Recent::new(&self.near, Far::new(&self.flags, &self.far), span)
        }
    }

    proptest! {
        /// The slow twin keeps every event. Whatever the disorder, a count below N is the true one.
        #[test]
        fn a_count_is_exact_below_its_capacity_and_one_sided_beyond(
            exact in 1_usize..20,
            window_ms in prop_oneof![1_000_i64..50_000, Just(20 * 86_400_000_i64)],
            events in prop::collection::vec((0_i64..4_000, prop_oneof![3 => Just(0_i64), 1 => 0_i64..5_000]), 1..200),
        ) {
            let (room, span) = (Words::new(exact), Span::new(window_ms));
            let recent = room.recent(&span);
            let capacity = exact.max(2 * NEAR);
            let mut twin: Vec<i64> = Vec::new();
            let mut now = 1_767_607_200_000;
            for (step, late) in events {
                now += step;
                let time = now - late;
                twin.push(time);
                let Reading { value, late } = recent.add(time);
                let count = value as usize;
                let within = |reach: i64| twin.iter().filter(|&&t| t > time - reach && t <= time).count();
                let ahead = twin.iter().filter(|&&t| t > time).count();
                let truth = within(window_ms);
                prop_assert_eq!(late, ahead > 0);
                // Later events take places too; without them the count is exact below N.
                if truth + ahead < capacity {
                    prop_assert_eq!(count, truth);
                } else if ahead == 0 {
                    prop_assert!(count >= truth && count <= within(window_ms + 2 * span.sub_window_ms()), "{count} {truth}");
                }
                // An event too late for any place counts for itself alone.
                prop_assert!(ahead > 0 || recent.value(time).value as usize >= count.min(truth));
            }
        }
    }

    #[test]
    fn threads_that_add_at_once_are_all_counted() {
        let (room, span) = (Words::new(8), Span::new(60_000));
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (room, span) = (&room, &span);
                scope.spawn(move || {
                    for n in 0..500 {
                        room.recent(span).add(1_767_607_200_000 + n * 7 + thread);
                    }
                });
            }
        });
        assert_eq!(room.recent(&span).value(1_767_607_200_000 + 4_000).value, 2_000);
    }

    #[test]
    fn old_times_that_were_moved_forward_stay_out_of_the_window() {
        let day_ms = 86_400_000;
        let (words, span) = (Words::new(4), Span::new(day_ms));
        let recent = words.recent(&span);
        let now = 1_767_607_200_000;
        (0..4).for_each(|n| {
            recent.add(now - 3 * day_ms + n);
        });
        let counts: Vec<i64> = (1..=6).map(|n| recent.add(now + n).value).collect();
        assert_eq!(counts, [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn an_event_too_late_for_any_place_counts_for_itself() {
        let (words, span) = (Words::new(4), Span::new(1_000));
        let recent = words.recent(&span);
        for n in 0..100 {
            recent.add(1_767_607_200_000 + 20 * n);
        }
        assert!(recent.add(1_767_607_200_000 - 2_000).value >= 1);
    }
}
