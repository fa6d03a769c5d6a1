//! The decoder on bodies that arrive in pieces of several sizes.

#![allow(clippy::unwrap_used)]

use super::*;

/// Content, trailers, and what is left over.
type Decoded = (Vec<u8>, Vec<u8>, Vec<u8>);

/// Decodes `input`, which arrives in pieces of `piece` bytes; `None` when it ends too early.
fn decode(input: &[u8], piece: usize, trailer_bytes_max: usize) -> Result<Option<Decoded>, ChunkedError> {
    let mut decoder = ChunkedDecoder::new(trailer_bytes_max);
    let (mut content, mut window, mut offered) = (Vec::new(), Vec::new(), 0);
    loop {
        match decoder.step(&window)? {
            Step::Content { skip, length } => {
                content.extend_from_slice(&window[skip..skip + length]);
                window.drain(..skip + length);
                decoder.consumed(length);
            }
            Step::End { skip, trailers } => {
                window.extend_from_slice(&input[offered..]);
                let rest = window.split_off(skip + trailers);
                return Ok(Some((content, window[skip..].to_vec(), rest)));
            }
            Step::More { skip } => {
                window.drain(..skip);
                if offered == input.len() {
                    return Ok(None);
                }
                let end = (offered + piece).min(input.len());
                window.extend_from_slice(&input[offered..end]);
                offered = end;
            }
        }
    }
}

fn check(input: &str, expected: Result<Option<(&str, &str, &str)>, ChunkedError>) {
    let expected = expected.map(|whole| {
        whole.map(|(a, b, c)| (a.as_bytes().to_vec(), b.as_bytes().to_vec(), c.as_bytes().to_vec()))
    });
    for piece in [1, 2, 3, 7, usize::MAX >> 1] {
        assert_eq!(decode(input.as_bytes(), piece, 64), expected, "{input:?} in pieces of {piece}");
    }
}

#[test]
fn decodes_however_the_bytes_arrive() {
    check("5\r\nhello\r\n0\r\n\r\n", Ok(Some(("hello", "\r\n", ""))));
    check("5\r\nhello\r\n6;a=b\r\n world\r\n000\r\n\r\nGET", Ok(Some(("hello world", "\r\n", "GET"))));
    check("A\r\n0123456789\r\na;x=\"y z\"\r\n0123456789\r\n0;last\r\nA: b\r\nC: d\r\n\r\n", {
        Ok(Some(("01234567890123456789", "A: b\r\nC: d\r\n\r\n", "")))
    });
    check("0\r\n\r\n", Ok(Some(("", "\r\n", ""))));
    check("5\r\nhel", Ok(None));
    check("5\r\nhello\r\n0\r\nA: b\r\n", Ok(None));
}

#[test]
fn semantics_1_3_refuses_what_two_readers_read_differently() {
    for input in
        ["\r\n", " 5\r\n", "5 \r\n", "5 ;a\r\n", "+5\r\n", "-1\r\n", "0x5\r\n", "g\r\n", ";a\r\n", "5\n"]
    {
        check(input, Err(ChunkedError::Size));
    }
    check("00000000000000005\r\nhello\r\n", Err(ChunkedError::Size));
    check("fffffffffffffffff\r\n", Err(ChunkedError::Size));
    check("5\r\rhello", Err(ChunkedError::LineEnd));
    check("5\r\nhello!\r\n", Err(ChunkedError::LineEnd));
    check("5\r\nhello\n0\r\n\r\n", Err(ChunkedError::LineEnd));
    check("5\r\nhello\r0\r\n\r\n", Err(ChunkedError::LineEnd));
    check("5;a\nhello\r\n", Err(ChunkedError::Extension));
    check("5;a\0\r\nhello\r\n", Err(ChunkedError::Extension));
    check(&format!("5;{}\r\n", "a".repeat(256)), Err(ChunkedError::Extension));
    check("0\r\nA: b\n\r\n", Err(ChunkedError::Trailers));
    check("0\r\n A: b\r\n\r\n", Err(ChunkedError::Trailers));
    check(&format!("0\r\nA: {}\r\n\r\n", "b".repeat(64)), Err(ChunkedError::Trailers));
}

#[test]
fn a_huge_size_is_no_overflow() {
    check("ffffffffffffffff\r\nabc", Ok(None));
}

#[test]
fn framing_without_content_is_an_attack() {
    let body = format!("1;{}\r\na\r\n", "x".repeat(200)).repeat(200);
    check(&body, Err(ChunkedError::Overhead));
    let honest = "1\r\na\r\n".repeat(10_000) + "0\r\n\r\n";
    check(&honest, Ok(Some((&"a".repeat(10_000), "\r\n", ""))));
}

#[test]
fn overhead_is_refused_at_the_same_byte_however_it_arrives() {
    // Framing used to be counted when a step ended, so that the extension of the last chunk counted only if it came in
    // more than one piece: the same body was whole for one reader and an attack for another.
    let mut refused = 0;
    for chunks in 60..80 {
        let body = format!("1;{}\r\na\r\n", "x".repeat(250)).repeat(chunks)
            + &format!("0;{}\r\n\r\n", "x".repeat(250));
        let whole = decode(body.as_bytes(), body.len(), 64);
        for piece in [1, 2, 255, 1000] {
            assert_eq!(decode(body.as_bytes(), piece, 64), whole, "{chunks} chunks in pieces of {piece}");
        }
        refused += usize::from(whole == Err(ChunkedError::Overhead));
    }
    assert!((1..20).contains(&refused), "the limit lies between the smallest and the largest body");
}

#[test]
fn a_limit_of_no_trailers_lets_bodies_without_trailers_end() {
    // The empty line behind the last chunk counted against the limit, so that a limit of 0 refused every chunked body.
    for limit in 0..=2 {
        for piece in [1, 7] {
            let whole = decode(b"1\r\na\r\n0\r\n\r\n", piece, limit);
            assert_eq!(whole, Ok(Some((b"a".to_vec(), b"\r\n".to_vec(), Vec::new()))), "limit {limit}");
            assert_eq!(
                decode(b"0\r\nA: b\r\n\r\n", piece, limit),
                Err(ChunkedError::Trailers),
                "limit {limit}"
            );
        }
    }
}

#[test]
fn sizes_are_written_as_they_are_read() {
    for (size, expected) in
        [(0, "0\r\n"), (1, "1\r\n"), (15, "f\r\n"), (16, "10\r\n"), (usize::MAX, "ffffffffffffffff\r\n")]
    {
        assert_eq!(ChunkSize::of(size).as_bytes(), expected.as_bytes());
    }
    assert_eq!([ChunkSize::of(0).as_bytes(), b"\r\n"].concat(), LAST_CHUNK);
}
