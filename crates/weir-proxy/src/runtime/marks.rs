//! What a configuration said, as fingerprints, so that the next one can be held against it: what has changed, and how.
//!
//! The configuration itself is not kept: with a hundred thousand routes that would be most of the memory. Names are those of the
//! snapshot that was made of it.

use std::collections::HashMap;

use weir_config::model::{Model, Route, Service};
use weir_core::ports::reload::{Changed, ConfigurationChange, How};

use super::fingerprint::Fingerprint;
use super::snapshot::Snapshot;

/// See the module.
#[derive(Debug, PartialEq, Eq)]
pub struct Marks {
    /// Keys at the top.
    settings: Vec<(&'static str, Fingerprint)>,
    /// Of each service and its routes, in the order of the snapshot: hosts, then each route.
    services: Vec<(Fingerprint, Box<[Fingerprint]>)>,
    /// Of each upstream, in the order of the snapshot.
    upstreams: Vec<Fingerprint>,
}

impl Marks {
    /// Those of a model.
    pub fn of(model: &Model) -> Self {
        let mut authentications = HashMap::new();
        let mut route = |route: &Route| {
            // Routes of a service share it, and it may hold a thousand keys.
            let asked = route.authenticate.as_ref().map(|asked| {
                let known = authentications.entry(std::sync::Arc::as_ptr(asked));
                *known.or_insert_with(|| Fingerprint::of(&**asked))
            });
            let upstreams: Vec<&str> = match &route.action {
                weir_config::model::Action::Forward(forward) => {
                    forward.upstreams().map(|upstream| model.upstreams[upstream.0].name.as_str()).collect()
                }
                _ => Vec::new(),
            };
            Fingerprint::of(&(route, upstreams, asked))
        };
        let mut service = |service: &Service| {
            let routes = service.routes.iter().map(&mut route).collect();
            (Fingerprint::of(&service.hosts), routes)
        };
        Self {
            settings: settings(model),
            services: model.services.iter().map(&mut service).collect(),
            upstreams: model.upstreams.iter().map(Fingerprint::of).collect(),
        }
    }

    /// Whether a setting is as it was.
    pub(super) fn has_same(&self, other: &Self, setting: &str) -> bool {
        let of = |marks: &Self| marks.settings.iter().find(|(name, _)| *name == setting).map(|(_, it)| *it);
        of(self) == of(other)
    }
}

/// Each key at the top that is no list of things with names of their own.
fn settings(model: &Model) -> Vec<(&'static str, Fingerprint)> {
    // Every field has its name here, so that a new one is not forgotten.
    let Model {
        listen: _,
        policy_listen: _,
        // It says what the others say, and comments of the file are not in it.
        written: _,
        workers,
        admin,
        metrics,
        state,
        access_log,
        log,
        request_ids,
        trace,
        trusted_proxies,
        resolver,
        forwarded,
        limits,
        timeouts,
        replay,
        drain,
        watch,
        services: _,
        upstreams: _,
    } = model;
    vec![
        ("workers", Fingerprint::of(workers)),
        ("admin", Fingerprint::of(admin)),
        ("metrics", Fingerprint::of(metrics)),
        ("state", Fingerprint::of(state)),
        ("access_log", Fingerprint::of(access_log)),
        ("log", Fingerprint::of(log)),
        ("request_id", Fingerprint::of(request_ids)),
        ("trace", Fingerprint::of(trace)),
        ("trusted_proxies", Fingerprint::of(trusted_proxies)),
        ("resolver", Fingerprint::of(resolver)),
        ("forwarded", Fingerprint::of(forwarded)),
        ("limits", Fingerprint::of(limits)),
        ("timeouts", Fingerprint::of(timeouts)),
        ("replay", Fingerprint::of(replay)),
        ("drain", Fingerprint::of(drain)),
        ("watch", Fingerprint::of(watch)),
    ]
}

/// What has changed from one configuration to the next, listeners aside.
pub(super) fn changes(
    (before, old): (&Marks, &Snapshot),
    (after, new): (&Marks, &Snapshot),
) -> Vec<ConfigurationChange> {
    let mut all = Vec::new();
    for ((name, old), (_, new)) in before.settings.iter().zip(&after.settings) {
        if old != new {
            all.push(change(Changed::Setting, How::Changed, (*name).to_owned()));
        }
    }
    let services = |marks: &Marks, snapshot: &Snapshot| -> Vec<(String, Fingerprint)> {
        let names = snapshot.services.iter().map(|service| service.name.to_string());
        names.zip(marks.services.iter().map(|(hosts, _)| *hosts)).collect()
    };
    differences(Changed::Service, &services(before, old), &services(after, new), &mut all);
    // Of a service that is new or gone the routes are not told one by one.
    let alone = |how: How| -> Vec<String> {
        let is_one = |it: &&ConfigurationChange| it.what == Changed::Service && it.how == how;
        all.iter().filter(is_one).map(|it| it.name.clone()).collect()
    };
    let (added, removed) = (alone(How::Added), alone(How::Removed));
    let (old_routes, new_routes) = (routes(before, old, &removed), routes(after, new, &added));
    differences(Changed::Route, &old_routes, &new_routes, &mut all);
    let upstreams = |marks: &Marks, snapshot: &Snapshot| -> Vec<(String, Fingerprint)> {
        let names = snapshot.upstreams.iter().map(|upstream| upstream.name.to_string());
        names.zip(marks.upstreams.iter().copied()).collect()
    };
    differences(Changed::Upstream, &upstreams(before, old), &upstreams(after, new), &mut all);
    all
}

/// Every route of services that are not among these, behind the name of its service.
fn routes(marks: &Marks, snapshot: &Snapshot, but: &[String]) -> Vec<(String, Fingerprint)> {
    let but: std::collections::HashSet<&str> = but.iter().map(String::as_str).collect();
    let services = snapshot.services.iter().zip(&marks.services);
    let told = services.filter(|(service, _)| !but.contains(&*service.name));
    let routes = told.flat_map(|(service, (_, marks))| {
        let names =
            snapshot.routes_of(service).iter().map(|route| format!("{} {}", service.name, route.name));
        names.zip(marks.iter().copied())
    });
    routes.collect()
}

/// What is new, another or gone, by name. Of several with one name each is held against the one at its place among them.
fn differences(
    what: Changed,
    before: &[(String, Fingerprint)],
    after: &[(String, Fingerprint)],
    all: &mut Vec<ConfigurationChange>,
) {
    if before == after {
        return;
    }
    let mut known: HashMap<&str, Vec<Fingerprint>> = HashMap::new();
    for (name, mark) in before.iter().rev() {
        known.entry(name).or_default().push(*mark);
    }
    for (name, mark) in after {
        match known.get_mut(name.as_str()).and_then(Vec::pop) {
            None => all.push(change(what, How::Added, name.clone())),
            Some(old) if old != *mark => all.push(change(what, How::Changed, name.clone())),
            Some(_) => {}
        }
    }
    // In the order in which they were written.
    for (name, _) in before {
        if known.get_mut(name.as_str()).and_then(Vec::pop).is_some() {
            all.push(change(what, How::Removed, name.clone()));
        }
    }
}

pub(super) fn change(what: Changed, how: How, name: String) -> ConfigurationChange {
    ConfigurationChange { what, how, name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(before: &[(&str, &str)], after: &[(&str, &str)], expected: &[(&str, How)]) {
        let marked = |all: &[(&str, &str)]| -> Vec<_> {
            all.iter().map(|(name, it)| ((*name).to_owned(), Fingerprint::of(it))).collect()
        };
        let mut all = Vec::new();
        differences(Changed::Route, &marked(before), &marked(after), &mut all);
        let all: Vec<_> = all.iter().map(|it| (it.name.as_str(), it.how)).collect();
        assert_eq!(all, expected);
    }

    #[test]
    fn what_is_new_another_or_gone_is_told_by_name() {
        check(&[("a", "1"), ("b", "1")], &[("a", "1"), ("b", "1")], &[]);
        check(
            &[("a", "1"), ("b", "1"), ("c", "1")],
            &[("d", "1"), ("b", "2"), ("a", "1")],
            &[("d", How::Added), ("b", How::Changed), ("c", How::Removed)],
        );
        check(&[], &[("a", "1")], &[("a", How::Added)]);
        check(&[("a", "1")], &[], &[("a", How::Removed)]);
        // One name for several: each is held against the one at its place among them.
        check(&[("a", "1"), ("a", "2")], &[("a", "1"), ("a", "3")], &[("a", How::Changed)]);
        check(&[("a", "1"), ("a", "2")], &[("a", "1")], &[("a", How::Removed)]);
    }
}
