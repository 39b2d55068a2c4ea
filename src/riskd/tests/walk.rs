//! The walk of `docs/rules.md`, as its reader walks it: every shell block of it in one shell in an empty folder, with the
//! output that the page shows. Only the ports are others, and the tables are small.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PAGE: &str = include_str!("../../../docs/rules.md");

/// A block to paste, and what the page says that it prints.
struct Step<'p> {
    commands: &'p str,
    shown: Option<&'p str>,
}

/// The steps of the part of the page before its reference.
fn steps() -> Vec<Step<'static>> {
    let walk = PAGE.split("\n# Reference\n").next().unwrap();
    let mut steps: Vec<Step<'_>> = Vec::new();
    let mut rest = walk;
    while let Some((_, block)) = rest.split_once("\n```") {
        let (language, block) = block.split_once('\n').unwrap();
        let (text, after) = block.split_once("\n```\n").expect("a block ends");
        match (language, steps.last_mut()) {
            ("sh", _) => steps.push(Step { commands: text, shown: None }),
            ("text", Some(step)) if step.shown.is_none() => step.shown = Some(text),
            _ => panic!("a block of the walk is a shell's or what it prints: {text}"),
        }
        // The line break before the next fence may be the one behind this one.
        rest = &rest[rest.len() - after.len() - 1..];
    }
    steps
}

/// Whether the page's text is what came, where `…` stands for anything.
fn is_as_shown(shown: &str, came: &str) -> bool {
    let mut parts = shown.trim().split('…');
    let Some(mut rest) = came.trim().strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<&str> = parts.collect();
    for (at, part) in parts.iter().enumerate() {
        let found = if at + 1 == parts.len() && !part.is_empty() {
            rest.ends_with(part).then(|| rest.len() - part.len())
        } else {
            rest.find(part)
        };
        let Some(found) = found else { return false };
        rest = &rest[found + part.len()..];
    }
    parts.last().map_or(rest.is_empty(), |last| last.is_empty() || rest.is_empty())
}

/// The folder of the daemon and the analyst's tool, which is built where whoever runs this test alone did not.
fn programs() -> PathBuf {
    let folder = Path::new(env!("CARGO_BIN_EXE_riskd")).parent().unwrap().to_owned();
    if !folder.join("riskctl").exists() {
        let release: &[&str] = if cfg!(debug_assertions) { &[] } else { &["--release"] };
        let built =
            Command::new(env!("CARGO")).args(["build", "--locked", "-p", "riskctl"]).args(release).status();
        assert!(built.unwrap().success());
    }
    folder
}

#[test]
fn a_newcomer_writes_tests_shadows_and_turns_on_a_rule_by_the_page_alone() {
    let folder = tempfile::tempdir().unwrap();
    // Held until the daemon is about to take them.
    let ports = [TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap()];
    let [http, admin] = ports.each_ref().map(|port| port.local_addr().unwrap().to_string());
    let steps = steps();
    assert!(steps.len() >= 10);
    let mark = |at: usize| format!("=== {at} ===\n");
    let mut script = "trap 'kill %1' EXIT\n".to_owned();
    for (at, step) in steps.iter().enumerate() {
        script += step.commands;
        script += &format!("\necho '{}'\n", mark(at).trim());
    }
    let script = script.replace("localhost:8080", &http).replace("localhost:8081", &admin);
    let path = std::env::join_paths(
        std::iter::once(programs()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let mut shell = Command::new("bash");
    for table in ["ACCOUNTS", "DEVICES", "VELOCITY_KEYS", "LIST_ENTRIES", "DECISIONS"] {
        shell.env(format!("RISKD__TABLES__{table}"), "4096");
    }
    shell.env("RISKD__LISTEN__HTTP", &http).env("RISKD__LISTEN__ADMIN", &admin);
    shell.env("RISKD__LISTEN__QUIC", "off").env("RISKD__WORKERS__COUNT", "1");
    shell.env("PATH", path.unwrap()).current_dir(folder.path()).stdin(Stdio::null());
    drop(ports);
    // One stream, as on a terminal.
    let output = shell.args(["-c", &format!("exec 2>&1\n{script}")]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let mut rest = &*said;
    for (at, step) in steps.iter().enumerate() {
        let Some((came, after)) = rest.split_once(&mark(at)) else {
            panic!("the walk ended before step {at}:\n{said}")
        };
        let shown = step.shown.unwrap_or_default();
        assert!(
            is_as_shown(shown, came),
            "{}\n\nshows\n{shown}\n\nand prints\n{came}\n\n{}",
            step.commands,
            std::fs::read_to_string(folder.path().join("shop/daemon.log")).unwrap_or_default(),
        );
        rest = after;
    }
}

#[test]
fn what_is_shown_is_held_against_what_came() {
    assert!(is_as_shown("a…c", "abbc\n") && is_as_shown("…", "x") && is_as_shown("a", "a"));
    assert!(is_as_shown("a…", "ab") && is_as_shown("…b", "ab b"));
    assert!(!is_as_shown("a", "ab") && !is_as_shown("a…c", "ab") && !is_as_shown("", "x"));
    assert!(!is_as_shown("a…b…c", "acb") && !is_as_shown("b…", "ab"));
}
