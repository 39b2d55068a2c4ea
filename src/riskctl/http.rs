//! The admin address, asked over plain HTTP/1.0: one call a connection, the answer ends where the connection does.
//!
//! Enough for a handful of calls to a loopback address; a client library would bring an async runtime along.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use crate::outcome::Failure;

/// Longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
const TIMEOUT: Duration = Duration::from_secs(30);
/// A daemon that is slower to take a body in is taken for dead.
const BODY_BYTES_A_SECOND: usize = 100_000;

/// Where the daemon's admin address is, and what opens it.
#[derive(Args, Debug)]
pub struct AdminAddress {
    /// Admin address of the daemon
    #[arg(long, default_value = "127.0.0.1:8081", value_name = "ADDR")]
    admin: String,
    /// File with the admin token
    #[arg(long, default_value = "data/admin.token", value_name = "FILE")]
    token_file: PathBuf,
}

/// Who makes a change; the daemon keeps it with what is added.
#[derive(Args, Debug)]
pub struct Actor {
    /// Your name, as it shall stand with the entries; by default the one you are logged in by
    #[arg(long = "by", value_name = "NAME")]
    name: Option<String>,
}

/// An answer.
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl AdminAddress {
    /// Sends one request.
    ///
    /// # Errors
    /// If there is no token, no connection or no whole answer.
    pub fn send(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Result<Reply, Failure> {
        self.ask(method, path, kind, body, None)
    }

    /// Sends one request in somebody's name.
    ///
    /// # Errors
    /// As [`AdminAddress::send`], and a name that is none.
    pub fn change(
        &self,
        method: &str,
        path: &str,
        kind: &str,
        body: &[u8],
        actor: &Actor,
    ) -> Result<Reply, Failure> {
        let name = actor.name.clone().or_else(|| std::env::var("USER").ok().filter(|name| !name.is_empty()));
        // A line end would begin another header.
        if name.as_ref().is_some_and(|name| name.chars().any(|c| !matches!(c, ' '..='~'))) {
            return Err(Failure("a name is one line of ASCII: give one with --by".to_owned()));
        }
        self.ask(method, path, kind, body, name.as_deref())
    }

    fn ask(
        &self,
        method: &str,
        path: &str,
        kind: &str,
        body: &[u8],
        actor: Option<&str>,
    ) -> Result<Reply, Failure> {
        let actor = actor.map_or_else(String::new, |name| format!("Riskd-Actor: {name}\r\n"));
        let token = std::fs::read_to_string(&self.token_file)
            .map_err(|error| Failure::of(format!("the admin token, {}", self.token_file.display()), error))?;
        let failed = |error: std::io::Error| Failure::of(format!("admin address {}", self.admin), error);
        let mut addresses = self.admin.to_socket_addrs().map_err(failed)?;
        let address = addresses.next().ok_or_else(|| Failure(format!("{} names no address", self.admin)))?;
        let mut stream = TcpStream::connect_timeout(&address, TIMEOUT).map_err(failed)?;
        // The answer to a large body comes once all of it is on disk.
        let work = Duration::from_secs((body.len() / BODY_BYTES_A_SECOND) as u64);
        stream.set_read_timeout(Some(TIMEOUT + work)).map_err(failed)?;
        stream.set_write_timeout(Some(TIMEOUT)).map_err(failed)?;
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: {kind}\r\n{actor}Content-Length: {}\r\n\r\n",
            self.admin,
            token.trim(),
            body.len()
        );
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).map_err(failed)?;
        let mut answer = Vec::new();
        stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).map_err(failed)?;
        split(&answer).ok_or_else(|| Failure(format!("{} does not answer as HTTP", self.admin)))
    }

    /// Sends one request and reads the JSON of its answer.
    ///
    /// # Errors
    /// As [`AdminAddress::send`], and what the daemon has to say when it refuses.
    pub fn call(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Result<Value, Failure> {
        self.send(method, path, kind, body)?.json()
    }
}

impl Reply {
    /// The JSON of the answer.
    ///
    /// # Errors
    /// What the daemon has to say when it refuses.
    pub fn json(&self) -> Result<Value, Failure> {
        let value = serde_json::from_slice::<Value>(&self.body).unwrap_or(Value::Null);
        if (200..300).contains(&self.status) {
            return Ok(value);
        }
        let words = value["error"]["message"].as_str().map(str::to_owned);
        let words = words.unwrap_or_else(|| String::from_utf8_lossy(&self.body).trim().to_owned());
        Err(Failure(format!("refused ({}): {words}", self.status)))
    }
}

/// Status and body of an answer.
fn split(answer: &[u8]) -> Option<Reply> {
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some(Reply { status, body: answer[end + 4..].to_vec() })
}

/// Text as one segment of a path.
pub fn segment(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            escaped.push(byte.into());
        } else {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_split_at_its_empty_line() {
        let reply = split(b"HTTP/1.0 404 Not Found\r\nA: b\r\n\r\n{}").unwrap();
        assert_eq!((reply.status, reply.body.as_slice()), (404, b"{}".as_slice()));
        assert!(split(b"220 smtp.example\r\n\r\n").is_none());
        assert!(split(b"HTTP/1.1 200 OK").is_none());
    }

    #[test]
    fn a_key_cannot_leave_its_segment() {
        assert_eq!(segment("10.0.0.0/8"), "10.0.0.0%2F8");
        assert_eq!(segment("a b?\r\n"), "a%20b%3F%0D%0A");
    }
}
