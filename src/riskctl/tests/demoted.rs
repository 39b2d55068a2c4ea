//! What the guard demoted, seen and turned on with the command, at a running daemon.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use server::{Config, Server};

const RULES: &str = "rules:\n  - { id: all-pays, tier: deny, on: pay, when: 'true', share_max: 10%, reason: { code: R1, text: t } }\n";

#[test]
fn what_was_demoted_is_shown_and_turned_on_in_somebodys_name() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    std::fs::write(folder.path().join("rules/all.yaml"), RULES).unwrap();
    let mut config = Config::default();
    let any = "127.0.0.1:0".parse().unwrap();
    (config.listen.http, config.listen.quic, config.listen.admin) = (any, any, any);
    config.policy.dir = folder.path().join("rules");
    (config.models.active, config.models.anomaly) = (String::new(), String::new());
    config.data.dir = folder.path().join("data");
    (config.workers.count, config.workers.pin) = (1, false);
    let tables = &mut config.tables;
    (tables.accounts, tables.devices, tables.velocity_keys, tables.decisions) = (2048, 2048, 2048, 2048);
    config.guard.checks_min = 1;
    let running = Server::start(config).unwrap();
    let admin = running.addresses().admin.unwrap().to_string();
    let token = running.admin_token_file().display().to_string();
    let riskctl = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_riskctl"));
        let output = command.args(words).args(["--admin", &admin, "--token-file", &token]).output().unwrap();
        let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.code(), told)
    };
    assert_eq!(riskctl(&["rules", "demoted"]), (Some(0), "nothing is demoted\n".to_owned()));
    assert_eq!(
        riskctl(&["rules", "turn-on", "all-pays", "--by", "me"]),
        (Some(1), "all-pays is not demoted\n".to_owned())
    );

    let body = r#"{"id":"a","kind":"pay","account":"u","amount":"1.00"}"#;
    let mut stream = TcpStream::connect(running.addresses().http.unwrap()).unwrap();
    write!(
        stream,
        "POST /v1/check HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains(r#""verdict":"deny""#), "{answer}");

    let began = Instant::now();
    let shown = loop {
        match riskctl(&["rules", "demoted"]) {
            (Some(1), shown) => break shown,
            other => assert!(began.elapsed() < Duration::from_secs(20), "{other:?}"),
        }
    };
    assert!(shown.contains("all-pays") && shown.contains("10"), "{shown}");
    let on = riskctl(&["rules", "turn-on", "all-pays", "--by", "Li Na"]);
    assert_eq!(on, (Some(0), "all-pays acts again, turned on by Li Na\n".to_owned()));
    assert_eq!(riskctl(&["rules", "demoted"]).0, Some(0));
}
