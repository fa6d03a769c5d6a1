//! What `weir policy proxy` runs: one listener for policy groups, and nothing else.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use ipnet::IpNet;
use weir_auth::secret::Secret;
use weir_core::address::NetworkSet;
use weir_core::limit::Rate;

use crate::check::secrets;
use crate::complaint::Complaint;
use crate::model::{Model, PolicyLimits, PolicyListen, Register};
use crate::quantity;

use super::empty;

/// What a proxy for policy groups is asked for.
#[derive(Debug, Clone, Copy)]
pub struct PolicyProxy<'w> {
    /// Where it listens.
    pub address: SocketAddr,
    /// From where servers may register, as it was written; only this machine when there is nothing.
    pub allow: &'w [String],
    /// For which addresses others may register servers, as it was written.
    pub elsewhere: &'w [String],
    /// The file with the token that servers show, where they must.
    pub token_file: Option<&'w Path>,
    /// Characters that a payload may have.
    pub payload_characters_max: usize,
    /// How much there may be.
    pub limits: PolicyLimits,
}

impl PolicyProxy<'_> {
    /// Listening here, with everything as usual.
    pub fn at(address: SocketAddr) -> Self {
        let PolicyListen { payload_characters_max, limits, .. } = PolicyListen::at(address);
        Self { address, allow: &[], elsewhere: &[], token_file: None, payload_characters_max, limits }
    }
}

/// The model of such a proxy.
///
/// # Errors
/// One complaint for each address or network that is none, and for a token that can't be read.
pub fn policy(proxy: PolicyProxy<'_>) -> Result<Model, Vec<Complaint>> {
    let mut complaints = Vec::new();
    let usual = Register::default();
    let allow = networks(proxy.allow, &mut complaints).unwrap_or(usual.allow);
    let elsewhere = networks(proxy.elsewhere, &mut complaints);
    let token = proxy.token_file.and_then(|path| match token(path) {
        Ok(token) => Some(Arc::new(token)),
        Err(complaint) => {
            complaints.push(complaint);
            None
        }
    });
    if !complaints.is_empty() {
        return Err(complaints);
    }
    let listen = PolicyListen {
        payload_characters_max: proxy.payload_characters_max,
        register: Register { allow, elsewhere, token },
        limits: proxy.limits,
        ..PolicyListen::at(proxy.address)
    };
    Ok(Model { policy_listen: vec![listen], ..empty() })
}

/// Those that are written; `None` when nothing is.
fn networks(written: &[String], complaints: &mut Vec<Complaint>) -> Option<NetworkSet> {
    let mut networks = Vec::new();
    for text in written {
        match text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)) {
            Ok(network) => networks.push(network),
            Err(_) => complaints.push(
                Complaint::new(format!("`{text}` is no address and no network"))
                    .hint("write `10.0.0.5`, or `10.0.0.0/8` for a network"),
            ),
        }
    }
    (!written.is_empty()).then(|| NetworkSet::new(&networks))
}

/// The token in a file: all of it but the end of its line.
///
/// # Errors
/// It can't be read, or holds nothing that could stand in a message.
pub fn token(path: &Path) -> Result<Secret, Complaint> {
    let token = secrets::read_one(Path::new(""), path)?;
    let holds = |what| Complaint::new(format!("the file `{}` holds {what}", path.display()));
    match std::str::from_utf8(token.expose()) {
        Ok("") => Err(holds("no token")),
        Ok(_) => Ok(token),
        Err(_) => Err(holds("no text, and a token is one").hint("make one with `openssl rand -hex 32`")),
    }
}

/// How much may come in some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace(pub Option<Rate>);

/// A rate, or `unlimited`.
///
/// # Errors
/// It is neither.
pub fn pace(text: &str) -> Result<Pace, Complaint> {
    match text {
        "unlimited" => Ok(Pace(None)),
        rate => quantity::rate(rate).map(|rate| Pace(Some(rate))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use super::*;

    fn usual() -> PolicyProxy<'static> {
        PolicyProxy::at("127.0.0.1:10000".parse().unwrap())
    }

    fn register(proxy: PolicyProxy<'_>) -> Register {
        policy(proxy).unwrap().policy_listen.remove(0).register
    }

    #[test]
    fn servers_of_this_machine_register_unless_others_may() {
        let here = "127.0.0.1".parse().unwrap();
        let other = "10.0.0.5".parse().unwrap();
        let model = policy(usual()).unwrap();
        assert!(model.listen.is_empty() && model.services.is_empty());
        let Register { allow, elsewhere, token } = register(usual());
        assert!(allow.contains(here) && !allow.contains(other) && elsewhere.is_none() && token.is_none());
        let written = ["10.0.0.0/8".to_owned(), "127.0.0.1".to_owned()];
        let Register { allow, elsewhere, .. } = register(PolicyProxy { allow: &written, ..usual() });
        assert!(allow.contains(here) && allow.contains(other) && elsewhere.is_none());
        let Register { allow, elsewhere, .. } = register(PolicyProxy { elsewhere: &written, ..usual() });
        assert!(!allow.contains(other) && elsewhere.unwrap().contains(other));
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let proxy = PolicyProxy {
            allow: &["x".into(), "10.0.0.0/99".into()],
            elsewhere: &["y".into()],
            token_file: Some(Path::new("/nowhere/token")),
            ..usual()
        };
        let complaints = policy(proxy).unwrap_err();
        assert_eq!(complaints.len(), 4, "{complaints:?}");
        assert!(complaints[3].to_string().contains("`/nowhere/token` can't be read"), "{complaints:?}");
    }

    #[test]
    fn rates_have_a_word_for_none() {
        assert_eq!(pace("unlimited"), Ok(Pace(None)));
        assert_eq!(pace("5/m"), Ok(Pace(Some(Rate { count: 5, per: Duration::from_secs(60) }))));
        for text in ["", "5", "0/s", "Unlimited", "5/y"] {
            assert!(pace(text).is_err(), "{text}");
        }
    }
}
