//! What choosing among servers needs, and who has to get something.

use super::check;
use crate::load;

#[test]
fn keys_of_balance_belong_to_their_modes() {
    let check = |balance: &str, expected: &[&str]| {
        check(
            &format!("services: [{{host: a, upstream: {{servers: [\"b:1\"], balance: {balance}}}}}]"),
            expected,
        );
    };
    check(
        "{mode: hash, decay: 1s}",
        &["1:73 error `decay` means nothing to `hash` … belongs to `peak_ewma`"],
    );
    check("{mode: random, on: path}", &["`on` means nothing to `random` … belongs to `hash`"]);
    check(
        "{mode: sticky, bound: 150%, secret: 'file:x'}",
        &["`bound` means nothing to `sticky`", "`/base/x` can't be read"],
    );
    check("{mode: p2c, secret: 'file:x', cookie: a}", &["`secret` means nothing", "`cookie` means nothing"]);
}

#[test]
fn sticky_needs_a_good_secret() {
    let directory = std::env::temp_dir().join(format!("weir-sticky-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("good"), "0123456789abcdef0123456789abcdef\n").unwrap();
    std::fs::write(directory.join("short"), "0123456789abcde\n").unwrap();
    let outcome = |keys: &str| {
        let text = format!(
            "services: [{{host: a, upstream: {{servers: [\"b:1\"], balance: {{mode: sticky{keys}}}}}}}]"
        );
        let read = |name: &str| (name == "LONG").then(|| "swordfish swordfish".to_owned());
        load::parse("t", text.as_bytes(), &read, &directory)
    };
    let refused = |keys: &str, part: &str| {
        let report = outcome(keys).unwrap_err();
        let shown: Vec<_> = report
            .problems()
            .iter()
            .map(|problem| format!("{} | {:?}", problem.message, problem.hint))
            .collect();
        assert!(shown.iter().any(|problem| problem.contains(part)), "{keys}: {shown:?}");
        assert!(!report.to_string().contains("swordfish"), "a secret is shown");
    };
    refused("", "needs a `secret`");
    refused(", secret: swordfish", "itself does not stand in the configuration");
    refused(", secret: ''", "the secret is empty");
    refused(", secret: 'file:short'", "less than 16 bytes can be guessed");
    refused(", secret: 'file:missing'", "can't be read");
    refused(", secrets: swordfish", "unknown key `secrets`");
    refused(", secret: 'file:good', first: sticky", "`sticky` is no balancing strategy");
    refused(", secret: 'file:good', max_age: 0s", "is not from `1s`");
    let loaded = outcome(", secret: 'file:good', max_age: 1h, first: p2c, cookie: place").unwrap();
    let shown = format!("{:?}", loaded.model.upstreams[0].balance);
    for part in ["strategy: P2c", "cookie: \"place\"", "signer: Signer", "max_age: Some(3600s)"] {
        assert!(shown.contains(part), "{shown}");
    }
    assert!(outcome(", secret: '${LONG}'").is_ok());
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn somebody_must_get_something() {
    let check = |servers: &str, expected: &[&str]| {
        check(&format!("services: [{{host: a, upstream: [{servers}]}}]"), expected);
    };
    check(
        "{address: 'b:1', weight: 0}, {address: 'b:2', weight: 0}",
        &["1:43 error no server of the upstream gets anything … a weight of 1"],
    );
    check("{address: 'b:1', weight: 0}", &["all have the weight 0"]);
    check("{address: 'b:1', weight: 0}, 'b:2'", &[]);
}
