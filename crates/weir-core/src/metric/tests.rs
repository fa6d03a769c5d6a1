//! Every metric keeps to the rules of names, texts and labels.

use super::*;

#[test]
fn every_metric_keeps_to_the_naming_rule() {
    for metric in ALL {
        let name = metric.name;
        assert!(name.starts_with("weir_"), "{name}");
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
        assert_eq!(name.ends_with("_total"), metric.kind == Kind::Counter, "{name}");
        assert!(metric.help.ends_with('.') && !metric.help.contains('\n'), "{name}: {}", metric.help);
        assert!(!metric.family().ends_with("_total"), "{name}");
    }
}

#[test]
fn no_name_stands_twice() {
    let mut names: Vec<_> = ALL.iter().map(Metric::family).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), ALL.len());
}
