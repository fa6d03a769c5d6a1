//! Licences, banned crates and sources of everything in the lock file, by the rules of `deny.toml`.
//!
//! `cargo deny` is the known tool for this and is used as well when it is installed. Building it means two hundred more
//! crates, about as many as all of ours need, on every fresh machine; so what must hold everywhere is checked here, from
//! `cargo metadata`, without network. Advisories need a database from the network; those are `cargo xtask check --advisories`.

mod licence;
mod policy;

use std::collections::HashSet;

use anyhow::Result;
use serde_json::Value;

use policy::Policy;

use crate::workspace;

/// Checks every package of the lock file, and what the fuzz targets would be built with today. The findings, one line each; none when all is well.
///
/// # Errors
/// When `deny.toml` cannot be read or `cargo metadata` fails.
pub(crate) fn check() -> Result<Vec<String>> {
    let policy = Policy::read(&workspace::root().join("deny.toml"))?;
    let built = workspace::built_packages()?;
    let mut found = check_packages(&policy, &packages(&["--locked"])?, &built);
    found.extend(check_packages(&policy, &packages(&["--manifest-path", "fuzz/Cargo.toml"])?, &built));
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn packages(arguments: &[&str]) -> Result<Vec<Value>> {
    let metadata = workspace::metadata(arguments)?;
    Ok(metadata["packages"].as_array().cloned().unwrap_or_default())
}

/// `built` holds the names of what a build contains. The lock file knows more: what a feature would bring that nobody asks
/// for stands there too, and is never compiled. A ban is about what is.
fn check_packages(policy: &Policy, packages: &[Value], built: &HashSet<String>) -> Vec<String> {
    let mut found = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let version = package["version"].as_str().unwrap_or_default();
        if let Some(reason) = policy.banned.get(name)
            && built.contains(name)
        {
            found.push(format!("{name} {version} is banned: {reason}"));
        }
        // Without a source it is one of our own.
        let Some(source) = package["source"].as_str() else { continue };
        let registry = source.split_once('+').map_or(source, |(_, place)| place);
        if !source.starts_with("registry+") || !policy.registries.iter().any(|known| known == registry) {
            found.push(format!("{name} {version} comes from `{source}`, which deny.toml does not allow"));
        }
        let allows = |licence: &str| policy.allows(name, licence);
        match package["license"].as_str() {
            None => found.push(format!("{name} {version} states no licence")),
            Some(expression) => match licence::is_satisfied(expression, &allows) {
                Some(true) => {}
                Some(false) => {
                    found.push(format!(
                        "{name} {version} is under `{expression}`, which deny.toml does not allow"
                    ));
                }
                None => found.push(format!(
                    "{name} {version} has the licence `{expression}`, which is no SPDX expression"
                )),
            },
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::{Value, json};

    use super::check_packages;
    use super::policy::{PUBLIC_REGISTRY, Policy};

    fn crates() -> String {
        format!("registry+{PUBLIC_REGISTRY}")
    }

    fn findings(package: Value) -> usize {
        let policy = Policy::parse(
            r#"
            [licenses]
            allow = ["MIT", "Apache-2.0"]
            exceptions = [{ crate = "aws-lc-sys", allow = ["OpenSSL"] }]
            [bans]
            deny = [
                { crate = "openssl-sys", reason = "one TLS library is enough" },
                { crate = "native-tls", reason = "the same" },
            ]
            "#,
        );
        let built = HashSet::from(["openssl-sys".to_owned()]);
        check_packages(&policy.unwrap_or_default(), &[package], &built).len()
    }

    fn package(name: &str, licence: &str) -> Value {
        json!({"name": name, "version": "1.0.0", "license": licence, "source": crates()})
    }

    #[test]
    fn a_good_package_passes() {
        assert_eq!(findings(package("memchr", "Unlicense OR MIT")), 0);
        assert_eq!(findings(json!({"name": "weir", "version": "0.1.0", "source": null})), 0);
    }

    #[test]
    fn licences_bans_and_sources_can_fail() {
        assert_eq!(findings(package("memchr", "GPL-3.0-only")), 1);
        assert_eq!(findings(package("memchr", "MIT AND OpenSSL")), 1);
        assert_eq!(findings(package("memchr", "MIT AND (")), 1);
        assert_eq!(findings(json!({"name": "memchr", "version": "1.0.0", "source": crates()})), 1);
        assert_eq!(findings(package("openssl-sys", "MIT")), 1);
        assert_eq!(findings(package("native-tls", "MIT")), 0, "it is in no build");
        let elsewhere =
            json!({"name": "a", "version": "1.0.0", "license": "MIT", "source": "git+https://example.org"});
        assert_eq!(findings(elsewhere), 1);
    }

    #[test]
    fn an_exception_holds_for_its_crate_only() {
        assert_eq!(findings(package("aws-lc-sys", "MIT AND OpenSSL")), 0);
        assert_eq!(findings(package("other", "OpenSSL")), 1);
    }
}
