//! The host that is asked about.

use std::fmt;
use std::net::IpAddr;

use weir_core::route::HostPattern;

/// A name or an address, lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host(String);

impl Host {
    /// Reads what a person writes.
    ///
    /// # Errors
    /// Says what to write instead.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self(address.to_canonical().to_string()));
        }
        match HostPattern::parse(text) {
            Ok(HostPattern::Exact(name)) => Ok(Self(name.trim_matches(['[', ']']).to_owned())),
            Ok(HostPattern::Wildcard(_) | HostPattern::Any) => {
                Err("clients ask for one name; write it without a star".to_owned())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The name that clients ask for: none for an address (RFC 6066 §3).
    pub(crate) fn asked(&self) -> Option<&str> {
        self.0.parse::<IpAddr>().is_err().then_some(self.0.as_str())
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(&str, bool)>) {
        let host = Host::parse(text).ok();
        let found = host.as_ref().map(|host| (host.as_str(), host.asked().is_some()));
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn a_host_is_one_name_or_an_address() {
        check("A.Example.com.", Some(("a.example.com", true)));
        check("localhost", Some(("localhost", true)));
        check("127.0.0.1", Some(("127.0.0.1", false)));
        check("[::1]", Some(("::1", false)));
        check("::1", Some(("::1", false)));
        check("*.example.com", None);
        check("*", None);
        check("https://a.example", None);
        check("a.example:443", None);
        check("", None);
    }
}
