//! Requests: one, and several on one connection.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::mutation::broken;
use crate::ours::{self, End, Kind};
use crate::valid::{Spec, request};
use crate::{agreement, cases, theirs};

fn bytes(specs: &[Spec]) -> Vec<u8> {
    specs.iter().flat_map(Spec::bytes).collect()
}

fn agree(bytes: &[u8]) -> Result<(), TestCaseError> {
    let ours = ours::read(&Kind::Requests, [bytes]);
    let theirs = theirs::requests(bytes);
    agreement::check(bytes, false, &ours, &theirs.messages, theirs.error.as_deref())
        .map_err(TestCaseError::fail)
}

proptest! {
    #![proptest_config(cases::seeded(256))]

    #[test]
    fn a_well_formed_request_is_read_as_it_was_meant(spec in request()) {
        let ours = ours::read(&Kind::Requests, [&*spec.bytes()]);
        let theirs = theirs::requests(&spec.bytes());
        prop_assert_eq!(&theirs.error, &None);
        prop_assert_eq!(&ours.messages, &theirs.messages);
        prop_assert!(matches!(ours.end, End::Idle | End::Closed), "{:?}", ours.end);
    }

    #[test]
    fn pipelined_requests_end_where_hyper_says(specs in vec(request(), 2..4)) {
        let bytes = bytes(&specs);
        let ours = ours::read(&Kind::Requests, [&*bytes]);
        let mut end = 0;
        for (spec, found) in specs.iter().zip(&ours.ends) {
            end += spec.bytes().len();
            prop_assert_eq!(end, *found);
        }
        prop_assert!(ours.messages.len() == specs.len() || ours.end == End::Closed);
        agree(&bytes)?;
    }

    #[test]
    fn a_broken_request_is_read_alike_or_refused(bytes in broken(request().prop_map(|spec| spec.bytes()))) {
        agree(&bytes.0)?;
    }

    #[test]
    fn broken_pipelines_hide_no_request(bytes in broken(vec(request(), 2..4).prop_map(|specs| bytes(&specs)))) {
        agree(&bytes.0)?;
    }
}
