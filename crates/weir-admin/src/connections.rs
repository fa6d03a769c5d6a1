//! What the admin listener answers under `/api/v1/connections`: who is connected, page by page. One of them can be closed.

use hyper::StatusCode;
use hyper::http::request::Parts;
use serde_json::{Value, json};
use weir_core::ports::connections::{
    ConnectionPage, ConnectionSource, ConnectionStatus, Cursor, CutOutcome, ExchangeStatus,
};

use crate::parameters::Parameters;

/// Connections of a page when nobody says how many.
const PAGE: usize = 100;
/// The most that a page may have.
const PAGE_MAX: usize = 1000;

/// Why a request makes no sense: a status, and a sentence.
type No = (StatusCode, String);

/// What stands before the name of one.
const ONE: &str = "/api/v1/connections/";

/// Does what a request wants that the table lets through.
///
/// # Errors
/// Why it makes no sense, or can't be done.
pub(crate) async fn answer(source: &dyn ConnectionSource, head: &Parts) -> Result<Value, No> {
    let query = head.uri.query().unwrap_or_default();
    match head.uri.path().strip_prefix(ONE) {
        Some(name) => cut(source, name, query).await,
        None => connections(source, query).await,
    }
}

async fn cut(source: &dyn ConnectionSource, name: &str, query: &str) -> Result<Value, No> {
    Parameters::read(query, &[])?;
    match source.cut(name).await {
        CutOutcome::Cut => {
            tracing::info!(
                connection = name,
                "a connection is closed, as somebody asked at the admin listener"
            );
            Ok(done())
        }
        CutOutcome::Unknown => Err((StatusCode::NOT_FOUND, "there is no connection of this `id`".to_owned())),
        CutOutcome::Silent => {
            let text = "the worker that serves it does not answer; it may be closed later, or not";
            Err((StatusCode::SERVICE_UNAVAILABLE, text.to_owned()))
        }
    }
}

pub(crate) fn done() -> Value {
    json!({ "closed": true })
}

/// A page of connections.
///
/// # Errors
/// A parameter makes no sense.
async fn connections(source: &dyn ConnectionSource, query: &str) -> Result<Value, No> {
    let parameters = Parameters::read(query, &["limit", "cursor"])?;
    let max = parameters.number("limit")?.unwrap_or(PAGE);
    if max == 0 || max > PAGE_MAX {
        return Err((StatusCode::BAD_REQUEST, format!("`limit` takes 1 to {PAGE_MAX}")));
    }
    let from = match parameters.text("cursor") {
        None => Cursor::default(),
        Some(text) => cursor(text).ok_or_else(|| {
            (StatusCode::BAD_REQUEST, "`cursor` takes the `next` of the page before".to_owned())
        })?,
    };
    Ok(page(&source.connections(from, max).await))
}

pub(crate) fn page(page: &ConnectionPage) -> Value {
    json!({
        "connections": page.connections.iter().map(connection).collect::<Vec<_>>(),
        "total": page.total,
        "next": page.next.map(|Cursor { worker, place }| format!("{worker}-{place}")),
        "silent_workers": page.silent_workers,
    })
}

fn cursor(text: &str) -> Option<Cursor> {
    let (worker, place) = text.split_once('-')?;
    Some(Cursor { worker: worker.parse().ok()?, place: place.parse().ok()? })
}

fn connection(one: &ConnectionStatus) -> Value {
    json!({
        "id": one.id,
        "client": one.client,
        "listener": one.listener,
        "protocol": one.protocol,
        "age_seconds": one.age.as_secs_f64(),
        "state": one.state,
        "draining": one.draining,
        "tls": one.tls,
        "requests_total": one.requests_total,
        "bytes_received": one.bytes_received,
        "bytes_sent": one.bytes_sent,
        "exchange": one.exchange.as_ref().map(exchange),
    })
}

fn exchange(one: &ExchangeStatus) -> Value {
    json!({ "service": one.service, "route": one.route, "upstream": one.upstream, "server": one.server })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Mutex;

    use hyper::Request;
    use weir_core::ports::connections::{ConnectionAnswer, CutAnswer};

    use super::*;

    /// Notes what it is asked.
    #[derive(Default)]
    struct Asked(Mutex<Vec<(Cursor, usize)>>);

    impl ConnectionSource for Asked {
        fn connections(&self, from: Cursor, max: usize) -> ConnectionAnswer<'_> {
            self.0.lock().unwrap().push((from, max));
            let next = Some(Cursor { worker: 7, place: 40 });
            Box::pin(async move { ConnectionPage { next, total: 2, ..ConnectionPage::default() } })
        }

        fn cut(&self, name: &str) -> CutAnswer<'_> {
            let outcome = match name {
                "0-17" => CutOutcome::Cut,
                "1-1" => CutOutcome::Silent,
                _ => CutOutcome::Unknown,
            };
            Box::pin(async move { outcome })
        }
    }

    #[tokio::test]
    async fn one_is_closed_by_the_id_that_a_page_has_told() {
        let ask = async |path: &str| {
            let (head, ()) = Request::delete(path).body(()).unwrap().into_parts();
            answer(&Asked::default(), &head).await.map_err(|(status, _)| status)
        };
        assert_eq!(ask("/api/v1/connections/0-17").await, Ok(done()));
        for (path, status) in [
            ("/api/v1/connections/0-18", StatusCode::NOT_FOUND),
            ("/api/v1/connections/x", StatusCode::NOT_FOUND),
            ("/api/v1/connections/1-1", StatusCode::SERVICE_UNAVAILABLE),
            ("/api/v1/connections/0-17?all=1", StatusCode::BAD_REQUEST),
        ] {
            assert_eq!(ask(path).await, Err(status), "{path}");
        }
    }

    #[tokio::test]
    async fn the_next_page_is_asked_for_by_what_the_last_one_said() {
        let asked = Asked::default();
        let first = connections(&asked, "").await.unwrap();
        let next = first["next"].as_str().unwrap();
        assert_eq!((next, &first["total"], &first["silent_workers"]), ("7-40", &json!(2), &json!(0)));
        connections(&asked, &format!("limit=1000&cursor={next}")).await.unwrap();
        let expected = [(Cursor::default(), 100), (Cursor { worker: 7, place: 40 }, 1000)];
        assert_eq!(*asked.0.lock().unwrap(), expected);
        for bad in [
            "limit=0",
            "limit=1001",
            "limit=x",
            "limit=-1",
            "cursor=",
            "cursor=7",
            "cursor=7-",
            "cursor=-7",
            "cursor=7-40-1",
            "cursor=99999999999999999999-1",
            "cursor=1&cursor=2",
            "from=1",
        ] {
            assert_eq!(connections(&asked, bad).await.unwrap_err().0, StatusCode::BAD_REQUEST, "{bad}");
        }
    }
}
