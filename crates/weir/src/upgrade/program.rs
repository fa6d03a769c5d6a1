//! Which program follows, and whether it may.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Who may write: the group, and everybody.
const WRITABLE_BY_OTHERS: u32 = 0o022;
/// In such a directory nobody takes away what is another one's.
const STICKY: u32 = 0o1000;
const EXECUTABLE: u32 = 0o111;

/// Why no process can follow a process with this id, if that is so.
pub(crate) fn refusal(pid: u32) -> Option<String> {
    (pid == 1).then(|| {
        "this is process 1 of its container, which ends with it and every other process in it\n\nhint: replace the \
         container, or let an init be its process 1"
            .to_owned()
    })
}

/// The program of the same path, as this one was started.
///
/// Not the file that runs: whoever replaces it may have put another one in its place, or made a link lead to another one.
pub(crate) fn same() -> PathBuf {
    let words = std::env::args_os().next().filter(|word| !word.is_empty());
    words.map_or_else(|| std::env::current_exe().unwrap_or_else(|_| "weir".into()), PathBuf::from)
}

/// The arguments of this process, which are those of the one that follows.
pub(crate) fn arguments() -> impl Iterator<Item = OsString> {
    std::env::args_os().skip(1)
}

/// The file at this path, if only whoever runs this process, or root, can have put it there: whoever reaches the admin listener may
/// name a program, and must not be able to bring one.
///
/// # Errors
/// Why not.
pub(crate) fn trusted(path: &Path, user: u32) -> Result<PathBuf, String> {
    let shown = path.display();
    if !path.is_absolute() {
        return Err(format!("`{shown}` is no absolute path"));
    }
    let real = fs::canonicalize(path).map_err(|error| format!("`{shown}` can't be used: {error}"))?;
    let file = fs::metadata(&real).map_err(|error| format!("`{shown}` can't be used: {error}"))?;
    if !file.is_file() || file.mode() & EXECUTABLE == 0 {
        return Err(format!("`{shown}` is no program"));
    }
    for part in real.ancestors() {
        let found =
            fs::symlink_metadata(part).map_err(|error| format!("`{shown}` can't be used: {error}"))?;
        let by_others =
            found.mode() & WRITABLE_BY_OTHERS != 0 && !(found.is_dir() && found.mode() & STICKY != 0);
        if by_others || (found.uid() != user && found.uid() != 0) {
            return Err(format!(
                "`{shown}` may not follow: others than the user of this process can change `{}`\n\nhint: put it where only \
                 root or that user can write",
                part.display()
            ));
        }
    }
    Ok(real)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn nobody_follows_process_one() {
        assert!(refusal(1).unwrap().contains("container"));
        assert_eq!(refusal(2), None);
    }

    #[test]
    fn only_programs_that_nobody_else_can_change_are_trusted() {
        let me = nix::unistd::geteuid().as_raw();
        let directory = std::env::temp_dir().join(format!("weir-program-test-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        mode(&directory, 0o755);
        let program = directory.join("program");
        fs::write(&program, "#!/bin/sh\n").unwrap();
        mode(&program, 0o755);
        let real = fs::canonicalize(&program).unwrap();
        assert_eq!(trusted(&program, me), Ok(real.clone()));
        let link = directory.join("link");
        std::os::unix::fs::symlink(&program, &link).unwrap();
        assert_eq!(trusted(&link, me), Ok(real), "what runs is what was looked at");
        let no = |path: &Path, user, why: &str| {
            let error = trusted(path, user).unwrap_err();
            assert!(error.contains(why), "{error}");
        };
        no(Path::new("program"), me, "absolute");
        no(&directory, me, "no program");
        no(&directory.join("nothing"), me, "can't be used");
        for bits in [0o775, 0o757, 0o777] {
            mode(&program, bits);
            no(&program, me, "may not follow");
        }
        mode(&program, 0o644);
        no(&program, me, "no program");
        mode(&program, 0o755);
        mode(&directory, 0o777);
        no(&program, me, "may not follow");
        mode(&directory, 0o1777);
        trusted(&program, me).unwrap();
        if me != 0 {
            no(&program, me + 1, "may not follow");
        }
        fs::remove_dir_all(directory).unwrap();
    }
}
