//! Frames of outcomes, and of their results: for each outcome, in order, that it is kept or an error.

use super::cursor::{Cursor, coded, put_text};
use super::errors::{put_error, take_error};
use super::header::{FrameKind, Header};
use super::items::{Items, ItemsWriter};
use crate::bounds::{self, Refusal};
use crate::check::Text;
use crate::error::DecodeError;
use crate::form::{FieldValue, Form};
use crate::limits::IDENTIFIER_BYTES_MAX;
use crate::outcome::{Outcome, OutcomeKind};

/// Bit of an outcome that states its time.
const HAS_TIME: u8 = 1 << 0;

/// What a result is.
mod sort {
    pub const KEPT: u8 = 0;
    pub const ERROR: u8 = 1;
}

/// The outcomes of a frame, in order: each an outcome, or why it is none.
#[derive(Clone, Debug)]
pub struct Outcomes<'a>(Items<'a>);

/// Reads a frame of outcomes.
///
/// # Errors
/// `bad_frame` if the lengths do not add up. A fault within one outcome is that outcome's own.
pub fn decode_outcomes<'a>(header: &Header, body: &'a [u8]) -> Result<Outcomes<'a>, DecodeError> {
    Items::new(header, FrameKind::Outcomes, body).map(Outcomes)
}

impl<'a> Iterator for Outcomes<'a> {
    type Item = Result<Outcome<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(take_outcome)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Outcomes<'_> {}

fn take_outcome(item: &[u8]) -> Result<Outcome<'_>, DecodeError> {
    let mut cursor = Cursor(item);
    let present = cursor.u8("")?;
    let outcome = cursor.u8("outcome")?;
    let outcome = coded(OutcomeKind::from_code(outcome), outcome, "outcome")?;
    let time_ms = match present {
        0 => None,
        HAS_TIME => Some(bounds::time_ms(cursor.i64("time")?).map_err(|why| why.at("time"))?),
        _ => return Err(bounds::unknown_bit().at("")),
    };
    let id = cursor.text("id")?;
    let FieldValue::Text(id) = Form::Id.read(Text::Borrowed(id)).map_err(|why| why.at("id"))? else {
        return Err(bounds::missing("id").at("id"));
    };
    cursor.end()?;
    Ok(Outcome { id, outcome, time_ms })
}

/// Writes a frame of outcomes.
///
/// # Errors
/// The first outcome that does not fit; the frame holds those before it.
pub fn encode_outcomes<'c, 'a: 'c>(
    tag: u32,
    outcomes: impl IntoIterator<Item = &'c Outcome<'a>>,
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    let mut items = ItemsWriter::new(FrameKind::Outcomes, tag, out);
    outcomes.into_iter().try_for_each(|outcome| items.push(|out| put_outcome(outcome, out)))
}

fn put_outcome(outcome: &Outcome<'_>, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    bounds::text(&outcome.id, IDENTIFIER_BYTES_MAX).map_err(|why| why.at("id"))?;
    out.push(if outcome.time_ms.is_some() { HAS_TIME } else { 0 });
    out.push(outcome.outcome.code());
    if let Some(ms) = outcome.time_ms {
        out.extend_from_slice(&ms.to_le_bytes());
    }
    put_text(&outcome.id, IDENTIFIER_BYTES_MAX, out);
    Ok(())
}

/// The results of a frame, in the order of the outcomes.
#[derive(Clone, Debug)]
pub struct Results<'a>(Items<'a>);

/// Reads a frame of results.
///
/// # Errors
/// `bad_frame` if the lengths do not add up.
pub fn decode_results<'a>(header: &Header, body: &'a [u8]) -> Result<Results<'a>, DecodeError> {
    Items::new(header, FrameKind::Results, body).map(Results)
}

impl Iterator for Results<'_> {
    type Item = Result<(), DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(take_result)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Results<'_> {}

fn take_result(item: &[u8]) -> Result<(), DecodeError> {
    let mut cursor = Cursor(item);
    let result = match cursor.u8("")? {
        sort::KEPT => Ok(()),
        sort::ERROR => Err(take_error(&mut cursor)?),
        other => return Err(Refusal::out_of_range(format!("no item is of sort {other}")).at("")),
    };
    cursor.end()?;
    result
}

/// Writes a frame of results: one item for each outcome of the frame it replies to.
#[derive(Debug)]
pub struct ResultsWriter<'o>(ItemsWriter<'o>);

impl<'o> ResultsWriter<'o> {
    /// Starts the frame at the end of `out`; from here on it is whole after every result.
    pub fn new(tag: u32, out: &'o mut Vec<u8>) -> ResultsWriter<'o> {
        ResultsWriter(ItemsWriter::new(FrameKind::Results, tag, out))
    }

    /// Adds that the outcome is kept, or why not.
    ///
    /// # Errors
    /// The frame is full and stays as it was.
    pub fn push(&mut self, result: Result<(), &DecodeError>) -> Result<(), DecodeError> {
        self.0.push(|out| {
            match result {
                Ok(()) => out.push(sort::KEPT),
                Err(error) => {
                    out.push(sort::ERROR);
                    put_error(error, out);
                }
            }
            Ok(())
        })
    }
}
