//! A session of frames over any stream of bytes: read, decide, write, with the same two buffers from frame to frame.
//!
//! Frames are answered in the order they came. What is wrong within a frame is answered in its place and the session goes
//! on; a stream that is no longer at a frame's start cannot be read any further, so it is told why and ends.

use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use wire::frame::{self, Frame, FrameKind};
use wire::{DecodeError, ErrorCode};

use crate::outcomes;
use crate::worker::Worker;

/// Room made for reading before each read: several frames of 64 plain checks.
const READ_BYTES: usize = 64 << 10;
/// Answers gathered before they are written, so that frames sent together are answered together.
const WRITE_BYTES: usize = 256 << 10;
/// Buffers larger than this are given back once they are empty.
const KEPT_BYTES: usize = 1 << 20;

/// Answers frames until the other side ends, the stream fails, or the daemon drains.
///
/// # Errors
/// The stream failed, or was too slow in the middle of a frame or in taking its answers.
pub async fn run(
    worker: &Rc<Worker>,
    mut input: impl AsyncRead + Unpin,
    mut output: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    let limits = &worker.shared.config.limits;
    let rest_of_frame = Duration::from_millis(limits.body_timeout_ms);
    let write = Duration::from_millis(limits.write_timeout_ms);
    let mut session = Session::default();
    let mut draining = pin!(worker.draining());
    loop {
        session.make_room();
        let begun = session.begun;
        let rest_is_due = async {
            match begun {
                Some(begun) => tokio::time::sleep_until((begun + rest_of_frame).into()).await,
                None => std::future::pending().await,
            }
        };
        let count = tokio::select! {
            biased;
            count = input.read_buf(&mut session.received) => count?,
            () = &mut draining, if begun.is_none() => return Ok(()),
            () = rest_is_due => return Err(io::ErrorKind::TimedOut.into()),
        };
        if count == 0 {
            return if begun.is_some() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) };
        }
        let arrived = Instant::now();
        loop {
            let state = session.answer(worker, arrived).await;
            if !session.answers.is_empty() {
                let written = tokio::time::timeout(write, output.write_all(&session.answers)).await;
                written.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
                session.answers.clear();
            }
            match state {
                State::More => {}
                State::Starved => break,
                State::Lost => {
                    output.flush().await?;
                    return Ok(());
                }
            }
        }
    }
}

/// Why [`Session::answer`] stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Enough answers are gathered; whole frames may be left.
    More,
    /// No whole frame is left.
    Starved,
    /// The stream is not at a frame's start any more.
    Lost,
}

#[derive(Default)]
struct Session {
    received: Vec<u8>,
    answers: Vec<u8>,
    /// When the first bytes came of the frame that is not whole yet.
    begun: Option<Instant>,
}

impl Session {
    fn make_room(&mut self) {
        if self.received.is_empty() && self.received.capacity() > KEPT_BYTES {
            self.received = Vec::new();
        }
        if self.answers.capacity() > KEPT_BYTES {
            self.answers = Vec::new();
        }
        // Grows with what has come, never by what a header announces.
        self.received.reserve(READ_BYTES);
    }

    /// Answers whole frames until none is left or enough is gathered.
    async fn answer(&mut self, worker: &Worker, arrived: Instant) -> State {
        let mut taken = 0;
        let state = loop {
            match frame::split(&self.received[taken..]) {
                Ok(Some(frame)) => {
                    taken += frame.bytes;
                    answer_frame(worker, &frame, arrived, &mut self.answers).await;
                }
                Ok(None) => break State::Starved,
                Err(error) => {
                    refuse(worker, 0, &error, &mut self.answers);
                    break State::Lost;
                }
            }
            if self.answers.len() >= WRITE_BYTES {
                break State::More;
            }
        };
        self.received.drain(..taken);
        self.begun = match self.begun {
            _ if self.received.is_empty() => None,
            Some(begun) if taken == 0 => Some(begun),
            _ => Some(arrived),
        };
        state
    }
}

async fn answer_frame(worker: &Worker, frame: &Frame<'_>, arrived: Instant, answers: &mut Vec<u8>) {
    let tag = frame.header.tag;
    match frame.header.kind {
        FrameKind::Checks => match frame::decode_checks(&frame.header, frame.body) {
            Ok(checks) => worker.decider.borrow_mut().answer_frame(tag, checks, arrived, answers),
            Err(error) => refuse(worker, tag, &error, answers),
        },
        FrameKind::Outcomes => match frame::decode_outcomes(&frame.header, frame.body) {
            Ok(outcomes) => outcomes::answer_frame(worker, tag, outcomes, answers).await,
            Err(error) => refuse(worker, tag, &error, answers),
        },
        FrameKind::Ping => frame::encode_empty(FrameKind::Pong, tag, answers),
        FrameKind::Answers | FrameKind::Results | FrameKind::Error | FrameKind::Pong => {
            let message = format!("a frame of {} is for callers, not for the daemon", frame.header.kind);
            refuse(worker, tag, &DecodeError::new(ErrorCode::BadFrame, "", message), answers);
        }
    }
}

fn refuse(worker: &Worker, tag: u32, error: &DecodeError, answers: &mut Vec<u8>) {
    worker.decider.borrow_mut().tally.refused(error.code);
    frame::encode_error(tag, error, answers);
}
