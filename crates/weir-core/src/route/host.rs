//! The hosts a service answers for, and how they are written.

use std::error::Error;
use std::fmt;
use std::net::Ipv6Addr;

/// The hosts a service answers for. Names are lower case, without port and without a trailing dot.
///
/// [`HostPattern::parse`] makes one of what a person wrote; a pattern that is built by hand in another spelling matches
/// nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// `api.example.com`
    Exact(Box<str>),
    /// `*.example.com`, kept as `example.com`: one or more labels before it.
    Wildcard(Box<str>),
    /// `*`: every host that nothing else takes, and requests without a host.
    Any,
}

/// Why a text is not a host pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostPatternError {
    /// Nothing is written.
    Empty,
    /// It begins with `http://` or the like.
    Scheme,
    /// It ends with a port.
    Port,
    /// It goes on with a path.
    Path,
    /// A `*` stands elsewhere than alone or as the whole first label.
    Star,
    /// A label is empty, or longer than 63 bytes.
    Label,
    /// It is longer than 253 bytes.
    Length,
    /// This character can't stand in a host.
    Character(char),
    /// What stands in brackets is no IPv6 address.
    Ipv6,
}

/// The longest name the DNS can hold, in bytes as written (RFC 1035 §2.3.4, less the length bytes of the wire).
const NAME_BYTES_MAX: usize = 253;
/// The longest label (RFC 1035 §2.3.4).
const LABEL_BYTES_MAX: usize = 63;

impl HostPattern {
    /// Reads a pattern as a person writes it: a name, `*.name`, an address (IPv6 in brackets) or `*`.
    ///
    /// Upper case becomes lower case and one trailing dot goes away, as in the Host of a request (`semantics.md` §1.1).
    ///
    /// # Errors
    /// Says what is wrong with the text; every [`HostPatternError`] can come from here.
    pub fn parse(text: &str) -> Result<Self, HostPatternError> {
        if text == "*" {
            return Ok(Self::Any);
        }
        if let Some(rest) = text.strip_prefix("*.") {
            return Ok(Self::Wildcard(name(rest)?));
        }
        if text.starts_with('[') {
            return bracketed(text).map(Self::Exact);
        }
        Ok(Self::Exact(name(text)?))
    }
}

/// An IPv6 address in brackets, in the one spelling of RFC 5952.
fn bracketed(text: &str) -> Result<Box<str>, HostPatternError> {
    let (inside, behind) =
        text.strip_prefix('[').and_then(|rest| rest.split_once(']')).ok_or(HostPatternError::Ipv6)?;
    if behind.starts_with(':') {
        return Err(HostPatternError::Port);
    }
    let address: Ipv6Addr = inside.parse().map_err(|_| HostPatternError::Ipv6)?;
    if behind.is_empty() { Ok(format!("[{address}]").into()) } else { Err(HostPatternError::Ipv6) }
}

/// A name of labels, lower case, without its trailing dot.
fn name(text: &str) -> Result<Box<str>, HostPatternError> {
    if text.is_empty() {
        return Err(HostPatternError::Empty);
    }
    if text.contains("://") {
        return Err(HostPatternError::Scheme);
    }
    if text.contains('/') {
        return Err(HostPatternError::Path);
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err(HostPatternError::Ipv6);
    }
    if text.contains(':') {
        return Err(HostPatternError::Port);
    }
    if text.contains('*') {
        return Err(HostPatternError::Star);
    }
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    // The underscore is no host name by RFC 952, but service names in containers have it and clients send it.
    if let Some(other) = name.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))) {
        return Err(HostPatternError::Character(other));
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(HostPatternError::Length);
    }
    if name.split('.').any(|label| label.is_empty() || label.len() > LABEL_BYTES_MAX) {
        return Err(HostPatternError::Label);
    }
    Ok(name.into())
}

impl fmt::Display for HostPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => out.write_str(name),
            Self::Wildcard(suffix) => write!(out, "*.{suffix}"),
            Self::Any => out.write_str("*"),
        }
    }
}

impl HostPatternError {
    /// What to write instead, where that can be said.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Empty => Some("write `\"*\"` for every host"),
            Self::Scheme => Some("write the name alone; `listen` decides about the protocol"),
            Self::Port => Some("write the name alone; ports of the Host field are not compared"),
            Self::Path => Some("write the name alone; paths stand under `routes`"),
            Self::Star => Some("write `*.example.com` for every name below, or `\"*\"` for every host"),
            Self::Character(c) if !c.is_ascii() => Some("write the name as clients send it, with `xn--`"),
            Self::Ipv6 => Some("write an IPv6 address in brackets, as in `[2001:db8::1]`"),
            Self::Label | Self::Length | Self::Character(_) => None,
        }
    }
}

impl fmt::Display for HostPatternError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => out.write_str("the host is empty"),
            Self::Scheme => out.write_str("a host has no scheme"),
            Self::Port => out.write_str("a host has no port here"),
            Self::Path => out.write_str("a host has no path"),
            Self::Star => out.write_str("`*` stands alone or as the whole first label"),
            Self::Label => write!(out, "each label of a host has 1 to {LABEL_BYTES_MAX} characters"),
            Self::Length => write!(out, "a host has at most {NAME_BYTES_MAX} characters"),
            Self::Character(c) => write!(out, "`{}` can't stand in a host", c.escape_default()),
            Self::Ipv6 => out.write_str("this is no IPv6 address in brackets"),
        }
    }
}

impl Error for HostPatternError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, HostPatternError>) {
        let parsed = HostPattern::parse(text).map(|pattern| pattern.to_string());
        assert_eq!(parsed, expected.map(str::to_owned), "{text}");
    }

    #[test]
    fn what_people_write_is_read() {
        check("*", Ok("*"));
        check("api.example.com", Ok("api.example.com"));
        check("API.Example.COM.", Ok("api.example.com"));
        check("*.Example.com.", Ok("*.example.com"));
        check("*.com", Ok("*.com"));
        check("localhost", Ok("localhost"));
        check("my_service-1", Ok("my_service-1"));
        check("127.0.0.1", Ok("127.0.0.1"));
        check("[2001:DB8:0:0::1]", Ok("[2001:db8::1]"));
        check(&"a".repeat(63), Ok(&"a".repeat(63)));
        assert_eq!(HostPattern::parse("*.example.com"), Ok(HostPattern::Wildcard("example.com".into())));
    }

    #[test]
    fn what_can_never_match_is_refused() {
        check("", Err(HostPatternError::Empty));
        check("*.", Err(HostPatternError::Empty));
        check("http://example.com", Err(HostPatternError::Scheme));
        check("example.com:8080", Err(HostPatternError::Port));
        check("*.example.com:80", Err(HostPatternError::Port));
        check("[::1]:80", Err(HostPatternError::Port));
        check("example.com/", Err(HostPatternError::Path));
        check("a.*.example.com", Err(HostPatternError::Star));
        check("*example.com", Err(HostPatternError::Star));
        check("*.*.example.com", Err(HostPatternError::Star));
        check("**", Err(HostPatternError::Star));
        check("a..b", Err(HostPatternError::Label));
        check(".a", Err(HostPatternError::Label));
        check(".", Err(HostPatternError::Label));
        check("a..", Err(HostPatternError::Label));
        check(&"a".repeat(64), Err(HostPatternError::Label));
        check(&"a.".repeat(127), Ok(&"a.".repeat(127)[..253]));
        check(&"a.".repeat(128), Err(HostPatternError::Length));
        check("a b", Err(HostPatternError::Character(' ')));
        check("a@b", Err(HostPatternError::Character('@')));
        check("bücher.example", Err(HostPatternError::Character('ü')));
        check("::1", Err(HostPatternError::Ipv6));
        check("[::1", Err(HostPatternError::Ipv6));
        check("[::1]x", Err(HostPatternError::Ipv6));
        check("[1.2.3.4]", Err(HostPatternError::Ipv6));
        check("[fe80::1%eth0]", Err(HostPatternError::Ipv6));
    }
}
