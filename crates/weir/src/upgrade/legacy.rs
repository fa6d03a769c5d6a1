//! What a process gets from the one before it.

use std::collections::HashSet;
use std::os::fd::{AsFd, OwnedFd};

use weir_policy::registered::Registered;
use weir_proxy::runtime::inherited::Inherited;

use super::manifest::{Manifest, Role};
use super::{passing, registrations};

/// Sockets that listen already, and queues of which the process before has the files. Nothing for a process that follows nobody.
#[derive(Debug, Default)]
pub(crate) struct Legacy {
    /// Where clients connect.
    pub(crate) clients: Inherited,
    /// The admin listener.
    pub(crate) admin: Inherited,
    /// The listener of metrics alone.
    pub(crate) metrics: Inherited,
    /// Listeners of policy groups.
    pub(crate) policy: Inherited,
    /// Servers that have registered.
    pub(crate) registered: Vec<Registered>,
    /// Names of queues that another process delivers from until it ends.
    pub(crate) queues: HashSet<String>,
    /// Whether it is from no process before, but from whoever has started this one.
    pub(crate) is_activated: bool,
}

impl Legacy {
    /// Receives it: a manifest, and then all sockets that it tells of, and who has registered.
    ///
    /// # Errors
    /// It broke off, or is not what it says; all that came is closed then.
    pub(crate) fn receive(link: impl AsFd) -> Result<Self, String> {
        let next = || match passing::receive(&link) {
            Ok(Some(message)) => Ok(message),
            Ok(None) => Err("the process before this one broke off".to_owned()),
            Err(error) => Err(format!("nothing comes from the process before this one: {error}")),
        };
        let manifest = Manifest::of_text(&next()?.text).map_err(|error| error.to_string())?;
        let mut sockets: Vec<OwnedFd> = Vec::new();
        while sockets.len() < manifest.sockets() {
            let message = next()?;
            if message.descriptors.is_empty() {
                return Err("a message brings no sockets".to_owned());
            }
            sockets.extend(message.descriptors);
        }
        if sockets.len() > manifest.sockets() {
            return Err("more sockets come than were told of".to_owned());
        }
        let mut registered = Vec::new();
        for _ in 0..manifest.registrations {
            let more = registrations::read(&next()?.text);
            registered.extend(more.ok_or("what is told of servers that have registered makes no sense")?);
        }
        let queues = manifest.queues.into_iter().collect();
        let mut legacy = Self { queues, registered, ..Self::default() };
        for entry in manifest.entries {
            let rest = sockets.split_off(entry.sockets);
            let own = std::mem::replace(&mut sockets, rest);
            let place = match entry.role {
                Role::Clients => &mut legacy.clients,
                Role::Admin => &mut legacy.admin,
                Role::Metrics => &mut legacy.metrics,
                Role::Policy => &mut legacy.policy,
            };
            let written = entry.written.clone();
            place
                .add(Some(entry.written), own)
                .map_err(|error| format!("the socket of `{written}`: {error}"))?;
            if entry.is_foreign {
                place.leave_file();
            }
        }
        Ok(legacy)
    }

    /// Tells of what nobody has taken. It is closed with this.
    pub(crate) fn tell_left(&self) {
        for address in self.clients.left().chain(self.policy.left()) {
            match self.is_activated {
                true => tracing::warn!(
                    %address,
                    "a socket was handed over that the configuration does not listen on; it is closed here, and who connects to it waits"
                ),
                false => tracing::info!(%address, "no longer listening"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::net::TcpListener;
    use std::os::fd::BorrowedFd;

    use super::super::manifest::Entry;
    use super::*;

    fn manifest(counts: &[(Role, usize)]) -> Manifest {
        let entry = |(role, sockets): &(Role, usize)| Entry {
            role: *role,
            written: "127.0.0.1:0".to_owned(),
            sockets: *sockets,
            is_foreign: false,
        };
        let entries = counts.iter().map(entry).collect();
        Manifest { entries, queues: vec!["web".to_owned()], registrations: 0 }
    }

    /// Sends this, closes the line, and receives.
    fn received(manifest: &Manifest, messages: &[&[BorrowedFd<'_>]]) -> Result<Legacy, String> {
        let (one, other) = passing::pair().unwrap();
        passing::send(&one, &manifest.to_text().unwrap(), &[]).unwrap();
        for message in messages {
            passing::send(&one, b"sockets", message).unwrap();
        }
        drop(one);
        Legacy::receive(&other)
    }

    #[test]
    fn sockets_come_where_the_manifest_says() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let fd = listener.as_fd();
        let told = manifest(&[(Role::Clients, 300), (Role::Admin, 1), (Role::Metrics, 1)]);
        let legacy = received(&told, &[&[fd; 253], &[fd; 49]]).unwrap();
        assert!(legacy.queues.contains("web"));
        for place in [&legacy.clients, &legacy.admin, &legacy.metrics] {
            assert_eq!(place.left().count(), 1);
        }
    }

    #[test]
    fn what_breaks_off_or_lies_is_refused_with_the_reason() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
        let null = std::fs::File::open("/dev/null").unwrap();
        let (fd, other, file) = (listener.as_fd(), elsewhere.as_fd(), null.as_fd());
        let two = manifest(&[(Role::Clients, 2)]);
        for (messages, expected) in [
            (&[][..], "broke off"),
            (&[&[fd][..]], "broke off"),
            (&[&[][..]], "no sockets"),
            (&[&[fd, fd, fd][..]], "more sockets"),
            (&[&[fd, file]], "no socket"),
            (&[&[fd, other]], "several addresses"),
        ] {
            let error = received(&two, messages).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn no_part_of_a_manifest_is_one() {
        let text = manifest(&[(Role::Clients, 2)]).to_text().unwrap();
        for end in 1..text.len() {
            let (one, other) = passing::pair().unwrap();
            passing::send(&one, &text[..end], &[]).unwrap();
            drop(one);
            assert!(Legacy::receive(&other).unwrap_err().contains("makes no sense"), "the first {end} bytes");
        }
    }
}
