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
mod tests;
