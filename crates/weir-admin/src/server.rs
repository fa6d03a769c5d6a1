//! Accepting and serving the connections of the admin listener, within limits of its own.
//!
//! It must still answer when somebody plays with it: a head has a deadline, a connection has a lifetime, their number has a
//! cap, and there are no request bodies.

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::header::{CACHE_CONTROL, CONNECTION, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use weir_core::ports::SharedStatusSource;
use weir_core::ports::members::SharedMemberControl;
use weir_core::ports::queue::SharedQueueSource;
use weir_core::ports::reload::SharedReloadControl;

use crate::guard::{Guard, Refusal};
use crate::problem::problem;
use crate::queue_routes;
use crate::reload_routes;
use crate::routes::{self, Route};
use crate::upstream_routes;

/// Connections at the same time; further ones wait in the listen queue until one ends.
const CONNECTIONS_MAX: usize = 64;
/// How long a client may take for a head, idle time between two requests included; then the connection is closed.
const HEAD_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes of a head; over it 431.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Fields of a head; over it 431.
const FIELDS_MAX: usize = 64;
/// After this a connection takes no further request. A client that does not read its answer would hold it forever.
const CONNECTION_LIFETIME: Duration = Duration::from_secs(300);
/// How long an answer in progress may take at the end of a connection's lifetime, or of the listener's; then it is cut.
const CLOSE_DEADLINE: Duration = Duration::from_secs(1);
/// How long accepting pauses after it failed (no file descriptor left, say), so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Answers on the listener until `shutdown` is ready; then finishes answers in progress, for at most a second.
///
/// Requests must name an address or `localhost` as their Host; see [`serve_named`] for further names. Needs a tokio runtime
/// with time and network. Dropping the future closes the listener and cuts every connection.
pub async fn serve(listener: TcpListener, source: SharedStatusSource, shutdown: impl Future<Output = ()>) {
    serve_named(listener, source, &[], shutdown).await;
}

/// As [`serve`], and lets requests in that name one of `names` as their Host. Names have no port.
pub async fn serve_named(
    listener: TcpListener,
    source: SharedStatusSource,
    names: &[String],
    shutdown: impl Future<Output = ()>,
) {
    let service = Service { guard: Guard::new(names), source, controls: None, paths: routes::ALL };
    accept(listener, service, shutdown).await;
}

/// What can be changed over the listener.
#[derive(Clone)]
pub struct Controls {
    /// Queues, in which what waits can be retried and thrown away.
    pub queues: SharedQueueSource,
    /// Members of upstreams, which can come, go and be taken out.
    pub members: SharedMemberControl,
    /// The configuration, which can be read again.
    pub reload: SharedReloadControl,
}

impl fmt::Debug for Controls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Controls").finish_non_exhaustive()
    }
}

/// As [`serve`], and lets be changed what these controls change.
pub async fn serve_controlled(
    listener: TcpListener,
    source: SharedStatusSource,
    controls: Controls,
    shutdown: impl Future<Output = ()>,
) {
    let service = Service { guard: Guard::new(&[]), source, controls: Some(controls), paths: routes::ALL };
    accept(listener, service, shutdown).await;
}

/// Answers with metrics and nothing else, under `/metrics` and `/`, whatever Host is named: for an address that scrapers of
/// other machines reach. Otherwise as [`serve`].
pub async fn serve_metrics(
    listener: TcpListener,
    source: SharedStatusSource,
    shutdown: impl Future<Output = ()>,
) {
    let service = Service { guard: Guard::open(), source, controls: None, paths: routes::METRICS };
    accept(listener, service, shutdown).await;
}

#[expect(
    clippy::disallowed_methods,
    reason = "accepting pauses after an error; there is no event to wait for"
)]
async fn accept(listener: TcpListener, service: Service, shutdown: impl Future<Output = ()>) {
    let service = Arc::new(service);
    let (stop, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve_connection(stream, Arc::clone(&service), stopped.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "the admin listener cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    drop(stop);
    // Each connection ends itself by its own deadline.
    while connections.join_next().await.is_some() {}
}

/// Serves one connection until it ends, its lifetime is over, or the sender of `stopped` is gone.
#[expect(clippy::disallowed_methods, reason = "the end of a lifetime is a moment and no event")]
async fn serve_connection(stream: TcpStream, service: Arc<Service>, mut stopped: watch::Receiver<()>) {
    // An answer must not wait for an acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    let answer = service_fn(move |request: Request<Incoming>| {
        let (head, body) = request.into_parts();
        let service = Arc::clone(&service);
        async move { Ok::<_, Infallible>(service.answer(&head, !body.is_end_stream()).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(FIELDS_MAX)
        .serve_connection(TokioIo::new(stream), answer);
    let mut connection = pin!(connection);
    tokio::select! {
        ended = &mut connection => {
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection of the admin listener broke");
            }
            return;
        }
        _ = stopped.changed() => {}
        () = tokio::time::sleep(CONNECTION_LIFETIME) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(CLOSE_DEADLINE, connection).await;
}

struct Service {
    guard: Guard,
    source: SharedStatusSource,
    controls: Option<Controls>,
    paths: &'static [Route],
}

impl Service {
    async fn answer(&self, head: &Parts, has_body: bool) -> Response<Full<Bytes>> {
        let mut answer = self.judge(head, has_body).await;
        let fields = answer.headers_mut();
        fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        fields.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if has_body {
            // The body is not read, so the connection cannot go on.
            fields.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }

    async fn judge(&self, head: &Parts, has_body: bool) -> Response<Full<Bytes>> {
        if let Err(refusal) = self.guard.check(head) {
            tracing::debug!(%refusal, "the admin listener refused a request");
            let status = match refusal {
                Refusal::BadHost => StatusCode::BAD_REQUEST,
                Refusal::ForeignHost(_) | Refusal::ForeignOrigin => StatusCode::FORBIDDEN,
            };
            return problem(status, &refusal.to_string());
        }
        if has_body {
            return problem(StatusCode::PAYLOAD_TOO_LARGE, "the admin listener takes no request bodies");
        }
        if let Some(controls) = &self.controls {
            if head.uri.path() == reload_routes::PATH {
                return reload_routes::answer(&controls.reload, head).await;
            }
            if queue_routes::is_ours(head.uri.path()) {
                return queue_routes::answer(&controls.queues, head).await;
            }
            if upstream_routes::is_ours(head.uri.path()) {
                return upstream_routes::answer(&*self.source, &controls.members, head);
            }
        }
        routes::answer(self.paths, &*self.source, head)
    }
}
