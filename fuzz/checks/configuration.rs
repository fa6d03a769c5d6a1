//! Configurations: whatever a file holds, the answer is a model or a report that points into the file, twice the same.

use std::path::Path;

use weir_config::{Loaded, Report, Severity, parse};

/// Two variables that are set, one of them with what could become structure if it were put in before parsing.
fn environment(name: &str) -> Option<String> {
    match name {
        "PORT" => Some("9001".to_owned()),
        "TEXT" => Some("a: [b, {c: d}]\n- e # f".to_owned()),
        _ => None,
    }
}

/// A report can be shown to a person and to a program, and its places lie inside the file.
fn check_report(report: &Report, input: &[u8]) {
    let lines = input.iter().filter(|byte| **byte == b'\n').count() + 1;
    for problem in report.problems() {
        assert!(!problem.message.is_empty());
        assert!(problem.hint.as_ref().is_none_or(|hint| !hint.is_empty()));
        if let Some(span) = problem.span {
            assert!(span.start <= span.end, "{problem:?}");
            let position = report.source().position(span.start);
            assert!(
                (1..=lines).contains(&position.line) && position.column >= 1,
                "{problem:?} at {position:?}"
            );
        }
    }
    assert_eq!(report.render(false).is_empty(), report.is_empty());
    assert!(report.to_json().is_object());
}

/// Holds any bytes against what must be true of them.
pub(crate) fn check(input: &[u8]) {
    let parse = || parse("weir.yaml", input, &environment, Path::new("/nowhere"));
    match (parse(), parse()) {
        (Ok(Loaded { warnings, .. }), Ok(again)) => {
            assert!(warnings.problems().iter().all(|problem| problem.severity == Severity::Warning));
            assert_eq!(warnings.problems(), again.warnings.problems());
            check_report(&warnings, input);
        }
        (Err(report), Err(again)) => {
            let is_error = |severity| severity == Severity::Error;
            assert!(
                report.problems().iter().any(|problem| is_error(problem.severity)),
                "refused without a reason"
            );
            assert_eq!(report.problems(), again.problems());
            check_report(&report, input);
        }
        _ => panic!("accepted once and refused once"),
    }
}
