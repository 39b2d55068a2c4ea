//! A server that decides nothing: it reads frames and allows everything. What a daemon adds to a latency is what it takes
//! beyond this, measured in the same minute on the same machine.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;

use wire::frame::{self, AnswersWriter};
use wire::{AnswerHead, DecodeError, Verdict};

const READ_BYTES: usize = 64 << 10;

/// A running echo; ends when dropped.
pub struct Echo {
    path: PathBuf,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    /// Starts one on a socket of its own.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn start() -> io::Result<Echo> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("riskd-echo-{}-{number}.sock", std::process::id()));
        let listener = UnixListener::bind(&path)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                if let Ok(stream) = stream {
                    // Its caller's end ends it.
                    std::thread::spawn(move || drop(answer(stream)));
                }
            }
        });
        Ok(Echo { path, stop, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // One more caller wakes the listener, which then sees that it is over.
        let woken = UnixStream::connect(&self.path).is_ok();
        if let Some(thread) = self.thread.take()
            && woken
        {
            let _ = thread.join();
        }
        let _ = std::fs::remove_file(&self.path);
    }
}

fn answer(mut stream: UnixStream) -> io::Result<()> {
    let mut received = Vec::new();
    let mut chunk = vec![0; READ_BYTES];
    let mut out = Vec::new();
    loop {
        let read = stream.read(&mut chunk)?;
        if read == 0 {
            return Ok(());
        }
        received.extend_from_slice(&chunk[..read]);
        let mut done = 0;
        while let Some(frame) = frame::split(&received[done..]).map_err(invalid)? {
            allow_all(&frame, &mut out).map_err(invalid)?;
            done += frame.bytes;
        }
        received.drain(..done);
        stream.write_all(&out)?;
        out.clear();
    }
}

fn allow_all(frame: &frame::Frame<'_>, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let mut writer = AnswersWriter::new(frame.header.tag, "echo", "", out);
    for check in frame::decode_checks(&frame.header, frame.body)? {
        match check {
            Ok(check) => writer.push(
                &AnswerHead {
                    id: &check.id,
                    verdict: Verdict::Allow,
                    challenge: None,
                    score: 0.0,
                    degraded: 0,
                    replayed: false,
                    policy: "echo",
                    model: "",
                    decision: 0,
                },
                [],
            )?,
            Err(error) => writer.push_error(&error)?,
        }
    }
    Ok(())
}

fn invalid(error: DecodeError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
