//! Reading little-endian values one after another, and writing them.

use crate::bounds::Refusal;
use crate::error::{DecodeError, ErrorCode};

/// The unread rest of an item.
#[derive(Debug)]
pub(super) struct Cursor<'a>(pub &'a [u8]);

impl<'a> Cursor<'a> {
    #[inline]
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        match self.0.split_first_chunk() {
            Some((bytes, rest)) => {
                self.0 = rest;
                Ok(*bytes)
            }
            None => Err(cut(field)),
        }
    }

    #[inline]
    pub fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        self.array(field).map(|[byte]| byte)
    }

    #[inline]
    pub fn u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        self.array(field).map(u16::from_le_bytes)
    }

    #[inline]
    pub fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        self.array(field).map(u32::from_le_bytes)
    }

    #[inline]
    pub fn u64(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        self.array(field).map(u64::from_le_bytes)
    }

    #[inline]
    pub fn i64(&mut self, field: &'static str) -> Result<i64, DecodeError> {
        self.array(field).map(i64::from_le_bytes)
    }

    #[inline]
    pub fn f64(&mut self, field: &'static str) -> Result<f64, DecodeError> {
        self.array(field).map(f64::from_le_bytes)
    }

    #[inline]
    pub fn bytes(&mut self, count: usize, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or_else(|| cut(field))?;
        self.0 = rest;
        Ok(bytes)
    }

    /// A text with its length of two bytes before it.
    #[inline]
    pub fn text(&mut self, field: &'static str) -> Result<&'a str, DecodeError> {
        let length = self.u16(field)?;
        let bytes = self.bytes(usize::from(length), field)?;
        std::str::from_utf8(bytes).map_err(|_| not_utf8(field))
    }

    /// The item ends here.
    pub fn end(self) -> Result<(), DecodeError> {
        if self.0.is_empty() {
            return Ok(());
        }
        let message = format!("{} bytes after the last field", self.0.len());
        Err(DecodeError::new(ErrorCode::Malformed, "", message))
    }
}

#[cold]
fn cut(field: &str) -> DecodeError {
    DecodeError::new(ErrorCode::Malformed, field, "the item ends before this field does")
}

#[cold]
pub(super) fn not_utf8(field: &str) -> DecodeError {
    DecodeError::new(ErrorCode::Malformed, field, "not UTF-8")
}

/// The value of a code, or an error with what was found.
#[inline]
pub(super) fn coded<T>(value: Option<T>, code: u8, field: &'static str) -> Result<T, DecodeError> {
    value.ok_or_else(|| Refusal::out_of_range(format!("nothing has code {code}")).at(field))
}

/// Writes a text with its length of two bytes before it; what is past the bound is cut off between characters.
pub(super) fn put_text(text: &str, bytes_max: usize, out: &mut Vec<u8>) {
    let text = &text[..text.floor_char_boundary(bytes_max.min(usize::from(u16::MAX)))];
    out.extend_from_slice(&(text.len() as u16).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}
