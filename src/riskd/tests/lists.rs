//! List changes through the daemon as a process: in force for the next check once acknowledged, and for the first check after
//! a kill that gave no warning.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const RULES: &str = "lists: { bad: { on: account, action: deny } }\n";

/// Ended with the test, whatever becomes of it.
struct Daemon {
    child: Child,
    http: String,
    admin: String,
    token: String,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // `kill` is SIGKILL: the daemon gets no chance to put its house in order.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Daemon {
    fn start(folder: &Path) -> Daemon {
        let mut command = Command::new(env!("CARGO_BIN_EXE_riskd"));
        for table in ["ACCOUNTS", "DEVICES", "VELOCITY_KEYS", "DECISIONS"] {
            command.env(format!("RISKD__TABLES__{table}"), "4096");
        }
        command
            .env("RISKD__MODELS__ACTIVE", "")
            .env("RISKD__MODELS__ANOMALY", "")
            .env("RISKD__WORKERS__COUNT", "1");
        command.args(["serve", "--http", "127.0.0.1:0", "--quic", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        let mut child = command.current_dir(folder).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut address = |ending: &str| {
            let line = lines.by_ref().find(|line| line.contains("http://")).expect("it starts");
            let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).unwrap();
            assert!(line.contains(ending), "{line}");
            address.to_owned()
        };
        let (http, admin) = (address("/v1/check"), address("Bearer"));
        std::thread::spawn(move || lines.for_each(drop));
        let token = std::fs::read_to_string(folder.join("data/admin.token")).unwrap().trim().to_owned();
        Daemon { child, http, admin, token }
    }

    fn change(&self, method: &str, path: &str, body: &str) {
        let head = format!("Authorization: Bearer {}\r\n", self.token);
        let reply = ask(&self.admin, method, path, &head, body);
        assert!(reply.starts_with("HTTP/1.1 20"), "{reply}");
    }

    fn is_denied(&self, account: &str) -> bool {
        let id = format!("{account}-{}", std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos());
        let body = format!(r#"{{"id":"{id}","kind":"login","account":"{account}"}}"#);
        let reply = ask(&self.http, "POST", "/v1/check", "", &body);
        assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
        reply.contains(r#""verdict":"deny""#)
    }
}

fn ask(address: &str, method: &str, path: &str, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n{head}Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

#[test]
fn what_was_acknowledged_is_in_force_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    std::fs::write(folder.path().join("rules/x.yaml"), RULES).unwrap();
    // Enough for an image, so that starts go by it and by the changes since.
    let many = (0..20_000).fold("key\n".to_owned(), |body, n| body + &format!("k{n}\n"));
    let daemon = Daemon::start(folder.path());
    daemon.change("PUT", "/v1/lists/bad", &many);
    drop(daemon);
    let image = folder.path().join("data/lists/bad.image");
    assert!(image.exists());
    for round in 0..4 {
        let daemon = Daemon::start(folder.path());
        assert!(daemon.is_denied("k7") && daemon.is_denied("k19999") && !daemon.is_denied("k20000"));
        for before in 0..round {
            assert!(daemon.is_denied(&format!("new{before}")) && !daemon.is_denied(&format!("k{before}")));
        }
        assert!(!daemon.is_denied(&format!("new{round}")) && daemon.is_denied(&format!("k{round}")));
        daemon.change("PUT", &format!("/v1/lists/bad/new{round}"), "");
        daemon.change("DELETE", &format!("/v1/lists/bad/k{round}"), "");
        assert!(daemon.is_denied(&format!("new{round}")) && !daemon.is_denied(&format!("k{round}")));
        drop(daemon);
        if round == 2 {
            std::fs::remove_file(&image).unwrap();
        }
    }
    let daemon = Daemon::start(folder.path());
    daemon.change("PUT", "/v1/lists/bad?force=true", "key\nonly\n");
    drop(daemon);
    let daemon = Daemon::start(folder.path());
    assert!(daemon.is_denied("only") && !daemon.is_denied("k7") && !daemon.is_denied("new1"));
}
