//! How a body of list entries is laid out, as its content type and its first bytes say.

use super::file::{COLUMNS, Listing};

/// How entries are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values with a header.
    Csv,
    /// A key a line. Lines that begin with `#` are passed over, and what follows a space and `#` or `;`.
    Plain,
    /// A JSON object a line.
    Ndjson,
    /// A JSON array of objects, or an object with such an array as `entries`.
    Json,
}

impl Format {
    /// The format of a body: JSON if it looks like it, CSV if that is its content type or its first line holds more than a key,
    /// else a key a line.
    pub fn of(content_type: &str, body: &[u8]) -> Format {
        let text = body.strip_prefix(MARK).unwrap_or(body).trim_ascii_start();
        if content_type.contains("csv") {
            return Format::Csv;
        }
        match text.first() {
            Some(b'[') => return Format::Json,
            // A listing has its entries in an array; an entry has no arrays.
            Some(b'{') if is_listing(text) => return Format::Json,
            Some(b'{') => return Format::Ndjson,
            _ => {}
        }
        let first = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let first = String::from_utf8_lossy(first).to_ascii_lowercase();
        let header = first.split(',').any(|name| COLUMNS[0] == name.trim().trim_matches('"'));
        let comment = first.starts_with('#');
        if header || first.contains(',') && !comment { Format::Csv } else { Format::Plain }
    }
}

/// Some programs put it before a text.
pub(super) const MARK: &[u8] = b"\xef\xbb\xbf";

/// Whether a text is a listing as the daemon gives it, and not an object a line.
fn is_listing(text: &[u8]) -> bool {
    serde_json::from_slice::<Listing<'_>>(text).is_ok()
}
