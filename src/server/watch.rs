//! Reloading by itself: watches the folders of rules and models, waits until they have been quiet for a moment, and reloads.
//!
//! An editor saves in several steps, and a deployment copies several files: each change begins the quiet anew. A deployment
//! may as well put another folder in the place of one, or make one that was not there. The system watches what a name stands
//! for and not the name, so every folder on the way is watched too, and all of them anew before each reading.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::timeout;

use crate::config::Config;
use crate::reload::Reloader;

/// Changes waiting to be seen: one says as much as many.
const WAITING_MAX: usize = 1;
/// How often the quiet begins anew before a reload: files that are written without end are read all the same.
const QUIETS_MAX: u32 = 20;

/// The folders of rules and models under watch: what has changed since [`Changes::watch`] and is not yet reloaded.
pub struct Changes {
    watched: Watched,
    changed: Receiver<()>,
    quiet: Duration,
    watcher: RecommendedWatcher,
}

/// What is watched, and who is told.
#[derive(Clone)]
struct Watched {
    folders: Arc<[PathBuf]>,
    tell: Sender<()>,
}

impl Changes {
    /// Watches the folders, if that is configured and the system can. Called before the files are first read: what changes
    /// while the daemon starts is then either read by the start or reloaded after it.
    pub fn watch(config: &Config) -> Option<Changes> {
        if !config.policy.watch {
            return None;
        }
        let failed = |error: &notify::Error| {
            tracing::error!(%error, "the rules are not watched: reload by call or signal");
        };
        Changes::begin(config).inspect_err(failed).ok()
    }

    fn begin(config: &Config) -> notify::Result<Changes> {
        let named = [&config.policy.dir, &config.models.dir];
        let named = named.into_iter().filter(|folder| !folder.as_os_str().is_empty());
        let folders = named.map(std::path::absolute).collect::<Result<_, _>>().map_err(notify::Error::io)?;
        let (tell, changed) = mpsc::channel(WAITING_MAX);
        let watched = Watched { folders, tell };
        let watcher = watched.watcher()?;
        let quiet = Duration::from_millis(config.policy.watch_quiet_ms);
        Ok(Changes { watched, changed, quiet, watcher })
    }

    /// Reloads whenever the folders have changed and then been quiet, for ever.
    pub async fn reload(mut self, reloader: Arc<Reloader>) {
        loop {
            self.settled().await;
            let (watched, reloader) = (self.watched.clone(), reloader.clone());
            let anew = tokio::task::spawn_blocking(move || {
                let watcher = watched.watcher();
                // The refusal is logged and counted; the old snapshot serves on.
                let _ = reloader.reload("files changed");
                watcher
            });
            match anew.await {
                Ok(Ok(watcher)) => self.watcher = watcher,
                Ok(Err(error)) => tracing::error!(%error, "the folders are watched as they were before"),
                // What panicked has said so.
                Err(_) => {}
            }
        }
    }

    /// Waits for a change with a quiet time after it, or with too many changes for that.
    async fn settled(&mut self) {
        // A sender is kept here: there is always another change to wait for.
        let _ = self.changed.recv().await;
        let quiet = self.quiet;
        let until_quiet = async { while timeout(quiet, self.changed.recv()).await.is_ok() {} };
        let _ = timeout(quiet.saturating_mul(QUIETS_MAX), until_quiet).await;
    }
}

impl Watched {
    fn watcher(&self) -> notify::Result<RecommendedWatcher> {
        let watched = self.clone();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.map_or(true, |event| watched.concerns(&event)) {
                // Full means that a change is waiting already.
                let _ = watched.tell.try_send(());
            }
        })?;
        // First what is above: one of the folders may be on the way to the other.
        let above = self.folders.iter().flat_map(|folder| folder.ancestors().skip(1));
        for above in above.filter(|above| above.is_dir()) {
            // Where the daemon may not look, nothing is seen; the folders themselves it must see.
            let _ = watcher.watch(above, RecursiveMode::NonRecursive);
        }
        for folder in self.folders.iter().filter(|folder| folder.is_dir()) {
            watcher.watch(folder, RecursiveMode::Recursive)?;
        }
        Ok(watcher)
    }

    /// Whether something within a folder has changed, or what its name stands for.
    fn concerns(&self, event: &Event) -> bool {
        let on_the_way = |path: &Path| {
            self.folders.iter().any(|folder| path.starts_with(folder) || folder.starts_with(path))
        };
        // Reading the files is an event as well: that must not lead to reading them again. Events that were lost have no path.
        !event.kind.is_access() && (event.paths.is_empty() || event.paths.iter().any(|path| on_the_way(path)))
    }
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
        runtime.block_on(async { timeout(within, changes.settled()).await }).is_ok()
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
    fn what_changes_beside_the_folders_is_no_change_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let rules = folder.path().join("rules");
        std::fs::create_dir(&rules).unwrap();
        let mut changes = watching(&rules);
        std::fs::write(folder.path().join("rules.old"), "").unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        assert!(!settles(&mut changes, Duration::from_millis(200)));
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
