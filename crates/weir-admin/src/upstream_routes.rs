//! What the admin listener answers under `/api/v1/upstreams`: upstreams and their servers, which may come, go and be taken out.
//!
//! What is wanted stands in the query, as with queues, because the listener takes no bodies. Asking for the same twice
//! changes nothing the second time. A page in a browser can't use it: another origin is refused before.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use serde_json::{Value, json};
use weir_core::ports::members::{MemberChange, MemberError, SharedMemberControl};
use weir_core::ports::{StatusSource, UpstreamStatus};

use crate::parameters::{Parameters, decoded};
use crate::problem::{allowed, not_allowed, problem, shown};
use crate::upstreams::{self, WORDS};

/// Where all of it begins.
pub(crate) const PREFIX: &str = "/api/v1/upstreams";

/// How long a server that registers itself is believed when it does not say it.
const LEASE: Duration = Duration::from_secs(10);

type Answer = Response<Full<Bytes>>;
type No = (StatusCode, String);

/// What is asked for.
#[derive(Debug, PartialEq)]
enum Place {
    All,
    Upstream(String),
    Server(String, String),
    Register(String, String),
}

/// Answers a request whose Host and Origin were checked.
pub(crate) fn answer(source: &dyn StatusSource, control: &SharedMemberControl, head: &Parts) -> Answer {
    let Some(place) = place(head.uri.path()) else {
        return problem(
            StatusCode::NOT_FOUND,
            "there is nothing here; there are /api/v1/upstreams, and below /NAME, /NAME/servers/ADDRESS and \
             /NAME/servers/ADDRESS/register",
        );
    };
    let methods: &[Method] = match place {
        Place::All | Place::Upstream(_) => &[Method::GET],
        Place::Server(..) => &[Method::GET, Method::PUT, Method::DELETE],
        Place::Register(..) => &[Method::POST],
    };
    let Some(method) = allowed(methods, &head.method) else { return not_allowed(methods) };
    match perform(source, control, place, method, head.uri.query().unwrap_or_default()) {
        Ok((status, value)) => shown(status, &value),
        Err((status, text)) => problem(status, &text),
    }
}

fn perform(
    source: &dyn StatusSource,
    control: &SharedMemberControl,
    place: Place,
    method: &Method,
    query: &str,
) -> Result<(StatusCode, Value), No> {
    source.look_on();
    let ok = |value| Ok((StatusCode::OK, value));
    match place {
        Place::All => {
            Parameters::read(query, &[])?;
            let all: Vec<_> = source.status().upstreams.iter().map(upstreams::upstream).collect();
            ok(json!({ "upstreams": all }))
        }
        Place::Upstream(name) => {
            Parameters::read(query, &[])?;
            ok(upstreams::upstream(&find(source, &name)?))
        }
        Place::Server(upstream, server) if *method == Method::PUT => {
            put(control, &upstream, &server, change(query)?)
        }
        Place::Server(upstream, server) if *method == Method::DELETE => {
            let drain = Parameters::read(query, &["drain"])?.duration("drain")?;
            let left = control.leave(&upstream, &server, drain).map_err(|error| no(&error))?;
            ok(upstreams::leaving(&left))
        }
        Place::Server(upstream, server) => {
            Parameters::read(query, &[])?;
            let name = control.name_of(&upstream, &server).map_err(|error| no(&error))?;
            let upstream = find(source, &upstream)?;
            let found = upstream.servers.iter().find(|known| known.address == name);
            ok(upstreams::server(found.ok_or_else(|| no(&MemberError::NoServer))?))
        }
        Place::Register(upstream, server) => {
            let parameters = Parameters::read(query, &["ttl", "weight"])?;
            let lease = parameters.duration("ttl")?.unwrap_or(LEASE);
            let change =
                MemberChange { lease: Some(lease), weight: parameters.number("weight")?, word: None };
            put(control, &upstream, &server, change)
        }
    }
}

fn put(
    control: &SharedMemberControl,
    upstream: &str,
    server: &str,
    change: MemberChange,
) -> Result<(StatusCode, Value), No> {
    let changed = control.put(upstream, server, change).map_err(|error| no(&error))?;
    let status = if changed.is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, upstreams::changed(&changed)))
}

fn change(query: &str) -> Result<MemberChange, No> {
    let parameters = Parameters::read(query, &["weight", "state"])?;
    let word = match parameters.text("state") {
        None => None,
        Some(state) => {
            let known = WORDS.iter().find(|(name, _)| *name == state);
            let names: Vec<&str> = WORDS.iter().map(|(name, _)| *name).collect();
            let text = format!("`state` takes {}", names.join(", "));
            Some(known.ok_or((StatusCode::BAD_REQUEST, text))?.1)
        }
    };
    Ok(MemberChange { weight: parameters.number("weight")?, word, lease: None })
}

fn find(source: &dyn StatusSource, name: &str) -> Result<UpstreamStatus, No> {
    let mut status = source.status();
    match status.upstreams.iter().position(|upstream| upstream.name == name) {
        Some(place) => Ok(status.upstreams.swap_remove(place)),
        None => {
            let known = status.upstreams.into_iter().map(|upstream| upstream.name).collect();
            Err(no(&MemberError::NoUpstream { known }))
        }
    }
}

fn no(error: &MemberError) -> No {
    let status = match error {
        MemberError::NoUpstream { .. } | MemberError::NoServer => StatusCode::NOT_FOUND,
        MemberError::Bad(_) => StatusCode::BAD_REQUEST,
        MemberError::Conflict(_) => StatusCode::CONFLICT,
    };
    (status, error.to_string())
}

fn place(path: &str) -> Option<Place> {
    let rest = path.strip_prefix(PREFIX)?;
    let Some(rest) = rest.strip_prefix('/') else { return rest.is_empty().then_some(Place::All) };
    let parts: Vec<&str> = rest.split('/').collect();
    let (name, parts) = parts.split_first()?;
    let part = |text: &str| decoded(text).filter(|text| !text.is_empty());
    let name = part(name)?;
    match parts {
        [] => Some(Place::Upstream(name)),
        ["servers", server] => Some(Place::Server(name, part(server)?)),
        ["servers", server, "register"] => Some(Place::Register(name, part(server)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
