//! Tables for the options of a connection (semantics.md §1.4).
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

/// Reads `values` and compares the options (`c`lose, `k`eep-alive, `u`pgrade, `t`e, written as letters) and
/// the names.
fn check(values: &[&str], expected: Result<(&str, &[&str]), ConnectionError>) {
    let mut names = Vec::new();
    let found = read(values.iter().map(|value| value.as_bytes()), |name| names.push(name));
    match expected {
        Err(error) => assert_eq!(found, Err(error), "{values:?}"),
        Ok((letters, expected_names)) => {
            let options = ConnectionOptions {
                close: letters.contains('c'),
                keep_alive: letters.contains('k'),
                upgrade: letters.contains('u'),
                te: letters.contains('t'),
            };
            assert_eq!(found, Ok(options), "{values:?}");
            let expected_names: Vec<&[u8]> = expected_names.iter().map(|name| name.as_bytes()).collect();
            assert_eq!(names, expected_names, "{values:?}");
        }
    }
}

#[test]
fn known_options() {
    check(&[], Ok(("", &[])));
    check(&[""], Ok(("", &[])));
    check(&[" , ,"], Ok(("", &[])));
    check(&["close"], Ok(("c", &[])));
    check(&["Close"], Ok(("c", &[])));
    check(&["keep-alive"], Ok(("k", &[])));
    check(&["Keep-Alive, Upgrade"], Ok(("ku", &[])));
    check(&["TE, close"], Ok(("ct", &[])));
    check(&["close", "keep-alive"], Ok(("ck", &[])));
    check(&["close, close", "CLOSE"], Ok(("c", &[])));
    check(&["\tupgrade ,\t"], Ok(("u", &[])));
}

#[test]
fn other_options_name_fields() {
    check(&["x-a"], Ok(("", &["x-a"])));
    check(&["X-A, close,x-b", "x-a"], Ok(("c", &["X-A", "x-b", "x-a"])));
    check(&["closed, keepalive, upgrades, tee"], Ok(("", &["closed", "keepalive", "upgrades", "tee"])));
    check(&["connection, trailer, cookie"], Ok(("", &["connection", "trailer", "cookie"])));
    check(&["x-host, hos, content-length2"], Ok(("", &["x-host", "hos", "content-length2"])));
}

#[test]
fn naming_what_frames_or_addresses_the_message_is_refused() {
    for name in
        ["host", "Host", "HOST", "content-length", "Content-Length", "transfer-encoding", "Transfer-ENCODING"]
    {
        check(&[name], Err(ConnectionError::Forbidden));
        check(&["close", &format!("x-a, {name} ,close")], Err(ConnectionError::Forbidden));
    }
}

#[test]
fn what_is_no_token_is_refused() {
    for value in [
        "a b",
        "close keep-alive",
        "close;x",
        "close=1",
        "\"close\"",
        "\"a, b",
        "x:y",
        "é",
        "a\0",
        "a/b",
        "(close)",
        "{",
        "\x7f",
    ] {
        check(&[value], Err(ConnectionError::NotAToken));
        check(&["close", value], Err(ConnectionError::NotAToken));
    }
    // A quote hides nothing: what is behind it is not read as another element.
    check(&["\", host, \""], Err(ConnectionError::NotAToken));
}

#[test]
fn the_number_of_options_is_bounded() {
    let names: Vec<String> = (0..=OPTIONS_MAX).map(|number| format!("x-{number}")).collect();
    let most: Vec<&str> = names[..OPTIONS_MAX].iter().map(String::as_str).collect();
    check(&[&most.join(",")], Ok(("", &most)));
    check(&most, Ok(("", &most)));
    check(&[&names.join(",")], Err(ConnectionError::TooMany));
    check(&[&most.join(","), "close"], Err(ConnectionError::TooMany));
    check(&["close"; OPTIONS_MAX + 1], Err(ConnectionError::TooMany));
    // Empty elements are no options.
    check(&[&",".repeat(1000)], Ok(("", &[])));
}

#[test]
fn fields_of_one_hop() {
    for name in [
        "Connection",
        "Proxy-Connection",
        "Keep-Alive",
        "TE",
        "Transfer-Encoding",
        "Upgrade",
        "HTTP2-Settings",
        "Proxy-Authorization",
        "Proxy-Authenticate",
        "Proxy-Authentication-Info",
    ] {
        assert!(is_hop_by_hop(name), "{name}");
        assert!(is_hop_by_hop(name.to_ascii_lowercase().as_str()), "{name}");
        assert!(is_hop_by_hop(name.to_ascii_uppercase().as_str()), "{name}");
    }
    for name in [
        "",
        "Host",
        "Trailer",
        "Content-Length",
        "Via",
        "X-TE",
        "Authorization",
        "Authentication-Info",
        "WWW-Authenticate",
        "Keep-Aliv",
        "Keep-Alive ",
    ] {
        assert!(!is_hop_by_hop(name), "{name}");
    }
}

fn check_te(values: &[&str], expected: bool) {
    assert_eq!(te_trailers(values.iter().map(|value| value.as_bytes())), expected, "{values:?}");
}

#[test]
fn trailers_in_te() {
    check_te(&["trailers"], true);
    check_te(&["Trailers"], true);
    check_te(&["gzip, trailers;q=1"], false);
    check_te(&["gzip;q=0.5, trailers"], true);
    check_te(&["gzip", "trailers"], true);
    check_te(&[], false);
    check_te(&[""], false);
    check_te(&["trailer"], false);
    check_te(&["\"trailers\""], false);
    check_te(&["chunked"], false);
}

fn check_keep_alive(value: &str, expected_seconds: Option<u64>) {
    assert_eq!(keep_alive_timeout(value.as_bytes()), expected_seconds.map(Duration::from_secs), "{value:?}");
}

#[test]
fn timeouts_of_servers() {
    check_keep_alive("timeout=5", Some(5));
    check_keep_alive("timeout=5, max=100", Some(5));
    check_keep_alive("max=100, Timeout = 15", Some(15));
    check_keep_alive("timeout=0", Some(0));
    check_keep_alive("timeout=005", Some(5));
    check_keep_alive("timeout=60, timeout=5, timeout=7", Some(5));
    check_keep_alive("timeout=86401", Some(KEEP_ALIVE_SECONDS_MAX));
    check_keep_alive("timeout=999999999999999999999999999999", Some(KEEP_ALIVE_SECONDS_MAX));
}

#[test]
fn timeouts_that_are_none() {
    for value in [
        "",
        "timeout",
        "timeout=",
        "timeout=-5",
        "timeout=+5",
        "timeout=5s",
        "timeout=5.5",
        "timeout=\"5\"",
        "timeout=5;max=1",
        "max=5",
        "xtimeout=5",
        "timeout=a",
        "5",
        "=5",
        "timeout==5",
        "timeout=5, timeout=x",
    ] {
        check_keep_alive(value, None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_named_is_a_harmless_token(values in proptest::collection::vec("[a-eHhost,\" \\t;\\x00-\\x7f-]{0,20}|(?i)host|te|close", 0..4)) {
        let mut names = Vec::new();
        let found = read(values.iter().map(String::as_bytes), |name| names.push(name));
        for name in names {
            prop_assert!(list::is_token(name));
            prop_assert!(!NEVER_NAMED.iter().any(|never| name.eq_ignore_ascii_case(never.as_bytes())));
        }
        // Order and spread over fields make no difference.
        let joined = values.join(",");
        if !joined.contains('"') {
            prop_assert_eq!(read([joined.as_bytes()].into_iter(), |_| ()), found);
        }
    }

    #[test]
    fn keep_alive_never_panics(value in proptest::collection::vec(any::<u8>(), 0..40)) {
        if let Some(timeout) = keep_alive_timeout(&value) {
            prop_assert!(timeout.as_secs() <= KEEP_ALIVE_SECONDS_MAX);
        }
    }
}
