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
    /// Source byte of each byte of the value, and of its end; absent where the two cannot be matched.
    offsets: Option<Vec<u32>>,
}

impl<'n> Text<'n> {
    /// The text of a scalar node; `None` for other nodes.
    pub(crate) fn of(node: &'n Node, source: &str) -> Option<Text<'n>> {
        let Data::Scalar(value, style) = &node.data else { return None };
        let raw = source.get(node.place.start as usize..node.place.end as usize).unwrap_or("");
        Some(Text { value, place: node.place, offsets: align(value, raw, *style, node.place.start) })
    }

    /// Where that piece of the expression stands.
    pub(crate) fn place(&self, span: &Range<usize>) -> Place {
        let Some(offsets) = &self.offsets else { return self.place };
        let last = offsets.len() - 1;
        let at = |byte: usize| offsets[byte.min(last)];
        let start = at(span.start);
        // The end is one past the last character, not the start of whatever follows a folded line.
        let end = if span.end > span.start { at(span.end - 1) + 1 } else { start };
        Place { start, end: end.max(start), ..self.place }
    }
}

fn align(value: &str, raw: &str, style: Style, base: u32) -> Option<Vec<u32>> {
    let mut source = raw.char_indices().peekable();
    match style {
        Style::Plain => {}
        Style::Quoted => {
            source.next();
        }
        // Past `|`, `>` and their indicators.
        Style::Block if raw.starts_with(['|', '>']) => while source.next().is_some_and(|(_, c)| c != '\n') {},
        Style::Block => {}
    }
    let mut offsets = Vec::with_capacity(value.len() + 1);
    let mut end = 0;
    for c in value.chars() {
        if c.is_whitespace() {
            offsets.extend(std::iter::repeat_n(base + end, c.len_utf8()));
            continue;
        }
        while source.next_if(|(_, s)| s.is_whitespace()).is_some() {}
        let (mut at, mut found) = source.next()?;
        if style == Style::Quoted && (found == '\\' || (found == '\'' && c == '\'')) && raw.len() > at + 1 {
            // A doubled quote, or an escape of one character for itself; any other escape is not followed.
            if source.peek().is_some_and(|&(_, s)| s == c) {
                (at, found) = source.next()?;
            }
        }
        if found != c {
            return None;
        }
        offsets.extend((0..c.len_utf8()).map(|i| base + (at + i) as u32));
        end = (at + c.len_utf8()) as u32;
    }
    offsets.push(base + end);
    Some(offsets)
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
    }
}
