//! What became of copies for mirrors, and what comparisons of answers have found, as JSON.

use serde_json::{Value, json};
use weir_core::compare::{CompareOutcome, Difference, DifferenceKind};
use weir_core::mirror::MirrorOutcome;
use weir_core::ports::{ComparisonExample, ComparisonReport, ComparisonStatus, MirrorStatus};

/// What was found at one route: numbers, and the last examples, the newest first.
pub(crate) fn comparison_json(report: &ComparisonReport) -> Value {
    let mut json = comparison_status_json(&report.status);
    json["examples"] = report.examples.iter().map(example_json).collect();
    json
}

/// The numbers alone.
pub(crate) fn comparison_status_json(status: &ComparisonStatus) -> Value {
    json!({
        "service": status.service,
        "route": status.route,
        "upstream": status.upstream,
        "outcomes": counts(CompareOutcome::ALL.map(CompareOutcome::name), status.outcomes),
        "differences": counts(DifferenceKind::ALL.map(DifferenceKind::name), status.differences),
        "client_seconds": status.client_seconds,
        "copy_seconds": status.copy_seconds,
    })
}

/// What became of the copies that one upstream should get.
pub(crate) fn mirror_json(mirror: &MirrorStatus) -> Value {
    json!({
        "upstream": mirror.upstream,
        "copies": counts(MirrorOutcome::ALL.map(MirrorOutcome::name), mirror.copies),
    })
}

fn counts<const COUNT: usize>(names: [&str; COUNT], counts: [u64; COUNT]) -> Value {
    Value::Object(
        names.into_iter().zip(counts).map(|(name, count)| (name.to_owned(), count.into())).collect(),
    )
}

fn example_json(example: &ComparisonExample) -> Value {
    json!({
        "at_seconds": example.at_seconds,
        "request": example.request,
        "client_seconds": example.client_seconds,
        "copy_seconds": example.copy_seconds,
        "differences": example.differences.iter().map(difference_json).collect::<Vec<_>>(),
        "body_not_compared": example.uncompared,
    })
}

fn difference_json(difference: &Difference) -> Value {
    json!({
        "kind": difference.kind.name(),
        "place": difference.place,
        "client": difference.client,
        "copy": difference.copy,
    })
}
