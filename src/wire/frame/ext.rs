//! The site-specific fields of a check: a count, then for each a sort, a name and a value.

use super::cursor::{Cursor, put_text};
use crate::bounds::{self, Refusal};
use crate::check::{Ext, ExtValue, Text};
use crate::error::DecodeError;
use crate::limits::{IDENTIFIER_BYTES_MAX, TEXT_BYTES_MAX};

/// Sorts of a value.
mod sort {
    pub const FALSE: u8 = 0;
    pub const TRUE: u8 = 1;
    pub const INT: u8 = 2;
    pub const DOUBLE: u8 = 3;
    pub const TEXT: u8 = 4;
}

pub(super) fn take_ext<'a>(cursor: &mut Cursor<'a>) -> Result<Ext<'a>, DecodeError> {
    let count = cursor.u8("ext")?;
    // Grown as fields are found, so that a count alone reserves nothing.
    let mut ext = Ext::new();
    for _ in 0..count {
        let sort = cursor.u8("ext")?;
        let name = cursor.text("ext")?;
        bounds::ext_name(name, &ext).map_err(|why| why.at("ext"))?;
        let refuse = |why: Refusal| why.at(format!("ext.{name}"));
        let value = match sort {
            sort::FALSE => ExtValue::Bool(false),
            sort::TRUE => ExtValue::Bool(true),
            sort::INT => ExtValue::Int(cursor.i64("ext")?),
            sort::DOUBLE => ExtValue::Double(bounds::finite(cursor.f64("ext")?).map_err(refuse)?),
            sort::TEXT => {
                let text = cursor.text("ext")?;
                bounds::text(text, TEXT_BYTES_MAX).map_err(refuse)?;
                ExtValue::Text(Text::Borrowed(text))
            }
            other => return Err(refuse(Refusal::out_of_range(format!("no value is of sort {other}")))),
        };
        ext.push((Text::Borrowed(name), value));
    }
    Ok(ext)
}

pub(super) fn put_ext(ext: &Ext<'_>, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let count = bounds::ext_count(ext.len()).map_err(|why| why.at("ext"))?;
    out.push(count);
    for (name, value) in ext {
        bounds::text(name, IDENTIFIER_BYTES_MAX).map_err(|why| why.at("ext"))?;
        out.push(match value {
            ExtValue::Bool(false) => sort::FALSE,
            ExtValue::Bool(true) => sort::TRUE,
            ExtValue::Int(_) => sort::INT,
            ExtValue::Double(_) => sort::DOUBLE,
            ExtValue::Text(_) => sort::TEXT,
        });
        put_text(name, IDENTIFIER_BYTES_MAX, out);
        match value {
            ExtValue::Bool(_) => {}
            ExtValue::Int(number) => out.extend_from_slice(&number.to_le_bytes()),
            ExtValue::Double(number) => out.extend_from_slice(&number.to_le_bytes()),
            ExtValue::Text(text) => {
                bounds::text(text, TEXT_BYTES_MAX).map_err(|why| why.at(format!("ext.{name}")))?;
                put_text(text, TEXT_BYTES_MAX, out);
            }
        }
    }
    Ok(())
}
