//! Frames of answers: for each check of the frame that is answered, in order, an answer or an error.
//!
//! Answers are written from borrowed parts, so that a server need not gather one before it sends it. The
//! versions of policy and model stand once before the items; only an answer from other versions, a replayed
//! one, carries its own.

use super::answer_item::{Versions, put_answer, take_answer};
use super::cursor::{Cursor, put_text};
use super::errors::{put_error, take_error};
use super::header::{FrameKind, Header, bad_frame};
use super::items::{Items, ItemsWriter};
use crate::answer::{Answer, AnswerHead, Reason};
use crate::bounds::Refusal;
use crate::error::DecodeError;
use crate::limits::VERSION_BYTES_MAX;

/// What an item is.
mod sort {
    pub const ANSWER: u8 = 0;
    pub const ERROR: u8 = 1;
}

/// The answers of a frame, in the order of the checks: each an answer, or the error in its place.
#[derive(Clone, Debug)]
pub struct Answers<'a> {
    items: Items<'a>,
    versions: Versions<'a>,
}

/// Reads a frame of answers.
///
/// # Errors
/// `bad_frame` if the lengths do not add up.
pub fn decode_answers<'a>(header: &Header, body: &'a [u8]) -> Result<Answers<'a>, DecodeError> {
    let mut cursor = Cursor(body);
    let mut version = |field| cursor.text(field).map_err(|error| bad_frame(error.to_string()));
    let versions = Versions { policy: version("policy")?, model: version("model")? };
    Ok(Answers { items: Items::new(header, FrameKind::Answers, cursor.0)?, versions })
}

impl<'a> Iterator for Answers<'a> {
    type Item = Result<Answer<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.items.next()?;
        Some(take_item(item, self.versions))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.items.size_hint()
    }
}

impl ExactSizeIterator for Answers<'_> {}

fn take_item<'a>(item: &'a [u8], versions: Versions<'a>) -> Result<Answer<'a>, DecodeError> {
    let mut cursor = Cursor(item);
    let item = match cursor.u8("")? {
        sort::ANSWER => Ok(take_answer(&mut cursor, versions)?),
        sort::ERROR => Err(take_error(&mut cursor)?),
        other => return Err(Refusal::out_of_range(format!("no item is of sort {other}")).at("")),
    };
    cursor.end()?;
    item
}

/// Writes a frame of answers.
///
/// Its owner pushes one item for each check of the frame it replies to; a frame of at most
/// [`crate::limits::BATCH_CHECKS_MAX`] checks always finds room for its answers.
#[derive(Debug)]
pub struct AnswersWriter<'o, 'v> {
    items: ItemsWriter<'o>,
    versions: Versions<'v>,
}

impl<'o, 'v> AnswersWriter<'o, 'v> {
    /// Starts the frame at the end of `out`; from here on it is whole after every answer. `policy` and `model`
    /// are the versions that most of its answers come from.
    pub fn new(tag: u32, policy: &'v str, model: &'v str, out: &'o mut Vec<u8>) -> AnswersWriter<'o, 'v> {
        let items = ItemsWriter::with_head(FrameKind::Answers, tag, out, |out| {
            put_text(policy, VERSION_BYTES_MAX, out);
            put_text(model, VERSION_BYTES_MAX, out);
        });
        AnswersWriter { items, versions: Versions { policy, model } }
    }

    /// How many items the frame holds.
    pub fn count(&self) -> usize {
        self.items.count()
    }

    /// Adds an answer. Reasons past [`crate::limits::REASONS_MAX`] are left out, texts past their bounds cut.
    ///
    /// # Errors
    /// The frame is full and stays as it was.
    pub fn push<'r>(
        &mut self,
        head: &AnswerHead<'_>,
        reasons: impl IntoIterator<Item = Reason<'r>>,
    ) -> Result<(), DecodeError> {
        let versions = self.versions;
        self.items.push(|out| {
            out.push(sort::ANSWER);
            put_answer(head, reasons, versions, out);
            Ok(())
        })
    }

    /// Adds an error in the place of an answer.
    ///
    /// # Errors
    /// The frame is full and stays as it was.
    pub fn push_error(&mut self, error: &DecodeError) -> Result<(), DecodeError> {
        self.items.push(|out| {
            out.push(sort::ERROR);
            put_error(error, out);
            Ok(())
        })
    }
}
