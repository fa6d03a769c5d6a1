//! Upstreams, as the whole process shares them.
//!
//! What must be exact over all workers is an atomic here: the rotation, the counts of writes. Members are behind a lock
//! for whoever changes them, and published for whoever sends requests.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Notify;
use tokio::time::Instant;
use weir_core::balance::Rule;
use weir_core::health::{HealthCheck, State};
use weir_core::ports::Disagreement;
use weir_core::retry::RetryPolicy;
use weir_core::server::Transport;

use crate::group::Group;
use crate::io::deadline::now;
use crate::member::Server;
use crate::recruit::{NamedServers, Recruit};
use crate::retries::Retries;
use crate::roster::{Member, Moment, Roster};
use crate::slot::{Slot, Slots};
use crate::sticky::Sticky;

/// How long things may take with the servers of an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    /// Connecting, all servers that are passed over together.
    pub connect: Duration,
    /// From the request sent to the head of the answer.
    pub answer_head: Duration,
    /// Without a byte of the answer's body, and without a byte of the request taken.
    pub answer_body: Duration,
    /// An idle connection.
    pub idle: Duration,
    /// How long a connection may have been idle to carry a request that must not be repeated.
    pub reuse_unsafe: Duration,
}

/// A group of servers that answer the same requests.
#[derive(Debug)]
pub struct Upstream {
    /// Its name.
    pub name: Box<str>,
    /// How a server is chosen.
    pub balance: Rule,
    /// How clients stay with their servers, where they do.
    pub sticky: Option<Sticky>,
    /// What is tried again.
    pub retry: RetryPolicy,
    /// What was tried again, and what that is paid from.
    pub retries: Arc<Retries>,
    /// How long things may take.
    pub waits: Waits,
    /// What its servers said of writes that each of them got.
    pub verdicts: Arc<Verdicts>,
    /// What is needed to make one more server.
    pub recruit: Recruit,
    /// Servers that are found by name.
    pub named: Vec<NamedServers>,
    /// How many of those names were asked for at least once.
    asked: Mutex<Vec<Box<str>>>,
    /// Rung when one more was.
    one_more: Condvar,
    /// How its servers are checked, if they are.
    pub health: Option<Arc<HealthCheck>>,
    slot: Slot,
    rotation: AtomicUsize,
    roster: Mutex<Roster>,
    group: ArcSwap<Group>,
    /// The number of the group; no two groups of the process have the same.
    version: AtomicU64,
    /// Rung when the members have changed.
    changed: Notify,
    /// Who must know all servers before one of them gets a request.
    registrar: OnceLock<Registrar>,
    /// Whether another one has its members now; what runs still uses the group that it had.
    is_succeeded: AtomicBool,
}

/// What the servers of an upstream said of writes that each of them got, by all workers together.
#[derive(Debug, Default)]
pub struct Verdicts {
    /// Copies that a server has taken.
    pub acknowledgements: AtomicU64,
    /// Writes about which servers gave answers that differ, in the order of [`Disagreement::ALL`].
    pub disagreements: [AtomicU64; Disagreement::ALL.len()],
    /// Writes that were not accepted because their queue did not know one of the servers.
    pub unplaced: AtomicU64,
}

/// Is told of all servers of an upstream before one of them gets a request.
pub struct Registrar(Box<Register>);

type Register = dyn Fn(&[Arc<Server>]) + Send + Sync;

impl Registrar {
    /// Tells this one.
    pub fn new(register: impl Fn(&[Arc<Server>]) + Send + Sync + 'static) -> Self {
        Self(Box::new(register))
    }
}

impl fmt::Debug for Registrar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registrar").finish_non_exhaustive()
    }
}

static SLOTS: Slots = Slots::new();
static VERSIONS: AtomicU64 = AtomicU64::new(0);

impl Upstream {
    /// An upstream with these members.
    pub fn new(
        name: &str,
        roster: Roster,
        balance: impl Into<Rule>,
        retry: RetryPolicy,
        waits: Waits,
    ) -> Self {
        let balance = balance.into();
        let group = Group::new(roster.published(now()), &balance, None);
        Self {
            name: name.into(),
            balance,
            sticky: None,
            retries: Arc::new(Retries::new(&retry, Duration::ZERO)),
            retry,
            waits,
            verdicts: Arc::default(),
            recruit: Recruit::default(),
            named: Vec::new(),
            asked: Mutex::default(),
            one_more: Condvar::new(),
            health: None,
            slot: SLOTS.take(),
            rotation: AtomicUsize::new(0),
            roster: Mutex::new(roster),
            group: ArcSwap::from_pointee(group),
            version: AtomicU64::new(VERSIONS.fetch_add(1, Ordering::Relaxed)),
            changed: Notify::new(),
            registrar: OnceLock::new(),
            is_succeeded: AtomicBool::new(false),
        }
    }

    /// The same, which goes on counting from the one of this name until now.
    #[must_use]
    pub fn counting_on(self, before: Option<&Self>) -> Self {
        let Some(before) = before else { return self };
        let rotation = AtomicUsize::new(before.rotation.load(Ordering::Relaxed));
        Self { verdicts: Arc::clone(&before.verdicts), rotation, ..self }
    }

    /// Takes over what became of the members of the one of this name until now: see `Roster::succeed`. `before` has no members
    /// afterwards, so that nothing that is found out about them is noted in the wrong place; its group stays for requests that
    /// began with it. `has_same_terms` says that servers are reached and watched as before, so that those that are there stay
    /// what they are, connections included.
    pub fn take_over(&self, before: &Self, has_same_terms: bool) {
        before.is_succeeded.store(true, Ordering::Release);
        let left = std::mem::take(&mut *before.roster.lock().unwrap_or_else(PoisonError::into_inner));
        let moment = Moment::now();
        let remade = |member: &Member| self.remade(member, has_same_terms);
        let is_checked_on = self.health.is_some() == before.health.is_some();
        let newcomer = (!is_checked_on).then(|| self.newcomer());
        self.change(|roster| roster.succeed(left, &remade, newcomer, moment));
    }

    /// A member that is there beside the configuration, as it is under this one; `None` where it can't be one any more.
    fn remade(&self, member: &Member, has_same_terms: bool) -> Option<Member> {
        let named = match &member.found_as {
            Some(name) => Some(self.named.iter().find(|servers| servers.written() == &**name)?),
            None => None,
        };
        if has_same_terms {
            return Some(member.clone());
        }
        let known = Some(&*member.server);
        let server = match (named, &member.server.address.transport) {
            (Some(servers), Transport::Ip(ip, _)) => servers.server(*ip, &self.recruit),
            (Some(_), _) => return None,
            (None, _) => self.recruit.server(member.server.address.clone()).ok()?,
        };
        let server = Arc::new(server.following(known));
        let new = Member::new(server, member.weight, member.origin, self.newcomer());
        Some(Member { server: new.server, ejection: new.ejection, ..member.clone() })
    }

    /// The same, whose servers are made so.
    #[must_use]
    pub fn with_recruit(self, recruit: Recruit) -> Self {
        Self { recruit, ..self }
    }

    /// The same, with servers that are found by name.
    #[must_use]
    pub fn with_named(self, named: Vec<NamedServers>) -> Self {
        Self { named, ..self }
    }

    /// Notes that a name was asked for, whatever came of it.
    pub fn note_found(&self, servers: &NamedServers) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if !asked.iter().any(|known| **known == *servers.written()) {
            asked.push(servers.written().into());
            self.one_more.notify_all();
        }
    }

    /// Blocks until every name was asked for once, until then at most.
    pub fn wait_found(&self, deadline: Instant) {
        let at_most = deadline.saturating_duration_since(now());
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever waited for too long goes on without them.
        let _ = self.one_more.wait_timeout_while(asked, at_most, |asked| asked.len() < self.named.len());
    }

    /// The same, whose servers are checked so.
    #[must_use]
    pub fn with_health(self, health: Option<HealthCheck>) -> Self {
        Self { health: health.map(Arc::new), ..self }
    }

    /// What is known of a server that has just come (`semantics.md` §4.4).
    pub fn newcomer(&self) -> State {
        if self.health.is_some() { State::NotInitiated } else { State::Healthy }
    }

    /// The same, whose repeats go on with these.
    #[must_use]
    pub fn with_retries(self, retries: Arc<Retries>) -> Self {
        debug_assert!(retries.fits(&self.retry), "they have a budget of another rule");
        Self { retries, ..self }
    }

    /// The same, whose clients stay with their servers.
    #[must_use]
    pub fn with_sticky(self, sticky: Sticky) -> Self {
        let group = Group::new(self.look(|roster| roster.published(now())), &self.balance, Some(&sticky));
        Self { sticky: Some(sticky), group: ArcSwap::from_pointee(group), ..self }
    }

    /// What its way of balancing is called in the configuration.
    pub fn balance_name(&self) -> &'static str {
        if self.sticky.is_some() { "sticky" } else { self.balance.strategy.name() }
    }

    /// The next place in the rotation, exact over all workers. One for each request; its repeats use the same.
    pub fn ticket(&self) -> usize {
        self.rotation.fetch_add(1, Ordering::Relaxed)
    }

    /// Its servers now. Requests take it from their worker's [`LocalGroups`](crate::local_groups::LocalGroups), which touches no
    /// counter that workers share.
    pub fn group(&self) -> Arc<Group> {
        self.group.load_full()
    }

    /// Identifies the upstream in tables of a worker, as a small number.
    pub(crate) fn slot(&self) -> usize {
        self.slot.index()
    }

    /// Identifies its group among all that there ever were.
    #[inline]
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Looks at its members. Takes a lock; not for a request's way.
    pub fn look<T>(&self, look: impl FnOnce(&Roster) -> T) -> T {
        look(&self.roster.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes its members, and publishes what follows. Takes a lock; not for a request's way. Requests that begin when this
    /// has returned see the change, on every worker.
    pub fn change<T>(&self, change: impl FnOnce(&mut Roster) -> T) -> T {
        let mut roster = self.roster.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = change(&mut roster);
        self.publish(&roster);
        drop(roster);
        self.changed.notify_one();
        outcome
    }

    /// The same for whoever waits for changes, who is not told of this one.
    pub(crate) fn tend<T>(&self, change: impl FnOnce(&mut Roster) -> T) -> T {
        let mut roster = self.roster.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = change(&mut roster);
        self.publish(&roster);
        outcome
    }

    /// Waits until the members have changed; at once if they have since the last time. For one who waits. Cancel safe.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Tells this registrar of all servers, now and whenever they change. Only the first one is told.
    pub fn register_with(&self, registrar: Registrar) {
        let roster = self.roster.lock().unwrap_or_else(PoisonError::into_inner);
        if self.registrar.set(registrar).is_ok() {
            self.register(&roster.servers());
        }
    }

    fn register(&self, servers: &[Arc<Server>]) {
        if let Some(Registrar(register)) = self.registrar.get() {
            register(servers);
        }
    }

    fn publish(&self, roster: &Roster) {
        let members = roster.published(now());
        let before = self.group.load();
        if before.is_like(&members) || self.is_succeeded.load(Ordering::Acquire) {
            return;
        }
        if before.panic != members.shares.panic {
            self.tell_of_panic(members.shares.panic);
        }
        let servers = &members.servers;
        let is_same = |(one, other)| Arc::ptr_eq(one, other);
        if before.servers.len() != servers.len() || !before.servers.iter().zip(servers).all(is_same) {
            self.register(servers);
        }
        self.group.store(Arc::new(Group::new(members, &self.balance, self.sticky.as_ref())));
        self.version.store(VERSIONS.fetch_add(1, Ordering::Relaxed), Ordering::Release);
    }

    fn tell_of_panic(&self, panic: bool) {
        let upstream = &*self.name;
        if panic {
            tracing::warn!(upstream, "too few servers are left: their health is ignored, and all are asked");
        } else {
            tracing::info!(upstream, "enough servers are left again: their health counts");
        }
    }
}
