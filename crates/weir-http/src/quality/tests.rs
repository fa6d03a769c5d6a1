//! Quality values and preferences, by tables and by properties.

use proptest::prelude::*;

use super::*;

fn check(values: &[&str], expected: bool) {
    assert_eq!(prefers_json(values.iter().map(|value| value.as_bytes())), expected, "{values:?}");
}

#[test]
fn json_when_it_is_asked_for() {
    check(&["application/json"], true);
    check(&["Application/JSON"], true);
    check(&["application/json;charset=utf-8"], true);
    check(&["application/json; q=0.1"], true);
    check(&["application/*"], true);
    check(&["text/html, application/json;q=0.9"], true);
    check(&["text/plain;q=0.5, application/json;q=0.501"], true);
    check(&["text/plain;q=0.5", "application/json;q=0.6"], true);
    check(&["application/json, */*;q=0.1"], true);
    check(&["text/plain;q=0, application/json;q=0.001"], true);
    check(&["text/plain;q=0, */*"], true);
    check(&["text/*;q=0.3, */*;q=0.5"], true);
}

#[test]
fn ties_go_to_precision_then_to_order() {
    check(&["application/json, */*"], true);
    check(&["*/*, application/json"], true);
    check(&["text/*, application/json"], true);
    check(&["application/*, text/plain"], false);
    check(&["application/json, text/plain, */*"], true);
    check(&["text/plain, application/json"], false);
    check(&["text/plain", "application/json"], false);
}

#[test]
fn text_otherwise() {
    check(&[], false);
    check(&[""], false);
    check(&["*/*"], false);
    check(&["text/plain"], false);
    check(&["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"], false);
    check(&["image/png"], false);
    check(&["application/json;q=0"], false);
    check(&["application/json;q=0.000, */*"], false);
    check(&["application/json;q=0.5, */*"], false);
    check(&["application/json;q=0.5, text/*"], false);
    check(&["application/jsonp, application/json2, xapplication/json"], false);
    check(&["application/json;q=0, application/*"], false);
}

#[test]
fn what_cannot_be_read_is_passed_over() {
    for bad in [
        "application",
        "application/",
        "/json",
        "*/json",
        "application/json/x",
        "application/js on",
        "\"application/json\"",
        "application/json;q=",
        "application/json;q=2",
        "application/json;q=1.001",
        "application/json;q=0.1234",
        "application/json;q=-1",
        "application/json;q=x",
        "application/json;q=.5",
        "application/json;q=01",
        ";q=1",
        "application/json;q=0.5x",
        "application\0/json",
        "application/json;q=1 .",
    ] {
        check(&[bad], false);
        check(&[bad, "application/json"], true);
    }
    // Commas and semicolons in quotes belong to the parameter.
    check(&[r#"text/html;x=",application/json""#], false);
    check(&[r#"application/json;x=";q=0""#], true);
    check(&[r#"application/json;x=";q=0"#], true);
}

#[test]
fn qualities() {
    for (text, expected) in
        [("0", 0), ("1", 1000), ("0.", 0), ("1.", 1000), ("0.5", 500), ("0.05", 50), ("0.999", 999)]
    {
        assert_eq!(parse_quality(text.as_bytes()), Some(expected), "{text}");
    }
    for text in ["", "2", "00", "1.1", "1.001", "0.0001", "0,5", "0.5 ", "-0", "+1", "1e0", "NaN"] {
        assert_eq!(parse_quality(text.as_bytes()), None, "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_higher_quality_wins_in_any_order(json in 0..=1000u16, text in 0..=1000u16, noise in "[a-z/;=\\x00-\\x2b]{0,12}") {
        let weight = |quality: u16| format!("{}.{:03}", quality / 1000, quality % 1000);
        let (json_range, text_range) =
            (format!("application/json;q={}", weight(json)), format!("text/plain;q={}", weight(text)));
        let expected = json > text;
        if json != text {
            check(&[&json_range, &text_range], expected);
            check(&[&text_range, &json_range], expected);
            // What can't be read changes nothing.
            check(&[&noise, &text_range, &json_range], expected);
        }
    }
}
