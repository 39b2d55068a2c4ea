//! Diagnostics as a person reads them on a terminal, and as a tool reads them.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ariadne::{CharSet, Color, Config, IndexType, Label, Report, ReportKind};
use serde::Serialize;

use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::source::Sources;

/// A diagnostic with its place resolved, for tools: one JSON object each.
#[derive(Clone, Debug, Serialize)]
pub struct Located<'a> {
    severity: Severity,
    code: Code,
    file: &'a str,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
    message: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    label: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
}

/// The machine form of a diagnostic.
pub fn locate<'a>(sources: &'a Sources, diagnostic: &'a Diagnostic) -> Located<'a> {
    let place = diagnostic.place;
    let (start, end) = (sources.position(place), sources.end_position(place));
    Located {
        severity: diagnostic.severity,
        code: diagnostic.code,
        file: sources.name(place),
        line: start.line,
        column: start.column,
        end_line: end.line,
        end_column: end.column,
        message: &diagnostic.message,
        label: &diagnostic.label,
        help: diagnostic.help.as_deref(),
    }
}

/// All diagnostics as text: file:line:column, the line, a caret, what was expected and what to do.
///
/// A place outside of its file, or inside of a character, is moved to the nearest one that can be shown.
pub fn render(sources: &Sources, diagnostics: &[Diagnostic], color: bool) -> String {
    let mut out = String::new();
    let mut cache = Cache::of(sources);
    for diagnostic in diagnostics {
        let shown = drawn(sources, diagnostic, color, &mut cache);
        out.push_str(&shown.unwrap_or_else(|| plain(sources, diagnostic)));
    }
    out.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// The report with the line and a caret; `None` where the file is unknown or the drawing fails.
fn drawn(sources: &Sources, diagnostic: &Diagnostic, color: bool, cache: &mut Cache<'_>) -> Option<String> {
    let file = diagnostic.place.file;
    let text = &sources.files().get(usize::from(file))?.text;
    let bytes = sources.span(diagnostic.place);
    // In characters: the renderer cuts texts at bytes that it computes, and panics inside of a character.
    let start = text[..bytes.start].chars().count();
    let span = (file, start..start + text[bytes].chars().count());
    let (kind, tint) = match diagnostic.severity {
        Severity::Error => (ReportKind::Error, Color::Red),
        Severity::Warning => (ReportKind::Warning, Color::Yellow),
    };
    let config = Config::default()
        .with_index_type(IndexType::Char)
        .with_char_set(CharSet::Ascii)
        .with_compact(false)
        .with_color(color);
    let label = if diagnostic.label.is_empty() { "here" } else { &diagnostic.label };
    let mut report = Report::build(kind, span.clone())
        .with_config(config)
        .with_message(visible(&diagnostic.message))
        .with_label(Label::new(span).with_message(visible(label)).with_color(tint));
    if let Some(help) = &diagnostic.help {
        report = report.with_help(visible(help));
    }
    // A diagnostic without its caret is worth more than none: the library that draws it asserts much about spans.
    catch_unwind(AssertUnwindSafe(|| {
        let mut out = Vec::new();
        report.finish().write(cache, &mut out).ok()?;
        Some(String::from_utf8_lossy(&out).into_owned())
    }))
    .ok()
    .flatten()
}

/// The report in words alone.
fn plain(sources: &Sources, diagnostic: &Diagnostic) -> String {
    let kind = match diagnostic.severity {
        Severity::Error => "Error",
        Severity::Warning => "Warning",
    };
    let mut shown = format!("{kind}: {}\n", visible(&diagnostic.message));
    if !sources.name(diagnostic.place).is_empty() {
        shown += &format!("   ,-[ {} ]\n", sources.location(diagnostic.place));
    }
    for (name, words) in [("Here", Some(&diagnostic.label)), ("Help", diagnostic.help.as_ref())] {
        if let Some(words) = words.filter(|words| !words.is_empty()) {
            shown += &format!("   | {name}: {}\n", visible(words));
        }
    }
    shown
}

/// The text of a file, its characters visible one for one, so that columns stay. The end of its last line begins another, as
/// it does for [`Sources::position`].
fn lines(text: &str) -> Cow<'_, str> {
    let shown = replaced(text, |c| if matches!(c, '\r' | '\t') { c } else { sign(c) });
    if shown.ends_with(['\n', '\r']) { Cow::Owned(shown.into_owned() + " ") } else { shown }
}

/// Words that may hold anything of a file.
fn visible(text: &str) -> Cow<'_, str> {
    replaced(text, sign)
}

fn replaced(text: &str, sign: impl Fn(char) -> char) -> Cow<'_, str> {
    if text.chars().all(|c| sign(c) == c) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(sign).collect())
}

/// A sign that can be seen, for a character that is invisible, that a terminal acts upon, or that looks like an ordinary space.
fn sign(c: char) -> char {
    match c {
        ' '..='~' | '\n' => c,
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\u{7f}' => '\u{2421}',
        // Line separators, which neither YAML nor most editors take for the end of a line.
        '\u{85}' | '\u{2028}' | '\u{2029}' => '\u{2424}',
        c if c.is_whitespace() => '\u{2423}',
        c if c.is_control() || is_invisible(c) => '\u{fffd}',
        c => c,
    }
}

/// Characters that take no room or turn the direction of a line.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Sources as the renderer wants them: indexed once by line.
struct Cache<'a> {
    names: Vec<&'a str>,
    files: Vec<ariadne::Source<Cow<'a, str>>>,
}

impl<'a> Cache<'a> {
    fn of(sources: &'a Sources) -> Cache<'a> {
        let names = sources.files().iter().map(|file| file.name.as_str()).collect();
        let files = sources.files().iter().map(|file| ariadne::Source::from(lines(&file.text))).collect();
        Cache { names, files }
    }
}

impl<'a> ariadne::Cache<u16> for Cache<'a> {
    type Storage = Cow<'a, str>;

    fn fetch(&mut self, id: &u16) -> Result<&ariadne::Source<Cow<'a, str>>, impl std::fmt::Debug> {
        self.files.get(usize::from(*id)).ok_or("no such file")
    }

    fn display<'b>(&self, id: &'b u16) -> Option<impl std::fmt::Display + 'b> {
        self.names.get(usize::from(*id)).map(|name| (*name).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Place;

    /// Texts of what people, keyboards and editors put into files: wide, combining and invisible characters, every kind of
    /// line end, none at all.
    fn text() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("\u{3000}"),
            Just("\u{a0}"),
            Just("\u{85}"),
            Just("\u{2009}"),
            Just("\u{2028}"),
            Just("\u{2029}"),
            Just("\n"),
            Just("\r\n"),
            Just("\r"),
            Just("\t"),
            Just("\u{b}"),
            Just("\u{c}"),
            Just("\0"),
            Just("\u{1b}"),
            Just("\u{feff}"),
            Just("\u{202e}"),
            Just("e\u{301}"),
            Just("名"),
            Just("👩\u{200d}👩"),
            Just("when: amount > 5"),
            Just(" "),
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    fn plain_text() -> Diagnostic {
        Diagnostic::error(Code::Expression, Place::default(), "fault")
    }

    proptest! {
        #[test]
        fn any_span_over_any_text_is_shown_with_its_message(
            texts in prop::collection::vec(text(), 0..3), file in 0_u16..4, start in 0_u32..80, end in 0_u32..80,
            words in text(), far in prop::bool::ANY,
        ) {
            let named: Vec<_> = texts.iter().enumerate().map(|(at, text)| (["a", "b", "c"][at], text.as_str())).collect();
            let sources = Sources::new(&named);
            let end = if far { u32::MAX - end } else { end };
            let place = Place { file, start, end };
            let fault = Diagnostic { place, ..plain_text() }.label(words.clone()).help(words);
            let shown = render(&sources, std::slice::from_ref(&fault), false);
            prop_assert!(shown.starts_with("Error: fault\n"), "{shown}");
            prop_assert!(!shown.chars().any(|c| c != '\n' && (c.is_control() || is_invisible(c))), "{shown:?}");
            let located = locate(&sources, &fault);
            prop_assert!((located.line, located.column) <= (located.end_line, located.end_column));
            if let Some(file) = sources.files().get(usize::from(file)) {
                let at = format!("[ {}:{}:{} ]", file.name, located.line, located.column);
                prop_assert!(shown.contains(&at), "{at} in {shown}");
            }
        }
    }

    #[test]
    fn a_place_without_a_file_is_told_in_words() {
        let fault = plain_text().label("expected").help("do");
        let shown = render(&Sources::default(), &[fault], false);
        assert_eq!(shown, "Error: fault\n   | Here: expected\n   | Help: do\n");
    }

    #[test]
    fn what_cannot_be_seen_is_shown_by_a_sign_of_its_own() {
        assert_eq!(visible("a b\n名"), "a b\n名");
        assert_eq!(visible("\r\t"), "␍␉");
        assert_eq!(lines("a\t\r\n"), "a\t\r\n ");
        assert_eq!(visible("\u{3000}\u{a0}\u{2028}\u{1b}\u{202e}"), "␣␣␤␛\u{fffd}");
    }
}
