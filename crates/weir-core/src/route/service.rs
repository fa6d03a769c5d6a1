//! The routes of one service, the most specific first.
//!
//! The rule, as `docs/routing.md` states it:
//!
//! 1. A route with an exact path comes before one with a regular expression, that before one with a prefix, and a longer
//!    prefix before a shorter one.
//! 2. Among routes that this leaves equal, the one that asks for more comes first: each field and each query parameter
//!    counts one, and so does a list of methods.
//! 3. What is still equal is tried in the order of the file.
//!
//! The first route in this order that has everything it asks for wins. Sorting happens once, when the table is built.
//! Exact paths and prefixes are looked up, so that a service of a thousand routes costs what one of twenty does; only expressions
//! are tried one after the other.

use std::cmp::Reverse;
use std::ops::Range;

use super::host::HostPattern;
use super::path::{PathPattern, whole_segments};
use super::prefixes::{Prefixes, Run};
use super::query::RouteQuery;
use super::rule::RouteRule;
use super::texts::TextMap;

/// One service: its hosts, and its routes in the order in which they are tried. What every request reads stands together at the
/// beginning, in neighbouring lines of the cache.
#[derive(Debug)]
#[repr(C, align(128))]
pub(super) struct Service {
    /// `None` where no path is exact.
    exact: Option<Box<TextMap<Run>>>,
    regexes: Run,
    /// The prefix `/`, which takes every path: asked last, and mostly the only one, so nothing is looked up for it.
    root: Run,
    /// How many routes the services before it have.
    pub(super) routes_before: u32,
    prefixes: Prefixes,
    routes: Box<[RankedRoute]>,
    /// Its hosts, in the order of the file.
    pub(super) hosts: Box<[HostPattern]>,
}

/// A route with its place in the file.
#[derive(Debug)]
pub(super) struct RankedRoute {
    /// Its index among the routes of the service, as written.
    pub(super) index: usize,
    /// What it asks.
    pub(super) rule: RouteRule,
}

impl Run {
    /// Takes in the next route.
    fn grow(&mut self, at: usize, route: &RankedRoute) {
        if self.is_empty() {
            self.start = number(at);
            self.sure = (route.rule.conditions() == 0).then(|| number(route.index));
        }
        self.end = number(at + 1);
    }

    fn places(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// Routes of a service are fewer than that: each takes some bytes of a file whose size has a limit.
fn number(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

impl Service {
    /// Sorts the routes and makes the lookups.
    pub(super) fn new(hosts: Vec<HostPattern>, rules: Vec<RouteRule>, routes_before: usize) -> Self {
        let mut routes: Vec<RankedRoute> =
            rules.into_iter().enumerate().map(|(index, rule)| RankedRoute { index, rule }).collect();
        routes.sort_by(|a, b| rank(a).cmp(&rank(b)));
        let mut exact = TextMap::<Run>::default();
        let (mut regexes, mut root) = (Run::default(), Run::default());
        let mut prefixes: Vec<(&str, Run)> = Vec::new();
        for (at, route) in routes.iter().enumerate() {
            // Equal paths stand beside each other, because the rank compares them before the conditions.
            match &route.rule.path {
                PathPattern::Exact(path) => {
                    exact.entry(path.as_bytes().into()).or_default().grow(at, route);
                }
                PathPattern::Regex(_) => regexes.grow(at, route),
                PathPattern::Prefix(prefix) if whole_segments(prefix).is_empty() => root.grow(at, route),
                PathPattern::Prefix(prefix) => {
                    let segments = whole_segments(prefix);
                    if prefixes.last().is_none_or(|(last, _)| last.as_bytes() != segments) {
                        prefixes.push((&prefix[..segments.len()], Run::default()));
                    }
                    if let Some((_, run)) = prefixes.last_mut() {
                        run.grow(at, route);
                    }
                }
            }
        }
        let prefixes = Prefixes::new(&prefixes);
        Self {
            hosts: hosts.into(),
            routes_before: number(routes_before),
            routes: routes.into(),
            exact: (!exact.is_empty()).then(|| Box::new(exact)),
            regexes,
            prefixes,
            root,
        }
    }

    /// The route that wins, by its index in the file. Allocates nothing.
    pub(super) fn find(&self, q: &RouteQuery) -> Option<usize> {
        self.find_exact(q)
            .or_else(|| self.find_among(self.regexes, q))
            .or_else(|| self.prefixes.find(q.path, |run| self.first(run, q)))
            .or_else(|| self.find_root(q))
    }

    /// All routes in the order in which they are tried.
    pub(super) fn in_order(&self) -> &[RankedRoute] {
        &self.routes
    }

    /// The methods with which the request would have had a route, each once; HEAD beside GET.
    pub(super) fn methods_instead(&self, q: &RouteQuery) -> Vec<Box<str>> {
        let mut methods: Vec<Box<str>> = Vec::new();
        let mut add = |method: &str| {
            if !methods.iter().any(|known| **known == *method) {
                methods.push(method.into());
            }
        };
        for route in self.routes.iter().filter(|route| route.rule.wants_other_method(q)) {
            for method in &route.rule.methods {
                add(method);
                if **method == *"GET" {
                    add("HEAD");
                }
            }
        }
        methods
    }

    fn find_exact(&self, q: &RouteQuery) -> Option<usize> {
        self.first(*self.exact.as_ref()?.get(q.path)?, q)
    }

    fn find_root(&self, q: &RouteQuery) -> Option<usize> {
        let takes = matches!(q.path, [] | [b'/', ..]);
        takes.then(|| self.first(self.root, q)).flatten()
    }

    /// The first route of a run that has everything, the path too.
    fn find_among(&self, run: Run, q: &RouteQuery) -> Option<usize> {
        let mut routes = self.routes[run.places()].iter();
        routes.find(|route| route.rule.check(q).is_ok()).map(|route| route.index)
    }

    /// The first route of a run whose paths match that has everything else too.
    fn first(&self, run: Run, q: &RouteQuery) -> Option<usize> {
        if let Some(sure) = run.sure {
            return Some(sure as usize);
        }
        let mut routes = self.routes[run.places()].iter();
        routes.find(|route| route.rule.check_conditions(q).is_ok()).map(|route| route.index)
    }
}

/// The place of a route among the others, smallest first. Different exact paths, and different prefixes of one length, can't
/// match one request together, so that comparing their bytes only brings equal ones together.
fn rank(route: &RankedRoute) -> (u8, Reverse<usize>, &[u8], Reverse<usize>, usize) {
    let (kind, length, path): (u8, usize, &[u8]) = match &route.rule.path {
        PathPattern::Exact(path) => (0, 0, path.as_bytes()),
        PathPattern::Regex(_) => (1, 0, &[]),
        PathPattern::Prefix(prefix) => (2, whole_segments(prefix).len(), whole_segments(prefix)),
    };
    (kind, Reverse(length), path, Reverse(route.rule.conditions()), route.index)
}

#[cfg(test)]
mod tests {
    use super::Service;

    /// With 10,000 services nothing of one is in a cache, and every line is waited for.
    #[test]
    fn a_service_is_four_lines_of_the_cache() {
        assert_eq!(size_of::<Service>(), 256);
    }
}
