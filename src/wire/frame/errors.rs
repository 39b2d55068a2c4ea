//! Errors in frames: as an item in the place of an answer, and as a frame of their own.

use super::cursor::{Cursor, coded, put_text};
use super::header::{FrameKind, Header};
use super::items::{Items, ItemsWriter};
use crate::error::{DecodeError, ErrorCode};
use crate::limits::TEXT_BYTES_MAX;

/// Writes a frame that is one error.
pub fn encode_error(tag: u32, error: &DecodeError, out: &mut Vec<u8>) {
    let pushed = ItemsWriter::new(FrameKind::Error, tag, out).push(|out| {
        put_error(error, out);
        Ok(())
    });
    debug_assert!(pushed.is_ok(), "one item of bounded texts fits");
}

/// The error that a frame is.
///
/// # Errors
/// `bad_frame` if it is no such frame.
pub fn decode_error(header: &Header, body: &[u8]) -> Result<DecodeError, DecodeError> {
    let mut items = Items::new(header, FrameKind::Error, body)?;
    let mut cursor = Cursor(items.next().unwrap_or_default());
    let error = take_error(&mut cursor)?;
    cursor.end()?;
    Ok(error)
}

pub(super) fn put_error(error: &DecodeError, out: &mut Vec<u8>) {
    out.push(error.code.code());
    put_text(&error.field, TEXT_BYTES_MAX, out);
    put_text(&error.message, TEXT_BYTES_MAX, out);
}

pub(super) fn take_error(cursor: &mut Cursor<'_>) -> Result<DecodeError, DecodeError> {
    let code = cursor.u8("error.code")?;
    let code = coded(ErrorCode::from_code(code), code, "error.code")?;
    let field = cursor.text("error.field")?;
    Ok(DecodeError::new(code, field, cursor.text("error.message")?))
}
