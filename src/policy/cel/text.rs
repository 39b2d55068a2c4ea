//! An expression's text and where each of its bytes stands in the file.
//!
//! YAML may have folded lines, cut indentation and resolved quotes before the expression is parsed, so a caret under the
//! right character needs the way back. The way back is found by walking value and source side by side.

use std::ops::Range;

use crate::diagnostic::Place;
use crate::yaml::{Data, Node, Style};

/// An expression as the file holds it.
#[derive(Clone, Debug)]
pub(crate) struct Text<'n> {
    pub value: &'n str,
    pub place: Place,
    /// Source bytes that each byte of the value was made of, and behind them those of its end; absent where value and source
    /// cannot be matched.
    pieces: Option<Vec<(u32, u32)>>,
}

impl<'n> Text<'n> {
    /// The text of a scalar node; `None` for other nodes.
    pub(crate) fn of(node: &'n Node, source: &str) -> Option<Text<'n>> {
        let Data::Scalar(value, style) = &node.data else { return None };
        let raw = source.get(node.place.start as usize..node.place.end as usize).unwrap_or("");
        Some(Text { value, place: node.place, pieces: align(value, raw, *style, node.place.start) })
    }

    /// Where that piece of the expression stands.
    pub(crate) fn place(&self, span: &Range<usize>) -> Place {
        let Some(pieces) = &self.pieces else { return self.place };
        let at = |byte: usize| pieces[byte.min(pieces.len() - 1)];
        let (start, _) = at(span.start);
        // The end is one past the last character, not the start of whatever follows a folded line.
        let end = if span.end > span.start { at(span.end - 1).1 } else { start };
        Place { start, end: end.max(start), ..self.place }
    }
}

fn align(value: &str, raw: &str, style: Style, base: u32) -> Option<Vec<(u32, u32)>> {
    let mut source = Source::of(raw, style);
    let mut pieces = Vec::with_capacity(value.len() + 1);
    for c in value.chars() {
        let Range { start, end } = source.take(c)?;
        pieces.extend(std::iter::repeat_n((base + start as u32, base + end as u32), c.len_utf8()));
    }
    let end = base + source.taken as u32;
    pieces.push((end, end));
    Some(pieces)
}

/// The source of a scalar, read as YAML reads it.
struct Source<'s> {
    raw: &'s str,
    /// The mark that the scalar is quoted by.
    quote: Option<char>,
    at: usize,
    /// End of what the value has been made of so far.
    taken: usize,
}

impl<'s> Source<'s> {
    fn of(raw: &'s str, style: Style) -> Source<'s> {
        let quote = raw.chars().next().filter(|_| style == Style::Quoted);
        let at = match style {
            Style::Quoted => quote.map_or(0, char::len_utf8),
            // Past `|`, `>` and their indicators.
            Style::Block if raw.starts_with(['|', '>']) => raw.find('\n').map_or(raw.len(), |end| end + 1),
            Style::Plain | Style::Block => 0,
        };
        Source { raw, quote, at, taken: at }
    }

    /// The bytes that became that character of the value. White space that YAML put there when it folded a line is made of
    /// none; what it left out is passed over.
    fn take(&mut self, c: char) -> Option<Range<usize>> {
        loop {
            match self.next() {
                Some((found, piece)) if found == c => {
                    (self.at, self.taken) = (piece.end, piece.end);
                    return Some(piece);
                }
                _ if c.is_whitespace() => return Some(self.taken..self.taken),
                Some((found, piece)) if found.is_whitespace() => self.at = piece.end,
                _ => return None,
            }
        }
    }

    /// The next character as YAML understands it, and the bytes that it is written with.
    fn next(&self) -> Option<(char, Range<usize>)> {
        let rest = &self.raw[self.at..];
        let mut chars = rest.chars();
        let first = chars.next()?;
        let piece = |length: usize| self.at..self.at + length;
        match (self.quote, first) {
            (Some('\''), '\'') if chars.next() == Some('\'') => Some((first, piece(2))),
            (Some('"'), '\\') => {
                let mark = chars.next()?;
                let digits = match mark {
                    'x' => 2,
                    'u' => 4,
                    'U' => 8,
                    _ => 0,
                };
                let end = 1 + mark.len_utf8() + digits;
                let found = match mark {
                    'x' | 'u' | 'U' => char::from_u32(u32::from_str_radix(rest.get(2..end)?, 16).ok()?)?,
                    '0' => '\0',
                    'a' => '\x07',
                    'b' => '\x08',
                    't' => '\t',
                    'n' => '\n',
                    'v' => '\x0b',
                    'f' => '\x0c',
                    'r' => '\r',
                    'e' => '\x1b',
                    'N' => '\u{85}',
                    '_' => '\u{a0}',
                    'L' => '\u{2028}',
                    'P' => '\u{2029}',
                    // An escaped end of a line is white space that is left out; anything else stands for itself.
                    other => other,
                };
                Some((found, piece(end)))
            }
            _ => Some((first, piece(first.len_utf8()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Sink;
    use crate::yaml::load::{Room, load};

    /// The source text that the last word of the expression points at.
    fn pointed_at(yaml: &str, word: &str) -> String {
        let mut sink = Sink::default();
        let tree = load(0, yaml, &mut Room::default(), &mut sink).unwrap();
        let Data::Map(entries) = &tree.data else { panic!() };
        let text = Text::of(&entries[0].1, yaml).unwrap();
        let at = text.value.rfind(word).unwrap();
        let place = text.place(&(at..at + word.len()));
        yaml[place.start as usize..place.end as usize].to_owned()
    }

    #[test]
    fn a_caret_finds_its_word_in_every_style_of_scalar() {
        assert_eq!(pointed_at("when: a < 1 && bcd", "bcd"), "bcd");
        assert_eq!(pointed_at("when: a < 1\n  && bcd", "bcd"), "bcd");
        assert_eq!(pointed_at("when: \"a == \\\"x\\\" && bcd\"", "bcd"), "bcd");
        assert_eq!(pointed_at("when: 'a == ''x'' && bcd'", "bcd"), "bcd");
        assert_eq!(pointed_at("when: |\n  a < 1\n    && bcd\n", "bcd"), "bcd");
        assert_eq!(pointed_at("when: >-\n  a < 1\n  && bcd\n", "bcd"), "bcd");
        assert_eq!(pointed_at("when: >-\n  text == \"名\" && bcd\n", "名"), "名");
        assert_eq!(pointed_at("when: \"a == '\\u540d\\x2c\\t' && bcd\"", "bcd"), "bcd");
        assert_eq!(pointed_at("when: \"a == '\\u540d' && b\"", "名"), "\\u540d");
    }

    #[test]
    fn a_caret_finds_a_space_that_is_not_in_ascii_in_every_style_of_scalar() {
        for space in
            ["\u{3000}", "\u{a0}", "\u{85}", "\u{2009}", "\u{2028}", "\u{2029}", "\u{202f}", "\u{205f}"]
        {
            for text in [
                format!("when: a{space}< 1"),
                format!("when: a {space} < 1"),
                format!("when: \"a{space}< 1\""),
                format!("when: 'a{space}< 1'"),
                format!("when: |\n  a{space}< 1\n"),
                format!("when: >-\n  a\n  &&{space}< 1\n"),
            ] {
                assert_eq!(pointed_at(&text, space), space, "{text:?}");
                assert_eq!(pointed_at(&text, "< 1"), "< 1", "{text:?}");
            }
        }
    }
}
