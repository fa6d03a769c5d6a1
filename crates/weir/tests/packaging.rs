//! What lies in `packaging/` is true: its configurations are valid, files that it names are there, and its versions, ports and users
//! are those of the program and of each other.
//!
//! Nothing here needs a tool that a machine may lack: a package is built and looked into by `cargo xtask package`, and a chart is
//! rendered where there is a `helm`.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What stands behind this word at the beginning of a line, without quotes.
fn value<'a>(text: &'a str, key: &str) -> &'a str {
    let found = text.lines().find_map(|line| line.trim_start().strip_prefix(key));
    found.unwrap_or_else(|| panic!("no `{key}`")).trim().trim_matches('"')
}

/// The program with these arguments.
fn weir(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(arguments).env_clear().env("WEIR_ADMIN_TOKEN", "as-long-as-it-must-be").output().unwrap()
}

/// The text of the value `config` of the chart.
fn config_of_chart() -> String {
    let values = read("packaging/helm/weir/values.yaml");
    let (_, block) = values.split_once("\nconfig: |\n").unwrap();
    let lines = block.lines().take_while(|line| line.starts_with("  "));
    lines.map(|line| format!("{}\n", &line[2..])).collect()
}

#[track_caller]
fn is_valid(file: &str) {
    let output = weir(&["check", "-c", file]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.is_empty(), "{file}: {told}");
}

#[test]
fn every_configuration_is_valid_and_brings_no_warning() {
    for file in
        ["packaging/debian/weir.yaml", "packaging/docker/weir.yaml", "packaging/compose/config/weir.yaml"]
    {
        is_valid(root().join(file).to_str().unwrap());
    }
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("chart-{}.yaml", std::process::id()));
    fs::write(&file, config_of_chart()).unwrap();
    is_valid(file.to_str().unwrap());
    fs::remove_file(&file).unwrap();
}

#[test]
fn what_a_comment_of_the_debian_configuration_offers_is_valid() {
    let text = read("packaging/debian/weir.yaml");
    let (_, offered) = text.split_once("# With servers behind it, on all addresses:\n#\n").unwrap();
    let offered: String =
        offered.lines().map_while(|line| line.strip_prefix("# ")).map(|line| format!("{line}\n")).collect();
    assert!(offered.contains("servers:"), "{offered}");
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("offered-{}.yaml", std::process::id()));
    fs::write(&file, offered).unwrap();
    is_valid(file.to_str().unwrap());
    fs::remove_file(&file).unwrap();
}

#[test]
fn versions_are_that_of_the_program() {
    let chart = read("packaging/helm/weir/Chart.yaml");
    assert_eq!((value(&chart, "version:"), value(&chart, "appVersion:")), (VERSION, VERSION));
    let compose = read("packaging/compose/compose.yaml");
    assert_eq!(value(&compose, "image:"), format!("weir:{VERSION}"));
    let changelog = read("packaging/debian/changelog");
    assert!(changelog.starts_with(&format!("weir ({VERSION}-1) ")), "{changelog}");
    let wanted = read("Cargo.toml");
    let rust =
        format!("rust:{}-", value(&wanted, "rust-version =").trim_start_matches("= ").trim_matches('"'));
    assert!(read("packaging/docker/Dockerfile").contains(&rust), "the image is built with {rust}");
}

/// The sources of the package's files, and of what else its metadata names, from the directory of the manifest.
#[test]
fn files_that_the_debian_package_names_exist() {
    let manifest = read("crates/weir/Cargo.toml");
    let (_, metadata) = manifest.split_once("[package.metadata.deb]").unwrap();
    let named: Vec<&str> = metadata.split('"').filter(|word| word.starts_with("../../")).collect();
    assert!(named.len() > 10, "{named:?}");
    for path in named {
        let whole = root().join("crates/weir").join(path);
        match whole.file_name().unwrap().to_str().unwrap().split_once('*') {
            Some((_, ending)) => {
                let mut files = fs::read_dir(whole.parent().unwrap()).unwrap();
                let fits = |name: &str| name.ends_with(ending);
                assert!(files.any(|file| fits(file.unwrap().file_name().to_str().unwrap())), "{path}");
            }
            None => assert!(whole.exists(), "{path}"),
        }
    }
}

/// The service, its user, its directories and its configuration are spoken of in five files.
#[test]
fn the_parts_of_the_debian_package_speak_of_the_same() {
    let unit = read("packaging/systemd/weir.service");
    assert!(unit.contains("/usr/bin/weir run -c /etc/weir/weir.yaml"), "{unit}");
    assert!(unit.contains("User=weir\n"), "{unit}");
    let users = read("packaging/debian/weir.sysusers");
    assert!(users.contains("\nu weir "), "{users}");
    let (directories, config) = (read("packaging/debian/weir.tmpfiles"), read("packaging/debian/weir.yaml"));
    for (directory, kind) in [("/var/lib/weir", "StateDirectory"), ("/var/log/weir", "LogsDirectory")] {
        assert!(unit.contains(&format!("\n{kind}=weir\n")), "{unit}");
        let mode = value(&unit, &format!("{kind}Mode="));
        assert!(directories.contains(&format!("d {directory} {mode} weir weir")), "{directories}");
        assert!(config.contains(directory), "{config}");
    }
    assert!(read("packaging/debian/weir.logrotate").starts_with("/var/log/weir/*.log {"));
    for script in ["postinst", "prerm", "postrm"] {
        let script = read(&format!("packaging/debian/scripts/{script}"));
        assert!(script.starts_with("#!/bin/sh\n") && script.contains("\nset -e\n"), "{script}");
        let parsed = Command::new("sh").args(["-n", "-c", &script]).output().unwrap();
        assert!(parsed.status.success(), "{parsed:?}");
    }
    let postinst = read("packaging/debian/scripts/postinst");
    for word in ["systemd-sysusers ", "--create weir.conf", "--signal=USR2 weir.service"] {
        assert!(postinst.contains(word), "{word}");
    }
}

/// What stands for systemd where an installation is played: it notes what is done, and for each property it tells the lines of a file,
/// one at a time, and the last one for ever. After the signal the service is what the second line of `active` says, if there is one.
const SYSTEMCTL: &str = r#"#!/bin/sh
case "$*" in
    *is-active*) read -r state <active; [ "$state" = active ] ;;
    "show --property="*)
        file=${2#--property=}
        sed -n 1p "$file"
        [ "$(wc -l <"$file")" -eq 1 ] || sed -i 1d "$file"
        ;;
    *kill*)
        echo "systemctl $*" >>done
        sed -i '1{$!d}' active
        ;;
esac
"#;

/// What the script does when it is called so, and what it says, with these properties of the service.
fn installed(arguments: &[&str], active: &str, pids: &str, statuses: &str) -> (String, String) {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("postinst-{}-{number}", std::process::id());
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(place.join("bin")).unwrap();
    let note = "#!/bin/sh\necho \"${0##*/} $*\" >>done\n";
    let nothing = "#!/bin/sh\n";
    for (tool, text) in [
        ("systemctl", SYSTEMCTL),
        ("deb-systemd-invoke", note),
        ("sleep", note),
        ("deb-systemd-helper", nothing),
        ("systemd-sysusers", nothing),
        ("systemd-tmpfiles", nothing),
    ] {
        let path = place.join("bin").join(tool);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    for (file, text) in [("active", active), ("MainPID", pids), ("StatusText", statuses), ("done", "")] {
        fs::write(place.join(file), format!("{text}\n").trim_start_matches('\n')).unwrap();
    }
    let script = read("packaging/debian/scripts/postinst").replace("/run/systemd/system", ".");
    let path = format!("{}:{}", place.join("bin").display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    shell.args(["-c", &script, "postinst"]).args(arguments).current_dir(&place).env_remove("DPKG_ROOT");
    let output = shell.env("PATH", path).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let done = fs::read_to_string(place.join("done")).unwrap();
    fs::remove_dir_all(&place).unwrap();
    (done, String::from_utf8(output.stderr).unwrap())
}

const REPLACE: &str = "systemctl kill --kill-who=main --signal=USR2 weir.service\n";
const START: &str = "deb-systemd-invoke start weir.service\n";
const SLEEP: &str = "sleep 1\n";
const SERVES: &str = "serves one service on :80";
/// An upgrade from this version.
const UPGRADE: [&str; 2] = ["configure", "0.0.9-1"];

#[test]
fn an_upgrade_of_the_package_replaces_what_runs_and_starts_what_does_not() {
    let (done, said) = installed(&UPGRADE, "active", "11\n11\n22", SERVES);
    assert_eq!((done, said), (format!("{REPLACE}{SLEEP}"), String::new()));
    // Removed before and kept its configuration, or failed: there is a version before, and nothing to replace.
    for arguments in [&UPGRADE[..], &["configure"], &["configure", ""], &["abort-upgrade", "0.2"]] {
        let (done, said) = installed(arguments, "inactive", "0", SERVES);
        assert_eq!((done, said), (START.to_owned(), String::new()), "{arguments:?}");
    }
}

#[test]
fn an_upgrade_of_the_package_says_when_nothing_was_replaced() {
    // It is given up as soon as it is told, and not for what was told before.
    for told in ["the last upgrade failed, see the log; serves", "the last upgrade was refused: no; serves"] {
        let (done, said) = installed(&UPGRADE, "active", "11", &format!("{SERVES}\n{SERVES}\n{told}"));
        assert_eq!(done, format!("{REPLACE}{SLEEP}"));
        assert!(said.contains(&format!("was not replaced and goes on: {told}; journalctl")), "{said}");
        let (done, said) = installed(&UPGRADE, "active", "11\n11\n11\n11\n22", told);
        assert_eq!((done, said), (format!("{REPLACE}{}", SLEEP.repeat(3)), String::new()));
    }
    // Nobody says anything: 35 s and no longer.
    let (done, said) = installed(&UPGRADE, "active", "11", SERVES);
    assert_eq!(done, format!("{REPLACE}{}", SLEEP.repeat(35)));
    assert!(said.contains("was not replaced and goes on"), "{said}");
    // No process at all is no successor, until systemd has started another one.
    let (done, said) = installed(&UPGRADE, "active", "11\n0\n0\n22", "");
    assert_eq!((done, said), (format!("{REPLACE}{}", SLEEP.repeat(2)), String::new()));
    let (done, said) = installed(&UPGRADE, "active\ninactive", "11\n0", "");
    assert_eq!(done, format!("{REPLACE}{}", SLEEP.repeat(35)));
    assert!(said.contains("the service ended while its program was replaced"), "{said}");
}

/// What is copied into the image exists and is not kept away from the build; the command and the check are ones that there are.
#[test]
fn the_image_is_made_of_what_there_is() {
    let dockerfile = read("packaging/docker/Dockerfile");
    let ignored = read(".dockerignore");
    let mut copied = 0;
    for line in dockerfile.lines().filter(|line| line.starts_with("COPY ") && !line.contains("--from=")) {
        let words: Vec<&str> = line.split_whitespace().skip(1).collect();
        for source in words[..words.len() - 1].iter().filter(|source| **source != ".") {
            assert!(root().join(source).exists(), "{line}");
            assert!(ignored.lines().any(|kept| kept == format!("!{source}")), "{source} is kept away");
            copied += 1;
        }
    }
    assert!(copied >= 3, "{copied}");
    for kept in ignored.lines().filter_map(|line| line.strip_prefix('!')) {
        assert!(root().join(kept).exists(), "{kept}");
    }
    // Members of the workspace that are kept away would be an error of cargo.
    for member in ["crates", "xtask"] {
        assert!(ignored.contains(&format!("!{member}\n")), "{member}");
    }
    for command in dockerfile.lines().filter_map(|line| line.split_once("CMD [").map(|(_, words)| words)) {
        let words: Vec<&str> =
            command.split('"').filter(|word| word.chars().any(char::is_alphabetic)).collect();
        let words: Vec<&str> = words.into_iter().filter(|word| *word != "/usr/bin/weir").collect();
        let asked = [&words[..], &["--help"]].concat();
        assert!(weir(&asked).status.success(), "{words:?}");
    }
    let port = format!("listen: \":{}\"", value(&dockerfile, "EXPOSE"));
    assert!(read("packaging/docker/weir.yaml").contains(&port), "{port}");
}

#[test]
fn compose_names_what_there_is_and_the_servers_of_its_configuration() {
    let (compose, config) =
        (read("packaging/compose/compose.yaml"), read("packaging/compose/config/weir.yaml"));
    let (_, dockerfile) = compose.split_once("dockerfile: ").unwrap();
    let (dockerfile, _) = dockerfile.split_once('}').unwrap();
    assert!(root().join("packaging/compose/../..").join(dockerfile).exists(), "{dockerfile}");
    assert!(compose.contains("- ./config:/etc/weir:ro\n"), "{compose}");
    assert!(compose.contains("\"8080:8080\"") && config.contains("listen: \":8080\"\n"), "{config}");
    assert!(compose.contains("\"127.0.0.1:9180:9180\"") && config.contains("address: \":9180\""), "{config}");
    let mut servers = 0;
    for (number, service) in compose.split("\n  server").skip(1).enumerate() {
        let (_, command) = service.split_once("command: [").unwrap();
        let words: Vec<&str> =
            command.split(']').next().unwrap().split(", ").map(|word| word.trim_matches('"')).collect();
        let port = words.last().unwrap();
        assert!(config.contains(&format!("\"server{}:{port}\"", number + 1)), "{config}");
        assert!(weir(&[&words[..], &["--help"]].concat()).status.success(), "{words:?}");
        servers += 1;
    }
    assert_eq!(servers, 3);
}

#[test]
fn the_chart_agrees_with_its_configuration_and_the_image() {
    let (values, config) = (read("packaging/helm/weir/values.yaml"), config_of_chart());
    let (_, port) = values.split_once("containerPort: ").unwrap();
    let port = port.split('}').next().unwrap();
    assert!(config.contains(&format!("listen: \":{port}\"\n")), "{config}");
    let (_, admin) = values.split_once("\nadmin:\n").unwrap();
    assert!(config.contains(&format!("address: \":{}\"", value(admin, "port:"))), "{config}");
    assert!(config.contains("${WEIR_ADMIN_TOKEN}"), "{config}");
    let user = value(&values, "runAsUser:");
    let dockerfile = read("packaging/docker/Dockerfile");
    assert!(dockerfile.contains(&format!("USER {user}:{user}\n")), "{user}");
    let seconds = |key: &str| value(&values, key).parse::<u64>().unwrap();
    assert!(seconds("terminationGracePeriodSeconds:") > seconds("drainDelaySeconds:") + 30, "drain.deadline");
    // A value that no template reads is a promise that nobody keeps.
    let directory = root().join("packaging/helm/weir/templates");
    let templates: String = fs::read_dir(directory)
        .unwrap()
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    for line in values.lines().filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase())) {
        let key = line.split(':').next().unwrap();
        assert!(templates.contains(&format!(".Values.{key}")), "`{key}` is read nowhere");
    }
}

/// The real renderer, where there is one: every kind that the chart can make, as Kubernetes would get it.
#[test]
fn the_chart_renders() {
    let helm = |arguments: &[&str]| {
        let mut command = Command::new("helm");
        command.args(arguments).current_dir(root().join("packaging/helm")).output()
    };
    if helm(&["version"]).is_err() {
        // Past what keeps the words of tests that pass; the other test reads the templates as texts.
        let said = b"the_chart_renders: not run, because there is no `helm`\n";
        std::io::stderr().write_all(said).unwrap();
        return;
    }
    let lint = helm(&["lint", "--strict", "weir"]).unwrap();
    assert!(lint.status.success(), "{lint:?}");
    let all = "persistence.enabled=true,autoscaling.enabled=true,serviceMonitor.enabled=true";
    let arguments = ["template", "edge", "weir", "--kube-version", "1.31.0", "--set", all];
    let rendered = helm(&arguments).unwrap();
    assert!(rendered.status.success(), "{rendered:?}");
    let text = String::from_utf8(rendered.stdout).unwrap();
    for kind in [
        "StatefulSet",
        "HorizontalPodAutoscaler",
        "ServiceMonitor",
        "PodDisruptionBudget",
        "ConfigMap",
        "Secret",
    ] {
        assert!(text.contains(&format!("kind: {kind}\n")), "{kind}\n{text}");
    }
    let (_, config) = text.split_once("  weir.yaml: |\n").unwrap();
    let config: String =
        config.lines().map_while(|line| line.strip_prefix("    ")).map(|line| format!("{line}\n")).collect();
    assert_eq!(config.trim_end(), config_of_chart().trim_end());
}

/// The admin listener's default is written into what cannot ask the program.
#[test]
fn the_default_of_the_admin_listener_is_the_one_that_is_asked() {
    let schema: Value = serde_json::from_slice(&weir(&["check", "--schema"]).stdout).unwrap();
    assert!(schema.to_string().contains("127.0.0.1:9180"));
    let text = [read("packaging/debian/weir.yaml"), read("packaging/docker/weir.yaml")].concat();
    assert_eq!(text.matches("admin: 127.0.0.1:9180\n").count(), 2);
}
