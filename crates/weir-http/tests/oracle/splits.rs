//! However the bytes arrive, we read the same.
//!
//! This holds for every message, broken or not: also where and why one is refused.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use weir_http::method::Method;

use crate::cases;
use crate::mutation::{Raw, broken};
use crate::ours::{Kind, read};
use crate::valid::{Spec, answer, request};

fn same_in_all_pieces(kind: &Kind, bytes: &[u8], cuts: &[Index]) -> Result<(), TestCaseError> {
    let whole = read(kind, [bytes]);
    for at in 0..=bytes.len() {
        let (one, two) = bytes.split_at(at);
        prop_assert_eq!(&read(kind, [one, two]), &whole, "cut at {}", at);
    }
    prop_assert_eq!(&read(kind, bytes.chunks(1)), &whole, "byte by byte");
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    let pieces = cuts.windows(2).map(|two| &bytes[two[0]..two[1]]);
    prop_assert_eq!(&read(kind, pieces), &whole, "cut at {:?}", cuts);
    Ok(())
}

fn requests() -> impl Strategy<Value = Vec<u8>> {
    vec(request(), 1..3).prop_map(|specs| specs.iter().flat_map(Spec::bytes).collect())
}

fn answers() -> impl Strategy<Value = Vec<u8>> {
    vec(answer(), 1..3).prop_map(|specs| specs.iter().flat_map(Spec::bytes).collect())
}

proptest! {
    #![proptest_config(cases::seeded(64))]

    #[test]
    fn requests_in_pieces(bytes in requests().prop_map(Raw), cuts in vec(any::<Index>(), 0..9)) {
        same_in_all_pieces(&Kind::Requests, &bytes.0, &cuts)?;
    }

    #[test]
    fn broken_requests_in_pieces(bytes in broken(requests()), cuts in vec(any::<Index>(), 0..9)) {
        same_in_all_pieces(&Kind::Requests, &bytes.0, &cuts)?;
    }

    #[test]
    fn answers_in_pieces(bytes in answers().prop_map(Raw), cuts in vec(any::<Index>(), 0..9)) {
        same_in_all_pieces(&Kind::Answers(vec![Method::Get; 2]), &bytes.0, &cuts)?;
    }

    #[test]
    fn broken_answers_in_pieces(bytes in broken(answers()), cuts in vec(any::<Index>(), 0..9)) {
        same_in_all_pieces(&Kind::Answers(vec![Method::Get; 2]), &bytes.0, &cuts)?;
    }
}
