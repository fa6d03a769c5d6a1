//! The fuzz targets that hold the codec against hyper, on their corpora and on what grows from them.

#[path = "../../../../fuzz/checks/hyper_answers.rs"]
mod hyper_answers;
#[path = "../../../../fuzz/checks/hyper_requests.rs"]
mod hyper_requests;
#[path = "../../../../fuzz/seeded.rs"]
mod seeded;

/// Inputs for each target: a second or two in an unoptimised build, on a machine with nothing else to do.
const CHANGED: usize = 20_000;

#[test]
fn requests_as_hyper_reads_them() {
    seeded::run("hyper_requests", CHANGED, hyper_requests::check);
}

#[test]
fn answers_as_hyper_reads_them() {
    seeded::run("hyper_answers", CHANGED, hyper_answers::check);
}
