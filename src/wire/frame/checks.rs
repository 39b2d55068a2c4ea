//! Frames of checks.

use super::check_item::{put_check, take_check};
use super::header::{FrameKind, Header};
use super::items::{Items, ItemsWriter};
use crate::check::Check;
use crate::error::DecodeError;

/// The checks of a frame, in order: each a check, or why it is none.
#[derive(Clone, Debug)]
pub struct Checks<'a>(Items<'a>);

/// Reads a frame of checks.
///
/// # Errors
/// `bad_frame` if the lengths do not add up. A fault within one check is that check's own.
pub fn decode_checks<'a>(header: &Header, body: &'a [u8]) -> Result<Checks<'a>, DecodeError> {
    Items::new(header, FrameKind::Checks, body).map(Checks)
}

impl<'a> Iterator for Checks<'a> {
    type Item = Result<Check<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(take_check)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Checks<'_> {}

/// Writes a frame of checks.
///
/// # Errors
/// The first check that does not fit; the frame holds those before it.
pub fn encode_checks<'c, 'a: 'c>(
    tag: u32,
    checks: impl IntoIterator<Item = &'c Check<'a>>,
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    let mut writer = ChecksWriter::new(tag, out);
    checks.into_iter().try_for_each(|check| writer.push(check))
}

/// Writes a frame of checks, one at a time.
#[derive(Debug)]
pub struct ChecksWriter<'o>(ItemsWriter<'o>);

impl<'o> ChecksWriter<'o> {
    /// Starts the frame at the end of `out`; from here on it is whole after every check.
    pub fn new(tag: u32, out: &'o mut Vec<u8>) -> ChecksWriter<'o> {
        ChecksWriter(ItemsWriter::new(FrameKind::Checks, tag, out))
    }

    /// How many checks the frame holds.
    pub fn count(&self) -> usize {
        self.0.count()
    }

    /// Adds a check.
    ///
    /// # Errors
    /// A text over its bound, or a full frame. The frame stays as it was.
    pub fn push(&mut self, check: &Check<'_>) -> Result<(), DecodeError> {
        self.0.push(|out| put_check(check, out))
    }
}
