//! JSON as it is compared (RFC 8259): members have no order, and numbers are equal when they mean the same.
//!
//! Not a library for JSON: numbers are kept as written digits, because two that a double can't tell apart are different,
//! and `1.0` is `1`. What is deeper than [`DEPTH_MAX`], or not quite JSON, is no JSON here. What is read is larger than its
//! text, up to twenty times and more for many small values; so it has a bound of its own.

use std::borrow::Cow;
use std::fmt;

/// Lists and mappings within each other.
const DEPTH_MAX: usize = 128;

/// Memory that the values of one text take at most.
const BYTES_MAX: usize = 64 << 20;

/// A value. Texts and digits are parts of what was read wherever they can be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Json<'t> {
    Null,
    Bool(bool),
    Number(Number<'t>),
    Text(Cow<'t, str>),
    List(Vec<Self>),
    Map(Members<'t>),
}

/// The members of a mapping, by name. Of several with one name the last one counts and the others are as if they were not
/// there: RFC 8259 §4 leaves it open, and most programs that read JSON do that.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Members<'t>(Vec<(Cow<'t, str>, Json<'t>)>);

/// A number: the digits, without zeros at their ends, and the power of ten of the last one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Number<'t> {
    negative: bool,
    digits: Cow<'t, str>,
    exponent: i64,
}

/// Why a text is not compared as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is none.
    NotJson,
    /// Its values take more than [`BYTES_MAX`].
    TooLarge,
}

impl<'t> Members<'t> {
    /// Of those with one name the last one.
    fn new(mut all: Vec<(Cow<'t, str>, Json<'t>)>) -> Self {
        // Backwards, so that a stable sort has the last one of each name in front.
        all.reverse();
        all.sort_by(|(name, _), (other, _)| name.cmp(other));
        all.dedup_by(|(name, _), (kept, _)| name == kept);
        Self(all)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Json<'t>)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    pub(super) fn get(&self, name: &str) -> Option<&Json<'t>> {
        let place = self.0.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        Some(&self.0[place].1)
    }
}

impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(number) => {
                let sign = if number.negative { "-" } else { "" };
                match (&*number.digits, number.exponent) {
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
///
/// # Errors
/// See [`Unread`].
pub(super) fn parse(text: &[u8]) -> Result<Json<'_>, Unread> {
    parse_within(text, BYTES_MAX)
}

/// The same with another bound.
pub(super) fn parse_within(text: &[u8], bytes_max: usize) -> Result<Json<'_>, Unread> {
    let text = std::str::from_utf8(text).map_err(|_| Unread::NotJson)?;
    let mut reader = Reader { text, position: 0, room: bytes_max, is_too_large: false };
    let value = reader.value(0);
    reader.skip_space();
    match value {
        Some(value) if reader.position == text.len() => Ok(value),
        _ if reader.is_too_large => Err(Unread::TooLarge),
        _ => Err(Unread::NotJson),
    }
}

struct Reader<'t> {
    text: &'t str,
    position: usize,
    /// Bytes of memory that may still be taken.
    room: usize,
    is_too_large: bool,
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

    /// Takes memory for a text that is no part of what is read.
    fn charge(&mut self, bytes: usize) -> Option<()> {
        match self.room.checked_sub(bytes) {
            Some(room) => self.room = room,
            None => self.is_too_large = true,
        }
        (!self.is_too_large).then_some(())
    }

    /// Puts one more value to the others.
    fn push<T>(&mut self, values: &mut Vec<T>, value: T) -> Option<()> {
        if values.len() == values.capacity() {
            let more = values.len().max(2);
            self.charge(more * size_of::<T>())?;
            values.reserve_exact(more);
        }
        values.push(value);
        Some(())
    }

    /// Gives back what is not needed of them.
    fn shrink<T>(&mut self, values: &mut Vec<T>) {
        let before = values.capacity();
        values.shrink_to_fit();
        self.room += (before - values.capacity()) * size_of::<T>();
    }

    fn word(&mut self, word: &str, value: Json<'t>) -> Option<Json<'t>> {
        self.text[self.position..].starts_with(word).then(|| {
            self.position += word.len();
            value
        })
    }

    fn value(&mut self, depth: usize) -> Option<Json<'t>> {
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

    fn list(&mut self, depth: usize) -> Option<Json<'t>> {
        self.take(b'[')?;
        let mut elements = Vec::new();
        self.skip_space();
        if self.take(b']').is_some() {
            return Some(Json::List(elements));
        }
        loop {
            let element = self.value(depth + 1)?;
            self.push(&mut elements, element)?;
            self.skip_space();
            if self.take(b',').is_none() {
                self.take(b']')?;
                self.shrink(&mut elements);
                return Some(Json::List(elements));
            }
        }
    }

    fn map(&mut self, depth: usize) -> Option<Json<'t>> {
        self.take(b'{')?;
        let mut members = Vec::new();
        self.skip_space();
        if self.take(b'}').is_some() {
            return Some(Json::Map(Members(members)));
        }
        loop {
            self.skip_space();
            let name = self.string()?;
            self.skip_space();
            self.take(b':')?;
            let value = self.value(depth + 1)?;
            self.push(&mut members, (name, value))?;
            self.skip_space();
            if self.take(b',').is_none() {
                self.take(b'}')?;
                self.shrink(&mut members);
                return Some(Json::Map(Members::new(members)));
            }
        }
    }

    fn string(&mut self) -> Option<Cow<'t, str>> {
        self.take(b'"')?;
        let whole: &'t str = self.text;
        let mut text = Cow::Borrowed("");
        loop {
            let rest = &whole[self.position..];
            let plain = rest.find(|character| matches!(character, '"' | '\\' | '\0'..='\x1f'))?;
            match &mut text {
                Cow::Borrowed(_) if rest.as_bytes()[plain] == b'"' => text = rest[..plain].into(),
                Cow::Borrowed(_) => {
                    // What is written with escapes is never longer without them, so it is charged at once.
                    let end = end_of_string(&rest.as_bytes()[plain..])? + plain;
                    self.charge(end)?;
                    let mut owned = String::with_capacity(end);
                    owned.push_str(&rest[..plain]);
                    text = owned.into();
                }
                Cow::Owned(owned) => owned.push_str(&rest[..plain]),
            }
            self.position += plain + 1;
            match rest.as_bytes()[plain] {
                b'"' => return Some(text),
                b'\\' => {
                    let character = self.escape()?;
                    text.to_mut().push(character);
                }
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

    fn number(&mut self) -> Option<Number<'t>> {
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
        let mut exponent = power - i64::try_from(fraction.len()).ok()?;
        let digits = self.joined(whole, fraction)?;
        let significant = digits.trim_end_matches('0').len();
        exponent += i64::try_from(digits.len() - significant).ok()?;
        let digits = match digits {
            Cow::Borrowed(digits) => digits[..significant].trim_start_matches('0').into(),
            Cow::Owned(digits) => Cow::Owned(digits[..significant].trim_start_matches('0').to_owned()),
        };
        let (negative, exponent) = if digits.is_empty() { (false, 0) } else { (negative, exponent) };
        Some(Number { negative, digits, exponent })
    }

    /// The digits before the point and those behind it.
    fn joined(&mut self, whole: &'t str, fraction: &'t str) -> Option<Cow<'t, str>> {
        if fraction.is_empty() {
            return Some(whole.into());
        }
        self.charge(whole.len() + fraction.len())?;
        Some([whole, fraction].concat().into())
    }
}

/// How many bytes there are before the quote that ends a text.
fn end_of_string(text: &[u8]) -> Option<usize> {
    let mut place = 0;
    loop {
        match text.get(place)? {
            b'"' => return Some(place),
            b'\\' => place += 2,
            _ => place += 1,
        }
    }
}
