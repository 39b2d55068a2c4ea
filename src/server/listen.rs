//! Sockets. Every worker has its own on the same address (`SO_REUSEPORT`), so that a connection lives its whole life on
//! one thread; the kernel spreads callers over them. All are bound before anything is served.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;
/// Buffers of the QUIC sockets: a burst of a few milliseconds at full rate. The kernel may grant less.
const UDP_BUFFER_BYTES: usize = 4 << 20;

/// A door that could not be opened.
#[derive(Debug)]
pub struct ListenError {
    /// Which: `http`, `quic`, `unix` or `admin`.
    pub door: &'static str,
    /// Where.
    pub address: String,
    /// Why.
    pub error: io::Error,
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {} address {}: {}", self.door, self.address, self.error)
    }
}

impl std::error::Error for ListenError {}

/// TCP listeners on one address, one for each of `count` workers.
pub fn tcp(door: &'static str, address: SocketAddr, count: usize) -> Result<Vec<TcpListener>, ListenError> {
    let bind = |address, shared| -> io::Result<TcpListener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(shared)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    shared(address, count, bind, TcpListener::local_addr).map_err(|error| ListenError {
        door,
        address: address.to_string(),
        error,
    })
}

/// UDP sockets on one address, one for each of `count` workers.
pub fn udp(door: &'static str, address: SocketAddr, count: usize) -> Result<Vec<UdpSocket>, ListenError> {
    let bind = |address, shared| -> io::Result<UdpSocket> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_reuse_port(shared)?;
        socket.set_nonblocking(true)?;
        // Best effort: the kernel's bound is the operator's to raise.
        let _ = socket.set_recv_buffer_size(UDP_BUFFER_BYTES);
        let _ = socket.set_send_buffer_size(UDP_BUFFER_BYTES);
        socket.bind(&address.into())?;
        Ok(socket.into())
    };
    shared(address, count, bind, UdpSocket::local_addr).map_err(|error| ListenError {
        door,
        address: address.to_string(),
        error,
    })
}

/// Binds `count` sockets to one address. A first bind that does not share finds out whether another process listens
/// there already: sharing would silently give it half of our callers.
fn shared<S>(
    address: SocketAddr,
    count: usize,
    bind: impl Fn(SocketAddr, bool) -> io::Result<S>,
    local: impl Fn(&S) -> io::Result<SocketAddr>,
) -> io::Result<Vec<S>> {
    drop(bind(address, false)?);
    let first = bind(address, true)?;
    // Port 0 is decided by the first.
    let address = local(&first)?;
    let mut sockets = vec![first];
    while sockets.len() < count {
        sockets.push(bind(address, true)?);
    }
    Ok(sockets)
}

/// A Unix listener, accepted from by `count` workers in turn. A socket file that nobody answers on is left over from a
/// crash and is replaced.
pub fn unix(path: &Path, count: usize) -> Result<Vec<UnixListener>, ListenError> {
    let open = || -> io::Result<Vec<UnixListener>> {
        if path.exists() {
            if UnixStream::connect(path).is_ok() {
                return Err(io::ErrorKind::AddrInUse.into());
            }
            std::fs::remove_file(path)?;
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
        listener.set_nonblocking(true)?;
        let mut listeners = Vec::new();
        for _ in 1..count {
            listeners.push(listener.try_clone()?);
        }
        listeners.push(listener);
        Ok(listeners)
    };
    open().map_err(|error| ListenError { door: "unix", address: path.display().to_string(), error })
}

/// Where a running daemon answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// Checks as JSON.
    pub http: Option<SocketAddr>,
    /// Checks as frames.
    pub quic: Option<SocketAddr>,
    /// Checks as frames.
    pub unix: Option<PathBuf>,
    /// Lists, reload, explain, metrics.
    pub admin: Option<SocketAddr>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_share_a_port_and_strangers_do_not() {
        let any = "127.0.0.1:0".parse().unwrap();
        let ours = tcp("http", any, 3).unwrap();
        let address = ours[0].local_addr().unwrap();
        assert!(ours.iter().all(|listener| listener.local_addr().unwrap() == address));
        let refused = tcp("http", address, 1).unwrap_err().to_string();
        assert!(refused.contains("http") && refused.contains(&address.to_string()), "{refused}");
        let ours = udp("quic", any, 2).unwrap();
        udp("quic", ours[1].local_addr().unwrap(), 1).unwrap_err();
    }

    #[test]
    fn a_socket_file_left_by_a_crash_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("riskd.sock");
        let live = unix(&path, 2).unwrap();
        assert!(unix(&path, 1).is_err());
        drop(live);
        assert!(path.exists());
        unix(&path, 1).unwrap();
    }
}
