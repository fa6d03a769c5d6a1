//! What `weir policy proxy` runs: one listener for policy groups, and nothing else.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use weir_core::address::NetworkSet;

use crate::complaint::Complaint;
use crate::model::{Model, PolicyListen, Register};

use super::empty;

/// The model of a proxy for policy groups, at which servers from these networks may register; this machine alone when there
/// are none.
///
/// # Errors
/// One complaint for each of `allow` that is no address and no network.
pub fn policy(address: SocketAddr, allow: &[String]) -> Result<Model, Vec<Complaint>> {
    let read = |text: &String| {
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map_err(|_| {
            Complaint::new(format!("`{text}` is no address and no network"))
                .hint("write `10.0.0.5`, or `10.0.0.0/8` for a network")
        })
    };
    let (mut networks, mut complaints) = (Vec::new(), Vec::new());
    for text in allow {
        match read(text) {
            Ok(network) => networks.push(network),
            Err(complaint) => complaints.push(complaint),
        }
    }
    if !complaints.is_empty() {
        return Err(complaints);
    }
    let usual = Register::default();
    let allow = if networks.is_empty() { usual.allow } else { NetworkSet::new(&networks) };
    let listen = PolicyListen { register: Register { allow, ..usual }, ..PolicyListen::at(address) };
    Ok(Model { policy_listen: vec![listen], ..empty() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn servers_of_this_machine_register_unless_others_may() {
        let address = "127.0.0.1:10000".parse().unwrap();
        let here = "127.0.0.1".parse().unwrap();
        let other = "10.0.0.5".parse().unwrap();
        let model = policy(address, &[]).unwrap();
        assert!(model.listen.is_empty() && model.services.is_empty());
        let allow = &model.policy_listen[0].register.allow;
        assert!(allow.contains(here) && !allow.contains(other));
        let model = policy(address, &["10.0.0.0/8".into(), "127.0.0.1".into()]).unwrap();
        let allow = &model.policy_listen[0].register.allow;
        assert!(allow.contains(here) && allow.contains(other));
        assert_eq!(policy(address, &["x".into(), "10.0.0.0/99".into()]).unwrap_err().len(), 2);
    }
}
