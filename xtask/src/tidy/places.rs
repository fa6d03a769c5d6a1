//! Nothing in the tree names the machine it was written on, and nothing fetches from a place of its own.
//!
//! Home directories and the checkout's own path mean something on one machine only. Package registries are the business
//! of each tool's own configuration; `dependencies` checks that the lock file names the public registry and nothing else.

use super::finding::Finding;
use super::tree::Tree;
use crate::workspace;

/// Home directories, as far as they are the same for everybody. The paths in a proxy's tests look like these, so a home
/// counts only with somebody's name and something inside; glued together so that this file does not find itself.
const HOMES: [&str; 3] = [concat!("/ho", "me/"), concat!("/Us", "ers/"), concat!("C:\\Us", "ers\\")];

/// The administrator's home, of which only what is hidden in it is told from a path in a URL.
const ROOT_HOME: &str = concat!("/ro", "ot/.");

/// Hosts of package registries and their mirrors' usual beginnings.
const REGISTRIES: [&str; 10] = [
    concat!("index.", "crates", ".io"),
    concat!("static.", "crates", ".io"),
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
    let stands = |place: &str, is_one: fn(&str) -> bool| {
        line.match_indices(place).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '.' | '-' | '_' | '/' | '}'))
                && is_one(&line[at + place.len()..])
        })
    };
    if stands(own, |_| true) {
        return Some(own);
    }
    if stands(ROOT_HOME, |_| true) {
        return Some(ROOT_HOME);
    }
    HOMES.into_iter().find(|home| stands(home, names_somebody))
}

/// Whether what follows is `NAME/something`.
fn names_somebody(rest: &str) -> bool {
    let name = rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '-' || c == '_');
    let inside = name.strip_prefix(['/', '\\']);
    name.len() < rest.len()
        && inside.is_some_and(|inside| inside.starts_with(|c: char| c.is_alphanumeric() || c == '.'))
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
        assert_eq!(findings(concat!("cp a /ro", "ot/.config/")), 1);
        assert_eq!(findings(&format!("cd {}", workspace::root().display())), 1);
        assert_eq!(findings("/etc/weir/weir.yaml"), 0);
        for path in [concat!("GET /ro", "ot/a"), concat!("path: /ho", "me/"), concat!("path: /ho", "me/jane")]
        {
            assert_eq!(findings(path), 0, "{path} is a path in a URL");
        }
    }

    #[test]
    fn registries_are_found() {
        for host in REGISTRIES {
            assert_eq!(findings(&format!("url = https://{host}/simple")), 1, "{host}");
        }
    }
}
