//! Networks, as they stand in lists of who is trusted, allowed or denied.

use ipnet::IpNet;

use crate::address;

use super::scalar::Parsed;

/// An address or a network.
pub(crate) const NETWORK: Parsed<IpNet> = Parsed {
    label: "address or network",
    pattern: "^[0-9a-fA-F.:]+(/[0-9]{1,3})?$",
    parse: address::network,
};
