//! A server that says to a running Weir that it is there, again and again, and that it goes.
//!
//! What a service does that registers itself. Weir believes it for the length of a lease; whoever dies without a word is
//! gone when that ends, so a third of it is the time between two words: two of them may be lost.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::Method;

use crate::admin_client::{AdminClient, AskError, encoded};

/// How long Weir believes one word.
const LEASE: Duration = Duration::from_secs(10);

/// How long it takes to say it again when nobody has heard it.
const AGAIN: Duration = Duration::from_secs(1);

/// Where a server registers: the admin listener, and the upstream there.
#[derive(Debug, Clone)]
pub struct Registry {
    client: AdminClient,
    upstream: String,
}

/// This is no place to register at.
#[derive(Debug)]
pub struct NoRegistry(String);

impl fmt::Display for NoRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no place to register at\n\nhint: write the admin listener and the upstream, `http://127.0.0.1:9180/web`",
            self.0
        )
    }
}

impl std::error::Error for NoRegistry {}

impl std::str::FromStr for Registry {
    type Err = NoRegistry;

    /// `http://HOST:PORT/UPSTREAM`, also with `/api/v1/upstreams` before the upstream.
    fn from_str(text: &str) -> Result<Self, NoRegistry> {
        let no = || NoRegistry(text.to_owned());
        let rest = text.strip_prefix("http://").ok_or_else(no)?;
        let (address, path) = rest.split_once('/').ok_or_else(no)?;
        let upstream = path.strip_prefix("api/v1/upstreams/").unwrap_or(path).trim_end_matches('/');
        if upstream.is_empty() || upstream.contains(['/', '?', '#']) {
            return Err(no());
        }
        let client = AdminClient::new(address).map_err(|_| no())?;
        Ok(Self { client, upstream: upstream.to_owned() })
    }
}

/// What became of a word.
#[derive(Debug)]
pub enum Heard {
    /// The server is a member from now on.
    Joined,
    /// Nobody has taken it; it is said again. Told once for each time that it begins to fail.
    Failed(AskError),
}

impl Registry {
    /// Says that the server is there, until this is dropped. Tells of changes.
    pub async fn keep(&self, server: SocketAddr, mut tell: impl FnMut(Heard)) {
        let path = format!("{}/register?ttl={}s", self.path(server), LEASE.as_secs());
        let mut is_known = false;
        let mut is_failing = false;
        loop {
            // One that hangs is as good as lost: the next one must still be in time.
            let word = self.client.ask(Method::POST, &path);
            let heard = tokio::time::timeout(LEASE / 3, word).await;
            match heard.unwrap_or_else(|_| Err(AskError::Slow(self.client.address().to_owned()))) {
                Ok(_) => {
                    if !is_known {
                        tell(Heard::Joined);
                    }
                    (is_known, is_failing) = (true, false);
                    pause(LEASE / 3).await;
                }
                Err(error) => {
                    if !is_failing {
                        tell(Heard::Failed(error));
                    }
                    (is_known, is_failing) = (false, true);
                    pause(AGAIN).await;
                }
            }
        }
    }

    /// Says that the server goes. It gets nothing new when this has returned.
    ///
    /// # Errors
    /// Nobody has heard it; the lease ends it then.
    pub async fn leave(&self, server: SocketAddr) -> Result<(), AskError> {
        self.client.ask(Method::DELETE, &self.path(server)).await.map(|_| ())
    }

    fn path(&self, server: SocketAddr) -> String {
        format!("/upstreams/{}/servers/{}", encoded(&self.upstream), encoded(&server.to_string()))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a lease is renewed after a time; there is no event to wait for"
)]
async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_registry_is_a_listener_and_an_upstream() {
        for good in
            ["http://127.0.0.1:9180/web", "http://[::1]:1/web/", "http://a:1/api/v1/upstreams/web-2.x"]
        {
            assert!(good.parse::<Registry>().is_ok(), "{good}");
        }
        let registry: Registry = "http://a:1/api/v1/upstreams/web".parse().unwrap();
        assert_eq!(registry.path("127.0.0.1:80".parse().unwrap()), "/upstreams/web/servers/127.0.0.1:80");
        for bad in [
            "",
            "web",
            "127.0.0.1:9180/web",
            "http://127.0.0.1:9180",
            "http://127.0.0.1:9180/",
            "http://127.0.0.1/web",
            "https://127.0.0.1:9180/web",
            "http://a:1/web/servers/x",
            "http://a:1/web?x",
        ] {
            assert!(bad.parse::<Registry>().is_err(), "{bad}");
        }
    }
}
