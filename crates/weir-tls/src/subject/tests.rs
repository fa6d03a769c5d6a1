//! Names as text: what is escaped, and that nothing a certificate contains can leave a field.
#![allow(clippy::unwrap_used)]

use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair};

use super::*;

fn certificate(parts: Vec<(DnType, DnValue)>) -> Vec<u8> {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.distinguished_name = DistinguishedName::new();
    for (kind, value) in parts {
        params.distinguished_name.push(kind, value);
    }
    let key = KeyPair::generate().unwrap();
    params.self_signed(&key).unwrap().der().to_vec()
}

fn check(name: &str, field: &str, people: &str) {
    let der = certificate(vec![(DnType::CommonName, DnValue::Utf8String(name.to_owned()))]);
    assert_eq!(field_value(&der).unwrap(), format!("CN={field}"), "{name:?}");
    let (_, parsed) = parse_x509_certificate(&der).unwrap();
    assert_eq!(shown(parsed.subject()), format!("CN={people}"), "{name:?}");
}

#[test]
fn what_rfc_4514_escapes_is_escaped() {
    check("alice", "alice", "alice");
    check("a,b+c;d", "a\\,b\\+c\\;d", "a\\,b\\+c\\;d");
    check("\"<\\>", "\\\"\\<\\\\\\>", "\\\"\\<\\\\\\>");
    check("#a#", "\\#a#", "\\#a#");
    check(" a b ", "\\ a b\\ ", "\\ a b\\ ");
    check(" ", "\\ ", "\\ ");
    check("", "", "");
    check("=", "=", "=");
}

#[test]
fn nothing_in_a_name_ends_a_field_or_reads_as_another_name() {
    check("a\r\nX-Admin: 1", "a\\0D\\0AX-Admin: 1", "a\\0D\\0AX-Admin: 1");
    check("a\0", "a\\00", "a\\00");
    check("a,O=Other", "a\\,O=Other", "a\\,O=Other");
    check("é", "\\C3\\A9", "é");
    check("\u{1b}[31m", "\\1B[31m", "\\1B[31m");
    check("\u{85}", "\\C2\\85", "\\C2\\85");
}

#[test]
fn the_most_specific_part_is_first() {
    let text = |text: &str| DnValue::Utf8String(text.to_owned());
    let der = certificate(vec![
        (DnType::CountryName, DnValue::PrintableString("DE".try_into().unwrap())),
        (DnType::OrganizationName, text("Example, Inc.")),
        (DnType::CommonName, text("alice")),
    ]);
    assert_eq!(field_value(&der).unwrap(), "CN=alice,O=Example\\, Inc.,C=DE");
}

#[test]
fn kinds_without_a_name_are_numbers() {
    let serial = || DnType::CustomDnType(vec![2, 5, 4, 5]);
    let text = |text: &str| DnValue::Utf8String(text.to_owned());
    assert_eq!(field_value(&certificate(vec![(serial(), text("7"))])).unwrap(), "2.5.4.5=#0C0137");
    for (length, header) in [(127, "0C7F"), (128, "0C8180"), (255, "0C81FF"), (256, "0C820100")] {
        let value = field_value(&certificate(vec![(serial(), text(&"a".repeat(length)))])).unwrap();
        assert_eq!(value, format!("2.5.4.5=#{header}{}", "61".repeat(length)));
    }
}

#[test]
fn no_subject_is_an_empty_text_and_no_certificate_is_none() {
    assert_eq!(field_value(&certificate(Vec::new())).as_deref(), Some(""));
    assert_eq!(field_value(b"no certificate"), None);
}
