//! Nothing in the tree names the machine it was written on, and nothing fetches from a place of its own.
//!
//! Home directories and the checkout's own path mean something on one machine only. Package registries are the business
//! of each tool's own configuration; `dependencies` checks that the lock file names crates.io and nothing else.

use super::finding::Finding;
use super::tree::Tree;
use crate::workspace;

/// Glued together so that this file does not find itself.
const HOMES: [&str; 4] =
    [concat!("/ho", "me/"), concat!("/Us", "ers/"), concat!("/ro", "ot/"), concat!("C:\\Us", "ers\\")];

/// Hosts of package registries and their mirrors' usual beginnings.
const REGISTRIES: [&str; 10] = [
    concat!("index.", "crates.io"),
    concat!("static.", "crates.io"),
    concat!("sparse", "+http"),
    concat!("pypi", ".org"),
    concat!("pythonhosted", ".org"),
    concat!("registry.", "npmjs.org"),
    concat!("deb.", "debian.org"),
    concat!("proxy.", "golang.org"),
    concat!("/arti", "factory/"),
    concat!("/nexus/", "repository/"),
];

/// See the module's words.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let own = workspace::root().to_string_lossy().into_owned();
    let mut found = Vec::new();
    for (path, file) in &tree.files {
        for (number, line) in file.text.lines().enumerate() {
            if let Some(place) = machine_path(line, &own) {
                let message = format!("`{place}` is a path of one machine");
                found.push(Finding::new("places", path, number + 1, message));
            }
            if let Some(host) = REGISTRIES.iter().find(|host| line.contains(**host)) {
                let message = format!("`{host}` is a registry's: leave it to the tool's own configuration");
                found.push(Finding::new("places", path, number + 1, message));
            }
        }
    }
    found
}

/// The path of one machine in this line, if there is one. What stands in the middle of a longer path, as in a URL, is none.
fn machine_path<'a>(line: &'a str, own: &'a str) -> Option<&'a str> {
    let whole = |place: &&str| {
        line.match_indices(*place).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '.' | '-' | '_' | '/' | '}'))
        })
    };
    HOMES.into_iter().chain([own]).find(whole)
}

#[cfg(test)]
mod tests {
    use super::{HOMES, REGISTRIES, check};
    use crate::tidy::tree::Tree;
    use crate::workspace;

    fn findings(line: &str) -> usize {
        check(&Tree::from_texts([("docs/a.md".to_owned(), format!("first\n{line}\n"))])).len()
    }

    #[test]
    fn paths_of_one_machine_are_found() {
        for home in HOMES {
            assert_eq!(findings(&format!("see `{home}jane/weir`")), 1, "{home}");
            assert_eq!(findings(&format!("https://example.org{home}jane")), 0, "{home} in a URL");
        }
        assert_eq!(findings(&format!("cd {}", workspace::root().display())), 1);
        assert_eq!(findings("/etc/weir/weir.yaml"), 0);
    }

    #[test]
    fn registries_are_found() {
        for host in REGISTRIES {
            assert_eq!(findings(&format!("url = https://{host}/simple")), 1, "{host}");
        }
    }
}
