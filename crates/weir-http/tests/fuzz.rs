//! The checks of the fuzz targets for this crate, on their corpora and on what grows from them.

#[path = "../../../fuzz/seeded.rs"]
mod seeded;

#[path = "../../../fuzz/checks/answer_head.rs"]
mod answer_head;
#[path = "../../../fuzz/checks/chunked.rs"]
mod chunked;
#[path = "../../../fuzz/checks/proxy_protocol.rs"]
mod proxy_protocol;
#[path = "../../../fuzz/checks/request_head.rs"]
mod request_head;
#[path = "../../../fuzz/checks/target.rs"]
mod target;

/// Inputs for each target: a second or two in an unoptimised build.
const CHANGED: usize = 100_000;

#[test]
fn answer_heads() {
    seeded::run("answer_head", CHANGED, answer_head::check);
}

#[test]
fn chunked_bodies() {
    seeded::run("chunked", CHANGED, chunked::check);
}

#[test]
fn proxy_protocol_headers() {
    seeded::run("proxy_protocol", CHANGED, proxy_protocol::check);
}

#[test]
fn request_heads() {
    seeded::run("request_head", CHANGED, request_head::check);
}

#[test]
fn targets() {
    seeded::run("target", CHANGED, target::check);
}
