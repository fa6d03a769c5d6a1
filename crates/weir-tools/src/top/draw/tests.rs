//! Frames as they are sent to a terminal. Each is a file under `frames`; `WEIR_UPDATE=1 cargo test -p weir-tools` writes them
//! anew.

use std::path::Path;
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Cell;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::{Value, json};

use super::super::view::Heard;
use super::super::view::samples::{NOW, queues, status, view};
use super::*;

fn frame(view: &View, width: u16, height: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal in memory");
    terminal.draw(|frame| draw(view, frame.area(), frame.buffer_mut())).expect("no terminal can fail here");
    terminal.backend().buffer().clone()
}

fn lines(buffer: &Buffer) -> Vec<String> {
    let width = usize::from(buffer.area.width.max(1));
    let lines = buffer.content().chunks(width);
    lines.map(|cells| cells.iter().map(Cell::symbol).collect::<String>().trim_end().to_owned()).collect()
}

fn pressed(mut view: View, keys: &str) -> View {
    for character in keys.chars() {
        let code = match character {
            '\n' => KeyCode::Enter,
            other => KeyCode::Char(other),
        };
        keys::press(&mut view, KeyEvent::new(code, KeyModifiers::NONE));
    }
    view
}

fn check(name: &str, view: &View, width: u16, height: u16) {
    let text = format!("{}\n", lines(&frame(view, width, height)).join("\n"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/top/draw/frames").join(format!("{name}.txt"));
    if std::env::var_os("WEIR_UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        std::fs::write(&path, &text).expect("a file");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, kept, "run `WEIR_UPDATE=1 cargo test -p weir-tools` and look at the difference");
}

#[test]
fn a_usual_terminal() {
    check("80x24", &view(), 80, 24);
}

#[test]
fn a_large_terminal() {
    check("120x40", &pressed(view(), "jsss"), 120, 40);
}

#[test]
fn a_tiny_terminal() {
    check("40x10", &pressed(view(), "G"), 40, 10);
}

#[test]
fn a_question() {
    check("question", &pressed(view(), "jjx"), 80, 24);
    let mut last = status(1500);
    last["upstreams"][0]["servers"][0]["share_permille"] = json!(0);
    let mut view = view();
    view.hear(Heard::Report(Report::read(&last, &queues()).expect("a report"), Duration::from_secs(1)), NOW);
    let asked = lines(&frame(&pressed(view, "jjd"), 60, 12));
    assert_eq!(asked[10], "NO OTHER server of web gets requests: clients will get 503");
    assert_eq!(asked[11], "drain 127.0.0.1:9003 of web? y yes, n");
}

#[test]
fn the_answers_to_a_question_stay_visible() {
    for width in [20, 30, 40, 79] {
        let asked = lines(&frame(&pressed(view(), "Gb"), width, 10));
        assert!(asked[9].ends_with("y yes, n"), "{}", asked[9]);
    }
}

#[test]
fn a_weir_that_is_gone() {
    let mut view = view();
    let why = "no Weir listens at `127.0.0.1:9180`: Connection refused (os error 111)";
    view.hear(Heard::Nothing(why.to_owned()), NOW);
    view.hear(Heard::Nothing(why.to_owned()), NOW + Duration::from_secs(65));
    check("gone", &view, 80, 24);
    let mut never = View::new("127.0.0.1:9180", false, NOW);
    assert_eq!(lines(&frame(&never, 80, 24))[0], "Weir at 127.0.0.1:9180: asking");
    never.hear(Heard::Nothing(why.to_owned()), NOW);
    assert!(lines(&frame(&never, 80, 24))[0].starts_with("NO ANSWER for 0s, asking on: no Weir listens"));
}

#[test]
fn the_history_and_the_help() {
    check("history", &pressed(view(), "j\n"), 80, 24);
    check("help", &pressed(view(), "?"), 80, 24);
}

#[test]
fn what_is_not_there_is_said() {
    let empty = |value: Value| {
        let mut view = View::new("a:1", false, NOW);
        view.hear(Heard::Report(Report::read(&value, &Value::Null).expect("a report"), Duration::ZERO), NOW);
        view
    };
    let none = lines(&frame(&empty(json!({"upstreams": []})), 80, 24));
    assert_eq!(none[3], "no upstream: no route sends requests to servers");
    let nothing = lines(&frame(&pressed(view(), "/xyz\n"), 80, 24));
    assert_eq!(nothing[3], "nothing has `xyz` in it; Esc shows all");
    // A Weir that says the least that makes sense.
    let least =
        empty(json!({"upstreams": [{"name": "web", "servers": [{"address": "a:1", "state": "HEALTHY"}]}]}));
    assert_eq!(
        lines(&frame(&least, 80, 24))[4].split_whitespace().collect::<Vec<_>>().join(" "),
        "> a:1 HEALTHY 0 - 0 - - - 0.0%"
    );
}

/// The selected server is to be seen however long the list is.
#[test]
fn a_long_list_follows_the_selected_one() {
    let servers: Vec<_> = (0..500).map(|number| json!({"address": format!("server-{number}:80")})).collect();
    let report = Report::read(&json!({"upstreams": [{"name": "web", "servers": servers}]}), &Value::Null);
    let mut view = View::new("a:1", false, NOW);
    view.hear(Heard::Report(report.expect("a report"), Duration::ZERO), NOW);
    for index in [0, 1, 7, 250, 498, 499] {
        view.move_by(isize::MIN);
        view.move_by(index);
        for height in [4, 5, 10, 24, 60] {
            let marked = lines(&frame(&view, 80, height)).into_iter().filter(|line| line.starts_with('>'));
            let marked: Vec<_> = marked.collect();
            assert_eq!(marked.len(), 1, "{index} {height}");
            assert!(marked[0].contains(&format!("server-{index}:80")), "{}", marked[0]);
        }
    }
}

#[test]
fn no_size_is_too_small() {
    let views = ["", "j\n", "?", "jd", "/x", "b"].map(|keys| pressed(view(), keys));
    for view in &views {
        for width in (0..30).chain([79, 80, 81, 300]) {
            for height in (0..15).chain([24, 90]) {
                frame(view, width, height);
            }
        }
    }
}

/// Somebody registers a server whose name is a command to a terminal, or wider than it looks.
#[test]
fn names_reach_the_terminal_as_text_only() {
    let evil = "\x1b[2J\x1b]0;owned\x07\u{9b}31m\r\n\u{202e}moc.live\u{200b}漢字漢字\u{301}";
    let server =
        json!({"address": evil, "state": evil, "changes": [{"from": evil, "to": evil, "reason": evil}]});
    let value = json!({"version": evil, "upstreams": [{"name": evil, "balance": evil, "servers": [server]}]});
    let report = Report::read(&value, &json!({"queues": []})).expect("a report");
    let mut view = View::new(evil, true, NOW);
    view.hear(Heard::Report(report, Duration::ZERO), NOW);
    for keys in ["", "\n", "d", "/\x1b[2J"] {
        let view = pressed(view.clone(), keys);
        for width in 10..90 {
            let buffer = frame(&view, width, 24);
            let bad = buffer.content().iter().flat_map(|cell| cell.symbol().chars());
            let bad: String =
                bad.filter(|c| c.is_control() || *c == '\u{202e}' || *c == '\u{200b}').collect();
            assert_eq!(bad, "", "{width}");
        }
    }
    view.hear(Heard::Nothing(evil.to_owned()), NOW);
    view.note = Some("x".to_owned());
    view.hear(Heard::Done(evil.to_owned()), NOW);
    assert!(!lines(&frame(&view, 80, 24)).concat().contains('\x1b'));
}

#[test]
fn colours_are_there_only_when_wanted() {
    let has_color = |view: &View| {
        let buffer = frame(view, 80, 24);
        buffer.content().iter().any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset)
    };
    let mut view = view();
    assert!(has_color(&view));
    view.color = false;
    for keys in ["", "d", "n", "?", "\n"] {
        assert!(!has_color(&pressed(view.clone(), keys)), "{keys:?}");
    }
}

/// Over a slow line a second must not cost a screen: what is as it was is not sent.
#[test]
fn little_changes_from_second_to_second() {
    let mut view = view();
    let before = frame(&view, 80, 24);
    let report = Report::read(&status(2000), &queues()).expect("a report");
    view.hear(Heard::Report(report, Duration::from_secs(1)), NOW + Duration::from_secs(1));
    let after = frame(&view, 80, 24);
    let changed = before.diff(&after).len();
    assert!(changed < 60, "{changed}");
}
