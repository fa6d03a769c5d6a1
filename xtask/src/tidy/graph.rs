//! Which file of a crate names which other one.
//!
//! First all modules are read with what they declare and import; then each path is followed through modules and
//! re-exports to the file that defines what it names. Paths in the arguments of macros are followed too.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Item, Visibility};

use super::syntax;
use super::tree::Tree;

/// A name in one file that leads to another.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Edge {
    /// The file with the name.
    pub from: String,
    /// The file that defines it.
    pub to: String,
    /// Where the name stands.
    pub line: usize,
}

/// A module's path from the crate's root; empty for the root.
type Place = Vec<String>;

/// What a module has.
#[derive(Debug, Default)]
struct Module {
    file: String,
    children: BTreeSet<String>,
    imports: BTreeMap<String, Vec<String>>,
    items: BTreeSet<String>,
    names: Vec<Name>,
}

/// A path as written, and where.
#[derive(Debug)]
struct Name {
    path: Vec<String>,
    line: usize,
    /// A re-export, which is no edge when it leads below.
    is_re_export: bool,
}

/// All edges between the files of the crate with this root file, without those from a file to itself.
pub(super) fn edges(tree: &Tree, root: &str) -> Vec<Edge> {
    let mut modules = BTreeMap::new();
    if let Some(syntax) = tree.files.get(root).and_then(|file| file.syntax.as_ref()) {
        read_module(tree, root, Vec::new(), &syntax.items, &mut modules);
    }
    let mut found = Vec::new();
    for (place, module) in &modules {
        for name in &module.names {
            let Some(target) = resolve(&modules, place, &name.path, 0) else { continue };
            let leads_below = target.len() > place.len() && target.starts_with(place);
            let to = &modules[&target].file;
            if *to != module.file && !(name.is_re_export && leads_below) {
                found.push(Edge { from: module.file.clone(), to: to.clone(), line: name.line });
            }
        }
    }
    found
}

fn read_module(tree: &Tree, file: &str, place: Place, items: &[Item], modules: &mut BTreeMap<Place, Module>) {
    let mut module = Module { file: file.to_owned(), children: children(items), ..Module::default() };
    for item in items.iter().filter(|item| !syntax::is_for_tests(syntax::attributes(item))) {
        match item {
            Item::Mod(child) => {
                let name = child.ident.to_string();
                let child_place = [place.clone(), vec![name]].concat();
                if let Some((_, items)) = &child.content {
                    read_module(tree, file, child_place, items, modules);
                } else if let Some((path, items)) = child_file(tree, file, &place, &child_place) {
                    read_module(tree, &path, child_place, items, modules);
                }
            }
            Item::Use(item) => {
                let is_re_export = !matches!(item.vis, Visibility::Inherited);
                for (path, name) in syntax::imports(&item.tree) {
                    module.imports.insert(name, path.clone());
                    let line = item.use_token.span.start().line;
                    module.names.push(Name { path, line, is_re_export });
                }
            }
            other => {
                module.items.extend(item_name(other));
                let mut names = Names { children: &module.children, found: &mut module.names };
                names.visit_item(other);
            }
        }
    }
    modules.insert(place, module);
}

fn children(items: &[Item]) -> BTreeSet<String> {
    let modules = items.iter().filter_map(|item| match item {
        Item::Mod(module) if !syntax::is_for_tests(&module.attrs) => Some(module.ident.to_string()),
        _ => None,
    });
    modules.collect()
}

/// The file of a module declared without a body: beside a `mod.rs`, else below the file's own name.
fn child_file<'a>(tree: &'a Tree, file: &str, parent: &Place, child: &Place) -> Option<(String, &'a [Item])> {
    let directory = syntax::child_directory(file);
    // Inline modules between the file and the child add a directory each; the place knows them, the file does not.
    let depth = file_depth(file);
    let inline = parent.get(depth..).unwrap_or_default().join("/");
    let name = child.last()?;
    let base = if inline.is_empty() {
        format!("{directory}/{name}")
    } else {
        format!("{directory}/{inline}/{name}")
    };
    [format!("{base}.rs"), format!("{base}/mod.rs")].into_iter().find_map(|path| {
        let syntax = tree.files.get(&path)?.syntax.as_ref()?;
        Some((path, syntax.items.as_slice()))
    })
}

/// How many modules deep a file lies below `src`.
fn file_depth(file: &str) -> usize {
    let inside = file.rsplit_once("src/").map_or(file, |(_, inside)| inside);
    let parts: Vec<&str> = inside.split('/').collect();
    match parts.last().copied() {
        Some("mod.rs" | "lib.rs" | "main.rs") => parts.len() - 1,
        _ => parts.len(),
    }
}

fn item_name(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}

/// The module that defines what the path names, if it lies in this crate.
fn resolve(modules: &BTreeMap<Place, Module>, from: &Place, path: &[String], depth: usize) -> Option<Place> {
    // Two modules that re-export each other's names would go round for ever.
    if depth > 16 {
        return None;
    }
    let (first, rest) = path.split_first()?;
    let start = match first.as_str() {
        "crate" => Vec::new(),
        "self" => from.clone(),
        "super" => from.split_last()?.1.to_vec(),
        _ => return step(modules, from, path, depth, false),
    };
    match rest.first().map(String::as_str) {
        Some("super") => resolve(modules, &start, rest, depth),
        _ => step(modules, &start, rest, depth, true),
    }
}

/// Follows the names of `path` from inside the module at `place`. Once `entered`, a name that is not found was made by
/// a macro of that module and leads there.
fn step(
    modules: &BTreeMap<Place, Module>,
    place: &Place,
    path: &[String],
    depth: usize,
    entered: bool,
) -> Option<Place> {
    let module = modules.get(place)?;
    let Some((first, rest)) = path.split_first() else { return Some(place.clone()) };
    if module.children.contains(first) {
        let child = [place.clone(), vec![first.clone()]].concat();
        return step(modules, &child, rest, depth, true);
    }
    if module.items.contains(first) {
        return Some(place.clone());
    }
    match module.imports.get(first) {
        // `use serde;` names another crate, not itself.
        Some(imported) if imported.len() > 1 => {
            resolve(modules, place, &[imported.as_slice(), rest].concat(), depth + 1)
        }
        _ => entered.then(|| place.clone()),
    }
}

/// Collects every path below an item, except in what is compiled for tests.
struct Names<'a> {
    children: &'a BTreeSet<String>,
    found: &'a mut Vec<Name>,
}

impl Names<'_> {
    fn add(&mut self, path: Vec<String>, line: usize) {
        // A lone name is a variable, a type or a function, never a module: `route` is not `mod route`.
        if let [only] = path.as_slice()
            && self.children.contains(only)
        {
            return;
        }
        self.found.push(Name { path, line, is_re_export: false });
    }

    /// Paths in a macro's arguments: names with `::` between them.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut line = 0;
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 && !path.is_empty() {
                        self.add(std::mem::take(&mut path), line);
                    }
                    if path.is_empty() {
                        line = ident.span().start().line;
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' && !path.is_empty() => colons += 1,
                other => {
                    if !path.is_empty() {
                        self.add(std::mem::take(&mut path), line);
                    }
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        if !path.is_empty() {
            self.add(path, line);
        }
    }
}

impl<'ast> Visit<'ast> for Names<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !syntax::is_for_tests(syntax::attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        for (path, _) in syntax::imports(&item.tree) {
            self.add(path, item.use_token.span.start().line);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if let Some(first) = path.segments.first() {
            let words = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.add(words, first.ident.span().start().line);
        }
        visit::visit_path(self, path);
    }

    /// `pub(crate)` and `pub(super)` name nothing.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        visit::visit_path(self, &call.path);
        self.tokens(call.tokens.clone());
    }
}
