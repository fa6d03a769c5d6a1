//! What lies in `packaging/` is true: its configurations are valid, files that it names are there, and its versions, ports and users
//! are those of the program and of each other.
//!
//! Nothing here needs a tool that a machine may lack: a package is built and looked into by `cargo xtask package`, and a chart is
//! rendered where there is a `helm`.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

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
        // Not here: the other test reads the templates as texts.
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
