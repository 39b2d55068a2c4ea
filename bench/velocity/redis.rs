//! The windows in Redis: a server of the bench's own on a socket in a folder of its own, and `windows.lua` called for every
//! check, all calls of a batch in one pipeline. Written to its protocol directly, so that a client library costs it nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tempfile::TempDir;

use super::event::{Event, Values};
use super::system::System;

const SCRIPT: &str = include_str!("windows.lua");
/// Most memory the server may take; past it, it refuses, which ends the case.
const MEMORY: &str = "3gb";
/// Starts the server and ends it when the bench closes the pipe, which it does however it ends itself.
const WARDEN: &str = r#"
command -v redis-server >/dev/null || exit 127
redis-server "$@" &
cat >/dev/null
kill -9 $!
"#;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The server and a connection to it.
pub struct Redis {
    child: Child,
    connection: Mutex<Connection>,
    version: String,
    process: String,
    // Removed with the value, after the server has ended.
    _folder: TempDir,
}

struct Connection {
    input: BufReader<UnixStream>,
    output: UnixStream,
    script: String,
    bytes: Vec<u8>,
    line: String,
}

impl Redis {
    /// Starts it.
    ///
    /// # Errors
    /// Why there is none, in words: most often that no `redis-server` is installed.
    pub fn start() -> Result<Redis, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let socket = folder.path().join("redis.sock");
        let (at, dir) = (socket.display().to_string(), folder.path().display().to_string());
        let mut child = Command::new("sh")
            .args(["-c", WARDEN, "sh", "--port", "0", "--unixsocket", &at, "--dir", &dir])
            .args(["--save", "", "--appendonly", "no", "--maxmemory", MEMORY, "--loglevel", "warning"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("redis-server: {error}"))?;
        match connect(&socket, &mut child) {
            Ok((connection, version, process)) => {
                let connection = Mutex::new(connection);
                Ok(Redis { child, connection, version, process, _folder: folder })
            }
            Err(error) => {
                end(&mut child);
                Err(error)
            }
        }
    }

    /// Its version.
    pub fn version(&self) -> &str {
        &self.version
    }

    fn server_ns(&self) -> Option<i64> {
        let text = std::fs::read_to_string(format!("/proc/{}/schedstat", self.process)).ok()?;
        text.split(' ').next()?.parse().ok()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn end(warden: &mut Child) {
    drop(warden.stdin.take());
    let _ = warden.wait();
}

/// Connects as soon as the server listens, and loads the script.
fn connect(socket: &std::path::Path, child: &mut Child) -> Result<(Connection, String, String), String> {
    let began = std::time::Instant::now();
    let stream = loop {
        match UnixStream::connect(socket) {
            Ok(stream) => break stream,
            Err(error) if began.elapsed() > PATIENCE => return Err(format!("redis-server: {error}")),
            Err(_) => {
                if let Ok(Some(_)) = child.try_wait() {
                    return Err("no redis-server is installed".to_owned());
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    };
    let words = |error: std::io::Error| error.to_string();
    stream.set_read_timeout(Some(PATIENCE)).map_err(words)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(words)?;
    let output = stream.try_clone().map_err(words)?;
    let (bytes, line) = (Vec::new(), String::new());
    let mut connection =
        Connection { input: BufReader::new(stream), output, script: String::new(), bytes, line };
    connection.command(&[b"SCRIPT", b"LOAD", SCRIPT.as_bytes()]);
    connection.send().map_err(words)?;
    connection.script = connection.bulk().map_err(words)?;
    connection.command(&[b"INFO", b"server"]);
    connection.send().map_err(words)?;
    let info = connection.bulk().map_err(words)?;
    let told = |what: &str| info.lines().find_map(|line| line.strip_prefix(what)).unwrap_or("?").to_owned();
    Ok((connection, told("redis_version:"), told("process_id:")))
}

impl Connection {
    fn command(&mut self, parts: &[&[u8]]) {
        // Writing into memory does not fail.
        let _ = write!(self.bytes, "*{}\r\n", parts.len());
        for part in parts {
            let _ = write!(self.bytes, "${}\r\n", part.len());
            self.bytes.extend_from_slice(part);
            self.bytes.extend_from_slice(b"\r\n");
        }
    }

    fn call(&mut self, event: &Event) {
        let script = std::mem::take(&mut self.script);
        let keys = event.keys.map(u64::to_le_bytes);
        let names: [[u8; 9]; 4] = std::array::from_fn(|at| {
            let mut name = [b'a' + at as u8; 9];
            name[1..].copy_from_slice(&keys[at]);
            name
        });
        let (time, amount) = (event.time_ms.to_string(), event.amount.to_string());
        let counterparty = event.counterparty.to_le_bytes();
        let counterparty: &[u8] = if event.counterparty == 0 { b"" } else { &counterparty };
        let kept = if event.keys[3] == 0 { 3 } else { 4 };
        let mut parts: [&[u8]; 12] = [b""; 12];
        parts[0] = b"EVALSHA";
        parts[1] = script.as_bytes();
        parts[2] = if kept == 3 { b"3" } else { b"4" };
        for (part, name) in parts[3..].iter_mut().zip(&names[..kept]) {
            *part = name;
        }
        let rest = [time.as_bytes(), event.kind.name().as_bytes(), amount.as_bytes(), &keys[0], counterparty];
        parts[3 + kept..][..rest.len()].copy_from_slice(&rest);
        self.command(&parts[..3 + kept + rest.len()]);
        self.script = script;
    }

    fn send(&mut self) -> std::io::Result<()> {
        self.output.write_all(&self.bytes)?;
        self.bytes.clear();
        Ok(())
    }

    /// A line of the reply without its end, after its first letter, which must be that one.
    fn head(&mut self, letter: char) -> std::io::Result<i64> {
        self.line.clear();
        self.input.read_line(&mut self.line)?;
        let number = self.line.trim_end().strip_prefix(letter).and_then(|number| number.parse().ok());
        number.ok_or_else(|| std::io::Error::other(format!("redis-server: {}", self.line.trim_end())))
    }

    fn bulk(&mut self) -> std::io::Result<String> {
        let length = self.head('$')?.clamp(0, 1 << 20) as usize;
        let mut text = vec![0; length + 2];
        self.input.read_exact(&mut text)?;
        text.truncate(length);
        String::from_utf8(text).map_err(std::io::Error::other)
    }

    fn reply(&mut self, values: &mut Values) -> std::io::Result<()> {
        let count = self.head('*')?.clamp(0, values.len() as i64) as usize;
        for value in &mut values[..count] {
            *value = self.head(':')?;
        }
        Ok(())
    }
}

impl System for Redis {
    /// # Panics
    /// The server is lost or refuses: there is nothing left to measure.
    fn take(&self, _: usize, events: &[Event], values: &mut [Values]) {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        for event in events {
            connection.call(event);
        }
        connection.send().expect("the server the bench has started reads");
        for values in values {
            connection.reply(values).expect("the server the bench has started answers");
        }
    }
    /// What the server's main thread has spent: the caller's waiting, reading and writing are not held against it.
    fn processor_ns(&self) -> i64 {
        self.server_ns().unwrap_or(0)
    }
}
