//! The parameters of a request: known ones, each once, with values that make sense.

use std::time::Duration;

use hyper::StatusCode;

/// Why a request makes no sense: a status, and a sentence.
type No = (StatusCode, String);

/// The parameters of one request, by their names.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Those of a query.
    ///
    /// # Errors
    /// One is not `known`, stands twice, or is badly escaped.
    pub(crate) fn read(query: &str, known: &[&str]) -> Result<Self, No> {
        let mut all: Vec<(String, String)> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if !known.contains(&key) {
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                let key: String = key.chars().take(40).collect();
                return Err(bad(format!("`{key}` is no parameter here; there are: {known}")));
            }
            if all.iter().any(|(seen, _)| seen == key) {
                return Err(bad(format!("`{key}` stands twice")));
            }
            let value = decoded(value).ok_or_else(|| wrong(key, "text in UTF-8, percent-encoded"))?;
            all.push((key.to_owned(), value));
        }
        Ok(Self(all))
    }

    /// As it was written.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| &**value)
    }

    /// A number.
    ///
    /// # Errors
    /// It is none, or too large.
    pub(crate) fn number<T: std::str::FromStr>(&self, key: &str) -> Result<Option<T>, No> {
        let number = |text: &str| text.parse().map_err(|_| wrong(key, "a number"));
        self.text(key).map(number).transpose()
    }

    /// `true` or `false`; `false` when it is not there.
    ///
    /// # Errors
    /// It is neither.
    pub(crate) fn truth(&self, key: &str) -> Result<bool, No> {
        match self.text(key) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(wrong(key, "`true` or `false`")),
        }
    }

    /// A time: `30s`, `250ms`, `5m`, `1h`; at most a day.
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn duration(&self, key: &str) -> Result<Option<Duration>, No> {
        let read = |text: &str| duration(text).ok_or_else(|| wrong(key, "a time like `30s` or `250ms`"));
        self.text(key).map(read).transpose()
    }
}

fn bad(text: String) -> No {
    (StatusCode::BAD_REQUEST, text)
}

fn wrong(key: &str, what: &str) -> No {
    bad(format!("`{key}` takes {what}"))
}

fn duration(text: &str) -> Option<Duration> {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let digits = text.find(|sign: char| !sign.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 3600 * 1000,
        _ => return None,
    };
    Some(Duration::from_millis(number.checked_mul(milliseconds)?)).filter(|time| *time <= DAY)
}

/// Percent-decoded (RFC 3986 §2.1).
pub(crate) fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let (high, low) = (digit()?, digit()?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn parameters_are_known_and_stand_once() {
        let known = ["server", "dead"];
        let read = |query: &str| Parameters::read(query, &known);
        assert_eq!(read("server=a%3A1&dead=true").unwrap().text("server"), Some("a:1"));
        assert_eq!(read("").unwrap(), Parameters::default());
        for wrong in ["x=1", "server=a&server=a", "server=%zz", "server=%ff", "=1"] {
            assert_eq!(read(wrong).unwrap_err().0, StatusCode::BAD_REQUEST, "{wrong}");
        }
    }

    #[test]
    fn values_are_what_they_should_be() {
        let one = |value: &str| Parameters::read(&format!("x={value}"), &["x"]).unwrap();
        assert_eq!(one("7").number::<u32>("x"), Ok(Some(7)));
        assert_eq!(one("7").number::<u32>("y"), Ok(None));
        for bad in ["", "-1", "99999999999", "1.5", "a"] {
            assert!(one(bad).number::<u32>("x").is_err(), "{bad}");
        }
        assert_eq!((one("true").truth("x"), one("false").truth("x")), (Ok(true), Ok(false)));
        assert!(one("yes").truth("x").is_err() && one("").truth("x").is_err());
        assert_eq!(one("250ms").duration("x"), Ok(Some(Duration::from_millis(250))));
        assert_eq!(one("24h").duration("x"), Ok(Some(Duration::from_secs(86_400))));
        for bad in ["", "30", "s", "-1s", "25h", "1d", "99999999999999999999s", "18446744073709551615h"] {
            assert!(one(bad).duration("x").is_err(), "{bad}");
        }
    }
}
