//! What the admin listener answers under `/api/v1/log-level`: what the operational log tells, and its change at run time.
//!
//! What is wanted stands in the query, because the listener takes no bodies. It holds until it is changed again, or the program
//! ends, or a changed configuration says something else.

use bytes::Bytes;
use http_body_util::Full;
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use serde_json::{Map, Value, json};
use weir_core::log_level::Levels;
use weir_core::ports::log::LogControl;

use crate::parameters::Parameters;
use crate::problem::{allowed, not_allowed, problem, shown};

type Answer = Response<Full<Bytes>>;

/// Answers a request whose Host and Origin were checked.
pub(crate) fn answer(log: &dyn LogControl, head: &Parts) -> Answer {
    let methods = &[Method::GET, Method::PUT];
    let Some(method) = allowed(methods, &head.method) else { return not_allowed(methods) };
    match perform(log, method, head.uri.query().unwrap_or_default()) {
        Ok(levels) => shown(StatusCode::OK, &levels_json(&levels)),
        Err((status, text)) => problem(status, &text),
    }
}

fn perform(log: &dyn LogControl, method: &Method, query: &str) -> Result<Levels, (StatusCode, String)> {
    if *method != Method::PUT {
        Parameters::read(query, &[])?;
        return Ok(log.levels());
    }
    let parameters = Parameters::read(query, &["levels"])?;
    let bad = |text: String| (StatusCode::BAD_REQUEST, text);
    let text = parameters
        .text("levels")
        .ok_or_else(|| bad("say `levels`, as `?levels=info,weir_proxy=debug`".to_owned()))?;
    let levels = Levels::parse(text).map_err(|error| bad(format!("{error}; {}", error.hint())))?;
    log.set(levels.clone());
    Ok(levels)
}

/// As one text, which PUT takes, and apart.
pub(crate) fn levels_json(levels: &Levels) -> Value {
    let modules: Map<_, _> =
        levels.modules().map(|(module, level)| (module.to_owned(), level.name().into())).collect();
    json!({ "levels": levels.to_string(), "level": levels.others.name(), "modules": modules })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Mutex;

    use http_body_util::BodyExt;
    use hyper::Request;

    use super::*;

    #[derive(Default)]
    struct Held(Mutex<Levels>);

    impl LogControl for Held {
        fn levels(&self) -> Levels {
            self.0.lock().unwrap().clone()
        }

        fn set(&self, levels: Levels) {
            *self.0.lock().unwrap() = levels;
        }
    }

    /// Asks, and gives the status and the body.
    fn ask(log: &Held, method: &str, query: &str) -> (u16, Value) {
        let request =
            Request::builder().method(method).uri(format!("/api/v1/log-level{query}")).body(()).unwrap();
        let answer = answer(log, &request.into_parts().0);
        let status = answer.status().as_u16();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let body = runtime.block_on(answer.into_body().collect()).unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }

    #[test]
    fn levels_are_shown_and_changed() {
        let log = Held::default();
        assert_eq!(ask(&log, "GET", ""), (200, json!({"levels": "info", "level": "info", "modules": {}})));
        let changed =
            json!({"levels": "warn,weir_proxy=debug", "level": "warn", "modules": {"weir_proxy": "debug"}});
        assert_eq!(ask(&log, "PUT", "?levels=weir_proxy%3Ddebug,WARN"), (200, changed.clone()));
        assert_eq!(ask(&log, "GET", ""), (200, changed));
        assert_eq!(ask(&log, "PUT", "?levels=off").0, 200);
        assert_eq!(log.levels(), Levels::parse("off").unwrap());
    }

    #[test]
    fn what_makes_no_sense_changes_nothing() {
        let log = Held::default();
        for (method, query, status, part) in [
            ("PUT", "", 400, "say `levels`"),
            ("PUT", "?levels=", 400, "no level"),
            ("PUT", "?levels=loud", 400, "write one of `off`"),
            ("PUT", "?levels=info,nginx=debug", 400, "there is no module `nginx`"),
            ("PUT", "?levels=off&levels=off", 400, "stands twice"),
            ("PUT", "?level=off", 400, "`level` is no parameter here"),
            ("PUT", "?levels=%ff", 400, "UTF-8"),
            ("GET", "?levels=off", 400, "no parameter"),
            ("POST", "?levels=off", 405, "GET, PUT"),
            ("DELETE", "", 405, "GET, PUT"),
        ] {
            let (got, body) = ask(&log, method, query);
            let text = body["detail"].as_str().unwrap_or_default();
            assert!(got == status && text.contains(part), "{method} {query}: {got} {body}");
        }
        assert_eq!(log.levels(), Levels::default());
    }
}
