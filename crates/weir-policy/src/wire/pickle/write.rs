//! Writing pickles, of protocol 2: every Python that is in use loads it.

use super::super::value::Value;

/// Appends the pickle of a value.
pub(crate) fn write(value: &Value, out: &mut Vec<u8>) {
    out.extend_from_slice(&[0x80, 2]);
    put(value, out);
    out.push(b'.');
}

fn put(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::None => out.push(b'N'),
        Value::Bool(true) => out.push(0x88),
        Value::Bool(false) => out.push(0x89),
        Value::Int(number) => int(*number, out),
        Value::Float(number) => {
            out.push(b'G');
            out.extend_from_slice(&number.to_bits().to_be_bytes());
        }
        Value::Text(text) => {
            out.push(b'X');
            // Messages are far shorter than four gigabytes.
            let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(&text.as_bytes()[..length as usize]);
        }
        Value::List(values) => {
            out.extend_from_slice(b"](");
            values.iter().for_each(|value| put(value, out));
            out.push(b'e');
        }
        Value::Tuple(values) => {
            out.push(b'(');
            values.iter().for_each(|value| put(value, out));
            out.push(b't');
        }
        Value::Dict(members) => {
            out.extend_from_slice(b"}(");
            for (key, value) in members {
                put(key, out);
                put(value, out);
            }
            out.push(b'u');
        }
    }
}

fn int(number: i128, out: &mut Vec<u8>) {
    if let Ok(number) = i32::try_from(number) {
        out.push(b'J');
        out.extend_from_slice(&number.to_le_bytes());
        return;
    }
    let bytes = number.to_le_bytes();
    out.extend_from_slice(&[0x8a, bytes.len() as u8]);
    out.extend_from_slice(&bytes);
}
