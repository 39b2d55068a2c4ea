//! Counts and latencies of a run, one for each thread, added up at the end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use wire::Verdict;

use crate::in_flight::Sent;
use crate::limits::LATENCY_NS_MAX;

/// What happened in one phase.
#[derive(Clone, Debug)]
pub(crate) struct PhaseTally {
    pub sent: u64,
    pub answered: u64,
    /// Nanoseconds.
    pub latency: Histogram<u64>,
}

/// What happened.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub phases: Vec<PhaseTally>,
    pub errors: BTreeMap<String, u64>,
    pub verdicts: [u64; Verdict::ALL.len()],
    pub replayed: u64,
    pub degraded: u64,
    /// How late the sender was at worst by its own slowness.
    pub lag_max: Duration,
    /// How late it was at worst because the server did not read, or had too much unanswered.
    pub held_up_max: Duration,
    /// Checks that were due in the run's time and never sent.
    pub unsent: u64,
    /// Checks sent and not answered when the run was over.
    pub unanswered: u64,
    /// Why connections ended early.
    pub broken: Vec<String>,
    pub last_answer: Option<Instant>,
}

pub(crate) fn histogram() -> Histogram<u64> {
    // Bounds and precision are constants that the library accepts: 1 ns to ten minutes, three digits.
    Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3).unwrap_or_else(|_| unreachable!("valid constants"))
}

impl Tally {
    pub fn new(phases: usize) -> Tally {
        let phase = PhaseTally { sent: 0, answered: 0, latency: histogram() };
        Tally {
            phases: vec![phase; phases],
            errors: BTreeMap::new(),
            verdicts: [0; Verdict::ALL.len()],
            replayed: 0,
            degraded: 0,
            lag_max: Duration::ZERO,
            held_up_max: Duration::ZERO,
            unsent: 0,
            unanswered: 0,
            broken: Vec::new(),
            last_answer: None,
        }
    }

    pub fn sent(&mut self, phase: usize, count: u32, lag: Duration, held_up: bool) {
        self.phases[phase].sent += u64::from(count);
        let worst = if held_up { &mut self.held_up_max } else { &mut self.lag_max };
        *worst = lag.max(*worst);
    }

    /// A batch was answered, one way or another.
    pub fn answered(&mut self, sent: Sent, now: Instant) {
        let phase = &mut self.phases[sent.phase];
        phase.answered += u64::from(sent.count);
        let latency = now.saturating_duration_since(sent.meant).as_nanos();
        phase
            .latency
            .saturating_record_n(u64::try_from(latency).unwrap_or(u64::MAX).max(1), u64::from(sent.count));
        self.last_answer = Some(now);
    }

    pub fn verdict(&mut self, verdict: Verdict, replayed: bool, degraded: bool) {
        self.verdicts[verdict as usize] += 1;
        self.replayed += u64::from(replayed);
        self.degraded += u64::from(degraded);
    }

    pub fn error(&mut self, code: &str, count: u64) {
        if let Some(errors) = self.errors.get_mut(code) {
            *errors += count;
        } else {
            self.errors.insert(code.to_owned(), count);
        }
    }

    pub fn add(&mut self, other: &Tally) {
        for (own, others) in self.phases.iter_mut().zip(&other.phases) {
            own.sent += others.sent;
            own.answered += others.answered;
            // Both were made with the same bounds.
            let _ = own.latency.add(&others.latency);
        }
        for (code, count) in &other.errors {
            self.error(code, *count);
        }
        for (own, others) in self.verdicts.iter_mut().zip(other.verdicts) {
            *own += others;
        }
        self.replayed += other.replayed;
        self.degraded += other.degraded;
        self.lag_max = self.lag_max.max(other.lag_max);
        self.held_up_max = self.held_up_max.max(other.held_up_max);
        self.unsent += other.unsent;
        self.unanswered += other.unanswered;
        self.broken.extend(other.broken.iter().cloned());
        self.last_answer = self.last_answer.max(other.last_answer);
    }
}
