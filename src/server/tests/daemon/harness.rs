//! A daemon in a folder of its own, and the plainest of HTTP clients to ask it with.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::{Duration, Instant};

use client::{Client, Trust};
use serde_json::Value;
use server::{Clock, Config, Running, Server, StartError};
use tempfile::TempDir;

pub const RULES: &str = include_str!("rules/test.yaml");

pub struct Daemon {
    running: Option<Running>,
    config: Config,
    /// What makes the clock of each start.
    clock: Box<dyn Fn() -> Clock + Send + Sync>,
    folder: TempDir,
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// Code and field of the error object.
    pub fn error(&self) -> (String, String) {
        let error = &self.json()["error"];
        assert!(!error["message"].as_str().unwrap().is_empty(), "{self:?}");
        (error["code"].as_str().unwrap().to_owned(), error["field"].as_str().unwrap().to_owned())
    }

    pub fn verdict(&self) -> String {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()["verdict"].as_str().unwrap().to_owned()
    }
}

impl Daemon {
    pub fn start() -> Daemon {
        Daemon::start_with(|_| {})
    }

    /// Starts one with a configuration changed.
    pub fn start_with(change: impl FnOnce(&mut Config)) -> Daemon {
        Daemon::start_by(Clock::default, change)
    }

    /// The same, by a clock that the test moves.
    pub fn start_at(clock: &Arc<AtomicI64>, change: impl FnOnce(&mut Config)) -> Daemon {
        let clock = clock.clone();
        Daemon::start_by(move || Clock::manual(clock.clone()), change)
    }

    /// The same by a clock of the test's, made anew at each start.
    pub fn start_by(
        clock: impl Fn() -> Clock + Send + Sync + 'static,
        change: impl FnOnce(&mut Config),
    ) -> Daemon {
        let folder = tempfile::tempdir().unwrap();
        let rules = folder.path().join("rules");
        std::fs::create_dir(&rules).unwrap();
        std::fs::write(rules.join("test.yaml"), RULES).unwrap();
        let mut config = Config::default();
        let any = "127.0.0.1:0".parse().unwrap();
        (config.listen.http, config.listen.quic, config.listen.admin) = (any, any, any);
        config.policy.dir = rules;
        config.models.active = String::new();
        config.models.anomaly = String::new();
        config.data.dir = folder.path().join("data");
        config.workers.count = 2;
        config.workers.pin = false;
        let tables = &mut config.tables;
        (tables.accounts, tables.devices, tables.velocity_keys) = (4096, 4096, 4096);
        (tables.list_entries, tables.decisions) = (4096, 8192);
        (config.journal.ring_bytes, config.journal.recent_bytes) = (1 << 20, 1 << 20);
        // Test machines stall; only the tests of overload want to see it.
        config.limits.backlog_ms_max = 60_000;
        change(&mut config);
        let mut daemon = Daemon { running: None, config, clock: Box::new(clock), folder };
        daemon.try_start().unwrap_or_else(|error| panic!("{error}"));
        daemon
    }

    /// Starts it on its folder once it was ended.
    pub fn try_start(&mut self) -> Result<(), StartError> {
        self.running = Some(Server::start_with(self.config.clone(), (self.clock)())?);
        Ok(())
    }

    /// Ends it.
    pub fn end(&mut self) {
        let end = self.running.take().unwrap().shutdown();
        assert!(end.clean, "{end:?}");
    }

    pub fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    /// Ends it and starts it again on the same folder, on ports of its own choice.
    pub fn restart(&mut self) {
        self.end();
        self.try_start().unwrap_or_else(|error| panic!("{error}"));
    }

    pub fn stop(mut self) -> server::Shutdown {
        self.running.take().unwrap().shutdown()
    }

    pub fn rules(&self) -> PathBuf {
        self.folder.path().join("rules")
    }

    pub fn data(&self) -> &Path {
        &self.config.data.dir
    }

    pub fn http(&self) -> SocketAddr {
        self.running().addresses().http.unwrap()
    }

    pub fn admin(&self) -> SocketAddr {
        self.running().addresses().admin.unwrap()
    }

    pub fn unix(&self) -> PathBuf {
        self.running().addresses().unix.clone().unwrap()
    }

    pub fn token(&self) -> String {
        std::fs::read_to_string(self.running().admin_token_file()).unwrap().trim().to_owned()
    }

    pub fn post(&self, path: &str, body: impl AsRef<[u8]>) -> Reply {
        ask(self.http(), "POST", path, "", body.as_ref())
    }

    pub fn get(&self, path: &str) -> Reply {
        ask(self.http(), "GET", path, "", b"")
    }

    /// A check over HTTP.
    pub fn check(&self, body: &Value) -> Reply {
        self.post("/v1/check", body.to_string())
    }

    /// A call of the admin address, with the token.
    pub fn admin_call(&self, method: &str, path: &str, body: impl AsRef<[u8]>) -> Reply {
        self.admin_call_with("", method, path, body)
    }

    /// The same with more lines of the head.
    pub fn admin_call_with(&self, head: &str, method: &str, path: &str, body: impl AsRef<[u8]>) -> Reply {
        let head = format!("Authorization: Bearer {}\r\n{head}", self.token());
        ask(self.admin(), method, path, &head, body.as_ref())
    }

    pub fn quic_trust(&self) -> Trust {
        Trust::pem(&std::fs::read(self.data().join("tls/dev-cert.pem")).unwrap()).unwrap()
    }

    pub async fn quic_client(&self) -> Client {
        let address = self.running().addresses().quic.unwrap();
        Client::connect_quic(address, "localhost", self.quic_trust()).await.unwrap()
    }

    pub async fn unix_client(&self) -> Client {
        Client::connect_unix(self.unix()).await.unwrap()
    }

    /// Sum of the series of a metric whose labels contain a text, once the workers have told what they counted.
    pub fn metric(&self, name: &str, label: &str) -> f64 {
        std::thread::sleep(Duration::from_millis(250));
        self.metric_now(name, label)
    }

    pub fn metric_now(&self, name: &str, label: &str) -> f64 {
        let text = ask(self.admin(), "GET", "/metrics", "", b"").body;
        let of_name = |line: &&str| line.split(['{', ' ']).next() == Some(name) && line.contains(label);
        text.lines()
            .filter(of_name)
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum()
    }

    /// Waits until a metric has that value.
    pub fn await_metric(&self, name: &str, label: &str, value: f64) {
        let began = Instant::now();
        while self.metric_now(name, label) != value {
            assert!(began.elapsed() < Duration::from_secs(10), "{name} is {}", self.metric_now(name, label));
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A pipe in the place of a file: whoever reads that waits until it is given the text.
pub struct Held {
    path: PathBuf,
    text: String,
}

impl Held {
    /// Puts the pipe there.
    pub fn hold(path: &Path) -> Held {
        let text = std::fs::read_to_string(path).unwrap();
        std::fs::remove_file(path).unwrap();
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
        Held { path: path.to_owned(), text }
    }

    /// Waits until somebody reads, for as long as that takes.
    pub fn reached(self) -> Reached {
        // A pipe opens for writing when it is open for reading.
        let pipe = File::options().write(true).open(&self.path).unwrap();
        Reached { held: self, pipe }
    }
}

/// A reader is waiting.
pub struct Reached {
    held: Held,
    pipe: File,
}

impl Reached {
    /// Hands it the text, and puts the file back.
    pub fn go(mut self) {
        self.pipe.write_all(self.held.text.as_bytes()).unwrap();
        std::fs::remove_file(&self.held.path).unwrap();
        std::fs::write(&self.held.path, &self.held.text).unwrap();
    }
}

/// Asks once over a connection of its own.
pub fn ask(address: SocketAddr, method: &str, path: &str, head: &str, body: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {length}\r\n{head}\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    // A body that is refused for its length may meet a closed door.
    let _ = stream.write_all(body);
    read_reply(&mut stream)
}

/// Reads a reply to the end of the connection.
pub fn read_reply(stream: &mut TcpStream) -> Reply {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut bytes = Vec::new();
    // The rest of what was sent may be answered with a reset after the reply.
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no reply in {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Reply { status, head: head.to_owned(), body: body.to_owned() }
}

/// Runs async steps of a test.
pub fn run<T>(steps: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(steps)
}
