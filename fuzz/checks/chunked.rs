//! The chunked coding: however the bytes are split, the same content comes out, and what comes out can be written again.

use weir_http::chunked::{ChunkSize, ChunkedDecoder, ChunkedError, Step};

/// Small enough that the fuzzer finds the way past it.
const TRAILER_BYTES_MAX: usize = 128;

/// What a body turned out to be.
#[derive(Debug, PartialEq, Eq)]
struct Body {
    content: Vec<u8>,
    trailers: Vec<u8>,
    /// Bytes of the input that belong to it.
    length: usize,
}

/// Decodes the input as it arrives in pieces of `piece` bytes. `None` when it ends before the body does.
fn decode(input: &[u8], piece: usize) -> Result<Option<Body>, ChunkedError> {
    let mut decoder = ChunkedDecoder::new(TRAILER_BYTES_MAX);
    let mut content = Vec::new();
    let mut position = 0;
    let mut arrived = piece.min(input.len());
    loop {
        let bytes = &input[position..arrived];
        match decoder.step(bytes)? {
            Step::Content { skip, length } => {
                assert!(length > 0 && skip + length <= bytes.len(), "content that has not arrived");
                content.extend_from_slice(&bytes[skip..skip + length]);
                decoder.consumed(length);
                position += skip + length;
            }
            Step::More { skip } => {
                assert!(skip <= bytes.len(), "framing that has not arrived");
                position += skip;
                if arrived == input.len() {
                    assert!(!decoder.is_end(), "the end is said once it is seen");
                    return Ok(None);
                }
                arrived = (arrived + piece).min(input.len());
            }
            Step::End { skip, trailers } => {
                let end = position + skip + trailers;
                assert!(end <= arrived, "an end that has not arrived");
                let trailers = input[position + skip..end].to_vec();
                return Ok(Some(Body { content, trailers, length: end }));
            }
        }
    }
}

/// Holds any bytes against what must be true of them.
pub(crate) fn check(input: &[u8]) {
    let whole = decode(input, usize::MAX);
    assert_eq!(whole, decode(input, 1), "byte by byte");
    assert_eq!(whole, decode(input, 3), "in threes");
    let Ok(Some(body)) = whole else { return };
    assert!(body.length <= input.len());
    // What we would send on means the same.
    let mut written = Vec::new();
    if !body.content.is_empty() {
        written.extend_from_slice(ChunkSize::of(body.content.len()).as_bytes());
        written.extend_from_slice(&body.content);
        written.extend_from_slice(b"\r\n");
    }
    written.extend_from_slice(b"0\r\n");
    written.extend_from_slice(&body.trailers);
    let length = written.len();
    assert_eq!(decode(&written, usize::MAX), Ok(Some(Body { length, ..body })));
}
