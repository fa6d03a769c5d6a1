//! What the codec does for one exchange, again and again: `cargo xtask bench instructions` counts its instructions.
//!
//! Usage: `codec COUNT`. It prints how many bytes it has written, so that nothing of it can be left out.

#![allow(clippy::print_stdout, reason = "a program for a yardstick: it prints")]

use std::hint::black_box;

use weir_http::framing::{self, Direction};
use weir_http::head::Head;
use weir_http::method::Method;

const REQUEST: &[u8] = b"GET /catalogue/items?page=2 HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: curl/8.5.0\r\n\
Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\nAccept-Encoding: gzip, deflate\r\nAccept-Language: en\r\n\
Cookie: session=0123456789abcdef; theme=dark\r\nConnection: keep-alive\r\n\r\n";

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nServer: example\r\nDate: Sun, 22 Nov 2026 02:00:00 GMT\r\n\
Content-Type: text/html; charset=utf-8\r\nContent-Length: 127\r\nCache-Control: no-store\r\nETag: \"0123456789\"\r\n\r\n";

const FIELDS_MAX: usize = 100;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count: usize = std::env::args().nth(1).ok_or("how often?")?.parse()?;
    let (mut request, mut answer, mut written, mut bytes) = (Head::default(), Head::default(), Vec::new(), 0);
    for _ in 0..count {
        request.parse_request(black_box(REQUEST), FIELDS_MAX).map_err(|error| format!("{error:?}"))?;
        black_box(framing::decide(&mut request, Direction::Request)?);
        written.clear();
        request.write(&mut written);
        bytes += black_box(&written).len();
        answer.parse_answer(black_box(ANSWER), FIELDS_MAX).map_err(|error| format!("{error:?}"))?;
        black_box(framing::decide(&mut answer, Direction::Answer(Method::Get))?);
        written.clear();
        answer.write(&mut written);
        bytes += black_box(&written).len();
    }
    println!("{bytes}");
    Ok(())
}
