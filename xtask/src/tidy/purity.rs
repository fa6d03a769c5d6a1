//! The rules of Weir touch nothing: `weir-core`, `weir-auth` and `weir-http` open no socket and no file, start no thread, read
//! no clock and no environment. `now` is an argument and effects are returned, which is what makes them testable to the end.

use syn::visit::{self, Visit};

use super::finding::Finding;
use super::syntax;
use super::tree::Tree;

/// Crates under this rule.
const PURE: [&str; 3] = ["crates/weir-core/src/", "crates/weir-auth/src/", "crates/weir-http/src/"];

/// What they do not name, as the beginning of a path. `Instant` as a type is fine: the clock read is not.
const BANNED: [&str; 11] = [
    "std::fs",
    "std::thread",
    "std::process",
    "std::env",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::net::ToSocketAddrs",
    "std::os",
    "std::time::SystemTime",
    "Instant::now",
];

/// See the module's words.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, file, syntax) in tree.rust() {
        if file.for_tests || !PURE.iter().any(|prefix| path.starts_with(prefix)) {
            continue;
        }
        let mut paths = Paths { path, found: &mut found };
        paths.visit_file(syntax);
    }
    found
}

struct Paths<'a> {
    path: &'a str,
    found: &'a mut Vec<Finding>,
}

impl Paths<'_> {
    fn look_at(&mut self, path: &str, line: usize) {
        if let Some(banned) = BANNED.iter().find(|banned| is_below(path, banned)) {
            let message = format!("names `{banned}`: the caller passes it in, or performs it");
            self.found.push(Finding::new("purity", self.path, line, message));
        }
    }
}

/// Whether the path is the banned one or lies below it; a clock read is one wherever its type was imported from.
fn is_below(path: &str, banned: &str) -> bool {
    path.strip_prefix(banned).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        || (banned == "Instant::now" && path.ends_with("::Instant::now"))
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !syntax::is_for_tests(syntax::attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        for (path, _) in syntax::imports(&item.tree) {
            self.look_at(&path.join("::"), item.use_token.span.start().line);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if let Some(first) = path.segments.first() {
            let words: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.look_at(&words.join("::"), first.ident.span().start().line);
        }
        visit::visit_path(self, path);
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::tree::Tree;

    fn findings(path: &str, text: &str) -> usize {
        check(&Tree::from_texts([(path.to_owned(), text.to_owned())])).len()
    }

    #[test]
    fn effects_are_found_in_pure_crates_only() {
        let path = "crates/weir-core/src/a.rs";
        assert_eq!(findings(path, "use std::net::{IpAddr, SocketAddr};"), 0);
        assert_eq!(findings(path, "use std::net::{IpAddr, TcpStream};"), 1);
        assert_eq!(findings(path, "use std::fs;"), 1);
        assert_eq!(findings(path, "fn a() { std::thread::sleep(d) }"), 1);
        assert_eq!(findings(path, "use std::time::Instant; fn a(now: Instant) {}"), 0);
        assert_eq!(findings(path, "use std::time::Instant; fn a() { Instant::now(); }"), 1);
        assert_eq!(findings(path, "#[cfg(test)] mod tests { use std::fs; }"), 0);
        assert_eq!(findings("crates/weir-proxy/src/a.rs", "use std::fs;"), 0);
    }
}
