//! One stream shared by any number of tasks.
//!
//! Two tasks own the halves, so that a caller who gives up (a time-out, a dropped future) leaves neither half a
//! frame behind nor an answer to somebody else. Frames that wait together go out in one write.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use wire::frame::{self, FrameKind};
use wire::{Check, DecodeError, Outcome, OwnedAnswer};

use crate::error::{ClientError, ConnectError};
use crate::quic::connect_quic;
use crate::stream::{Receiver, Replied, Reply, Sender};
use crate::trust::Trust;

/// Frames that may wait to be written before callers wait too.
const QUEUED_FRAMES_MAX: usize = 256;
/// Frames written together stay below this, as long as each does alone.
const WRITE_BYTES: usize = 256 << 10;
/// How long the daemon has to end its side of a stream once ours has ended.
const LINGER: Duration = Duration::from_secs(2);

/// A connection to a daemon. Clones share it; it closes with the last of them.
#[derive(Clone, Debug)]
pub struct Client {
    frames: mpsc::Sender<Vec<u8>>,
    waiting: Arc<Mutex<Waiting>>,
    next_tag: Arc<AtomicU32>,
}

/// Who waits for which tag, until the connection is lost.
#[derive(Debug)]
enum Waiting {
    Open(HashMap<u32, oneshot::Sender<Owned>>),
    Lost(ClientError),
}

/// A reply that outlives the buffer it was read from.
#[derive(Debug)]
enum Owned {
    Answers(Vec<Result<OwnedAnswer, DecodeError>>),
    Results(Vec<Result<(), DecodeError>>),
    Pong,
    Refused(DecodeError),
}

impl Client {
    /// Connects over QUIC to a daemon whose certificate bears that name.
    ///
    /// # Errors
    /// The certificates cannot be used, or the daemon is not reached or not trusted.
    pub async fn connect_quic(
        address: SocketAddr,
        server_name: &str,
        trust: Trust,
    ) -> Result<Client, ConnectError> {
        let connection = connect_quic(address, server_name, trust).await?;
        let (sender, receiver) =
            connection.open().await.map_err(|error| ConnectError::Unreachable(error.to_string()))?;
        Ok(Client::new(sender, receiver))
    }

    /// Connects to a daemon on this machine.
    ///
    /// # Errors
    /// Nobody listens there, or we may not connect.
    #[cfg(unix)]
    pub async fn connect_unix(path: impl AsRef<Path>) -> Result<Client, ConnectError> {
        let (sender, receiver) = crate::unix::connect_unix(path).await?;
        Ok(Client::new(sender, receiver))
    }

    /// Shares a stream. Must be called within a tokio runtime, which then runs it.
    pub fn new(sender: Sender, receiver: Receiver) -> Client {
        let (frames, queue) = mpsc::channel(QUEUED_FRAMES_MAX);
        let waiting = Arc::new(Mutex::new(Waiting::Open(HashMap::new())));
        let reader = tokio::spawn(read(receiver, Arc::clone(&waiting)));
        tokio::spawn(write(sender, queue, Arc::clone(&waiting), reader));
        Client { frames, waiting, next_tag: Arc::default() }
    }

    /// Asks about one event.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn check(&self, check: &Check<'_>) -> Result<OwnedAnswer, ClientError> {
        let mut answers = self.check_batch(std::slice::from_ref(check)).await?;
        answers.pop().ok_or_else(|| mismatch(1, 0))?.map_err(ClientError::Refused)
    }

    /// Asks about many events at once, at most [`wire::limits::BATCH_CHECKS_MAX`]. They are answered in order, each
    /// with an answer or with why there is none.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn check_batch(
        &self,
        checks: &[Check<'_>],
    ) -> Result<Vec<Result<OwnedAnswer, DecodeError>>, ClientError> {
        match self.ask(|tag, out| frame::encode_checks(tag, checks, out)).await? {
            Owned::Answers(answers) if answers.len() == checks.len() => Ok(answers),
            Owned::Answers(answers) => Err(mismatch(checks.len(), answers.len())),
            other => Err(other.unexpected()),
        }
    }

    /// Tells what became of one event.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn outcome(&self, outcome: &Outcome<'_>) -> Result<(), ClientError> {
        let mut results = self.outcome_batch(std::slice::from_ref(outcome)).await?;
        results.pop().ok_or_else(|| mismatch(1, 0))?.map_err(ClientError::Refused)
    }

    /// Tells what became of many events at once, at most [`wire::limits::BATCH_CHECKS_MAX`].
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn outcome_batch(
        &self,
        outcomes: &[Outcome<'_>],
    ) -> Result<Vec<Result<(), DecodeError>>, ClientError> {
        match self.ask(|tag, out| frame::encode_outcomes(tag, outcomes, out)).await? {
            Owned::Results(results) if results.len() == outcomes.len() => Ok(results),
            Owned::Results(results) => Err(mismatch(outcomes.len(), results.len())),
            other => Err(other.unexpected()),
        }
    }

    /// Asks whether the daemon is there.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn ping(&self) -> Result<(), ClientError> {
        let ping = |tag, out: &mut Vec<u8>| {
            frame::encode_empty(FrameKind::Ping, tag, out);
            Ok(())
        };
        match self.ask(ping).await? {
            Owned::Pong => Ok(()),
            other => Err(other.unexpected()),
        }
    }

    /// Sends a frame and waits for the reply of its tag.
    async fn ask(
        &self,
        encode: impl FnOnce(u32, &mut Vec<u8>) -> Result<(), DecodeError>,
    ) -> Result<Owned, ClientError> {
        let tag = self.next_tag.fetch_add(1, Ordering::Relaxed);
        let mut bytes = Vec::new();
        encode(tag, &mut bytes).map_err(ClientError::Request)?;
        let reply = self.expect(tag)?;
        // The writer ends only with the connection, whose loss the waiting side then tells.
        if self.frames.send(bytes).await.is_err() {
            lock(&self.waiting).lose(&ClientError::Lost("the writer has ended".to_owned()));
        }
        match reply.await {
            Ok(reply) => Ok(reply),
            Err(_) => Err(lock(&self.waiting).why()),
        }
    }

    fn expect(&self, tag: u32) -> Result<oneshot::Receiver<Owned>, ClientError> {
        let (reply, expected) = oneshot::channel();
        match &mut *lock(&self.waiting) {
            Waiting::Open(tags) => {
                tags.insert(tag, reply);
                Ok(expected)
            }
            Waiting::Lost(why) => Err(why.clone()),
        }
    }
}

impl Waiting {
    fn take(&mut self, tag: u32) -> Option<oneshot::Sender<Owned>> {
        match self {
            Waiting::Open(tags) => tags.remove(&tag),
            Waiting::Lost(_) => None,
        }
    }

    /// Lets go of everybody who waits. The first reason stands.
    fn lose(&mut self, why: &ClientError) {
        if let Waiting::Open(_) = self {
            *self = Waiting::Lost(why.clone());
        }
    }

    fn why(&self) -> ClientError {
        match self {
            Waiting::Lost(why) => why.clone(),
            Waiting::Open(_) => ClientError::Lost("another frame took this tag".to_owned()),
        }
    }
}

impl Owned {
    fn new(reply: Replied<'_>) -> Owned {
        match reply {
            Replied::Answers(answers) => {
                Owned::Answers(answers.map(|answer| answer.map(|answer| answer.to_owned_answer())).collect())
            }
            Replied::Results(results) => Owned::Results(results.collect()),
            Replied::Pong => Owned::Pong,
            Replied::Refused(error) => Owned::Refused(error),
        }
    }

    fn unexpected(self) -> ClientError {
        match self {
            Owned::Refused(error) => ClientError::Refused(error),
            _ => ClientError::Lost("a reply of another kind than the request's".to_owned()),
        }
    }
}

async fn write(
    mut sender: Sender,
    mut queue: mpsc::Receiver<Vec<u8>>,
    waiting: Arc<Mutex<Waiting>>,
    reader: JoinHandle<()>,
) {
    while let Some(mut bytes) = queue.recv().await {
        while bytes.len() < WRITE_BYTES
            && let Ok(more) = queue.try_recv()
        {
            bytes.extend_from_slice(&more);
        }
        if let Err(error) = sender.send_bytes(&bytes).await {
            lock(&waiting).lose(&error);
            return reader.abort();
        }
    }
    // The last client is gone and nobody waits. The daemon ends its side when it sees ours ended; if it does not,
    // the connection is let go all the same.
    let _ = sender.finish().await;
    let stop = reader.abort_handle();
    if tokio::time::timeout(LINGER, reader).await.is_err() {
        stop.abort();
    }
}

async fn read(mut receiver: Receiver, waiting: Arc<Mutex<Waiting>>) {
    let lost = loop {
        match receiver.reply().await {
            Ok(Some(Reply { tag, replied })) => {
                let asker = lock(&waiting).take(tag);
                if let Some(asker) = asker {
                    // An asker that is gone has given up.
                    let _ = asker.send(Owned::new(replied));
                }
            }
            Ok(None) => break ClientError::Lost("the daemon ended the stream".to_owned()),
            Err(error) => break error,
        }
    };
    lock(&waiting).lose(&lost);
}

/// A panic elsewhere leaves the map whole: nothing is done under the lock but to insert and remove.
fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

fn mismatch(asked: usize, answered: usize) -> ClientError {
    ClientError::Lost(format!("{answered} items in reply to {asked}"))
}
