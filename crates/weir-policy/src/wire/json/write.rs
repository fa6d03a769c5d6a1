//! Writing JSON as Python writes it: a space behind `:` and `,`, and nothing but ASCII.

use std::io::Write;

use super::super::value::Value;

/// Appends the value.
pub(crate) fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::None => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Int(number) => number_out(out, format_args!("{number}")),
        Value::Float(number) if number.is_nan() => out.extend_from_slice(b"NaN"),
        Value::Float(number) if number.is_infinite() => {
            out.extend_from_slice(if *number > 0.0 { b"Infinity" } else { b"-Infinity" });
        }
        // The shortest that is read as the same again, and never without a fraction or an exponent.
        Value::Float(number) => number_out(out, format_args!("{number:?}")),
        Value::Text(text) => string(text, out),
        Value::List(values) | Value::Tuple(values) => {
            out.push(b'[');
            for (place, value) in values.iter().enumerate() {
                separate(place, out);
                write(value, out);
            }
            out.push(b']');
        }
        Value::Dict(members) => {
            out.push(b'{');
            for (place, (name, value)) in members.iter().enumerate() {
                separate(place, out);
                key(name, out);
                out.extend_from_slice(b": ");
                write(value, out);
            }
            out.push(b'}');
        }
    }
}

fn separate(place: usize, out: &mut Vec<u8>) {
    if place > 0 {
        out.extend_from_slice(b", ");
    }
}

/// Names are texts in JSON; others are written as Python's own writer does it.
fn key(name: &Value, out: &mut Vec<u8>) {
    match name {
        Value::Text(text) => string(text, out),
        other => {
            let mut plain = Vec::new();
            write(other, &mut plain);
            string(&String::from_utf8_lossy(&plain), out);
        }
    }
}

fn number_out(out: &mut Vec<u8>, number: std::fmt::Arguments<'_>) {
    // A list of bytes takes everything.
    let _ = out.write_fmt(number);
}

fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for sign in text.chars() {
        match sign {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            ' '..='~' => out.push(sign as u8),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    number_out(out, format_args!("\\u{unit:04x}"));
                }
            }
        }
    }
    out.push(b'"');
}
