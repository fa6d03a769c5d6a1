//! A file is replaced as a whole: whoever reads it finds the old text or the new one, also after a crash.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

/// Puts `after` in the place of `before`. Links are followed; owner and permissions stay. It is written also when an error comes
/// back beside that: then a crash of the machine may undo it.
///
/// # Errors
/// The file holds something else than `before`, or a file can't be written beside it and moved there. Then it is as it was.
pub(crate) fn replace(path: &Path, before: &[u8], after: &[u8]) -> io::Result<Option<io::Error>> {
    let file = fs::canonicalize(path)?;
    let known = fs::metadata(&file)?;
    if !known.is_file() {
        return Err(io::Error::other("it is not a plain file"));
    }
    let directory = file.parent().unwrap_or(Path::new("/"));
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let beside = directory.join(format!(".{name}.weir-{}", std::process::id()));
    // Nobody else may read it before it has the permissions of the other one.
    let mut new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    // Only now is it ours to remove.
    let beside = Beside(beside);
    new.write_all(after)?;
    let made = new.metadata()?;
    if (made.uid(), made.gid()) != (known.uid(), known.gid()) {
        fchown(&new, Some(known.uid()), Some(known.gid()))?;
    }
    new.set_permissions(known.permissions())?;
    new.sync_all()?;
    if fs::read(&file)? != before {
        return Err(io::Error::other("somebody else has changed it meanwhile"));
    }
    fs::rename(&beside.0, &file).map_err(explained)?;
    Ok(File::open(directory).and_then(|directory| directory.sync_all()).err())
}

/// Why a file can't be moved there, where the system says little.
fn explained(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::ResourceBusy => io::Error::other(
            "it is mounted by itself, so no other file can take its place\n\n\
             hint: mount its directory, or apply the patch that `--dry-run` shows where the file lies",
        ),
        _ => error,
    }
}

/// A file that is gone afterwards, unless it was moved.
struct Beside(PathBuf);

impl Drop for Beside {
    fn drop(&mut self) {
        // It has usually been moved.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn directory() -> PathBuf {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("weir-replace-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        path
    }

    #[test]
    fn a_link_stays_one_and_permissions_stay() {
        let directory = directory();
        let (file, link) = (directory.join("real.yaml"), directory.join("weir.yaml"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("real.yaml", &link).unwrap();
        assert!(replace(&link, b"old", b"new").unwrap().is_none());
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 2, "nothing is left beside it");
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn what_somebody_else_has_written_meanwhile_stays() {
        let directory = directory();
        let file = directory.join("weir.yaml");
        fs::write(&file, "theirs").unwrap();
        let error = replace(&file, b"old", b"new").unwrap_err();
        assert!(error.to_string().contains("somebody else"), "{error}");
        assert_eq!(fs::read(&file).unwrap(), b"theirs");
        assert!(replace(&directory, b"", b"").unwrap_err().to_string().contains("plain file"));
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "nothing is left beside it");
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_file_beside_it_that_is_not_ours_stays() {
        let directory = directory();
        let file = directory.join("weir.yaml");
        fs::write(&file, "old").unwrap();
        let theirs = directory.join(format!(".weir.yaml.weir-{}", std::process::id()));
        fs::write(&theirs, "theirs").unwrap();
        assert_eq!(replace(&file, b"old", b"new").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&theirs).unwrap(), b"theirs");
        assert_eq!(fs::read(&file).unwrap(), b"old");
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_file_that_is_a_mount_has_a_hint() {
        let busy = explained(io::ErrorKind::ResourceBusy.into()).to_string();
        assert!(busy.contains("mounted") && busy.contains("\n\nhint: "), "{busy}");
        assert_eq!(explained(io::ErrorKind::NotFound.into()).kind(), io::ErrorKind::NotFound);
    }
}
