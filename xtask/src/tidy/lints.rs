//! Unsafe code is forbidden everywhere: in every crate, in its tests and examples, in the tasks, and in the fuzz targets. One crate alone
//! may allow it for single functions, which it must say at each.
//!
//! The compiler holds the lint; this rule holds the manifests, because a crate that forgets `[lints]` has none of them and nobody
//! sees it. What is outside the workspace can't inherit, so it says it itself.

use toml::{Table, Value};

use super::finding::Finding;
use super::tree::Tree;

/// Tells the allocator what it can be told through C only.
const MAY_ALLOW: &str = "crates/weir-allocator/Cargo.toml";

/// See the module's words.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let manifests =
        tree.files.iter().filter(|(path, _)| *path == "Cargo.toml" || path.ends_with("/Cargo.toml"));
    manifests.filter_map(|(path, file)| check_manifest(path, &file.text)).collect()
}

fn check_manifest(path: &str, text: &str) -> Option<Finding> {
    let finding = |message: &str| Some(Finding::new("lints", path, 0, message.into()));
    let Ok(manifest) = text.parse::<Table>() else { return finding("is not TOML") };
    let at = |keys: &[&str]| {
        let (first, rest) = keys.split_first()?;
        rest.iter().try_fold(manifest.get(*first)?, |value, key| value.get(key))
    };
    let level = |keys: &[&str]| {
        let level = at(keys);
        // A lint with a priority is a table.
        level.and_then(|level| level.get("level").or(Some(level))).and_then(Value::as_str)
    };
    let forbids = |keys: &[&str]| level(keys) == Some("forbid");
    let inherits = at(&["lints", "workspace"]).and_then(Value::as_bool) == Some(true);
    if path == MAY_ALLOW {
        // The workspace's word could not be taken back for a function.
        let denies = level(&["lints", "rust", "unsafe_code"]) == Some("deny")
            && level(&["lints", "clippy", "undocumented_unsafe_blocks"]) == Some("deny");
        return if denies {
            None
        } else {
            finding("denies neither unsafe code nor that it has no reason: `[lints.rust]`, `[lints.clippy]`")
        };
    }
    if at(&["package"]).is_some() && !inherits && !forbids(&["lints", "rust", "unsafe_code"]) {
        return finding("forbids no unsafe code: `[lints]` with `workspace = true`");
    }
    if path == "Cargo.toml" && !forbids(&["workspace", "lints", "rust", "unsafe_code"]) {
        return finding("`unsafe_code = \"forbid\"` is missing in `[workspace.lints.rust]`");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{MAY_ALLOW, check_manifest};

    fn is_found(path: &str, text: &str) -> bool {
        check_manifest(path, text).is_some()
    }

    #[test]
    fn a_crate_inherits_the_lints_or_forbids_unsafe_code_itself() {
        let package = "[package]\nname = \"a\"\n";
        assert!(is_found("a/Cargo.toml", package));
        assert!(is_found("a/Cargo.toml", &format!("{package}[lints]\nworkspace = false\n")));
        assert!(is_found("a/Cargo.toml", &format!("{package}[lints.rust]\nunsafe_code = \"deny\"\n")));
        assert!(!is_found("a/Cargo.toml", &format!("{package}[lints]\nworkspace = true\n")));
        assert!(!is_found("a/Cargo.toml", &format!("{package}[lints.rust]\nunsafe_code = \"forbid\"\n")));
        let with_priority = "[lints.rust]\nunsafe_code = { level = \"forbid\", priority = 1 }\n";
        assert!(!is_found("a/Cargo.toml", &format!("{package}{with_priority}")));
    }

    #[test]
    fn the_workspace_forbids_what_its_crates_inherit() {
        assert!(is_found("Cargo.toml", "[workspace]\nmembers = []\n"));
        assert!(is_found("Cargo.toml", "[workspace.lints.rust]\nunsafe_code = \"warn\"\n"));
        assert!(!is_found("Cargo.toml", "[workspace.lints.rust]\nunsafe_code = \"forbid\"\n"));
    }

    #[test]
    fn one_crate_may_allow_it_where_it_says_why() {
        let package = "[package]\nname = \"weir-allocator\"\n";
        let both =
            "[lints.rust]\nunsafe_code = \"deny\"\n[lints.clippy]\nundocumented_unsafe_blocks = \"deny\"\n";
        assert!(!is_found(MAY_ALLOW, &format!("{package}{both}")));
        assert!(is_found("crates/weir-proxy/Cargo.toml", &format!("{package}{both}")));
        assert!(is_found(MAY_ALLOW, &format!("{package}[lints.rust]\nunsafe_code = \"deny\"\n")));
        assert!(is_found(
            MAY_ALLOW,
            &format!("{package}{}", both.replace("unsafe_code = \"deny\"", "unsafe_code = \"allow\""))
        ));
    }

    #[test]
    fn what_is_no_manifest_is_a_finding() {
        assert!(is_found("a/Cargo.toml", "[package"));
    }
}
