//! Where to send. Only this machine: a load generator that can be pointed at strangers will be.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Where the checks go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Frames over QUIC.
    Quic(SocketAddr),
    /// Frames over a Unix socket.
    Unix(PathBuf),
    /// JSON over HTTP/1.1.
    Http(SocketAddr),
    /// Frames over a Unix socket to a constant answer in this process.
    Echo,
}

/// Why a target is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetError {
    /// None of the forms.
    Form(String),
    /// Not this machine.
    NotLoopback(String),
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TargetError::Form(text) => write!(
                f,
                "`{text}` is no target: expected quic://127.0.0.1:9443, unix:///path/of/socket, http://127.0.0.1:8080 or echo"
            ),
            TargetError::NotLoopback(host) => {
                write!(
                    f,
                    "`{host}` is not this machine: only loopback addresses (127.0.0.0/8, ::1, localhost) are loaded"
                )
            }
        }
    }
}

impl std::error::Error for TargetError {}

impl Target {
    /// The target of that text.
    ///
    /// # Errors
    /// A form that is none of the four, or an address that is not loopback. Names are not looked up.
    pub fn parse(text: &str) -> Result<Target, TargetError> {
        let form = || TargetError::Form(text.to_owned());
        if text == "echo" {
            return Ok(Target::Echo);
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(form)?;
        match scheme {
            "unix" if rest.starts_with('/') && rest.len() > 1 => Ok(Target::Unix(PathBuf::from(rest))),
            "quic" => Ok(Target::Quic(loopback(rest.trim_end_matches('/')).ok_or_else(form)??)),
            "http" => Ok(Target::Http(loopback(rest.trim_end_matches('/')).ok_or_else(form)??)),
            _ => Err(form()),
        }
    }
}

/// Host and port; absent when there is no port.
fn loopback(text: &str) -> Option<Result<SocketAddr, TargetError>> {
    let (host, port) = text.rsplit_once(':')?;
    let port: u16 = port.parse().ok()?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let address = if host == "localhost" { Some(IpAddr::V4(Ipv4Addr::LOCALHOST)) } else { bare.parse().ok() };
    match address {
        Some(address) if address.is_loopback() => Some(Ok(SocketAddr::new(address, port))),
        _ => Some(Err(TargetError::NotLoopback(host.to_owned()))),
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Quic(address) => write!(f, "quic://{address}"),
            Target::Unix(path) => write!(f, "unix://{}", path.display()),
            Target::Http(address) => write!(f, "http://{address}"),
            Target::Echo => f.write_str("echo"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_taken_in_every_form() {
        for text in ["quic://127.0.0.1:9443", "unix:///run/riskd.sock", "http://[::1]:8080", "echo"] {
            assert_eq!(Target::parse(text).map(|target| target.to_string()), Ok(text.to_owned()));
        }
        assert_eq!(Target::parse("http://localhost:80/"), Target::parse("http://127.0.0.1:80"));
    }

    #[test]
    fn every_other_machine_is_refused_without_looking_its_name_up() {
        for host in [
            "10.0.0.1",
            "8.8.8.8",
            "0.0.0.0",
            "[::]",
            "[2001:db8::1]",
            "example.com",
            "localhost.example",
            "[::ffff:8.8.8.8]",
        ] {
            for scheme in ["quic", "http"] {
                let refused = Target::parse(&format!("{scheme}://{host}:80"));
                assert!(matches!(refused, Err(TargetError::NotLoopback(_))), "{host}: {refused:?}");
            }
        }
    }

    #[test]
    fn anything_else_is_no_target() {
        for text in [
            "",
            "quic://",
            "quic://127.0.0.1",
            "http://127.0.0.1:99999",
            "unix://",
            "unix://relative",
            "ftp://127.0.0.1:1",
        ] {
            assert!(matches!(Target::parse(text), Err(TargetError::Form(_))), "{text}");
        }
    }
}
