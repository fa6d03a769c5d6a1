//! Who may ask, how often, and how much at once.

use std::time::Duration;

use weir_core::address::AddressRules;
use weir_core::limit::Rate;

/// What a route admits.
#[derive(Debug, Clone, Default, Hash)]
pub struct Admit {
    /// Which addresses may ask; `None` for all.
    pub addresses: Option<AddressRules>,
    /// How often one may ask; a request must pass all of them. No two are the same.
    pub rates: Vec<RateRule>,
    /// How much may be in progress at once.
    pub concurrency: Option<Concurrency>,
}

/// How much may be in progress at once; at least one of the two numbers is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Concurrency {
    /// Requests of each client.
    pub per_client: Option<u32>,
    /// Requests of all clients.
    pub total: Option<u32>,
    /// Requests that wait at the same time.
    pub queue: u32,
    /// How long one waits at most.
    pub wait: Duration,
}

/// How often one may ask.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RateRule {
    /// What is counted together.
    pub by: RateKey,
    /// The rate.
    pub rate: Rate,
    /// How many may come at once, from 1 to [`Rate::COUNT_MAX`].
    pub burst: u32,
}

/// Which requests are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub enum RateKey {
    /// Those of one client address, of IPv6 those of one /64.
    #[default]
    Address,
    /// Those of one name by which the client was authenticated.
    Identity,
    /// All of the route.
    Route,
    /// Those with the same value of this field.
    Header(Box<str>),
}
