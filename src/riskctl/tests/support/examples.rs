//! The examples that a command's help shows, run as somebody would who copied them.

use std::path::Path;
use std::process::Command;

/// The lines of the help that can be typed; what ends in a backslash goes on in the next one.
pub fn of(command: &str) -> Vec<String> {
    let output = riskctl().args(command.split(' ')).arg("--help").output().expect("riskctl starts");
    let help = String::from_utf8(output.stdout).expect("help is UTF-8");
    let shown = help.split("\nExamples:\n").nth(1).expect("the help has examples");
    shown
        .replace("\\\n", "")
        .lines()
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

/// Runs one in that folder, and gives what it printed. It must end well.
pub fn run(example: &str, folder: &Path) -> String {
    let tools = Path::new(env!("CARGO_BIN_EXE_riskctl")).parent().expect("it lies in a folder");
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap_or_default());
    let mut shell = Command::new("bash");
    let output =
        shell.current_dir(folder).env("PATH", path).args(["-euc", example]).output().expect("bash starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{example}\n{}\n{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

fn riskctl() -> Command {
    Command::new(env!("CARGO_BIN_EXE_riskctl"))
}
