//! Accepting and serving the connections of the admin listener, within limits of its own.
//!
//! It must still answer when somebody plays with it: a head has a deadline, a connection has a lifetime, their number has a
//! cap, and there are no request bodies.

#[cfg(test)]
mod access_tests;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::{Body, Incoming};
use hyper::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use weir_core::ports::SharedStatusSource;
use weir_core::ports::drain::DrainControl;

use crate::access::{Door, Gate};
use crate::connections;
use crate::dashboard;
use crate::events::{Broadcast, Events};
use crate::guard::{Guard, Refusal};
use crate::history;
use crate::log_routes;
use crate::problem::{allowed, not_allowed, problem, shown};
use crate::socket::{Connected, Socket};
use crate::sources::Sources;
use crate::table::{self, Deed, Entry};
use crate::visitors::{Visit, Visitors};
use crate::{queue_routes, reload_routes, routes, site, upgrade_route, upstream_routes};

/// How long a client may take for a head, idle time between two requests included; then the connection is closed.
const HEAD_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes of a head; over it 431.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Fields of a head; over it 431.
const FIELDS_MAX: usize = 64;
/// How long a connection may last that has not shown the token, where one is asked for.
const STRANGER_LIFETIME: Duration = Duration::from_secs(10);
/// After this a connection takes no further request. A client that does not read its answer would hold it forever.
const CONNECTION_LIFETIME: Duration = Duration::from_secs(300);
/// How long an answer in progress may take at the end of a connection's lifetime, or of the listener's; then it is cut.
const CLOSE_DEADLINE: Duration = Duration::from_secs(1);
/// How long accepting pauses after it failed (no file descriptor left, say), so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Answers on the socket until `shutdown` is ready; then finishes answers in progress, for at most a second.
///
/// Requests must name an address, `localhost` or one of the names that `door` knows as their Host. Needs a tokio runtime with time and
/// network. Dropping the future closes the socket and cuts every connection.
pub async fn serve(
    socket: impl Into<Socket>,
    sources: Sources,
    door: Arc<Door>,
    shutdown: impl Future<Output = ()>,
) {
    let socket = socket.into();
    let is_of_the_web = socket.is_of_the_web();
    accept(socket, Service::new(is_of_the_web, sources, door, table::ALL), shutdown).await;
}

/// Answers with metrics and nothing else, under `/metrics` and `/`, whatever Host is named: for an address that scrapers of
/// other machines reach. Otherwise as [`serve`].
pub async fn serve_metrics(
    socket: impl Into<Socket>,
    source: SharedStatusSource,
    shutdown: impl Future<Output = ()>,
) {
    let sources = Sources::of_status(source);
    let service = Service::new(false, sources, Arc::default(), table::METRICS);
    accept(socket.into(), service, shutdown).await;
}

#[expect(
    clippy::disallowed_methods,
    reason = "accepting pauses after an error; there is no event to wait for"
)]
async fn accept(listener: Socket, service: Service, shutdown: impl Future<Output = ()>) {
    let service = Arc::new(service);
    let (stop, stopped) = watch::channel(());
    let (mut connections, visitors) = (JoinSet::new(), Arc::new(Visitors::default()));
    let mut shutdown = pin!(shutdown);
    let mut remembering = tokio::time::interval(history::PERIOD);
    remembering.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            _ = remembering.tick() => {
                let live = Arc::clone(&service.live);
                // By itself, so that a fault of who is asked does not end this loop.
                tokio::spawn(async move { live.remember() });
            }
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if visitors.have_room() => match accepted {
                Ok((stream, address)) => {
                    let visit = Arc::new(visitors.arrive(address, service.door.wants_token()));
                    connections.spawn(serve_connection(stream, visit, Arc::clone(&service), stopped.clone()));
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

/// Serves one connection until it ends, its lifetime is over, somebody else gets its place, or the sender of `stopped` is gone.
async fn serve_connection(
    stream: Connected,
    visit: Arc<Visit>,
    service: Arc<Service>,
    mut stopped: watch::Receiver<()>,
) {
    let (until, visitor) = (stopped.clone(), Arc::clone(&visit));
    let answer = service_fn(move |request: Request<Incoming>| {
        let (head, body) = request.into_parts();
        let (service, until, visitor) = (Arc::clone(&service), until.clone(), Arc::clone(&visitor));
        async move { Ok::<_, Infallible>(service.answer(&head, !body.is_end_stream(), &visitor, until).await) }
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
        // Nobody waits for the last words of somebody who keeps others out.
        () = visit.sent_out() => return,
        _ = stopped.changed() => {}
        () = lifetime(&visit) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(CLOSE_DEADLINE, connection).await;
}

/// Waits until a connection has lasted for long enough.
#[expect(clippy::disallowed_methods, reason = "the end of a lifetime is a moment and no event")]
async fn lifetime(visit: &Visit) {
    tokio::time::sleep(STRANGER_LIFETIME).await;
    if !visit.is_stranger() {
        tokio::time::sleep(CONNECTION_LIFETIME - STRANGER_LIFETIME).await;
    }
}

/// What is said whole, or event by event.
type Answer = Response<Either<Full<Bytes>, Events>>;

struct Service {
    /// Whether pages of the web may reach it under a name of theirs.
    is_of_the_web: bool,
    door: Arc<Door>,
    sources: Sources,
    live: Arc<Broadcast>,
    entries: &'static [Entry],
}

impl Service {
    fn new(is_of_the_web: bool, sources: Sources, door: Arc<Door>, entries: &'static [Entry]) -> Self {
        let live = Arc::new(Broadcast::new(sources.clone()));
        Self { is_of_the_web, door, sources, live, entries }
    }

    async fn answer(
        &self,
        head: &Parts,
        has_body: bool,
        visit: &Visit,
        stopped: watch::Receiver<()>,
    ) -> Answer {
        let gate = self.door.gate();
        let mut answer = match self.judge(&gate, head, has_body, visit) {
            Ok(Deed::Events) => match self.live.listen(self.until_locked_out(Arc::clone(&gate), stopped)) {
                // A body that is never asked for would keep its place.
                Some(_) if head.method == Method::HEAD => events(Either::Left(Full::default())),
                Some(stream) => events(Either::Right(stream)),
                None => too_many_listeners().map(Either::Left),
            },
            Ok(deed) => self.perform(deed, head).await.map(Either::Left),
            Err(problem) => problem.map(Either::Left),
        };
        let fields = answer.headers_mut();
        fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        fields.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if has_body {
            // The body is not read, so the connection cannot go on.
            fields.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }

    /// Ready when the listener ends, or wants another token than the one of this gate.
    fn until_locked_out(
        &self,
        gate: Arc<Gate>,
        mut stopped: watch::Receiver<()>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let door = Arc::clone(&self.door);
        async move {
            tokio::select! {
                // Also when there never was another word.
                _ = stopped.changed() => {}
                () = door.is_closed_to(&gate) => {}
            }
        }
    }

    /// What the request asks for, if it may. Nothing has happened before this has said so.
    fn judge(
        &self,
        gate: &Gate,
        head: &Parts,
        has_body: bool,
        visit: &Visit,
    ) -> Result<Deed, Box<Response<Full<Bytes>>>> {
        let checked = if self.is_of_the_web { gate.guard.check(head) } else { Guard::open().check(head) };
        if let Err(refusal) = checked {
            tracing::debug!(%refusal, "the admin listener refused a request");
            let status = match refusal {
                Refusal::BadHost => StatusCode::BAD_REQUEST,
                Refusal::ForeignHost(_) | Refusal::ForeignOrigin => StatusCode::FORBIDDEN,
            };
            return Err(problem(status, &refusal.to_string()).into());
        }
        if has_body {
            let text = "the admin listener takes no request bodies";
            return Err(problem(StatusCode::PAYLOAD_TOO_LARGE, text).into());
        }
        let mut found = self.entries.iter().filter(|entry| entry.takes(head.uri.path())).peekable();
        if gate.token.admits(&head.headers) {
            visit.is_admitted();
        } else if !found.peek().is_some_and(|entry| entry.is_open()) {
            return Err(unauthorised().into());
        }
        let Some(entry) = found.next() else {
            return Err(nothing_here(self.entries, head.uri.path()).into());
        };
        match allowed(entry.methods, &head.method) {
            Some(_) => Ok(entry.deed),
            None => Err(not_allowed(entry.methods).into()),
        }
    }

    async fn perform(&self, deed: Deed, head: &Parts) -> Response<Full<Bytes>> {
        let status = &*self.sources.status;
        let query = head.uri.query().unwrap_or_default();
        let read = |value: Result<Value, (StatusCode, String)>| match value {
            Ok(value) => shown(StatusCode::OK, &value),
            Err((status, text)) => problem(status, &text),
        };
        match deed {
            Deed::Page => dashboard::file(head.uri.path())
                .unwrap_or_else(|| nothing_here(self.entries, head.uri.path())),
            Deed::Healthz => routes::healthz(),
            Deed::Readyz => routes::readyz(status),
            Deed::Metrics => routes::metrics(status, &head.headers),
            Deed::Status => routes::status(status),
            Deed::Servers => routes::servers(status),
            Deed::Certificates => routes::certificates(status),
            Deed::Compare => routes::compare(status),
            Deed::Failures => routes::failures(status),
            Deed::Services => match &self.sources.site {
                Some(site) => read(site::services(&**site, query)),
                None => absent(),
            },
            Deed::Routes => match &self.sources.site {
                Some(site) => read(site::routes(&**site, &status.status(), query)),
                None => absent(),
            },
            Deed::Connections => match &self.sources.connections {
                Some(source) => read(connections::answer(&**source, head).await),
                None => absent(),
            },
            Deed::Configuration => {
                match self.sources.configuration.as_ref().and_then(|source| source.effective()) {
                    Some(document) => written(&document),
                    None => {
                        problem(StatusCode::NOT_FOUND, "this Weir was started without a configuration file")
                    }
                }
            }
            Deed::LogLevel => match &self.sources.log {
                Some(log) => log_routes::answer(&**log, head),
                None => absent(),
            },
            Deed::Upgrade => upgrade_route::answer(self.sources.upgrade.as_ref(), head).await,
            Deed::Drain => match &self.sources.drain {
                Some(drain) => drained(&**drain),
                None => absent(),
            },
            Deed::Reload => match &self.sources.reload {
                Some(reload) => reload_routes::answer(reload, head).await,
                None => absent(),
            },
            Deed::Queues => match &self.sources.queues {
                Some(queues) => queue_routes::answer(queues, head).await,
                None => absent(),
            },
            Deed::Upstreams => match &self.sources.members {
                Some(members) => upstream_routes::answer(status, members, head),
                None => absent(),
            },
            // Answered where the stream is made.
            Deed::Events => absent(),
        }
    }
}

fn events(body: Either<Full<Bytes>, Events>) -> Answer {
    let mut answer = Response::new(body);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    answer
}

/// A document of JSON that is there already.
fn written(document: &str) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::from(document.to_owned()));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

fn drained(drain: &dyn DrainControl) -> Response<Full<Bytes>> {
    tracing::info!("draining, as somebody asked at the admin listener");
    drain.drain();
    shown(StatusCode::ACCEPTED, &json!({ "draining": true }))
}

fn too_many_listeners() -> Response<Full<Bytes>> {
    problem(StatusCode::SERVICE_UNAVAILABLE, "as many listen to events as may at once; close one of them")
}

fn unauthorised() -> Response<Full<Bytes>> {
    let text = "the admin listener wants its token, as `Authorization: Bearer TOKEN`";
    let mut answer = problem(StatusCode::UNAUTHORIZED, text);
    answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"weir\""));
    answer
}

fn nothing_here(entries: &[Entry], asked: &str) -> Response<Full<Bytes>> {
    // Who is near is told what is there; who is not, what there is at all.
    let kind = |path: &str| path.split('/').take(4).collect::<Vec<_>>().join("/");
    let near = |path: &&str| kind(path) == kind(asked) && kind(path).len() > 1;
    let all = || entries.iter().map(|entry| entry.path);
    let mut paths: Vec<_> = all().filter(near).collect();
    if paths.is_empty() {
        paths = all().filter(|path| !path.contains('{')).collect();
    }
    problem(StatusCode::NOT_FOUND, &format!("there is nothing here; there are {}", paths.join(", ")))
}

/// What this process does not have.
fn absent() -> Response<Full<Bytes>> {
    problem(StatusCode::NOT_FOUND, "this Weir has nothing of the kind")
}
