//! The words of a race: what is taken, what is refused, and what is told about it.
#![allow(clippy::unwrap_used)]

use super::*;

const USUAL: Race<'_> = Race {
    endpoints: "http://localhost:8000",
    address: ":8080",
    terminal_responses: "100,200,300,400",
    parallel: true,
};

fn check(written: Race<'_>, servers: &[&str]) {
    let model = race(written).unwrap();
    let names: Vec<&str> = model.upstreams[0].servers.iter().map(|server| &*server.address.written).collect();
    assert_eq!(names, servers);
}

fn check_refused(written: Race<'_>, parts: &[&str]) {
    let complaints = race(written).unwrap_err();
    assert_eq!(complaints.len(), parts.len(), "{complaints:?}");
    for (complaint, part) in complaints.iter().zip(parts) {
        assert!(complaint.to_string().contains(part), "{part}: {complaint}");
    }
}

#[test]
fn an_endpoint_that_stands_several_times_is_several_servers() {
    let four = "http://localhost:8000,http://localhost:8000,http://b/x,http://localhost:8000/";
    check(
        Race { endpoints: four, ..USUAL },
        &["http://localhost:8000", "http://localhost:8000#2", "http://b/x", "http://localhost:8000/#3"],
    );
    check(Race { endpoints: " http://a , http://b", ..USUAL }, &["http://a", "http://b"]);
}

#[test]
fn everything_that_is_wrong_is_told() {
    let wrong = Race {
        endpoints: "http://a,,ftp://b,http://c?d=e",
        address: "8080",
        terminal_responses: "200,404",
        parallel: true,
    };
    check_refused(wrong, &["`8080`", "`404`", "``", "ftp", "no query"]);
    check_refused(Race { endpoints: " ", ..USUAL }, &["no server"]);
}

#[test]
fn addresses_are_those_of_every_command_and_localhost() {
    for (address, expected) in
        [("localhost:81", "127.0.0.1:81"), ("127.0.0.2:81", "127.0.0.2:81"), (":81", "[::]:81")]
    {
        assert_eq!(listen(address), Ok(ListenAddress::Tcp(expected.parse().unwrap())));
    }
    assert!(listen("localhost").is_err());
    assert!(listen("localhost:x").is_err());
}

#[test]
fn classes_are_round_hundreds() {
    let classes =
        |classes: &[u16]| classes.iter().fold(StatusSet::EMPTY, |set, class| set.with_class(*class));
    assert_eq!(terminal_responses("100,200,300,400"), Ok(classes(&[1, 2, 3, 4])));
    assert_eq!(terminal_responses("200"), Ok(classes(&[2])));
    assert_eq!(terminal_responses(" 500, 200 ,500"), Ok(classes(&[2, 5])));
    for (text, part) in [
        ("", "no class"),
        ("100", "ever usable"),
        ("404", "`400`"),
        ("2xx", "`200`"),
        ("600", "`100`"),
        ("0", "`100`"),
        ("+200", "no class"),
        ("200,", "no class"),
        ("200;300", "no class"),
        ("99999999", "no class"),
    ] {
        let complaints = terminal_responses(text).unwrap_err();
        assert_eq!(complaints.len(), 1, "{text}");
        assert!(complaints[0].to_string().contains(part), "{text}: {}", complaints[0]);
        assert!(complaints[0].hint.is_some(), "{text}");
    }
    assert_eq!(terminal_responses("1,2").unwrap_err().len(), 2);
}

#[test]
fn the_log_goes_where_it_went() {
    assert_eq!(log_target(""), LogTarget::Stdout);
    assert_eq!(log_target("stdout"), LogTarget::Stdout);
    assert_eq!(log_target("stderr"), LogTarget::Stderr);
    assert_eq!(log_target("a/b"), LogTarget::File("a/b".into()));
}

#[test]
fn parallel_is_as_wide_as_there_are_endpoints() {
    for (parallel, expected) in [(true, None), (false, Some(1))] {
        let model = race(Race { parallel, ..USUAL }).unwrap();
        let crate::model::Action::Forward(forward) = &model.services[0].routes[0].action else {
            panic!("forward")
        };
        let Dispatch::Race(rule) = &forward.dispatch.others else { panic!("race") };
        assert_eq!(rule.width, expected);
        assert_eq!(rule.otherwise, Otherwise::Status(500));
    }
}
