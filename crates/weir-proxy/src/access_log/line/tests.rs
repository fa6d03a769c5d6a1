//! Lines as readers take them apart, and values that try to break out of them.
#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::{any, prop, proptest};
use serde_json::{Value, json};
use weir_config::model::AccessLogFormat;

use super::super::entry::{Copies, Try};
use super::{Entry, write};

const FORMATS: [AccessLogFormat; 3] =
    [AccessLogFormat::Common, AccessLogFormat::Combined, AccessLogFormat::Json];

fn entry() -> Entry<'static> {
    Entry {
        method: b"GET",
        target: b"/a?b=c",
        version: "HTTP/1.1",
        status: 200,
        bytes_sent: 127,
        referer: Some(b"http://example.org/"),
        user_agent: Some(b"curl/8.5 (x)"),
        host: Some(b"web.example"),
        service: "web",
        route: "GET /",
        server: Some("127.0.0.1:9001"),
        attempts: 1,
        mode: "balance",
        upstream_seconds: Some(Duration::from_micros(1234)),
        duration: Duration::from_nanos(2_000_345_999),
        request_id: b"abc-1",
        ..Entry::of(
            IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)),
            UNIX_EPOCH + Duration::from_millis(1_795_269_900_123),
        )
    }
}

/// An entry that reached nobody, as after a head that could not be read.
fn bare_entry() -> Entry<'static> {
    let Entry { client, received, version, .. } = entry();
    Entry { version, status: 400, reason: Some("bad_request"), ..Entry::of(client, received) }
}

fn line(format: AccessLogFormat, entry: &Entry<'_>) -> String {
    let mut out = Vec::new();
    write(format, entry, &mut out);
    let text = String::from_utf8(out).unwrap();
    let line = text.strip_suffix('\n').expect("a line ends").to_owned();
    assert!(!line.contains(char::is_control), "{line:?}");
    line
}

fn parsed(entry: &Entry<'_>) -> Value {
    serde_json::from_str(&line(AccessLogFormat::Json, entry)).unwrap()
}

#[test]
fn common() {
    assert_eq!(
        line(AccessLogFormat::Common, &entry()),
        "192.0.2.7 - - [21/Nov/2026:14:05:00 +0000] \"GET /a?b=c HTTP/1.1\" 200 127 host=web.example service=web \
         route=\"GET /\" server=127.0.0.1:9001 attempts=1 mode=balance upstream_seconds=0.001234 seconds=2.000345 \
         request_id=abc-1 reason=-"
    );
    assert_eq!(
        line(AccessLogFormat::Common, &bare_entry()),
        "192.0.2.7 - - [21/Nov/2026:14:05:00 +0000] \"- - HTTP/1.1\" 400 0 host=- service=- route=- server=- attempts=0 \
         mode=- upstream_seconds=- seconds=0.000000 request_id=- reason=bad_request"
    );
}

#[test]
fn combined() {
    let full = line(AccessLogFormat::Combined, &entry());
    assert!(full.contains("\" 200 127 \"http://example.org/\" \"curl/8.5 (x)\" host="), "{full}");
    let bare = line(AccessLogFormat::Combined, &bare_entry());
    assert!(bare.contains("\" 400 0 \"-\" \"-\" host="), "{bare}");
}

#[test]
fn copies_are_told_where_there_are_any() {
    let copies = Copies { cancelled: 2, hedged: true, acknowledged: 1 };
    let entry = Entry { mode: "hedge", copies: Some(copies), ..entry() };
    let value = parsed(&entry);
    let told = [&value["cancelled"], &value["hedged"], &value["acknowledged"]];
    assert_eq!(told, [&json!(2), &json!(true), &json!(1)]);
    assert!(!line(AccessLogFormat::Common, &entry).contains("cancelled"));
    assert!(parsed(&bare_entry()).get("cancelled").is_none());
}

#[test]
fn json_lines() {
    assert_eq!(
        parsed(&entry()),
        json!({
            "time": "2026-11-21T14:05:00.123Z", "client": "192.0.2.7", "user": null, "method": "GET", "target": "/a?b=c",
            "version": "HTTP/1.1", "status": 200, "bytes_sent": 127, "referer": "http://example.org/",
            "user_agent": "curl/8.5 (x)", "host": "web.example", "service": "web", "route": "GET /",
            "server": "127.0.0.1:9001", "attempts": 1, "tries": null, "mode": "balance", "upstream_seconds": 0.001_234,
            "seconds": 2.000_345, "request_id": "abc-1", "reason": null,
        })
    );
    let tries = [
        Try { server: "a:1", outcome: "reset", status: None, time: Duration::from_micros(7) },
        Try { server: "b \"2\"", outcome: "answered", status: Some(200), time: Duration::from_secs(1) },
    ];
    assert_eq!(
        parsed(&Entry { tries: &tries, ..entry() })["tries"],
        json!([
            {"server": "a:1", "outcome": "reset", "status": null, "seconds": 0.000_007},
            {"server": "b \"2\"", "outcome": "answered", "status": 200, "seconds": 1.0},
        ])
    );
    let bare = parsed(&bare_entry());
    for name in [
        "user",
        "method",
        "target",
        "referer",
        "user_agent",
        "host",
        "server",
        "upstream_seconds",
        "request_id",
    ] {
        assert_eq!(bare[name], Value::Null, "{name}");
    }
    assert_eq!(bare["reason"], "bad_request");
}

#[test]
fn addresses() {
    let with = |client| line(AccessLogFormat::Common, &Entry { client, ..entry() });
    assert!(with(IpAddr::V6(Ipv6Addr::LOCALHOST)).starts_with("::1 - "));
    // A client of an IPv6 socket that came by IPv4 is that IPv4 client.
    assert!(with(IpAddr::V6(Ipv4Addr::LOCALHOST.to_ipv6_mapped())).starts_with("127.0.0.1 - "));
}

/// What the target becomes inside the quotes of the request line.
#[track_caller]
fn check_target(target: &[u8], expected: &str) {
    let line = line(AccessLogFormat::Common, &Entry { target, ..entry() });
    assert!(line.contains(&format!("\"GET {expected} HTTP/1.1\" 200")), "{line}");
}

#[test]
fn nothing_breaks_out_of_a_request_line() {
    check_target(b"/a\"b", "/a\\x22b");
    check_target(b"/a\\b", "/a\\x5cb");
    check_target(b"/\" 200 1\n10.0.0.1 - - [", "/\\x22\\x20200\\x201\\x0a10.0.0.1\\x20-\\x20-\\x20[");
    check_target(b"/\r\n\t\0\x7f", "/\\x0d\\x0a\\x09\\x00\\x7f");
    check_target(b"/\x1b[31m", "/\\x1b[31m");
    check_target("/ä".as_bytes(), "/\\xc3\\xa4");
    check_target(b"/\xff", "/\\xff");
    check_target(b"\\x22", "\\x5cx22");
}

#[test]
fn nothing_breaks_out_of_a_key_and_its_value() {
    let with = |host| line(AccessLogFormat::Common, &Entry { host: Some(host), ..entry() });
    assert!(with(b"a status=500").contains(" host=\"a status=500\" service="));
    assert!(with(b"a\" status=500").contains(" host=\"a\\x22 status=500\" service="));
    assert!(with(b"-").contains(" host=\"-\" service="));
    assert!(with(b"").contains(" host=- service="));
    assert!(with(b"a\tb").contains(" host=a\\x09b service="));
}

#[test]
fn json_escapes() {
    let check = |value: &[u8], expected: &str| {
        assert_eq!(
            parsed(&Entry { user_agent: Some(value), ..entry() })["user_agent"],
            expected,
            "{value:?}"
        );
    };
    check(b"\"},{\"", "\"},{\"");
    check(b"\\", "\\");
    check(b"\\\"\\", "\\\"\\");
    check(b"a\nb\r\t\0\x08\x1f\x7f", "a\nb\r\t\0\u{8}\u{1f}\u{7f}");
    check("é\u{80}\u{9b}\u{9f}\u{a0}ÿ€😀\u{2028}".as_bytes(), "é\u{80}\u{9b}\u{9f}\u{a0}ÿ€😀\u{2028}");
    check(b"a\xffb", "a\u{fffd}b");
    check(b"\xc2", "\u{fffd}");
    check(b"\xc2\xc2\x9b", "\u{fffd}\u{9b}");
    check(b"\xe2\x82", "\u{fffd}");
    check(b"\xed\xa0\x80", "\u{fffd}\u{fffd}\u{fffd}");
}

#[test]
fn lines_are_appended() {
    let mut out = b"before\n".to_vec();
    write(AccessLogFormat::Json, &entry(), &mut out);
    write(AccessLogFormat::Common, &entry(), &mut out);
    assert!(out.starts_with(b"before\n{\"time\""));
    assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 3);
}

/// Reads `\\xNN` back.
fn unescaped(text: &str) -> Vec<u8> {
    let mut parts = text.split("\\x");
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    bytes
}

proptest! {
    #[test]
    fn nothing_is_lost_in_a_combined_line(
        target in prop::collection::vec(any::<u8>(), 1..40),
        user_agent in prop::collection::vec(any::<u8>(), 1..40),
    ) {
        let line = line(AccessLogFormat::Combined, &Entry { target: &target, user_agent: Some(&user_agent), ..entry() });
        let quoted: Vec<_> = line.split('"').collect();
        let request: Vec<_> = quoted[1].split(' ').collect();
        assert_eq!(request.len(), 3, "{line}");
        assert_eq!(unescaped(request[1]), target);
        assert_eq!(unescaped(quoted[5]), user_agent);
    }

    #[test]
    fn json_of_any_bytes_parses_to_the_text_of_the_bytes(
        values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 6),
        texts in prop::collection::vec(any::<String>(), 3),
        numbers in any::<(u16, u64, u32, u64)>(),
    ) {
        let entry = Entry {
            user: Some(&values[0]), method: &values[1], target: &values[2], referer: Some(&values[3]),
            host: Some(&values[4]), request_id: &values[5], service: &texts[0], route: &texts[1], reason: Some(&texts[2]),
            status: numbers.0, bytes_sent: numbers.1, attempts: numbers.2, duration: Duration::from_micros(numbers.3),
            ..entry()
        };
        let value = parsed(&entry);
        let names = ["user", "method", "target", "referer", "host", "request_id"];
        for (name, bytes) in names.iter().zip(&values) {
            let text = String::from_utf8_lossy(bytes);
            assert_eq!(value[name].as_str().unwrap_or_default(), text, "{name}");
        }
        for (name, text) in ["service", "route", "reason"].iter().zip(&texts) {
            assert_eq!(value[name].as_str().unwrap_or_default(), text);
        }
        assert_eq!((&value["status"], &value["bytes_sent"]), (&numbers.0.into(), &numbers.1.into()));
    }

    #[test]
    fn any_bytes_make_one_line_of_visible_ascii_with_the_same_number_of_quotes(
        values in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 5),
    ) {
        let with = |values: &[Vec<u8>], format| {
            let entry = Entry {
                user: Some(&values[0]), method: &values[1], target: &values[2], referer: Some(&values[3]),
                user_agent: Some(&values[4]), ..entry()
            };
            line(format, &entry)
        };
        let harmless = vec![b"x".to_vec(); 5];
        for format in [AccessLogFormat::Common, AccessLogFormat::Combined] {
            let line = with(&values, format);
            assert!(line.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()), "{line}");
            assert_eq!(line.matches('"').count(), with(&harmless, format).matches('"').count(), "{line}");
        }
    }

    #[test]
    fn no_bytes_anywhere_make_a_control_character_in_any_format(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        for format in FORMATS {
            line(format, &Entry { host: Some(&bytes), request_id: &bytes, user_agent: Some(&bytes), ..entry() });
        }
    }
}
