//! Where the engine parts from its promises today. Each of these is a fault, said as narrowly as it can be; whoever mends one takes its
//! line out and sees the twin agree without it.

/// A value seen before a late event and again after it does not count for the late event.
pub const LATE_DISTINCT_LOSES: bool = true;
