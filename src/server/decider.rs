//! A worker's way into the engine: decode, decide, log, encode, over buffers kept from batch to batch. The engine is called
//! here and nowhere else on the path of a check.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, Cache};
use engine::{Decision, Now, Scratch};
use journal::Producer;
use wire::frame::Checks;
use wire::json;
use wire::{AnswerHead, Check, DecodeError, Degraded, ErrorCode, Reason, Value};

use crate::activation::Activation;
use crate::config::JournalMode;
use crate::metrics::Tally;
use crate::sink::{FrameSink, JsonSink, OneSink, Sink};
use crate::state::Shared;

/// Times a check is decided again whose id another worker is deciding right now: that takes it microseconds.
const IN_FLIGHT_TRIES: u32 = 64;

/// The activation that a worker decides with, shared within its thread only: an `Arc` cloned for every batch is a counter
/// that all cores fight over.
type Current = Rc<Arc<Activation>>;

/// Everything between a batch and its answers.
pub struct Decider {
    shared: Arc<Shared>,
    latest: Cache<Arc<ArcSwap<Activation>>, Arc<Activation>>,
    /// The latest that was seen, whose rules the scratch counts.
    active: Current,
    scratch: Scratch,
    ring: Producer,
    checks: Vec<Check<'static>>,
    faults: Vec<(usize, DecodeError)>,
    decisions: Vec<Decision>,
    again: Vec<Decision>,
    /// Numbers of decisions of this batch that could not be logged.
    unlogged: Vec<u64>,
    overdue: bool,
    /// What this worker has counted.
    pub tally: Tally,
}

/// Why checks are answered with the fallback verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shed {
    Overload,
    Journal,
}

impl Shed {
    fn reason(self) -> Reason<'static> {
        let (code, text) = match self {
            Shed::Overload => ("overloaded", "more is asked than can be answered in time"),
            Shed::Journal => ("journal", "decisions cannot be logged, and none may go unlogged"),
        };
        Reason { code, rule: "fallback", text, customer: "", value: Value::Absent, threshold: Value::Absent }
    }

    fn degraded(self) -> u16 {
        match self {
            Shed::Overload => Degraded::Fallback.bit(),
            Shed::Journal => Degraded::Fallback.bit() | Degraded::Journal.bit(),
        }
    }
}

impl Decider {
    /// The way of a worker. Takes its memory now.
    pub fn new(shared: Arc<Shared>, worker: usize, ring: Producer) -> Decider {
        let active = Rc::new(shared.active.load_full());
        Decider {
            latest: Cache::new(shared.active.clone()),
            active,
            scratch: Scratch::new(worker),
            ring,
            checks: Vec::with_capacity(wire::limits::BATCH_CHECKS_MAX),
            faults: Vec::new(),
            decisions: Vec::with_capacity(wire::limits::BATCH_CHECKS_MAX),
            again: Vec::with_capacity(1),
            unlogged: Vec::new(),
            overdue: false,
            tally: Tally::default(),
            shared,
        }
    }

    /// Answers a frame of checks.
    pub fn answer_frame(&mut self, tag: u32, items: Checks<'_>, arrived: Instant, out: &mut Vec<u8>) {
        let active = self.active();
        let (policy, model) = (active.snapshot.policy_version(), active.snapshot.model_version());
        let mut sink = FrameSink::new(tag, policy, model, out);
        self.answer(&active, items, arrived, &mut sink);
    }

    /// Answers a batch of JSON in its own shape.
    pub fn answer_json(&mut self, batch: json::Batch<'_>, arrived: Instant, out: &mut Vec<u8>) {
        let active = self.active();
        let mut sink = JsonSink::new(batch.shape, out);
        self.answer(&active, batch.checks.into_iter(), arrived, &mut sink);
        sink.close();
    }

    /// Answers a single check; says whether the engine decided it, now or before.
    ///
    /// # Errors
    /// A field that the policy's schema does not declare so, or the same id is being decided elsewhere and was not done in
    /// time.
    pub fn answer_one(
        &mut self,
        check: &Check<'_>,
        arrived: Instant,
        out: &mut Vec<u8>,
    ) -> Result<bool, DecodeError> {
        let active = self.active();
        active.snapshot.admit(check)?;
        let mut sink = OneSink::new(out);
        // A look at the clocks, so that times are read by what they say now.
        self.shared.clock.now_ms();
        let time_ms = check.time_ms.map(|time_ms| self.shared.clock.stated_ms(time_ms));
        // Ours and the wall clock are hardly ever apart.
        let own = (time_ms != check.time_ms).then(|| Check { time_ms, ..check.clone() });
        let one = std::slice::from_ref(own.as_ref().unwrap_or(check));
        let decided = self.decide(&active, one, &[], arrived, &mut sink);
        sink.fault.map_or(Ok(decided), Err)
    }

    /// The activation in force.
    fn active(&mut self) -> Current {
        let latest = self.latest.load();
        if !Arc::ptr_eq(latest, &self.active) {
            let latest = latest.clone();
            self.tell();
            self.active = Rc::new(latest);
        }
        self.active.clone()
    }

    /// How long work has been waiting for this worker.
    pub fn set_backlog(&mut self, age: Duration) {
        self.overdue = age > Duration::from_millis(self.shared.config.limits.backlog_ms_max);
    }

    /// Tells the others what was counted, and lets go of a snapshot that is no longer in force, whether checks come or not.
    pub fn report(&mut self) {
        self.active();
        self.tell();
    }

    fn tell(&mut self) {
        self.shared.metrics.take(&mut self.tally);
        self.shared.metrics.take_matches(self.scratch.match_tally(), &self.active.hits);
        for (histogram, (counts, sum)) in self.active.scores.iter().zip(self.scratch.score_tally().take()) {
            histogram.add(&counts, sum);
        }
    }

    fn answer<'a>(
        &mut self,
        active: &Activation,
        items: impl Iterator<Item = Result<Check<'a>, DecodeError>>,
        arrived: Instant,
        sink: &mut impl Sink,
    ) {
        let mut checks = recycle(std::mem::take(&mut self.checks));
        let mut faults = std::mem::take(&mut self.faults);
        // A look at the clocks, so that times are read by what they say now.
        self.shared.clock.now_ms();
        for (at, item) in items.enumerate() {
            match item.and_then(|check| active.snapshot.admit(&check).map(|()| check)) {
                Ok(mut check) => {
                    check.time_ms = check.time_ms.map(|time_ms| self.shared.clock.stated_ms(time_ms));
                    checks.push(check);
                }
                Err(error) => {
                    self.tally.refused(error.code);
                    faults.push((at, error));
                }
            }
        }
        self.decide(active, &checks, &faults, arrived, sink);
        faults.clear();
        self.faults = faults;
        self.checks = recycle(checks);
    }

    /// Decides checks and writes their answers, with the faults in their places; says whether the engine decided all of them, now or
    /// before.
    fn decide(
        &mut self,
        active: &Activation,
        checks: &[Check<'_>],
        faults: &[(usize, DecodeError)],
        arrived: Instant,
        sink: &mut impl Sink,
    ) -> bool {
        let shed = self.shed();
        let mut faults = faults.iter().peekable();
        let (mut place, mut answered) = (0, true);
        if shed.is_none() {
            self.run_engine(active, checks, arrived);
        }
        for (at, check) in checks.iter().enumerate() {
            while let Some((_, error)) = faults.next_if(|(fault, _)| *fault == place) {
                sink.fault(error);
                place += 1;
            }
            match shed {
                None => self.write(active, check, self.decisions[at], sink),
                Some(shed) => answered &= self.write_shed(active, check, shed, arrived, sink),
            }
            place += 1;
        }
        faults.for_each(|(_, error)| sink.fault(error));
        self.tally.duration.record(arrived.elapsed(), checks.len() as u64);
        answered
    }

    fn shed(&self) -> Option<Shed> {
        if self.shared.journal.refuse() {
            Some(Shed::Journal)
        } else if self.overdue {
            Some(Shed::Overload)
        } else {
            None
        }
    }

    fn run_engine(&mut self, active: &Activation, checks: &[Check<'_>], arrived: Instant) {
        let (snapshot, tables) = (&active.snapshot, &*self.shared.tables);
        let now = self.now(arrived);
        self.unlogged.clear();
        engine::decide(snapshot, tables, now, checks, &mut self.decisions, &mut self.scratch);
        log(&self.scratch, &mut self.ring, &mut self.unlogged);
        for (at, check) in checks.iter().enumerate() {
            let mut tries = IN_FLIGHT_TRIES;
            while self.decisions[at].in_flight && tries > 0 {
                tries -= 1;
                std::thread::yield_now();
                let one = std::slice::from_ref(check);
                engine::decide(snapshot, tables, now, one, &mut self.again, &mut self.scratch);
                log(&self.scratch, &mut self.ring, &mut self.unlogged);
                self.decisions[at] = self.again[0];
            }
        }
    }

    /// Answers a check that is not decided now: with its first answer, if its id has one, or else with the fallback. Says whether
    /// it was the first.
    fn write_shed(
        &mut self,
        active: &Activation,
        check: &Check<'_>,
        shed: Shed,
        arrived: Instant,
        sink: &mut impl Sink,
    ) -> bool {
        let (snapshot, now) = (&active.snapshot, self.now(arrived));
        match engine::recall(snapshot, &self.shared.tables, now, check, &mut self.scratch) {
            None => {
                self.write_fallback(active, check, shed, sink);
                false
            }
            Some(first) => {
                // What was logged or not of another batch says nothing of this answer.
                self.unlogged.clear();
                self.write(active, check, first, sink);
                true
            }
        }
    }

    fn now(&self, arrived: Instant) -> Now {
        Now {
            ms: self.shared.clock.now_ms(),
            waited_us: u32::try_from(arrived.elapsed().as_micros()).unwrap_or(u32::MAX),
        }
    }

    fn write(&mut self, active: &Activation, check: &Check<'_>, decision: Decision, sink: &mut impl Sink) {
        if decision.in_flight {
            let error = DecodeError::new(
                ErrorCode::InFlight,
                "id",
                "the same id is being decided right now; ask again",
            );
            self.tally.refused(error.code);
            return sink.fault(&error);
        }
        let mut head = active.snapshot.head(&check.id, &decision);
        if !self.unlogged.is_empty() && self.unlogged.contains(&decision.number) {
            if self.shared.config.journal.mode == JournalMode::Durability {
                return self.write_fallback(active, check, Shed::Journal, sink);
            }
            head.degraded |= Degraded::Journal.bit();
        }
        self.tally.answered(check.kind, head.verdict, head.replayed, head.degraded);
        sink.answer(&head, active.snapshot.reasons(&decision));
    }

    fn write_fallback(&mut self, active: &Activation, check: &Check<'_>, shed: Shed, sink: &mut impl Sink) {
        self.tally.shed(check.kind);
        let head = AnswerHead {
            id: &check.id,
            verdict: self.shared.config.fallback.verdict(check.kind),
            challenge: None,
            score: 0.0,
            degraded: shed.degraded(),
            replayed: false,
            policy: active.snapshot.policy_version(),
            model: "",
            decision: 0,
        };
        sink.answer(&head, [shed.reason()]);
    }
}

/// Hands the records of the latest call of the engine to the journal.
fn log(scratch: &Scratch, ring: &mut Producer, unlogged: &mut Vec<u64>) {
    for (key, number, record) in scratch.records() {
        if ring.push(key, record).is_err() {
            unlogged.push(number);
        }
    }
}

/// The memory of a batch for another one, which borrows from other bytes. Collecting an emptied vector in place keeps it.
fn recycle<'b>(mut checks: Vec<Check<'_>>) -> Vec<Check<'b>> {
    checks.clear();
    checks.into_iter().map_while(|_| None).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::Kind;

    #[test]
    fn the_memory_of_a_batch_is_used_again() {
        let mut checks = Vec::with_capacity(64);
        checks.push(Check::new("a", Kind::Claim, "u"));
        let (before, capacity) = (checks.as_ptr() as usize, checks.capacity());
        let again: Vec<Check<'_>> = recycle(checks);
        assert_eq!((again.as_ptr() as usize, again.capacity(), again.len()), (before, capacity, 0));
    }
}
