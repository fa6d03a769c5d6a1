//! Answers that are copied beside their way, with room and without.

#![allow(clippy::unwrap_used)]

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::*;

const TOTAL_BYTES_MAX: usize = 100;

fn of(bytes_max: usize) -> (TapWriter, TapReader, Room) {
    of_rule(bytes_max, BodyRule::Exact)
}

fn of_rule(bytes_max: usize, body: BodyRule) -> (TapWriter, TapReader, Room) {
    let rule = CompareRule {
        status: true,
        fields: ["X-A".into(), "X-B".into()].into(),
        body,
        ignore: [].into(),
        latency: None,
    };
    let room = Room::new(TOTAL_BYTES_MAX);
    let (writer, reader) = tap(&Arc::new(rule), bytes_max, &room);
    (writer, reader, room)
}

fn poll(reader: &TapReader) -> Poll<Option<(Seen, Charge)>> {
    pin!(reader.answer()).poll(&mut Context::from_waker(Waker::noop()))
}

fn is_given_up(reader: &TapReader) -> bool {
    matches!(poll(reader), Poll::Ready(None))
}

#[test]
fn a_whole_answer_is_seen_as_the_client_got_it() {
    let (writer, reader, room) = of(10);
    let mut head = Head::answer(502);
    writer.head(&head);
    writer.data(b"gone");
    writer.take_back();
    assert_eq!(room.used_bytes(), 0);
    head = Head::answer(200);
    head.append("x-a", b"1");
    head.append("X-A", b"2");
    writer.served(Duration::from_secs(7));
    writer.head(&head);
    writer.data(b"12345");
    writer.has_left();
    assert!(poll(&reader).is_pending());
    writer.data(b"67890");
    assert_eq!(room.used_bytes(), 10);
    writer.end();
    drop(writer);
    let Poll::Ready(Some((seen, charge))) = poll(&reader) else { unreachable!("it is whole") };
    assert_eq!((seen.status, &*seen.body), (200, &b"1234567890"[..]));
    assert_eq!(seen.fields, [Some(b"1, 2".to_vec()), None]);
    assert_eq!(seen.latency, Duration::from_secs(7));
    assert_eq!(room.used_bytes(), 10, "as long as somebody compares it");
    drop(charge);
    assert_eq!(room.used_bytes(), 0);
    assert!(is_given_up(&reader));
}

#[test]
fn what_is_too_large_or_cut_is_not_compared_and_takes_no_memory() {
    let (writer, reader, room) = of(10);
    writer.head(&Head::answer(200));
    writer.data(b"1234567890");
    writer.data(b"1");
    assert!(is_given_up(&reader));
    writer.data(b"1");
    writer.end();
    assert!(is_given_up(&reader) && room.used_bytes() == 0);
    let (writer, reader, room) = of(10);
    writer.head(&Head::answer(200));
    writer.data(b"12");
    drop(writer);
    assert!(is_given_up(&reader) && room.used_bytes() == 0);
    let (writer, reader, room) = of(10);
    let mut others = KeptBytes::new(&room, TOTAL_BYTES_MAX);
    others.push(&[0; TOTAL_BYTES_MAX]).unwrap();
    writer.head(&Head::answer(200));
    writer.data(b"1");
    assert!(is_given_up(&reader), "others hold all there is");
}

/// Where bodies are not compared, answers larger than `limit` were not compared at all.
#[test]
fn of_a_body_that_is_not_compared_nothing_is_kept_and_its_end_is_not_waited_for() {
    let (writer, reader, room) = of_rule(10, BodyRule::Off);
    writer.head(&Head::answer(502));
    writer.take_back();
    writer.head(&Head::answer(200));
    writer.data(&[0; 1000]);
    assert!(poll(&reader).is_pending() && room.used_bytes() == 0, "it may still be taken back");
    writer.has_left();
    let Poll::Ready(Some((seen, _))) = poll(&reader) else { unreachable!("its head has left") };
    assert_eq!((seen.status, seen.body.len()), (200, 0));
    drop(writer);
}
