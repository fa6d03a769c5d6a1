//! Arguments that end with their line: the texts and numbers of protocol 0.

use super::super::problem::WireProblem;
use super::super::value::Value;

type Read<T> = Result<T, WireProblem>;

const NO_NUMBER: WireProblem = WireProblem::Pickle("a number is written otherwise");

fn ascii(line: &[u8]) -> Read<&str> {
    std::str::from_utf8(line).map(str::trim).map_err(|_| NO_NUMBER)
}

/// `INT`: a whole number, or `00` and `01` for truth values.
pub(super) fn int(line: &[u8]) -> Read<Value> {
    match ascii(line)? {
        "00" => Ok(Value::Bool(false)),
        "01" => Ok(Value::Bool(true)),
        number => number.parse().map(Value::Int).map_err(|_| NO_NUMBER),
    }
}

/// `LONG`: a whole number with an `L` behind it.
pub(super) fn long(line: &[u8]) -> Read<Value> {
    let number = ascii(line)?;
    number.strip_suffix('L').unwrap_or(number).parse().map(Value::Int).map_err(|_| NO_NUMBER)
}

/// `FLOAT`
pub(super) fn float(line: &[u8]) -> Read<Value> {
    ascii(line)?.parse().map(Value::Float).map_err(|_| NO_NUMBER)
}

/// `GET` and `PUT`: the number of a place in the memo.
pub(super) fn place(line: &[u8]) -> Read<u32> {
    ascii(line)?.parse().map_err(|_| NO_NUMBER)
}

/// `UNICODE`: bytes are Latin-1, and `\u` and `\U` escape the others.
pub(super) fn unicode(line: &[u8]) -> Read<Value> {
    const BAD: WireProblem = WireProblem::Pickle("a text is escaped otherwise");
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let [first, after @ ..] = rest {
        let digits = match (first, after) {
            (b'\\', [b'u', ..]) => 4,
            (b'\\', [b'U', ..]) => 8,
            _ => {
                text.push(char::from(*first));
                rest = after;
                continue;
            }
        };
        let digits = after.get(1..=digits).ok_or(BAD)?;
        let digit = |sum: u32, byte: &u8| sum.checked_mul(16)?.checked_add(char::from(*byte).to_digit(16)?);
        let number = digits.iter().try_fold(0, digit).ok_or(BAD)?;
        text.push(char::from_u32(number).ok_or(BAD)?);
        rest = &after[1 + digits.len()..];
    }
    Ok(Value::text(text))
}

/// `STRING`: a text in quotes, as Python 2 shows it.
pub(super) fn quoted(line: &[u8]) -> Read<Value> {
    const BAD: WireProblem = WireProblem::Pickle("a text is quoted otherwise");
    let line = line.trim_ascii();
    let (Some(quote @ (b'\'' | b'"')), Some(last), 2..) = (line.first(), line.last(), line.len()) else {
        return Err(BAD);
    };
    if quote != last {
        return Err(BAD);
    }
    let mut rest = &line[1..line.len() - 1];
    let mut bytes = Vec::with_capacity(rest.len());
    while let [first, after @ ..] = rest {
        if *first != b'\\' {
            bytes.push(*first);
            rest = after;
            continue;
        }
        let (byte, length) = match after {
            [sign @ (b'\\' | b'\'' | b'"'), ..] => (*sign, 1),
            [b'n', ..] => (b'\n', 1),
            [b'r', ..] => (b'\r', 1),
            [b't', ..] => (b'\t', 1),
            [b'x', high, low, ..] => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16).ok_or(BAD);
                ((digit(high)? * 16 + digit(low)?) as u8, 3)
            }
            _ => return Err(BAD),
        };
        bytes.push(byte);
        rest = &after[length..];
    }
    text(&bytes)
}

/// A text of bytes.
pub(super) fn text(bytes: &[u8]) -> Read<Value> {
    std::str::from_utf8(bytes).map(Value::text).map_err(|_| WireProblem::Pickle("a text is not UTF-8"))
}
