//! The listeners of the process: each with its sockets, and with what is spoken there.

use std::io;
use std::sync::Arc;

use weir_config::model::{Listen, ListenAddress, Model};

use super::certificates::ListenerTls;
use super::clock::time_of_day;
use super::fingerprint::Fingerprint;
use super::inherited::Inherited;
use super::sockets::{BoundAddress, Listener};
use super::start_error::StartError;
use crate::inbound::door::{Door, DoorId, Terms};
use crate::inbound::listener::Entrance;

/// A listener that is open.
#[derive(Debug)]
pub(super) struct OpenListener {
    /// Its sockets.
    pub listener: Listener,
    /// What is spoken there.
    pub door: Arc<Door>,
    /// Where the configuration wants it; with port 0 the system has chosen another one.
    pub written: ListenAddress,
    /// What the configuration says of it.
    pub mark: Fingerprint,
}

impl OpenListener {
    /// Opens so many sockets, and reads what is served there with TLS. With `is_ours` a listener of this process may have the
    /// port, and go.
    ///
    /// # Errors
    /// The address can't be had, or there is nothing to serve TLS with.
    pub(super) fn open(listen: &Listen, sockets: usize, is_ours: bool) -> Result<Self, StartError> {
        Self::over(
            listen,
            Listener::bind_beside(&listen.address, sockets, is_ours).map_err(StartError::Listen)?,
        )
    }

    /// Over sockets that are open.
    ///
    /// # Errors
    /// There is nothing to serve TLS with.
    fn over(listen: &Listen, listener: Listener) -> Result<Self, StartError> {
        let terms = terms(listen, listener.address())?;
        let (door, mark) = (Door::new(&listener.address().to_string(), terms), Fingerprint::of(listen));
        Ok(Self { listener, door, written: listen.address.clone(), mark })
    }

    /// Its address.
    pub(super) fn address(&self) -> &BoundAddress {
        self.listener.address()
    }
}

/// A socket of a listener that a worker should accept from, and does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unmanned {
    /// The listener.
    pub door: DoorId,
    /// The number of the socket.
    pub number: usize,
    /// The index of the worker.
    pub worker: usize,
}

/// What the configuration wants to be spoken at this address.
///
/// # Errors
/// There is nothing to serve TLS with.
pub(super) fn terms(listen: &Listen, address: &BoundAddress) -> Result<Terms, StartError> {
    let tls = listen.tls.as_ref();
    let tls = tls.map(|tls| ListenerTls::start(address.to_string(), tls, time_of_day()).map(Arc::new));
    let tls = tls.transpose().map_err(StartError::Certificates)?;
    Ok(Terms { tls, proxy_protocol: listen.proxy_protocol.clone().map(Arc::new) })
}

/// Opens what a model says, where it does not listen already.
///
/// # Errors
/// One can't be had; none is open then.
pub(super) fn open_all(
    model: &Model,
    workers: usize,
    inherited: &mut Inherited,
) -> Result<Vec<OpenListener>, StartError> {
    let open = |listen: &Listen| match inherited.take(&listen.address) {
        Some(listener) => OpenListener::over(listen, listener),
        None => OpenListener::open(listen, workers, false),
    };
    model.listen.iter().map(open).collect()
}

/// Where this one of so many workers accepts clients.
///
/// # Errors
/// The system has no file descriptor left.
pub(super) fn entrances(
    listeners: &[OpenListener],
    index: usize,
    workers: usize,
) -> io::Result<Vec<Entrance>> {
    let numbers = listeners.iter().flat_map(|listener| {
        listener.listener.numbers_for(index, workers).map(move |number| (listener, number))
    });
    numbers.map(|(listener, number)| listener.entrance(number)).collect()
}

impl OpenListener {
    /// A socket of it, for a worker.
    ///
    /// # Errors
    /// The system has no file descriptor left.
    pub(super) fn entrance(&self, number: usize) -> io::Result<Entrance> {
        Ok(Entrance { socket: self.listener.socket(number)?, number, door: Arc::clone(&self.door) })
    }
}

/// Their addresses, for people.
pub(super) fn addresses(listeners: &[OpenListener]) -> Vec<String> {
    listeners.iter().map(|listener| listener.address().to_string()).collect()
}

/// What those with TLS serve.
pub(super) fn served(listeners: &[OpenListener]) -> Vec<Arc<ListenerTls>> {
    listeners.iter().filter_map(|listener| listener.door.terms.load().tls.clone()).collect()
}
