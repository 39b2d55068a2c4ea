//! Reloading by itself: watches the folders of rules and models, waits until they have been quiet for a moment, and reloads.
//!
//! An editor saves in several steps, and a deployment copies several files: each change begins the quiet anew.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::config::Config;
use crate::reload::Reloader;

/// Changes waiting to be seen: one says as much as many.
const WAITING_MAX: usize = 1;

/// The folders of rules and models under watch: what has changed since [`Changes::watch`] and is not yet reloaded.
pub struct Changes {
    changed: Receiver<()>,
    quiet: Duration,
    _watcher: RecommendedWatcher,
}

impl Changes {
    /// Watches the folders, if that is configured and the system can. Called before the files are first read: what changes
    /// while the daemon starts is then either read by the start or reloaded after it.
    pub fn watch(config: &Config) -> Option<Changes> {
        if !config.policy.watch {
            return None;
        }
        let (tell, changed) = mpsc::channel(WAITING_MAX);
        match watcher(tell, [&config.policy.dir, &config.models.dir]) {
            Ok(watcher) => {
                let quiet = Duration::from_millis(config.policy.watch_quiet_ms);
                Some(Changes { changed, quiet, _watcher: watcher })
            }
            Err(error) => {
                tracing::error!(%error, "the rules are not watched: reload by call or signal");
                None
            }
        }
    }

    /// Reloads whenever the folders have changed and then been quiet, for as long as they are watched.
    pub async fn reload(mut self, reloader: Arc<Reloader>) {
        while self.settled().await {
            let reloader = reloader.clone();
            // The refusal is logged and counted; the old snapshot serves on.
            let _ = tokio::task::spawn_blocking(move || reloader.reload("files changed")).await;
        }
    }

    /// Waits for a change with a quiet time after it; `false` if there will be none.
    async fn settled(&mut self) -> bool {
        if self.changed.recv().await.is_none() {
            return false;
        }
        while let Ok(Some(())) = tokio::time::timeout(self.quiet, self.changed.recv()).await {}
        true
    }
}

fn watcher(tell: Sender<()>, folders: [&Path; 2]) -> notify::Result<RecommendedWatcher> {
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
    Ok(watcher)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watching(folder: &Path) -> Changes {
        let mut config = Config::default();
        (config.policy.watch, config.policy.watch_quiet_ms) = (true, 5);
        (config.policy.dir, config.models.dir) = (folder.into(), folder.join("no such folder"));
        Changes::watch(&config).expect("the system can watch a folder")
    }

    fn settles(changes: &mut Changes, within: Duration) -> bool {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { tokio::time::timeout(within, changes.settled()).await }) == Ok(true)
    }

    // A daemon that was watched only once it served missed what changed between its first reading and then.
    #[test]
    fn a_change_made_before_anybody_waits_for_one_is_not_missed() {
        let folder = tempfile::tempdir().unwrap();
        let mut changes = watching(folder.path());
        std::fs::write(folder.path().join("rules.yaml"), "rules: []").unwrap();
        assert!(settles(&mut changes, Duration::from_secs(30)));
    }

    #[test]
    fn reading_the_files_is_no_change() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rules.yaml");
        std::fs::write(&file, "rules: []").unwrap();
        let mut changes = watching(folder.path());
        assert_eq!(std::fs::read(&file).unwrap(), b"rules: []");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(!settles(&mut changes, Duration::from_millis(200)));
    }
}
