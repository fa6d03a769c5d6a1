//! The checks of the fuzz targets for this crate, on their corpora and on what grows from them.

#[path = "../../../fuzz/seeded.rs"]
mod seeded;

#[path = "../../../fuzz/checks/credential.rs"]
mod credential;

/// Inputs for each target: a second or two in an unoptimised build.
const CHANGED: usize = 200_000;

#[test]
fn credentials() {
    seeded::run("credential", CHANGED, credential::check);
}
