//! How many requests of clients are with an upstream at once, and who waits for its turn. All workers share it.
//!
//! The machine is that of a route's `concurrency`. How many places there are follows from what is written, and from what the
//! servers may have that get requests now: as long as no more requests have a place than servers have room for, whoever has
//! a place finds a server with room. So there is one queue, in the order of arrival, whichever server becomes free.
//!
//! Messages of a policy group stand in the same queue as requests for its servers.

use std::sync::Arc;

use weir_config::model::{Concurrency, UpstreamLimits};
use weir_upstream::group::Group;
use weir_upstream::group_places::{GroupPlace, GroupPlaces, NoPlace, TakingPlace};
use weir_upstream::io::deadline::pause;
use weir_upstream::upstream::Upstream;

use super::concurrency::{Places, SharedConcurrency};

/// The places at one upstream.
#[derive(Debug)]
pub struct UpstreamRoom {
    limits: UpstreamLimits,
    places: SharedConcurrency,
}

impl UpstreamRoom {
    /// By these limits. What was in force before goes on with what is in progress, if they are the same.
    pub fn following(limits: UpstreamLimits, before: Option<&Arc<Self>>) -> Arc<Self> {
        if let Some(before) = before.filter(|before| before.limits == limits) {
            return Arc::clone(before);
        }
        let total = limits.at_once().unwrap_or(0);
        let UpstreamLimits { queue, queue_timeout: wait, .. } = limits;
        let rule = Concurrency { per_client: None, total: Some(total), queue, wait };
        let places = SharedConcurrency::new(rule, 0);
        Arc::new(Self { limits, places })
    }

    /// The machine, for whoever waits.
    pub fn places(&self) -> &SharedConcurrency {
        &self.places
    }

    /// Takes a place among the servers of this group if there is one, without waiting. It must be given to
    /// [`leave`](Self::leave).
    pub fn arrive(&self, group: &Group) -> Places {
        self.fit(group);
        self.places.arrive_alone()
    }

    /// Gives a place back. `group` is that of the upstream now.
    pub fn leave(&self, places: Places, group: &Group) {
        self.fit(group);
        self.places.leave(places);
    }

    /// There are as many places as these servers have room for.
    fn fit(&self, group: &Group) {
        let total = match (self.limits.at_once(), group.places) {
            (Some(written), Some(room)) => written.min(room),
            (Some(only), None) | (None, Some(only)) => only,
            // A server joined for which nothing is written; no limit is a very high one.
            (None, None) => UNLIMITED,
        };
        if self.places.total() != total {
            self.places.resize(total);
        }
    }
}

/// More than there are connections.
const UNLIMITED: u32 = 1 << 28;

impl GroupPlaces for UpstreamRoom {
    fn take(self: Arc<Self>, upstream: Arc<Upstream>) -> TakingPlace {
        Box::pin(async move {
            let group = upstream.group();
            let places = self.arrive(&group);
            let has_servers = group.places != Some(0);
            let mut held = Held { room: self, upstream, places: Some(places) };
            // Where no server gets anything, nothing is waited for, as in *admit*.
            if has_servers {
                held.complete().await?;
            }
            Ok(GroupPlace::new(held))
        })
    }
}

/// What a message has of the places, until this is dropped.
struct Held {
    room: Arc<UpstreamRoom>,
    upstream: Arc<Upstream>,
    places: Option<Places>,
}

impl Held {
    async fn complete(&mut self) -> Result<(), NoPlace> {
        let limits = self.room.places();
        let Some(places) = self.places.as_mut().filter(|places| !places.are_complete()) else {
            return Ok(());
        };
        let Some(_waiting) = limits.queue(places) else { return Err(NoPlace::Full) };
        tokio::select! {
            biased;
            () = limits.wait(places) => Ok(()),
            () = pause(limits.wait_max()) => Err(NoPlace::Timeout),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(places) = self.places.take() {
            self.room.leave(places, &self.upstream.group());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use weir_core::balance::Strategy;
    use weir_core::health::State;
    use weir_core::retry::RetryPolicy;
    use weir_core::server::{ServerAddress, Transport};
    use weir_http::target::Scheme;
    use weir_upstream::io::deadline::now;
    use weir_upstream::member::Server;
    use weir_upstream::roster::{Member, Origin, Roster};
    use weir_upstream::upstream::Waits;

    use super::*;

    fn upstream(servers: usize) -> Arc<Upstream> {
        let member = |number: usize| {
            let transport = Transport::Ip([127, 0, 0, 1].into(), 1000 + number as u16);
            let written = format!("127.0.0.1:{}", 1000 + number).into();
            let address = ServerAddress { written, scheme: Scheme::Http, transport, base: "".into() };
            let server = Server::new(address).limited(Some(2));
            Member::new(Arc::new(server), 1, Origin::Lease, State::Healthy)
        };
        let roster = Roster::new((0..servers).map(member).collect(), 0);
        let time = Duration::from_secs(1);
        let waits =
            Waits { connect: time, answer_head: time, answer_body: time, idle: time, reuse_unsafe: time };
        Arc::new(Upstream::new("policy:111", roster, Strategy::RoundRobin, RetryPolicy::default(), waits))
    }

    fn room(requests: Option<u32>, queue: u32) -> Arc<UpstreamRoom> {
        let limits = UpstreamLimits {
            requests,
            connections: None,
            queue,
            queue_timeout: Duration::from_secs(1),
            server_requests: Some(2),
            server_connections: None,
        };
        UpstreamRoom::following(limits, None)
    }

    /// Messages of policy groups passed by the limits of their group: only requests over HTTP had places.
    #[tokio::test(start_paused = true)]
    async fn messages_and_requests_share_the_places() {
        let (upstream, room) = (upstream(1), room(Some(2), 1));
        let take = || Arc::clone(&room).take(Arc::clone(&upstream));
        let request = room.arrive(&upstream.group());
        assert!(request.are_complete());
        let message = take().await.unwrap();
        let begun = now();
        let (second, third) = tokio::join!(take(), take());
        assert_eq!(third.unwrap_err(), NoPlace::Full, "one may wait");
        assert_eq!(second.unwrap_err(), NoPlace::Timeout);
        assert_eq!(now() - begun, Duration::from_secs(1));
        assert_eq!(room.places().waiting(), 0);
        drop(message);
        let message = take().await.unwrap();
        let (next, ()) = tokio::join!(take(), async { room.leave(request, &upstream.group()) });
        drop((message, next.unwrap()));
        drop((take().await.unwrap(), take().await.unwrap()));
    }

    /// Whoever gives up in the queue leaves nothing behind.
    #[tokio::test(start_paused = true)]
    async fn one_who_stops_waiting_has_no_place() {
        let (upstream, room) = (upstream(1), room(Some(1), 9));
        let take = || Arc::clone(&room).take(Arc::clone(&upstream));
        let message = take().await.unwrap();
        {
            let mut waiting = take();
            assert!(
                std::future::poll_fn(|cx| std::task::Poll::Ready(waiting.as_mut().poll(cx)))
                    .await
                    .is_pending()
            );
            assert_eq!(room.places().waiting(), 1);
        }
        assert_eq!(room.places().waiting(), 0);
        drop(message);
        drop(take().await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_where_no_server_gets_anything() {
        let (upstream, room) = (upstream(0), room(None, 9));
        let begun = now();
        drop(Arc::clone(&room).take(upstream).await.unwrap());
        assert_eq!(now(), begun);
    }
}
