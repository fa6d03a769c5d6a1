//! Durable writes without a proxy: the program that is the queue of Weir, or SQLite alone, and what it says.
//!
//! It is an example of `weir-store`, because nothing here names a crate of the proxy. SQLite alone makes as many writes in a
//! transaction as the queue had in its last run on average: what is compared is what surrounds SQLite, not how well
//! writes come together.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::child::Running;
use super::load::Load;
use crate::workspace;

/// The package that it is in.
pub(crate) const PACKAGE: &str = "weir-store";

/// What the program says when it could begin.
const READY: &str = "ready";
/// What it says when its file is gone.
const CLEAN: &str = "clean";

/// File systems on which nothing is durable, and so nothing would be measured.
const IN_MEMORY: [&str; 2] = ["tmpfs", "ramfs"];

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Writes {
    /// How many wait at a time.
    pub(crate) at_a_time: u32,
    /// Whether servers get them at once, so that they are deleted again.
    pub(crate) settled: bool,
}

impl Writes {
    /// For a run of the queue; or of SQLite alone, after a run of the queue that had so many in a commit.
    pub(crate) fn of(self, alone: bool, in_commit: Option<f64>) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most a thousand")]
        let in_commit = in_commit.map_or(self.at_a_time, |count| count.round().max(1.0) as u32);
        Self { at_a_time: if alone { in_commit } else { self.at_a_time }, ..self }
    }
}

/// The program.
pub(crate) fn program() -> PathBuf {
    workspace::target_directory().join("release/examples/durable_writes")
}

/// The command that starts it: as the queue (`store`) or as SQLite alone (`sqlite`), with its file below `directory`.
pub(crate) fn command(name: &str, directory: &Path) -> Command {
    let mut command = Command::new(program());
    command.arg(name).arg(directory.join(name)).stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// Has the program prepare a run with a new file. When this is back it waits for its start.
///
/// # Errors
/// When it can't.
pub(crate) fn prepare(running: &mut Running, writes: Writes, seconds: u32) -> Result<()> {
    let what = if writes.settled { "settled" } else { "kept" };
    running.tell(&format!("{} {what} {seconds}", writes.at_a_time))?;
    expect(running, READY)
}

/// Runs it. Its threads are still there afterwards.
///
/// # Errors
/// When it says something unknown.
pub(crate) fn run(running: &mut Running) -> Result<Load> {
    running.tell("go")?;
    let text = running.hear()?;
    parse(&text).with_context(|| format!("the program that writes said something unknown: `{text}`"))
}

/// Has it take its file away, so that this is no part of what is measured next.
///
/// # Errors
/// When it can't.
pub(crate) fn clean(running: &mut Running) -> Result<()> {
    running.tell("end")?;
    expect(running, CLEAN)
}

fn expect(running: &mut Running, word: &str) -> Result<()> {
    let said = running.hear()?;
    if said != word {
        bail!("the program that writes said `{said}` and not `{word}`");
    }
    Ok(())
}

fn parse(text: &str) -> Option<Load> {
    let said: Value = serde_json::from_str(text).ok()?;
    let done = said["done"].as_u64()?;
    let troubles = if done == 0 { vec!["nothing was written".to_owned()] } else { Vec::new() };
    Load::said(&said, done, troubles).filter(|load| load.in_commit.is_some())
}

/// The kind of file system that the directory is on.
///
/// # Errors
/// When it is one in memory, or nobody knows.
pub(crate) fn file_system(directory: &Path) -> Result<String> {
    let directory = directory.canonicalize()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").context("nobody knows what is mounted")?;
    let kind = kind_at(&mounts, &directory).context("nobody knows which file system this is")?;
    if IN_MEMORY.contains(&kind) {
        bail!(
            "`{}` is in memory ({kind}), where nothing is durable\n\nhint: set CARGO_TARGET_DIR to a directory on a disk",
            directory.display()
        );
    }
    Ok(kind.to_owned())
}

/// The kind of what is mounted nearest above; of several at one place the last, which hides the others.
fn kind_at<'m>(mounts: &'m str, directory: &Path) -> Option<&'m str> {
    let mount = |line: &'m str| {
        let (place, kind) = line.split_once(" - ")?;
        let place = place.split(' ').nth(4)?;
        directory.starts_with(place).then_some((place.len(), kind.split(' ').next()?))
    };
    mounts.lines().filter_map(mount).max_by_key(|(length, _)| *length).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Writes, kind_at, parse};

    #[test]
    fn a_run_is_read() {
        let said = r#"{"done": 1000, "seconds": 2.0, "commits": 25, "p50_us": 900.5, "p99_us": 4000.0}"#;
        let load = parse(said).filter(|load| load.troubles.is_empty());
        assert_eq!(load.map(|load| (load.per_second, load.in_commit)), Some((500.0, Some(40.0))));
        assert_eq!(parse(&said.replace("commits", "omits")), None, "nobody knows what was compared");
        assert_eq!(parse(""), None, "it has ended");
        assert_eq!(parse(&said.replace("1000", "0")).map(|load| load.troubles.len()), Some(1));
    }

    #[test]
    fn sqlite_alone_has_as_many_in_a_transaction_as_the_queue_had() {
        let writes = Writes { at_a_time: 64, settled: true };
        assert_eq!(writes.of(false, Some(43.8)), writes);
        assert_eq!(writes.of(true, Some(43.8)), Writes { at_a_time: 44, ..writes });
        assert_eq!(writes.of(true, Some(0.2)), Writes { at_a_time: 1, ..writes });
        assert_eq!(writes.of(true, None), writes, "the queue has not been asked");
    }

    #[test]
    fn the_file_system_is_what_is_mounted_nearest_above() {
        let mounts = "21 1 254:0 / / rw - ext4 /dev/vda rw\n\
                      22 21 0:20 / /tmp rw shared:2 - tmpfs tmpfs rw\n\
                      23 22 254:1 / /tmp/disk rw - xfs /dev/vdb rw\n\
                      24 21 254:2 / /srv rw - ext4 /dev/vdc rw\n\
                      25 21 0:21 / /srv rw - ramfs none rw\n";
        let kind = |place| kind_at(mounts, Path::new(place));
        assert_eq!(kind("/home/target"), Some("ext4"));
        assert_eq!(kind("/tmp/target"), Some("tmpfs"));
        assert_eq!(kind("/tmp/disk/target"), Some("xfs"));
        assert_eq!(kind("/tmp/disks"), Some("tmpfs"), "another name");
        assert_eq!(kind("/srv/target"), Some("ramfs"), "what hides the other");
        assert_eq!(kind_at("", Path::new("/")), None);
    }
}
