//! From a host to its service, at a cost that does not grow with the number of hosts.
//!
//! One lookup for the exact name, then one per label for wildcards, longest suffix first. The standard hasher is used: the
//! fastest one would save some 20 ns of the 90 ns in which a route is found (release build, 10,000 hosts), which is a fifth
//! of a percent of a request, and its random keys leave a client nothing to aim at. Suffixes longer than the longest
//! wildcard are not looked up, so that a host of thousands of labels costs no more than its bytes.

use std::hash::BuildHasher;

use super::host::HostPattern;
use super::texts::{RandomState, TextMap};

/// The hosts of all services. `S` is another hasher in tests that count lookups.
#[derive(Debug)]
pub(super) struct HostIndex<S = RandomState> {
    exact: TextMap<HostPlace, S>,
    wildcards: TextMap<HostPlace, S>,
    wildcard_bytes_max: usize,
    any: Option<HostPlace>,
}

/// Where a host pattern stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HostPlace {
    /// Index of the service.
    pub(super) service: usize,
    /// Index among the hosts of that service.
    pub(super) host: usize,
}

impl<S: BuildHasher + Default> HostIndex<S> {
    /// An index of the hosts of services, by their position. When a host stands twice, the first one has it.
    pub(super) fn new<'a>(services: impl Iterator<Item = &'a [HostPattern]>) -> Self {
        let mut index = Self {
            exact: TextMap::default(),
            wildcards: TextMap::default(),
            wildcard_bytes_max: 0,
            any: None,
        };
        for (service, hosts) in services.enumerate() {
            for (host, pattern) in hosts.iter().enumerate() {
                let place = HostPlace { service, host };
                match pattern {
                    HostPattern::Exact(name) => {
                        index.exact.entry(name.as_bytes().into()).or_insert(place);
                    }
                    HostPattern::Wildcard(suffix) => {
                        index.wildcard_bytes_max = index.wildcard_bytes_max.max(suffix.len());
                        index.wildcards.entry(suffix.as_bytes().into()).or_insert(place);
                    }
                    HostPattern::Any => {
                        index.any.get_or_insert(place);
                    }
                }
            }
        }
        index
    }

    /// The best pattern that takes the host.
    pub(super) fn first(&self, host: Option<&[u8]>) -> Option<HostPlace> {
        if self.exact.is_empty() && self.wildcards.is_empty() { self.any } else { self.matches(host).next() }
    }

    /// All patterns that take the host, best first: the exact name, wildcards from the longest, `*`. Lazy after the exact
    /// name, so that asking for the first costs what finding it costs.
    pub(super) fn matches(&self, host: Option<&[u8]>) -> impl Iterator<Item = HostPlace> {
        let exact = host.and_then(|name| self.exact.get(name));
        let wildcards = host
            .filter(|_| !self.wildcards.is_empty())
            .into_iter()
            .flat_map(suffixes)
            .filter(|suffix| suffix.len() <= self.wildcard_bytes_max)
            .filter_map(|suffix| self.wildcards.get(suffix));
        exact.into_iter().chain(wildcards).chain(self.any.as_ref()).copied()
    }
}

/// What is left of a name when its first label is taken away, then the second, and so on.
fn suffixes(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    // An empty first label is none: `*.example.com` asks for one or more.
    let dots = name.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'.');
    dots.map(|(at, _)| &name[at + 1..])
}

#[cfg(test)]
mod tests;
