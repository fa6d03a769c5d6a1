//! Certificates for programs.

use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Value, json};
use weir_tls::client::ClientMode;
use weir_tls::date;
use weir_tls::server::{Choice, MinVersion, ServerTls};

use super::host::Host;
use super::served::{Served, ServedTls, audience};

/// What all listeners serve.
pub(crate) fn overview(listeners: &[Served<'_>], now: SystemTime) -> Value {
    let of = |served: &ServedTls<'_>| served.tls.as_ref().map_or(Vec::new(), |tls| certificates(tls, now));
    json!({ "listeners": listeners.iter().map(|one| listener(one, "certificates", of)).collect::<Vec<_>>() })
}

/// Which certificate a host gets from each listener.
pub(crate) fn for_host(listeners: &[Served<'_>], host: &Host, now: SystemTime) -> Value {
    let of = |served: &ServedTls<'_>| served.tls.as_ref().map_or(Value::Null, |tls| chosen(tls, host, now));
    let listeners: Vec<_> = listeners.iter().map(|one| listener(one, "certificate", of)).collect();
    json!({ "host": host.as_str(), "listeners": listeners })
}

fn listener<V: Into<Value>>(listener: &Served<'_>, key: &str, of: impl Fn(&ServedTls<'_>) -> V) -> Value {
    let tls = listener.tls.as_ref().map(|served| {
        let source = &served.written.source;
        let client = source.clients.as_ref().map(|clients| match clients.mode {
            ClientMode::Require => "require",
            ClientMode::Request => "request",
        });
        let min_version = match source.min_version {
            MinVersion::Tls12 => "1.2",
            MinVersion::Tls13 => "1.3",
        };
        json!({ "min_version": min_version, "client": client, key: of(served).into() })
    });
    json!({ "address": listener.address, "tls": tls })
}

fn certificates(tls: &ServerTls, now: SystemTime) -> Vec<Value> {
    let one = |choice: &Arc<Choice>| {
        let audience = audience(tls, choice);
        let mut value = certificate(choice, now);
        value["default"] = audience.is_default.into();
        value["first_for"] = audience.first_for.into();
        value
    };
    tls.choices().iter().map(one).collect()
}

fn chosen(tls: &ServerTls, host: &Host, now: SystemTime) -> Value {
    let choice = tls.choose_name(host.asked());
    let others = host.asked().into_iter().flat_map(|name| tls.named(name)).skip(1);
    let mut value = certificate(choice, now);
    value["covers"] = choice.covers(host.as_str().as_bytes()).into();
    value["otherwise"] = others.map(|other| other.file.display().to_string()).collect();
    value
}

fn certificate(choice: &Choice, now: SystemTime) -> Value {
    let facts = &choice.certificate;
    let seconds_left = date::unix_seconds(facts.not_after) - date::unix_seconds(now);
    json!({
        "file": choice.file.display().to_string(),
        "names": facts.names.shown(),
        "subject": facts.subject,
        "issuer": facts.issuer,
        "from": date::rfc3339(facts.not_before),
        "until": date::rfc3339(facts.not_after),
        "seconds_left": seconds_left,
        "key": facts.key.to_string(),
        "sha256": facts.fingerprint.to_string(),
    })
}
