//! Stage *admit*: whether a request may ask at all, before anything is done for it.
//!
//! Rates by the name of a client wait until *authenticate* has found it out: [`after_authentication`] asks them. That is no
//! stage of its own, because it is the same question, only asked where its answer is known.

mod concurrency;
mod rates;

pub(super) use concurrency::{at_upstream, must_wait, wait};
pub(super) use rates::tell;
use weir_config::model::Redirect;
use weir_core::refusal::Refusal;
use weir_http::head::Head;

use super::failure::Failure;
use crate::exchange::Exchange;
use crate::runtime::snapshot::Admit;

/// Where the client of `x` is sent instead, because its route asks for https and it came in the clear.
pub(super) fn https_only(x: &mut Exchange) -> Result<Option<Redirect>, Failure> {
    if x.route().is_none_or(|route| route.https_only.is_none()) {
        return Ok(None);
    }
    x.facts.secured = x.scheme() == "https";
    match x.route().and_then(|route| route.https_only.as_ref()) {
        // Without a host there is nowhere to send it to.
        Some(_) if !x.facts.secured && x.facts.host.is_empty() => Err(Failure::HostMissing),
        Some(https) if !x.facts.secured => Ok(Some(https.redirect.clone())),
        Some(_) | None => Ok(None),
    }
}

/// Tells browsers to come over https from now on. Only over https itself: in the clear anybody could have written it
/// (RFC 6797 §7.2).
pub(super) fn tell_security(x: &Exchange, head: &mut Head) {
    if x.facts.secured
        && let Some(https) = x.route().and_then(|route| route.https_only.as_ref())
    {
        head.replace("Strict-Transport-Security", https.security.as_bytes());
    }
}

/// Asks the rules of the route of `x`, apart from those about who the client is. If it then [`must_wait`], [`wait`] comes
/// next; that is apart, because waiting is rare and everything else need not be a future.
pub(super) fn admit(x: &mut Exchange) -> Result<(), Failure> {
    if x.route().is_none_or(|route| route.admit.is_none()) {
        return Ok(());
    }
    let snapshot = x.snapshot.clone();
    let Some(rules) = x.found.and_then(|place| snapshot.route(place).admit.as_ref()) else { return Ok(()) };
    addresses(x, rules)?;
    rates::of_request(x, &rules.rates)?;
    x.places = rules.concurrency.as_ref().map(|limits| limits.arrive(x.facts.client));
    Ok(())
}

/// Asks the rules about who the client is.
pub(super) fn after_authentication(x: &mut Exchange) -> Result<(), Failure> {
    let of_identities = |rules: &Admit| !rules.rates.of_identities.is_empty();
    if !x.route().and_then(|route| route.admit.as_deref()).is_some_and(of_identities) {
        return Ok(());
    }
    let snapshot = x.snapshot.clone();
    let Some(rules) = x.found.and_then(|place| snapshot.route(place).admit.as_ref()) else { return Ok(()) };
    rates::of_identity(x, &rules.rates)
}

/// The client is who semantics.md §1.8 says it is, not who it says it is.
fn addresses(x: &Exchange, rules: &Admit) -> Result<(), Failure> {
    match &rules.addresses {
        Some(addresses) if !addresses.admits(x.facts.client) => {
            x.worker.counters.refuse(Refusal::Address);
            Err(Failure::AddressDenied)
        }
        Some(_) | None => Ok(()),
    }
}
