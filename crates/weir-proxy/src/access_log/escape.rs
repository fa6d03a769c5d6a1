//! Values inside their places: whatever a client sends can't end a quoted string, a line or a JSON text.
//!
//! In the forms for people everything but visible ASCII is written `\xNN`, and so are quotes and backslashes; in JSON control
//! characters are escaped and bytes that are no UTF-8 are replaced.

/// Bytes that mean nothing to any reader of a quoted string: visible ASCII and the space, but no quote and no backslash.
static PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = b' ';
    while byte <= b'~' {
        plain[byte as usize] = byte != b'"' && byte != b'\\';
        byte += 1;
    }
    plain
};

/// A value between quotes; `"-"` when there is none, as everybody writes it.
pub(super) fn quoted(value: Option<&[u8]>, out: &mut Vec<u8>) {
    out.push(b'"');
    match value {
        Some(value) => escaped(value, true, out),
        None => out.push(b'-'),
    }
    out.push(b'"');
}

/// A value without quotes and without spaces; `-` when it is empty.
pub(super) fn bare(value: &[u8], out: &mut Vec<u8>) {
    if value.is_empty() {
        out.push(b'-');
    }
    escaped(value, false, out);
}

/// A value behind a key: quoted when it has a space, or could be taken for the `-` of an empty one.
pub(super) fn value_of_key(value: &[u8], out: &mut Vec<u8>) {
    if value.contains(&b' ') || value == b"-" { quoted(Some(value), out) } else { bare(value, out) }
}

/// Visible ASCII as it is, but for quotes and backslashes; these and all the rest as `\xNN`, without `spaces` also those.
pub(super) fn escaped(value: &[u8], spaces: bool, out: &mut Vec<u8>) {
    let mut rest = value;
    while let Some(place) =
        rest.iter().position(|byte| !PLAIN[usize::from(*byte)] || (*byte == b' ' && !spaces))
    {
        out.extend_from_slice(&rest[..place]);
        out.extend_from_slice(b"\\x");
        hex(rest[place], out);
        rest = &rest[place + 1..];
    }
    out.extend_from_slice(rest);
}

fn hex(byte: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
}

/// A JSON string, or null when there is no value or an empty one: both mean that there was none.
pub(super) fn json_string(value: Option<&[u8]>, out: &mut Vec<u8>) {
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        out.extend_from_slice(b"null");
        return;
    };
    out.push(b'"');
    if value.iter().all(|byte| PLAIN[usize::from(*byte)]) {
        // Nearly every value, and much cheaper than the way below.
        out.extend_from_slice(value);
    } else {
        for chunk in value.utf8_chunks() {
            json_escaped(chunk.valid().as_bytes(), out);
            if !chunk.invalid().is_empty() {
                out.extend_from_slice("\u{fffd}".as_bytes());
            }
        }
    }
    out.push(b'"');
}

/// The inside of a JSON string (RFC 8259 §7). Takes UTF-8 and gives UTF-8.
fn json_escaped(value: &[u8], out: &mut Vec<u8>) {
    let mut rest = value;
    // U+0080 to U+009F, which begin with C2, need no escape in JSON but move the cursor of a terminal.
    let special = |byte: &u8| matches!(byte, 0..=0x1f | b'"' | b'\\' | 0x7f | 0xc2);
    while let Some(place) = rest.iter().position(special) {
        out.extend_from_slice(&rest[..place]);
        let length = match &rest[place..] {
            [byte @ (b'"' | b'\\'), ..] => {
                out.extend_from_slice(&[b'\\', *byte]);
                1
            }
            [0xc2, byte @ 0x80..=0x9f, ..] => {
                out.extend_from_slice(b"\\u00");
                hex(*byte, out);
                2
            }
            [0xc2, byte, ..] => {
                out.extend_from_slice(&[0xc2, *byte]);
                2
            }
            tail => {
                out.extend_from_slice(b"\\u00");
                hex(tail[0], out);
                1
            }
        };
        rest = &rest[place + length..];
    }
    out.extend_from_slice(rest);
}
