//! What is said of an upstream as a whole.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use crate::load;

/// The percentage of panic of an upstream with these keys, and what is warned of; or what is wrong.
fn panic(keys: &str) -> Result<(u32, Vec<String>), Vec<String>> {
    let text = format!("services: [{{host: a, upstream: {{servers: [\"b:1\"]{keys}}}}}]");
    let told = |problems: &[crate::problem::Problem]| -> Vec<String> {
        problems.iter().map(|problem| problem.message.clone()).collect()
    };
    match load::parse("t", text.as_bytes(), &|_| None, Path::new("")) {
        Ok(loaded) => Ok((loaded.model.upstreams[0].panic_percent, told(loaded.warnings.problems()))),
        Err(report) => Err(told(report.problems())),
    }
}

/// It could only be written beside checks, though ejection takes servers out without any.
#[test]
fn panic_may_be_written_wherever_servers_are_taken_out() {
    let check = |keys: &str, percent| assert_eq!(panic(keys), Ok((percent, Vec::new())), "{keys}");
    check("", 10);
    check(", panic: 50%", 50);
    check(", panic: 0%", 0);
    check(", panic: 0.1%", 1);
    check(", panic: 100%, eject: {consecutive: 1}", 100);
    check(", panic: 7%, health: {tcp: true}", 7);
    check(", panic: 7%, health: {tcp: true}, eject: \"off\"", 7);
    check(", health: {tcp: true, panic: 7%}", 7);
    check(", health: {tcp: true, panic: 0%}", 0);
    check(", health: {tcp: true, panic: 0.1%}", 1);
    check(", health: {tcp: true}", 10);
}

#[test]
fn panic_is_written_once_and_where_it_means_something() {
    let twice = panic(", panic: 7%, health: {tcp: true, panic: 7%}");
    assert_eq!(twice, Err(vec!["`panic` is written twice".to_owned()]));
    let (percent, warned) = panic(", panic: 7%, eject: \"off\"").unwrap();
    assert_eq!((percent, warned.len()), (7, 1));
    assert!(warned[0].contains("neither checked nor ejected"), "{warned:?}");
    assert!(panic(", panic: 7").is_err());
    assert!(panic(", panic: 101%").is_err());
}
