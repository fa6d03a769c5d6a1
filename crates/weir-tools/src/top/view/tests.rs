//! What is to be seen follows what is heard and what is chosen, and who is selected stays selected.

use super::samples::{NOW, queues, status, view};
use super::*;

fn names(view: &View) -> Vec<&str> {
    let name = |row| match row {
        Row::Pool(pool) => &*pool.name,
        Row::Server(_, server) => &*server.address,
        Row::Empty => "-",
    };
    view.rows().into_iter().map(name).collect()
}

fn selected(view: &View) -> &str {
    view.selected().map_or("", |(_, server)| &server.address)
}

const LONG: &str = "orders-3.internal.example.com:8080";

#[test]
fn servers_stand_below_their_upstreams() {
    let expected = [
        "web",
        "127.0.0.1:9001",
        "127.0.0.1:9002",
        "127.0.0.1:9003",
        "orders",
        "10.0.0.7:80",
        "10.0.0.8:80",
        LONG,
        "empty",
        "-",
    ];
    assert_eq!(names(&view()), expected);
}

#[test]
fn they_are_sorted_within_their_upstream() {
    let sorted = |sort, is_reversed| {
        let view = View { sort, is_reversed, ..view() };
        names(&view)
            .into_iter()
            .take(4)
            .map(|name| name.rsplit(':').next().unwrap_or(""))
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(sorted(Sort::State, false), "web 9002 9001 9003");
    assert_eq!(sorted(Sort::Failures, false), "web 9002 9001 9003");
    assert_eq!(sorted(Sort::InFlight, false), "web 9001 9003 9002");
    assert_eq!(sorted(Sort::Requests, true), "web 9002 9003 9001");
    assert_eq!(sorted(Sort::Written, true), "web 9003 9002 9001");
    let mut sort = Sort::Written;
    for _ in Sort::ALL {
        sort = sort.next();
    }
    assert_eq!(sort, Sort::Written);
}

#[test]
fn a_filter_finds_upstreams_servers_and_states() {
    let filtered = |filter: &str| {
        let view = View { filter: filter.to_owned(), ..view() };
        names(&view).join(" ")
    };
    assert_eq!(filtered("unreach"), "web 127.0.0.1:9002");
    assert_eq!(filtered("EMPTY"), "empty -");
    assert_eq!(filtered("9001"), "web 127.0.0.1:9001");
    assert_eq!(filtered("order"), format!("orders 10.0.0.7:80 10.0.0.8:80 {LONG}"));
    assert_eq!(filtered("nobody"), "");
}

#[test]
fn who_is_selected_stays_selected_while_lines_move() {
    let mut view = view();
    assert_eq!(selected(&view), "127.0.0.1:9001", "somebody is selected from the beginning");
    view.move_by(1);
    view.sort = Sort::State;
    view.settle();
    assert_eq!(selected(&view), "127.0.0.1:9002");
    view.move_by(1);
    assert_eq!(selected(&view), "127.0.0.1:9001", "below the line where it is now");
}

#[test]
fn when_the_selected_one_leaves_its_place_is_selected() {
    let mut view = view();
    view.move_by(isize::MAX);
    assert_eq!(selected(&view), LONG);
    let mut fewer = status(2000);
    fewer["upstreams"].as_array_mut().expect("a list").truncate(1);
    let report = Report::read(&fewer, &queues()).expect("a report");
    view.hear(Heard::Report(report, Duration::from_secs(1)), NOW);
    assert_eq!(selected(&view), "127.0.0.1:9003");
    view.move_by(isize::MIN);
    assert_eq!(selected(&view), "127.0.0.1:9001");
    let nothing = Report::read(&serde_json::json!({"upstreams": []}), &queues()).expect("a report");
    view.hear(Heard::Report(nothing, Duration::from_secs(1)), NOW);
    assert_eq!(view.selected(), None);
    view.move_by(1);
    assert_eq!(view.selected(), None);
}

#[test]
fn one_that_is_gone_is_shown_as_it_was_and_since_when() {
    let mut view = view();
    let later = |seconds| NOW + Duration::from_secs(seconds);
    view.hear(Heard::Nothing("refused\x1b".to_owned()), later(1));
    view.hear(Heard::Nothing("refused again".to_owned()), later(5));
    assert_eq!(view.gone, Some(("refused again".to_owned(), later(1))));
    assert_eq!(names(&view).len(), 10);
    let report = Report::read(&status(9000), &queues()).expect("a report");
    view.hear(Heard::Report(report, Duration::from_secs(6)), later(7));
    assert_eq!(view.gone, None);
    let rate = view.report.and_then(|report| report.requests_per_second);
    assert_eq!(rate, None, "the time between is no second");
}
