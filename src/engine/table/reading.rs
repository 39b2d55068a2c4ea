//! What a window says to an event, and whether that may be otherwise than the definition.

/// A value read for an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The value.
    pub value: i64,
    /// Whether the window holds something later than the event: then it may count in the value, and something in the event's own
    /// window may have made room for it.
    pub late: bool,
}

impl Reading {
    /// The same, but no less than that.
    #[must_use]
    pub fn at_least(self, least: i64) -> Reading {
        Reading { value: self.value.max(least), ..self }
    }
}
