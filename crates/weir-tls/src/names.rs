//! The names that a certificate speaks for, and whether a host is among them.
//!
//! Only the subject's alternative names count; clients have not looked at the common name for years (RFC 9110 §4.3.4). A
//! wildcard stands for one whole label on the left (RFC 9525 §6.3): `*.example.com` is neither `example.com` nor
//! `a.b.example.com`, unlike a wildcard among the hosts of a service, which takes any number of labels.

use std::fmt;
use std::net::IpAddr;

/// The names of one certificate.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    /// In the order of the certificate, as they are shown.
    shown: Vec<String>,
    /// Lower case, sorted.
    exact: Vec<Box<str>>,
    /// What stands behind `*.`, lower case, sorted.
    below: Vec<Box<str>>,
    addresses: Vec<IpAddr>,
}

impl Names {
    /// Takes the DNS names and addresses of a certificate. A name that no host can equal, such as `a.*.b`, is shown and
    /// matches nothing.
    pub fn new<'n>(
        names: impl IntoIterator<Item = &'n str>,
        addresses: impl IntoIterator<Item = IpAddr>,
    ) -> Self {
        let mut new = Self::default();
        for name in names {
            let name = name.to_ascii_lowercase();
            match name.strip_prefix("*.") {
                Some(parent) if !parent.is_empty() && !parent.contains('*') => new.below.push(parent.into()),
                Some(_) => {}
                None if !name.is_empty() && !name.contains('*') => new.exact.push(name.as_str().into()),
                None => {}
            }
            new.shown.push(name);
        }
        for address in addresses {
            new.shown.push(address.to_string());
            new.addresses.push(address.to_canonical());
        }
        new.exact.sort_unstable();
        new.below.sort_unstable();
        new
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }

    /// All of them as text, in the order of the certificate, addresses last.
    pub fn shown(&self) -> &[String] {
        &self.shown
    }

    /// The names without a wildcard, lower case.
    pub fn exact(&self) -> impl Iterator<Item = &str> {
        self.exact.iter().map(|name| &**name)
    }

    /// What stands behind the `*.` of wildcards, lower case.
    pub fn below(&self) -> impl Iterator<Item = &str> {
        self.below.iter().map(|name| &**name)
    }

    /// Whether the certificate speaks for this host: lower case, without port, an address of IPv6 with or without its
    /// brackets. Allocates nothing.
    pub fn covers(&self, host: &[u8]) -> bool {
        let Ok(host) = std::str::from_utf8(host) else { return false };
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return self.addresses.contains(&address.to_canonical());
        }
        let has = |list: &[Box<str>], name: &str| list.binary_search_by(|known| (**known).cmp(name)).is_ok();
        has(&self.exact, host) || parent(host).is_some_and(|parent| has(&self.below, parent))
    }
}

/// What stands behind the first label of a name.
pub(crate) fn parent(name: &str) -> Option<&str> {
    name.split_once('.').filter(|(label, _)| !label.is_empty()).map(|(_, parent)| parent)
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(names: &[&str], host: &str, expected: bool) {
        let address = |name: &&str| name.parse::<IpAddr>().ok();
        let hosts = names.iter().copied().filter(|name| address(name).is_none());
        let covers = Names::new(hosts, names.iter().filter_map(address)).covers(host.as_bytes());
        assert_eq!(covers, expected, "{host}");
    }

    #[test]
    fn a_wildcard_is_one_label() {
        check(&["*.example.com"], "a.example.com", true);
        check(&["*.EXAMPLE.com"], "a.example.com", true);
        check(&["*.example.com"], "example.com", false);
        check(&["*.example.com"], ".example.com", false);
        check(&["*.example.com"], "a.b.example.com", false);
        check(&["*.example.com", "example.com"], "example.com", true);
        check(&["*"], "localhost", false);
        check(&["*."], "localhost.", false);
        check(&["a*.example.com"], "ab.example.com", false);
        check(&["*.*.example.com"], "a.b.example.com", false);
    }

    #[test]
    fn an_address_is_covered_by_itself_alone() {
        check(&["127.0.0.1"], "127.0.0.1", true);
        check(&["127.0.0.1"], "127.0.0.2", false);
        check(&["127.0.0.1"], "[::ffff:127.0.0.1]", true);
        check(&["::1"], "[::1]", true);
        check(&["::1"], "::1", true);
        check(&["::1"], "[::2]", false);
        check(&["*.0.0.1"], "127.0.0.1", false);
    }

    #[test]
    fn what_is_no_name_is_not_covered() {
        check(&["localhost"], "localhost", true);
        check(&["localhost"], "", false);
        check(&["localhost"], "localhost.", false);
        check(&[], "", false);
        assert!(!Names::new(["a"], []).covers(b"\xff"));
    }
}
