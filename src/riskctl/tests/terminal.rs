//! What reaches the terminal: a reader that leaves and a disk that is full, text of others that would drive the terminal, and
//! never a key.

use std::fs::OpenOptions;
use std::process::{Command, Stdio};

fn riskctl(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_riskctl"));
    command.args(arguments).stderr(Stdio::piped()).stdin(Stdio::null());
    command
}

const PRINTING: [&[&str]; 8] = [
    &["completions", "bash"],
    &["completions", "zsh"],
    &["--help"],
    &["--version"],
    &["help", "replay"],
    &["model", "train", "--help"],
    &["rules", "schema"],
    &["rules", "eval", "1 + 1", "--json"],
];

#[test]
fn a_reader_that_leaves_is_no_error() {
    for arguments in PRINTING {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = riskctl(arguments).stdout(writer).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), said.as_ref()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn a_full_disk_is_an_error_that_is_told_once() {
    for arguments in PRINTING {
        let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = riskctl(arguments).stdout(full()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?} {said}");
        assert!(said.starts_with("riskctl: standard output: "), "{arguments:?} {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        // Nothing can be told of it where standard error is full too.
        let output = riskctl(arguments).stdout(full()).stderr(full()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
    let wrong = riskctl(&["replay", "--nonsense"])
        .stderr(OpenOptions::new().write(true).open("/dev/full").unwrap())
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn text_of_files_does_nothing_to_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let evil = "\u{1b}[2J\u{7}\u{202e}";
    std::fs::write(folder.path().join("rows.csv"), format!("t,id,acc,how,bad\n0,1,a,{evil},1\n0,2,a,,0\n"))
        .unwrap();
    let map = |column: &str| {
        let column = serde_json::to_string(column).unwrap();
        let map = format!(
            "[time]\ncolumn = {column}\nunit = \"ms\"\n[label]\ncolumn = \"bad\"\nfraud = [\"1\"]\n[scenario]\ncolumn = \"how\"\n\
             [fields]\nid = {{ column = \"id\" }}\nkind = {{ value = \"pay\" }}\naccount = {{ column = \"acc\" }}\n"
        );
        std::fs::write(folder.path().join("map.toml"), map).unwrap();
    };
    let replay = |arguments: &[&str]| {
        let arguments =
            [&["replay", "rows.csv", "--map", "map.toml", "--entries", "256"], arguments].concat();
        let output = riskctl(&arguments).current_dir(folder.path()).stdout(Stdio::piped()).output().unwrap();
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
    };
    map("t");
    let said = replay(&[]);
    assert!(!said.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{said:?}");
    assert!(said.contains(r"\u{1b}[2J\u{7}\u{202e}  "), "{said}");
    let json: serde_json::Value = serde_json::from_str(&replay(&["--json"])).unwrap();
    assert_eq!(json["ranking"][1]["fraud"], evil);
    map(evil);
    let said = replay(&[]);
    assert!(said.contains("no column") && !said.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{said:?}");
}

#[test]
fn a_key_file_is_refused_as_the_daemon_refuses_it() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("token.keys");
    let (one, other) = ("5a".repeat(32), "6b".repeat(32));
    for (text, why) in [
        (format!("1 {one}\n2 {other}\n1 {other}\n"), "token.keys:3: another key has this id"),
        ("# none\n".to_owned(), "token.keys: there is no key"),
        (format!("256 {one}\n"), "token.keys:1: expected an id and 64"),
    ] {
        std::fs::write(&keys, text).unwrap();
        let path = keys.to_str().unwrap();
        for command in
            [&["token", "verify", "x"][..], &["token", "mint", "0192f6c4-7c1e-7000-8000-000000000001"]]
        {
            let output = riskctl(&[command, &["--keys", path]].concat()).output().unwrap();
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.code() == Some(2) && told.contains(why), "{command:?}: {told}");
            assert!(!told.contains(&one) && !told.contains(&other), "a key is never shown");
        }
    }
    let output = riskctl(&["token", "verify", "x", "--keys", "/dev/zero"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
