//! Answers: with and without bodies, behind interim ones, and several on one connection.

use proptest::prelude::*;
use proptest::sample::select;
use weir_http::method::Method;

use crate::message::Message;
use crate::mutation::{Raw, broken};
use crate::ours::{self, End, Kind, Reading};
use crate::theirs::Answer;
use crate::valid::{Spec, answer, bodiless_answer, interim, persistent_answer};
use crate::{agreement, cases, theirs};

/// Our reading of answers to requests with these methods.
fn read(methods: &[&str], bytes: &[u8]) -> Reading {
    let methods = methods.iter().map(|method| Method::of(method.as_bytes())).collect();
    ours::read(&Kind::Answers(methods), [bytes])
}

fn agree(method: &str, bytes: &[u8]) -> Result<(), TestCaseError> {
    let ours = read(&[method], bytes);
    let (theirs, error) = match theirs::answer(method, bytes, true) {
        Answer::Whole(message) => (vec![*message], None),
        Answer::Waiting => (Vec::new(), Some("waiting".to_owned())),
        Answer::Refused(error) => (Vec::new(), Some(error)),
    };
    agreement::check(bytes, matches!(method, "HEAD" | "CONNECT"), &ours, &theirs, error.as_deref())
        .map_err(TestCaseError::fail)
}

/// Fails unless both read this answer as it was meant.
fn meant(method: &str, before: &[u8], spec: &Spec) -> Result<(), TestCaseError> {
    let bytes = [before, &spec.bytes()].concat();
    let ours = read(&[method], &bytes);
    prop_assert_eq!(&ours.messages, &[spec.message()]);
    prop_assert_eq!(ours.end, End::Closed);
    match theirs::answer(method, &bytes, true) {
        Answer::Whole(message) => prop_assert_eq!(*message, spec.message()),
        other => prop_assert!(false, "{:?}", other),
    }
    Ok(())
}

/// Fails unless hyper says that the first answer ends exactly where it does for us, and the second begins there.
fn second_begins_where_the_first_ends(first: &Spec, second: &Spec) -> Result<(), TestCaseError> {
    let (one, two) = (first.bytes(), second.bytes());
    let ours = read(&["GET", "GET"], &[&*one, &two].concat());
    prop_assert_eq!(ours.ends[0], one.len());
    prop_assert!(matches!(theirs::answer("GET", &one, false), Answer::Whole(_)), "it needs no more bytes");
    prop_assert!(
        matches!(theirs::answer("GET", &one[..one.len() - 1], false), Answer::Waiting),
        "and no fewer"
    );
    let messages: Vec<Message> = theirs::answers(&[("GET", &one), ("GET", &two)], true)
        .into_iter()
        .filter_map(|answer| match answer {
            Answer::Whole(message) => Some(*message),
            Answer::Waiting | Answer::Refused(_) => None,
        })
        .collect();
    prop_assert_eq!(ours.messages, messages);
    Ok(())
}

proptest! {
    #![proptest_config(cases::seeded(256))]

    #[test]
    fn a_well_formed_answer_is_read_as_it_was_meant(spec in answer(), before in interim()) {
        meant("GET", &before, &spec)?;
    }

    #[test]
    fn some_answers_have_no_body_whatever_they_say((method, spec) in bodiless_answer(), before in interim()) {
        meant(method, &before, &spec)?;
    }

    #[test]
    fn answers_end_where_hyper_says(first in persistent_answer(), second in answer()) {
        second_begins_where_the_first_ends(&first, &second)?;
    }

    #[test]
    fn a_broken_answer_is_read_alike_or_refused(
        method in select(vec!["GET", "GET", "GET", "POST", "HEAD", "CONNECT"]),
        bytes in broken((interim(), answer()).prop_map(|(before, spec)| [before, spec.bytes()].concat())),
    ) {
        agree(method, &bytes.0)?;
    }

    #[test]
    fn a_broken_answer_without_a_body_is_read_alike_or_refused(
        (method, bytes) in bodiless_answer().prop_flat_map(|(method, spec)| (Just(method), broken(Just(spec.bytes())))),
    ) {
        let Raw(bytes) = bytes;
        agree(method, &bytes)?;
    }
}
