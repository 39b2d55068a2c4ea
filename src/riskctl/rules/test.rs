//! `riskctl rules test`: the files' own tests, run through the engine.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::Args;
use policy::render;
use serde_json::json;

use crate::outcome::{Ended, Failure, Outcome};
use crate::print;

/// Shown after the help.
pub const EXAMPLES: &str = "Example:\n  riskctl rules test rules";

/// What to test.
#[derive(Args, Debug)]
pub struct Options {
    /// Directory of rule files
    rules: PathBuf,
    /// Warn of files that declare nothing and of a policy that decides nothing, and do not refuse them
    #[arg(long)]
    allow_empty: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints the tests that fail; exit code 1 when there is one.
pub fn run(options: &Options) -> Outcome {
    let (bundle, sources) = if options.allow_empty {
        super::bundle(&options.rules)?
    } else {
        let compiled = policy::compile_dir(&options.rules);
        if compiled.bundle.is_none() {
            print::diagnostics(&compiled.render(io::stderr().is_terminal()));
        }
        let folder = options.rules.display();
        let bundle = compiled.bundle.ok_or_else(|| Failure(format!("{folder} does not compile")))?;
        (bundle, compiled.sources)
    };
    let failed = policy::testing::run(&bundle);
    let (all, held) = (bundle.tests.len(), bundle.tests.len().saturating_sub(failed.len()));
    if options.json {
        let located: Vec<_> = failed.iter().map(|diagnostic| render::locate(&sources, diagnostic)).collect();
        let located = serde_json::to_value(located).map_err(|error| Failure(error.to_string()))?;
        print::raw(&print::pretty(&json!({ "tests": all, "held": held, "failed": located })));
    } else {
        print::raw(&render::render(&sources, &failed, io::stdout().is_terminal()));
        print::out(&format!("{held} of {all} tests hold\n"));
    }
    Ok(if failed.is_empty() { Ended::Clean } else { Ended::Found })
}
