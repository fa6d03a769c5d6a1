//! `weir race`: the command line of the program that had this mode first, before servers that fail, lag and are not there.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::sync_channel;

use nix::sys::signal::Signal;

use super::process::{Running, answer, ask, received, send};
use super::scratch::Scratch;

/// Starts mocks with these options behind their port; the URL of the first.
fn mock(options: &[&str]) -> (Running, String) {
    let mut mock = Running::start(&[&["mock", "0"], options].concat());
    let address = mock.address("listening on http://");
    (mock, format!("http://{address}"))
}

/// A race over these endpoints, and where it listens.
fn race(endpoints: &[&str], options: &[&str]) -> (Running, SocketAddr) {
    let endpoints = endpoints.join(",");
    let usual = ["race", "-endpoints", &endpoints, "-address=localhost:0", "-log-file", "stderr"];
    Running::proxy(&[&usual, options].concat())
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

fn winner(answer: &str) -> &str {
    let named = answer.lines().find_map(|line| line.strip_prefix("X-Backend-Server: "));
    named.unwrap_or_else(|| panic!("{answer}"))
}

#[test]
fn an_endpoint_may_be_named_four_times() {
    let (_mock, url) = mock(&[]);
    let (mut proxy, address) = race(&[url.as_str(); 4], &["--log-prefix", "of-four"]);
    proxy.line("requests of every method go to 4 endpoints, all at once");
    let answered = answer(ask(address, "a.example", "/x"));
    assert_eq!(status(&answered), "200", "{answered}");
    assert!(winner(&answered).starts_with(&url), "{answered}");
    let line = proxy.line("request /x served in ");
    assert!(line.starts_with("of-four 20") && line.ends_with(" bytes (status: 200), 4 asked"), "{line}");
    assert!(line.contains(&format!("endpoint \"{}\" sent ", winner(&answered))), "{line}");
    proxy.signal(Signal::SIGTERM);
    assert_eq!(proxy.end().0, Some(0));
}

#[test]
fn the_first_usable_answer_wins_however_many_fail() {
    let (_failing, bad) = mock(&["--errors", "100%"]);
    let (_slow, good) = mock(&["--delay", "20ms"]);
    let nobody = "http://127.0.0.1:1";
    let (_proxy, address) = race(&[&bad, nobody, &good, &bad], &[]);
    for _ in 0..4 {
        let answered = answer(send(address, "POST", "/echo", "the whole body"));
        assert_eq!((status(&answered), winner(&answered)), ("200", good.as_str()), "{answered}");
        assert!(answered.contains("the whole body"), "{answered}");
    }
}

/// The original's own trial, with its words and servers like its own, which die one after the other.
#[test]
fn no_client_hears_of_endpoints_that_die_while_one_answers() {
    const CLIENTS: usize = 4;
    const REQUESTS_OF_EACH: usize = 6;
    let bad: Vec<(Running, String)> =
        (0..3).map(|_| mock(&["--errors", "50%", "--delay", "0..1000ms"])).collect();
    let (reliable, good) = mock(&["--delay", "0..1000ms"]);
    let endpoints = [bad[0].1.as_str(), &bad[1].1, &good, &bad[2].1].join(",");
    let (_proxy, address) = Running::proxy(&[
        "race",
        "--endpoints",
        &endpoints,
        "--address",
        "127.0.0.1:0",
        "--terminal-responses",
        "100,200,300,400",
    ]);
    let (told, answers) = sync_channel(CLIENTS * REQUESTS_OF_EACH);
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            let told = told.clone();
            scope.spawn(move || {
                for _ in 0..REQUESTS_OF_EACH {
                    // The test may have failed already.
                    let _ = told.send(answer(send(address, "POST", "/x", "the whole body")));
                }
            });
        }
        drop(told);
        // One dies at a time, with requests on their way to it.
        let mut dies = bad.iter();
        for (number, answered) in answers.iter().enumerate() {
            assert_eq!(status(&answered), "200", "{answered}");
            if number % 5 == 4
                && let Some((mock, _)) = dies.next()
            {
                mock.signal(Signal::SIGKILL);
            }
        }
        assert!(dies.next().is_none());
    });
    reliable.signal(Signal::SIGKILL);
    for mock in bad.into_iter().map(|(mock, _)| mock).chain([reliable]) {
        assert_eq!(mock.end().0, None, "it was killed");
    }
    for _ in 0..2 {
        let answered = answer(ask(address, "a.example", "/x"));
        assert_eq!(status(&answered), "500", "{answered}");
    }
}

// semantics.md §1.10
#[test]
fn without_a_usable_answer_it_is_500() {
    let (_failing, bad) = mock(&["--errors", "100%"]);
    let (mut proxy, address) = race(&[&bad, &bad, "http://127.0.0.1:1"], &["-log-prefix=none"]);
    let answered = answer(ask(address, "a.example", "/y"));
    assert_eq!(status(&answered), "500", "{answered}");
    let line = proxy.line("request /y not served in ");
    assert!(line.contains("destination_unavailable (status: 500)"), "{line}");
}

#[test]
fn terminal_responses_say_what_is_usable() {
    let (_missing, missing) = mock(&["--status", "404"]);
    for (classes, expected) in [("200,300", "500"), ("100,200,300,400", "404"), ("400", "404")] {
        let (_proxy, address) = race(&[&missing], &["-terminal-responses", classes]);
        let answered = answer(ask(address, "a.example", "/"));
        assert_eq!(status(&answered), expected, "{classes}: {answered}");
    }
}

#[test]
fn without_fanout_endpoints_are_asked_one_after_the_other() {
    let (_failing, bad) = mock(&["--errors", "100%"]);
    let (_good, good) = mock(&[]);
    let never = TcpListener::bind("127.0.0.1:0").unwrap();
    never.set_nonblocking(true).unwrap();
    let third = format!("http://{}", never.local_addr().unwrap());
    let (mut proxy, address) = race(&[&bad, &good, &third], &["--fanout=false", "-log-p", "serial"]);
    proxy.line("go to 3 endpoints, one after the other");
    let answered = answer(ask(address, "a.example", "/"));
    assert_eq!((status(&answered), winner(&answered)), ("200", good.as_str()), "{answered}");
    let line = proxy.line("request / served");
    assert!(line.ends_with("2 asked"), "{line}");
    assert_eq!(never.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "the third was not needed");
}

#[test]
fn endpoints_get_the_path_behind_their_base_and_the_host_of_the_client() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/apis/", server.local_addr().unwrap());
    let (_proxy, address) = race(&[&url], &[]);
    let client = ask(address, "one.example", "/x?y=z");
    let (mut stream, _) = server.accept().unwrap();
    let request = received(&stream, 0);
    assert!(request.starts_with("GET /apis/x?y=z HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("Host: one.example\r\n"), "{request}");
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    assert_eq!(status(&answer(client)), "204");
}

#[test]
fn the_log_goes_to_stdout_or_a_file_with_what_is_asked_for() {
    let scratch = Scratch::new("race-log");
    let (_mock, url) = mock(&[]);
    let endpoints = format!("-e={url}");
    let serve = |mut proxy: Running| {
        let address = proxy.address(" listening address=");
        answer(ask(address, "a.example", "/x"));
        proxy.signal(Signal::SIGTERM);
        assert_eq!(proxy.end().0, Some(0));
    };
    let stdout = scratch.path("stdout");
    let usual = ["race", &endpoints, "-a", "localhost:0"];
    serve(Running::start_to(&[&usual[..], &["-log-utc"]].concat(), File::create(&stdout).unwrap()));
    let line = fs::read_to_string(&stdout).unwrap();
    let (time, sentence) = line.split_at("2026/11/21 20:51:07 ".len());
    assert!(sentence.starts_with("request /x served in ") && sentence.ends_with(" asked\n"), "{line}");
    let pattern: String = time.chars().map(|sign| if sign.is_ascii_digit() { '0' } else { sign }).collect();
    assert_eq!(pattern, "0000/00/00 00:00:00 ", "{line}");

    let file = scratch.file("log", "before\n");
    let options = ["-log-f", &file, "-log-date=false", "-log-time=0"];
    serve(Running::start_to(&[&usual[..], &options].concat(), File::create(&stdout).unwrap()));
    let lines = fs::read_to_string(&file).unwrap();
    assert!(lines.starts_with("before\nrequest /x served in "), "{lines}");
    assert_eq!(fs::read_to_string(&stdout).unwrap(), "", "nothing beside the file");
}

#[test]
fn it_drains_by_itself_after_the_time_that_is_asked_for() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", server.local_addr().unwrap());
    let (mut proxy, address) = race(&[&url], &["--stop-after", "0.3s"]);
    let client = ask(address, "a.example", "/slow");
    let (mut stream, _) = server.accept().unwrap();
    received(&stream, 0);
    proxy.line("the time to stop after is over");
    proxy.line("draining");
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole").unwrap();
    assert!(answer(client).ends_with("\r\n\r\nwhole"));
    proxy.line("stopped connections_cut=0");
    assert_eq!(proxy.end().0, Some(0));
}
