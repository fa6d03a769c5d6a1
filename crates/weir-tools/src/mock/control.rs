//! Changing how a mock misbehaves while it runs: `/_mock`, where `control` is on.
//!
//! A server that becomes slow, fails and recovers is what health checks, ejection and retries are for, and a restart would show
//! them something else. `PUT` says how it behaves from now on: what the object names, the rest as it was started. `DELETE` is
//! back to the start, `GET` looks. Without `control` the path is like any other, so that nobody behind a proxy meets it by
//! chance. Answers that already wait keep the delay that they were given.

use hyper::Method;
use serde_json::{Map, Value, json};

use super::echo::ReadBody;
use super::options::MockOptions;

/// Where it is.
pub(super) const PATH: &str = "/_mock";

/// Bytes of an object; more is no mistake that is worth reading.
pub(super) const BODY_BYTES_MAX: usize = 4096;

const HINT: &str =
    "hint: write an object such as `{\"delay\": \"300ms\", \"errors\": \"50%\", \"status\": 503}`";

/// What is asked of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Asked {
    /// How it behaves.
    Look,
    /// To behave so.
    Change(MockOptions),
    /// Nothing that can be done; says why.
    Refused(String),
    /// Nothing that this method could mean.
    NoMethod,
}

/// What a request to the path asks for.
pub(super) fn wanted(method: &Method, body: &ReadBody, started: &MockOptions) -> Asked {
    match *method {
        Method::GET | Method::HEAD => Asked::Look,
        Method::DELETE => Asked::Change(*started),
        Method::PUT => match changed(body, *started) {
            Ok(options) => Asked::Change(options),
            Err(why) => Asked::Refused(format!("{why}\n\n{HINT}")),
        },
        _ => Asked::NoMethod,
    }
}

/// How it behaves, in the form in which it is changed.
pub(super) fn describe(options: MockOptions) -> Vec<u8> {
    let value = json!({
        "debug": options.debug,
        "delay": options.delay.to_string(),
        "errors": options.errors.to_string(),
        "status": options.status.code(),
    });
    let mut text = format!("{value:#}").into_bytes();
    text.push(b'\n');
    text
}

fn changed(body: &ReadBody, started: MockOptions) -> Result<MockOptions, String> {
    if body.bytes > body.kept.len() as u64 {
        return Err(format!("that is more than {BODY_BYTES_MAX} bytes"));
    }
    let asked: Map<String, Value> =
        serde_json::from_slice(&body.kept).map_err(|error| format!("that is no JSON object: {error}"))?;
    let mut options = started;
    for (key, value) in &asked {
        let text = || value.as_str().ok_or_else(|| format!("`{key}` is a text"));
        let parsed = match &**key {
            "debug" => {
                value.as_bool().map(|debug| options.debug = debug).ok_or("`debug` is true or false".into())
            }
            "delay" => text()?.parse().map(|delay| options.delay = delay).map_err(|error| error.to_string()),
            "errors" => {
                text()?.parse().map(|errors| options.errors = errors).map_err(|error| error.to_string())
            }
            "status" => {
                let status = value.to_string();
                status.parse().map(|status| options.status = status).map_err(|error| error.to_string())
            }
            _ => Err(format!("there is no `{key}` here")),
        };
        parsed?;
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn put(text: &str) -> Asked {
        let body = ReadBody { kept: text.into(), bytes: text.len() as u64, ..ReadBody::default() };
        wanted(&Method::PUT, &body, &started())
    }

    fn started() -> MockOptions {
        MockOptions { debug: true, delay: "20ms".parse().unwrap(), ..MockOptions::default() }
    }

    #[test]
    fn what_is_named_changes_and_the_rest_is_as_it_was_started() {
        let check =
            |text: &str, expected: MockOptions| assert_eq!(put(text), Asked::Change(expected), "{text}");
        check("{}", started());
        check(r#"{"delay": "0..1s"}"#, MockOptions { delay: "0..1s".parse().unwrap(), ..started() });
        check(r#"{"debug": false, "errors": "50%"}"#, {
            MockOptions { debug: false, errors: "50%".parse().unwrap(), ..started() }
        });
        check(r#"{"status": 503}"#, MockOptions { status: "503".parse().unwrap(), ..started() });
        let said = String::from_utf8(describe(started())).unwrap();
        check(&said, started());
    }

    #[test]
    fn nonsense_is_refused_with_a_hint_and_changes_nothing() {
        for text in [
            "",
            "[]",
            "delay=1s",
            "{\"delay\": 300}",
            "{\"delay\": \"300\"}",
            "{\"errors\": \"101%\"}",
            "{\"errors\": 0.5}",
            "{\"status\": 100}",
            "{\"status\": \"503\"}",
            "{\"status\": null}",
            "{\"debug\": \"yes\"}",
            "{\"dealy\": \"1s\"}",
            "{\"status\": 503, \"control\": false}",
        ] {
            let Asked::Refused(why) = put(text) else { panic!("{text} was taken") };
            assert!(why.contains("hint: "), "{text}: {why}");
        }
        let body = ReadBody { kept: b"{}".to_vec(), bytes: 5000, ..ReadBody::default() };
        assert!(matches!(wanted(&Method::PUT, &body, &started()), Asked::Refused(_)));
    }

    #[test]
    fn methods() {
        let check = |method: Method, expected| {
            assert_eq!(wanted(&method, &ReadBody::default(), &started()), expected, "{method}");
        };
        check(Method::GET, Asked::Look);
        check(Method::HEAD, Asked::Look);
        check(Method::DELETE, Asked::Change(started()));
        check(Method::POST, Asked::NoMethod);
        check(Method::PATCH, Asked::NoMethod);
    }
}
