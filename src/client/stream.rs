//! The two halves of a stream of frames.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
#[cfg(unix)]
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use wire::frame::{self, Answers, FrameKind, HEADER_BYTES, Header, Results};
use wire::{Check, DecodeError, ErrorCode, Outcome};

use crate::error::ClientError;

/// Room for one read: some hundred answers.
const READ_BYTES: usize = 64 << 10;

#[derive(Debug)]
enum WriteHalf {
    Quic(quinn::SendStream),
    #[cfg(unix)]
    Unix(OwnedWriteHalf),
}

#[derive(Debug)]
enum ReadHalf {
    Quic(quinn::RecvStream),
    #[cfg(unix)]
    Unix(OwnedReadHalf),
}

/// Writes frames, and numbers them with tags of their own.
///
/// A call that is dropped before it returns may have written half a frame, after which the stream is of no use.
#[derive(Debug)]
pub struct Sender {
    half: WriteHalf,
    buffer: Vec<u8>,
    next_tag: u32,
}

impl Sender {
    pub(crate) fn quic(stream: quinn::SendStream) -> Sender {
        Sender { half: WriteHalf::Quic(stream), buffer: Vec::new(), next_tag: 0 }
    }

    #[cfg(unix)]
    pub(crate) fn unix(stream: OwnedWriteHalf) -> Sender {
        Sender { half: WriteHalf::Unix(stream), buffer: Vec::new(), next_tag: 0 }
    }

    /// Sends a frame of checks and returns its tag.
    ///
    /// # Errors
    /// A check that does not fit, before anything is sent; or the connection is lost.
    pub async fn send_checks<'c, 'a: 'c>(
        &mut self,
        checks: impl IntoIterator<Item = &'c Check<'a>>,
    ) -> Result<u32, ClientError> {
        let tag = self.start();
        frame::encode_checks(tag, checks, &mut self.buffer).map_err(ClientError::Request)?;
        self.flush(tag).await
    }

    /// Sends a frame of outcomes and returns its tag.
    ///
    /// # Errors
    /// An outcome that does not fit, before anything is sent; or the connection is lost.
    pub async fn send_outcomes<'c, 'a: 'c>(
        &mut self,
        outcomes: impl IntoIterator<Item = &'c Outcome<'a>>,
    ) -> Result<u32, ClientError> {
        let tag = self.start();
        frame::encode_outcomes(tag, outcomes, &mut self.buffer).map_err(ClientError::Request)?;
        self.flush(tag).await
    }

    /// Sends a ping and returns its tag.
    ///
    /// # Errors
    /// The connection is lost.
    pub async fn send_ping(&mut self) -> Result<u32, ClientError> {
        let tag = self.start();
        frame::encode_empty(FrameKind::Ping, tag, &mut self.buffer);
        self.flush(tag).await
    }

    /// Sends frames that were written before, with whatever tags they bear.
    ///
    /// # Errors
    /// The connection is lost.
    pub async fn send_bytes(&mut self, frames: &[u8]) -> Result<(), ClientError> {
        match &mut self.half {
            WriteHalf::Quic(stream) => {
                stream.write_all(frames).await.map_err(|error| ClientError::Lost(error.to_string()))
            }
            #[cfg(unix)]
            WriteHalf::Unix(stream) => Ok(stream.write_all(frames).await?),
        }
    }

    /// Says that nothing more will be sent; replies to what was sent still come.
    ///
    /// # Errors
    /// The connection is lost.
    pub async fn finish(&mut self) -> Result<(), ClientError> {
        match &mut self.half {
            WriteHalf::Quic(stream) => stream.finish().map_err(|error| ClientError::Lost(error.to_string())),
            #[cfg(unix)]
            WriteHalf::Unix(stream) => Ok(stream.shutdown().await?),
        }
    }

    fn start(&mut self) -> u32 {
        self.buffer.clear();
        let tag = self.next_tag;
        self.next_tag = tag.wrapping_add(1);
        tag
    }

    async fn flush(&mut self, tag: u32) -> Result<u32, ClientError> {
        let buffer = std::mem::take(&mut self.buffer);
        let sent = self.send_bytes(&buffer).await;
        self.buffer = buffer;
        sent.map(|()| tag)
    }
}

/// A frame from the daemon.
#[derive(Clone, Debug)]
pub struct Reply<'a> {
    /// The tag of the frame that is replied to.
    pub tag: u32,
    /// What the daemon says.
    pub replied: Replied<'a>,
}

/// What a daemon says to a frame.
#[derive(Clone, Debug)]
pub enum Replied<'a> {
    /// To checks: for each, in order, its answer or why there is none.
    Answers(Answers<'a>),
    /// To outcomes: for each, in order, that it is kept or why not.
    Results(Results<'a>),
    /// To a ping.
    Pong,
    /// That the frame as a whole is refused.
    Refused(DecodeError),
}

/// Reads frames.
///
/// A call that is dropped before it returns loses nothing: the next one goes on where it was.
#[derive(Debug)]
pub struct Receiver {
    half: ReadHalf,
    buffer: Vec<u8>,
    /// Start of what was received but not yet handed out.
    start: usize,
}

impl Receiver {
    pub(crate) fn quic(stream: quinn::RecvStream) -> Receiver {
        Receiver { half: ReadHalf::Quic(stream), buffer: Vec::new(), start: 0 }
    }

    #[cfg(unix)]
    pub(crate) fn unix(stream: OwnedReadHalf) -> Receiver {
        Receiver { half: ReadHalf::Unix(stream), buffer: Vec::new(), start: 0 }
    }

    /// The next frame; `None` when the daemon has said its last.
    ///
    /// # Errors
    /// The connection is lost, or what came is not a daemon's frame.
    pub async fn reply(&mut self) -> Result<Option<Reply<'_>>, ClientError> {
        let (header, bytes) = loop {
            if let Some(frame) = frame::split(&self.buffer[self.start..]).map_err(unreadable)? {
                break (frame.header, frame.bytes);
            }
            if !self.fill().await? {
                return match self.buffer.len() - self.start {
                    0 => Ok(None),
                    cut => Err(ClientError::Lost(format!("the last frame ends after {cut} bytes"))),
                };
            }
        };
        let body = self.start + HEADER_BYTES..self.start + bytes;
        self.start = body.end;
        let replied = read(&header, &self.buffer[body]).map_err(unreadable)?;
        Ok(Some(Reply { tag: header.tag, replied }))
    }

    /// Whether the next [`Receiver::reply`] will return without waiting.
    pub fn has_reply(&self) -> bool {
        !matches!(frame::split(&self.buffer[self.start..]), Ok(None))
    }

    /// Reads more; false at the end of the stream.
    async fn fill(&mut self) -> Result<bool, ClientError> {
        // What is left is less than a frame: moving it costs less than growing past it for ever.
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.reserve(READ_BYTES);
        let count = match &mut self.half {
            ReadHalf::Quic(stream) => stream.read_buf(&mut self.buffer).await?,
            #[cfg(unix)]
            ReadHalf::Unix(stream) => stream.read_buf(&mut self.buffer).await?,
        };
        Ok(count > 0)
    }
}

fn read<'a>(header: &Header, body: &'a [u8]) -> Result<Replied<'a>, DecodeError> {
    match header.kind {
        FrameKind::Answers => frame::decode_answers(header, body).map(Replied::Answers),
        FrameKind::Results => frame::decode_results(header, body).map(Replied::Results),
        FrameKind::Error => frame::decode_error(header, body).map(Replied::Refused),
        FrameKind::Pong => Ok(Replied::Pong),
        FrameKind::Checks | FrameKind::Outcomes | FrameKind::Ping => Err(DecodeError::new(
            ErrorCode::BadFrame,
            "",
            format!("a daemon sends no frame of {}", header.kind),
        )),
    }
}

fn unreadable(error: impl std::fmt::Display) -> ClientError {
    ClientError::Lost(format!("cannot read the daemon: {error}"))
}
