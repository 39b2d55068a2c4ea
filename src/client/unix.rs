//! A connection over a Unix socket: the same frames, trust by the file's permissions.

use std::path::Path;

use tokio::net::UnixStream;

use crate::error::ConnectError;
use crate::stream::{Receiver, Sender};

/// Connects to a daemon on this machine.
///
/// # Errors
/// Nobody listens there, or we may not connect.
pub async fn connect_unix(path: impl AsRef<Path>) -> Result<(Sender, Receiver), ConnectError> {
    let path = path.as_ref();
    let stream = UnixStream::connect(path)
        .await
        .map_err(|error| ConnectError::Unreachable(format!("{}: {error}", path.display())))?;
    let (receive, send) = stream.into_split();
    Ok((Sender::unix(send), Receiver::unix(receive)))
}
