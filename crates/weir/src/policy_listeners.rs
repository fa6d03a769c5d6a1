//! The listeners for policy groups, as whoever runs the process sees them.

use std::net::{SocketAddr, TcpListener};

use weir_config::model::{Drain, ListenAddress, Model};
use weir_core::ports::reload::ConfigurationChange;
use weir_policy::plane::{PolicyPrepared, PolicyStanding};
use weir_policy::registered::Registered;
use weir_policy::{PolicyListenError, PolicyPlane};
use weir_proxy::runtime::process::worker_count;
use weir_proxy::runtime::reload::Standing;

/// Listeners that are open.
#[derive(Debug)]
pub(crate) struct PolicyListeners {
    /// The listeners.
    pub(crate) plane: PolicyPlane,
    drain: Drain,
}

impl PolicyListeners {
    /// Opens those that the model asks for, with those who have registered with a process before. Nobody is accepted yet.
    ///
    /// # Errors
    /// An address is taken, or something else is not to be had; nothing is left running then.
    pub(crate) fn open(
        model: &Model,
        inherited: impl FnMut(SocketAddr) -> Vec<TcpListener>,
        registered: &[Registered],
    ) -> Result<Self, PolicyListenError> {
        let plane = PolicyPlane::open(&model.policy_listen, worker_count(model), inherited)?;
        plane.restore(registered);
        Ok(Self { plane, drain: model.drain })
    }

    /// Puts other listeners in use. What has changed.
    pub(crate) fn adopt(&mut self, prepared: PolicyPrepared, drain: Drain) -> Vec<ConfigurationChange> {
        self.drain = drain;
        self.plane.adopt(prepared, drain.idle)
    }

    /// Accepts nothing more.
    pub(crate) fn begin_drain(&mut self) {
        self.plane.begin_drain();
    }

    /// Accepts nothing more: another process does from now on.
    pub(crate) fn begin_handover(&mut self) {
        self.plane.begin_handover(self.drain.idle.min(self.drain.deadline));
    }

    /// Waits until messages that have begun are answered, or until there is no more time. Cancel safe.
    pub(crate) async fn drained(&mut self) {
        self.plane.drained(self.drain.deadline).await;
    }
}

/// Makes everything ready for the listeners of this model. Blocks.
///
/// # Errors
/// Why they can't be had, for people.
pub(crate) fn prepare(
    policy: PolicyStanding,
    standing: &Standing,
    model: &Model,
) -> Result<PolicyPrepared, String> {
    let http = model.listen.iter().filter_map(|listen| match listen.address {
        ListenAddress::Tcp(address) if address.port() != 0 => Some(address),
        _ => None,
    });
    let becomes_http = http.clone().find(|address| policy.listens_at(*address));
    let mut messages = model.policy_listen.iter().map(|listen| listen.address);
    let becomes_policy =
        messages.find(|address| address.port() != 0 && standing.listens_at(&ListenAddress::Tcp(*address)));
    if let Some(address) = becomes_http.or(becomes_policy) {
        return Err(format!(
            "the `protocol` of `{address}` is another than the one in use, and a listener speaks the same for as long as it is \
             open\n\nhint: take another port for it, or reload without it first"
        ));
    }
    let prepared = policy.prepare(&model.policy_listen, worker_count(model));
    prepared.map_err(|error| format!("{error}\n\nhint: choose another port"))
}
