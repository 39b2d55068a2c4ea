//! How a command ends: exit code 0 when all is well, 1 when it found something, 2 when it could not be done.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use crate::print;

/// The end of a command that could be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Nothing to complain about.
    Clean,
    /// It found what it looks for: faults in rules, a model that is refused, a broken segment.
    Found,
}

/// Why a command could not be done, in words for whoever typed it.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure(pub String);

/// The end of a command.
pub type Outcome = Result<Ended, Failure>;

impl Failure {
    /// `what: error`.
    pub fn of(what: impl Display, error: impl Display) -> Failure {
        Failure(format!("{what}: {error}"))
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Failure {
        Failure(message)
    }
}

impl From<&str> for Failure {
    fn from(message: &str) -> Failure {
        Failure(message.to_owned())
    }
}

impl From<events::ReadError> for Failure {
    fn from(error: events::ReadError) -> Failure {
        Failure(error.to_string())
    }
}

/// The exit code, after the failure was told on standard error. What nobody could be told is no success.
pub fn exit_code(outcome: Outcome) -> ExitCode {
    match outcome {
        Err(Failure(message)) => {
            print::tell(&format!("riskctl: {message}"));
            ExitCode::from(2)
        }
        Ok(_) if print::lost() => ExitCode::from(2),
        Ok(Ended::Clean) => ExitCode::SUCCESS,
        Ok(Ended::Found) => ExitCode::from(1),
    }
}

/// The exit code of a command line that asks for help or the version, or cannot be read; what there is to say is printed.
pub fn usage(said: &clap::Error) -> ExitCode {
    let shown = said.print().and_then(|()| std::io::stdout().flush());
    if said.use_stderr() {
        return ExitCode::from(2);
    }
    print::written(shown);
    exit_code(Ok(Ended::Clean))
}
