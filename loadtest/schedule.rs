//! When each batch is meant to be sent: arithmetic on the plan alone, deaf to how the run goes.

use std::time::Duration;

use crate::plan::Plan;

/// One batch's moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Due {
    /// Since the start of the run.
    pub at: Duration,
    /// Which phase.
    pub phase: usize,
}

/// One phase: the rate rises or falls in a straight line.
#[derive(Clone, Debug)]
struct Stretch {
    starts_s: f64,
    ends_s: f64,
    /// Batches a second at its start, and how many more with each second of it.
    rate: f64,
    slope: f64,
    /// Batches due before it, and before its end.
    before: f64,
    until: f64,
}

impl Stretch {
    /// When that many batches of it have become due, in seconds since the start of the run.
    fn moment(&self, batches: f64) -> f64 {
        // The root of rate·t + slope·t²/2 = batches, in the form that stays exact when the slope is nought.
        let root = (self.rate * self.rate + 2.0 * self.slope * batches).max(0.0).sqrt();
        self.starts_s + 2.0 * batches / (self.rate + root)
    }
}

/// The moments of one connection's batches. Each is worked out from its number, so that no error adds up over a long run.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    stretches: Vec<Stretch>,
    phase: usize,
    /// Number of the next batch, with the connection's part of a turn.
    number: f64,
    left: u64,
}

/// Less than any part of a turn: what rounding may do to a number of batches.
const ROUNDING: f64 = 1e-6;

impl Schedule {
    /// The share of one of the plan's connections, offset so that they take turns.
    pub fn new(plan: &Plan, connection: usize) -> Schedule {
        let scenario = &plan.scenario;
        let connections = scenario.connections as f64;
        let rate = scenario.rate / plan.batch() as f64 / connections;
        let shares: f64 = scenario.phase.iter().map(|phase| phase.share).sum();
        let (mut starts_s, mut before) = (0.0, 0.0);
        let mut stretches = Vec::with_capacity(scenario.phase.len());
        for phase in &scenario.phase {
            let length_s = scenario.duration.as_secs_f64() * phase.share / shares;
            let last = phase.ramp_to.unwrap_or(phase.factor);
            let until = before + rate * (phase.factor + last) / 2.0 * length_s;
            let slope = rate * (last - phase.factor) / length_s;
            let ends_s = starts_s + length_s;
            stretches.push(Stretch { starts_s, ends_s, rate: rate * phase.factor, slope, before, until });
            (starts_s, before) = (ends_s, until);
        }
        let batches = plan.requests.map_or(u64::MAX, |requests| requests.div_ceil(plan.batch() as u64));
        let (turns, rest) = (batches / scenario.connections as u64, batches % scenario.connections as u64);
        let left = turns + u64::from((connection as u64) < rest);
        Schedule { stretches, phase: 0, number: connection as f64 / connections, left }
    }

    /// The phase of a moment, for closed loop.
    pub fn phase_at(&self, at: Duration) -> usize {
        let at_s = at.as_secs_f64();
        self.stretches.iter().position(|stretch| at_s < stretch.ends_s).unwrap_or(self.stretches.len() - 1)
    }

    /// Batches that may still be sent.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Batches still to come, without walking through them.
    pub fn remaining(&self) -> u64 {
        let due = self.stretches.last().map_or(0.0, |last| last.until - ROUNDING - self.number);
        // Past the end the difference is negative and becomes nought.
        self.left.min((due + 1.0).max(0.0) as u64)
    }

    /// Takes one batch from those that may be sent, whenever that is; false when none is left.
    pub fn spend(&mut self) -> bool {
        let any = self.left > 0;
        self.left -= u64::from(any);
        any
    }
}

impl Iterator for Schedule {
    type Item = Due;

    fn next(&mut self) -> Option<Due> {
        while self.number > self.stretches[self.phase].until - ROUNDING {
            if self.phase + 1 == self.stretches.len() {
                return None;
            }
            self.phase += 1;
        }
        if !self.spend() {
            return None;
        }
        let stretch = &self.stretches[self.phase];
        let at = Duration::from_secs_f64(stretch.moment((self.number - stretch.before).max(0.0)));
        self.number += 1.0;
        Some(Due { at, phase: self.phase })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;
    use crate::target::Target;

    fn plan(text: &str) -> Plan {
        Plan::new(Target::Echo, Scenario::parse(text).unwrap()).unwrap()
    }

    #[test]
    fn connections_share_the_rate_and_take_turns() {
        let plan = plan("rate = 1000\nduration = '2s'\nbatch = 10\nconnections = 4");
        let all: Vec<Vec<Due>> =
            (0..4).map(|connection| Schedule::new(&plan, connection).collect()).collect();
        assert!(all.iter().all(|dues| dues.len() == 50), "1000 checks a second for 2 s in batches of 10");
        let firsts: Vec<_> = all.iter().map(|dues| dues[0].at.as_millis()).collect();
        assert_eq!(firsts, [0, 10, 20, 30]);
    }

    #[test]
    fn phases_change_the_pace_and_ramps_rise() {
        let plan = plan(
            "rate = 100\nduration = '10s'\nbatch = 1\nconnections = 1\n\
             [[phase]]\nname = 'a'\nfactor = 1\nshare = 4\n\
             [[phase]]\nname = 'b'\nfactor = 1\nramp_to = 3\nshare = 1\n",
        );
        let dues: Vec<Due> = Schedule::new(&plan, 0).collect();
        let count = |phase| dues.iter().filter(|due| due.phase == phase).count();
        assert_eq!(count(0), 800);
        assert_eq!(count(1), 400, "two seconds at a mean of 200");
        assert!(dues.is_sorted_by_key(|due| due.at));
    }

    #[test]
    fn what_remains_is_known_without_walking_through_it() {
        let plan = plan("rate = 1000\nduration = '1s'\nbatch = 7\nconnections = 3");
        for connection in 0..3 {
            let mut schedule = Schedule::new(&plan, connection);
            loop {
                assert_eq!(schedule.remaining(), schedule.clone().count() as u64);
                if schedule.next().is_none() {
                    break;
                }
            }
        }
    }

    #[test]
    fn a_bound_on_requests_ends_the_schedule() {
        let mut plan = plan("rate = 1e6\nduration = '1h'\nbatch = 64\nconnections = 3");
        plan.requests = Some(1000);
        let batches: usize = (0..3).map(|connection| Schedule::new(&plan, connection).count()).sum();
        assert_eq!(batches, 16, "1000 checks fill 16 batches of 64");
    }
}
