//! What a person reads when a file is wrong: where, what was found, what was expected, and the nearest known name.
//!
//! Faults are values, collected and returned beside the result; nothing in this crate stops at the first of them.

use serde::Serialize;

use crate::limits::DIAGNOSTICS_MAX;

/// A piece of a source file, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Number of the file among the sources.
    pub file: u16,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The policy is refused.
    Error,
    /// The policy works, though perhaps not as meant.
    Warning,
}

/// What sort of fault it is; stable names for tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// A file or directory cannot be read.
    Source,
    /// Not YAML.
    Yaml,
    /// A bound of [`crate::limits`] or [`engine::limits`] is passed.
    Bound,
    /// A key that the format does not have.
    UnknownKey,
    /// A key that must be there is not.
    MissingKey,
    /// A value of the wrong shape or type.
    WrongType,
    /// A value outside its set or range.
    OutOfRange,
    /// A name that is declared twice.
    Duplicate,
    /// A name that nothing declares.
    UnknownName,
    /// Not an expression of the language.
    Expression,
    /// An expression of the language that the engine cannot run yet.
    Unsupported,
    /// A feature that is not known where it is read.
    NotKnownYet,
    /// A declaration that nothing reads.
    Unused,
    /// A rule that can never match, or never decide.
    Unreachable,
    /// Two rules of one condition.
    Overlap,
    /// A rule whose time is over.
    Expired,
    /// A file that declares nothing, or a policy that decides nothing.
    Empty,
    /// A test of the files failed.
    Test,
}

/// One fault.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What sort of fault.
    pub code: Code,
    /// Where.
    pub place: Place,
    /// What is wrong, in one sentence.
    pub message: String,
    /// Words under the caret: what was expected there.
    pub label: String,
    /// What to do about it; often the nearest known name.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error.
    pub fn error(code: Code, place: Place, message: impl Into<String>) -> Diagnostic {
        let message = message.into();
        Diagnostic { severity: Severity::Error, code, place, message, label: String::new(), help: None }
    }

    /// A warning.
    pub fn warning(code: Code, place: Place, message: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(code, place, message) }
    }

    /// With these words under the caret.
    #[must_use]
    pub fn label(self, label: impl Into<String>) -> Diagnostic {
        Diagnostic { label: label.into(), ..self }
    }

    /// With this advice.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Diagnostic {
        Diagnostic { help: Some(help.into()), ..self }
    }

    /// With the nearest of these names as advice, if one is near.
    #[must_use]
    pub(crate) fn nearest<'a>(
        self,
        found: &str,
        known: impl IntoIterator<Item = &'a str>,
        sink: &Sink,
    ) -> Diagnostic {
        match sink.nearest(found, known) {
            Some(name) => self.help(did_you_mean(name)),
            None => self,
        }
    }
}

fn did_you_mean(name: &str) -> String {
    format!("did you mean `{name}`?")
}

/// Collects diagnostics up to a bound.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    list: Vec<Diagnostic>,
    dropped: usize,
    errors: usize,
}

impl Sink {
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        self.errors += usize::from(diagnostic.severity == Severity::Error);
        if self.list.len() < DIAGNOSTICS_MAX {
            self.list.push(diagnostic);
            return;
        }
        self.dropped += 1;
        // A flood of warnings must not hide an error.
        let warning = self.list.iter().rposition(|known| known.severity == Severity::Warning);
        if let Some(at) = warning.filter(|_| diagnostic.severity == Severity::Error) {
            self.list[at] = diagnostic;
        }
    }

    pub(crate) fn error(&mut self, code: Code, place: Place, message: impl Into<String>) {
        self.push(Diagnostic::error(code, place, message));
    }

    /// The known name nearest to the one found. Not looked for once the list is full: a file of misspelt names would have
    /// each of them held against every known one, for advice that nobody is shown.
    pub(crate) fn nearest<'a>(
        &self,
        found: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Option<&'a str> {
        if self.is_full() { None } else { nearest(found, known) }
    }

    /// Whether a mistake was told that it probably meant this name.
    pub(crate) fn advised(&self, name: &str) -> bool {
        let advice = did_you_mean(name);
        self.list.iter().any(|fault| fault.help.as_ref() == Some(&advice))
    }

    /// Whether there is room for no more: what is costly to say need not be made up.
    pub(crate) fn is_full(&self) -> bool {
        self.list.len() >= DIAGNOSTICS_MAX
    }

    /// Whether there are as many errors as are shown: looking for more of them helps nobody.
    pub(crate) fn is_enough(&self) -> bool {
        self.errors >= DIAGNOSTICS_MAX
    }

    pub(crate) fn errors(&self) -> usize {
        self.errors
    }

    /// All of them in the order of the sources.
    pub(crate) fn finish(mut self) -> Vec<Diagnostic> {
        self.list.sort_by_key(|fault| (fault.place, fault.severity, fault.code));
        self.list.dedup();
        if self.dropped > 0 {
            let last = self.list.last().map_or_else(Place::default, |d| d.place);
            let message = format!("{} more faults are not shown", self.dropped);
            self.list.push(Diagnostic::error(Code::Bound, last, message));
        }
        self.list
    }
}

/// The known name nearest to the one found, when it is near enough to be a slip of the finger.
fn nearest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if found.len() > crate::limits::NAME_BYTES_MAX {
        return None;
    }
    let slips_max = (found.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|name| (strsim::osa_distance(found, name), name))
        .filter(|&(distance, _)| distance <= slips_max)
        // Of two at one distance, the one that begins alike: people slip in the middle of words.
        .min_by(|(a, x), (b, y)| {
            let alike = |name: &str| strsim::jaro_winkler(found, name);
            a.cmp(b).then(alike(y).total_cmp(&alike(x)))
        })
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_name_and_a_stranger_does_not() {
        assert_eq!(nearest("acount", ["amount", "account", "count"]), Some("account"));
        assert_eq!(nearest("device.emulatr", ["device.emulator", "device.id"]), Some("device.emulator"));
        assert_eq!(nearest("velocity", ["amount", "account"]), None);
    }

    #[test]
    fn a_flood_of_faults_is_cut_and_counted() {
        let mut sink = Sink::default();
        for i in 0..DIAGNOSTICS_MAX as u32 + 7 {
            sink.error(Code::Yaml, Place { file: 0, start: i, end: i }, format!("fault {i}"));
        }
        let all = sink.finish();
        assert_eq!(all.len(), DIAGNOSTICS_MAX + 1);
        assert_eq!(all[DIAGNOSTICS_MAX].message, "7 more faults are not shown");
    }

    #[test]
    fn a_flood_of_warnings_hides_no_error() {
        let mut sink = Sink::default();
        for start in 0..2 * DIAGNOSTICS_MAX as u32 {
            sink.push(Diagnostic::warning(Code::Yaml, Place { file: 0, start, end: start }, "careful"));
        }
        sink.error(Code::Bound, Place::default(), "too many");
        let all = sink.finish();
        assert_eq!(all.iter().filter(|fault| fault.message == "too many").count(), 1);
    }
}
