//! The checks of the fuzz targets for this crate, on their corpora and on what grows from them.

#[path = "../../../fuzz/seeded.rs"]
mod seeded;

#[path = "../../../fuzz/checks/policy_framing.rs"]
mod policy_framing;

#[path = "../../../fuzz/checks/policy_pickle.rs"]
mod policy_pickle;

/// Inputs for each target: a second or two in an unoptimised build.
const CHANGED: usize = 20_000;

#[test]
fn framing() {
    seeded::run("policy_framing", CHANGED, policy_framing::check);
}

#[test]
fn pickles() {
    seeded::run("policy_pickle", CHANGED / 3, policy_pickle::check);
}
