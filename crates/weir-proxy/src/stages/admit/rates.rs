//! Whether a request comes too often, and what its client is told about that.

use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;

use smallvec::SmallVec;
use weir_config::model::RateKey;
use weir_core::address::client_network;
use weir_core::limit::{Charges, Refused, charge_all, refund_all, tightest, whole_seconds};
use weir_core::refusal::Refusal;
use weir_http::head::Head;
use weir_upstream::io::deadline::now;

use crate::exchange::Exchange;
use crate::runtime::rates::{Rates, SharedRate};
use crate::stages::failure::Failure;

/// Charges the rates that need nothing but the request.
pub(super) fn of_request(x: &mut Exchange, rates: &Rates) -> Result<(), Failure> {
    let charges = charge(x, &rates.of_requests)?;
    if !rates.of_identities.is_empty() {
        x.charges = charges;
    }
    Ok(())
}

/// Charges the rates that need to know who the client is. If it may not pass them, the others get back what it was charged.
///
/// They were charged before, and not together with these, because checking a proof may be dear: what is refused for its
/// address must be refused before that.
pub(super) fn of_identity(x: &mut Exchange, rates: &Rates) -> Result<(), Failure> {
    let outcome = charge(x, &rates.of_identities);
    let before = std::mem::take(&mut x.charges);
    outcome.map(|_| ()).inspect_err(|_| give_back(x, &rates.of_requests, &before))
}

fn charge(x: &mut Exchange, rates: &[Arc<SharedRate>]) -> Result<Charges, Failure> {
    if rates.is_empty() {
        return Ok(Charges::new());
    }
    let rules = rates.iter().map(|rate| (&rate.limit, key(x, rate)));
    match charge_all(rules, x.snapshot.time(x.now), || x.snapshot.time(now())) {
        Ok(charges) => {
            x.standing = tightest(x.standing.into_iter().chain(charges.iter().map(|charge| charge.standing)));
            Ok(charges)
        }
        Err(Refused { standing, retry_after }) => {
            x.standing = Some(standing);
            x.worker.counters.refuse(Refusal::Rate);
            Err(Failure::TooOften { retry_after })
        }
    }
}

fn give_back(x: &Exchange, rates: &[Arc<SharedRate>], charges: &Charges) {
    refund_all(rates.iter().map(|rate| &rate.limit), charges, || x.snapshot.time(now()));
}

/// The hash of what a request is counted under.
fn key(x: &Exchange, rate: &SharedRate) -> u64 {
    match rate.by() {
        RateKey::Route => 0,
        RateKey::Address => match client_network(x.facts.client) {
            IpAddr::V4(address) => rate.key([address.octets().as_slice()].into_iter()),
            IpAddr::V6(address) => rate.key([address.octets().as_slice()].into_iter()),
        },
        // The same name, proved in two ways, may be two clients: a key and a user may both be called `shop`.
        RateKey::Identity => rate.key([x.proved.as_bytes(), x.identity.as_slice()].into_iter()),
        RateKey::Header(name) => rate.key(x.request.get_all(&**name)),
    }
}

/// Tells the client how it stands with the rate that is nearest to refusing: how many may come at once, how many more
/// would pass now, and in how many seconds nothing is used any more.
///
/// The names are those that most programs know. There is no standard; the draft of one (RateLimit, in the working group
/// *httpapi*) has changed its form with every version.
pub(in crate::stages) fn tell(x: &Exchange, head: &mut Head) {
    let Some(standing) = &x.standing else { return };
    let mut text: SmallVec<[u8; 20]> = SmallVec::new();
    let numbers = [
        ("X-RateLimit-Limit", u64::from(standing.limit)),
        ("X-RateLimit-Remaining", u64::from(standing.remaining)),
        ("X-RateLimit-Reset", whole_seconds(standing.reset)),
    ];
    for (name, number) in numbers {
        text.clear();
        // Writing into memory can't fail.
        let _ = write!(text, "{number}");
        head.replace(name, &text);
    }
}
