//! What `weir duplicate` runs: writes go to every server, everything else to one.

use std::net::{Ipv6Addr, SocketAddr};

use weir_core::balance::Strategy;
use weir_core::server::ServerAddress;

use super::model;
use crate::check::dispatch::usual_duplicate;
use crate::complaint::Complaint;
use crate::model::{Action, Dispatch, Dispatches, Inventory, ListenAddress, Model, Server};

/// The methods that change something: every server gets them.
pub const DUPLICATED: [&str; 4] = ["POST", "PUT", "PATCH", "DELETE"];

/// What a client gets when the server of a request that goes to one can't be reached (`semantics.md` §1.10).
const UNREACHABLE: u16 = 503;

/// The model of a duplication to the servers of an inventory, which is followed while it runs if that is given too. Clients are
/// accepted on all addresses with this port, and metrics served on all with that one; 0 takes a free port.
///
/// # Errors
/// Both ports are the same, or TLS can't be spoken to servers with `https://`.
pub fn duplicate(
    servers: Vec<ServerAddress>,
    inventory: Option<Inventory>,
    port: u16,
    metrics_port: u16,
) -> Result<Model, Vec<Complaint>> {
    if port == metrics_port && port != 0 {
        let message = format!("the port {port} can't be for clients and for metrics");
        return Err(vec![Complaint::new(message).hint("choose another one with `-p` or `-m`")]);
    }
    let from_inventory = inventory.is_some();
    let server = |address| Server { from_inventory, ..Server::at(address) };
    let servers = servers.into_iter().map(server).collect();
    let rule = Dispatch::Duplicate(usual_duplicate());
    let dispatches = Dispatches {
        by_method: DUPLICATED.map(|method| (method.into(), rule.clone())).into(),
        others: Dispatch::Balance,
    };
    let everywhere = |port| SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    let listen = ListenAddress::Tcp(everywhere(port));
    let mut model = model(listen, Strategy::RoundRobin, dispatches, servers)?;
    model.metrics = Some(everywhere(metrics_port));
    model.upstreams.iter_mut().for_each(|upstream| upstream.inventory.clone_from(&inventory));
    for route in model.services.iter_mut().flat_map(|service| &mut service.routes) {
        if let Action::Forward(forward) = &mut route.action {
            forward.unreachable_status = Some(UNREACHABLE);
        }
    }
    Ok(model)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use weir_core::dispatch::Mode;

    use super::*;
    use crate::inventory::Surroundings;

    fn inventory() -> Vec<ServerAddress> {
        crate::inventory::parse("i", b"a:1\nb", &Surroundings::default()).unwrap()
    }

    #[test]
    fn writes_are_duplicated_and_the_rest_is_balanced() {
        let model = duplicate(inventory(), None, 0, 0).unwrap();
        let Action::Forward(forward) = &model.services[0].routes[0].action else { panic!("forward") };
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            assert_eq!(forward.dispatch.of(method.as_bytes()).mode(), Mode::Duplicate, "{method}");
        }
        for method in ["GET", "HEAD", "OPTIONS", "PROPFIND", "post"] {
            assert_eq!(forward.dispatch.of(method.as_bytes()).mode(), Mode::Balance, "{method}");
        }
        assert_eq!(forward.unreachable_status, Some(503));
        assert_eq!(model.metrics, Some("[::]:0".parse().unwrap()));
    }

    #[test]
    fn one_port_is_not_for_both() {
        let complaints = duplicate(inventory(), None, 9000, 9000).unwrap_err();
        assert!(complaints[0].to_string().contains("`-m`"), "{}", complaints[0]);
    }
}
