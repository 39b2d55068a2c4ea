//! Signals of the process. SIGHUP reloads, SIGTERM and SIGINT end the daemon.

use std::io;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that the process takes.
pub struct Signals {
    runtime: Runtime,
    hang_up: Signal,
}

impl Signals {
    /// Takes SIGHUP from now on and remembers it: made before the daemon starts, since one that nobody takes ends the process.
    /// The other two do end it until it serves: a start that takes long can be stopped, and there is nothing to finish.
    ///
    /// # Errors
    /// The system takes no signal handlers.
    pub fn take() -> io::Result<Signals> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let hang_up = runtime.block_on(async { signal(SignalKind::hangup()) })?;
        Ok(Signals { runtime, hang_up })
    }

    /// Says that it serves and waits for the end. Meanwhile reloads at each SIGHUP, those that come during one by one more;
    /// the end does not wait for it.
    pub(crate) fn wait(
        self,
        serving: impl FnOnce(),
        reload: impl Fn() + Clone + Send + 'static,
    ) -> io::Result<()> {
        let Signals { runtime, mut hang_up } = self;
        let ended = runtime.block_on(async {
            let mut terminate = signal(SignalKind::terminate())?;
            let mut interrupt = signal(SignalKind::interrupt())?;
            serving();
            tokio::spawn(async move {
                while hang_up.recv().await.is_some() {
                    // One that panicked said so.
                    let _ = tokio::task::spawn_blocking(reload.clone()).await;
                }
            });
            tokio::select! {
                _ = terminate.recv() => Ok(()),
                _ = interrupt.recv() => Ok(()),
            }
        });
        // A reload that is at work ends with the process.
        runtime.shutdown_background();
        ended
    }
}
