//! The dashboard: a page for people, in the program itself.
//!
//! Plain files of HTML, style and script modules, with no build step and nothing from elsewhere: what is in `dashboard/page` is what
//! a browser gets. It shows what the API says and does what the API does, so that there is nothing that only the page can do. The
//! policy of content lets it load, and talk to, nothing but this listener; scripts put texts into the page and never markup.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY};
use hyper::{Response, StatusCode};

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// Nothing but what this listener serves, no markup of others' making, and in no frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

macro_rules! files {
    ($(($path:literal, $file:literal, $type:expr)),* $(,)?) => {
        &[$(($path, $type, include_str!(concat!("dashboard/page/", $file)))),*]
    };
}

/// Where each file is found, of which type it is, and what is in it.
const FILES: &[(&str, &str, &str)] = files![
    ("/", "index.html", HTML),
    ("/dashboard/style.css", "style.css", CSS),
    ("/dashboard/icon.svg", "icon.svg", SVG),
    ("/dashboard/main.js", "main.js", JAVASCRIPT),
    ("/dashboard/actions.js", "actions.js", JAVASCRIPT),
    ("/dashboard/api.js", "api.js", JAVASCRIPT),
    ("/dashboard/element.js", "element.js", JAVASCRIPT),
    ("/dashboard/findings.js", "findings.js", JAVASCRIPT),
    ("/dashboard/format.js", "format.js", JAVASCRIPT),
    ("/dashboard/history.js", "history.js", JAVASCRIPT),
    ("/dashboard/map.js", "map.js", JAVASCRIPT),
    ("/dashboard/model.js", "model.js", JAVASCRIPT),
    ("/dashboard/plot.js", "plot.js", JAVASCRIPT),
    ("/dashboard/queues.js", "queues.js", JAVASCRIPT),
    ("/dashboard/servers.js", "servers.js", JAVASCRIPT),
    ("/dashboard/tables.js", "tables.js", JAVASCRIPT),
];

/// The file at this path, if it is one of the page.
pub(crate) fn file(path: &str) -> Option<Response<Full<Bytes>>> {
    let (_, content_type, text) = FILES.iter().find(|(known, _, _)| *known == path)?;
    let mut answer = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *answer.status_mut() = StatusCode::OK;
    let fields = answer.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    fields.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    fields.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Some(answer)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Names of files that a text asks for: what stands in quotes and ends like one.
    fn asked_for(text: &str) -> Vec<String> {
        let quoted = text.split('"').skip(1).step_by(2);
        let ends = [".js", ".css", ".svg"];
        let names = quoted.filter(|name| ends.iter().any(|end| name.ends_with(end)));
        let last = |name: &str| format!("/dashboard/{}", name.rsplit('/').next().unwrap_or_default());
        names.map(last).collect()
    }

    #[test]
    fn every_file_that_is_asked_for_is_there_and_the_other_way_round() {
        let mut wanted: Vec<String> = FILES.iter().flat_map(|(_, _, text)| asked_for(text)).collect();
        wanted.push("/".to_owned());
        wanted.sort();
        wanted.dedup();
        let mut there: Vec<&str> = FILES.iter().map(|(path, _, _)| *path).collect();
        there.sort_unstable();
        assert_eq!(wanted, there);
        assert!(file("/dashboard/other.js").is_none());
    }

    #[test]
    fn nothing_comes_from_elsewhere_and_all_of_it_is_small() {
        for (path, _, text) in FILES {
            let addresses = text.matches("://").count();
            let names_of_vocabularies = text.matches("http://www.w3.org/2000/svg").count();
            assert_eq!(addresses, names_of_vocabularies, "{path}");
            assert!(!text.contains("innerHTML ="), "{path}: a text must not become markup");
            assert!(
                !text.contains(" style=") && !text.contains(" onclick="),
                "{path}: the policy forbids it"
            );
        }
        let all: usize = FILES.iter().map(|(_, _, text)| text.len()).sum();
        assert!(all < 100 * 1024, "{all} bytes");
        let answer = file("/").unwrap();
        assert!(
            answer.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().starts_with("default-src 'none'")
        );
    }
}
