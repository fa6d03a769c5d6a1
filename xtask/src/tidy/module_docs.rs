//! Every Rust file opens with `//!`: what it is for, why this way, what it does not do.

use syn::AttrStyle;

use super::finding::Finding;
use super::tree::Tree;

/// See the module's words.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.rust()
        .filter(|(_, _, syntax)| {
            !syntax.attrs.iter().any(|attribute| {
                matches!(attribute.style, AttrStyle::Inner(_)) && attribute.path().is_ident("doc")
            })
        })
        .map(|(path, _, _)| {
            Finding::new("module-docs", path, 1, "has no `//!` that says what it is for".to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::tree::Tree;

    fn findings(text: &str) -> usize {
        check(&Tree::from_texts([("crates/a/src/lib.rs".to_owned(), text.to_owned())])).len()
    }

    #[test]
    fn a_file_without_docs_is_found() {
        assert_eq!(findings("//! What for.\nfn a() {}"), 0);
        assert_eq!(findings("fn a() {}"), 1);
        assert_eq!(findings("/// Of the function only.\nfn a() {}"), 1);
        assert_eq!(findings("#![allow(unused)]\nfn a() {}"), 1);
    }
}
