//! Names without anything that a person cannot see.

use std::borrow::Cow;

use crate::bounds::Refusal;
use crate::check::Text;

/// Whether every byte is printable ASCII other than the space: such a name needs no second look.
#[inline]
pub(crate) fn is_plain(bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |plain, &byte| plain & (byte.wrapping_sub(b'!') <= b'~' - b'!'))
}

/// A name without the white space around it.
///
/// # Errors
/// [`Refusal`] for control or invisible characters in it.
#[inline]
pub(crate) fn identifier(text: Text<'_>) -> Result<Text<'_>, Refusal> {
    if is_plain(text.as_bytes()) {
        return Ok(text);
    }
    let text = match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) if text.trim().len() == text.len() => Cow::Owned(text),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    };
    all_visible(&text).map(|()| text)
}

/// A name to be found again to the byte.
///
/// # Errors
/// [`Refusal`] for white space around it, and control or invisible characters in it.
#[inline]
pub(crate) fn id(text: Text<'_>) -> Result<Text<'_>, Refusal> {
    if is_plain(text.as_bytes()) {
        return Ok(text);
    }
    if text.trim().len() != text.len() {
        return Err(Refusal::out_of_range("expected no white space before or after it"));
    }
    all_visible(&text).map(|()| text)
}

/// Whether a text has characters that nobody sees: two keys that look alike must not differ by them.
///
/// # Errors
/// [`Refusal`] that names the first.
pub fn all_visible(text: &str) -> Result<(), Refusal> {
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        if is_control(c) || is_invisible(c) && !joins(c, before, &text[at + c.len_utf8()..]) {
            return Err(Refusal::out_of_range(format!(
                "U+{:04X} at byte {at} is a control or invisible character",
                u32::from(c)
            )));
        }
        before = c;
    }
    Ok(())
}

fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Format characters of Unicode 16 (general category Cf), fillers, and non-characters.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}'
        | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
        || u32::from(c) & 0xfffe == 0xfffe
        || ('\u{fdd0}'..='\u{fdef}').contains(&c)
}

/// Joiners within emoji and within words of several scripts are seen by what they do.
fn joins(c: char, before: char, after: &str) -> bool {
    let seen = |c: char| !c.is_ascii() && !c.is_whitespace() && !is_invisible(c);
    matches!(c, '\u{200c}' | '\u{200d}') && seen(before) && after.chars().next().is_some_and(seen)
}
