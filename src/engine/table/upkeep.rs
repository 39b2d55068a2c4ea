//! Words kept up for whoever comes back to a key, however long it was quiet.
//!
//! A stamp tells times of 49.7 days apart, a cell's number sub-windows of 65,536 windows. So nothing that has expired may stay
//! where it is until it looks young again, in a window that nobody looked at meanwhile either. The first touch of a key in each
//! era of 4.7 hours lets go of all that has expired in every window of its slot: beside others at work if the era before saw the key too, else
//! alone, before anybody sees the slot, since by then some of it may look young.

use std::ops::Range;

use super::claim::Step;
use super::slots::{ERA_UNITS, Found, PREPARING, Slots, TOUCH_SHIFT, head, tag, touch};
use super::span::Span;
use super::{Approved, Distinct, First, Max, Ordering, Recent, fence};

/// A window's words in a slot.
#[derive(Clone, Debug)]
pub struct Part {
    /// What lies there.
    pub holds: Holds,
    /// Which part of the far words they are.
    pub at: usize,
    /// Its near words.
    pub near: Range<usize>,
    /// Its far words in the block.
    pub far: Range<usize>,
    /// Its rare words in the block.
    pub rare: Range<usize>,
    /// Its measures.
    pub span: Span,
}

/// What lies in the words of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// [`Recent`].
    Recent,
    /// [`Approved`].
    Approved,
    /// [`Distinct`].
    Distinct,
    /// [`Max`].
    Max,
    /// [`First`].
    First,
    /// A time written out in full.
    Time,
}

/// Others may be writing: what looks ahead is.
const SHARED: i64 = i64::MIN;
/// When a key came in is told from when it was reserved for up to twice as many units.
const CLAIMED_UNITS_MAX: u32 = 1 << 30;

impl Slots {
    /// Touches a slot of the key, whose head was `held`, for the first time in an era.
    #[cold]
    pub(super) fn touch_anew(&self, slot: usize, held: u64, key: u64, now_ms: i64, idle: u32) -> Step {
        let own = &self.heads.words()[slot];
        let wanted = head(tag(key), touch(now_ms));
        let change = |wanted| own.compare_exchange(held, wanted, Ordering::AcqRel, Ordering::Acquire).is_ok();
        let found = Step::Found(Found { slot, fresh: false });
        // A batch that has been under way for as long is one of another thread's virtual time.
        if idle < ERA_UNITS || self.entered_since(held) {
            return if change(wanted) {
                self.keep_up(slot, now_ms, SHARED);
                found
            } else {
                Step::Retry
            };
        }
        if !change(head(tag(key), PREPARING)) {
            return Step::Retry;
        }
        fence(Ordering::SeqCst);
        if self.entered_since(held) {
            own.store(held, Ordering::Release);
            return Step::Retry;
        }
        // The last touch is dated up to one unit early.
        let rest_ms = i64::from(idle - 1) << TOUCH_SHIFT;
        self.keep_up(slot, now_ms, rest_ms);
        own.store(wanted, Ordering::Release);
        found
    }

    fn keep_up(&self, slot: usize, now_ms: i64, rest_ms: i64) {
        let payload = self.payload(slot);
        for Part { holds, at, near, far, rare, span } in &self.parts {
            let (near, far) = (&payload.near()[near.clone()], payload.part(*at, far.clone()));
            match holds {
                Holds::Recent => Recent::new(near, far, span).keep_up(now_ms, rest_ms),
                Holds::Approved => Approved::new(near, far, span, 0).keep_up(now_ms, rest_ms),
                Holds::Distinct => {
                    let more = payload.part(*at, rare.clone());
                    Distinct::new(near, far, more, span).keep_up(now_ms, rest_ms);
                }
                Holds::Max => Max::new(near, far, span).keep_up(now_ms, rest_ms),
                Holds::First => First::new(near, far, span).keep_up(now_ms, rest_ms),
                Holds::Time => {}
            }
        }
        let (claimed, ..) = self.split(slot);
        let (word, now) = (claimed.load(Ordering::Acquire), touch(now_ms) as u32);
        if now.wrapping_sub(word as u32) >= CLAIMED_UNITS_MAX {
            // Long before anything that can still be given back.
            let later = word >> 32 << 32 | u64::from(now.wrapping_sub(CLAIMED_UNITS_MAX / 2));
            let _ = claimed.compare_exchange(word, later, Ordering::AcqRel, Ordering::Relaxed);
        }
    }
}
