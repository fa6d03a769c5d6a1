//! Who has registered, and how to speak with each.
//!
//! Which servers a policy has is the business of its group, an upstream like any other. Here stands what only this protocol has:
//! the numbers that servers give themselves, the form in which each registered, and whether its connections may be kept.

mod succession;

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use weir_config::model::{PolicyLimits, Register};
use weir_core::health::State;
use weir_core::server::{ServerAddress, Transport};
use weir_http::target::Scheme;
use weir_upstream::member::Server;
use weir_upstream::policy_counts::PolicyCounts;
use weir_upstream::policy_groups::{PolicyGroup, PolicyGroups};
use weir_upstream::roster::{Member, Moment, Origin};
use weir_upstream::upstream::Upstream;

use crate::wire::Form;
use crate::wire::message::Registration;

/// What is known of servers that have gone, beside as many as there are; with more it is cleared up.
const STALE_MAX: usize = 64;

/// How a server is spoken with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Manner {
    /// The form in which it registered.
    pub(crate) form: Form,
    /// Whether a connection may be used for more than one message.
    pub(crate) keep: bool,
}

/// What a server has said of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    policy: i64,
    id: i64,
    manner: Manner,
}

/// Why a server is not registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotRegistered {
    /// Its address may not.
    Peer(IpAddr),
    /// It has not shown the token, or another one.
    Token,
    /// It names an address that is not its own.
    Elsewhere(IpAddr),
    /// Its policy has so many already.
    Servers(usize),
    /// There are so many policies already.
    Policies(usize),
    /// The group takes no servers of this kind.
    Unfit,
    /// More servers register than may in the time, and its turn did not come.
    Rate,
    /// Another process has taken over who is registered.
    Replaced,
}

impl fmt::Display for NotRegistered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(peer) => write!(
                f,
                "servers may not register from {peer}: `register: {{allow: [{peer}]}}` of the listener allows it, `--allow \
                 {peer}` for `weir policy proxy`"
            ),
            Self::Token => f.write_str("the `token` is missing or wrong: the listener has one in `register`"),
            Self::Elsewhere(address) => write!(
                f,
                "a server registers for its own address, and {address} is another one: `register: {{elsewhere: \
                 [{address}]}}` of the listener allows it"
            ),
            Self::Servers(max) => {
                write!(f, "the policy has {max} servers, and takes no more (`limits: {{servers: {max}}}`)")
            }
            Self::Policies(max) => {
                write!(
                    f,
                    "there are {max} policies, and there may be no more (`limits: {{policies: {max}}}`)"
                )
            }
            Self::Unfit => f.write_str("the group of this policy takes no such server"),
            Self::Rate => {
                f.write_str("too many servers register (`limits: {registrations: …}`); try again later")
            }
            Self::Replaced => f.write_str("this process is being replaced by another one; register again"),
        }
    }
}

/// Servers by their names.
type Book = HashMap<Box<str>, Entry>;

/// Everybody who has registered.
#[derive(Debug)]
pub(crate) struct Registry {
    groups: Arc<PolicyGroups>,
    /// Changed by one at a time.
    book: ArcSwap<Book>,
    changing: Mutex<Changing>,
}

/// Whether anybody may register.
#[derive(Debug, Default)]
struct Changing {
    is_closed: bool,
}

impl Registry {
    /// Nobody yet.
    pub(crate) fn new(groups: Arc<PolicyGroups>) -> Self {
        Self { groups, book: ArcSwap::default(), changing: Mutex::default() }
    }

    /// All groups, for others who ask their servers.
    pub(crate) fn groups(&self) -> Arc<PolicyGroups> {
        Arc::clone(&self.groups)
    }

    /// The servers of this policy.
    pub(crate) fn group(&self, policy: i64) -> Option<PolicyGroup> {
        self.groups.group(policy)
    }

    /// What listeners have to tell.
    pub(crate) fn counts(&self) -> &PolicyCounts {
        &self.groups.counts
    }

    /// Whether registering this would change something, and is no server's word that it is still there.
    ///
    /// # Errors
    /// Who says it may not register.
    pub(crate) fn is_news(
        &self,
        peer: IpAddr,
        form: Form,
        registration: &Registration,
        rule: &Register,
    ) -> Result<bool, NotRegistered> {
        may_register(peer.to_canonical(), registration, rule)?;
        let (name, entry) = told(peer, form, registration);
        Ok(!self.is_known(&name.to_string(), &entry))
    }

    /// Whether a server has said the same of itself, and is there.
    fn is_known(&self, name: &str, entry: &Entry) -> bool {
        self.book.load().get(name) == Some(entry) && self.is_reached(entry.policy, name)
    }

    /// How this server is spoken with; as most are, where it has not said so itself.
    pub(crate) fn manner(&self, server: &str) -> Manner {
        self.book.load().get(server).map(|entry| entry.manner).unwrap_or_default()
    }

    /// Registers a server that has said so from `peer`.
    ///
    /// # Errors
    /// See [`NotRegistered`]; nothing has changed then.
    pub(crate) fn register(
        &self,
        peer: IpAddr,
        form: Form,
        registration: &Registration,
        rule: &Register,
        limits: &PolicyLimits,
    ) -> Result<(), NotRegistered> {
        may_register(peer.to_canonical(), registration, rule)?;
        let (place, entry) = told(peer, form, registration);
        let name = place.to_string();
        if self.is_known(&name, &entry) {
            // It only says that it is still there.
            return Ok(());
        }
        let Entry { policy, id, manner: Manner { keep, .. } } = entry;
        let changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if changing.is_closed {
            return Err(NotRegistered::Replaced);
        }
        let group = self.groups.obtain(policy, limits.policies);
        let group = group.ok_or(NotRegistered::Policies(limits.policies))?;
        let mut book = Book::clone(&self.book.load());
        let has_id = |name: &str, entry: &Entry| {
            (entry.policy, entry.id) == (policy, id) && self.is_member(policy, name)
        };
        let same_id = book.iter().find(|(other, entry)| ***other != *name && has_id(other, entry));
        let same_id = same_id.map(|(name, _)| name.clone());
        let is_known = group.look(|roster| roster.member(&name).is_some());
        let count = group.look(|roster| roster.members().len());
        if !is_known && same_id.is_none() && count >= limits.servers {
            return Err(NotRegistered::Servers(limits.servers));
        }
        let mut group = group;
        loop {
            self.join(&group, &name, place)?;
            match self.groups.of(policy) {
                // Another configuration came into force, with another group that may not have heard of this one.
                Some(now) if !Arc::ptr_eq(&now, &group) => group = now,
                _ => break,
            }
        }
        let before = book.insert(name.as_str().into(), entry);
        if let Some(before) = before.filter(|before| before.policy != policy) {
            self.leave(before.policy, &name);
        }
        if let Some(replaced) = &same_id {
            book.remove(replaced);
            self.leave(policy, replaced);
        }
        if book.len() > 2 * self.members() + STALE_MAX {
            book.retain(|name, entry| self.is_member(entry.policy, name));
        }
        self.book.store(Arc::new(book));
        if let Some(replaced) = same_id {
            tracing::info!(policy, id, server = name, %replaced, "a server has registered in place of another one");
        } else if !is_known {
            tracing::info!(policy, id, server = name, ?form, keep, "a server has registered");
        } else if before != Some(entry) {
            tracing::info!(
                policy,
                id,
                server = name,
                ?form,
                keep,
                "a server has registered otherwise than before"
            );
        }
        Ok(())
    }

    /// Whether it is a member that checks reach.
    fn is_reached(&self, policy: i64, name: &str) -> bool {
        let is_reached = |member: &Member| member.checked != State::Unreachable;
        self.groups
            .of(policy)
            .is_some_and(|group| group.look(|roster| roster.member(name).is_some_and(is_reached)))
    }

    fn is_member(&self, policy: i64, name: &str) -> bool {
        self.groups.of(policy).is_some_and(|group| group.look(|roster| roster.member(name).is_some()))
    }

    /// Lets the server at this address be a member that is asked at once. One that is out is another one from now on: what checks
    /// have said is about the one that was there.
    fn join(&self, group: &Upstream, name: &str, place: SocketAddr) -> Result<(), NotRegistered> {
        let address = ServerAddress {
            written: name.into(),
            scheme: Scheme::Http,
            transport: Transport::Ip(place.ip(), place.port()),
            base: "".into(),
        };
        let made = group.recruit.server(address).map_err(|_| NotRegistered::Unfit)?;
        let moment = Moment::now();
        group.change(|roster| {
            let known = roster.member(name).cloned();
            if known.as_ref().is_some_and(|known| known.checked != State::Unreachable) {
                return;
            }
            let before = known.as_ref().map(|known| Arc::clone(&known.server));
            let server: Server = made.following(before.as_deref());
            let new = Member::new(Arc::new(server), 1, Origin::Lease, State::Healthy);
            let new = match known {
                None => new,
                Some(known) => {
                    // It is there, so this succeeds; its history and what people say of it go on.
                    let _ = roster.leave(name);
                    Member { server: new.server, ejection: new.ejection, ..known }
                }
            };
            roster.join(new, moment);
            // Again for one whose state was another one.
            let _ = roster.checked(name, State::Healthy, "it has registered", moment);
        });
        Ok(())
    }

    /// Lets a server leave that another one has replaced. It may have gone already.
    fn leave(&self, policy: i64, name: &str) {
        if let Some(group) = self.groups.of(policy) {
            let _ = group.change(|roster| roster.leave(name));
        }
    }

    /// Servers of all policies.
    fn members(&self) -> usize {
        self.groups.all().iter().map(|group| group.look(|roster| roster.members().len())).sum()
    }

    /// Lets those leave that can't be reached, and have not been since `since_epoch` at the latest.
    pub(crate) fn forget_unreachable(&self, since_epoch: std::time::Duration) {
        let is_gone = |member: &Member| {
            member.origin == Origin::Lease
                && member.checked == State::Unreachable
                && member.since <= since_epoch
        };
        for group in self.groups.all() {
            if !group.look(|roster| roster.members().iter().any(is_gone)) {
                continue;
            }
            // Looked at again in the change itself: one that registers meanwhile is there.
            let gone: Vec<String> = group.change(|roster| {
                let gone = roster.members().iter().filter(|member| is_gone(member));
                let mut gone: Vec<_> = gone.map(|member| member.server.name().to_owned()).collect();
                gone.retain(|name| roster.leave(name).is_ok());
                gone
            });
            for server in gone {
                tracing::info!(
                    upstream = &*group.name,
                    server,
                    "a server that can't be reached is forgotten"
                );
            }
        }
    }
}

/// Where a server is that says this of itself, and what it says.
fn told(peer: IpAddr, form: Form, registration: &Registration) -> (SocketAddr, Entry) {
    let Registration { id, policy, port, keep, .. } = *registration;
    let address = registration.address.unwrap_or(peer).to_canonical();
    (SocketAddr::new(address, port), Entry { policy, id, manner: Manner { form, keep } })
}

fn may_register(peer: IpAddr, registration: &Registration, rule: &Register) -> Result<(), NotRegistered> {
    if !rule.allow.contains(peer) {
        return Err(NotRegistered::Peer(peer));
    }
    if let Some(token) = &rule.token {
        let shown = registration.token.as_ref().map_or("", |token| token.reveal());
        aws_lc_rs::constant_time::verify_slices_are_equal(token.expose(), shown.as_bytes())
            .map_err(|_| NotRegistered::Token)?;
    }
    match registration.address {
        Some(address) if !rule.admits(peer, address) => Err(NotRegistered::Elsewhere(address)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
