//! What a gateway tells the daemon afterwards: that money moved or did not, that a challenge was passed, that a victim complained.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use sim::Event;
use wire::{Outcome, OutcomeKind, Verdict};

use super::traffic::time_ms;

/// Time a customer takes over a challenge, in simulated milliseconds.
const CHALLENGE_MS: i64 = 8_000;

/// Outcomes that wait for their time.
#[derive(Default)]
pub struct FollowUps {
    waiting: BinaryHeap<Reverse<(i64, u64, String, OutcomeKind)>>,
    planned: u64,
}

/// Whether the event goes on after that verdict: it was allowed, or whoever acts passes the challenge.
pub fn goes_on(event: &Event, verdict: Verdict) -> bool {
    verdict == Verdict::Allow || verdict == Verdict::Challenge && event.passes_challenge
}

impl FollowUps {
    /// Plans what follows an answered event.
    pub fn plan(&mut self, event: &Event, verdict: Verdict) {
        let mut at_ms = time_ms(event);
        if verdict == Verdict::Challenge {
            at_ms += CHALLENGE_MS;
            let passed = event.passes_challenge;
            let kind = if passed { OutcomeKind::ChallengePassed } else { OutcomeKind::ChallengeFailed };
            self.push(at_ms, event, kind);
        }
        if goes_on(event, verdict) {
            for follow_up in [event.outcome, event.report].into_iter().flatten() {
                self.push(at_ms + follow_up.delay_ms, event, follow_up.kind);
            }
        }
    }

    fn push(&mut self, at_ms: i64, event: &Event, kind: OutcomeKind) {
        // The count keeps the order of what falls on one millisecond.
        self.planned += 1;
        self.waiting.push(Reverse((at_ms, self.planned, event.check.id.clone().into_owned(), kind)));
    }

    /// Takes out what is due by that time, at most `count_max`.
    pub fn due(&mut self, now_ms: i64, count_max: usize) -> Vec<Outcome<'static>> {
        let mut due = Vec::new();
        while due.len() < count_max
            && self.waiting.peek().is_some_and(|Reverse((at_ms, ..))| *at_ms <= now_ms)
            && let Some(Reverse((at_ms, _, id, outcome))) = self.waiting.pop()
        {
            due.push(Outcome { id: id.into(), outcome, time_ms: Some(at_ms) });
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim::{FollowUp, Label};
    use wire::{Check, Kind};

    fn event(passes_challenge: bool) -> Event {
        let mut check = Check::new("e", Kind::Pay, "u");
        check.time_ms = Some(1_000);
        let outcome = Some(FollowUp { kind: OutcomeKind::Settled, delay_ms: 5 });
        Event { check, label: Label::Honest, craft: None, passes_challenge, outcome, report: None }
    }

    fn told(passes_challenge: bool, verdict: Verdict) -> Vec<(i64, OutcomeKind)> {
        let mut follow_ups = FollowUps::default();
        follow_ups.plan(&event(passes_challenge), verdict);
        let due = follow_ups.due(i64::MAX, 10);
        due.iter().map(|outcome| (outcome.time_ms.unwrap(), outcome.outcome)).collect()
    }

    #[test]
    fn money_moves_only_where_the_event_went_on() {
        use OutcomeKind::{ChallengeFailed, ChallengePassed, Settled};
        assert_eq!(told(true, Verdict::Allow), [(1_005, Settled)]);
        assert_eq!(told(true, Verdict::Challenge), [(9_000, ChallengePassed), (9_005, Settled)]);
        assert_eq!(told(false, Verdict::Challenge), [(9_000, ChallengeFailed)]);
        assert_eq!(told(true, Verdict::Review), []);
        assert_eq!(told(true, Verdict::Deny), []);
    }

    #[test]
    fn nothing_is_told_before_its_time() {
        let mut follow_ups = FollowUps::default();
        follow_ups.plan(&event(true), Verdict::Allow);
        assert_eq!(follow_ups.due(1_004, 10), []);
        assert_eq!(follow_ups.due(1_005, 10).len(), 1);
    }
}
