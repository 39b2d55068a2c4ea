//! The daemon's admin address, asked over plain HTTP. Whether a reply may be believed is said in [`reply`].

mod reply;

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use ureq::config::Config;
use ureq::http::{Method, Request};
use ureq::{Agent, AsSendBody};

use crate::outcome::Failure;
pub use reply::Reply;

/// Longest reply that is read, in bytes.
const REPLY_BYTES_MAX: u64 = 64 << 20;
/// Longest file with a token: a device that never ends is none.
const TOKEN_BYTES_MAX: u64 = 4096;
const TIMEOUT: Duration = Duration::from_secs(30);
/// A daemon that is slower to take a body in is taken for dead.
const BODY_BYTES_A_SECOND: usize = 100_000;

/// Where the daemon's admin address is, and what opens it.
#[derive(Args, Debug)]
pub struct AdminAddress {
    /// Admin address of the daemon, HOST:PORT; of a name with several addresses the first that answers
    #[arg(long, default_value = "127.0.0.1:8081", value_name = "ADDR", value_parser = host_and_port)]
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

impl AdminAddress {
    /// Sends one request.
    ///
    /// # Errors
    /// If there is no token, no connection or no whole reply.
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
        if name.as_ref().is_some_and(|name| name.chars().any(|c| !matches!(c, ' '..='~'))) {
            return Err(Failure("a name is one line of ASCII: give one with --by".to_owned()));
        }
        self.ask(method, path, kind, body, name.as_deref())
    }

    fn token(&self) -> Result<String, Failure> {
        let failed = |error: &dyn std::fmt::Display| {
            Failure::of(format!("the admin token, {}", self.token_file.display()), error)
        };
        let file = std::fs::File::open(&self.token_file).map_err(|error| failed(&error))?;
        let mut token = String::new();
        file.take(TOKEN_BYTES_MAX + 1).read_to_string(&mut token).map_err(|error| failed(&error))?;
        let token = token.trim();
        if token.is_empty()
            || token.len() as u64 > TOKEN_BYTES_MAX
            || !token.bytes().all(|b| b.is_ascii_graphic())
        {
            return Err(failed(&"expected one line with a token"));
        }
        Ok(token.to_owned())
    }

    fn ask(
        &self,
        method: &str,
        path: &str,
        kind: &str,
        body: &[u8],
        actor: Option<&str>,
    ) -> Result<Reply, Failure> {
        let token = self.token()?;
        let failed =
            |error: &dyn std::fmt::Display| Failure::of(format!("admin address {}", self.admin), error);
        let method: Method = method.parse().map_err(|error| failed(&error))?;
        let mut head = Request::builder()
            .method(&method)
            .uri(format!("http://{}{path}", self.admin))
            .header("Authorization", format!("Bearer {token}"))
            .header("Content-Type", kind);
        if let Some(name) = actor {
            head = head.header("Riskd-Actor", name);
        }
        // The reply to a large body comes once all of it is on disk.
        let patience = TIMEOUT + Duration::from_secs((body.len() / BODY_BYTES_A_SECOND) as u64);
        let agent = Agent::new_with_config(config(patience));
        let sent = if matches!(method, Method::POST | Method::PUT) {
            head.body(body).map_err(|error| failed(&error)).map(|request| exchange(&agent, request))
        } else {
            head.body(()).map_err(|error| failed(&error)).map(|request| exchange(&agent, request))
        };
        let (status, kind, body) = sent?.map_err(|error| failed(&error))?;
        Ok(Reply { from: self.admin.clone(), status, kind, body })
    }
}

/// The named host is asked and nobody else: no proxy of the environment, no redirect elsewhere.
fn config(patience: Duration) -> Config {
    Agent::config_builder()
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .timeout_connect(Some(TIMEOUT))
        .timeout_send_request(Some(TIMEOUT))
        .timeout_send_body(Some(patience))
        .timeout_recv_response(Some(patience))
        .timeout_recv_body(Some(TIMEOUT))
        .build()
}

/// Status, content type and body of the reply. A body that is shorter than its head says is an error.
fn exchange(agent: &Agent, request: Request<impl AsSendBody>) -> Result<(u16, String, Vec<u8>), ureq::Error> {
    let mut response = agent.run(request)?;
    let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or_default().to_owned();
    let body = response.body_mut().with_config().limit(REPLY_BYTES_MAX).read_to_vec()?;
    Ok((response.status().as_u16(), kind, body))
}

/// A host and a port, as they stand in a URL.
fn host_and_port(text: &str) -> Result<String, String> {
    let authority: Option<ureq::http::uri::Authority> = text.parse().ok();
    authority
        .filter(|authority| authority.port_u16().is_some() && !authority.as_str().contains('@'))
        .map(|authority| authority.to_string())
        .ok_or_else(|| "expected HOST:PORT, such as 127.0.0.1:8081 or [::1]:8081".to_owned())
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
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener};

    use ureq::http::Uri;
    use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
    use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

    use super::*;

    #[test]
    fn a_key_cannot_leave_its_segment() {
        assert_eq!(segment("10.0.0.0/8"), "10.0.0.0%2F8");
        assert_eq!(segment("a b?\r\n"), "a%20b%3F%0D%0A");
    }

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for good in ["127.0.0.1:8081", "[::1]:8081", "riskd.internal:8081"] {
            assert_eq!(host_and_port(good), Ok(good.to_owned()));
        }
        for bad in [
            "",
            "riskd.internal",
            "http://127.0.0.1:8081",
            "127.0.0.1:8081/v1",
            "me@host:1",
            "a b:1",
            "h:99999",
        ] {
            assert!(host_and_port(bad).is_err(), "{bad}");
        }
    }

    #[derive(Debug)]
    struct Named(Vec<SocketAddr>);

    impl Resolver for Named {
        fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
            let mut all = self.empty();
            self.0.iter().for_each(|&address| all.push(address));
            Ok(all)
        }
    }

    fn agent(addresses: Vec<SocketAddr>) -> Agent {
        Agent::with_parts(config(TIMEOUT), DefaultConnector::default(), Named(addresses))
    }

    #[test]
    fn of_a_name_with_several_addresses_those_that_refuse_are_passed_over() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let open = listener.local_addr().unwrap();
        // Bound and let go again: nobody listens there.
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let unreachable: SocketAddr = "[::1]:1".parse().unwrap();
        let server = std::thread::spawn(move || {
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().unwrap();
                let mut head = [0; 4096];
                assert!(stream.read(&mut head).unwrap() > 0);
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}").unwrap();
            }
        });
        for addresses in [vec![closed, open], vec![unreachable, closed, open]] {
            let agent = agent(addresses);
            let request = Request::get("http://riskd.test:8081/v1/demoted").body(()).unwrap();
            let (status, kind, body) = exchange(&agent, request).unwrap();
            assert_eq!((status, kind.as_str(), body.as_slice()), (200, "application/json", b"{}".as_slice()));
        }
        server.join().unwrap();
        let request = Request::get("http://riskd.test:8081/v1/demoted").body(()).unwrap();
        assert!(exchange(&agent(vec![closed]), request).is_err());
    }
}
