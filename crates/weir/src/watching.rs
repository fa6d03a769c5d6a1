//! `watch: true`: the configuration is read again when its file has changed.
//!
//! The file is looked at once a second rather than watched by the system, because that also works where it lies on another machine,
//! behind links, or in a directory that is exchanged as a whole. A change is used when two looks in a row have seen the same, so that
//! half a file is not read while somebody writes it. A file that is gone for a moment is no change.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{AbortHandle, spawn_blocking};

/// How often the file is looked at. A change is used after two of these at most.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How a file was when it was looked at: the path behind all links, device and number, times, length. `None` when it was not there.
type Stamp = Option<(PathBuf, [u64; 2], [i64; 4], u64)>;

/// A file, and how it was before it was read.
#[derive(Debug, Clone)]
pub(crate) struct WatchedFile {
    /// The file.
    pub(crate) path: PathBuf,
    read: Stamp,
}

impl WatchedFile {
    /// This file, before it is read: what changes meanwhile is seen by the first look.
    pub(crate) fn before_reading(path: PathBuf) -> Self {
        let read = stamp(&path);
        Self { path, read }
    }
}

/// Looks at a file for as long as it lives.
#[derive(Debug)]
pub(crate) struct Watcher {
    looking: AbortHandle,
    changed: mpsc::Receiver<()>,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.looking.abort();
    }
}

impl Watcher {
    /// Looks at this file from now on.
    pub(crate) fn begin(file: WatchedFile) -> Self {
        let (tell, changed) = mpsc::channel(1);
        let looking = tokio::spawn(look(file, tell)).abort_handle();
        Self { looking, changed }
    }

    /// Waits until the file has changed since the last time, and has come to rest. Cancel safe.
    pub(crate) async fn changed(&mut self) {
        if self.changed.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a file does not say when it changes")]
async fn look(file: WatchedFile, tell: mpsc::Sender<()>) {
    let WatchedFile { path: file, read: mut used } = file;
    let mut seen = used.clone();
    loop {
        tokio::time::sleep(LOOK_INTERVAL).await;
        let now = stamp_of(&file).await;
        if now.is_some() && now != used && now == seen {
            used.clone_from(&now);
            // When the last word has not been heard yet, that one is enough.
            let _ = tell.try_send(());
        }
        seen = now;
    }
}

async fn stamp_of(file: &Path) -> Stamp {
    let file = file.to_owned();
    // It may lie where somebody has to be waited for.
    spawn_blocking(move || stamp(&file)).await.ok().flatten()
}

fn stamp(file: &Path) -> Stamp {
    let path = fs::canonicalize(file).ok()?;
    let data = fs::metadata(&path).ok()?;
    let times = [data.mtime(), data.mtime_nsec(), data.ctime(), data.ctime_nsec()];
    Some((path, [data.dev(), data.ino()], times, data.size()))
}
