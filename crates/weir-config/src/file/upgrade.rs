//! `upgrade`: the protocols that a connection may switch to.

use weir_http::upgrade::{self, Upgrade};

use crate::complaint::Complaint;
use crate::node::{Node, NodeKind, shortened};

use super::decoder::Decoder;
use super::describe::Shape;
use super::kind::Kind;
use super::scalar::Parsed;

const PROTOCOL: Parsed<Box<str>> = Parsed {
    label: "protocol (`websocket`)",
    pattern: r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+(/[!#$%&'*+.^_`|~0-9A-Za-z-]+)?$",
    parse: protocol,
};

/// A protocol as the Upgrade field names it (RFC 9110 §7.8).
fn protocol(text: &str) -> Result<Box<str>, Complaint> {
    match upgrade::read([text.as_bytes()].into_iter()) {
        one @ Upgrade::One(_) if one.is_allowed([text]) => Ok(text.into()),
        // semantics.md §1.4
        Upgrade::One(_) => Err(Complaint::new(format!(
            "`{}` is never passed on: requests inside it would go past every rule",
            shortened(text)
        ))
        .hint("take it away; a client that asks for it is answered in HTTP/1.1")),
        Upgrade::None | Upgrade::Unclear => {
            Err(Complaint::new(format!("`{}` is not the name of a protocol", shortened(text)))
                .hint("write it as clients do in the field `Upgrade`: `websocket`, or `name/version`"))
        }
    }
}

/// `upgrade`: one protocol or a list of them, which may be empty.
pub(crate) struct Upgrades;

impl Kind for Upgrades {
    type Value = Vec<Box<str>>;

    fn decode(&self, node: &Node, decoder: &mut Decoder<'_>) -> Option<Self::Value> {
        match &node.kind {
            NodeKind::List(nodes) => {
                Some(nodes.iter().filter_map(|node| PROTOCOL.decode(node, decoder)).collect())
            }
            NodeKind::Scalar(_) | NodeKind::Mapping(_) => {
                PROTOCOL.decode(node, decoder).map(|protocol| vec![protocol])
            }
        }
    }

    fn shape(&self) -> Shape {
        let one = PROTOCOL.shape();
        Shape::Either(vec![one.clone(), Shape::List { of: Box::new(one), min: 0, max: None }])
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::protocol;

    fn check(text: &str, expected: Result<(), &str>) {
        match (protocol(text), expected) {
            (Ok(protocol), Ok(())) => assert_eq!(&*protocol, text),
            (Err(complaint), Err(part)) => {
                assert!(complaint.to_string().contains(part), "{text}: {complaint}");
                assert!(complaint.hint.is_some(), "{text}");
            }
            (got, expected) => panic!("{text}: got {got:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn semantics_1_4_any_protocol_but_h2c() {
        for good in ["websocket", "WebSocket", "tcp", "my-protocol/2"] {
            check(good, Ok(()));
        }
        for h2c in ["h2c", "H2C", "h2c/1"] {
            check(h2c, Err("never passed on"));
        }
        for bad in ["", "a b", "a/b/c", "websocket, tcp", "a/", "é"] {
            check(bad, Err("is not the name of a protocol"));
        }
    }
}
