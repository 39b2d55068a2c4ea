//! `riskctl rules check`: all diagnostics of a directory.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::Args;
use policy::{Severity, render};
use serde_json::json;

use crate::outcome::{Ended, Failure, Outcome};
use crate::print::{self, counted};

/// Shown after the help.
pub const EXAMPLES: &str = "Example:\n  riskctl rules check rules";

/// What to check.
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

/// Prints the diagnostics; exit code 1 when there is an error among them.
pub fn run(options: &Options) -> Outcome {
    let compiled =
        policy::compile_dir_with(&options.rules, policy::Options { allow_empty: options.allow_empty });
    let count = |severity: Severity| compiled.diagnostics.iter().filter(|d| d.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if options.json {
        let located = compiled.diagnostics.iter().map(|d| render::locate(&compiled.sources, d));
        let located =
            serde_json::to_value(located.collect::<Vec<_>>()).map_err(|e| Failure(e.to_string()))?;
        let version = compiled.bundle.as_ref().map(|bundle| bundle.policy.version.as_str());
        print::raw(&print::pretty(&json!({ "version": version, "diagnostics": located })));
    } else {
        print::raw(&compiled.render(io::stdout().is_terminal()));
        if let Some(bundle) = &compiled.bundle {
            let policy = &bundle.policy;
            print::out(&format!(
                "{}: {}, {}, {}, {}, {}, {}; version {}\n",
                options.rules.display(),
                counted(policy.rules.len(), "rule"),
                counted(policy.windows.len(), "velocity feature"),
                counted(policy.limits.len(), "limit"),
                counted(policy.breakers.len(), "breaker"),
                counted(policy.lists.len(), "list"),
                counted(bundle.tests.len(), "test"),
                policy.version,
            ));
        }
        if errors + warnings > 0 {
            print::out(&format!("{}, {}\n", counted(errors, "error"), counted(warnings, "warning")));
        }
    }
    Ok(if errors > 0 { Ended::Found } else { Ended::Clean })
}
