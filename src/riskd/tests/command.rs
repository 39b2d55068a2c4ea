//! The daemon as its operator sees it: a process with flags, signals and an exit code.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const RULES: &str = "rules:\n  - id: large\n    tier: deny\n    when: amount >= 100.00\n    reason: { code: X1, text: large }\n";

fn riskd() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_riskd"));
    // Tables of a size for tests.
    for table in ["ACCOUNTS", "DEVICES", "VELOCITY_KEYS", "LIST_ENTRIES", "DECISIONS"] {
        command.env(format!("RISKD__TABLES__{table}"), "4096");
    }
    command
        .env("RISKD__MODELS__ACTIVE", "")
        .env("RISKD__MODELS__ANOMALY", "")
        .env("RISKD__WORKERS__COUNT", "1");
    command
}

/// Starts `riskd serve` on free ports; gives the process and its HTTP address.
fn serve(folder: &Path) -> (Child, String) {
    let mut child = begin(folder, riskd().arg("serve"));
    let address = http_address(&mut child);
    (child, address)
}

fn begin(folder: &Path, serve: &mut Command) -> Child {
    std::fs::create_dir_all(folder.join("rules")).unwrap();
    std::fs::write(folder.join("rules/x.yaml"), RULES).unwrap();
    let any = ["--http", "127.0.0.1:0", "--quic", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    serve.args(any).current_dir(folder).stdout(Stdio::piped()).spawn().unwrap()
}

fn http_address(child: &mut Child) -> String {
    addresses(child).0
}

/// Where it answers checks and where its operators.
fn addresses(child: &mut Child) -> (String, String) {
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines().map(Result::unwrap);
    let mut addresses =
        lines.filter_map(|line| Some(line.split_once("http://")?.1.split('/').next().unwrap().to_owned()));
    (addresses.next().unwrap(), addresses.next().unwrap())
}

fn check(address: &str, id: &str, amount: &str) -> String {
    let body = format!(r#"{{"id":"{id}","kind":"pay","account":"u","amount":"{amount}"}}"#);
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST /v1/check HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

fn ended(mut child: Child) -> ExitStatus {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(20) {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    panic!("it did not end");
}

#[test]
fn it_serves_reloads_at_hang_up_and_drains_at_terminate() {
    let folder = tempfile::tempdir().unwrap();
    let (child, address) = serve(folder.path());
    assert!(check(&address, "1", "50.00").contains(r#""verdict":"allow""#));
    std::fs::write(folder.path().join("rules/x.yaml"), RULES.replace("100.00", "10.00")).unwrap();
    signal(&child, "-HUP");
    let began = Instant::now();
    for n in 0.. {
        if check(&address, &format!("r{n}"), "50.00").contains(r#""verdict":"deny""#) {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "the reload never came");
        std::thread::sleep(Duration::from_millis(20));
    }
    signal(&child, "-TERM");
    assert_eq!(ended(child).code(), Some(0));
    assert!(!folder.path().join("data/riskd.sock").exists());
    assert!(folder.path().join("data/journal").is_dir());
}

/// Puts a pipe there: who reads it waits until it is written to.
fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// The writing end, once somebody waits at the other.
fn reached(path: &Path) -> File {
    File::options().write(true).open(path).unwrap()
}

#[test]
fn a_hang_up_that_comes_while_it_starts_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("riskd.toml");
    pipe(&config);
    let mut child =
        begin(folder.path(), riskd().args(["serve", "--config", "riskd.toml"]).stderr(Stdio::piped()));
    let writing = reached(&config);
    signal(&child, "-HUP");
    drop(writing);
    let address = http_address(&mut child);
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(log.any(|line| line.unwrap().contains("SIGHUP")), "it was remembered");
    assert!(check(&address, "1", "50.00").contains(r#""verdict":"allow""#));
    signal(&child, "-TERM");
    assert_eq!(ended(child).code(), Some(0));
}

#[test]
fn what_a_hang_up_could_not_put_in_force_is_told_on_the_admin_address() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = begin(folder.path(), riskd().arg("serve"));
    let (_, admin) = addresses(&mut child);
    let token = std::fs::read_to_string(folder.path().join("data/admin.token")).unwrap();
    let policy = || {
        let head = format!("Authorization: Bearer {}\r\n", token.trim());
        let mut stream = TcpStream::connect(&admin).unwrap();
        write!(stream, "GET /v1/policy HTTP/1.1\r\nHost: t\r\nConnection: close\r\n{head}\r\n").unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        serde_json::from_str::<serde_json::Value>(reply.split_once("\r\n\r\n").unwrap().1).unwrap()
    };
    assert!(policy()["last_reload"].is_null());
    std::fs::write(folder.path().join("rules/x.yaml"), RULES.replace("amount", "amuont")).unwrap();
    signal(&child, "-HUP");
    let began = Instant::now();
    let told = loop {
        let told = policy()["last_reload"].clone();
        if !told.is_null() {
            break told;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "it is never told");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(
        (&told["cause"], &told["result"], &told["reason"]),
        (&"SIGHUP".into(), &"refused".into(), &"policy".into())
    );
    assert!(told["text"].as_str().unwrap().contains("x.yaml:4"), "{told}");
    assert!(told["diagnostics"][0]["message"].as_str().unwrap().contains("amuont"), "{told}");
    signal(&child, "-TERM");
    assert_eq!(ended(child).code(), Some(0));
}

#[test]
fn it_ends_at_terminate_though_a_reload_takes_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let (child, _) = serve(folder.path());
    let keys = folder.path().join("data/token.keys");
    std::fs::remove_file(&keys).unwrap();
    pipe(&keys);
    signal(&child, "-HUP");
    let _writing = reached(&keys);
    signal(&child, "-TERM");
    assert_eq!(ended(child).code(), Some(0));
}

#[test]
fn it_says_why_it_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let output = riskd().args(arguments).current_dir(folder.path()).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = run(&["serve"]);
    assert!(code == Some(1) && said.contains("rules"), "{said}");
    let (code, said) = run(&["serve", "--config", "nowhere.toml"]);
    assert!(code == Some(2) && said.contains("nowhere.toml"), "{said}");
    let (code, said) = run(&["serve", "--http", "here"]);
    assert!(code == Some(2) && said.contains("127.0.0.1:8080"), "{said}");
    assert_eq!(run(&["dance"]).0, Some(2));
}

#[test]
fn a_configuration_is_checked_with_the_files_it_names() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    std::fs::write(folder.path().join("rules/x.yaml"), RULES).unwrap();
    let check = |text: &str| {
        std::fs::write(folder.path().join("riskd.toml"), text).unwrap();
        let output =
            riskd().args(["check-config", "riskd.toml"]).current_dir(folder.path()).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    };
    let (code, said) = check("[models]\nactive = \"\"\nanomaly = \"\"\n");
    assert!(code == Some(0) && said.contains("1 rules"), "{said}");
    let (code, said) = check("[workers]\ncuont = 2\n");
    assert!(code == Some(1) && said.contains("line 2") && said.contains("cuont"), "{said}");
    std::fs::write(folder.path().join("rules/x.yaml"), RULES.replace("amount", "amuont")).unwrap();
    let (code, said) = check("[limits]\nstreams_max = 0\n");
    assert!(code == Some(1) && said.contains("limits.streams_max") && said.contains("x.yaml:4"), "{said}");
    assert!(!folder.path().join("data").exists(), "checking writes nothing");
}

#[test]
fn tables_beyond_the_memory_there_is_are_refused_before_they_are_touched() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    std::fs::write(folder.path().join("rules/x.yaml"), RULES).unwrap();
    // More than a terabyte.
    let entries = ("RISKD__TABLES__DECISIONS", "1073741824");
    std::fs::write(folder.path().join("riskd.toml"), "").unwrap();
    for arguments in [["check-config", "riskd.toml", ""], ["serve", "--config", "riskd.toml"]] {
        let arguments = arguments.iter().filter(|argument| !argument.is_empty());
        let mut command = riskd();
        command.env(entries.0, entries.1).args(arguments).current_dir(folder.path());
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("MB are free: lower tables.decisions"), "{said}");
    }
}
