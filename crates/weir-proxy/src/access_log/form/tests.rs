//! Lines as somebody has asked for them, with values that try to break out of them.
#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr};
use std::num::{NonZeroU64, NonZeroU128};
use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::{any, prop, proptest};
use serde_json::Value;
use weir_config::model::{LogTarget, Share};
use weir_core::log_field::LogField;
use weir_core::log_template::{self, Told};
use weir_http::head::Head;

use super::super::entry::{Copies, Traced, Try};
use super::*;

/// An entry that has something to say of everything.
fn entry<'a>(head: &'a Head, tries: &'a [Try<'a>]) -> Entry<'a> {
    Entry {
        peer: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)),
        user: Some(b"ann"),
        method: b"GET",
        target: b"/a b",
        version: "HTTP/1.1",
        scheme: "https",
        status: 200,
        bytes_sent: 12,
        bytes_received: 3,
        referer: Some(b"r"),
        user_agent: Some(b"curl 8"),
        host: Some(b"h"),
        service: "s",
        route: "GET /",
        server: Some("b:1"),
        head: Some(head),
        attempts: 2,
        tries,
        mode: "hedge",
        copies: Some(Copies { cancelled: 1, hedged: true, acknowledged: 0 }),
        queued: Duration::from_micros(1),
        connecting: Duration::from_micros(20),
        upstream_seconds: Some(Duration::from_micros(300)),
        duration: Duration::from_micros(4000),
        request_id: b"id-1",
        trace: Some(Traced {
            trace_id: NonZeroU128::new(0xabc).unwrap(),
            span_id: NonZeroU64::new(0xde).unwrap(),
            parent_id: NonZeroU64::new(0xf),
        }),
        reason: Some("connection_timeout"),
        ..Entry::of(
            IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)),
            UNIX_EPOCH + Duration::from_millis(1_795_269_900_123),
        )
    }
}

const TRIES: [Try<'static>; 2] = [
    Try { server: "a:1", outcome: "reset", status: None, time: Duration::ZERO },
    Try { server: "b:1", outcome: "answered", status: Some(200), time: Duration::ZERO },
];

fn written(form: &Form, entry: &Entry<'_>) -> String {
    let mut out = Vec::new();
    form.write(entry, &mut out);
    let text = String::from_utf8(out).unwrap();
    let line = text.strip_suffix('\n').expect("a line ends");
    assert!(!line.contains(char::is_control), "{line:?}");
    line.to_owned()
}

#[track_caller]
fn check(template: &str, expected: &str) {
    let mut head = Head::request(b"GET", b"/");
    head.append("X-Api", b"a \"b\"");
    let form = Form::Template(log_template::parse(template).unwrap());
    assert_eq!(written(&form, &entry(&head, &TRIES)), expected, "{template}");
}

#[test]
fn a_template_is_followed() {
    check("{client} {peer} {user} {method} {scheme}://{host}", "192.0.2.7 10.0.0.1 ann GET https://h");
    check("{target} \"{target}\" {user_agent} '{user_agent}'", "/a\\x20b \"/a b\" curl\\x208 'curl\\x208'");
    check("{time}|{ncsa_time}", "2026-11-21T14:05:00.123Z|21/Nov/2026:14:05:00 +0000");
    check("{status} {bytes_sent} {bytes_received} {version} {referer}", "200 12 3 HTTP/1.1 r");
    check(
        "{service}/{route} {server} {attempts} {tries} {mode}",
        "s/GET\\x20/ b:1 2 a:1=reset,b:1=200 hedge",
    );
    check("{cancelled} {hedged} {acknowledged}", "1 true 0");
    check(
        "{queue_seconds} {connect_seconds} {upstream_seconds} {seconds}",
        "0.000001 0.000020 0.000300 0.004000",
    );
    check("{request_id} {reason}", "id-1 connection_timeout");
    check(
        "{trace_id} {span_id} {parent_id}",
        "00000000000000000000000000000abc 00000000000000de 000000000000000f",
    );
    check("{header:x-api} \"{header:X-API}\" {header:x-none}", "a\\x20\\x22b\\x22 \"a \\x22b\\x22\" -");
    check("{{{status}}}", "{200}");
}

#[test]
fn what_there_is_nothing_of_is_a_dash_or_null() {
    let bare = Entry::of(IpAddr::V4(Ipv4Addr::LOCALHOST), UNIX_EPOCH);
    for field in LogField::ALL {
        let template = Form::Template(log_template::parse(&format!("{{{}}}", field.name())).unwrap());
        let line = written(&template, &bare);
        let json = written(&Form::Fields(vec![Told::Field(*field)]), &bare);
        let value = serde_json::from_str::<Value>(&json).unwrap()[field.name()].clone();
        assert_eq!(line == "-", !field.unless().is_empty(), "{field:?}: {line}");
        assert_eq!(value.is_null(), line == "-", "{field:?}: {json}");
    }
    // And nothing is either where there is something.
    let head = Head::request(b"GET", b"/");
    for field in LogField::ALL {
        let json = written(&Form::Fields(vec![Told::Field(*field)]), &entry(&head, &TRIES));
        assert!(!json.ends_with(":null}"), "{json}");
    }
}

#[test]
fn chosen_fields_come_in_their_order() {
    let mut head = Head::request(b"GET", b"/");
    head.append("x-api", b"\"\t\\");
    let told = ["status", "header:x-api", "tries", "hedged", "time"].map(|name| Told::parse(name).unwrap());
    let line = written(&Form::Fields(told.to_vec()), &entry(&head, &TRIES));
    assert_eq!(
        line,
        "{\"status\":200,\"header:x-api\":\"\\\"\\u0009\\\\\",\"tries\":[{\"outcome\":\"reset\",\"server\":\"a:1\",\"status\":null,\
         \"seconds\":0.000000},{\"outcome\":\"answered\",\"server\":\"b:1\",\"status\":200,\"seconds\":0.000000}],\"hedged\":true,\
         \"time\":\"2026-11-21T14:05:00.123Z\"}"
    );
}

/// The usual line and the same fields one by one can't disagree.
#[test]
fn the_usual_line_is_what_its_list_says() {
    let head = Head::request(b"GET", b"/");
    let usual = written(&Form::Structured(AccessLogFormat::Json), &entry(&head, &TRIES));
    let list = weir_core::log_field::USUAL.iter().map(|field| Told::Field(*field)).collect();
    assert_eq!(usual, written(&Form::Fields(list), &entry(&head, &TRIES)));
}

fn wanted(share: Option<f64>) -> Wanted {
    let (format, share) = (LineForm::Known(AccessLogFormat::Json), share.map(Share));
    Wanted::of(&AccessLog::On { format, target: LogTarget::Stderr, share }).unwrap()
}

#[test]
fn failures_always_have_a_line() {
    fastrand::seed(7);
    for share in [0.0, 0.25, 1.0] {
        let wanted = wanted(Some(share));
        for (status, reason) in [
            (0, None),
            (400, None),
            (404, None),
            (503, None),
            (599, None),
            (200, Some("x")),
            (301, Some("x")),
        ] {
            assert!((0..100).all(|_| wanted.takes(status, reason)), "{share} {status}");
        }
        for status in [101, 200, 304, 399] {
            let taken = (0..4000).filter(|_| wanted.takes(status, None)).count() as f64 / 4000.0;
            assert!((taken - share).abs() < 0.03, "{share} {status} {taken}");
        }
    }
    assert!((0..100).all(|_| !wanted(Some(0.0)).takes(200, None)));
    assert!((0..100).all(|_| wanted(None).takes(200, None)));
}

proptest! {
    #[test]
    fn nothing_that_comes_breaks_a_line_or_its_quotes(
        values in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 6),
    ) {
        let head = Head::request(b"GET", b"/");
        let fields = "{user} \"{target}\" {user_agent} \"{referer}\" {host} {request_id}";
        let form = Form::Template(log_template::parse(fields).unwrap());
        let line = written(&form, &Entry {
            user: Some(&values[0]), target: &values[1], user_agent: Some(&values[2]), referer: Some(&values[3]),
            host: Some(&values[4]), request_id: &values[5], ..entry(&head, &[])
        });
        assert!(line.is_ascii());
        let quoted: Vec<&str> = line.split('"').collect();
        assert_eq!(quoted.len(), 5, "{line}");
        // Outside of quotes a line is split at its spaces.
        assert_eq!([0, 2, 4].map(|place| quoted[place].split_whitespace().count()), [1, 1, 2], "{line}");
    }
}
