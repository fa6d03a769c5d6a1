//! What `weir race` is told: the words of the program that had this mode first, as a model.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use weir_core::balance::Strategy;
use weir_core::dispatch::{Otherwise, RaceRule, StatusSet};

use super::{Repeats, model, parse_servers};
use crate::address;
use crate::complaint::Complaint;
use crate::model::{Dispatch, Dispatches, ListenAddress, LogTarget, Model};
use crate::node::shortened;

/// What a client gets when no endpoint gave a usable answer (`semantics.md` §1.10).
const NOTHING_USABLE: u16 = 500;

/// What a race is asked for, as it was written.
#[derive(Debug, Clone, Copy)]
pub struct Race<'w> {
    /// URLs with commas between them. One may stand several times: it is asked as often.
    pub endpoints: &'w str,
    /// Where clients are accepted.
    pub address: &'w str,
    /// Round hundreds with commas between them.
    pub terminal_responses: &'w str,
    /// Whether all endpoints are asked at once, and not one after the other.
    pub parallel: bool,
}

/// The model of a race.
///
/// # Errors
/// Everything that is wrong, one complaint each.
pub fn race(race: Race<'_>) -> Result<Model, Vec<Complaint>> {
    let mut complaints = Vec::new();
    let mut noted = |mut found: Vec<Complaint>| complaints.append(&mut found);
    let listen = listen(race.address).map_err(|complaint| noted(vec![complaint])).ok();
    let usable = terminal_responses(race.terminal_responses).map_err(&mut noted).ok();
    let endpoints: Vec<String> = match race.endpoints.trim() {
        "" => Vec::new(),
        written => written.split(',').map(|endpoint| endpoint.trim().to_owned()).collect(),
    };
    let servers = parse_servers(&endpoints, Repeats::Numbered).map_err(&mut noted).ok();
    let (Some(listen), Some(usable), Some(servers)) = (listen, usable, servers) else {
        return Err(complaints);
    };
    let rule = RaceRule {
        usable,
        width: if race.parallel { None } else { Some(1) },
        stagger: Duration::ZERO,
        otherwise: Otherwise::Status(NOTHING_USABLE),
    };
    model(listen, Strategy::RoundRobin, Dispatches::all(Dispatch::Race(rule)), servers)
}

/// As everywhere, and `localhost:PORT` too, which the other program took.
fn listen(text: &str) -> Result<ListenAddress, Complaint> {
    let local = text.strip_prefix("localhost:").and_then(|port| address::listen(&format!(":{port}")).ok());
    match local {
        Some(ListenAddress::Tcp(address)) => {
            Ok(ListenAddress::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, address.port()))))
        }
        Some(ListenAddress::Unix(_)) | None => address::listen(text),
    }
}

/// Classes of statuses as round hundreds: `200,300,400`. `100` is taken and has no effect, because interim answers decide
/// nothing (`semantics.md` §3.4).
///
/// # Errors
/// One complaint for each part that is no class; one when no answer could ever be usable.
pub fn terminal_responses(text: &str) -> Result<StatusSet, Vec<Complaint>> {
    let mut usable = StatusSet::EMPTY;
    let mut complaints = Vec::new();
    for part in text.split(',').map(str::trim) {
        match class(part) {
            Ok(class) => usable = usable.with_class(class),
            Err(complaint) => complaints.push(complaint),
        }
    }
    if complaints.is_empty() && !(200..600).any(|status| usable.contains(status)) {
        complaints.push(
            Complaint::new(format!("with `{}` no answer is ever usable", shortened(text)))
                .hint("1xx are interim answers; name a class of final ones too: `200,300,400`"),
        );
    }
    if complaints.is_empty() { Ok(usable) } else { Err(complaints) }
}

fn class(text: &str) -> Result<u16, Complaint> {
    let not = || Complaint::new(format!("`{}` is no class of statuses", shortened(text)));
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u16>() {
        Ok(status @ (100 | 200 | 300 | 400 | 500)) if is_number => Ok(status / 100),
        Ok(status @ 101..600) if is_number => {
            Err(not().hint(format!("a class is written as its round hundred: `{}`", status / 100 * 100)))
        }
        _ => {
            match text.as_bytes() {
                [digit @ b'1'..=b'5', b'x' | b'X', b'x' | b'X'] => Err(not()
                    .hint(format!("a class is written as its round hundred: `{}00`", char::from(*digit)))),
                _ => Err(not().hint("the classes are `100`, `200`, `300`, `400` and `500`")),
            }
        }
    }
}

/// Where lines go: `stdout` (also when nothing is written), `stderr`, or a file that is appended to.
pub fn log_target(text: &str) -> LogTarget {
    match text {
        "" | "stdout" => LogTarget::Stdout,
        "stderr" => LogTarget::Stderr,
        path => LogTarget::File(PathBuf::from(path)),
    }
}

#[cfg(test)]
mod tests {
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
        let names: Vec<&str> =
            model.upstreams[0].servers.iter().map(|server| &*server.address.written).collect();
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
}
