//! The name of a subject or an issuer as one line of text (RFC 4514).
//!
//! Two forms: one for people, and one that is safe as the value of a header field. Both escape what the RFC says and every
//! control character; the second one also everything outside ASCII, so that what a client's certificate contains can neither
//! end a field nor be read as another name.

use std::fmt::Write;

use x509_parser::asn1_rs::{Any, BmpString, Tag};
use x509_parser::parse_x509_certificate;
use x509_parser::x509::X509Name;

/// The kinds of attributes that have a short name (RFC 4514 §3), and the one that certificates of clients often have besides.
const KINDS: [(&str, &str); 10] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.6", "C"),
    ("2.5.4.9", "STREET"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

/// The subject of a certificate (DER) as the value of a header field: visible ASCII and single spaces inside, the most
/// specific part first (`CN=alice,O=Example`). Empty when the certificate names no subject; `None` when it is no certificate.
pub fn field_value(certificate: &[u8]) -> Option<String> {
    let (_, certificate) = parse_x509_certificate(certificate).ok()?;
    Some(render(certificate.subject(), true))
}

/// The same for people: letters of any language are left as they are.
pub(crate) fn shown(name: &X509Name<'_>) -> String {
    render(name, false)
}

fn render(name: &X509Name<'_>, ascii: bool) -> String {
    let mut text = String::new();
    let parts: Vec<_> = name.iter_rdn().collect();
    // The order of the certificate is from the general to the specific; the text begins with the last (RFC 4514 §2.1).
    for (index, part) in parts.iter().rev().enumerate() {
        text.push_str(if index == 0 { "" } else { "," });
        for (index, attribute) in part.iter().enumerate() {
            text.push_str(if index == 0 { "" } else { "+" });
            let id = attribute.attr_type().to_id_string();
            let kind = KINDS.iter().find(|(known, _)| *known == id).map(|(_, kind)| *kind);
            match (kind, value_text(attribute.attr_value())) {
                (Some(kind), Some(value)) => {
                    text.push_str(kind);
                    text.push('=');
                    escape(&value, ascii, &mut text);
                }
                (kind, _) => {
                    text.push_str(kind.unwrap_or(&id));
                    text.push_str("=#");
                    hex(attribute.attr_value(), &mut text);
                }
            }
        }
    }
    text
}

fn value_text(value: &Any<'_>) -> Option<String> {
    match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::NumericString | Tag::VisibleString => {
            std::str::from_utf8(value.data).ok().map(str::to_owned)
        }
        // What T61String means nobody agrees on; in practice it is Latin 1.
        Tag::T61String => Some(value.data.iter().map(|byte| char::from(*byte)).collect()),
        Tag::BmpString => BmpString::try_from(value.clone()).ok().map(|text| text.string()),
        _ => None,
    }
}

/// RFC 4514 §2.4
fn escape(value: &str, ascii: bool, text: &mut String) {
    let last = value.chars().count().saturating_sub(1);
    for (index, sign) in value.chars().enumerate() {
        match sign {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => {
                text.push('\\');
                text.push(sign);
            }
            '#' | ' ' if index == 0 => {
                text.push('\\');
                text.push(sign);
            }
            ' ' if index == last => text.push_str("\\ "),
            sign if sign.is_control() || (ascii && !sign.is_ascii()) => {
                for byte in sign.encode_utf8(&mut [0; 4]).bytes() {
                    // Writing to a text can't fail.
                    let _ = write!(text, "\\{byte:02X}");
                }
            }
            sign => text.push(sign),
        }
    }
}

/// The whole value with its tag, as the RFC wants it for kinds without a name. Lengths of a name are short.
fn hex(value: &Any<'_>, text: &mut String) {
    let length = value.data.len();
    let header: Vec<u8> = match u8::try_from(length) {
        Ok(short @ 0..128) => vec![short],
        Ok(long) => vec![0x81, long],
        Err(_) => length.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect(),
    };
    // A tag of a name's value is a universal one below 31, so it is one byte.
    let tag = u8::try_from(value.tag().0).unwrap_or(0);
    let long = (length > 255).then(|| 0x80 | u8::try_from(header.len()).unwrap_or(0));
    for byte in std::iter::once(tag).chain(long).chain(header).chain(value.data.iter().copied()) {
        // Writing to a text can't fail.
        let _ = write!(text, "{byte:02X}");
    }
}

#[cfg(test)]
mod tests;
