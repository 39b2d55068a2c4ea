//! Reloading by itself: watches the folders of rules and models, waits until they have been quiet for a moment, and reloads.
//!
//! An editor saves in several steps, and a deployment copies several files: each change begins the quiet anew.

use std::future::pending;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc::{self, Receiver};

use crate::config::Config;
use crate::reload::Reloader;

/// Changes waiting to be seen: one says as much as many.
const WAITING_MAX: usize = 1;

/// Reloads whenever the folders change, for ever; returns only if they are not to be watched or cannot be.
pub async fn watch(config: &Config, reloader: Arc<Reloader>) {
    if !config.policy.watch {
        return;
    }
    let (_watcher, mut changes) = match watcher([&config.policy.dir, &config.models.dir]) {
        Ok(watching) => watching,
        Err(error) => {
            tracing::error!(%error, "the rules are not watched: reload by call or signal");
            return;
        }
    };
    let quiet = Duration::from_millis(config.policy.watch_quiet_ms);
    while changes.recv().await.is_some() {
        while let Ok(Some(())) = tokio::time::timeout(quiet, changes.recv()).await {}
        let reloader = reloader.clone();
        // The refusal is logged and counted; the old snapshot serves on.
        let _ = tokio::task::spawn_blocking(move || reloader.reload("files changed")).await;
    }
    pending::<()>().await;
}

fn watcher(folders: [&Path; 2]) -> notify::Result<(RecommendedWatcher, Receiver<()>)> {
    let (tell, changes) = mpsc::channel(WAITING_MAX);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // Reading the files is an event as well: that must not lead to reading them again.
        if event.map_or(true, |event| !event.kind.is_access()) {
            // Full means that a change is waiting already.
            let _ = tell.try_send(());
        }
    })?;
    for folder in folders.into_iter().filter(|folder| folder.is_dir()) {
        watcher.watch(folder, RecursiveMode::Recursive)?;
    }
    Ok((watcher, changes))
}
