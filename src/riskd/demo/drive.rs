//! The traffic against the daemon, over QUIC as a gateway would send it: frames in flight on one stream, outcomes on another.
//!
//! Outcomes are told between frames, not beside them: what the daemon knows at each check then depends on the seed alone.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use client::{Connection, Receiver, Replied, Sender};
use hdrhistogram::Histogram;
use sim::Event;
use tokio::sync::mpsc;

use super::DemoError;
use super::daemon::Daemon;
use super::follow_up::FollowUps;
use super::progress::Progress;
use super::tally::Tally;
use super::traffic::{FRAME_EVENTS, time_ms};

/// Frames under way at once: the daemon has the next at hand when it is done with one.
const FRAMES_IN_FLIGHT: usize = 4;
/// Simulated time all that is in flight may span: the daemon counts what is five minutes behind its clock at the bound.
const SPAN_MS_MAX: i64 = 240_000;
/// Due outcomes that are worth a frame and the sync to disk that answers it.
const OUTCOMES_BATCH: usize = 256;
/// Simulated time after which fewer are told too.
const OUTCOMES_EVERY_MS: i64 = 60_000;
/// Longest round trip that is told from longer ones.
const ROUND_TRIP_US_MAX: u64 = 60_000_000;
/// Frames between two looks at the progress.
const SHOW_EVERY: u64 = 32;

/// What came of it.
pub struct Drove {
    /// Answers held against the truth.
    pub tally: Tally,
    /// From a frame's sending to its last answer, in microseconds.
    pub round_trip_us: Histogram<u64>,
    /// Frames answered.
    pub frames: u64,
    /// Outcomes told.
    pub outcomes: u64,
    /// Time spent on checks; telling outcomes is not part of it.
    pub checks_took: Duration,
    /// Time spent on outcomes, each of them on disk.
    pub outcomes_took: Duration,
    /// First and last event, in simulated Unix milliseconds.
    pub simulated_ms: (i64, i64),
    /// Versions of policy and model, from the latest answer; empty where none is.
    pub versions: (String, String),
    /// Whether it was ended before its time.
    pub interrupted: bool,
}

struct InFlight {
    tag: u32,
    events: Vec<Event>,
    sent: Instant,
}

struct Drive<'d> {
    daemon: &'d Daemon,
    checks: (Sender, Receiver),
    news: (Sender, Receiver),
    in_flight: VecDeque<InFlight>,
    follow_ups: FollowUps,
    /// Due outcomes wait for this time or for company.
    tell_ms: i64,
    drove: Drove,
}

/// Sends all frames and their outcomes.
pub fn run(
    daemon: &Daemon,
    frames: mpsc::Receiver<Vec<Event>>,
    progress: &Progress,
) -> Result<Drove, DemoError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(DemoError::Folder)?;
    runtime.block_on(async {
        let (address, trust) = daemon.quic()?;
        let connection = client::connect_quic(address, "localhost", trust)
            .await
            .map_err(|error| DemoError::Connect(error.to_string()))?;
        let mut drive = Drive::new(daemon, &connection).await?;
        drive.run(frames, progress).await?;
        connection.close().await;
        Ok(drive.drove)
    })
}

impl<'d> Drive<'d> {
    async fn new(daemon: &'d Daemon, connection: &Connection) -> Result<Drive<'d>, DemoError> {
        // Three digits keep the histogram at some hundred kilobytes; its bounds are constants and in order.
        let round_trip_us = Histogram::new_with_max(ROUND_TRIP_US_MAX, 3).map_err(lost)?;
        Ok(Drive {
            daemon,
            checks: connection.open().await.map_err(lost)?,
            news: connection.open().await.map_err(lost)?,
            in_flight: VecDeque::new(),
            follow_ups: FollowUps::default(),
            tell_ms: 0,
            drove: Drove {
                tally: Tally::default(),
                round_trip_us,
                frames: 0,
                outcomes: 0,
                checks_took: Duration::ZERO,
                outcomes_took: Duration::ZERO,
                simulated_ms: (sim::START_MS, sim::START_MS),
                versions: (String::new(), String::new()),
                interrupted: false,
            },
        })
    }

    async fn run(
        &mut self,
        mut frames: mpsc::Receiver<Vec<Event>>,
        progress: &Progress,
    ) -> Result<(), DemoError> {
        let interrupt = tokio::spawn(tokio::signal::ctrl_c());
        let began = Instant::now();
        while let Some(frame) = frames.recv().await {
            if interrupt.is_finished() {
                self.drove.interrupted = true;
                break;
            }
            let last_ms = frame.last().map_or(0, time_ms);
            self.make_room(last_ms).await?;
            self.send(frame).await?;
            if self.drove.frames.is_multiple_of(SHOW_EVERY) {
                progress.show(&self.drove.tally);
            }
        }
        self.settle().await?;
        self.drove.checks_took = began.elapsed().saturating_sub(self.drove.outcomes_took);
        interrupt.abort();
        progress.show(&self.drove.tally);
        Ok(())
    }

    /// Waits for answers until a frame that ends at that time may be sent.
    async fn make_room(&mut self, last_ms: i64) -> Result<(), DemoError> {
        while self.in_flight.len() >= FRAMES_IN_FLIGHT
            || self
                .in_flight
                .front()
                .and_then(|frame| frame.events.first())
                .is_some_and(|oldest| time_ms(oldest) + SPAN_MS_MAX < last_ms)
        {
            self.receive().await?;
        }
        if last_ms >= self.tell_ms {
            self.settle().await?;
            self.tell_ms = last_ms + OUTCOMES_EVERY_MS;
        }
        Ok(())
    }

    async fn send(&mut self, events: Vec<Event>) -> Result<(), DemoError> {
        let (Some(first), Some(last)) = (events.first(), events.last()) else { return Ok(()) };
        if self.drove.frames == 0 && self.in_flight.is_empty() {
            self.drove.simulated_ms.0 = time_ms(first);
        }
        self.drove.simulated_ms.1 = time_ms(last);
        self.daemon.advance(time_ms(last));
        let sent = Instant::now();
        let tag = self.checks.0.send_checks(events.iter().map(|event| &event.check)).await.map_err(lost)?;
        self.in_flight.push_back(InFlight { tag, events, sent });
        Ok(())
    }

    /// Takes the answers of the oldest frame.
    async fn receive(&mut self) -> Result<(), DemoError> {
        let Some(frame) = self.in_flight.pop_front() else { return Ok(()) };
        let reply = self.checks.1.reply().await.map_err(lost)?;
        let waited = frame.sent.elapsed();
        let reply = reply.ok_or_else(|| lost("it closed the stream"))?;
        let answers = match reply.replied {
            Replied::Answers(answers) if reply.tag == frame.tag => answers,
            other => return Err(lost(format!("it answered a frame of checks with {other:?}"))),
        };
        let drove = &mut self.drove;
        drove.frames += 1;
        drove.round_trip_us.saturating_record(u64::try_from(waited.as_micros()).unwrap_or(u64::MAX));
        let mut events = frame.events.iter();
        for answer in answers {
            let event = events.next().ok_or_else(|| lost("it gave more answers than there were checks"))?;
            match answer {
                Ok(answer) => {
                    drove.tally.answer(event, &answer);
                    self.follow_ups.plan(event, answer.verdict);
                    remember(&mut drove.versions.0, answer.policy);
                    remember(&mut drove.versions.1, answer.model);
                }
                Err(_) => drove.tally.refused += 1,
            }
        }
        match events.len() {
            0 => Ok(()),
            missing => Err(lost(format!("{missing} checks of {FRAME_EVENTS} were not answered"))),
        }
    }

    /// Waits for all answers and tells every outcome that is due.
    async fn settle(&mut self) -> Result<(), DemoError> {
        while !self.in_flight.is_empty() {
            self.receive().await?;
        }
        let began = Instant::now();
        loop {
            let due = self.follow_ups.due(self.drove.simulated_ms.1, OUTCOMES_BATCH);
            if due.is_empty() {
                break;
            }
            self.tell(&due).await?;
        }
        self.drove.outcomes_took += began.elapsed();
        Ok(())
    }

    async fn tell(&mut self, due: &[wire::Outcome<'static>]) -> Result<(), DemoError> {
        self.news.0.send_outcomes(due).await.map_err(lost)?;
        let reply = self.news.1.reply().await.map_err(lost)?.ok_or_else(|| lost("it closed the stream"))?;
        let Replied::Results(results) = reply.replied else {
            return Err(lost("it answered outcomes with something else"));
        };
        for result in results {
            result.map_err(|error| lost(format!("an outcome is not kept: {error}")))?;
        }
        self.drove.outcomes += due.len() as u64;
        Ok(())
    }
}

fn remember(version: &mut String, latest: &str) {
    if version != latest {
        latest.clone_into(version);
    }
}

fn lost(error: impl std::fmt::Display) -> DemoError {
    DemoError::Lost(error.to_string())
}
