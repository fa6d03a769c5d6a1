//! The answer to a request: hyper reads the same one, and it ends at the same byte. Where it does not, the difference stands
//! in the list of `deviations`, with its section. The first byte says what was asked.

use weir_http::method::Method;

use crate::ours::{self, Kind, Reading};
use crate::theirs::Answer;
use crate::{agreement, theirs};

/// Two of these have answers of their own kind.
const METHODS: [&str; 4] = ["GET", "HEAD", "CONNECT", "POST"];

fn ours(method: &str, bytes: &[u8]) -> Reading {
    ours::read(&Kind::Answers(vec![Method::of(method.as_bytes())]), [bytes])
}

/// Our reading, which is hyper's.
fn agreed(method: &str, bytes: &[u8]) -> Reading {
    let ours = ours(method, bytes);
    let (theirs, error) = match theirs::answer(method, bytes, true) {
        Answer::Whole(message) => (vec![*message], None),
        Answer::Waiting => (Vec::new(), Some("waiting".to_owned())),
        Answer::Refused(error) => (Vec::new(), Some(error)),
    };
    let bodiless = matches!(method, "HEAD" | "CONNECT");
    match agreement::check(bytes, bodiless, &ours, &theirs, error.as_deref()) {
        Ok(()) => ours,
        Err(disagreement) => panic!("{disagreement}"),
    }
}

/// Holds any bytes against what must be true of them.
pub(crate) fn check(input: &[u8]) {
    let Some((kind, bytes)) = input.split_first() else { return };
    let method = METHODS[usize::from(*kind) % METHODS.len()];
    let Some(&end) = agreed(method, bytes).ends.first() else { return };
    let behind = [&bytes[..end], b"x"].concat();
    if ours(method, &behind).ends != [end] {
        // It ends with its connection.
        return;
    }
    let (whole, cut) = (&bytes[..end], &bytes[..end - 1]);
    let of_whole = theirs::answer(method, whole, false);
    assert!(
        matches!(of_whole, Answer::Whole(_)),
        "hyper needs more: {of_whole:?}\nof {}",
        whole.escape_ascii()
    );
    let of_cut = theirs::answer(method, cut, false);
    assert!(matches!(of_cut, Answer::Waiting), "hyper needs less: {of_cut:?}\nof {}", cut.escape_ascii());
}
