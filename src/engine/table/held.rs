//! Reservations of one key in one window: those that stand, and those that end with a time-out unless their event settles.
//!
//! A limit may release a reservation whose event has no outcome after a time. No timer does that: until it settles, such a
//! reservation lies in a window of its own, as long as the time-out, and leaves it by itself. It moves when it settles: it is
//! put where it stands first and taken out where it was open then, so that both together are never below the truth.

use super::{Approved, Displaced, Full, Reserved, Span};

/// A view over the words of one or two [`Approved`].
#[derive(Clone, Copy)]
pub struct Held<'a> {
    standing: Approved<'a>,
    /// Those without an outcome, where they end with a time-out.
    open: Option<Approved<'a>>,
}

impl<'a> Held<'a> {
    /// Reservations that stand until their window has passed, and open ones, if they end before.
    #[inline]
    pub fn new(standing: Approved<'a>, open: Option<Approved<'a>>) -> Held<'a> {
        Held { standing, open }
    }

    /// The sum or count over the window ending at `time_ms`.
    #[inline]
    pub fn value(&self, time_ms: i64) -> i64 {
        let open = self.open.map_or(0, |open| open.value(time_ms));
        open + self.standing.value(time_ms)
    }

    /// Whether something later than that time is there.
    pub fn is_late(&self, time_ms: i64) -> bool {
        self.standing.is_late(time_ms) || self.open.is_some_and(|open| open.is_late(time_ms))
    }

    /// Takes so much, if it stays within `max`; gives the value including it and the time it is dated.
    ///
    /// # Errors
    /// [`Full`] with the value as it stands, which is unchanged.
    #[inline]
    pub fn reserve(&self, time_ms: i64, delta: i64, max: i64) -> Result<Reserved, Full> {
        match &self.open {
            None => self.standing.reserve(time_ms, delta, max),
            Some(open) => self.reserve_open(open, time_ms, delta, max),
        }
    }

    fn reserve_open(
        &self,
        open: &Approved<'a>,
        time_ms: i64,
        delta: i64,
        max: i64,
    ) -> Result<Reserved, Full> {
        let standing = self.standing.value(time_ms);
        let reserved = open
            .reserve(time_ms, delta, max.saturating_sub(standing))
            .map_err(|full| Full { current: full.current + standing })?;
        // Some may have settled since they were looked at. They stood before they ceased to be open, so whoever took the room
        // that they left open sees them here.
        let value = reserved.value + self.standing.value(time_ms);
        if value > max {
            open.undo(reserved.time_ms, delta, reserved.displaced);
            return Err(Full { current: value - delta });
        }
        Ok(Reserved { value, ..reserved })
    }

    /// Has a reservation stand, whether it is still open or has ended with its time-out: its event did happen.
    pub fn settle(&self, span: &Span, now_ms: i64, time_ms: i64, delta: i64) {
        let Some(open) = &self.open else { return };
        if !span.has_left(time_ms, now_ms) {
            // Without a maximum there is always room.
            let _ = self.standing.reserve(time_ms, delta, i64::MAX);
        }
        open.release(time_ms, delta);
    }

    /// Gives a reservation back that has not settled; nothing happens if it has ended meanwhile.
    pub fn release(&self, time_ms: i64, delta: i64) {
        self.open.as_ref().unwrap_or(&self.standing).release(time_ms, delta);
    }

    /// Gives a reservation back that was never approved, as if it had not been there.
    pub fn undo(&self, time_ms: i64, delta: i64, displaced: Displaced) {
        self.open.as_ref().unwrap_or(&self.standing).undo(time_ms, delta, displaced);
    }
}
