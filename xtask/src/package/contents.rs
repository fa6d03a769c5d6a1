//! Whether a finished package is what it should be: what is in it, with which rights, what its scripts say, and whether the program
//! takes the configuration that it brings.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, bail};

/// Files that must be there, with their rights. Manual pages and documentation are looked at apart.
const FILES: [(&str, u32); 15] = [
    ("usr/bin/weir", 0o755),
    ("etc/weir/weir.yaml", 0o644),
    ("etc/logrotate.d/weir", 0o644),
    ("usr/lib/systemd/system/weir.service", 0o644),
    ("usr/lib/sysusers.d/weir.conf", 0o644),
    ("usr/lib/tmpfiles.d/weir.conf", 0o644),
    ("usr/share/bash-completion/completions/weir", 0o644),
    ("usr/share/zsh/vendor-completions/_weir", 0o644),
    ("usr/share/fish/vendor_completions.d/weir.fish", 0o644),
    ("usr/share/doc/weir/copyright", 0o644),
    ("usr/share/doc/weir/third-party.txt", 0o644),
    ("usr/share/doc/weir/changelog.Debian.gz", 0o644),
    ("usr/share/doc/weir/changelog.gz", 0o644),
    ("usr/share/lintian/overrides/weir", 0o644),
    ("usr/share/man/man1/weir.1.gz", 0o644),
];

/// Where else there may be files.
const MORE: [&str; 2] = ["usr/share/man/man1/weir-", "usr/share/doc/weir/"];

/// Files that an administrator may change, and that an upgrade leaves alone then.
const CONFIGURATION: &str = "/etc/logrotate.d/weir\n/etc/weir/weir.yaml\n";

/// Everything that is not as it should be. The package is unpacked there.
pub(super) fn check(package: &Path, unpacked: &Path) -> Result<Vec<String>> {
    if unpacked.exists() {
        fs::remove_dir_all(unpacked)?;
    }
    fs::create_dir_all(unpacked)?;
    let (root, control) = (unpacked.join("root"), unpacked.join("control"));
    output(Command::new("dpkg-deb").arg("--extract").arg(package).arg(&root))?;
    output(Command::new("dpkg-deb").arg("--control").arg(package).arg(&control))?;
    let mut found = of_fields(&fs::read_to_string(control.join("control"))?);
    let mut files = BTreeMap::new();
    walk(&root, &root, &mut files)?;
    found.extend(of_files(&files));
    found.extend(of_scripts(&control)?);
    found.extend(of_program(&root, &files)?);
    Ok(found)
}

/// What the package says of itself.
fn of_fields(control: &str) -> Vec<String> {
    let wanted = [
        ("Package", "weir"),
        ("Version", concat!(env!("CARGO_PKG_VERSION"), "-1")),
        ("Section", "httpd"),
        ("Priority", "optional"),
    ];
    let field = |name: &str| control.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let mut found: Vec<String> = wanted
        .into_iter()
        .filter(|(name, value)| field(name) != Some(value))
        .map(|(name, value)| format!("`{name}` is {:?} and not `{value}`", field(name)))
        .collect();
    // The program is linked with the C library and nothing else, so this is what `$auto` must have found.
    for needed in ["libc6 (>= ", "systemd | systemd-standalone-sysusers"] {
        if !field("Depends").is_some_and(|depends| depends.contains(needed)) {
            found.push(format!("`Depends` has no `{needed}`"));
        }
    }
    found
}

fn of_files(files: &BTreeMap<String, u32>) -> Vec<String> {
    let mut found = Vec::new();
    for (file, mode) in FILES {
        match files.get(file) {
            None => found.push(format!("`{file}` is not in it")),
            Some(there) if *there != mode => {
                found.push(format!("`{file}` has the mode {there:o} and not {mode:o}"));
            }
            Some(_) => {}
        }
    }
    for (file, mode) in files {
        let is_known = FILES.iter().any(|(known, _)| known == file);
        if !is_known && !MORE.iter().any(|place| file.starts_with(place)) {
            found.push(format!("nobody asked for `{file}`"));
        } else if !is_known && *mode != 0o644 {
            found.push(format!("`{file}` has the mode {mode:o} and not 644"));
        }
    }
    found
}

fn of_scripts(control: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut configuration: Vec<String> =
        fs::read_to_string(control.join("conffiles"))?.lines().map(|line| format!("{line}\n")).collect();
    configuration.sort();
    if configuration.concat() != CONFIGURATION {
        found.push(format!("the configuration files are {configuration:?}"));
    }
    for script in ["postinst", "prerm", "postrm"] {
        let path = control.join(script);
        let mode =
            fs::metadata(&path).with_context(|| format!("no `{script}`"))?.permissions().mode() & 0o777;
        if mode != 0o755 {
            found.push(format!("`{script}` has the mode {mode:o}"));
        }
        let parsed = Command::new("sh").arg("-n").arg(&path).output()?;
        if !parsed.status.success() {
            found.push(format!("`{script}`: {}", String::from_utf8_lossy(&parsed.stderr)));
        }
    }
    Ok(found)
}

/// The program of the package runs, has a page for each of its commands, and takes the configuration that comes with it.
fn of_program(root: &Path, files: &BTreeMap<String, u32>) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let program = root.join("usr/bin/weir");
    let version = said(&output(Command::new(&program).arg("--version"))?);
    if version.trim_end() != concat!("weir ", env!("CARGO_PKG_VERSION")) {
        found.push(format!("the program says that it is `{}`", version.trim_end()));
    }
    let checked =
        Command::new(&program).arg("check").arg("-c").arg(root.join("etc/weir/weir.yaml")).output()?;
    if !checked.status.success() || !checked.stderr.is_empty() {
        found.push(format!("its configuration: {}", String::from_utf8_lossy(&checked.stderr)));
    }
    let help = said(&output(Command::new(&program).arg("--help"))?);
    let listed =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    for command in listed.filter_map(|line| line.split([' ', ',']).find(|word| !word.is_empty())) {
        if !files.contains_key(&format!("usr/share/man/man1/weir-{command}.1.gz")) {
            found.push(format!("`weir {command}` has no manual page"));
        }
    }
    Ok(found)
}

/// Every file below a directory, with its rights.
fn walk(root: &Path, directory: &Path, files: &mut BTreeMap<String, u32>) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let (path, metadata) = (entry.path(), entry.metadata()?);
        if metadata.is_dir() {
            walk(root, &path, files)?;
        } else {
            let name = path.strip_prefix(root)?.to_string_lossy().into_owned();
            files.insert(name, metadata.permissions().mode() & 0o7777);
        }
    }
    Ok(())
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs a program that must succeed.
fn output(command: &mut Command) -> Result<Output> {
    let output = command.output().with_context(|| format!("can't start {:?}", command.get_program()))?;
    if !output.status.success() {
        bail!("{:?} failed: {}", command.get_program(), String::from_utf8_lossy(&output.stderr));
    }
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> BTreeMap<String, u32> {
        FILES.into_iter().map(|(file, mode)| (file.to_owned(), mode)).collect()
    }

    #[test]
    fn files_that_are_missing_wrong_or_strange_are_found() {
        assert_eq!(of_files(&good()), Vec::<String>::new());
        let mut files = good();
        files.remove("usr/bin/weir");
        files.insert("etc/weir/weir.yaml".into(), 0o666);
        files.insert("usr/lib/other".into(), 0o644);
        files.insert("usr/share/doc/weir/tls.md".into(), 0o600);
        files.insert("usr/share/man/man1/weir-top.1.gz".into(), 0o644);
        assert_eq!(of_files(&files).len(), 4, "{:?}", of_files(&files));
    }

    #[test]
    fn what_a_package_says_of_itself_is_read() {
        let control = concat!(
            "Package: weir\nVersion: ",
            env!("CARGO_PKG_VERSION"),
            "-1\nSection: httpd\nPriority: optional\n",
            "Depends: libc6 (>= 2.34), systemd | systemd-standalone-sysusers\n"
        );
        assert_eq!(of_fields(control), Vec::<String>::new());
        assert_eq!(of_fields(&control.replace("-1\n", "-2\n")).len(), 1);
        assert_eq!(of_fields(&control.replace("libc6", "libc7")).len(), 1);
    }
}
