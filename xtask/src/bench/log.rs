//! The access logs that peers write: emptied before a run, and counted after it.
//!
//! A log that lacks lines is cheaper than one that has them all, so a run with fewer lines than answers is worth nothing.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::child::pause;
use super::peer::Peer;

/// So many [`pause`]s are longer than anybody keeps lines to write them together.
const PATIENCE: usize = 150;

/// Where a peer writes its lines, as its configuration says.
pub(crate) fn file(directory: &Path, peer: Peer) -> PathBuf {
    directory.join(format!("{}.log", peer.name()))
}

/// Takes all lines away. Whoever writes appends, so it goes on at the beginning.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn empty(file: &Path) -> Result<()> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(file)
        .with_context(|| format!("cannot empty `{}`", file.display()))?;
    Ok(())
}

/// Waits for as many lines as there were answers, and says what is wrong if they don't come.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn trouble(file: &Path, answers: u64) -> Result<Option<String>> {
    let mut lines = 0;
    for _ in 0..PATIENCE {
        lines = count(file)?;
        if lines >= answers {
            return Ok(None);
        }
        pause();
    }
    Ok(Some(format!("{lines} lines in the log for {answers} answers")))
}

fn count(file: &Path) -> Result<u64> {
    let opened = File::open(file).with_context(|| format!("cannot read `{}`", file.display()))?;
    let mut reader = BufReader::with_capacity(1 << 20, opened);
    let mut lines = 0;
    loop {
        let piece = reader.fill_buf()?;
        if piece.is_empty() {
            return Ok(lines);
        }
        lines += piece.iter().filter(|byte| **byte == b'\n').count() as u64;
        let length = piece.len();
        reader.consume(length);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::{empty, trouble};

    #[test]
    fn lines_are_counted_and_those_that_lack_are_told() {
        let file = std::env::temp_dir().join(format!("xtask-log-{}", std::process::id()));
        fs::write(&file, "one\ntwo\nthr").unwrap();
        assert_eq!(trouble(&file, 2).unwrap(), None);
        assert_eq!(trouble(&file, 3).unwrap(), Some("2 lines in the log for 3 answers".to_owned()));
        empty(&file).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"");
        fs::remove_file(&file).unwrap();
        assert!(trouble(&file, 0).is_err());
    }
}
