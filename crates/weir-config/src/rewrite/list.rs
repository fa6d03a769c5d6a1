//! A list of servers in the text, and its entries.

use std::net::{IpAddr, SocketAddr};

use weir_core::server::ServerAddress;

use crate::address;
use crate::node::{Node, NodeKind};
use crate::problem::Problem;
use crate::source::Span;

/// What the entries look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Addresses, or mappings with `address` and `weight`.
    Servers,
    /// Mappings with `address` and `port`.
    Hosts,
}

/// A list of servers.
pub(super) struct List<'n> {
    pub(super) text: &'n str,
    pub(super) span: Span,
    pub(super) items: Vec<Item<'n>>,
    pub(super) shape: Shape,
}

/// An entry.
pub(super) struct Item<'n> {
    pub(super) node: &'n Node,
    /// What says where it is.
    pub(super) address: &'n Node,
    /// The server, as it is called; nothing for one that stands for several.
    pub(super) server: Option<String>,
    pub(super) weight: Option<(&'n Node, u32)>,
}

impl Item<'_> {
    /// Its weight.
    pub(super) fn weight(&self) -> u32 {
        self.weight.map_or(1, |(_, weight)| weight)
    }
}

/// Why somebody has to do it by hand, with the lines.
pub(super) fn by_hand(text: &str, span: Span, message: &str) -> Problem {
    // The last byte may lie in a sign of several.
    let newlines = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count();
    let line = |at: usize| newlines(&text.as_bytes()[..at.min(text.len())]) + 1;
    let (first, last) = (line(span.start), line(span.end.max(span.start + 1) - 1));
    let lines = if first == last { format!("line {first}") } else { format!("lines {first} to {last}") };
    Problem::error(span, message).hint(format!("edit {lines} by hand; nothing is written"))
}

/// Where a node ends. Quoted texts end with their quotes, and collections without brackets with what is last in them: what the
/// parser calls their end lies behind comments and empty lines.
pub(super) fn end(text: &str, node: &Node) -> usize {
    let is_bracketed = text[node.span.start..].starts_with(['[', '{']);
    match &node.kind {
        NodeKind::Scalar(_) => node.span.start + scalar_length(&text[node.span.start..node.span.end]),
        NodeKind::List(nodes) if !is_bracketed => nodes.last().map_or(node.span.end, |last| end(text, last)),
        NodeKind::Mapping(entries) if !is_bracketed => {
            entries.last().map_or(node.span.end, |last| end(text, &last.value).max(last.key_span.end))
        }
        _ => node.span.end,
    }
}

/// How long a scalar is with which this begins.
fn scalar_length(written: &str) -> usize {
    let is_double = written.starts_with('"');
    if !is_double && !written.starts_with('\'') {
        return written.trim_end().len();
    }
    let mut bytes = written.bytes().enumerate().skip(1).peekable();
    while let Some((at, byte)) = bytes.next() {
        match (byte, is_double) {
            (b'\\', true) => drop(bytes.next()),
            (b'"', true) => return at + 1,
            // Two are one in the text.
            (b'\'', false) if bytes.peek().is_some_and(|(_, next)| *next == b'\'') => drop(bytes.next()),
            (b'\'', false) => return at + 1,
            _ => {}
        }
    }
    written.len()
}

fn text_of(node: Option<&Node>) -> Option<&str> {
    match &node?.kind {
        NodeKind::Scalar(scalar) => Some(&scalar.text),
        NodeKind::List(_) | NodeKind::Mapping(_) => None,
    }
}

impl<'n> List<'n> {
    /// Reads a list whose entries may be changed one by one.
    pub(super) fn read(text: &'n str, node: &'n Node, shape: Shape) -> Result<Self, Problem> {
        let whole = Span { start: node.span.start, end: end(text, node) };
        let NodeKind::List(nodes) = &node.kind else {
            return Err(by_hand(text, whole, "this is no list of servers"));
        };
        for node in nodes {
            refuse_what_is_more(text, node)?;
        }
        let items = nodes.iter().map(|node| item(node, shape));
        let items: Option<Vec<_>> = items.collect();
        let items = items.ok_or_else(|| by_hand(text, whole, "an entry is written in an unusual way"))?;
        Ok(Self { text, span: whole, items, shape })
    }

    /// The entry of this server, however it is written.
    pub(super) fn find(&self, server: &str) -> Option<&Item<'n>> {
        let is_it = |item: &&Item<'n>| item.server.as_deref().is_some_and(|known| is_same(known, server));
        self.items.iter().find(is_it)
    }

    /// Whether it stands in brackets.
    pub(super) fn is_flow(&self) -> bool {
        self.text[self.span.start..].starts_with('[')
    }

    /// A node as it is written.
    pub(super) fn written(&self, node: &Node) -> &'n str {
        &self.text[node.span.start..end(self.text, node)]
    }
}

/// Whether two names are those of one server, however each is written.
pub fn is_same(one: &str, other: &str) -> bool {
    let place = |address: ServerAddress| (address.scheme, address.transport, address.base);
    let place = |text: &str| address::server(text).ok().map(place);
    one == other || place(one).is_some_and(|one| Some(one) == place(other))
}

/// What is said in more than one place, comes from somewhere else, or stands on several lines, is not changed by a program.
fn refuse_what_is_more(text: &str, node: &Node) -> Result<(), Problem> {
    if node.is_shared {
        return Err(by_hand(text, node.span, "an entry has an anchor or is an alias"));
    }
    match &node.kind {
        NodeKind::Scalar(scalar) if scalar.text.contains("${") => {
            Err(by_hand(text, node.span, "an entry takes something from the environment"))
        }
        NodeKind::Scalar(_) if text[node.span.start..end(text, node)].contains('\n') => {
            Err(by_hand(text, node.span, "a value stands on several lines"))
        }
        NodeKind::Scalar(_) => Ok(()),
        NodeKind::List(nodes) => nodes.iter().try_for_each(|node| refuse_what_is_more(text, node)),
        NodeKind::Mapping(entries) => {
            entries.iter().try_for_each(|entry| refuse_what_is_more(text, &entry.value))
        }
    }
}

fn item(node: &Node, shape: Shape) -> Option<Item<'_>> {
    let plain = |text: &str| text.replace("$$", "$");
    if let (NodeKind::Scalar(scalar), Shape::Servers) = (&node.kind, shape) {
        return Some(Item { node, address: node, server: Some(plain(&scalar.text)), weight: None });
    }
    let address = node.value_of("address")?;
    let written = text_of(Some(address))?;
    match shape {
        Shape::Servers => {
            let weight = match node.value_of("weight") {
                Some(weight) => Some((weight, text_of(Some(weight))?.parse().ok()?)),
                None => None,
            };
            let stands_for_several = text_of(node.value_of("resolve")) == Some("true");
            let server = (!stands_for_several).then(|| plain(written));
            Some(Item { node, address, server, weight })
        }
        Shape::Hosts => {
            let port: u16 = text_of(node.value_of("port"))?.parse().ok()?;
            let server = match written.parse::<IpAddr>() {
                Ok(ip) => SocketAddr::new(ip, port).to_string(),
                Err(_) => format!("{written}:{port}"),
            };
            Some(Item { node, address, server: Some(server), weight: None })
        }
    }
}
