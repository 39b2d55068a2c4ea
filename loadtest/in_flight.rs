//! What was sent and not yet answered on one connection, by tag.

use std::time::Instant;

use crate::limits::IN_FLIGHT_MAX;

/// A batch under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    /// When it was meant to be sent (open loop) or was sent (closed loop).
    pub meant: Instant,
    pub count: u32,
    pub phase: usize,
}

/// Slots by the lower bits of the tag: tags count up, and no more are under way than there are slots.
pub(crate) struct InFlight {
    slots: Vec<Option<(u32, Sent)>>,
    next_tag: u32,
    outstanding: usize,
}

impl InFlight {
    pub fn new(most: usize) -> InFlight {
        let slots = most.next_power_of_two().min(IN_FLIGHT_MAX);
        InFlight { slots: vec![None; slots], next_tag: 0, outstanding: 0 }
    }

    /// Whether the next tag's slot is free. Answers out of order may hold it up a little earlier than need be.
    pub fn has_room(&self) -> bool {
        self.slots[self.slot(self.next_tag)].is_none()
    }

    /// Notes a batch and gives it its tag; only with room.
    pub fn add(&mut self, sent: Sent) -> u32 {
        let tag = self.next_tag;
        let slot = self.slot(tag);
        debug_assert!(self.slots[slot].is_none(), "the caller has asked for room");
        self.slots[slot] = Some((tag, sent));
        self.next_tag = tag.wrapping_add(1);
        self.outstanding += 1;
        tag
    }

    /// The batch of that tag, now answered; none if nothing of that tag is under way.
    pub fn answered(&mut self, tag: u32) -> Option<Sent> {
        let slot = self.slot(tag);
        let (_, sent) = self.slots[slot].take_if(|(held, _)| *held == tag)?;
        self.outstanding -= 1;
        Some(sent)
    }

    /// The tag of the next batch.
    pub fn next_tag(&self) -> u32 {
        self.next_tag
    }

    /// Checks in batches that were never answered.
    pub fn unanswered(&self) -> u64 {
        self.slots.iter().flatten().map(|(_, sent)| u64::from(sent.count)).sum()
    }

    pub fn outstanding(&self) -> usize {
        self.outstanding
    }

    fn slot(&self, tag: u32) -> usize {
        // The number of slots is a power of two.
        tag as usize & (self.slots.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_pair_answers_with_what_was_sent_in_any_order() {
        let mut in_flight = InFlight::new(2);
        let sent = |count| Sent { meant: Instant::now(), count, phase: 0 };
        let (first, second) = (in_flight.add(sent(1)), in_flight.add(sent(2)));
        assert!(!in_flight.has_room());
        assert_eq!(in_flight.answered(second).map(|sent| sent.count), Some(2));
        assert_eq!(in_flight.answered(second), None, "answered once");
        assert_eq!(in_flight.answered(first).map(|sent| sent.count), Some(1));
        assert_eq!(in_flight.answered(77), None);
        assert!(in_flight.has_room() && in_flight.outstanding() == 0);
    }
}
