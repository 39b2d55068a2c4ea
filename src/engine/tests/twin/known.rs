//! Where the engine parts from its promises today. Each of these is a fault, said as narrowly as it can be; whoever mends one takes its
//! line out and sees the twin agree without it.

/// A value seen before a late event and again after it does not count for the late event.
pub const LATE_DISTINCT_LOSES: bool = true;

/// A distinct value beyond the exact range that comes again no later than those within it counts twice in that answer.
pub const DISTINCT_TWICE: bool = true;

/// A stamp that is older than its window by a day is dated anew, two seconds before the window of the latest event there can be.
/// When that event makes it give way it is taken for one that has only just left, and counts once more in the oldest
/// sub-window.
pub const STAMPS_MOVE_TOO_NEAR: bool = true;
