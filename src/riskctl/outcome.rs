//! How a command ends: exit code 0 when all is well, 1 when it found something, 2 when it could not be done.

use std::fmt::Display;
use std::process::ExitCode;

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

/// The exit code, after the failure was told on standard error.
pub fn exit_code(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(Ended::Clean) => ExitCode::SUCCESS,
        Ok(Ended::Found) => ExitCode::from(1),
        Err(Failure(message)) => {
            eprintln!("riskctl: {message}");
            ExitCode::from(2)
        }
    }
}
