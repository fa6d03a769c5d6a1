//! Headers of both versions: what they say, what is refused, and that no byte behind one is ever asked for.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;

use super::{Client, Progress, ProxyHeaderError as E, V1_BYTES_MAX, V2_BYTES_MAX, read};

/// Reads as a caller does that takes no more than is missing. Gives what the header says and how long it was.
fn obediently(bytes: &[u8]) -> Result<Option<(Client, usize)>, E> {
    let mut have = 0;
    loop {
        match read(&bytes[..have])? {
            Progress::Whole(client) => return Ok(Some((client, have))),
            Progress::Missing(0) => panic!("nothing is missing and nothing is whole after {have} bytes"),
            Progress::Missing(missing) if have + missing > bytes.len() => return Ok(None),
            Progress::Missing(missing) => have += missing,
        }
    }
}

/// A whole header: the same however it is split, never a byte too many, and no error before its end.
#[track_caller]
fn whole(header: &[u8], expected: Client) {
    let mut with_more = header.to_vec();
    with_more.extend_from_slice(b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(obediently(&with_more), Ok(Some((expected, header.len()))), "{}", header.escape_ascii());
    for have in 0..header.len() {
        match read(&header[..have]) {
            Ok(Progress::Missing(missing)) => {
                assert!(missing > 0 && have + missing <= header.len(), "{missing} behind {have}");
            }
            other => panic!("{other:?} after {have} bytes of {}", header.escape_ascii()),
        }
    }
    assert_eq!(read(header), Ok(Progress::Whole(expected)));
}

/// Refused at the latest when all of it is there, also when it comes byte by byte.
#[track_caller]
fn refused(bytes: &[u8], expected: E) {
    let shown = bytes.escape_ascii();
    let first = (0..=bytes.len()).find_map(|have| read(&bytes[..have]).err());
    assert_eq!(first, Some(expected), "{shown}");
    // A line shorter than any good one is only noticed with what comes behind it.
    let with_more = [bytes, b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"].concat();
    assert!(obediently(&with_more).is_err(), "{shown}");
}

fn at(address: &str) -> Client {
    Client::At(address.parse::<SocketAddr>().unwrap())
}

#[test]
fn lines_of_version_1() {
    let check = |line: &str, expected| whole(format!("PROXY {line}\r\n").as_bytes(), expected);
    check("TCP4 192.0.2.1 198.51.100.2 56324 443", at("192.0.2.1:56324"));
    check("TCP4 0.0.0.0 0.0.0.0 0 0", at("0.0.0.0:0"));
    check("TCP4 255.255.255.255 255.255.255.255 65535 65535", at("255.255.255.255:65535"));
    check("TCP6 2001:db8::1 ::1 1 2", at("[2001:db8::1]:1"));
    check("TCP6 :: :: 0 0", at("[::]:0"));
    check("TCP6 ::ffff:192.0.2.1 ::1 1 2", at("[::ffff:192.0.2.1]:1"));
    let longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    check(&format!("TCP6 {longest} {longest} 65535 65535"), at(&format!("[{longest}]:65535")));
    check("UNKNOWN", Client::Unnamed);
    check(&format!("UNKNOWN {longest} {longest} 65535 65535"), Client::Unnamed);
    check("UNKNOWN ", Client::Unnamed);
    check("UNKNOWN \0\u{ff} whatever", Client::Unnamed);
    assert_eq!(format!("PROXY UNKNOWN {longest} {longest} 65535 65535\r\n").len(), V1_BYTES_MAX);
}

#[test]
fn lines_that_are_none() {
    let check = |line: &str| refused(format!("PROXY {line}\r\n").as_bytes(), E::Line);
    for line in [
        "",
        " ",
        "TCP4",
        "TCP4 ",
        "TCP5 192.0.2.1 192.0.2.2 1 2",
        "tcp4 192.0.2.1 192.0.2.2 1 2",
        "UDP4 192.0.2.1 192.0.2.2 1 2",
        "T aaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "UNKNOWNS",
        "UNKNOW",
        "TCP4 192.0.2.1 192.0.2.2 1",
        "TCP4 192.0.2.1 192.0.2.2 1 2 3",
        "TCP4 192.0.2.1 192.0.2.2 1 2 ",
        "TCP4  192.0.2.1 192.0.2.2 1 2",
        "TCP4 192.0.2.1\t192.0.2.2 1 2",
        "TCP4 192.0.2.1 192.0.2.2 1 65536",
        "TCP4 192.0.2.1 192.0.2.2 65536 2",
        "TCP4 192.0.2.1 192.0.2.2 +1 2",
        "TCP4 192.0.2.1 192.0.2.2 -1 2",
        "TCP4 192.0.2.1 192.0.2.2 01 2",
        "TCP4 192.0.2.1 192.0.2.2 1 0x2",
        "TCP4 192.0.2.01 192.0.2.2 1 2",
        "TCP4 192.0.2 192.0.2.2 1 2",
        "TCP4 192.0.2.256 192.0.2.2 1 2",
        "TCP4 ::1 ::2 1 2",
        "TCP4 192.0.2.1 ::2 1 2",
        "TCP6 192.0.2.1 192.0.2.2 1 2",
        "TCP6 ::1%1 ::2 1 2",
        "TCP6 [::1] [::2] 1 2",
        "TCP4 example.com 192.0.2.2 1 2",
    ] {
        check(line);
    }
    refused(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n", E::Line);
    refused(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\rX", E::Line);
    refused(b"PROXY TCP4 192.0.2.1\r\n192.0.2.2 1 2\r\n", E::Line);
    refused(b"PROXY UNKNOWN\n\r\n", E::Line);
    refused(b"PROXX TCP4 192.0.2.1 192.0.2.2 1 2\r\n", E::Signature);
    refused(b"PROXY\tTCP4 192.0.2.1 192.0.2.2 1 2\r\n", E::Signature);
    let long = |extra: usize| format!("PROXY UNKNOWN {}\r\n", "x".repeat(V1_BYTES_MAX - 16 + extra));
    whole(long(0).as_bytes(), Client::Unnamed);
    refused(long(1).as_bytes(), E::TooLong);
    refused(long(1000).as_bytes(), E::TooLong);
    refused(format!("PROXY UNKNOWN {}\r\n", "x".repeat(92)).as_bytes(), E::TooLong);
    refused(format!("PROXY TCP4 {}", "1".repeat(200)).as_bytes(), E::TooLong);
}

/// A header of version 2 with this command, family and rest.
fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend_from_slice(&[command, family]);
    header.extend_from_slice(&u16::try_from(rest.len()).unwrap().to_be_bytes());
    header.extend_from_slice(rest);
    header
}

const V4: &[u8] = &[192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 0x04, 0x01, 0xbb];

fn v6() -> Vec<u8> {
    let mut addresses = vec![0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    addresses.extend_from_slice(&[0; 16]);
    addresses.extend_from_slice(&[0x12, 0x34, 0x01, 0xbb]);
    addresses
}

#[test]
fn headers_of_version_2() {
    whole(&v2(0x21, 0x11, V4), at("192.0.2.1:56324"));
    whole(&v2(0x21, 0x21, &v6()), at("[2001:db8::1]:4660"));
    // Extensions are passed over: an authority, something unknown, one without a value.
    for extensions in [&b"\x02\0\x05a.tes"[..], b"\xee\0\0", b"\x01\0\x02h2\x04\0\0\x20\0\x01x"] {
        whole(&v2(0x21, 0x11, &[V4, extensions].concat()), at("192.0.2.1:56324"));
    }
    // The proxy's own connections, and clients without a network address.
    whole(&v2(0x20, 0x00, b""), Client::Unnamed);
    whole(&v2(0x20, 0x11, V4), Client::Unnamed);
    whole(&v2(0x20, 0x11, b"any"), Client::Unnamed);
    whole(&v2(0x21, 0x00, b"any"), Client::Unnamed);
    whole(&v2(0x21, 0x31, &[b'x'; 216]), Client::Unnamed);
    let largest = [V4, b"\x04", &[1, 0xf9], &[0; 505][..]].concat();
    assert_eq!(v2(0x21, 0x11, &largest).len(), V2_BYTES_MAX);
    whole(&v2(0x21, 0x11, &largest), at("192.0.2.1:56324"));
}

#[test]
fn headers_that_are_none() {
    for command in [0x00, 0x01, 0x10, 0x11, 0x22, 0x2f, 0x31, 0xff] {
        refused(&v2(command, 0x11, V4), E::Command);
    }
    for family in [0x01, 0x02, 0x10, 0x12, 0x13, 0x22, 0x32, 0x41, 0xff] {
        refused(&v2(0x21, family, V4), E::Command);
        refused(&v2(0x20, family, V4), E::Command);
    }
    refused(&v2(0x21, 0x11, &V4[..11]), E::Length);
    refused(&v2(0x21, 0x11, b""), E::Length);
    refused(&v2(0x21, 0x21, V4), E::Length);
    refused(&v2(0x21, 0x21, &v6()[..35]), E::Length);
    refused(&v2(0x21, 0x31, &[0; 215]), E::Length);
    for extensions in
        [&b"\x02"[..], b"\x02\0", b"\x02\0\x01", b"\x02\0\x05a.te", b"\x02\xff\xffa", b"\xee\0\0\0"]
    {
        refused(&v2(0x21, 0x11, &[V4, extensions].concat()), E::Length);
    }
    refused(&v2(0x21, 0x11, &[0; 521]), E::TooLong);
    refused(&v2(0x20, 0x00, &[0; 521]), E::TooLong);
    refused(&v2(0x21, 0x11, &[0; 65_535]), E::TooLong);
    whole(&v2(0x20, 0x00, &[0; 520]), Client::Unnamed);
    // One byte of the signature is wrong.
    let header = v2(0x21, 0x11, V4);
    for at in 0..12 {
        let mut wrong = header.clone();
        wrong[at] ^= 1;
        refused(&wrong, E::Signature);
    }
    for other in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\0\0\0\0\0",
        b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    ] {
        refused(other, E::Signature);
    }
}

#[test]
fn a_header_that_ends_too_early_is_neither_whole_nor_wrong() {
    for header in [b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n".to_vec(), v2(0x21, 0x11, V4)] {
        for have in 0..header.len() {
            assert_eq!(obediently(&header[..have]), Ok(None));
        }
    }
}

#[test]
fn whoever_reads_too_far_is_not_believed() {
    assert_eq!(read(b"PROXY UNKNOWN\r\nG"), Err(E::Line));
    assert_eq!(read(&[&v2(0x20, 0, b"")[..], b"G"].concat()), Err(E::Length));
}
