//! Frames over the Unix socket. Who may connect is decided by the permissions of its file.

use std::rc::Rc;

use tokio::net::{UnixListener, UnixStream};

use crate::metrics::Door;
use crate::session;
use crate::worker::Worker;

/// Takes connections until the daemon drains. The listener is shared by all workers: whoever is free takes the next.
pub async fn accept(worker: Rc<Worker>, listener: UnixListener) {
    let accept = async || listener.accept().await.map(|(stream, _)| stream);
    worker.accept_all(Door::Unix, accept, serve).await;
}

async fn serve(worker: Rc<Worker>, stream: UnixStream) {
    let (input, output) = stream.into_split();
    // Whatever ended it, the caller is gone or has been told.
    let _ = session::run(&worker, input, output).await;
}
