//! Where answers are written as they come: a frame, a batch of JSON, or a body of their own.

use wire::frame::AnswersWriter;
use wire::json::{self, Shape};
use wire::{AnswerHead, DecodeError, Reason};

/// Where answers go, in the order of the batch.
pub trait Sink {
    /// Writes an answer.
    fn answer<'r>(&mut self, head: &AnswerHead<'_>, reasons: impl IntoIterator<Item = Reason<'r>>);
    /// Writes an error in the place of an answer.
    fn fault(&mut self, error: &DecodeError);
}

/// A frame of answers.
pub struct FrameSink<'o, 'v>(AnswersWriter<'o, 'v>);

impl<'o, 'v> FrameSink<'o, 'v> {
    /// Starts the frame at the end of `out`.
    pub fn new(tag: u32, policy: &'v str, model: &'v str, out: &'o mut Vec<u8>) -> FrameSink<'o, 'v> {
        FrameSink(AnswersWriter::new(tag, policy, model, out))
    }
}

impl Sink for FrameSink<'_, '_> {
    fn answer<'r>(&mut self, head: &AnswerHead<'_>, reasons: impl IntoIterator<Item = Reason<'r>>) {
        // A frame of checks never has more answers than a frame of answers has room for.
        let _ = self.0.push(head, reasons);
    }

    fn fault(&mut self, error: &DecodeError) {
        let _ = self.0.push_error(error);
    }
}

/// Answers in the shape their checks came in.
pub struct JsonSink<'o> {
    shape: Shape,
    first: bool,
    out: &'o mut Vec<u8>,
}

impl<'o> JsonSink<'o> {
    /// Starts the batch at the end of `out`.
    pub fn new(shape: Shape, out: &'o mut Vec<u8>) -> JsonSink<'o> {
        if shape == Shape::Array {
            out.push(b'[');
        }
        JsonSink { shape, first: true, out }
    }

    /// Ends the batch.
    pub fn close(self) {
        self.out.extend_from_slice(if self.shape == Shape::Array { b"]" } else { b"\n" });
    }

    fn between(&mut self) {
        if !std::mem::take(&mut self.first) {
            self.out.push(if self.shape == Shape::Array { b',' } else { b'\n' });
        }
    }
}

impl Sink for JsonSink<'_> {
    fn answer<'r>(&mut self, head: &AnswerHead<'_>, reasons: impl IntoIterator<Item = Reason<'r>>) {
        self.between();
        json::write_answer_parts(head, reasons, self.out);
    }

    fn fault(&mut self, error: &DecodeError) {
        self.between();
        json::write_error(error, self.out);
    }
}

/// The answer to a single check.
pub struct OneSink<'o> {
    out: &'o mut Vec<u8>,
    /// The error that stands in its place.
    pub fault: Option<DecodeError>,
}

impl<'o> OneSink<'o> {
    /// Writes to the end of `out`.
    pub fn new(out: &'o mut Vec<u8>) -> OneSink<'o> {
        OneSink { out, fault: None }
    }
}

impl Sink for OneSink<'_> {
    fn answer<'r>(&mut self, head: &AnswerHead<'_>, reasons: impl IntoIterator<Item = Reason<'r>>) {
        json::write_answer_parts(head, reasons, self.out);
    }

    fn fault(&mut self, error: &DecodeError) {
        self.fault = Some(error.clone());
    }
}
