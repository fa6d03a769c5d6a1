//! All forms and spellings, whole and in pieces, and pickles that want to do something.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::answer;
use super::message::{Message, Registration, Request, Senseless};
use super::*;

/// The messages that these bytes are, given in pieces of these lengths, and what is wrong behind them.
fn read(bytes: &[u8], pieces: impl IntoIterator<Item = usize>) -> (Vec<Frame>, Option<WireProblem>) {
    let mut framer = Framer::new(WireLimits::default());
    let (mut frames, mut begin, mut end) = (Vec::new(), 0, 0);
    for piece in pieces.into_iter().chain([bytes.len()]) {
        end = (end + piece).min(bytes.len());
        loop {
            match framer.advance(&bytes[begin..end]) {
                Ok(Some(frame)) => {
                    begin += frame.end;
                    frames.push(Frame { start: 0, end: 0, ..frame });
                }
                Ok(None) => break,
                Err(problem) => return (frames, Some(problem)),
            }
        }
    }
    (frames, None)
}

fn one(bytes: &[u8]) -> Value {
    let (mut frames, problem) = read(bytes, []);
    assert_eq!((frames.len(), problem), (1, None), "{}", bytes.escape_ascii());
    frames.remove(0).value
}

fn problem(bytes: &[u8]) -> Option<WireProblem> {
    read(bytes, []).1
}

fn meaning(text: &str) -> Result<Message, Senseless> {
    Message::of(&one(text.as_bytes()))
}

/// One dictionary as Python writes it in each protocol.
const PICKLES: [&[u8]; 6] = [
    b"(dp0\x0aVtype\x0ap1\x0aI0\x0asVsrcid\x0ap2\x0aI1\x0asVprivPoliId\x0ap3\x0aI111\x0asVpayload\x0ap4\x0aVxyz1\x0ap5\x0asVx\x0ap6\x0a(lp7\x0aI1\x0aaF2.5\x0aaNaI01\x0aa(I1\x0aI2\x0atp8\x0aasVbig\x0ap9\x0aL1099511627776L\x0asVneg\x0ap10\x0aI-5\x0asVu\x0ap11\x0aV\xe9\x5cu20ac\x0ap12\x0as.",
    b"}q\x00(X\x04\x00\x00\x00typeq\x01K\x00X\x05\x00\x00\x00srcidq\x02K\x01X\x0a\x00\x00\x00privPoliIdq\x03KoX\x07\x00\x00\x00payloadq\x04X\x04\x00\x00\x00xyz1q\x05X\x01\x00\x00\x00xq\x06]q\x07(K\x01G@\x04\x00\x00\x00\x00\x00\x00NI01\x0a(K\x01K\x02tq\x08eX\x03\x00\x00\x00bigq\x09L1099511627776L\x0aX\x03\x00\x00\x00negq\x0aJ\xfb\xff\xff\xffX\x01\x00\x00\x00uq\x0bX\x05\x00\x00\x00\xc3\xa9\xe2\x82\xacq\x0cu.",
    b"\x80\x02}q\x00(X\x04\x00\x00\x00typeq\x01K\x00X\x05\x00\x00\x00srcidq\x02K\x01X\x0a\x00\x00\x00privPoliIdq\x03KoX\x07\x00\x00\x00payloadq\x04X\x04\x00\x00\x00xyz1q\x05X\x01\x00\x00\x00xq\x06]q\x07(K\x01G@\x04\x00\x00\x00\x00\x00\x00N\x88K\x01K\x02\x86q\x08eX\x03\x00\x00\x00bigq\x09\x8a\x06\x00\x00\x00\x00\x00\x01X\x03\x00\x00\x00negq\x0aJ\xfb\xff\xff\xffX\x01\x00\x00\x00uq\x0bX\x05\x00\x00\x00\xc3\xa9\xe2\x82\xacq\x0cu.",
    b"\x80\x03}q\x00(X\x04\x00\x00\x00typeq\x01K\x00X\x05\x00\x00\x00srcidq\x02K\x01X\x0a\x00\x00\x00privPoliIdq\x03KoX\x07\x00\x00\x00payloadq\x04X\x04\x00\x00\x00xyz1q\x05X\x01\x00\x00\x00xq\x06]q\x07(K\x01G@\x04\x00\x00\x00\x00\x00\x00N\x88K\x01K\x02\x86q\x08eX\x03\x00\x00\x00bigq\x09\x8a\x06\x00\x00\x00\x00\x00\x01X\x03\x00\x00\x00negq\x0aJ\xfb\xff\xff\xffX\x01\x00\x00\x00uq\x0bX\x05\x00\x00\x00\xc3\xa9\xe2\x82\xacq\x0cu.",
    b"\x80\x04\x95x\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x04type\x94K\x00\x8c\x05srcid\x94K\x01\x8c\x0aprivPoliId\x94Ko\x8c\x07payload\x94\x8c\x04xyz1\x94\x8c\x01x\x94]\x94(K\x01G@\x04\x00\x00\x00\x00\x00\x00N\x88K\x01K\x02\x86\x94e\x8c\x03big\x94\x8a\x06\x00\x00\x00\x00\x00\x01\x8c\x03neg\x94J\xfb\xff\xff\xff\x8c\x01u\x94\x8c\x05\xc3\xa9\xe2\x82\xac\x94u.",
    b"\x80\x05\x95x\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x04type\x94K\x00\x8c\x05srcid\x94K\x01\x8c\x0aprivPoliId\x94Ko\x8c\x07payload\x94\x8c\x04xyz1\x94\x8c\x01x\x94]\x94(K\x01G@\x04\x00\x00\x00\x00\x00\x00N\x88K\x01K\x02\x86\x94e\x8c\x03big\x94\x8a\x06\x00\x00\x00\x00\x00\x01\x8c\x03neg\x94J\xfb\xff\xff\xff\x8c\x01u\x94\x8c\x05\xc3\xa9\xe2\x82\xac\x94u.",
];

const THE_SAME: &str = r#"{"type": 0, "srcid": 1, "privPoliId": 111, "payload": "xyz1", "x": [1, 2.5, null, true, [1, 2]],
    "big": 1099511627776, "neg": -5, "u": "\u00e9€"}"#;

#[test]
fn every_protocol_of_pickles_says_the_same() {
    let first = one(PICKLES[0]);
    for pickle in PICKLES {
        let value = one(pickle);
        assert_eq!(value, first);
        assert_eq!(one(&encode(Form::Pickle, &value)), value);
        assert_eq!(one(&encode(Form::Json, &value)), one(THE_SAME.as_bytes()), "tuples are lists in JSON");
    }
    let request = Request { source: Some(1), policy: 111, payload_characters: 4 };
    assert_eq!(Message::of(&first), Ok(Message::Request(request)));
}

#[test]
fn numbers_may_be_texts_and_the_policy_has_two_spellings() {
    for text in [
        r#"{"type": 0, "srcid": 1, "privPoliId": 111, "payloadsize": 4, "payload": "xyz1"}"#,
        r#"{"type": "0", "srcid": "1", "privPolyId": "111", "payload": "xyz1"}"#,
        r#"{"type": 0.0, "srcid": " 1 ", "privPolyId": 111, "payload": "xyz1", "more": {"a": []}}"#,
        r#"{"privPolyId": 111, "privPoliId": "111", "payload": "xyz1", "srcid": 1, "type": 5, "type": 0}"#,
    ] {
        let request = Request { source: Some(1), policy: 111, payload_characters: 4 };
        assert_eq!(meaning(text), Ok(Message::Request(request)), "{text}");
    }
    for text in [
        r#"{"type": 1, "id": 7, "privPolyId": 111, "listenport": 2105}"#,
        r#"{"type": "1", "id": "7", "privPoliId": "111", "listenport": "2105", "keep": false}"#,
    ] {
        let registration = Registration {
            id: 7,
            policy: 111,
            port: 2105,
            address: None,
            keep: false,
            confirm: false,
            token: None,
        };
        assert_eq!(meaning(text), Ok(Message::Registration(registration)), "{text}");
    }
    assert_eq!(
        meaning(r#"{"type": "2", "srcid": 7, "destid": "1", "payload": "x"}"#),
        Ok(Message::Answer { destination: Some(1) })
    );
    assert_eq!(meaning(r#"{"type": 2, "payload": "x"}"#), Ok(Message::Answer { destination: None }));
    assert_eq!(meaning(r#"{"type": "-1"}"#), Ok(Message::Refusal));
}

#[test]
fn what_makes_no_sense_is_said() {
    let check = |text: &str, expected: Senseless| assert_eq!(meaning(text), Err(expected), "{text}");
    check("{}", Senseless::NoNumber("type"));
    check(r#"{"type": true}"#, Senseless::NoNumber("type"));
    check(r#"{"type": "zero"}"#, Senseless::NoNumber("type"));
    check(r#"{"type": 0.5}"#, Senseless::NoNumber("type"));
    check(r#"{"type": 3}"#, Senseless::NoSuchType(3));
    check(r#"{"type": 0, "privPoliId": 1}"#, Senseless::NoPayload);
    check(r#"{"type": 0, "privPoliId": 1, "payload": 5}"#, Senseless::NoPayload);
    check(r#"{"type": 0, "payload": ""}"#, Senseless::NoNumber("privPoliId"));
    check(r#"{"type": 0, "payload": "", "privPoliId": 1, "privPolyId": 2}"#, Senseless::TwoPolicies);
    check(r#"{"type": 1, "privPoliId": 1, "listenport": 5}"#, Senseless::NoNumber("id"));
    for port in ["0", "65536", "-1"] {
        let text = format!(r#"{{"type": 1, "id": 1, "privPoliId": 1, "listenport": {port}}}"#);
        check(&text, Senseless::NoPort);
    }
    check(
        r#"{"type": 1, "id": 1, "privPoliId": 1, "listenport": 5, "listenaddress": "here"}"#,
        Senseless::NoAddress,
    );
}

/// The original counts what the text holds, not how it came.
#[test]
fn a_payload_is_counted_in_characters() {
    let check = |payload: &str, expected: usize| {
        let text = format!(r#"{{"type": 0, "privPoliId": 1, "payload": "{payload}"}}"#);
        let Ok(Message::Request(request)) = meaning(&text) else { panic!("{text}") };
        assert_eq!(request.payload_characters, expected, "{payload}");
    };
    check("", 0);
    check(&"x".repeat(1025), 1025);
    check(&"\u{1f980}".repeat(1024), 1024);
    check(&r"\ud83e\udd80".repeat(1024), 1024);
    check(r#"\"\\\/\n\u00e9"#, 5);
}

#[test]
fn what_is_no_json_is_refused() {
    for text in [
        "{]}",
        "{\"a\" 1}",
        "{\"a\": }",
        "{\"a\": 1,}",
        "{a: 1}",
        "{'a': 1}",
        "{\"a\": 01}",
        "{\"a\": +1}",
        "{\"a\": 1.}",
        "{\"a\": .5}",
        "{\"a\": 1e}",
        "{\"a\": truely}",
        "{\"a\": [1 2]}",
        "{\"a\": \"\n\"}",
        r#"{"a": "\x"}"#,
        r#"{"a": "\ud800"}"#,
        r#"{"a": "\udc00\ud800"}"#,
        r#"{"a": "\u12g4"}"#,
        "{\"a\": [1}]}",
    ] {
        assert!(
            matches!(problem(text.as_bytes()), Some(WireProblem::Json(_))),
            "{text}: {:?}",
            problem(text.as_bytes())
        );
    }
    assert!(matches!(problem(b"{\"a\": \"\xff\"}"), Some(WireProblem::Json(_))));
    for bytes in [&b"GET / HTTP/1.1\r\n"[..], b"[1]", b"7", b"\"x\"", b"\0", b"\x16\x03\x01"] {
        assert_eq!(problem(bytes), Some(WireProblem::NoMessage));
    }
}

#[test]
fn what_json_may_hold_is_kept() {
    let text = r#"{"a": [], "b": {}, "c": -0.5e3, "d": "\ud83e\udd80 \u0000\b\f\r\t\/", "n": null, "t": [true, false],
        "i": 123456789012345678901234567890, "nan": [NaN, Infinity, -Infinity]}"#;
    let value = one(text.as_bytes());
    assert_eq!(value.member("c"), Some(&Value::Float(-500.0)));
    assert_eq!(value.member("d"), Some(&Value::text("\u{1f980} \0\u{8}\u{c}\r\t/")));
    assert_eq!(value.member("i"), Some(&Value::Int(123_456_789_012_345_678_901_234_567_890)));
    let again = one(&encode(Form::Json, &value));
    assert_eq!(format!("{again:?}"), format!("{value:?}"));
    // More digits than we count with are rounded where they must be written anew, and fine where they are not.
    let many = format!("{{\"a\": {}}}", "9".repeat(60));
    assert_eq!(one(many.as_bytes()).member("a"), Some(&Value::Float(1e60)));
}

#[test]
fn messages_may_follow_each_other_at_once() {
    let text = b" {\"a\": \"}{\"}\r\n{\"b\": \"\\\"}\"}{}\n\x80\x02}(X\x01\0\0\0aK\x01u.{\"c\": [{}]}  ";
    let (frames, problem) = read(text, []);
    assert_eq!((frames.len(), problem), (5, None));
    assert_eq!(frames[0].value.member("a"), Some(&Value::text("}{")));
    assert_eq!(frames[3].form, Form::Pickle);
    assert_eq!(frames[4].form, Form::Json);
}

#[test]
fn depth_and_length_are_bounded() {
    let nested = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    assert_eq!(problem(nested(WireLimits::DEPTH_MAX).as_bytes()), None);
    assert_eq!(problem(nested(WireLimits::DEPTH_MAX + 1).as_bytes()), Some(WireProblem::TooDeep));
    let endless = format!("{{\"a\": \"{}", "x".repeat(70_000));
    assert_eq!(problem(endless.as_bytes()), Some(WireProblem::TooLong));
    assert_eq!(problem(format!("{endless}\"}}").as_bytes()), Some(WireProblem::TooLong));
    // Also where it says beforehand how long it will be.
    for pickle in [
        &b"\x80\x02}X\xff\xff\xff\x7f"[..],
        b"\x80\x04}\x8d\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x80\x02}\x8b\xff\xff\xff\xff",
    ] {
        assert_eq!(problem(pickle), Some(WireProblem::TooLong), "{}", pickle.escape_ascii());
    }
    let mut deep = b"\x80\x02}X\x01\0\0\0aN".to_vec();
    deep.extend([0x85; 1000]);
    deep.extend_from_slice(b"s.");
    assert_eq!(problem(&deep), Some(WireProblem::TooDeep));
    // White space alone is no message, and needs no memory.
    let mut framer = Framer::new(WireLimits::default());
    assert_eq!(framer.advance(&[b' '; 100]), Ok(None));
    assert_eq!((framer.take_blank(), framer.is_inside()), (100, false));
    assert_eq!(framer.advance(b"{}").unwrap().map(|frame| (frame.start, frame.end)), Some((0, 2)));
}

/// What has come is looked at once: a message of a million bytes that comes byte by byte would be looked at a million times in full
/// otherwise, which is not over before anybody has lost patience.
#[test]
fn what_has_come_is_not_looked_at_again() {
    const LENGTH: usize = 1_000_000;
    let limits = WireLimits::for_payload(LENGTH);
    let text = "x".repeat(LENGTH);
    let nested = format!("{}{}", "[1],".repeat(100), "9".repeat(LENGTH));
    let count = u32::try_from(LENGTH).unwrap().to_le_bytes();
    for message in [
        format!(r#"{{"a": "{text}"}}"#).into_bytes(),
        format!(r#"{{"a": "{}"}}"#, r"\n".repeat(LENGTH / 2)).into_bytes(),
        format!("{{\"a\": [{nested}]}}").into_bytes(),
        [&b"(dVa\nV"[..], text.as_bytes(), b"\ns."].concat(),
        [&b"\x80\x02}X\x01\0\0\0aX"[..], &count, text.as_bytes(), b"s."].concat(),
    ] {
        let mut framer = Framer::new(limits);
        for end in 1..message.len() {
            assert_eq!(framer.advance(&message[..end]), Ok(None));
        }
        let frame = framer.advance(&message).unwrap().unwrap();
        assert_eq!((frame.start, frame.end), (0, message.len()));
    }
}

/// One byte may be a value that takes dozens, of a message that may never end.
#[test]
fn what_a_message_holds_is_bounded() {
    const MAX: usize = WireLimits::ITEMS_MAX;
    // The dictionary, a name and a list take three.
    let list = |count: usize| format!("{{\"a\":[{}0]}}", "0,".repeat(count - 4));
    assert_eq!(problem(list(MAX).as_bytes()), None);
    assert_eq!(problem(list(MAX + 1).as_bytes()), Some(WireProblem::TooMany));
    // Names count, and what is nested.
    let names = |count: usize| format!("{{{}\"\":{{}}}}", "\"\":[],".repeat((count - 3) / 2));
    assert_eq!(problem(names(MAX - 1).as_bytes()), None);
    assert_eq!(problem(names(MAX + 1).as_bytes()), Some(WireProblem::TooMany));
    // Refused while they come; what is allowed is waited for.
    const UNITS: [(&[u8], usize, &[u8], usize); 10] = [
        (b"\x80\x02}", 1, b"(", 1),
        (b"\x80\x02}", 1, b"N", 1),
        (b"\x80\x02}", 1, b"]", 1),
        (b"(", 1, b"I1\n", 1),
        (b"\x80\x04}N", 2, b"\x94", 1),
        (b"\x80\x02}N", 2, b"q\x00", 1),
        (b"\x80\x02}K\x01q\x00", 3, b"h\x00", 1),
        // Also what has been put into a list or is in a tuple.
        (b"\x80\x02}](", 3, b"Ne(", 2),
        (b"\x80\x02}]", 2, b"Na", 1),
        (b"\x80\x02}", 1, b"N\x85", 2),
    ];
    for (begin, taken, unit, each) in UNITS {
        let of = |count: usize| [begin, &unit.repeat(count)].concat();
        let most = (MAX - taken) / each;
        assert_eq!(problem(&of(most)), None, "{}", unit.escape_ascii());
        assert_eq!(problem(&of(most + 1)), Some(WireProblem::TooMany), "{}", unit.escape_ascii());
    }
    let whole =
        |count: usize| [&b"\x80\x02}X\x01\0\0\0a]("[..], &b"N".repeat(count - 4)[..], b"es."].concat();
    assert_eq!(one(&whole(MAX)).member("a"), Some(&Value::List(vec![Value::None; MAX - 4])));
    assert_eq!(problem(&whole(MAX + 1)), Some(WireProblem::TooMany));
}

/// A pickle is a program. Each of these would do something where it is loaded, or take memory without end.
#[test]
fn pickles_that_do_more_than_hold_data_are_refused_by_name() {
    let check = |pickle: &[u8], name: &'static str| {
        assert_eq!(problem(pickle), Some(WireProblem::Instruction(name)), "{}", pickle.escape_ascii());
    };
    check(b"\x80\x02}X\x04\0\0\0typecos\nsystem\nX\x02\0\0\0id\x85Rs.", "GLOBAL");
    check(b"(dp0\nVtype\np1\ncos\nsystem\np2\n(Vid\ntRs.", "GLOBAL");
    check(b"\x80\x04}\x8c\x04type\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85Rs.", "STACK_GLOBAL");
    check(b"(Vid\nios\nsystem\n.", "INST");
    check(b"\x80\x02}}b.", "BUILD");
    check(b"\x80\x02}(oN.", "OBJ");
    check(b"\x80\x02}\x81.", "NEWOBJ");
    check(b"\x80\x04}\x92.", "NEWOBJ_EX");
    check(b"\x80\x02}R.", "REDUCE");
    check(b"\x80\x02\x82\x01.", "EXT");
    check(b"(P1\n.", "PERSID");
    check(b"\x80\x02Q.", "BINPERSID");
    check(b"\x80\x05\x96\0\0\0\0\0\0\0\0.", "BYTEARRAY8");
    check(b"\x80\x04\x8f.", "SET");
    check(b"\x80\x03C\x01x.", "BYTES");
    check(b"\x80\x022.", "DUP");
    check(b"\x80\x02\xff.", "an unknown instruction");
}

#[test]
fn pickles_that_are_none_are_refused() {
    for pickle in [
        &b"\x80\x06."[..],
        b"\x80\x02.",
        b"\x80\x02N.",
        b"\x80\x02].",
        b"\x80\x02}}.",
        b"\x80\x02(.",
        b"\x80\x02u.",
        b"\x80\x02}(Nu.",
        b"\x80\x02}]Ns.",
        b"\x80\x02NNNs.",
        b"\x80\x02}h\x05.",
        b"\x80\x02}q\x00h\x00.",
        b"\x80\x02}X\x01\0\0\0\xffNs.",
        b"\x80\x02}X\x01\0\0\0a\x8a\x11aaaaaaaaaaaaaaaaas.",
        b"(I5x\n.",
        b"(dS'a\n.",
        b"(dV\\ud800\n.",
        b"(dg-1\n.",
        b"}a.",
    ] {
        assert!(
            matches!(problem(pickle), Some(WireProblem::Pickle(_))),
            "{}: {:?}",
            pickle.escape_ascii(),
            problem(pickle)
        );
    }
}

/// Ten lists of ten of the list before are ten thousand million with a few hundred bytes, and a long text that is remembered
/// can be asked for thousands of times.
#[test]
fn what_a_pickle_remembers_is_bounded() {
    let mut bomb = b"\x80\x02]q\x00".to_vec();
    for place in 0..10 {
        bomb.extend_from_slice(b"](");
        (0..10).for_each(|_| bomb.extend_from_slice(&[b'h', place]));
        bomb.extend_from_slice(&[b'e', b'q', place + 1]);
    }
    bomb.push(b'.');
    assert_eq!(problem(&bomb), Some(WireProblem::Pickle("the same list or dictionary stands in it twice")));
    let mut texts = b"\x80\x02}(X\x00\x80\0\0".to_vec();
    texts.extend([b'x'; 0x8000]);
    texts.extend_from_slice(b"q\x00");
    texts.extend(b"h\x00".repeat(1000));
    assert_eq!(problem(&texts), Some(WireProblem::TooLong));
    let mut puts = b"\x80\x02}(X\x00\x80\0\0".to_vec();
    puts.extend([b'x'; 0x8000]);
    puts.extend((0..100).flat_map(|place| [b'q', place]));
    assert_eq!(problem(&puts), Some(WireProblem::TooLong));
    // Short texts that are remembered are what every pickle has.
    assert_eq!(problem(b"\x80\x02}(X\x01\0\0\0aq\x00h\x00X\x01\0\0\0bh\x00u."), None);
}

#[test]
fn answers_of_our_own_are_written_like_the_question() {
    let refused = |question: &str| {
        let value = one(question.as_bytes());
        String::from_utf8(answer::refusal(Form::Json, Some(&value), "no")).unwrap()
    };
    assert_eq!(
        refused(r#"{"type": 0, "srcid": 1, "privPoliId": 111, "payload": "x"}"#),
        r#"{"type": -1, "destid": 1, "privPoliId": 111, "reason": "no"}"#
    );
    assert_eq!(
        refused(r#"{"type": "0", "srcid": "1", "privPolyId": "111", "payload": "x"}"#),
        r#"{"type": "-1", "destid": "1", "privPolyId": "111", "reason": "no"}"#
    );
    assert_eq!(answer::refusal(Form::Json, None, "no"), br#"{"type": -1, "reason": "no"}"#);
    let value = one(PICKLES[4]);
    let refused = one(&answer::refusal(Form::Pickle, Some(&value), "no"));
    assert_eq!(
        (Message::of(&refused), refused.member("destid")),
        (Ok(Message::Refusal), Some(&Value::Int(1)))
    );
    let answered = |question: &str| {
        let value = one(question.as_bytes());
        String::from_utf8(answer::answer(Form::Json, &value, 7, "abc")).unwrap()
    };
    assert_eq!(
        answered(r#"{"type": "0", "srcid": 1, "payloadsize": "1", "payload": "x"}"#),
        r#"{"type": "2", "srcid": 7, "destid": 1, "payloadsize": "3", "payload": "abc"}"#
    );
    let registration = one(br#"{"type": 1, "id": "7", "listenport": 5, "token": "secret"}"#);
    assert_eq!(
        answer::confirmation(Form::Json, &registration),
        br#"{"type": 1, "id": "7", "listenport": 5}"#
    );
}

#[test]
fn a_secret_is_not_shown() {
    let text = r#"{"type": 1, "id": 1, "privPoliId": 1, "listenport": 5, "token": "hush"}"#;
    let Ok(Message::Registration(registration)) = meaning(text) else { panic!() };
    assert_eq!(registration.token.as_ref().unwrap().reveal(), "hush");
    assert!(!format!("{registration:?}").contains("hush"));
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::None),
        any::<bool>().prop_map(Value::Bool),
        any::<i128>().prop_map(Value::Int),
        any::<i32>().prop_map(|number| Value::Int(number.into())),
        (-1e9..1e9).prop_map(Value::Float),
        ".{0,12}".prop_map(Value::text),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::List),
            prop::collection::vec((".{0,6}".prop_map(Value::text), inner), 0..5).prop_map(Value::Dict),
        ]
    })
}

fn dictionaries() -> impl Strategy<Value = Value> {
    prop::collection::vec((".{0,6}".prop_map(Value::text), values()), 0..5).prop_map(Value::Dict)
}

proptest! {
    #[test]
    fn however_they_are_split_they_are_the_same_messages(
        values in prop::collection::vec((dictionaries(), any::<bool>(), "[ \r\n\t]{0,2}"), 1..5),
        pieces in prop::collection::vec(1..9_usize, 0..400),
    ) {
        let mut bytes = Vec::new();
        for (value, is_pickle, blank) in &values {
            bytes.extend_from_slice(blank.as_bytes());
            bytes.extend(encode(if *is_pickle { Form::Pickle } else { Form::Json }, value));
        }
        let (frames, problem) = read(&bytes, pieces);
        prop_assert_eq!(problem, None);
        let found: Vec<_> = frames.into_iter().map(|frame| frame.value).collect();
        let expected: Vec<_> = values.into_iter().map(|(value, ..)| value).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn any_bytes_are_refused_or_read_alike_in_every_split(
        begin in prop::sample::select(vec![&b"{\"a\":"[..], b"{", b"\x80\x02}(", b"(d", b"}", b""]),
        bytes in prop::collection::vec(any::<u8>(), 0..80),
        pieces in prop::collection::vec(1..4_usize, 0..90),
    ) {
        let bytes = [begin, &bytes].concat();
        prop_assert_eq!(format!("{:?}", read(&bytes, [])), format!("{:?}", read(&bytes, pieces)));
    }
}
