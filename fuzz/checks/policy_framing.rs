//! Messages of policy groups: the same ones however they are split, each within its bounds, and the same after writing them out.

use weir_policy::wire::message::Message;
use weir_policy::wire::{Form, Frame, Framer, WireLimits, WireProblem, encode};

/// The messages in these bytes, given in pieces of this length, and what is wrong behind them.
fn messages(bytes: &[u8], piece: usize) -> (Vec<Frame>, Option<WireProblem>) {
    let mut framer = Framer::new(WireLimits::default());
    let (mut frames, mut begin, mut end) = (Vec::new(), 0, 0);
    while end < bytes.len() {
        end = (end + piece).min(bytes.len());
        loop {
            match framer.advance(&bytes[begin..end]) {
                Ok(Some(frame)) => {
                    assert!(frame.start < frame.end && frame.end <= end - begin, "it ends where bytes are");
                    let (start, length) = (begin + frame.start, frame.end);
                    frames.push(Frame { start, end: begin + length, ..frame });
                    begin += length;
                }
                Ok(None) => break,
                Err(problem) => return (frames, Some(problem)),
            }
        }
    }
    (frames, None)
}

/// Holds any bytes against what must be true of them.
pub(crate) fn check(input: &[u8]) {
    let (frames, problem) = messages(input, input.len().max(1));
    for piece in [1, 7] {
        let (others, other_problem) = messages(input, piece);
        // As texts, because a number that is none is not equal to itself.
        assert_eq!(format!("{others:?}{other_problem:?}"), format!("{frames:?}{problem:?}"));
    }
    for frame in frames {
        // What it means is found out without a panic, whatever it is.
        let meaning = Message::of(&frame.value);
        for form in [Form::Json, Form::Pickle] {
            let bytes = encode(form, &frame.value);
            let (again, problem) = messages(&bytes, bytes.len());
            // Translated it may be longer than a message may be, and have keys that are texts now; and the pickles that are written
            // have a mark in each list and tuple, which counts too.
            let [again] = &again[..] else {
                let is_too_large = matches!(problem, Some(WireProblem::TooLong | WireProblem::TooMany));
                assert!(is_too_large, "{problem:?}: {}", bytes.escape_ascii());
                continue;
            };
            if form == frame.form {
                assert_eq!(format!("{:?}", again.value), format!("{:?}", frame.value));
                assert_eq!(format!("{:?}", Message::of(&again.value)), format!("{meaning:?}"));
            }
        }
    }
}
