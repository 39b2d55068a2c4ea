//! What can go wrong, sorted by what the caller can do about it.

use std::fmt;

use wire::DecodeError;

/// Why there is no connection.
#[derive(Debug)]
pub enum ConnectError {
    /// A certificate, key or server name that cannot be used: change it.
    Trust(String),
    /// The daemon was not reached, or either side did not trust the other: try again, elsewhere perhaps.
    Unreachable(String),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectError::Trust(why) => write!(f, "cannot set up TLS: {why}"),
            ConnectError::Unreachable(why) => write!(f, "cannot reach the daemon: {why}"),
        }
    }
}

impl std::error::Error for ConnectError {}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientError {
    /// The request does not fit the wire and was not sent: change it.
    Request(DecodeError),
    /// The daemon refused the request: its code says whether to change it or to wait.
    Refused(DecodeError),
    /// The connection is gone. Whether the request was decided is not known; the same ids may be asked again on
    /// another connection, and what was decided is answered as replayed.
    Lost(String),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::Request(why) => write!(f, "not sent: {why}"),
            ClientError::Refused(why) => write!(f, "refused: {why}"),
            ClientError::Lost(why) => write!(f, "connection lost: {why}"),
        }
    }
}

impl std::error::Error for ClientError {}

impl From<std::io::Error> for ClientError {
    fn from(error: std::io::Error) -> ClientError {
        ClientError::Lost(error.to_string())
    }
}
