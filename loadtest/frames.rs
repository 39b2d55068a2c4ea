//! One connection that carries frames: a sender that keeps to the schedule, a receiver that takes the time.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use client::{Receiver, Replied, Reply};
use tokio::sync::Notify;

use crate::connect::Duplex;
use crate::in_flight::{InFlight, Sent};
use crate::limits::{DRAIN, IN_FLIGHT_MAX, WRITE_BYTES};
use crate::pacer;
use crate::run::{GRACE, Job};
use crate::schedule::Schedule;
use crate::stock::Cursor;

/// How long a QUIC connection may take to say goodbye.
const CLOSE: Duration = Duration::from_millis(200);

/// What sender and receiver of a connection share; both run on one thread.
struct Line {
    in_flight: RefCell<InFlight>,
    /// Rung after answers came in, and when the connection broke.
    bell: Notify,
    broken: Cell<bool>,
}

/// Runs the connection to its end. All results stand in the job's tally.
pub(crate) async fn drive(job: Rc<Job>, duplex: Duplex) {
    let window = job.plan.window.unwrap_or(IN_FLIGHT_MAX);
    let line = Rc::new(Line {
        in_flight: RefCell::new(InFlight::new(window)),
        bell: Notify::new(),
        broken: Cell::new(false),
    });
    let receiver = tokio::task::spawn_local(receive(Rc::clone(&job), Rc::clone(&line), duplex.receiver));
    let mut sender = Pacing {
        schedule: Schedule::new(&job.plan, job.connection),
        cursor: job.stock.cursor(job.connection, job.plan.scenario.connections),
        out: Vec::with_capacity(2 * WRITE_BYTES),
        half: duplex.sender,
        released: job.start,
        job: &job,
        line: &line,
    };
    match job.plan.window {
        None => sender.keep_pace().await,
        Some(window) => sender.keep_busy(window).await,
    }
    // The write side stays open until the last answer: closing it would tell the server to hang up.
    let drained = async {
        while line.in_flight.borrow().outstanding() > 0 && !line.broken.get() {
            line.bell.notified().await;
        }
    };
    let _ = tokio::time::timeout(DRAIN, drained).await;
    receiver.abort();
    job.tally.borrow_mut().unanswered += line.in_flight.borrow().unanswered();
    if let Some(connection) = duplex.quic {
        let _ = tokio::time::timeout(CLOSE, connection.close()).await;
    }
}

/// The sending side of a connection and where it stands in its schedule.
struct Pacing<'j> {
    schedule: Schedule,
    cursor: Cursor,
    out: Vec<u8>,
    half: client::Sender,
    /// When the server last let the sender go on: what was due before then is late for the server's sake.
    released: Instant,
    job: &'j Job,
    line: &'j Line,
}

impl Pacing<'_> {
    /// Open loop: every batch at its moment, or as soon after it as can be.
    async fn keep_pace(&mut self) {
        let start = self.job.start;
        let mut next = self.schedule.next();
        while let Some(due) = next {
            pacer::until(start + due.at).await;
            let now = Instant::now();
            if self.line.broken.get() || now > self.job.end + GRACE {
                break;
            }
            while let Some(due) = next
                && start + due.at <= now
                && self.out.len() < WRITE_BYTES
                && self.line.in_flight.borrow().has_room()
            {
                self.add(start + due.at, due.phase, now);
                next = self.schedule.next();
            }
            if self.out.is_empty() { self.wait().await } else { self.flush().await }
        }
        let unsent = u64::from(next.is_some()) + self.schedule.remaining();
        self.job.tally.borrow_mut().unsent += unsent * self.job.plan.batch() as u64;
    }

    /// Closed loop: that many batches under way at any time.
    async fn keep_busy(&mut self, window: usize) {
        pacer::until(self.job.start).await;
        loop {
            let now = Instant::now();
            if self.line.broken.get() || now >= self.job.end || self.schedule.left() == 0 {
                return;
            }
            let phase = self.schedule.phase_at(now - self.job.start);
            while self.line.in_flight.borrow().outstanding() < window
                && self.out.len() < WRITE_BYTES
                && self.line.in_flight.borrow().has_room()
                && self.schedule.spend()
            {
                self.add(now, phase, now);
            }
            if self.out.is_empty() { self.wait().await } else { self.flush().await }
        }
    }

    fn add(&mut self, meant: Instant, phase: usize, now: Instant) {
        let mut in_flight = self.line.in_flight.borrow_mut();
        let count = self.job.stock.append(&mut self.cursor, in_flight.next_tag(), &mut self.out);
        in_flight.add(Sent { meant, count, phase });
        let held_up = meant <= self.released;
        self.job.tally.borrow_mut().sent(phase, count, now.saturating_duration_since(meant), held_up);
    }

    async fn wait(&mut self) {
        let deadline = (self.job.end + DRAIN).into();
        let _ = tokio::time::timeout_at(deadline, self.line.bell.notified()).await;
        self.released = Instant::now();
    }

    async fn flush(&mut self) {
        let deadline = (self.job.end + DRAIN).into();
        let mut waited = false;
        let written = {
            let mut write = pin!(self.half.send_bytes(&self.out));
            let noticed = poll_fn(|context| {
                let done = write.as_mut().poll(context);
                waited |= done.is_pending();
                done
            });
            tokio::time::timeout_at(deadline, noticed).await
        };
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.give_up(&error.to_string()),
            Err(_) => self.give_up("the server stopped reading"),
        }
        self.out.clear();
        // A write that had to wait was held up by the server, which did not read; one that merely took long was not.
        if waited {
            self.released = Instant::now();
        }
    }

    fn give_up(&self, why: &str) {
        fail(self.job, self.line, why);
    }
}

async fn receive(job: Rc<Job>, line: Rc<Line>, mut receiver: Receiver) {
    loop {
        match receiver.reply().await {
            Ok(Some(reply)) => take(&job, &line, reply),
            Ok(None) => return fail(&job, &line, "closed by the server"),
            Err(error) => return fail(&job, &line, &error.to_string()),
        }
        // One ring for all that came at once.
        if !receiver.has_reply() {
            line.bell.notify_one();
        }
    }
}

fn fail(job: &Job, line: &Line, why: &str) {
    if !line.broken.replace(true) {
        job.tally.borrow_mut().broken.push(format!("connection {}: {why}", job.connection));
    }
    line.bell.notify_one();
}

/// Takes one frame of the server's.
fn take(job: &Job, line: &Line, reply: Reply<'_>) {
    let mut tally = job.tally.borrow_mut();
    let Some(sent) = line.in_flight.borrow_mut().answered(reply.tag) else {
        tally.error("unasked_frame", 1);
        return;
    };
    tally.answered(sent, Instant::now());
    job.progress(sent.count);
    let count = u64::from(sent.count);
    match reply.replied {
        Replied::Answers(answers) => {
            let missing = count.saturating_sub(answers.len() as u64);
            for answer in answers {
                match answer {
                    Ok(answer) => tally.verdict(answer.verdict, answer.replayed, answer.degraded != 0),
                    Err(error) => tally.error(error.code.name(), 1),
                }
            }
            if missing > 0 {
                tally.error("short_frame", missing);
            }
        }
        Replied::Refused(error) => tally.error(error.code.name(), count),
        Replied::Results(_) | Replied::Pong => tally.error("unasked_frame", count),
    }
}
