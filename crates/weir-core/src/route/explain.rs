//! Why a request goes where it goes: what `weir explain` prints.
//!
//! Hosts are asked through the same index as for a request, and routes through the same
//! [`RouteRule::check`]; only the lookup of paths is left out, because every route shall be told about. A property test
//! holds both to the same winner.

use super::host::HostPattern;
use super::query::RouteQuery;
use super::rule::{Mismatch, RouteRule};
use super::table::{Found, RouteTable};

/// What was chosen, and why not the others.
#[derive(Debug, Clone)]
pub struct Explanation<'t> {
    /// The service that has the host, with the pattern by which it has it; `None` when no service has it.
    pub service: Option<ServiceMatch<'t>>,
    /// Other services whose hosts match too, but less closely; the closest first, each once.
    pub outranked: Vec<ServiceMatch<'t>>,
    /// How many services have only other hosts.
    pub other_services: usize,
    /// The routes of the chosen service, in the order in which they are tried.
    pub routes: Vec<RouteVerdict<'t>>,
    /// Without a winner: the methods with which there would have been one, as in [`Found::NoRoute`].
    pub methods: Vec<Box<str>>,
}

/// A service and the pattern that takes the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceMatch<'t> {
    /// Index of the service.
    pub service: usize,
    /// The pattern.
    pub pattern: &'t HostPattern,
}

/// What became of one route.
#[derive(Debug, Clone)]
pub struct RouteVerdict<'t> {
    /// Index of the route in its service, in the order of the file.
    pub route: usize,
    /// What it asks.
    pub rule: &'t RouteRule,
    /// What became of it.
    pub verdict: Verdict<'t>,
}

/// What became of a route.
#[derive(Debug, Clone)]
pub enum Verdict<'t> {
    /// It takes the request.
    Wins,
    /// It would take it, but the winner is more specific or stands earlier in the file.
    Outranked,
    /// It asks for something the request does not have.
    Misses(Mismatch<'t>),
}

impl RouteTable {
    /// Tells about every route what [`RouteTable::find`] thinks of it. For people: it allocates and looks at everything.
    pub fn explain(&self, q: &RouteQuery) -> Explanation<'_> {
        let mut matches: Vec<ServiceMatch<'_>> = Vec::new();
        for place in self.hosts.matches(q.host) {
            if matches.iter().all(|known| known.service != place.service) {
                let pattern = &self.services[place.service].hosts[place.host];
                matches.push(ServiceMatch { service: place.service, pattern });
            }
        }
        let other_services = self.services.len() - matches.len();
        if matches.is_empty() {
            return Explanation {
                service: None,
                outranked: matches,
                other_services,
                routes: Vec::new(),
                methods: Vec::new(),
            };
        }
        let chosen = matches.remove(0);
        let service = &self.services[chosen.service];
        let mut won = false;
        let mut judge = |rule| match RouteRule::check(rule, q) {
            Err(missing) => Verdict::Misses(missing),
            Ok(()) if won => Verdict::Outranked,
            Ok(()) => {
                won = true;
                Verdict::Wins
            }
        };
        let routes = service
            .in_order()
            .iter()
            .map(|route| RouteVerdict { route: route.index, rule: &route.rule, verdict: judge(&route.rule) })
            .collect();
        let methods = if won { Vec::new() } else { service.methods_instead(q) };
        Explanation { service: Some(chosen), outranked: matches, other_services, routes, methods }
    }
}

impl Explanation<'_> {
    /// What [`RouteTable::find`] says of the same request.
    pub fn found(&self) -> Found {
        let Some(ServiceMatch { service, .. }) = self.service else {
            return Found::NoService;
        };
        match self.routes.iter().find(|route| matches!(route.verdict, Verdict::Wins)) {
            Some(winner) => Found::Route { service, route: winner.route },
            None => Found::NoRoute { service, methods: self.methods.clone() },
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::path::PathPattern;
    use super::super::query::NoFields;
    use super::*;

    fn table() -> RouteTable {
        let rule = |path: PathPattern, methods: &[&str]| RouteRule {
            path,
            methods: methods.iter().map(|method| (*method).into()).collect(),
            fields: vec![],
            query: vec![],
        };
        let hosts = |texts: &[&str]| texts.iter().map(|text| HostPattern::parse(text).unwrap()).collect();
        RouteTable::new(vec![
            (hosts(&["*"]), vec![rule(PathPattern::prefix("/").unwrap(), &[])]),
            (
                hosts(&["*.example.com", "api.example.com"]),
                vec![
                    rule(PathPattern::prefix("/").unwrap(), &["GET"]),
                    rule(PathPattern::prefix("/orders").unwrap(), &["POST"]),
                    rule(PathPattern::exact("/health").unwrap(), &[]),
                ],
            ),
            (hosts(&["*.com"]), vec![]),
            (hosts(&["other.org"]), vec![]),
        ])
    }

    fn told(host: &str, method: &str, path: &str) -> (String, Vec<(usize, String)>) {
        let table = table();
        let host = if host.is_empty() { None } else { Some(host.as_bytes()) };
        let q = RouteQuery {
            host,
            method: method.as_bytes(),
            path: path.as_bytes(),
            query: None,
            fields: &NoFields,
        };
        let explanation = table.explain(&q);
        assert_eq!(explanation.found(), table.find(&q));
        let hosts: Vec<String> = explanation.outranked.iter().map(|m| m.pattern.to_string()).collect();
        let service =
            explanation.service.map_or("none".to_owned(), |m| format!("{} by {}", m.service, m.pattern));
        let summary = format!("{service}; not {hosts:?}; {} others", explanation.other_services);
        let routes = explanation
            .routes
            .iter()
            .map(|route| match &route.verdict {
                Verdict::Wins => (route.route, "wins".to_owned()),
                Verdict::Outranked => (route.route, "outranked".to_owned()),
                Verdict::Misses(missing) => (route.route, missing.to_string()),
            })
            .collect();
        (summary, routes)
    }

    #[test]
    fn the_choice_of_the_service_is_told() {
        assert_eq!(
            told("api.example.com", "GET", "/").0,
            r#"1 by api.example.com; not ["*.com", "*"]; 1 others"#
        );
        assert_eq!(
            told("www.example.com", "GET", "/").0,
            r#"1 by *.example.com; not ["*.com", "*"]; 1 others"#
        );
        assert_eq!(told("", "GET", "/").0, r#"0 by *; not []; 3 others"#);
    }

    #[test]
    fn every_route_is_told_about_in_the_order_of_the_tries() {
        let not_exact = "the path is not exactly `/health`".to_owned();
        assert_eq!(
            told("api.example.com", "POST", "/orders/7").1,
            [(2, not_exact.clone()), (1, "wins".to_owned()), (0, "the method is not GET".to_owned())]
        );
        assert_eq!(
            told("api.example.com", "GET", "/health").1,
            [
                (2, "wins".to_owned()),
                (1, "the path is not `/orders` or below it".to_owned()),
                (0, "outranked".to_owned())
            ]
        );
        assert_eq!(told("api.example.com", "PUT", "/orders").1.len(), 3);
    }

    #[test]
    fn without_a_service_nothing_is_said_of_routes() {
        let table = RouteTable::new(vec![(vec![HostPattern::Exact("a".into())], vec![])]);
        let q = RouteQuery { host: Some(b"b"), method: b"GET", path: b"/", query: None, fields: &NoFields };
        let explanation = table.explain(&q);
        assert_eq!((explanation.other_services, explanation.routes.len()), (1, 0));
        assert_eq!(explanation.found(), Found::NoService);
    }
}
