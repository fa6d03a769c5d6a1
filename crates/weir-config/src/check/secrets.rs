//! Files with secrets in them, and with what secrets are held against.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use weir_auth::secret::Secret;

use crate::complaint::Complaint;

/// Bytes of a file that are read at most. Ten thousand users with their hashes are less than a mebibyte.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// The content of a file; a path that is not absolute begins at the configuration's directory.
///
/// # Errors
/// What is wrong with the file. Nothing of its content is told.
pub(super) fn read(base_dir: &Path, path: &Path) -> Result<Secret, Complaint> {
    let path = base_dir.join(path);
    let cannot = |why: &dyn std::fmt::Display| {
        Complaint::new(format!("the file `{}` can't be read: {why}", path.display()))
    };
    // Opening a pipe would wait for its other end.
    let metadata = fs::metadata(&path).map_err(|error| cannot(&error))?;
    if !metadata.is_file() {
        return Err(cannot(&"it is no regular file"));
    }
    let mut content = Vec::new();
    File::open(&path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut content))
        .map_err(|error| cannot(&error))?;
    let content = Secret::new(content);
    if content.expose().len() as u64 > FILE_BYTES_MAX {
        return Err(cannot(&format!("it has more than {} MiB", FILE_BYTES_MAX >> 20)));
    }
    Ok(content)
}

/// The one secret that a file holds: all of it but the end of its line, which editors add.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_one(base_dir: &Path, path: &Path) -> Result<Secret, Complaint> {
    let content = read(base_dir, path)?;
    let bytes = content.expose();
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    Ok(Secret::new(line.strip_suffix(b"\r").unwrap_or(line).to_vec()))
}
