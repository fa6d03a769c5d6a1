//! Accept, as far as it is needed to choose between the two forms of Weir's own answers: plain text or JSON.
//!
//! No general negotiation (RFC 9110 §12.4): there are two things to offer, and an answer that fits neither is
//! still sent, as text, because an error in the wrong form says more than no error.

use crate::list;

/// Whether a client that sends these Accept values is better answered with `application/json` than with
/// `text/plain`.
///
/// The higher quality wins (RFC 9110 §12.5.1). Of equal qualities the range that names its type more
/// precisely wins, then the one that is listed first: `application/json, text/plain, */*` asks for JSON.
/// Otherwise, also without Accept: text. Ranges that can't be read are passed over.
pub fn prefers_json<'a>(values: impl Iterator<Item = &'a [u8]>) -> bool {
    let mut json = Offer::new(b"application", b"json");
    let mut text = Offer::new(b"text", b"plain");
    for (position, range) in values.flat_map(list::elements).filter_map(Range::read).enumerate() {
        json.see(&range, position);
        text.see(&range, position);
    }
    let rank = |offer: &Offer| (offer.quality, offer.precision, std::cmp::Reverse(offer.position));
    json.quality > 0 && rank(&json) > rank(&text)
}

/// How precisely a range names a type. A more precise range overrides the others, whatever their order and
/// quality.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Precision {
    Nothing,
    Anything,
    Type,
    Subtype,
}

/// One of the two types, and the range that decides about it so far.
struct Offer {
    main: &'static [u8],
    sub: &'static [u8],
    precision: Precision,
    quality: u16,
    position: usize,
}

impl Offer {
    fn new(main: &'static [u8], sub: &'static [u8]) -> Self {
        Self { main, sub, precision: Precision::Nothing, quality: 0, position: usize::MAX }
    }

    fn see(&mut self, range: &Range<'_>, position: usize) {
        let precision = match (range.main, range.sub) {
            (b"*", b"*") => Precision::Anything,
            (main, b"*") if main.eq_ignore_ascii_case(self.main) => Precision::Type,
            (main, sub) if main.eq_ignore_ascii_case(self.main) && sub.eq_ignore_ascii_case(self.sub) => {
                Precision::Subtype
            }
            _ => return,
        };
        // The same range twice: the first one counts.
        if precision > self.precision {
            (self.precision, self.quality, self.position) = (precision, range.quality, position);
        }
    }
}

/// A media range of an Accept field. Parameters other than `q` are not compared: neither offer has any that
/// matter.
struct Range<'a> {
    main: &'a [u8],
    sub: &'a [u8],
    /// In thousandths, 0 to 1000.
    quality: u16,
}

impl<'a> Range<'a> {
    fn read(element: &'a [u8]) -> Option<Self> {
        let mut parameters = list::parameters(element);
        let kind = parameters.next()?;
        let slash = kind.iter().position(|&byte| byte == b'/')?;
        let (main, sub) = (&kind[..slash], &kind[slash + 1..]);
        let lone_star = main == b"*" && sub != b"*";
        if !list::is_token(main) || !list::is_token(sub) || lone_star {
            return None;
        }
        let mut quality = 1000;
        for parameter in parameters {
            if let [b'q' | b'Q', b'=', value @ ..] = parameter {
                quality = parse_quality(value)?;
                break;
            }
        }
        Some(Self { main, sub, quality })
    }
}

/// A weight in thousandths (RFC 9110 §12.4.2): `0`, `0.5`, `1.000`; at most three digits behind the dot, at
/// most 1.
fn parse_quality(text: &[u8]) -> Option<u16> {
    let (whole, digits) = match text {
        [whole @ (b'0' | b'1')] => (whole, &[][..]),
        [whole @ (b'0' | b'1'), b'.', digits @ ..] if digits.len() <= 3 => (whole, digits),
        _ => return None,
    };
    let mut quality = u16::from(whole - b'0') * 1000;
    for (digit, unit) in digits.iter().zip([100, 10, 1]) {
        if !digit.is_ascii_digit() {
            return None;
        }
        quality += u16::from(digit - b'0') * unit;
    }
    (quality <= 1000).then_some(quality)
}

#[cfg(test)]
mod tests {
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
}
