//! What the admin listener answers under `/api/v1/queues`: the queues of writes, and the only things here that can be changed.
//!
//! The table of paths stands in [`queues`](crate::queues), with the shapes. A page in a browser can't use it: another origin is
//! refused before, and what changes something is never asked for with GET. Work on a queue may wait for a disk, so it is
//! done on a thread for that.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tokio::runtime::Handle;
use weir_core::ports::queue::{LocalFuture, QueueSource, Selection, SharedQueueSource, WriteQueue};
use weir_core::queue::Sequence;

use crate::parameters::{Parameters, decoded};
use crate::problem::{allowed, not_allowed, problem, shown};
use crate::queues;

/// Where all of it begins.
pub(crate) const PREFIX: &str = "/api/v1/queues";

/// Writes in a page of a list when nobody says how many.
const PAGE_WRITES: usize = 100;
/// The most that a page may have.
const PAGE_WRITES_MAX: usize = 1000;

type Answer = Response<Full<Bytes>>;

/// Why something is not done: a status, and a sentence.
type No = (StatusCode, String);

/// What is asked for.
#[derive(Debug, PartialEq)]
enum Place {
    All,
    Queue(String),
    Writes(String),
    Write(String, Sequence),
    Retry(String),
}

/// Answers a request whose Host and Origin were checked.
pub(crate) async fn answer(source: &SharedQueueSource, head: &Parts) -> Answer {
    let Some(place) = place(head.uri.path()) else {
        return problem(
            StatusCode::NOT_FOUND,
            "there is nothing here; there are /api/v1/queues, and below /NAME, /NAME/writes, /NAME/writes/N and /NAME/retry",
        );
    };
    let methods = methods(&place);
    let Some(method) = allowed(methods, &head.method) else { return not_allowed(methods) };
    match perform(source, place, method, head.uri.query().unwrap_or_default()).await {
        Ok(value) => shown(StatusCode::OK, &value),
        Err((status, text)) => problem(status, &text),
    }
}

fn methods(place: &Place) -> &'static [Method] {
    match place {
        Place::All | Place::Queue(_) => &[Method::GET],
        Place::Writes(_) | Place::Write(..) => &[Method::GET, Method::DELETE],
        Place::Retry(_) => &[Method::POST],
    }
}

async fn perform(
    source: &SharedQueueSource,
    place: Place,
    method: &Method,
    query: &str,
) -> Result<Value, No> {
    let changes = *method != Method::GET;
    match place {
        Place::All => {
            Query::read(query, &[])?;
            let all = source.queues();
            Ok(
                json!({ "queues": all.iter().map(|queue| queues::queue(&queue.status())).collect::<Vec<_>>() }),
            )
        }
        Place::Queue(name) => {
            Query::read(query, &[])?;
            Ok(queues::queue(&find(&**source, &name)?.status()))
        }
        Place::Writes(name) if changes => {
            let query = Query::read(query, &["server", "dead", "all"])?;
            let queue = find(&**source, &name)?;
            let selection = query.selection(&*queue)?;
            if selection.server.is_none() && !selection.dead_only && !query.all {
                let text =
                    "say which: `server=…`, `dead=true`, or `all=true` for everything that waits and is dead";
                return Err((StatusCode::BAD_REQUEST, text.to_owned()));
            }
            discard(queue, selection).await
        }
        Place::Writes(name) => {
            let query = Query::read(query, &["server", "dead", "from", "max"])?;
            let queue = find(&**source, &name)?;
            let selection = query.selection(&*queue)?;
            let (from, max) = (Sequence(query.from), query.max.unwrap_or(PAGE_WRITES));
            let page = work(queue, move |queue| queue.list(selection, from, max)).await?;
            Ok(queues::writes(&page, max))
        }
        Place::Write(name, sequence) if changes => {
            let query = Query::read(query, &["server", "dead"])?;
            let queue = find(&**source, &name)?;
            let selection = Selection { sequence: Some(sequence), ..query.selection(&*queue)? };
            one(&queue, sequence).await?;
            discard(queue, selection).await
        }
        Place::Write(name, sequence) => {
            Query::read(query, &[])?;
            Ok(queues::write(&one(&find(&**source, &name)?, sequence).await?))
        }
        Place::Retry(name) => {
            let query = Query::read(query, &["server", "dead", "write"])?;
            let queue = find(&**source, &name)?;
            let selection = query.selection(&*queue)?;
            if let Some(sequence) = selection.sequence {
                one(&queue, sequence).await?;
            }
            tracing::info!(queue = name, ?selection, "writes are tried again, as somebody asked");
            Ok(queues::done(&work(queue, |queue| queue.retry(selection)).await?))
        }
    }
}

async fn discard(queue: Arc<dyn WriteQueue>, selection: Selection) -> Result<Value, No> {
    tracing::warn!(queue = &*queue.status().name, ?selection, "writes are thrown away, as somebody asked");
    Ok(queues::done(&work(queue, |queue| queue.discard(selection)).await?))
}

/// The write of this number.
async fn one(
    queue: &Arc<dyn WriteQueue>,
    sequence: Sequence,
) -> Result<weir_core::ports::queue::QueuedWrite, No> {
    let selection = Selection { sequence: Some(sequence), ..Selection::default() };
    let found = work(Arc::clone(queue), move |queue| queue.list(selection, sequence, 1)).await?;
    let missing =
        || (StatusCode::NOT_FOUND, format!("the queue has no write {sequence}; every server may have it"));
    found.into_iter().next().ok_or_else(missing)
}

/// Does something with a queue on a thread that may wait.
async fn work<T: Send + 'static>(
    queue: Arc<dyn WriteQueue>,
    ask: impl for<'q> FnOnce(&'q dyn WriteQueue) -> LocalFuture<'q, std::io::Result<T>> + Send + 'static,
) -> Result<T, No> {
    let runtime = Handle::current();
    let failed =
        |text: String| (StatusCode::SERVICE_UNAVAILABLE, format!("the queue can't do that now: {text}"));
    let done = tokio::task::spawn_blocking(move || runtime.block_on(ask(&*queue)));
    match done.await {
        Ok(result) => result.map_err(|error| failed(error.to_string())),
        Err(error) => Err(failed(error.to_string())),
    }
}

fn find(source: &dyn QueueSource, name: &str) -> Result<Arc<dyn WriteQueue>, No> {
    source.queue(name).ok_or_else(|| {
        let names: Vec<String> =
            source.queues().iter().map(|queue| format!("`{}`", queue.status().name)).collect();
        let text = match names.is_empty() {
            true => format!("there is no queue `{name}`; no route duplicates with `catch_up`"),
            false => format!("there is no queue `{name}`; there are {}", names.join(", ")),
        };
        (StatusCode::NOT_FOUND, text)
    })
}

fn place(path: &str) -> Option<Place> {
    let rest = path.strip_prefix(PREFIX)?;
    let Some(rest) = rest.strip_prefix('/') else { return rest.is_empty().then_some(Place::All) };
    let parts: Vec<&str> = rest.split('/').collect();
    let (name, parts) = parts.split_first()?;
    let name = decoded(name).filter(|name| !name.is_empty())?;
    match parts {
        [] => Some(Place::Queue(name)),
        ["writes"] => Some(Place::Writes(name)),
        ["writes", number] => Some(Place::Write(name, Sequence(number.parse().ok()?))),
        ["retry"] => Some(Place::Retry(name)),
        _ => None,
    }
}

/// The parameters of a request.
#[derive(Debug, Default, PartialEq)]
struct Query {
    server: Option<String>,
    dead: bool,
    all: bool,
    from: u64,
    max: Option<usize>,
    write: Option<u64>,
}

impl Query {
    fn read(text: &str, known: &[&str]) -> Result<Self, No> {
        let parameters = Parameters::read(text, known)?;
        let max: Option<usize> = parameters.number("max")?;
        if max.is_some_and(|max| !(1..=PAGE_WRITES_MAX).contains(&max)) {
            return Err((StatusCode::BAD_REQUEST, "`max` takes a number from 1 to 1000".to_owned()));
        }
        Ok(Self {
            server: parameters.text("server").map(str::to_owned),
            dead: parameters.truth("dead")?,
            all: parameters.truth("all")?,
            from: parameters.number("from")?.unwrap_or_default(),
            max,
            write: parameters.number("write")?,
        })
    }

    /// What it selects. A server that the queue does not know is a mistake, and not an empty selection.
    fn selection(&self, queue: &dyn WriteQueue) -> Result<Selection, No> {
        if let Some(server) = &self.server {
            let servers = queue.status().servers;
            if !servers.iter().any(|known| *known.name == **server) {
                let names: Vec<String> = servers.iter().map(|known| format!("`{}`", known.name)).collect();
                let text = format!("the queue has no server `{server}`; there are {}", names.join(", "));
                return Err((StatusCode::NOT_FOUND, text));
            }
        }
        Ok(Selection {
            server: self.server.clone(),
            sequence: self.write.map(Sequence),
            dead_only: self.dead,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn paths_are_told_apart() {
        let queue = |name: &str| name.to_owned();
        for (path, expected) in [
            ("/api/v1/queues", Some(Place::All)),
            ("/api/v1/queues/orders", Some(Place::Queue(queue("orders")))),
            ("/api/v1/queues/a%20%2Fx", Some(Place::Queue(queue("a /x")))),
            ("/api/v1/queues/orders/writes", Some(Place::Writes(queue("orders")))),
            ("/api/v1/queues/orders/writes/7", Some(Place::Write(queue("orders"), Sequence(7)))),
            ("/api/v1/queues/orders/retry", Some(Place::Retry(queue("orders")))),
            ("/api/v1/queues/", None),
            ("/api/v1/queues//writes", None),
            ("/api/v1/queues/%2", None),
            ("/api/v1/queues/%ff", None),
            ("/api/v1/queues/orders/writes/x", None),
            ("/api/v1/queues/orders/writes/-1", None),
            ("/api/v1/queues/orders/writes/7/8", None),
            ("/api/v1/queues/orders/drop", None),
        ] {
            assert_eq!(place(path), expected, "{path}");
        }
    }

    #[test]
    fn parameters_are_known_once_and_bounded() {
        let known = ["server", "dead", "from", "max"];
        let query = Query::read("server=a%3A1&dead=true&from=7&max=1000", &known).unwrap();
        assert_eq!(
            (query.server.as_deref(), query.dead, query.from, query.max),
            (Some("a:1"), true, 7, Some(1000))
        );
        assert_eq!(Query::read("", &known), Ok(Query::default()));
        for bad in [
            "x=1",
            "all=true",
            "dead=yes",
            "dead",
            "from=-1",
            "from=",
            "max=0",
            "max=1001",
            "server=%zz",
            "from=1&from=1",
        ] {
            assert_eq!(Query::read(bad, &known).unwrap_err().0, StatusCode::BAD_REQUEST, "{bad}");
        }
    }
}
