//! The reference of the configuration, `docs/configuration.md`, from the tables of fields.

use std::fmt::Write;

use crate::file::ROOTS;
use crate::file::describe::{Describe, Description, Presence, Shape, reachable};
use crate::suggest::alternatives;

const INTRODUCTION: &str = "\
# Configuration

This page is made from the tables that the program itself reads with; a test keeps it current.

The configuration is one YAML document. Keys are strict: an unknown one is an error. All problems of a file are told in
one run; `weir check` does nothing else.

- **Durations** are a number and a unit: `250ms`, `2s`, `1.5s`, `1m`, `1h`. **Sizes** too: `512B`, `64KiB`, `1MiB`, `10MB`.
- **Environment**: `${NAME}` and `${NAME:-default}` are replaced inside values, after the YAML was read, so that a value
  never makes structure. `$$` is a dollar; a dollar before anything else but `{` stays. Inside `[…]` and `{…}` YAML wants
  such a value in quotes.
- **Paths** of files and sockets that are not absolute begin at the configuration's directory.
- Anchors and aliases work; merge keys (`<<`), tags and several documents do not.

The smallest configuration:

```yaml
services:
  - host: \"*\"
    upstream: [127.0.0.1:9001]
```
";

const HOST_SERVICES: &str = "\
## The other file shape

A file with `proxy` at the top is read as that of a simpler proxy, in which services are chosen by host. Times in it are
seconds without a unit.
";

/// The Markdown text of `docs/configuration.md`.
pub fn reference() -> String {
    let [own, host_services] = ROOTS.map(reachable);
    let mut text = INTRODUCTION.to_owned();
    own.into_iter().for_each(|table| section(&mut text, table, 2));
    text.push('\n');
    text.push_str(HOST_SERVICES);
    host_services.into_iter().for_each(|table| section(&mut text, table, 3));
    text
}

/// Heading, purpose, a table of the keys, and the words that are for later.
fn section(text: &mut String, table: &'static dyn Describe, level: usize) {
    let _ = write!(text, "\n{} {}\n\n{}\n\n", "#".repeat(level), table.name(), table.doc());
    text.push_str("| key | value | default | meaning |\n| --- | --- | --- | --- |\n");
    for field in table.fields() {
        row(text, &field);
    }
    if !table.later().is_empty() {
        let words = alternatives(table.later().iter().copied()).replace("` or `", "` and `");
        let _ = write!(text, "\nKnown words that are not in this version: {words}.\n");
    }
}

fn row(text: &mut String, field: &Description) {
    let default = match field.presence {
        Presence::Required => "required".to_owned(),
        Presence::Optional => String::new(),
        Presence::Default(default) => format!("`{default}`"),
    };
    let cells = [format!("`{}`", field.name), value(&field.shape), default, field.doc.to_owned()];
    let _ = writeln!(text, "| {} |", cells.map(|cell| cell.replace('|', "\\|")).join(" | "));
}

/// What a value may be, in words.
fn value(shape: &Shape) -> String {
    match shape {
        Shape::Text { label, .. } => (*label).to_owned(),
        Shape::Words(words) => alternatives(words.iter().copied()),
        Shape::Boolean => "`true` or `false`".to_owned(),
        Shape::True => "`true`".to_owned(),
        Shape::Integer { min, max } if *max == u64::MAX => format!("number from {min}"),
        Shape::Integer { min, max } => format!("number from {min} to {max}"),
        Shape::Seconds => "seconds".to_owned(),
        Shape::List { of, .. } => format!("list of {}", grouped(of)),
        Shape::Either(several) => either(several),
        Shape::Mapping(table) => {
            format!("[{}](#{})", table.name(), table.name().replace(' ', "-").to_lowercase())
        }
        Shape::Named { key, of, .. } => format!("mapping: {key} → {}", grouped(of)),
    }
}

/// In brackets when it is several things.
fn grouped(shape: &Shape) -> String {
    let words = value(shape);
    if matches!(shape, Shape::Either(_)) && words.contains(", or ") { format!("({words})") } else { words }
}

/// `X, or a list of them` for the usual pair; `X, or Y` otherwise.
fn either(several: &[Shape]) -> String {
    if let [one, Shape::List { of, .. }] = several
        && value(of) == value(one)
    {
        return format!("{}, or a list of them", value(one));
    }
    // A text that is short for a mapping of the same name is explained there.
    let short_for_mapping = |shape: &&Shape| match shape {
        Shape::Text { label, .. } => {
            several.iter().any(|other| matches!(other, Shape::Mapping(table) if table.name() == *label))
        }
        _ => false,
    };
    let words: Vec<String> = several.iter().filter(|shape| !short_for_mapping(shape)).map(value).collect();
    words.join(", or ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::Path;

    use weir_core::log_field::{LogField, USUAL};

    use super::reference;

    /// The reference is read by people who do not build the program, so it lies in the tree; this keeps it from growing
    /// old. `WEIR_UPDATE=1 cargo test -p weir-config` writes it anew.
    #[test]
    fn the_file_in_docs_is_current() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
        if std::env::var_os("WEIR_UPDATE").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, reference()).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == reference(),
            "run `WEIR_UPDATE=1 cargo test -p weir-config` and look at the difference"
        );
    }

    const FIELDS_BEGIN: &str = "<!-- fields: written by `WEIR_UPDATE=1 cargo test -p weir-config` -->\n";
    const FIELDS_END: &str = "<!-- end of fields -->";

    /// The fields of the access log, as `docs/logs.md` lists them.
    fn log_fields() -> String {
        let mut table =
            "| field | usual | what it says | `-` or `null` when |\n|---|---|---|---|\n".to_owned();
        for field in LogField::ALL {
            let usual = if USUAL.contains(field) { "yes" } else { "" };
            table += &format!("| `{}` | {usual} | {} | {} |\n", field.name(), field.doc(), field.unless());
        }
        table
            + "| `header:NAME` | | A field of the request's head, as servers get it; of several the first. | it is not there |\n"
    }

    #[test]
    fn the_fields_of_the_access_log_are_listed() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/logs.md");
        let written = std::fs::read_to_string(&path).unwrap();
        let (before, rest) = written.split_once(FIELDS_BEGIN).unwrap();
        let (table, behind) = rest.split_once(FIELDS_END).unwrap();
        if std::env::var_os("WEIR_UPDATE").is_some() {
            std::fs::write(&path, [before, FIELDS_BEGIN, &log_fields(), FIELDS_END, behind].concat())
                .unwrap();
        } else {
            assert!(
                table == log_fields(),
                "run `WEIR_UPDATE=1 cargo test -p weir-config` and look at the difference"
            );
        }
    }
}
