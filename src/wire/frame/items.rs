//! Bodies as items: a length of four bytes before each, so that a bad item costs itself alone.

use super::header::{FrameKind, HEADER_BYTES, Header, bad_frame};
use crate::error::{DecodeError, ErrorCode};
use crate::limits::{ANSWER_FRAME_BYTES_MAX, BATCH_CHECKS_MAX, FRAME_BYTES_MAX};

/// Length of the length of an item.
const LENGTH_BYTES: usize = 4;

/// The items of a body whose lengths have been found to add up.
#[derive(Clone, Debug)]
pub(super) struct Items<'a> {
    rest: &'a [u8],
    count: usize,
}

impl<'a> Items<'a> {
    /// Walks the lengths: as many items as the header says, nothing left over.
    pub fn new(header: &Header, kind: FrameKind, body: &'a [u8]) -> Result<Items<'a>, DecodeError> {
        if header.kind != kind {
            return Err(bad_frame(format!("a frame of {}, expected {kind}", header.kind)));
        }
        let count = usize::from(header.count);
        let mut rest = body;
        for at in 0..count {
            let (_, after) = split_item(rest)
                .ok_or_else(|| bad_frame(format!("item {at} of {count} reaches past the end of the body")))?;
            rest = after;
        }
        if !rest.is_empty() {
            return Err(bad_frame(format!("{} bytes after the last of {count} items", rest.len())));
        }
        Ok(Items { rest: body, count })
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (item, rest) = split_item(self.rest)?;
        self.rest = rest;
        self.count -= 1;
        Some(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.count, Some(self.count))
    }
}

fn split_item(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = rest.split_first_chunk::<LENGTH_BYTES>()?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
}

/// Writes a frame item by item. Its header is right after each, so there is no last step to forget.
#[derive(Debug)]
pub(super) struct ItemsWriter<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
    header: Header,
}

impl<'o> ItemsWriter<'o> {
    pub fn new(kind: FrameKind, tag: u32, out: &'o mut Vec<u8>) -> ItemsWriter<'o> {
        ItemsWriter::with_head(kind, tag, out, |_| ())
    }

    /// A frame whose body starts with what `head` appends.
    pub fn with_head(
        kind: FrameKind,
        tag: u32,
        out: &'o mut Vec<u8>,
        head: impl FnOnce(&mut Vec<u8>),
    ) -> ItemsWriter<'o> {
        let start = out.len();
        out.extend_from_slice(&[0; HEADER_BYTES]);
        head(out);
        let body_bytes = (out.len() - start - HEADER_BYTES) as u32;
        let header = Header { body_bytes, kind, count: 0, tag };
        out[start..start + HEADER_BYTES].copy_from_slice(&header.to_bytes());
        ItemsWriter { out, start, header }
    }

    pub fn count(&self) -> usize {
        usize::from(self.header.count)
    }

    /// Adds the item that `write` appends. What does not fit, or is refused by `write`, leaves the frame as it was.
    pub fn push(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let bytes_max = match self.header.kind {
            FrameKind::Answers | FrameKind::Results => ANSWER_FRAME_BYTES_MAX,
            _ => FRAME_BYTES_MAX,
        };
        if self.count() == BATCH_CHECKS_MAX {
            let message = format!("a frame holds at most {BATCH_CHECKS_MAX} items");
            return Err(DecodeError::new(ErrorCode::TooLong, "", message));
        }
        let before = self.out.len();
        self.out.extend_from_slice(&[0; LENGTH_BYTES]);
        let written = write(self.out).and_then(|()| match self.out.len() - self.start - HEADER_BYTES {
            body_bytes if body_bytes <= bytes_max => Ok(body_bytes as u32),
            _ => Err(DecodeError::new(
                ErrorCode::TooLong,
                "",
                format!("a frame holds at most {bytes_max} bytes"),
            )),
        });
        match written {
            Ok(body_bytes) => {
                let item_bytes = (self.out.len() - before - LENGTH_BYTES) as u32;
                self.out[before..before + LENGTH_BYTES].copy_from_slice(&item_bytes.to_le_bytes());
                self.header.body_bytes = body_bytes;
                self.header.count += 1;
                self.out[self.start..self.start + HEADER_BYTES].copy_from_slice(&self.header.to_bytes());
                Ok(())
            }
            Err(error) => {
                self.out.truncate(before);
                Err(error)
            }
        }
    }
}
