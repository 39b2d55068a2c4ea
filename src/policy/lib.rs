//! Rule files to engine programs.
//!
//! [`compile_dir`] gives a bundle and every diagnostic of the directory at once, never the first fault alone. A bundle's
//! own tests are run by [`testing::run`]; diagnostics become text or JSON in [`render`].
#![forbid(unsafe_code)]

mod advice;
mod budget;
mod cel;
mod compile;
mod diagnostic;
mod document;
mod empty;
pub mod eval;
mod exact;
mod expires;
mod guarded;
#[cfg(test)]
mod hostile;
pub mod limits;
mod lower;
pub mod render;
mod reservations;
mod review;
mod source;
mod symbols;
mod tenants;
pub mod testing;
mod yaml;

use std::path::Path;

pub use diagnostic::{Code, Diagnostic, Place, Severity};
pub use guarded::Guarded;
pub use source::{Position, Source, Sources};

use diagnostic::Sink;

/// The shape of a rule file as a JSON Schema, for editors; tests hold it against the parser.
pub const FILE_SCHEMA: &str = include_str!("../../rules/schema.json");

/// A compiled directory: what the engine runs, and what tools show beside it.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// What the engine runs.
    pub policy: engine::policy::Policy,
    /// Facts about each rule of [`engine::policy::Policy::rules`], in the same order.
    pub rules: Vec<RuleInfo>,
    /// Everything that refuses, and how much of all checks it may refuse.
    pub guarded: Vec<Guarded>,
    /// The files' own tests.
    pub tests: Vec<testing::Test>,
    constants: tenants::Constants,
}

/// What the engine does not need to know of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleInfo {
    /// Who answers for it; may be empty.
    pub owner: String,
    /// Where it is written.
    pub place: Place,
}

/// The result of a compilation.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The bundle, unless there was an error.
    pub bundle: Option<Bundle>,
    /// Every error and warning, in the order of the files.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts that the diagnostics point into.
    pub sources: Sources,
}

impl Compiled {
    fn failed(message: &str) -> Compiled {
        let diagnostics = vec![Diagnostic::error(Code::Source, Place::default(), message)];
        Compiled { bundle: None, diagnostics, sources: Sources::default() }
    }

    /// The diagnostics as text for a terminal.
    pub fn render(&self, color: bool) -> String {
        render::render(&self.sources, &self.diagnostics, color)
    }
}

/// What of a program some of its truths depend on, and the registers that these become: a rule's own program.
pub fn depended_on(
    program: &engine::program::Program,
    truths: &[engine::program::Truth],
) -> (engine::program::Program, Vec<engine::program::Truth>) {
    let roots = truths.iter().map(|&truth| engine::program::Output::Truth(truth));
    let (program, renumbered) = lower::pruned(program.clone(), roots);
    (program, truths.iter().map(|&truth| renumbered.truth(truth)).collect())
}

/// What a compilation lets pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Files without a key and policies that decide nothing are warned of and not refused.
    pub allow_empty: bool,
}

/// Compiles the rule files of a directory. Files and policies that declare nothing are refused: on a disk, most of them were
/// cut off by accident.
pub fn compile_dir(dir: &Path) -> Compiled {
    compile_dir_with(dir, Options::default())
}

/// Compiles the rule files of a directory, with what is to pass.
pub fn compile_dir_with(dir: &Path, options: Options) -> Compiled {
    compiled(|sink| Sources::of_dir(dir, sink), Some(options))
}

/// Compiles rule files given as `(name, text)`. They may declare nothing: a text that a program gives was not cut off.
pub fn compile_sources(texts: &[(&str, &str)]) -> Compiled {
    compiled(|sink| Sources::of_texts(texts, sink), None)
}

fn compiled(sources: impl FnOnce(&mut Sink) -> Sources + Send, options: Option<Options>) -> Compiled {
    on_deep_stack(|| {
        let mut sink = Sink::default();
        let sources = sources(&mut sink);
        compile::compile(sources, options, sink)
    })
    .unwrap_or_else(|message| Compiled::failed(&message))
}

/// Runs on a stack that the bounds on expressions were made for, whatever thread asks.
fn on_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, String> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(limits::STACK_BYTES).spawn_scoped(scope, work);
        let thread = thread.map_err(|error| format!("cannot spawn a thread to compile on: {error}"))?;
        thread.join().map_err(|panic| {
            let words = panic.downcast_ref::<&str>().map(|words| (*words).to_owned());
            let words = words.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            format!("internal compiler error: {words}; this is a defect of riskd, please report it with the rule files")
        })
    })
}
