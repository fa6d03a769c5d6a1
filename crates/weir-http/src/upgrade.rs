//! The Upgrade field (RFC 9110 §7.8, semantics.md §1.4): which other protocol a client asks for.
//!
//! A request may list several protocols, and a server picks one. Weir has to know what a connection turns
//! into before it lets go of it, so it passes an upgrade on only if exactly one protocol is asked for; a
//! server is free to ignore the field, and so a list goes on without it. `h2c` never goes on: it would carry
//! requests past every rule (semantics.md §1.4). Whether Connection says `upgrade` too is read by
//! [`crate::connection`], and must be asked before this.

use crate::list;

/// What the Upgrade fields of one message list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgrade<'a> {
    /// Nothing.
    None,
    /// One protocol, as it was written: `websocket`, or with a version `name/version`. Compare without case.
    One(&'a [u8]),
    /// More than one, or something that is no protocol: not passed on.
    Unclear,
}

impl Upgrade<'_> {
    /// Whether the one protocol is `name`, which has no version or the same one.
    pub fn is(&self, name: &str) -> bool {
        matches!(self, Self::One(protocol) if protocol.eq_ignore_ascii_case(name.as_bytes()))
    }

    /// Whether one protocol is listed, it is among `allowed`, and it is not a form of `h2c`, which can't be
    /// allowed.
    pub fn is_allowed<'n>(&self, allowed: impl IntoIterator<Item = &'n str>) -> bool {
        !self.is_h2c() && allowed.into_iter().any(|name| self.is(name))
    }

    fn is_h2c(&self) -> bool {
        let Self::One(protocol) = self else {
            return false;
        };
        let name = protocol.split(|&byte| byte == b'/').next().unwrap_or_default();
        name.eq_ignore_ascii_case(b"h2c")
    }
}

/// Reads all Upgrade fields of one message. The same protocol listed twice is [`Upgrade::Unclear`] too.
pub fn read<'a>(values: impl Iterator<Item = &'a [u8]>) -> Upgrade<'a> {
    let mut protocols = values.flat_map(list::elements);
    match (protocols.next(), protocols.next()) {
        (None, _) => Upgrade::None,
        (Some(protocol), None) if is_protocol(protocol) => Upgrade::One(protocol),
        _ => Upgrade::Unclear,
    }
}

/// `name` or `name/version`, both tokens (RFC 9110 §7.8).
fn is_protocol(text: &[u8]) -> bool {
    let mut parts = text.split(|&byte| byte == b'/');
    let (name, version, more) = (parts.next(), parts.next(), parts.next());
    name.is_some_and(list::is_token) && version.is_none_or(list::is_token) && more.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[&'static str], expected: Upgrade<'static>) {
        assert_eq!(read(values.iter().map(|value| value.as_bytes())), expected, "{values:?}");
    }

    #[test]
    fn one_protocol_or_none() {
        check(&[], Upgrade::None);
        check(&[""], Upgrade::None);
        check(&[" , "], Upgrade::None);
        check(&["websocket"], Upgrade::One(b"websocket"));
        check(&["", ", WebSocket ,"], Upgrade::One(b"WebSocket"));
        check(&["HTTP/3.0"], Upgrade::One(b"HTTP/3.0"));
    }

    #[test]
    fn lists_and_nonsense_are_unclear() {
        check(&["websocket, h2c"], Upgrade::Unclear);
        check(&["websocket", "h2c"], Upgrade::Unclear);
        check(&["websocket", "websocket"], Upgrade::Unclear);
        for value in ["a b", "a/b/c", "/a", "a/", "/", "\"websocket\"", "a;b", "a\0", "wébsocket"] {
            check(&[value], Upgrade::Unclear);
        }
    }

    fn check_websocket(values: &[&str], expected: bool) {
        assert_eq!(read(values.iter().map(|value| value.as_bytes())).is("websocket"), expected, "{values:?}");
    }

    #[test]
    fn websocket() {
        check_websocket(&["websocket"], true);
        check_websocket(&["WebSocket"], true);
        check_websocket(&[" WEBSOCKET ,"], true);
        check_websocket(&[], false);
        check_websocket(&["websockets"], false);
        check_websocket(&["websocket/13"], false);
        check_websocket(&["h2c"], false);
        check_websocket(&["websocket, h2c"], false);
        check_websocket(&["h2c", "websocket"], false);
    }

    #[test]
    fn what_is_allowed() {
        let one = |protocol: &'static str| Upgrade::One(protocol.as_bytes());
        assert!(one("WebSocket").is_allowed(["websocket"]));
        assert!(one("my/2").is_allowed(["websocket", "MY/2"]));
        assert!(!one("my/3").is_allowed(["websocket", "my/2"]));
        assert!(!one("websocket").is_allowed([]));
        assert!(!Upgrade::None.is_allowed(["websocket", ""]));
        assert!(!Upgrade::Unclear.is_allowed(["websocket"]));
        // Not even when somebody writes it into the list.
        for protocol in ["h2c", "H2C", "h2c/1"] {
            assert!(!one(protocol).is_allowed([protocol, "h2c"]), "{protocol}");
        }
    }
}
