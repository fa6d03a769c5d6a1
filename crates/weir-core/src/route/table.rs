//! The routes of all services, ready to be asked: first the service by the host, then the route inside it.
//!
//! A service is chosen by the host alone. When none of its routes matches, no other service is tried: a wildcard or `*`
//! beside it is for other hosts, and falling through would let the content of one host show up under another.

use super::host::HostPattern;
use super::hosts::HostIndex;
use super::query::RouteQuery;
use super::rule::RouteRule;
use super::service::Service;

/// All services with their hosts and routes. Built once per configuration, asked once per request.
#[derive(Debug)]
pub struct RouteTable {
    pub(super) hosts: HostIndex,
    pub(super) services: Vec<Service>,
}

/// Where a request goes. Indexes are those of the lists that [`RouteTable::new`] was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// This route.
    Route {
        /// Index of the service.
        service: usize,
        /// Index of the route in it.
        route: usize,
    },
    /// No service has the host.
    NoService,
    /// The service has no route for the request.
    NoRoute {
        /// Index of the service.
        service: usize,
        /// Methods with which there would have been one, each once, HEAD beside GET: the Allow of a 405 (RFC 9110
        /// §15.5.6). Empty: nothing but the method can't be what is wrong, which is a 404.
        methods: Vec<Box<str>>,
    },
}

impl RouteTable {
    /// A table of services, each with its hosts and its routes in the order of the file.
    pub fn new(services: Vec<(Vec<HostPattern>, Vec<RouteRule>)>) -> Self {
        let mut routes_before = 0;
        let services: Vec<Service> = services
            .into_iter()
            .map(|(hosts, rules)| {
                let before = routes_before;
                routes_before += rules.len();
                Service::new(hosts, rules, before)
            })
            .collect();
        Self { hosts: HostIndex::new(services.iter().map(|service| &*service.hosts)), services }
    }

    /// The hosts of the service with this index, in the order of the file.
    pub fn hosts(&self, service: usize) -> &[HostPattern] {
        &self.services[service].hosts
    }

    /// The number of a route among those of all services, in the order of the file: whoever keeps them in one list finds a route
    /// without looking at its service.
    pub fn number(&self, service: usize, route: usize) -> usize {
        self.services[service].routes_before as usize + route
    }

    /// What each route of the service with this index asks, in the order in which they are tried, with its index in the file.
    pub fn rules(&self, service: usize) -> impl Iterator<Item = (usize, &RouteRule)> {
        self.services[service].in_order().iter().map(|route| (route.index, &route.rule))
    }

    /// The route of a request. Allocates nothing when there is one.
    pub fn find(&self, q: &RouteQuery) -> Found {
        let Some(place) = self.hosts.first(q.host) else {
            return Found::NoService;
        };
        let service = &self.services[place.service];
        match service.find(q) {
            Some(route) => Found::Route { service: place.service, route },
            None => Found::NoRoute { service: place.service, methods: service.methods_instead(q) },
        }
    }
}

#[cfg(test)]
mod tests;
