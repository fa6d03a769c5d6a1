//! Replacing the program over the admin listener: `POST /api/v1/upgrade`, answered when the process that follows is ready.

use std::path::PathBuf;

use bytes::Bytes;
use http_body_util::Full;
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use serde_json::{Value, json};
use weir_core::ports::upgrade::{NewProcess, SharedUpgradeControl, UPGRADE_TIME_MAX, Upgrade, UpgradeError};

use crate::parameters::Parameters;
use crate::problem::{allowed, not_allowed, problem, shown};

/// Answers a request whose Host and Origin were checked.
pub(crate) async fn answer(control: Option<&SharedUpgradeControl>, head: &Parts) -> Response<Full<Bytes>> {
    const METHODS: &[Method] = &[Method::POST];
    if allowed(METHODS, &head.method).is_none() {
        return not_allowed(METHODS);
    }
    let Some(control) = control else {
        return problem(StatusCode::CONFLICT, "this Weir can't be replaced while it runs");
    };
    let wish = match wish(head.uri.query().unwrap_or_default()) {
        Ok(wish) => wish,
        Err((status, text)) => return problem(status, &text),
    };
    match control.upgrade(wish).await {
        Ok(new) => shown(StatusCode::OK, &done(&new)),
        Err(error) => {
            let status = match error {
                UpgradeError::Bad(_) => StatusCode::BAD_REQUEST,
                UpgradeError::Refused(_) => StatusCode::CONFLICT,
                UpgradeError::Failed(_) => StatusCode::BAD_GATEWAY,
            };
            problem(status, &error.to_string())
        }
    }
}

/// What is told of the new process.
pub(crate) fn done(new: &NewProcess) -> Value {
    json!({ "pid": new.pid, "version": new.version })
}

fn wish(query: &str) -> Result<Upgrade, (StatusCode, String)> {
    let parameters = Parameters::read(query, &["program", "timeout"])?;
    let time = parameters.duration("timeout")?;
    if time.is_some_and(|time| time.is_zero() || time > UPGRADE_TIME_MAX) {
        let most = UPGRADE_TIME_MAX.as_secs();
        return Err((StatusCode::BAD_REQUEST, format!("`timeout` takes a time of at most {most}s")));
    }
    Ok(Upgrade { program: parameters.text("program").map(PathBuf::from), time })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use http_body_util::BodyExt;
    use hyper::Request;
    use weir_core::ports::upgrade::{UpgradeAnswer, UpgradeControl};

    use super::*;

    struct Told(Result<NewProcess, UpgradeError>, Mutex<Vec<Upgrade>>);

    impl UpgradeControl for Told {
        fn upgrade(&self, wish: Upgrade) -> UpgradeAnswer<'_> {
            self.1.lock().unwrap().push(wish);
            Box::pin(async { self.0.clone() })
        }
    }

    async fn ask(control: &Arc<Told>, method: &str, query: &str) -> (u16, String) {
        let request =
            Request::builder().method(method).uri(format!("/api/v1/upgrade{query}")).body(()).unwrap();
        let control: SharedUpgradeControl = control.clone();
        let answer = answer(Some(&control), &request.into_parts().0).await;
        let status = answer.status().as_u16();
        (status, String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn the_answer_names_the_process_that_follows() {
        let new = NewProcess { pid: 17, version: "9.9".to_owned() };
        let told = Arc::new(Told(Ok(new), Mutex::default()));
        let (status, body) = ask(&told, "POST", "?program=%2Fopt%2Fweir&timeout=5s").await;
        assert!(status == 200 && body.contains("\"pid\": 17") && body.contains("9.9"), "{status} {body}");
        let wished = Upgrade { program: Some("/opt/weir".into()), time: Some(Duration::from_secs(5)) };
        assert_eq!(*told.1.lock().unwrap(), [wished]);
    }

    #[tokio::test]
    async fn what_makes_no_sense_starts_nothing() {
        let told = Arc::new(Told(Err(UpgradeError::Failed(String::new())), Mutex::default()));
        for (method, query, expected) in [
            ("GET", "", 405),
            ("PUT", "", 405),
            ("POST", "?timeout=1", 400),
            ("POST", "?timeout=0s", 400),
            ("POST", "?timeout=51s", 400),
            ("POST", "?program=a&program=b", 400),
            ("POST", "?x=1", 400),
        ] {
            let (status, body) = ask(&told, method, query).await;
            assert!(status == expected && body.contains("detail"), "{method} {query}: {status} {body}");
        }
        assert!(told.1.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn why_not_is_a_problem_document() {
        for (error, expected) in [
            (UpgradeError::Bad("bad".to_owned()), 400),
            (UpgradeError::Refused("no".to_owned()), 409),
            (UpgradeError::Failed("it ended".to_owned()), 502),
        ] {
            let text = error.to_string();
            let told = Arc::new(Told(Err(error), Mutex::default()));
            let (status, body) = ask(&told, "POST", "").await;
            assert!(status == expected && body.contains(&text), "{status} {body}");
        }
    }
}
