//! The checks of the fuzz targets for this crate, on their corpora and on what grows from them.

#[path = "../../../fuzz/seeded.rs"]
mod seeded;

#[path = "../../../fuzz/checks/configuration.rs"]
mod configuration;

/// Inputs for each target: a second or two in an unoptimised build.
const CHANGED: usize = 5_000;

#[test]
fn configurations() {
    seeded::run("configuration", CHANGED, configuration::check);
}
