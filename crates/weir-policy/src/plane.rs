//! The listeners as a whole: which there are, how another configuration changes that, and the way to stop them.
//!
//! Each has threads of its own, beside those that serve HTTP: a message is short and all alike, and whoever is busy with many of
//! them keeps no request waiting. Each thread has its own runtime and its own connections, like a worker of the data plane.
//!
//! Everything that can fail is done before anybody is accepted: sockets are open and threads run when [`begin`](PolicyPlane::begin) is
//! called, or [`adopt`](PolicyPlane::adopt).

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use weir_config::model::PolicyListen;
use weir_core::ports::connections::SharedConnectionSource;
use weir_core::ports::reload::{Changed, ConfigurationChange, How};
use weir_upstream::io::deadline::pause;
use weir_upstream::policy_groups::PolicyGroups;

use crate::connections::AllConnections;
use crate::listening::{self, House, Listening};
use crate::registered::Registered;
use crate::registry::Registry;
use crate::worker::{Order, Phase};

/// Why a listener can't be had.
#[derive(Debug)]
pub struct PolicyListenError {
    /// Where it was to be.
    pub address: SocketAddr,
    /// The system's word.
    pub source: io::Error,
}

impl fmt::Display for PolicyListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, source } = self;
        match source.kind() {
            io::ErrorKind::AddrInUse => {
                write!(f, "`{address}`, for policy groups, is in use by another program")
            }
            _ => write!(f, "`{address}`, for policy groups, can't be listened on: {source}"),
        }
    }
}

impl std::error::Error for PolicyListenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Open listeners. Dropping this stops them at once.
#[derive(Debug)]
pub struct PolicyPlane {
    house: House,
    /// In the order of the configuration.
    listening: Vec<Listening>,
    /// Those that accept nobody more, and may have connections still.
    leaving: Vec<Listening>,
}

/// Which listeners there are, as far as the next configuration is held against it. It can be sent to another thread.
#[derive(Debug)]
pub struct PolicyStanding {
    house: House,
    known: Vec<Known>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    place: usize,
    written: SocketAddr,
    address: SocketAddr,
    mark: u64,
}

/// The listeners of another configuration, ready to be used.
#[derive(Debug)]
pub struct PolicyPrepared {
    /// In the order of the configuration.
    wanted: Vec<Wanted>,
    changes: Vec<ConfigurationChange>,
}

/// A listener under the new configuration.
#[derive(Debug)]
enum Wanted {
    /// The one that is open at this place; where the configuration says something else of it, what.
    Stays(usize, Option<PolicyListen>),
    /// One that was opened for it.
    New(Listening),
}

impl PolicyStanding {
    /// Whether messages are accepted at this address.
    pub fn listens_at(&self, address: SocketAddr) -> bool {
        self.known.iter().any(|known| known.written == address || known.address == address)
    }

    /// Makes everything ready for these listeners; new ones are served by so many threads. Blocks for as long as the system takes.
    ///
    /// # Errors
    /// See [`PolicyListenError`].
    pub fn prepare(
        self,
        listen: &[PolicyListen],
        threads: usize,
    ) -> Result<PolicyPrepared, PolicyListenError> {
        let mut left: VecDeque<Known> = self.known.into();
        let known: Vec<Option<Known>> = listen
            .iter()
            .map(|listen| {
                let place = left.iter().position(|known| known.written == listen.address)?;
                left.remove(place)
            })
            .collect();
        let (mut wanted, mut changes) = (Vec::new(), Vec::new());
        let mut told = |how, address: SocketAddr| {
            changes.push(ConfigurationChange { what: Changed::Listener, how, name: address.to_string() });
        };
        for (listen, known) in listen.iter().zip(known) {
            let Some(Known { place, address, mark, .. }) = known else {
                let is_ours = left.iter().any(|gone| gone.address.port() == listen.address.port());
                let failed = |source| PolicyListenError { address: listen.address, source };
                let made = listening::open(listen.address, is_ours)
                    .and_then(|socket| Listening::start(listen, vec![socket], threads, &self.house));
                let made = made.map_err(failed)?;
                told(How::Added, made.address);
                wanted.push(Wanted::New(made));
                continue;
            };
            let another = (mark != listening::mark(listen)).then(|| listen.clone());
            if another.is_some() {
                told(How::Changed, address);
            }
            wanted.push(Wanted::Stays(place, another));
        }
        left.iter().for_each(|gone| told(How::Removed, gone.address));
        Ok(PolicyPrepared { wanted, changes })
    }
}

impl PolicyPlane {
    /// Opens these listeners, each served by so many threads. Where `inherited` has sockets that listen there already, those are
    /// used, all of them. Whoever registers at one is reached over all. Nobody is accepted before [`begin`](Self::begin).
    ///
    /// # Errors
    /// See [`PolicyListenError`]; nothing is left running then.
    pub fn open(
        listen: &[PolicyListen],
        threads: usize,
        mut inherited: impl FnMut(SocketAddr) -> Vec<TcpListener>,
    ) -> Result<Self, PolicyListenError> {
        let registry = Arc::new(Registry::new(Arc::default()));
        let house = House { registry, connections: Arc::new(AllConnections::default()) };
        let opened = listen.iter().map(|listen| {
            let failed = |source| PolicyListenError { address: listen.address, source };
            let sockets = match inherited(listen.address) {
                none if none.is_empty() => vec![listening::open(listen.address, false).map_err(failed)?],
                sockets => sockets,
            };
            Ok((listen, sockets))
        });
        // All sockets before any thread.
        let opened: Vec<_> = opened.collect::<Result<_, PolicyListenError>>()?;
        let listening = opened.into_iter().map(|(listen, sockets)| {
            let failed = |source| PolicyListenError { address: listen.address, source };
            Listening::start(listen, sockets, threads, &house).map_err(failed)
        });
        let listening = listening.collect::<Result<_, _>>()?;
        Ok(Self { house, listening, leaving: Vec::new() })
    }

    /// The upstreams whose servers register here.
    pub fn groups(&self) -> Arc<PolicyGroups> {
        self.house.registry.groups()
    }

    /// Who is connected, for people, also after this is gone.
    pub fn connection_source(&self) -> SharedConnectionSource {
        Arc::clone(&self.house.connections) as SharedConnectionSource
    }

    /// Accepts from now on.
    pub fn begin(&self) {
        self.groups().counts.listen_at(self.addresses());
        self.listening.iter().for_each(Listening::begin);
    }

    /// Where it listens, in the order of the configuration.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.listening.iter().map(|listening| listening.address)
    }

    /// Which listeners there are, for [`PolicyStanding::prepare`]. What was prepared must be adopted before the next one is.
    pub fn standing(&self) -> PolicyStanding {
        let known = self.listening.iter().enumerate().map(|(place, listening)| {
            let Listening { written, address, mark, .. } = *listening;
            Known { place, written, address, mark }
        });
        PolicyStanding { house: self.house.clone(), known: known.collect() }
    }

    /// Puts other listeners in use. Those that stay keep their connections; what the configuration says of them holds from the next
    /// message on. One that goes accepts who waits in its queue, finishes what has begun, and gives who has just come in `grace` to
    /// begin. What has changed.
    pub fn adopt(&mut self, prepared: PolicyPrepared, grace: Duration) -> Vec<ConfigurationChange> {
        self.leaving.retain(|listening| !listening.is_over());
        let mut known: Vec<Option<Listening>> = self.listening.drain(..).map(Some).collect();
        for wanted in prepared.wanted {
            let listening = match wanted {
                Wanted::New(listening) => Some(listening),
                Wanted::Stays(place, another) => known.get_mut(place).and_then(Option::take).map(|mut it| {
                    another.into_iter().for_each(|another| it.exchange(another));
                    it
                }),
            };
            self.listening.extend(listening);
        }
        self.begin();
        self.leaving.extend(known.into_iter().flatten());
        self.leave(Order { phase: Phase::Drain, grace });
        prepared.changes
    }

    /// Those that are to leave are told so.
    fn leave(&mut self, order: Order) {
        self.leaving.iter_mut().for_each(|listening| listening.leave(order));
    }

    /// Accepts nothing more from now on; messages that have begun are answered.
    pub fn begin_drain(&mut self) {
        self.leaving.append(&mut self.listening);
        self.leave(Phase::Drain.into());
    }

    /// The same beside another process that accepts from now on, also who waits in the queues. Who has just come in gets `grace` to begin.
    pub fn begin_handover(&mut self, grace: Duration) {
        self.leaving.append(&mut self.listening);
        self.leave(Order { phase: Phase::HandOver, grace });
    }

    /// Waits until every connection has ended, so long at most. Call after [`begin_drain`](Self::begin_drain) or
    /// [`begin_handover`](Self::begin_handover). Cancel safe.
    pub async fn drained(&mut self, at_most: Duration) {
        let all_ended = async {
            for listening in &mut self.leaving {
                listening.ended().await;
            }
        };
        tokio::select! {
            () = all_ended => {}
            () = pause(at_most) => {}
        }
    }

    /// Ends everything at once. Says how many connections were cut.
    pub async fn stop(mut self) -> usize {
        self.leaving.append(&mut self.listening);
        self.leave(Phase::Stop.into());
        let mut cut = 0;
        for listening in self.leaving.drain(..) {
            cut += listening.stop().await;
        }
        cut
    }

    /// Every listening socket once more, below the address that was written for it, for a process that follows.
    ///
    /// # Errors
    /// The system has no file descriptor left.
    pub fn sockets_to_hand_over(&self) -> io::Result<Vec<(SocketAddr, Vec<OwnedFd>)>> {
        self.listening.iter().map(|listening| Ok((listening.written, listening.duplicates()?))).collect()
    }

    /// Everybody who has registered.
    pub fn registered(&self) -> Vec<Registered> {
        self.house.registry.all()
    }

    /// The same, and from now on nobody can register here: another process knows who has, and would not hear of it.
    pub fn close_registry(&self) -> Vec<Registered> {
        self.house.registry.close()
    }

    /// Whoever wants to can register again: there is no other process.
    pub fn reopen_registry(&self) {
        self.house.registry.reopen();
    }

    /// Lets those be registered who have registered with another process, and nobody else. For a plane that has not begun.
    pub fn restore(&self, registered: &[Registered]) {
        self.house.registry.restore(registered);
    }
}
