//! JSON as it is compared (RFC 8259): members have no order, and numbers are equal when they mean the same.
//!
//! Not a library for JSON: numbers are kept as written digits, because two that a double can't tell apart are different,
//! and `1.0` is `1`. What is deeper than [`DEPTH_MAX`], or not quite JSON, is no JSON here.

use std::collections::BTreeMap;
use std::fmt;

/// Lists and mappings within each other.
const DEPTH_MAX: usize = 128;

/// A value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Self>),
    /// Of members with one name the last one.
    Map(BTreeMap<String, Self>),
}

/// A number: the digits, without zeros at their ends, and the power of ten of the last one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Number {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(number) => {
                let sign = if number.negative { "-" } else { "" };
                match (number.digits.as_str(), number.exponent) {
                    ("", _) => f.write_str("0"),
                    (digits, 0) => write!(f, "{sign}{digits}"),
                    (digits, zeros @ 1..=20) => {
                        write!(f, "{sign}{digits}{}", "0".repeat(usize::try_from(zeros).unwrap_or(0)))
                    }
                    (digits, exponent) => write!(f, "{sign}{digits}e{exponent}"),
                }
            }
            Self::Text(text) => write!(f, "{text:?}"),
            Self::List(elements) => write!(f, "a list of {}", elements.len()),
            Self::Map(members) => write!(f, "a mapping of {}", members.len()),
        }
    }
}

/// Reads one value and nothing behind it.
pub(super) fn parse(text: &[u8]) -> Option<Json> {
    let text = std::str::from_utf8(text).ok()?;
    let mut reader = Reader { text, position: 0 };
    let value = reader.value(0)?;
    reader.skip_space();
    (reader.position == text.len()).then_some(value)
}

struct Reader<'t> {
    text: &'t str,
    position: usize,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.position += 1;
        }
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.position += 1)
    }

    fn word(&mut self, word: &str, value: Json) -> Option<Json> {
        self.text[self.position..].starts_with(word).then(|| {
            self.position += word.len();
            value
        })
    }

    fn value(&mut self, depth: usize) -> Option<Json> {
        if depth > DEPTH_MAX {
            return None;
        }
        self.skip_space();
        match self.peek()? {
            b'n' => self.word("null", Json::Null),
            b't' => self.word("true", Json::Bool(true)),
            b'f' => self.word("false", Json::Bool(false)),
            b'"' => self.string().map(Json::Text),
            b'[' => self.list(depth),
            b'{' => self.map(depth),
            _ => self.number().map(Json::Number),
        }
    }

    fn list(&mut self, depth: usize) -> Option<Json> {
        self.take(b'[')?;
        let mut elements = Vec::new();
        self.skip_space();
        if self.take(b']').is_some() {
            return Some(Json::List(elements));
        }
        loop {
            elements.push(self.value(depth + 1)?);
            self.skip_space();
            if self.take(b',').is_none() {
                self.take(b']')?;
                return Some(Json::List(elements));
            }
        }
    }

    fn map(&mut self, depth: usize) -> Option<Json> {
        self.take(b'{')?;
        let mut members = BTreeMap::new();
        self.skip_space();
        if self.take(b'}').is_some() {
            return Some(Json::Map(members));
        }
        loop {
            self.skip_space();
            let name = self.string()?;
            self.skip_space();
            self.take(b':')?;
            members.insert(name, self.value(depth + 1)?);
            self.skip_space();
            if self.take(b',').is_none() {
                self.take(b'}')?;
                return Some(Json::Map(members));
            }
        }
    }

    fn string(&mut self) -> Option<String> {
        self.take(b'"')?;
        let mut text = String::new();
        loop {
            let rest = &self.text[self.position..];
            let plain = rest.find(|character| matches!(character, '"' | '\\' | '\0'..='\x1f'))?;
            text.push_str(&rest[..plain]);
            self.position += plain + 1;
            match rest.as_bytes()[plain] {
                b'"' => return Some(text),
                b'\\' => text.push(self.escape()?),
                // RFC 8259 §7: control characters are escaped.
                _ => return None,
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        let byte = self.peek()?;
        self.position += 1;
        Some(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return None,
        })
    }

    fn unicode(&mut self) -> Option<char> {
        let first = self.hex()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first);
        }
        self.take(b'\\')?;
        self.take(b'u')?;
        let second = self.hex().filter(|second| (0xdc00..0xe000).contains(second))?;
        char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.text.get(self.position..self.position + 4)?;
        self.position += 4;
        digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
    }

    fn digits(&mut self) -> &'t str {
        let begin = self.position;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.position += 1;
        }
        &self.text[begin..self.position]
    }

    fn number(&mut self) -> Option<Number> {
        let negative = self.take(b'-').is_some();
        let whole = self.digits();
        if whole.is_empty() || (whole.len() > 1 && whole.starts_with('0')) {
            return None;
        }
        let mut fraction = "";
        if self.take(b'.').is_some() {
            fraction = self.digits();
            if fraction.is_empty() {
                return None;
            }
        }
        let mut power = 0;
        if self.take(b'e').or_else(|| self.take(b'E')).is_some() {
            let down = self.take(b'-').is_some();
            if !down {
                let _ = self.take(b'+');
            }
            let digits = self.digits();
            if digits.is_empty() {
                return None;
            }
            // One that large is told from others by its sign alone.
            let size = digits.parse::<i64>().unwrap_or(i64::MAX / 4).min(i64::MAX / 4);
            power = if down { -size } else { size };
        }
        let mut digits = [whole, fraction].concat();
        let mut exponent = power - i64::try_from(fraction.len()).ok()?;
        let significant = digits.trim_end_matches('0').len();
        exponent += i64::try_from(digits.len() - significant).ok()?;
        digits.truncate(significant);
        let digits = digits.trim_start_matches('0').to_owned();
        let is_zero = digits.is_empty();
        let (negative, exponent) = if is_zero { (false, 0) } else { (negative, exponent) };
        Some(Number { negative, digits, exponent })
    }
}
