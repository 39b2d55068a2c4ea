//! The header: how long the body is, what it holds, and the tag that pairs a reply with its request.

use crate::check::names;
use crate::error::{DecodeError, ErrorCode};
use crate::limits::{ANSWER_FRAME_BYTES_MAX, BATCH_CHECKS_MAX, FRAME_BYTES_MAX};

/// The version of the layout that this side speaks.
pub const VERSION: u8 = 1;
/// Length of a header.
pub const HEADER_BYTES: usize = 12;

names! {
    /// What a frame holds.
    FrameKind {
        /// To the daemon: checks.
        Checks = "checks",
        /// From the daemon: an answer or an error for each check, in order.
        Answers = "answers",
        /// To the daemon: outcomes.
        Outcomes = "outcomes",
        /// From the daemon: for each outcome, in order, that it is kept or an error.
        Results = "results",
        /// From the daemon: one error instead of a reply to the frame of that tag.
        Error = "error",
        /// To the daemon: nothing; asks for a pong.
        Ping = "ping",
        /// From the daemon: nothing.
        Pong = "pong",
    }
}

/// The first bytes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Length of the body that follows, in bytes.
    pub body_bytes: u32,
    /// What the body holds.
    pub kind: FrameKind,
    /// How many items the body holds.
    pub count: u16,
    /// Chosen by the asker, echoed in the reply.
    pub tag: u32,
}

impl Header {
    /// The header as bytes.
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..4].copy_from_slice(&self.body_bytes.to_le_bytes());
        bytes[4] = VERSION;
        bytes[5] = self.kind.code();
        bytes[6..8].copy_from_slice(&self.count.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.tag.to_le_bytes());
        bytes
    }
}

/// Reads a header and holds it against the bounds, so that nobody reserves memory for a body that is refused.
///
/// # Errors
/// `bad_version` or `bad_frame`. Either way the rest of the connection cannot be read.
pub fn decode_header(bytes: &[u8; HEADER_BYTES]) -> Result<Header, DecodeError> {
    let [l0, l1, l2, l3, version, kind, c0, c1, t0, t1, t2, t3] = *bytes;
    if version != VERSION {
        let message = format!("version {version}, expected {VERSION}");
        return Err(DecodeError::new(ErrorCode::BadVersion, "", message));
    }
    let Some(kind) = FrameKind::from_code(kind) else {
        return Err(bad_frame(format!("nothing is known of frames of kind {kind}")));
    };
    let header = Header {
        body_bytes: u32::from_le_bytes([l0, l1, l2, l3]),
        kind,
        count: u16::from_le_bytes([c0, c1]),
        tag: u32::from_le_bytes([t0, t1, t2, t3]),
    };
    let (bytes_max, count_max) = match kind {
        FrameKind::Checks | FrameKind::Outcomes => (FRAME_BYTES_MAX, BATCH_CHECKS_MAX),
        FrameKind::Answers | FrameKind::Results => (ANSWER_FRAME_BYTES_MAX, BATCH_CHECKS_MAX),
        FrameKind::Error => (FRAME_BYTES_MAX, 1),
        FrameKind::Ping | FrameKind::Pong => (0, 0),
    };
    if header.body_bytes as usize > bytes_max {
        return Err(bad_frame(format!(
            "a body of {} bytes, expected at most {bytes_max}",
            header.body_bytes
        )));
    }
    if usize::from(header.count) > count_max {
        return Err(bad_frame(format!("{} items, expected at most {count_max}", header.count)));
    }
    Ok(header)
}

/// A frame at the start of a buffer.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Its header.
    pub header: Header,
    /// Its body.
    pub body: &'a [u8],
    /// Length of the whole frame: where the next one starts.
    pub bytes: usize,
}

/// The frame at the start of the bytes received so far; `None` while it is not whole yet.
///
/// # Errors
/// As [`decode_header`], as soon as the header is there.
pub fn split(received: &[u8]) -> Result<Option<Frame<'_>>, DecodeError> {
    let Some((header, rest)) = received.split_first_chunk() else {
        return Ok(None);
    };
    let header = decode_header(header)?;
    let body = rest.get(..header.body_bytes as usize);
    Ok(body.map(|body| Frame { header, body, bytes: HEADER_BYTES + body.len() }))
}

/// Writes a frame without items: a ping, a pong, or the reply to an empty frame.
pub fn encode_empty(kind: FrameKind, tag: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&Header { body_bytes: 0, kind, count: 0, tag }.to_bytes());
}

pub(super) fn bad_frame(message: impl Into<String>) -> DecodeError {
    DecodeError::new(ErrorCode::BadFrame, "", message)
}
