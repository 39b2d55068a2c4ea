//! Approved events of one key in one window: their sum, and of a count with an exact range a permit each beside it.
//!
//! Permits decide where a maximum lies within their range and they tell all there is; else the sum does, which is never below
//! the truth. Either way both hold the event afterwards, so that the next one may be decided by the other.
//!
//! Where some are decided by permits and some by the sum, as with two maxima of which one lies beyond the exact range, each
//! writes into the one it is decided by, then into the other, and then looks at the other again: of two that pass each
//! other the later one sees the earlier, and gives up.

use super::payload::{Far, Room};
use super::span::Span;
use super::{Displaced, Full, Permits, Reserved, Sum, Word};

/// A view over the words of [`Approved::room`].
#[derive(Clone, Copy)]
pub struct Approved<'a> {
    sum: Sum<'a>,
    permits: Option<Permits<'a>>,
    /// A count below this is exact.
    exact: u16,
}

impl<'a> Approved<'a> {
    /// Words of a view that holds so many events singly.
    pub const fn room(permits: usize) -> Room {
        if permits == 0 { Sum::ROOM } else { Sum::ROOM.with(Permits::room(permits)) }
    }

    /// The events that lie in these words.
    #[inline]
    pub fn new(near: &'a [Word], far: Far<'a>, span: &'a Span, exact: u16) -> Approved<'a> {
        let (sum_near, near) = near.split_at(Sum::ROOM.near);
        let (sum_far, far) = far.split(Sum::ROOM.far);
        let permits = (!near.is_empty()).then(|| Permits::new(near, far, span));
        Approved { sum: Sum::new(sum_near, sum_far, span), permits, exact }
    }

    /// The sum or count over the window ending at `time_ms`.
    pub fn value(&self, time_ms: i64) -> i64 {
        self.counted(time_ms, self.sum.value(time_ms))
    }

    /// Takes so much, if it stays within `max`; gives the value including it and the time it is dated.
    ///
    /// # Errors
    /// [`Full`] with the value as it stands, which is unchanged.
    pub fn reserve(&self, time_ms: i64, delta: i64, max: i64) -> Result<Reserved, Full> {
        let Some(permits) = &self.permits else { return self.sum.reserve(time_ms, delta, max) };
        if max <= i64::from(self.exact) && permits.complete(time_ms) {
            let reserved = permits.reserve(time_ms, max.max(0) as usize)?;
            let total = self.sum.add(reserved.time_ms, delta);
            // Permits may have had to make room since, and others been given back: then the sum knows of more.
            if permits.taken() <= max && permits.complete(time_ms) {
                let value = self.exact_or_more(reserved.value as usize, total);
                return Ok(Reserved { value, ..reserved });
            }
            self.release(reserved.time_ms, delta);
        }
        let reserved = self.sum.reserve(time_ms, delta, max)?;
        let displaced = permits.take(reserved.time_ms);
        let current = self.sum.taken();
        if current > max {
            self.undo(reserved.time_ms, delta, displaced);
            return Err(Full { current: current - delta });
        }
        let value = self.counted(reserved.time_ms, reserved.value);
        Ok(Reserved { value, displaced, ..reserved })
    }

    /// Whether something is dated later than that, so far that it may have made something go.
    pub fn is_late(&self, time_ms: i64) -> bool {
        self.sum.is_late(time_ms)
    }

    /// Lets go of what has expired: see [`Span::moved_forward`].
    pub(super) fn keep_up(&self, time_ms: i64, rest_ms: i64) {
        if let Some(permits) = &self.permits {
            permits.keep_up(time_ms, rest_ms);
        }
        self.sum.keep_up(time_ms, rest_ms);
    }

    /// Gives a reservation back; nothing happens if it has left the window meanwhile.
    pub fn release(&self, time_ms: i64, delta: i64) {
        if let Some(permits) = &self.permits {
            permits.release(time_ms);
        }
        self.sum.release(time_ms, delta);
    }

    /// Gives a reservation back that was never approved: the permit that had to make room for it is there again.
    pub fn undo(&self, time_ms: i64, delta: i64, displaced: Displaced) {
        if let Some(permits) = &self.permits {
            permits.undo(time_ms, displaced);
        }
        self.sum.release(time_ms, delta);
    }

    /// The permits' count where they tell all, else the sum.
    fn counted(&self, time_ms: i64, total: i64) -> i64 {
        match &self.permits {
            Some(permits) if permits.complete(time_ms) => self.exact_or_more(permits.count(time_ms), total),
            _ => total,
        }
    }

    /// Below its exact range a count is exact; beyond it the sum answers.
    fn exact_or_more(&self, count: usize, total: i64) -> i64 {
        if count < usize::from(self.exact) { count as i64 } else { total.max(i64::from(self.exact)) }
    }
}
