//! What comparisons of answers have found, as JSON.

use serde_json::{Value, json};
use weir_core::compare::{CompareOutcome, Difference, DifferenceKind};
use weir_core::ports::{ComparisonExample, ComparisonReport};

/// What was found at one route: numbers, and the last examples, the newest first.
pub(crate) fn comparison_json(report: &ComparisonReport) -> Value {
    let status = &report.status;
    let outcomes = CompareOutcome::ALL.map(CompareOutcome::name).into_iter().zip(status.outcomes);
    let kinds = DifferenceKind::ALL.map(DifferenceKind::name).into_iter().zip(status.differences);
    let object = |counts: &mut dyn Iterator<Item = (&str, u64)>| {
        Value::Object(counts.map(|(name, count)| (name.to_owned(), count.into())).collect())
    };
    json!({
        "service": status.service,
        "route": status.route,
        "upstream": status.upstream,
        "outcomes": object(&mut outcomes.into_iter()),
        "differences": object(&mut kinds.into_iter()),
        "client_seconds": status.client_seconds,
        "copy_seconds": status.copy_seconds,
        "examples": report.examples.iter().map(example_json).collect::<Vec<_>>(),
    })
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
