//! Planned steps in the order of their time. The heap moves small keys only; the steps stay where they are.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::step::Step;

pub(crate) struct Agenda {
    /// Time, then order of planning: two steps of one moment keep their order.
    due: BinaryHeap<Reverse<(i64, u64, u32)>>,
    steps: Vec<Option<Step>>,
    free: Vec<u32>,
    planned: u64,
    max: usize,
}

impl Agenda {
    pub fn new(max: usize) -> Agenda {
        Agenda { due: BinaryHeap::new(), steps: Vec::new(), free: Vec::new(), planned: 0, max }
    }

    /// Plans a step; false when the agenda is full.
    pub fn plan(&mut self, at_ms: i64, step: Step) -> bool {
        if self.due.len() >= self.max {
            return false;
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.steps.push(None);
            self.steps.len() as u32 - 1
        });
        self.steps[slot as usize] = Some(step);
        self.due.push(Reverse((at_ms, self.planned, slot)));
        self.planned += 1;
        true
    }

    /// Steps planned since the start.
    pub fn planned(&self) -> u64 {
        self.planned
    }

    /// When the first step is due.
    pub fn next_ms(&self) -> Option<i64> {
        self.due.peek().map(|Reverse((at_ms, ..))| *at_ms)
    }

    /// The first step, with its time.
    pub fn pop(&mut self) -> Option<(i64, Step)> {
        let Reverse((at_ms, _, slot)) = self.due.pop()?;
        self.free.push(slot);
        self.steps[slot as usize].take().map(|step| (at_ms, step))
    }
}

#[cfg(test)]
mod tests {
    use wire::Kind;

    use super::*;

    #[test]
    fn steps_come_in_time_and_then_in_order_of_planning() {
        let mut agenda = Agenda::new(3);
        for (at_ms, who) in [(5, 1), (3, 2), (5, 3)] {
            assert!(agenda.plan(at_ms, Step::person(Kind::Login, who)));
        }
        assert!(!agenda.plan(1, Step::person(Kind::Login, 4)), "a full agenda takes no more");
        let order: Vec<_> =
            std::iter::from_fn(|| agenda.pop()).map(|(at_ms, step)| (at_ms, step.who)).collect();
        assert_eq!(format!("{order:?}"), "[(3, Person(2)), (5, Person(1)), (5, Person(3))]");
    }
}
