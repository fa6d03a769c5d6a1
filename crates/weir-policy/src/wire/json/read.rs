//! From the text of an object to what it holds.

use super::super::limits::WireLimits;
use super::super::problem::WireProblem;
use super::super::value::Value;

/// Reads one object, which [`Scan`](super::scan::Scan) has found: so its depth is bounded. How much it holds is
/// counted here.
///
/// # Errors
/// It is no JSON, or holds too much.
pub(crate) fn read(bytes: &[u8]) -> Result<Value, WireProblem> {
    let text = std::str::from_utf8(bytes).map_err(|_| WireProblem::Json("it is not UTF-8"))?;
    let mut reader = Reader { text, at: 0, items_left: WireLimits::ITEMS_MAX };
    let value = reader.value()?;
    reader.blank();
    match reader.at == text.len() {
        true => Ok(value),
        false => Err(WireProblem::Json("its brackets do not fit")),
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    /// Values and names that may still come.
    items_left: usize,
}

type Read<T> = Result<T, WireProblem>;

impl Reader<'_> {
    fn bytes(&self) -> &[u8] {
        &self.text.as_bytes()[self.at..]
    }

    fn blank(&mut self) {
        let blank = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        self.at += self.bytes().iter().take_while(blank).count();
    }

    /// Passes over this byte, if it is the next one.
    fn takes(&mut self, byte: u8) -> bool {
        let is_next = self.bytes().first() == Some(&byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Counts one more value or name.
    fn count(&mut self) -> Read<()> {
        self.items_left = self.items_left.checked_sub(1).ok_or(WireProblem::TooMany)?;
        Ok(())
    }

    fn value(&mut self) -> Read<Value> {
        self.count()?;
        self.blank();
        match self.bytes().first() {
            Some(b'{') => self.object(),
            Some(b'[') => self.list(),
            Some(b'"') => self.string().map(Value::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => self.word(),
            None => Err(WireProblem::Json("a value is missing")),
        }
    }

    fn object(&mut self) -> Read<Value> {
        self.at += 1;
        let mut members = Vec::new();
        self.blank();
        if self.takes(b'}') {
            return Ok(Value::Dict(members));
        }
        loop {
            self.blank();
            if self.bytes().first() != Some(&b'"') {
                return Err(WireProblem::Json("a name is a text in quotes"));
            }
            self.count()?;
            let name = Value::Text(self.string()?);
            self.blank();
            if !self.takes(b':') {
                return Err(WireProblem::Json("a `:` is missing behind a name"));
            }
            members.push((name, self.value()?));
            self.blank();
            if self.takes(b'}') {
                return Ok(Value::Dict(members));
            }
            if !self.takes(b',') {
                return Err(WireProblem::Json("a `,` or `}` is missing"));
            }
        }
    }

    fn list(&mut self) -> Read<Value> {
        self.at += 1;
        let mut values = Vec::new();
        self.blank();
        if self.takes(b']') {
            return Ok(Value::List(values));
        }
        loop {
            values.push(self.value()?);
            self.blank();
            if self.takes(b']') {
                return Ok(Value::List(values));
            }
            if !self.takes(b',') {
                return Err(WireProblem::Json("a `,` or `]` is missing"));
            }
        }
    }

    fn word(&mut self) -> Read<Value> {
        const WORDS: [(&str, Value); 5] = [
            ("true", Value::Bool(true)),
            ("false", Value::Bool(false)),
            ("null", Value::None),
            // Python writes these two, although RFC 8259 has no such numbers.
            ("NaN", Value::Float(f64::NAN)),
            ("Infinity", Value::Float(f64::INFINITY)),
        ];
        let rest = &self.text[self.at..];
        let found = WORDS.into_iter().find(|(word, _)| rest.starts_with(word));
        let (word, value) = found.ok_or(WireProblem::Json("there is something that is no value"))?;
        self.at += word.len();
        Ok(value)
    }

    fn number(&mut self) -> Read<Value> {
        const NO_NUMBER: WireProblem = WireProblem::Json("a number is written otherwise");
        if self.text[self.at..].starts_with("-Infinity") {
            self.at += "-Infinity".len();
            return Ok(Value::Float(f64::NEG_INFINITY));
        }
        let begin = self.at;
        let _ = self.takes(b'-');
        let leads_with_zero = self.bytes().first() == Some(&b'0');
        let digits = self.digits();
        if digits == 0 || (leads_with_zero && digits > 1) {
            return Err(NO_NUMBER);
        }
        let mut is_whole = true;
        if self.takes(b'.') {
            is_whole = false;
            if self.digits() == 0 {
                return Err(NO_NUMBER);
            }
        }
        if self.takes(b'e') || self.takes(b'E') {
            is_whole = false;
            let _ = self.takes(b'+') || self.takes(b'-');
            if self.digits() == 0 {
                return Err(NO_NUMBER);
            }
        }
        let written = &self.text[begin..self.at];
        // One that is larger than any that counts here may be rounded: whoever gets the same form gets the same bytes.
        let whole = is_whole.then(|| written.parse().ok()).flatten();
        match whole {
            Some(whole) => Ok(Value::Int(whole)),
            None => written.parse().map(Value::Float).map_err(|_| NO_NUMBER),
        }
    }

    fn digits(&mut self) -> usize {
        let count = self.bytes().iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        count
    }

    /// The text that begins here with its quote.
    fn string(&mut self) -> Read<Box<str>> {
        self.at += 1;
        let mut decoded: Option<String> = None;
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.bytes().take_while(|byte| !matches!(byte, b'"' | b'\\' | ..=0x1f)).count();
            let (piece, after) = rest.split_at(plain);
            self.at += plain;
            match after.as_bytes().first() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(match decoded {
                        None => piece.into(),
                        Some(decoded) => (decoded + piece).into(),
                    });
                }
                Some(b'\\') => {
                    let text = decoded.get_or_insert_default();
                    text.push_str(piece);
                    self.at += 1;
                    let sign = self.escaped()?;
                    decoded.get_or_insert_default().push(sign);
                }
                Some(_) => return Err(WireProblem::Json("a control character stands in a text")),
                None => return Err(WireProblem::Json("a text has no end")),
            }
        }
    }

    /// The sign behind a backslash.
    fn escaped(&mut self) -> Read<char> {
        let kind = self.bytes().first().copied();
        self.at += 1;
        Ok(match kind {
            Some(sign @ (b'"' | b'\\' | b'/')) => sign.into(),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.code_point(),
            _ => {
                // What stands there may be the first byte of several.
                self.at -= 1;
                return Err(WireProblem::Json("there is no such escape"));
            }
        })
    }

    fn code_point(&mut self) -> Read<char> {
        const HALF: WireProblem = WireProblem::Json("a text holds half a character");
        let first = self.hexadecimal()?;
        if let Some(sign) = char::from_u32(first) {
            return Ok(sign);
        }
        if first >= 0xdc00 || !(self.takes(b'\\') && self.takes(b'u')) {
            return Err(HALF);
        }
        let second = self.hexadecimal()?;
        if !(0xdc00..0xe000).contains(&second) {
            return Err(HALF);
        }
        char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)).ok_or(HALF)
    }

    fn hexadecimal(&mut self) -> Read<u32> {
        const BAD: WireProblem = WireProblem::Json("behind `\\u` are four hexadecimal digits");
        let digits = self.bytes().get(..4).ok_or(BAD)?;
        let digit = |sum: u32, byte: &u8| Some(sum * 16 + char::from(*byte).to_digit(16)?);
        let number = digits.iter().try_fold(0, digit).ok_or(BAD)?;
        self.at += 4;
        Ok(number)
    }
}
