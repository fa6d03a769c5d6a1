//! `traceparent` and `tracestate` (W3C Trace Context): continued, begun, or left alone; and where the ids are found again.

use std::collections::HashSet;
use std::fs;

use serde_json::Value;
use weir_core::trace_context::TraceContext;
use weir_testkit::client::ask;
use weir_testkit::message::Message;
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::{Server, unix_path};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

fn parent(flags: &str) -> String {
    format!("traceparent: 00-{TRACE}-{PARENT}-{flags}\r\n")
}

fn request(method: &str, fields: &str) -> String {
    format!("{method} / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n{fields}\r\n")
}

/// The trace that a server was told of: its id, the part that asks, and the flags.
#[track_caller]
fn told(request: &Message) -> (String, String, String) {
    let fields = request.all("traceparent");
    let [field] = fields.as_slice() else { panic!("{request}") };
    assert!(TraceContext::parse(field.as_bytes()).is_some(), "{field}");
    let parts: Vec<&str> = field.split('-').collect();
    (parts[1].to_owned(), parts[2].to_owned(), parts[3].to_owned())
}

/// What a server gets of a request with these fields.
fn through(top: &str, fields: &str) -> Message {
    let server = Server::saying("ok");
    ask(&proxy::with(&server, top), request("GET", fields)).expect(200);
    server.only_request()
}

#[test]
fn a_trace_is_continued_by_us() {
    let fields = format!("{}tracestate: a=1,b=2\r\nTraceState: c=3\r\n", parent("01"));
    let got = through("", &fields);
    let (trace, span, flags) = told(&got);
    assert_eq!((trace.as_str(), flags.as_str()), (TRACE, "01"));
    assert_ne!(span, PARENT, "we ask, and not the client");
    assert_eq!(got.all("tracestate"), ["a=1,b=2", "c=3"], "what others say of it goes on as it came");
    assert_eq!(
        told(&through("", &parent("00"))).2,
        "00",
        "whoever is not recorded is not recorded behind us"
    );
}

#[test]
fn what_can_t_be_read_is_begun_anew_and_takes_its_state_with_it() {
    for field in [
        "traceparent: 00-00000000000000000000000000000000-b7ad6b7169203331-01\r\n".to_owned(),
        parent("01").to_uppercase(),
        parent("01").replace("00-0", "ff-0"),
        parent("01").replace("01\r\n", "01-more\r\n"),
        parent("01").repeat(2),
        "traceparent:\r\n".to_owned(),
    ] {
        let got = through("", &format!("{field}tracestate: a=1\r\n"));
        let (trace, span, flags) = told(&got);
        assert!(trace != TRACE && span != PARENT && flags == "03", "{field}: {got}");
        assert!(!got.has("tracestate"), "{field}: {got}");
    }
}

#[test]
fn a_trace_is_begun_where_that_is_wanted_and_nowhere_else() {
    assert!(!through("", "").has("traceparent"));
    let seen: HashSet<_> = (0..5).map(|_| told(&through("trace: begin", "")).0).collect();
    assert_eq!(seen.len(), 5, "each request is a trace of its own");
    let got = through("trace: {rule: begin, sampled: 0%}", "tracestate: a=1\r\n");
    assert_eq!(told(&got).2, "02");
    assert!(!got.has("tracestate"), "state without a trace means nothing: {got}");
    // One that comes keeps what it says.
    assert_eq!(told(&through("trace: {rule: begin, sampled: 0%}", &parent("01"))).2, "01");
}

#[test]
fn what_is_left_alone_goes_on_as_it_came() {
    for field in [parent("01"), parent("01").to_uppercase(), "traceparent: x\r\n".to_owned()] {
        let got = through("trace: off", &format!("{field}tracestate: a=1\r\n"));
        let sent = field.split_once(": ").unwrap().1.trim();
        assert_eq!((got.field("traceparent"), got.field("tracestate")), (Some(sent), Some("a=1")));
    }
}

#[test]
fn only_who_is_believed_is_continued() {
    let fields = format!("{}tracestate: a=1\r\n", parent("01"));
    let got = through("trace: {from: nobody}", &fields);
    assert!(!got.has("traceparent") && !got.has("tracestate"), "{got}");
    let got = through("trace: {rule: begin, from: nobody}", &fields);
    assert!(told(&got).0 != TRACE && !got.has("tracestate"), "{got}");
    let trusted = |network: &str| format!("trusted_proxies: {network}\ntrace: {{from: trusted_proxies}}");
    assert_eq!(told(&through(&trusted("127.0.0.0/8"), &fields)).0, TRACE);
    assert!(!through(&trusted("10.0.0.0/8"), &fields).has("traceparent"));
}

/// Each server is asked by a part of its own, also one that gets a copy for a mirror.
#[test]
fn copies_have_ids_of_their_own() {
    let servers = [(); 3].map(|()| Server::saying("ok"));
    let mirror = Server::saying("mirror");
    let [a, b, c] = &servers;
    let proxy = proxy::start(&format!(
        "services: [{{host: \"*\", upstream: [\"{a}\", \"{b}\", \"{c}\"], dispatch: {{mode: duplicate, acknowledge: all}}, \
         mirror: {{upstream: [\"{mirror}\"]}}}}]\n"
    ));
    ask(&proxy, request("POST", &parent("01"))).expect(200);
    let mut spans = HashSet::from([PARENT.to_owned()]);
    for server in servers.iter().chain([&mirror]) {
        server.wait_requests(1);
        let (trace, span, flags) = told(&server.only_request());
        assert_eq!((trace.as_str(), flags.as_str()), (TRACE, "01"));
        assert!(spans.insert(span), "two servers are told of the same part");
    }
}

/// A proxy whose lines are in a file, and these.
fn logged(proxy: &mut Running, file: &std::path::Path) -> Vec<Value> {
    proxy.begin_drain();
    proxy.drained();
    let text = fs::read_to_string(file).unwrap();
    fs::remove_file(file).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_ids_are_in_the_access_log() {
    let (server, file) = (Server::saying("ok"), unix_path());
    let mut proxy =
        proxy::with(&server, &format!("access_log: {{format: json, file: \"{}\"}}", file.display()));
    ask(&proxy, request("GET", &parent("01"))).expect(200);
    ask(&proxy, request("GET", "traceparent: bad\r\n")).expect(200);
    ask(&proxy, request("GET", "")).expect(200);
    let requests = server.requests();
    let lines = logged(&mut proxy, &file);
    let (_, span, _) = told(&requests[0]);
    assert_eq!((&lines[0]["trace_id"], &lines[0]["span_id"]), (&TRACE.into(), &span.into()));
    assert_eq!(lines[0]["parent_id"], PARENT);
    let (trace, span, _) = told(&requests[1]);
    assert_eq!((&lines[1]["trace_id"], &lines[1]["span_id"]), (&trace.into(), &span.into()));
    assert!(lines[1]["parent_id"].is_null(), "{:?}", lines[1]);
    assert!(lines[2].get("trace_id").is_none(), "{:?}", lines[2]);
}
