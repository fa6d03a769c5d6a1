//! What a connection that has switched to another protocol keeps of its configuration: one route, and of that what is asked for until
//! its end.
//!
//! Such a connection may live for days. If it held the snapshot under which its request came, every reload meanwhile would leave a
//! whole configuration in memory. So it goes on under a snapshot of its own kind: names for whoever looks, the upstream and
//! the places that are given back, timeouts, and where it is counted. Nothing can be found in it, and no request begins under it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use weir_core::route::RouteTable;

use super::dispatch::Dispatches;
use super::rates::Rates;
use super::snapshot::{Action, Admit, Forward, Route, Seldom, Service, Snapshot};

impl Snapshot {
    /// What is kept of the route with this number, which is the first one then; `None` when it sends requests nowhere.
    pub(super) fn remnant(&self, number: usize) -> Option<Self> {
        let forward = self.forward(number)?;
        let route = self.route(number);
        let service = &self.services[route.service as usize];
        Some(Self {
            table: RouteTable::new(Vec::new()),
            services: vec![Service { name: service.name.clone(), routes: 0..1 }],
            routes: vec![remnant_of(route, forward)],
            upstreams: Vec::new(),
            policy_groups: Arc::clone(&self.policy_groups),
            trusted_proxies: Vec::new(),
            resolver: Vec::new(),
            forwarded: self.forwarded,
            subject_headers: Vec::new(),
            own_fields: Vec::new(),
            access_log: self.access_log.clone(),
            request_ids: self.request_ids,
            trace: self.trace,
            messages: self.messages.clone(),
            written: None,
            limits: self.limits,
            timeouts: self.timeouts,
            replay: self.replay,
            rooms: Vec::new(),
            inventories: Vec::new(),
            marks: Vec::new(),
            hedging: Vec::new(),
            traffic: Arc::clone(&self.traffic),
            since: self.since,
        })
    }
}

fn remnant_of(route: &Route, forward: &Forward) -> Route {
    let places = route.admit.as_ref().and_then(|admit| admit.concurrency.clone());
    let admit =
        places.map(|limits| Admit { addresses: None, rates: Rates::default(), concurrency: Some(limits) });
    Route {
        service: 0,
        name: route.name.clone(),
        action: Action::Forward(Forward {
            upstream: Arc::clone(&forward.upstream),
            room: forward.room.clone(),
            dispatch: Dispatches::balance(),
            beside: None,
            path: None,
            request_fields: None,
            host: None,
            seldom: Box::new(Seldom { upgrade: Vec::new(), unreachable_status: None }),
        }),
        answer_fields: None,
        backend_server: false,
        server_timing: false,
        is_among_others: AtomicBool::new(route.is_among_others.load(Ordering::Relaxed)),
        authenticate: None,
        https_only: None,
        admit: admit.map(Box::new),
    }
}
