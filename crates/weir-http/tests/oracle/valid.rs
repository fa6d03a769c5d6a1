//! Well-formed messages with every feature, in every legal spelling.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::message::{Message, Start, sorted, with_plain_length};

/// A field as it stands on the wire.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) name: String,
    /// White space on both sides of the value.
    space: (&'static str, &'static str),
    pub(crate) value: Vec<u8>,
}

impl Line {
    fn plain(name: &str, value: &str) -> Self {
        Self { name: name.to_owned(), space: (" ", ""), value: value.into() }
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.name.as_bytes());
        out.push(b':');
        out.extend_from_slice(self.space.0.as_bytes());
        out.extend_from_slice(&self.value);
        out.extend_from_slice(self.space.1.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// A chunk: its content, the zeros before its size, whether that is in upper case, and its extension.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    pub(crate) content: Vec<u8>,
    zeros: usize,
    upper: bool,
    extension: String,
}

impl Chunk {
    fn write_size(&self, out: &mut Vec<u8>) {
        let size = self.content.len();
        let digits = if self.upper { format!("{size:X}") } else { format!("{size:x}") };
        let line = format!("{}{digits}{}\r\n", "0".repeat(self.zeros), self.extension);
        out.extend_from_slice(line.as_bytes());
    }
}

/// What follows the head.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    None,
    Sized(Vec<u8>),
    /// Chunks, of which the last one, which is empty, is not among them; its size line; trailers.
    Chunked(Vec<Chunk>, Chunk, Vec<Line>),
    /// Answers only.
    UntilClose(Vec<u8>),
}

/// A message as it is put on the wire.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    pub(crate) start: Start,
    pub(crate) http10: bool,
    /// Among them the one that frames the body.
    pub(crate) lines: Vec<Line>,
    pub(crate) body: Body,
}

impl Spec {
    /// The message on the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let version: &[u8] = if self.http10 { b"HTTP/1.0" } else { b"HTTP/1.1" };
        let mut out = match &self.start {
            Start::Request(method, target) => [method, &b" "[..], target, b" ", version, b"\r\n"].concat(),
            Start::Answer(status, reason) => {
                [version, format!(" {status} ").as_bytes(), reason, b"\r\n"].concat()
            }
        };
        self.lines.iter().for_each(|line| line.write(&mut out));
        out.extend_from_slice(b"\r\n");
        match &self.body {
            Body::None => {}
            Body::Sized(content) | Body::UntilClose(content) => out.extend_from_slice(content),
            Body::Chunked(chunks, last, trailers) => {
                for chunk in chunks {
                    chunk.write_size(&mut out);
                    out.extend_from_slice(&chunk.content);
                    out.extend_from_slice(b"\r\n");
                }
                last.write_size(&mut out);
                trailers.iter().for_each(|line| line.write(&mut out));
                out.extend_from_slice(b"\r\n");
            }
        }
        out
    }

    /// What a reader must make of it.
    pub(crate) fn message(&self) -> Message {
        let fields =
            |lines: &[Line]| sorted(lines.iter().map(|line| (line.name.clone(), line.value.clone())));
        let (body, trailers) = match &self.body {
            Body::None => (Vec::new(), Vec::new()),
            Body::Sized(content) | Body::UntilClose(content) => (content.clone(), Vec::new()),
            Body::Chunked(chunks, _, trailers) => {
                (chunks.iter().flat_map(|chunk| chunk.content.clone()).collect(), fields(trailers))
            }
        };
        Message {
            start: self.start.clone(),
            http10: self.http10,
            fields: with_plain_length(fields(&self.lines)),
            body,
            trailers,
        }
    }
}

const NAMES: &[&str] = &[
    "Host",
    "accept",
    "COOKIE",
    "Cookie",
    "Set-Cookie",
    "X-Forwarded-For",
    "x-request-id",
    "Te",
    "Via",
    "Upgrade",
    "Expect",
    "Trailer",
    "Keep-Alive",
    "X",
    "!#$%&'*+-.^_`|~09",
    "Content-Lengths",
    "Transfer-Encodin",
    "ETag",
    "Proxy-Connection",
    "X-A",
    "x-a",
];

/// Content that looks like the beginning of another message, to whoever loses count.
const DECOYS: &[&str] = &[
    "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
    "0\r\n\r\n",
    "\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "5\r\nhello\r\n",
    "\r\n",
];

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => "[!-~]([ -~]{0,30}[!-~])?".prop_map(String::into_bytes),
        2 => Just(Vec::new()),
        1 => "[!-~][\t -~]{0,10}[!-~]".prop_map(String::into_bytes),
        1 => vec(0x80..=0xffu8, 1..12),
        1 => "[a-z]{100,400}".prop_map(String::into_bytes),
        1 => select(vec!["100-continue", "websocket", "trailers", "chunked", "5"]).prop_map(Into::into),
    ]
}

fn space() -> impl Strategy<Value = (&'static str, &'static str)> {
    (select(vec![" ", " ", " ", "", "  ", "\t", " \t "]), select(vec!["", "", "", " ", "\t", "  \t"]))
}

fn line() -> impl Strategy<Value = Line> {
    (select(NAMES), space(), value()).prop_map(|(name, space, value)| Line {
        name: name.to_owned(),
        space,
        value,
    })
}

fn connection() -> impl Strategy<Value = Option<Line>> {
    let options = select(vec!["keep-alive", "close", "Keep-Alive, X-A", "upgrade", "x-a,, te ,"]);
    let name = select(vec!["Connection", "connection", "CONNECTION"]);
    prop_oneof![
        2 => Just(None),
        1 => (name, options, space()).prop_map(|(name, value, space)| {
            Some(Line { name: name.to_owned(), space, value: value.into() })
        }),
    ]
}

fn content() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        2 => vec(any::<u8>(), 0..40),
        2 => select(DECOYS).prop_map(Into::into),
        1 => vec(any::<u8>(), 200..600),
    ]
}

fn extension() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just(String::new()),
        1 => "(;[a-z]{1,5}(=[a-z0-9]{1,5})?){1,3}",
        1 => Just(";a=\"b;c \\\" d\"".to_owned()),
        1 => Just("; a = b\t".to_owned()),
        1 => Just(";".to_owned()),
    ]
}

fn chunk(content: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Chunk> {
    (content, prop_oneof![4 => Just(0), 1 => 1..8usize], any::<bool>(), extension())
        .prop_map(|(content, zeros, upper, extension)| Chunk { content, zeros, upper, extension })
}

fn chunked() -> impl Strategy<Value = Body> {
    let filled = content().prop_filter("only the last chunk is empty", |content| !content.is_empty());
    (vec(chunk(filled), 0..4), chunk(Just(Vec::new())), vec(line(), 0..3))
        .prop_map(|(chunks, last, trailers)| Body::Chunked(chunks, last, trailers))
}

fn framing_line(body: &Body, zeros: usize, space: (&'static str, &'static str)) -> Option<Line> {
    let (name, value) = match body {
        Body::None | Body::UntilClose(_) => return None,
        Body::Sized(content) => (
            ["Content-Length", "content-length", "CONTENT-LENGTH"][zeros % 3],
            "0".repeat(zeros) + &content.len().to_string(),
        ),
        Body::Chunked(..) => (
            ["Transfer-Encoding", "transfer-encoding", "TRANSFER-ENCODING"][zeros % 3],
            ["chunked", "Chunked", "CHUNKED"][zeros % 3].to_owned(),
        ),
    };
    Some(Line { name: name.to_owned(), space, value: value.into_bytes() })
}

fn spec(
    start: impl Strategy<Value = Start>,
    body: impl Strategy<Value = Body>,
) -> impl Strategy<Value = Spec> {
    (start, prop::bool::weighted(0.15), vec(line(), 0..8), connection(), body, 0..4usize, space(), 0..9usize)
        .prop_map(|(start, http10, mut lines, connection, body, zeros, space, place)| {
            lines.extend(connection);
            let framing = framing_line(&body, zeros, space);
            let place = place.min(lines.len());
            let http10 = http10 && !matches!(body, Body::Chunked(..));
            lines.splice(place..place, framing);
            Spec { start, http10, lines, body }
        })
}

fn target() -> impl Strategy<Value = Vec<u8>> {
    let origin = "/[a-zA-Z0-9%/._~!$&'()*+,;=:@-]{0,20}(\\?[a-zA-Z0-9%/?._~!$&'()*+,;=:@-]{0,12})?";
    prop_oneof![
        6 => origin.prop_map(String::into_bytes),
        1 => "(http|HTTP|https)://[a-z0-9]{1,8}(\\.[a-z]{1,5})?(:[1-9][0-9]{0,3})?(/[a-z%/.]{0,9})?(\\?[a-z=&]{0,9})?"
            .prop_map(String::into_bytes),
        1 => Just(b"*".to_vec()),
        1 => "(localhost|h\\.example|\\[::1\\]):[1-9][0-9]{0,3}".prop_map(String::into_bytes),
        1 => Just("/ä?ö".into()),
    ]
}

fn request_start() -> impl Strategy<Value = Start> {
    let methods = vec![
        "GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "M-SEARCH", "get", "!#$",
    ];
    (select(methods), target()).prop_map(|(method, target)| Start::Request(method.into(), target))
}

/// A request.
pub(crate) fn request() -> impl Strategy<Value = Spec> {
    let body = prop_oneof![Just(Body::None), content().prop_map(Body::Sized), chunked()];
    spec(request_start(), body)
}

/// An answer to anything but HEAD and CONNECT, with a body of any framing.
pub(crate) fn answer() -> impl Strategy<Value = Spec> {
    let start =
        (select(vec![200u16, 201, 206, 302, 404, 500, 599]), select(vec!["OK", "", "Not so  fine!", "\ta"]))
            .prop_map(|(status, reason)| Start::Answer(status, reason.into()));
    let body = prop_oneof![content().prop_map(Body::Sized), chunked(), content().prop_map(Body::UntilClose)];
    spec(start, body)
}

/// An answer behind which its connection goes on.
pub(crate) fn persistent_answer() -> impl Strategy<Value = Spec> {
    answer().prop_map(|mut spec| {
        spec.http10 = false;
        spec.lines.retain(|line| !line.name.eq_ignore_ascii_case("connection"));
        if let Body::UntilClose(content) = spec.body {
            spec.lines.push(Line::plain("Content-Length", &content.len().to_string()));
            spec.body = Body::Sized(content);
        }
        spec
    })
}

/// An answer without a body, whatever its fields say: to HEAD, or with a status that has none.
pub(crate) fn bodiless_answer() -> impl Strategy<Value = (&'static str, Spec)> {
    let kinds =
        vec![("HEAD", 200u16), ("HEAD", 404), ("GET", 204), ("GET", 304), ("GET", 101), ("CONNECT", 200)];
    let says = select(vec![None, Some(("Content-Length", "5")), Some(("Transfer-Encoding", "chunked"))]);
    (select(kinds), vec(line(), 0..5), says).prop_map(|((method, status), mut lines, says)| {
        lines.extend(says.map(|(name, value)| Line::plain(name, value)));
        let start = Start::Answer(status, b"any".to_vec());
        (method, Spec { start, http10: false, lines, body: Body::None })
    })
}

/// Interim answers, any number of them, on the wire.
pub(crate) fn interim() -> impl Strategy<Value = Vec<u8>> {
    let one = (select(vec![100u16, 102, 103]), vec(line(), 0..3)).prop_map(|(status, lines)| {
        let start = Start::Answer(status, b"Interim".to_vec());
        Spec { start, http10: false, lines, body: Body::None }.bytes()
    });
    vec(one, 0..3).prop_map(|all| all.concat())
}
