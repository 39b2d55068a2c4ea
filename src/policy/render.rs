//! Diagnostics as a person reads them on a terminal, and as a tool reads them.

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
    let (start, end) = (sources.position(place), sources.position_of(place.file, place.end));
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
pub fn render(sources: &Sources, diagnostics: &[Diagnostic], color: bool) -> String {
    let mut out = Vec::new();
    let mut cache = Cache::of(sources);
    for diagnostic in diagnostics {
        report(diagnostic, color, &mut cache, &mut out);
    }
    String::from_utf8_lossy(&out).lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn report(diagnostic: &Diagnostic, color: bool, cache: &mut Cache<'_>, out: &mut Vec<u8>) {
    let place = diagnostic.place;
    let span = (place.file, place.start as usize..place.end as usize);
    let (kind, tint) = match diagnostic.severity {
        Severity::Error => (ReportKind::Error, Color::Red),
        Severity::Warning => (ReportKind::Warning, Color::Yellow),
    };
    let config = Config::default()
        .with_index_type(IndexType::Byte)
        .with_char_set(CharSet::Ascii)
        .with_compact(false)
        .with_color(color);
    let label = if diagnostic.label.is_empty() { "here" } else { &diagnostic.label };
    let mut report = Report::build(kind, span.clone())
        .with_config(config)
        .with_message(&diagnostic.message)
        .with_label(Label::new(span).with_message(label).with_color(tint));
    if let Some(help) = &diagnostic.help {
        report = report.with_help(help);
    }
    // Writing to memory does not fail; a file that is not in the cache renders its message alone.
    if report.finish().write(&mut *cache, &mut *out).is_err() {
        out.extend_from_slice(diagnostic.message.as_bytes());
        out.push(b'\n');
    }
}

/// Sources as the renderer wants them: indexed once by line.
struct Cache<'a> {
    names: Vec<&'a str>,
    files: Vec<ariadne::Source<&'a str>>,
}

impl<'a> Cache<'a> {
    fn of(sources: &'a Sources) -> Cache<'a> {
        let names = sources.files().iter().map(|file| file.name.as_str()).collect();
        let files = sources.files().iter().map(|file| ariadne::Source::from(file.text.as_str())).collect();
        Cache { names, files }
    }
}

impl<'a> ariadne::Cache<u16> for Cache<'a> {
    type Storage = &'a str;

    fn fetch(&mut self, id: &u16) -> Result<&ariadne::Source<&'a str>, impl std::fmt::Debug> {
        self.files.get(usize::from(*id)).ok_or("no such file")
    }

    fn display<'b>(&self, id: &'b u16) -> Option<impl std::fmt::Display + 'b> {
        self.names.get(usize::from(*id)).map(|name| (*name).to_owned())
    }
}
