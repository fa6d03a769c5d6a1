//! The header of the PROXY protocol before a client's first byte: from proxies that are named in the configuration, and
//! from them always.
//!
//! From anybody else nothing is parsed, so nobody can choose its own address by writing such a header. A proxy that is
//! named and sends none is refused, because its requests would count as its own.

use std::future::poll_fn;
use std::io;
use std::pin::pin;

use weir_core::proxy_header::ProxyHeaderOutcome;
use weir_http::proxy_protocol::{self, Progress, ProxyHeaderError, V2_BYTES_MAX};
use weir_upstream::io::deadline::{Deadlines, Wait};
use weir_upstream::io::stream::Stream;

use super::peer::Peer;
use crate::runtime::worker::Worker;

/// Why a connection has no header.
#[derive(Debug)]
enum Ended {
    /// It was closed before its first byte.
    Nothing,
    /// What came is no header, or the connection broke.
    Broken(io::Error),
}

impl From<ProxyHeaderError> for Ended {
    fn from(error: ProxyHeaderError) -> Self {
        Self::Broken(io::Error::new(io::ErrorKind::InvalidData, error))
    }
}

/// Reads the header, to its last byte and no further, within `timeouts.request_head`. Gives who the client is: whom the
/// header names, else the peer. `None` when there is no client to serve; the connection is closed without a word then,
/// because who would hear it is not known to speak HTTP. Dropping this closes it too.
pub(super) async fn read(worker: &Worker, stream: &Stream, peer: Peer) -> Option<Peer> {
    let deadlines = Deadlines::new();
    deadlines.set(Wait::ClientHead, worker.snapshot().timeouts.request_head);
    let outcome = deadlines.guard(pin!(client(stream))).await;
    let count = |outcome| worker.counters.count_proxy_header(outcome);
    match outcome {
        Ok(Ok(proxy_protocol::Client::At(address))) => {
            count(ProxyHeaderOutcome::Named);
            return Some(Peer::Network(address));
        }
        Ok(Ok(proxy_protocol::Client::Unnamed)) => {
            count(ProxyHeaderOutcome::Unnamed);
            return Some(peer);
        }
        Ok(Err(Ended::Nothing)) => count(ProxyHeaderOutcome::Nothing),
        Ok(Err(Ended::Broken(error))) => {
            count(ProxyHeaderOutcome::Malformed);
            tracing::debug!(%peer, %error, "a header of the PROXY protocol can't be read");
        }
        Err(_) => {
            count(ProxyHeaderOutcome::TimedOut);
            tracing::debug!(%peer, "a header of the PROXY protocol did not come in time");
        }
    }
    None
}

async fn client(stream: &Stream) -> Result<proxy_protocol::Client, Ended> {
    let mut bytes = [0; V2_BYTES_MAX];
    let mut have = 0;
    loop {
        let missing = match proxy_protocol::read(&bytes[..have])? {
            Progress::Whole(client) => return Ok(client),
            Progress::Missing(missing) => missing,
        };
        // No header is longer than the room for it; the decoder has refused it otherwise.
        let Some(room) = bytes.get_mut(have..have + missing) else {
            return Err(ProxyHeaderError::TooLong.into());
        };
        match poll_fn(|cx| stream.poll_read_into(cx, room)).await {
            Ok(0) if have == 0 => return Err(Ended::Nothing),
            Ok(0) => return Err(Ended::Broken(io::ErrorKind::UnexpectedEof.into())),
            Ok(count) => have += count,
            Err(error) => return Err(Ended::Broken(error)),
        }
    }
}
