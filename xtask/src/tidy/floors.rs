//! A crate names only crates of lower floors, and heavy dependencies stay where they belong.
//!
//! The floors are drawn in `ARCHITECTURE.md`. Crates on one floor do not know each other; `weir` alone knows all.

use serde_json::Value;

use super::finding::Finding;
use super::tree::Tree;

/// The floor of every crate that ends up in the program.
const FLOORS: [(&str, u8); 14] = [
    ("weir", 5),
    ("weir-proxy", 4),
    ("weir-policy", 4),
    ("weir-admin", 4),
    ("weir-store", 4),
    ("weir-tools", 4),
    ("weir-config", 3),
    ("weir-upstream", 3),
    ("weir-core", 2),
    ("weir-auth", 2),
    ("weir-tls", 2),
    ("weir-http", 1),
    ("weir-allocator", 1),
    // Knows nobody and is known by nobody: it starts programs.
    ("xtask", 0),
];

/// May name every crate; only tests may name it.
const TESTKIT: &str = "weir-testkit";

/// What the rules of the house keep out of a crate, with the reason.
const BANNED: [(&[&str], &[&str], &str); 2] = [
    (
        &["weir-http", "weir-core"],
        &[
            "tokio",
            "mio",
            "nix",
            "socket2",
            "hyper",
            "h2",
            "rustls",
            "serde",
            "serde_json",
            "chrono",
            "time",
            "rand",
        ],
        "this crate has no socket, no clock, no runtime and no serialisation",
    ),
    (
        &["weir-proxy", "weir-upstream", "weir-config"],
        &["hyper", "hyper-util", "tower", "axum", "reqwest"],
        "the data plane has its own HTTP/1.1",
    ),
];

/// See the module's words.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.packages.iter().flat_map(check_package).collect()
}

fn check_package(package: &Value) -> Vec<Finding> {
    let name = package["name"].as_str().unwrap_or_default();
    let manifest = manifest_path(package);
    let finding = |message: String| Finding::new("floors", &manifest, 0, message);
    let own = floor(name);
    if own.is_none() && name != TESTKIT {
        return vec![finding(format!("{name} stands on no floor: add it to the table in `floors.rs`"))];
    }
    let mut found = Vec::new();
    for dependency in package["dependencies"].as_array().into_iter().flatten() {
        let other = dependency["name"].as_str().unwrap_or_default();
        let for_tests = dependency["kind"].as_str() == Some("dev");
        if let Some(why) = refusal(name, own, other, for_tests) {
            found.push(finding(format!("{name} names {other}: {why}")));
        }
    }
    found
}

/// Why `name` may not depend on `other`, if it may not.
fn refusal(name: &str, own: Option<u8>, other: &str, for_tests: bool) -> Option<String> {
    if other == TESTKIT {
        return (!for_tests).then(|| "only tests may".to_owned());
    }
    if !for_tests {
        let ban = BANNED.iter().find(|(crates, banned, _)| crates.contains(&name) && banned.contains(&other));
        if let Some((_, _, why)) = ban {
            return Some((*why).to_owned());
        }
    }
    let theirs = floor(other)?;
    if other == "xtask" {
        return Some("nobody may".to_owned());
    }
    match own {
        Some(own) if theirs >= own => Some(format!("floor {own} may not name floor {theirs}")),
        _ => None,
    }
}

fn floor(name: &str) -> Option<u8> {
    FLOORS.iter().find(|(known, _)| *known == name).map(|(_, floor)| *floor)
}

fn manifest_path(package: &Value) -> String {
    let path = package["manifest_path"].as_str().unwrap_or_default();
    let root = crate::workspace::root().to_string_lossy();
    path.strip_prefix(root.as_ref()).unwrap_or(path).trim_start_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::check;
    use crate::tidy::tree::Tree;

    /// One package with one dependency; `kind` is null for a normal one.
    fn findings(name: &str, dependency: &str, kind: Option<&str>) -> usize {
        let package = json!({
            "name": name, "manifest_path": "Cargo.toml", "dependencies": [{"name": dependency, "kind": kind}],
        });
        check(&Tree { packages: vec![package], ..Tree::default() }).len()
    }

    #[test]
    fn a_crate_names_lower_floors_only() {
        assert_eq!(findings("weir-core", "weir-http", None), 0);
        assert_eq!(findings("weir", "weir-tools", None), 0);
        assert_eq!(findings("weir-core", "weir-config", None), 1);
        assert_eq!(findings("weir-proxy", "weir-admin", None), 1, "one floor");
        assert_eq!(findings("weir-config", "weir-upstream", Some("dev")), 1, "tests keep the walls too");
        assert_eq!(findings("weir-core", "weir-config", Some("build")), 1);
    }

    #[test]
    fn an_unknown_crate_has_to_be_placed() {
        assert_eq!(findings("weir-new", "memchr", None), 1);
    }

    #[test]
    fn the_testkit_is_for_tests() {
        assert_eq!(findings("weir-testkit", "weir-proxy", None), 0);
        assert_eq!(findings("weir-proxy", "weir-testkit", Some("dev")), 0);
        assert_eq!(findings("weir-proxy", "weir-testkit", None), 1);
    }

    #[test]
    fn the_rules_have_no_runtime_and_the_data_plane_no_hyper() {
        assert_eq!(findings("weir-core", "tokio", None), 1);
        assert_eq!(findings("weir-http", "serde", None), 1);
        assert_eq!(findings("weir-http", "hyper", Some("dev")), 0, "the oracle of its tests");
        assert_eq!(findings("weir-proxy", "hyper", None), 1);
        assert_eq!(findings("weir-admin", "hyper", None), 0);
    }

    #[test]
    fn nobody_names_the_tasks() {
        assert_eq!(findings("weir", "xtask", None), 1);
        assert_eq!(findings("xtask", "weir-http", None), 1);
    }
}
