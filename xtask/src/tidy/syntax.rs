//! Questions about Rust syntax that several rules ask.

use syn::{Attribute, Item, Meta, UseTree};

/// Whether these attributes compile the item for tests only: `#[cfg(test)]`, alone or inside `all(…)`, or `#[test]`.
pub(super) fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        if attribute.path().segments.last().is_some_and(|last| last.ident == "test") {
            return true;
        }
        match &attribute.meta {
            Meta::List(list) if attribute.path().is_ident("cfg") => {
                let words = list.tokens.to_string();
                let mut words = words.split(|c: char| !c.is_alphanumeric() && c != '_');
                !list.tokens.to_string().contains("not") && words.any(|word| word == "test")
            }
            _ => false,
        }
    })
}

/// The attributes of an item, where it has some.
pub(super) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// The directory in which a file's child modules lie, without a slash at the end.
pub(super) fn child_directory(path: &str) -> String {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    match name {
        "mod.rs" | "lib.rs" | "main.rs" => directory.to_owned(),
        other => format!("{directory}/{}", other.trim_end_matches(".rs")),
    }
}

/// The places (paths without `.rs`) of modules that a file declares for tests only, without a body.
pub(super) fn test_module_places(path: &str, file: &syn::File) -> Vec<String> {
    let directory = child_directory(path);
    file.items
        .iter()
        .filter_map(|item| match item {
            Item::Mod(module) if module.content.is_none() && is_for_tests(&module.attrs) => {
                Some(format!("{directory}/{}", module.ident))
            }
            _ => None,
        })
        .collect()
}

/// One name that a `use` brings in: its whole path, and the name it gets here. A glob has the name `*`.
pub(super) type Import = (Vec<String>, String);

/// All names that one `use` brings in.
pub(super) fn imports(tree: &UseTree) -> Vec<Import> {
    let mut found = Vec::new();
    collect(tree, &mut Vec::new(), &mut found);
    found
}

fn collect(tree: &UseTree, prefix: &mut Vec<String>, found: &mut Vec<Import>) {
    match tree {
        UseTree::Path(path) => {
            prefix.push(path.ident.to_string());
            collect(&path.tree, prefix, found);
            prefix.pop();
        }
        UseTree::Name(name) if name.ident == "self" => {
            let last = prefix.last().cloned().unwrap_or_default();
            found.push((prefix.clone(), last));
        }
        UseTree::Name(name) => found.push((with(prefix, &name.ident.to_string()), name.ident.to_string())),
        UseTree::Rename(rename) if rename.ident == "self" => {
            found.push((prefix.clone(), rename.rename.to_string()));
        }
        UseTree::Rename(rename) => {
            found.push((with(prefix, &rename.ident.to_string()), rename.rename.to_string()));
        }
        UseTree::Glob(_) => found.push((prefix.clone(), "*".to_owned())),
        UseTree::Group(group) => group.items.iter().for_each(|item| collect(item, prefix, found)),
    }
}

fn with(prefix: &[String], last: &str) -> Vec<String> {
    let mut path = prefix.to_vec();
    path.push(last.to_owned());
    path
}

#[cfg(test)]
mod tests {
    use super::{child_directory, imports, is_for_tests};

    #[test]
    fn a_group_of_imports_is_flattened() {
        let item: syn::ItemUse = syn::parse_quote!(
            use crate::a::{self, b::C as D, e::*};
        );
        let flat: Vec<String> = imports(&item.tree)
            .into_iter()
            .map(|(path, name)| format!("{} as {name}", path.join("::")))
            .collect();
        assert_eq!(flat, ["crate::a as a", "crate::a::b::C as D", "crate::a::e as *"]);
    }

    #[test]
    fn what_is_compiled_for_tests() {
        let check = |item: syn::ItemMod, expected| assert_eq!(is_for_tests(&item.attrs), expected);
        check(
            syn::parse_quote!(
                #[cfg(test)]
                mod a {}
            ),
            true,
        );
        check(
            syn::parse_quote!(
                #[cfg(all(test, unix))]
                mod a {}
            ),
            true,
        );
        check(
            syn::parse_quote!(
                #[cfg(not(test))]
                mod a {}
            ),
            false,
        );
        check(
            syn::parse_quote!(
                #[cfg(feature = "testing")]
                mod a {}
            ),
            false,
        );
        check(
            syn::parse_quote!(
                mod a {}
            ),
            false,
        );
    }

    #[test]
    fn child_modules_lie_beside_or_below() {
        assert_eq!(child_directory("c/src/lib.rs"), "c/src");
        assert_eq!(child_directory("c/src/a/mod.rs"), "c/src/a");
        assert_eq!(child_directory("c/src/a.rs"), "c/src/a");
    }
}
