//! Secrets in the configuration: where they come from, and how they are kept out of what people are shown.
//!
//! A secret itself does not stand in the file, which is copied, mailed and kept in repositories: it comes from the
//! environment, from a file of its own, or (for keys) as its digest. A report shows lines of the configuration, so
//! whatever may be a secret is hidden there, also one that was written in the wrong place.

use std::path::PathBuf;

use weir_auth::api_key::KeyDigest;
use weir_auth::secret::Secret;

use crate::node::{Node, NodeKind};
use crate::problem::{Problem, Problems};

use super::decoder::Decoder;
use super::describe::Shape;
use super::kind::Kind;

/// Where a secret comes from.
#[derive(Debug)]
pub(crate) enum SecretSource {
    /// It came out of the environment.
    Value(Secret),
    /// `file:PATH`
    File(PathBuf),
    /// `sha256:HEX`
    Sha256(KeyDigest),
}

/// A text that is a secret, or says where one is.
pub(crate) struct SecretText {
    /// What it is called: `key`.
    pub(crate) label: &'static str,
    /// Whether its SHA-256 will do.
    pub(crate) digest: bool,
}

impl SecretText {
    fn hint(&self) -> &'static str {
        if self.digest {
            "write `${NAME}` for a variable of the environment, `file:PATH`, or `sha256:HEX`"
        } else {
            "write `${NAME}` for a variable of the environment, or `file:PATH`"
        }
    }
}

impl Kind for SecretText {
    type Value = SecretSource;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<SecretSource> {
        hide_below(node, decoder.problems);
        let NodeKind::Scalar(scalar) = &node.kind else {
            decoder.push(Problem::error(node.span, format!("expected a {}", self.label)).hint(self.hint()));
            return None;
        };
        if scalar.text.is_empty() || scalar.is_nothing() {
            decoder.push(Problem::error(node.span, format!("the {} is empty", self.label)).hint(self.hint()));
            return None;
        }
        if let Some(path) = scalar.text.strip_prefix("file:") {
            return Some(SecretSource::File(path.into()));
        }
        if let Some(hex) = scalar.text.strip_prefix("sha256:").filter(|_| self.digest) {
            return match KeyDigest::from_hex(hex) {
                Ok(digest) => Some(SecretSource::Sha256(digest)),
                Err(error) => {
                    decoder.push(
                        Problem::error(node.span, error.to_string())
                            .hint("`printf %s \"$KEY\" | sha256sum` prints them"),
                    );
                    None
                }
            };
        }
        if !scalar.replaced {
            let message = format!("the {} itself does not stand in the configuration", self.label);
            decoder.push(Problem::error(node.span, message).hint(self.hint()));
            return None;
        }
        Some(SecretSource::Value(Secret::new(scalar.text.clone().into_bytes())))
    }

    fn shape(&self) -> Shape {
        let pattern = if self.digest { "^(file:.+|sha256:[0-9a-fA-F]{64})$" } else { "^file:.+$" };
        Shape::Text { label: self.label, pattern }
    }
}

/// A kind around secrets: what is no such kind at all, and what stands under keys that it does not know, may be a secret
/// in the wrong place and is not shown.
pub(crate) struct Sensitive<K> {
    /// The kind.
    pub(crate) of: K,
    /// What it is called in problems: ``a mapping (`api_key`)``.
    pub(crate) label: &'static str,
    /// Keys whose values are no secrets, or look after themselves.
    pub(crate) open: &'static [&'static str],
}

impl<K: Kind> Kind for Sensitive<K> {
    type Value = K::Value;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<K::Value> {
        if let NodeKind::Mapping(entries) = &node.kind {
            for entry in entries.iter().filter(|entry| !self.open.contains(&entry.key.as_str())) {
                hide_below(&entry.value, decoder.problems);
            }
        }
        if !self.of.looks_like(node) {
            hide_below(node, decoder.problems);
            decoder.push(Problem::error(node.span, format!("expected {}", self.label)));
            return None;
        }
        self.of.decode(node, decoder)
    }

    fn shape(&self) -> Shape {
        self.of.shape()
    }

    fn looks_like(&self, node: &Node) -> bool {
        self.of.looks_like(node)
    }
}

/// Hides every text in `node`.
fn hide_below(node: &Node, problems: &mut Problems) {
    match &node.kind {
        NodeKind::Scalar(_) => problems.hide(node.span),
        NodeKind::List(nodes) => nodes.iter().for_each(|node| hide_below(node, problems)),
        NodeKind::Mapping(entries) => entries.iter().for_each(|entry| hide_below(&entry.value, problems)),
    }
}
