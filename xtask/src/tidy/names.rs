//! A module is named after one noun. Names that mean "the rest" collect the rest.

use std::path::Path;

use syn::visit::{self, Visit};

use super::finding::Finding;
use super::tree::Tree;

/// Names that say nothing of what is inside.
const BANNED: [&str; 9] =
    ["util", "utils", "common", "helper", "helpers", "manager", "managers", "misc", "shared"];

/// See the module's words.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, _, syntax) in tree.rust() {
        let parts =
            path.split('/').map(|part| Path::new(part).file_stem().unwrap_or_default().to_string_lossy());
        for part in parts.filter(|part| BANNED.contains(&part.as_ref())) {
            found.push(Finding::new(
                "names",
                path,
                0,
                format!("`{part}` says nothing: name it after what is inside"),
            ));
        }
        let mut modules = Modules { path, found: &mut found };
        modules.visit_file(syntax);
    }
    found
}

/// Collects inline modules; the others have a file, which was looked at.
struct Modules<'a> {
    path: &'a str,
    found: &'a mut Vec<Finding>,
}

impl<'ast> Visit<'ast> for Modules<'_> {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        let name = module.ident.to_string();
        if module.content.is_some() && BANNED.contains(&name.as_str()) {
            let line = module.ident.span().start().line;
            let message = format!("`mod {name}` says nothing: name it after what is inside");
            self.found.push(Finding::new("names", self.path, line, message));
        }
        visit::visit_item_mod(self, module);
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
    fn names_that_say_nothing_are_found() {
        assert_eq!(findings("crates/a/src/pool.rs", ""), 0);
        assert_eq!(findings("crates/a/src/utils.rs", ""), 1);
        assert_eq!(findings("crates/a/src/common/mod.rs", ""), 1);
        assert_eq!(findings("crates/a/src/pool.rs", "mod inner { mod helpers {} }"), 1);
        assert_eq!(findings("crates/a/src/commonplace.rs", ""), 0);
    }
}
