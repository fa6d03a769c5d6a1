//! Answers of servers that two readers could read differently, and what comes behind them.

use weir_testkit::client::connect;
use weir_testkit::message::{Broken, Message};
use weir_testkit::proxy;
use weir_testkit::socket::Socket;

use super::poisonous;

/// What the client gets.
#[derive(Debug, Clone, Copy)]
enum Verdict {
    /// 502, and its connection goes on.
    BadGateway,
    /// This status and this body, and its connection goes on.
    Passed(u16, &'static str),
    /// 502 if nothing of it had gone on yet, or else something that can't be taken for a whole answer.
    Cut,
}

use Verdict::{BadGateway, Cut, Passed};

/// What stands behind every answer, unless the end of the connection ends it.
const BEHIND: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";

/// A rule, an answer to GET, and what becomes of it.
type Row<'a> = (&'a str, &'a str, Verdict);

fn check_all(rows: &[Row<'_>]) {
    for (rule, answer, verdict) in rows {
        check(rule, "GET", answer, *verdict);
    }
}

/// The client asks again afterwards, and gets an answer of another connection.
fn check(rule: &str, method: &str, answer: &str, verdict: Verdict) {
    let shown = format!("{rule}: {:?}", answer.chars().take(300).collect::<String>());
    let server = poisonous([answer, BEHIND].concat().into_bytes());
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    client.send(format!("{method} / HTTP/1.1\r\nHost: a.test\r\n\r\n"));
    let got = if method == "HEAD" { Ok(client.answer_to_head()) } else { final_answer(&mut client) };
    match (verdict, got) {
        (BadGateway, Ok(got)) => assert_eq!(got.status(), 502, "{shown}: {got}"),
        (Passed(status, body), Ok(got)) => {
            assert_eq!((got.status(), &*got.text()), (status, body), "{shown}: {got}");
        }
        // Nothing of it had gone on yet.
        (Cut, Ok(got)) if got.status() == 502 => {}
        (Cut, Err(broken)) => {
            assert!(broken.end.is_some(), "{shown}: {broken}");
            assert!(!String::from_utf8_lossy(&broken.got).contains("poison"), "{shown}: {broken}");
            client = connect(&proxy);
        }
        (verdict, got) => panic!("{shown}: not {verdict:?} but {got:?}"),
    }
    let next = client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").answer();
    assert_eq!((next.status(), &*next.text()), (200, "clean"), "{shown}: {next}");
}

/// The first answer that is no interim one.
fn final_answer(client: &mut Socket) -> Result<Message, Broken> {
    loop {
        let answer = client.try_answer()?;
        if answer.status() >= 200 {
            return Ok(answer);
        }
    }
}

#[test]
fn status_lines() {
    check_all(&[
        ("RFC 9112 §4", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", Passed(200, "hi")),
        ("RFC 9112 §4: no reason", "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nhi", Passed(200, "hi")),
        (
            "RFC 9112 §4: many leave the space away",
            "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nhi",
            Passed(200, "hi"),
        ),
        (
            "RFC 9110 §15: an unknown status is one",
            "HTTP/1.1 299 X\r\nContent-Length: 2\r\n\r\nhi",
            Passed(299, "hi"),
        ),
        (
            "RFC 9110 §15: and so are those up to 599",
            "HTTP/1.1 599 X\r\nContent-Length: 2\r\n\r\nhi",
            Passed(599, "hi"),
        ),
        ("RFC 9112 §4: no answer", "garbage\r\n\r\n", BadGateway),
        ("RFC 9112 §4: no status", "HTTP/1.1 OK\r\n\r\n", BadGateway),
        ("RFC 9112 §4: two digits", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n", BadGateway),
        ("RFC 9112 §4: four digits", "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n", BadGateway),
        ("RFC 9112 §4: a sign", "HTTP/1.1 +20 OK\r\nContent-Length: 0\r\n\r\n", BadGateway),
        ("RFC 9112 §4: no digits", "HTTP/1.1 2xx OK\r\nContent-Length: 0\r\n\r\n", BadGateway),
        ("RFC 9110 §15: below 100", "HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n", BadGateway),
        ("RFC 9110 §15: over 599", "HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n", BadGateway),
        ("RFC 9112 §4: two spaces", "HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n", BadGateway),
        ("RFC 9112 §4: a tab", "HTTP/1.1\t200 OK\r\nContent-Length: 0\r\n\r\n", BadGateway),
        ("RFC 9112 §2.3: another version", "HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n", BadGateway),
        ("RFC 9112 §2.3: another version", "HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n", BadGateway),
        ("RFC 9112 §2.3: 0.9", "<html>hello</html>", BadGateway),
        ("RFC 9112 §2.3: the name has a case", "http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", BadGateway),
        ("RFC 9112 §2.3: another protocol", "ICY 200 OK\r\n\r\n", BadGateway),
        ("RFC 9112 §4: a space before it", " HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", BadGateway),
        ("RFC 9112 §4: a NUL in the reason", "HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n", BadGateway),
        ("RFC 9112 §4: a request", "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", BadGateway),
    ]);
}

#[test]
fn heads() {
    check_all(&[
        ("§1.3 bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", BadGateway),
        ("§1.3 bare LF behind the first line", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", BadGateway),
        ("§1.3 bare LF behind a field", "HTTP/1.1 200 OK\r\nContent-Length: 0\n\r\n", BadGateway),
        ("§1.3 bare CR in a value", "HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n", BadGateway),
        ("§1.3 a NUL in a value", "HTTP/1.1 200 OK\r\nX: \0\r\nContent-Length: 0\r\n\r\n", BadGateway),
        ("§1.3 a NUL in a name", "HTTP/1.1 200 OK\r\nX\0: y\r\nContent-Length: 0\r\n\r\n", BadGateway),
        ("§1.3 folded", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n", BadGateway),
        ("§1.3 folded first", "HTTP/1.1 200 OK\r\n X: a\r\nContent-Length: 0\r\n\r\n", BadGateway),
        ("§1.3 space before the colon", "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n", BadGateway),
        ("RFC 9112 §5: no colon", "HTTP/1.1 200 OK\r\nX\r\nContent-Length: 0\r\n\r\n", BadGateway),
        ("RFC 9110 §5.1: an empty name", "HTTP/1.1 200 OK\r\n: x\r\nContent-Length: 0\r\n\r\n", BadGateway),
        ("RFC 9110 §5.1: no token", "HTTP/1.1 200 OK\r\nX y: z\r\nContent-Length: 0\r\n\r\n", BadGateway),
        (
            "RFC 9110 §5.5: a control character",
            "HTTP/1.1 200 OK\r\nX: \x01\r\nContent-Length: 0\r\n\r\n",
            BadGateway,
        ),
        (
            "RFC 9110 §5.5: bytes over 127 are opaque",
            "HTTP/1.1 200 OK\r\nX: \u{fc}\r\nContent-Length: 2\r\n\r\nhi",
            Passed(200, "hi"),
        ),
        (
            "§1.4 Connection names framing",
            "HTTP/1.1 200 OK\r\nConnection: Content-Length\r\nContent-Length: 2\r\n\r\nhi",
            BadGateway,
        ),
    ]);
}

#[test]
fn lengths() {
    check_all(&[
        ("§1.3 twice", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 9\r\n\r\nhi", BadGateway),
        (
            "§1.3 twice the same",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
            BadGateway,
        ),
        ("§1.3 a list", "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nhi", BadGateway),
        ("§1.3 a sign", "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nhi", BadGateway),
        ("§1.3 a sign", "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nhi", BadGateway),
        ("§1.3 hex", "HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nhi", BadGateway),
        ("§1.3 empty", "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhi", BadGateway),
        ("§1.3 space inside", "HTTP/1.1 200 OK\r\nContent-Length: 1 0\r\n\r\nhi", BadGateway),
        (
            "§1.3 over 64 bits",
            "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551618\r\n\r\nhi",
            BadGateway,
        ),
        (
            "§1.3 both",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            BadGateway,
        ),
        (
            "§1.3 both",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
            BadGateway,
        ),
        (
            "RFC 9112 §6.3: too long for its length",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi there",
            Passed(200, "hi"),
        ),
        ("RFC 9110 §15.3.5: 204 has none", "HTTP/1.1 204 No Content\r\n\r\n", Passed(204, "")),
        (
            "RFC 9110 §15.4.5: nor has 304, whatever it says",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n",
            Passed(304, ""),
        ),
    ]);
    check(
        "RFC 9112 §6.3: nor has any answer to HEAD",
        "HEAD",
        "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n",
        Passed(200, ""),
    );
    check(
        "RFC 9112 §6.3: nor has any answer to HEAD",
        "HEAD",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        Passed(200, ""),
    );
    check(
        "RFC 9112 §6.3: nor may it send one",
        "HEAD",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        Passed(200, ""),
    );
}

/// `010` is ten by RFC 9110 §8.6, and eight to a program that reads numbers as C does: what goes on has one reading, also where
/// the length is only told.
#[test]
fn a_length_with_zeros_before_it_goes_on_without() {
    let body = "0123456789";
    for (method, head, length) in [
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 010\r\n\r\n", "10"),
        (
            "GET",
            "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length:  0000000000000000010\r\n\r\n",
            "10",
        ),
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 010\r\n\r\n", "10"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 010\r\n\r\n", "10"),
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 00\r\n\r\n", "0"),
    ] {
        let has_body = method == "GET" && head.contains("200");
        let server = poisonous([head, if has_body { body } else { "" }].concat().into_bytes());
        let proxy = proxy::to(&server);
        let mut client = connect(&proxy);
        client.send(format!("{method} / HTTP/1.1\r\nHost: a.test\r\n\r\n"));
        let got = if has_body { client.answer() } else { client.answer_to_head() };
        assert_eq!(got.all("content-length"), [length], "{method} {head:?}: {got}");
        assert_eq!(&*got.text(), if has_body { body } else { "" }, "{method} {head:?}");
    }
}

#[test]
fn answers_without_a_body_have_none() {
    check_all(&[
        (
            "RFC 9110 §15.3.5: 204 with one",
            "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nhi",
            Passed(204, ""),
        ),
        (
            "RFC 9110 §15.3.5: 204 with chunks",
            "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
            Passed(204, ""),
        ),
        (
            "RFC 9110 §15.4.5: 304 with one",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nhi",
            Passed(304, ""),
        ),
        (
            "RFC 9110 §15.4.5: 304 with chunks",
            "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
            Passed(304, ""),
        ),
        (
            "RFC 9112 §6.3: with two lengths",
            "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nContent-Length: 2\r\n\r\n",
            BadGateway,
        ),
        (
            "RFC 9112 §6.3: with length and coding",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
            BadGateway,
        ),
        ("RFC 9112 §6.2: nothing in it", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nhi", Passed(200, "")),
        (
            "RFC 9112 §6.2: leading zeros",
            "HTTP/1.1 200 OK\r\nContent-Length: 0002\r\n\r\nhi",
            Passed(200, "hi"),
        ),
    ]);
}

#[test]
fn codings() {
    check_all(&[
        (
            "RFC 9112 §7: names of codings have no case",
            "HTTP/1.1 200 OK\r\nTRANSFER-ENCODING: Chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
            Passed(200, "hi"),
        ),
        (
            "§1.3 a coding behind a bare LF",
            "HTTP/1.1 200 OK\r\nX: y\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\nhi",
            BadGateway,
        ),
        (
            "§1.3 a bare CR in an extension",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a\rb\r\nhi\r\n0\r\n\r\n",
            Cut,
        ),
        (
            "§1.3 a space behind a size",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2 \r\nhi\r\n0\r\n\r\n",
            Cut,
        ),
        (
            "RFC 9112 §7.1: nothing behind the data",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi0\r\n\r\n",
            Cut,
        ),
        (
            "RFC 9112 §7.1",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
            Passed(200, "hi"),
        ),
        (
            "RFC 9112 §7.1.1: extensions",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nhi\r\n0;c\r\n\r\n",
            Passed(200, "hi"),
        ),
        ("§1.3 another coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhi", BadGateway),
        (
            "§1.3 two codings",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            BadGateway,
        ),
        (
            "§1.3 twice",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            BadGateway,
        ),
        ("§1.3 identity", "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhi", BadGateway),
        (
            "§1.3 a spelling of it",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
            BadGateway,
        ),
        ("§1.3 nothing", "HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n\r\nhi", BadGateway),
        ("§1.3 HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BadGateway),
        (
            "RFC 9112 §7.1: no hex",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\nhi\r\n0\r\n\r\n",
            Cut,
        ),
        (
            "RFC 9112 §7.1: a sign",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\nhi\r\n0\r\n\r\n",
            Cut,
        ),
        (
            "RFC 9112 §7.1: a prefix",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\nhi\r\n0\r\n\r\n",
            Cut,
        ),
        (
            "RFC 9112 §7.1: over 64 bits",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000002\r\nhi\r\n0\r\n\r\n",
            Cut,
        ),
        (
            "RFC 9112 §7.1: too long",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nhi\r\n0\r\n\r\n",
            Cut,
        ),
        (
            "RFC 9112 §7.1: too short",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhi\r\n0\r\n\r\n",
            Cut,
        ),
        ("§1.3 bare LF", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\nhi\n0\n\n", Cut),
        (
            "§1.3 a bad trailer",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX : y\r\n\r\n",
            Cut,
        ),
        (
            "RFC 9110 §6.5.1: framing in a trailer",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nContent-Length: 9\r\n\r\n",
            Passed(200, "hi"),
        ),
    ]);
}

#[test]
fn trailers() {
    let server_says = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n";
    // What must not stand there is left out, and nothing of it becomes a field of the answer.
    for (rule, trailer) in [
        ("RFC 9110 §6.5.1: framing", "Transfer-Encoding: chunked"),
        ("RFC 9110 §6.5.1: framing", "Content-Length: 0"),
        (
            "RFC 9110 §6.5.1: content",
            "Content-Type: text/html\r\nContent-Encoding: gzip\r\nContent-Range: bytes 0-1/9",
        ),
        ("RFC 9110 §6.5.1: control", "Set-Cookie: session=poison\r\nLocation: http://b.test/"),
        ("RFC 9110 §6.5.1: more trailers", "Trailer: X"),
        ("§1.4 for this hop", "Connection: close\r\nKeep-Alive: timeout=1\r\nUpgrade: websocket"),
        ("§1.8 ours", "Via: 1.1 b\r\nX-Request-Id: 1\r\nX-Backend-Server: b"),
    ] {
        let server = poisonous(format!("{server_says}{trailer}\r\nX-Sum: 1\r\n\r\n{BEHIND}").into_bytes());
        let proxy = proxy::to(&server);
        let mut client = connect(&proxy);
        let got = client.send("GET / HTTP/1.1\r\nHost: a.test\r\nTE: trailers\r\n\r\n").answer().expect(200);
        assert_eq!(got.text(), "hi", "{rule}: {trailer:?}");
        let kept: Vec<_> = got.trailers.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(kept, [("X-Sum", "1")], "{rule}: {trailer:?}");
        let line = trailer.lines().next().unwrap();
        assert!(line.starts_with("Transfer-") || !got.to_string().contains(line), "{rule}: {got}");
        let next = client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").answer();
        assert_eq!((next.status(), &*next.text()), (200, "clean"), "{rule}: {next}");
    }
    for (rule, trailer) in [
        ("§1.3 folded", "X: y\r\n z"),
        ("§1.3 bare LF", "X: y\nZ: z"),
        ("§1.3 a NUL", "X: \0"),
        ("RFC 9112 §5: no colon", "X"),
        ("RFC 9112 §5: an answer for trailers", "HTTP/1.1 200 OK"),
    ] {
        check(rule, "GET", &format!("{server_says}{trailer}\r\n\r\n"), Cut);
    }
    let many = |count: usize| format!("{server_says}{}\r\n", "A: b\r\n".repeat(count));
    check("`limits.fields`: a hundred trailers", "GET", &many(100), Passed(200, "hi"));
    check("`limits.fields`: one more", "GET", &many(101), Cut);
    let long = |bytes: usize| format!("{server_says}A: {}\r\n\r\n", "a".repeat(bytes));
    check("`limits.head`: a trailer within it", "GET", &long(32 * 1024 - 100), Passed(200, "hi"));
    check("`limits.head`: a longer one", "GET", &long(32 * 1024), Cut);
}

#[test]
fn long_heads() {
    let fields = |count: usize| {
        format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{}\r\nhi", "A: b\r\n".repeat(count - 1))
    };
    check("`limits.fields`: a hundred", "GET", &fields(100), Passed(200, "hi"));
    check("`limits.fields`: one more", "GET", &fields(101), BadGateway);
    let long = |begin: &str, bytes: usize, end: &str| {
        let rest = bytes - begin.len() - end.len();
        format!("{begin}{}{end}hi", "a".repeat(rest))
    };
    const LIMIT: usize = 32 * 1024;
    let field = ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nA: ", "\r\n\r\n");
    let name = ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nA", ": b\r\n\r\n");
    let reason = ("HTTP/1.1 200 ", "\r\nContent-Length: 2\r\n\r\n");
    for (rule, (begin, end)) in [
        ("`limits.head`: a value", field),
        ("`limits.head`: a name", name),
        ("`limits.head`: a reason", reason),
    ] {
        check(rule, "GET", &long(begin, LIMIT, end), Passed(200, "hi"));
        check(rule, "GET", &long(begin, LIMIT + 1, end), BadGateway);
    }
    let interim = format!("HTTP/1.1 103 Early Hints\r\nLink: {}\r\n\r\n{}", "a".repeat(LIMIT), fields(1));
    check("`limits.head`: an interim answer", "GET", &interim, BadGateway);
}

#[test]
fn interim_answers() {
    let flood = "HTTP/1.1 102 Processing\r\n\r\n".repeat(200);
    check("semantics §1.5: a flood", "GET", &flood, BadGateway);
    check_all(&[
        (
            "§1.4 101 unasked",
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            BadGateway,
        ),
        ("§1.4 101 unasked, without words", "HTTP/1.1 101 Switching Protocols\r\n\r\n", BadGateway),
        (
            "RFC 9110 §15.2: with a length that it can't have",
            "HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
            Passed(200, "hi"),
        ),
    ]);
}
