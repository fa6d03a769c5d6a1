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
//! Exact paths and prefixes are looked up (one lookup per segment of the path), so that a service of a thousand routes
//! costs what one of ten does; only expressions are tried one after the other.

use std::cmp::Reverse;
use std::ops::Range;

use super::host::HostPattern;
use super::path::{PathPattern, whole_segments};
use super::query::RouteQuery;
use super::rule::RouteRule;
use super::texts::TextMap;

/// One service: its hosts, and its routes in the order in which they are tried. What every request reads is in two
/// neighbouring lines of the cache.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Service {
    /// Its hosts, in the order of the file.
    pub(super) hosts: Box<[HostPattern]>,
    /// How many routes the services before it have.
    pub(super) routes_before: u32,
    routes: Box<[RankedRoute]>,
    /// `None` where no path is exact.
    exact: Option<Box<TextMap<Run>>>,
    regexes: Run,
    /// All prefixes but `/`.
    prefixes: TextMap<Run>,
    prefix_bytes_max: u32,
    /// The prefix `/`, which takes every path: asked last, and mostly the only one, so nothing is looked up for it.
    root: Run,
}

/// A route with its place in the file.
#[derive(Debug)]
pub(super) struct RankedRoute {
    /// Its index among the routes of the service, as written.
    pub(super) index: usize,
    /// What it asks.
    pub(super) rule: RouteRule,
}

/// Routes that are tried one after the other, because they stand beside each other and ask for the same path.
#[derive(Debug, Clone, Copy, Default)]
struct Run {
    start: u32,
    end: u32,
    /// The first one, by its index in the file, where it asks for nothing but the path: then nothing more has to be read.
    sure: Option<u32>,
}

impl Run {
    fn is_empty(&self) -> bool {
        self.start == self.end
    }

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
        let (mut exact, mut prefixes) = (TextMap::<Run>::default(), TextMap::<Run>::default());
        let (mut regexes, mut root) = (Run::default(), Run::default());
        let mut prefix_bytes_max = 0;
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
                    prefix_bytes_max = prefix_bytes_max.max(number(segments.len()));
                    prefixes.entry(segments.into()).or_default().grow(at, route);
                }
            }
        }
        prefixes.shrink_to_fit();
        Self {
            hosts: hosts.into(),
            routes_before: number(routes_before),
            routes: routes.into(),
            exact: (!exact.is_empty()).then(|| Box::new(exact)),
            regexes,
            prefixes,
            prefix_bytes_max,
            root,
        }
    }

    /// The route that wins, by its index in the file. Allocates nothing.
    pub(super) fn find(&self, q: &RouteQuery) -> Option<usize> {
        self.find_exact(q)
            .or_else(|| self.find_among(self.regexes, q))
            .or_else(|| self.find_prefix(q))
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

    /// Looks up the path and all that is left when its last segment is taken away again and again. Nothing longer than the
    /// longest prefix is looked up, which bounds the work for a path of thousands of segments.
    fn find_prefix(&self, q: &RouteQuery) -> Option<usize> {
        if self.prefixes.is_empty() {
            return None;
        }
        let mut segments = q.path;
        let bytes_max = self.prefix_bytes_max as usize;
        if segments.len() > bytes_max {
            // What is cut off ends before a slash, at the latest the one right behind the longest prefix.
            segments = without_last_segment(&segments[..=bytes_max])?;
        }
        loop {
            let routes = self.prefixes.get(segments);
            if let Some(route) = routes.and_then(|run| self.first(*run, q)) {
                return Some(route);
            }
            segments = without_last_segment(segments)?;
        }
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

/// Everything before the last slash; `None` when there is no slash.
fn without_last_segment(path: &[u8]) -> Option<&[u8]> {
    path.iter().rposition(|byte| *byte == b'/').map(|slash| &path[..slash])
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
