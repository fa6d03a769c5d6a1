//! Stage *admit*: whether a request may ask at all, before anything is done for it.

use weir_core::refusal::Refusal;

use super::failure::Failure;
use crate::exchange::Exchange;
use crate::runtime::snapshot::Admit;

/// Asks the rules of the route of `x`.
pub(super) fn admit(x: &mut Exchange) -> Result<(), Failure> {
    let Some(rules) = x.route().and_then(|route| route.admit.as_ref()) else { return Ok(()) };
    addresses(x, rules)
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
