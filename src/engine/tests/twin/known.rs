//! Where the engine parts from its promises today. Each of these is a fault, said as narrowly as it can be; whoever mends one sets it
//! to false and sees the twin agree without it.

/// Numbers of sub-windows wrap (65,536 windows later). A cell that rested for a little less looks like one of a later
/// sub-window, and counts and maxima that should go into it are lost.
pub const NUMBERS_WRAP: bool = true;

/// A stamp that is older than its window by a day is dated anew, six seconds before the window: within the window of an event
/// that is minutes late, and near enough to count once more in the oldest sub-window.
pub const STAMPS_MOVE_TOO_NEAR: bool = true;

/// When a permit last made room for another is kept as a stamp, which wraps after fifty days: a count of approved events
/// may then be one-sided for a window's length though nothing was given back.
pub const PERMITS_WRAP: bool = true;

/// What lies in the window of a late event but no longer in that of the newest one may be lost to the late event's value.
pub const LATE_LOSES: bool = true;

/// A value seen before a late event and again after it does not count for the late event.
pub const LATE_DISTINCT_LOSES: bool = true;

/// A window dropped by one reload and added by another gives back what it had reserved in its first life: out of what others
/// have reserved since.
pub const GIVES_BACK_OF_OTHERS: bool = true;

/// A distinct value beyond the exact range that comes again no later than those within it counts twice in that answer.
pub const DISTINCT_TWICE: bool = true;
