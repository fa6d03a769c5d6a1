//! Keys and what they lead to, without a terminal.

use super::super::view::samples::{NOW, queues, status, view};
use super::super::view::{Heard, Sort};
use super::*;
use crate::top::report::Report;

fn key(code: KeyCode) -> KeyEvent {
    KeyEvent::new(code, KeyModifiers::NONE)
}

/// Presses these one after the other; the last wish.
fn typed(view: &mut View, text: &str) -> Wish {
    let mut wish = Wish::Nothing;
    for character in text.chars() {
        let code = match character {
            '\n' => KeyCode::Enter,
            '\x1b' => KeyCode::Esc,
            '\x08' => KeyCode::Backspace,
            'v' => KeyCode::Down,
            other => KeyCode::Char(other),
        };
        wish = press(view, key(code));
    }
    wish
}

fn order(server: &str, word: Word) -> Wish {
    Wish::Order(Order { place: Place { pool: "web".to_owned(), server: server.to_owned() }, word })
}

#[test]
fn a_change_needs_a_yes() {
    let mut view = view();
    assert_eq!(typed(&mut view, "d"), Wish::Nothing);
    assert!(matches!(&view.mode, Mode::Question(order) if order.word == Word::Drain));
    assert_eq!(typed(&mut view, "y"), order("127.0.0.1:9001", Word::Drain));
    assert_eq!(view.mode, Mode::Table);
    assert_eq!(typed(&mut view, "vxY"), order("127.0.0.1:9002", Word::Disable));
    for no in ["n", "q", "\n", "\x1b", "d", "v", " "] {
        assert_eq!(typed(&mut view, &format!("d{no}")), Wish::Nothing, "{no:?}");
        assert_eq!((&view.mode, view.note.as_deref()), (&Mode::Table, Some("nothing is changed")), "{no:?}");
    }
    assert_eq!(typed(&mut view, "y"), Wish::Nothing, "there is no question any more");
}

/// A yes is for who was asked about, although another server is in that line by now.
#[test]
fn a_yes_is_for_who_was_asked_about() {
    let mut view = view();
    typed(&mut view, "vx");
    view.sort = Sort::State;
    view.is_reversed = true;
    let report = Report::read(&status(2000), &queues()).expect("a report");
    view.hear(Heard::Report(report, std::time::Duration::from_secs(1)), NOW);
    assert_eq!(typed(&mut view, "y"), order("127.0.0.1:9002", Word::Disable));
}

/// Telling Weir of a server that has left would let it join.
#[test]
fn who_has_left_meanwhile_is_left_alone() {
    let mut view = view();
    typed(&mut view, "d");
    let mut without = status(2000);
    without["upstreams"][0]["servers"].as_array_mut().expect("a list").remove(0);
    let report = Report::read(&without, &queues()).expect("a report");
    view.hear(Heard::Report(report, std::time::Duration::from_secs(1)), NOW);
    assert_eq!(typed(&mut view, "y"), Wish::Nothing);
    assert_eq!(view.note.as_deref(), Some("nothing is changed: it has left"));
}

#[test]
fn what_is_so_already_is_not_asked() {
    let mut view = view();
    typed(&mut view, "b");
    assert_eq!(view.note.as_deref(), Some("127.0.0.1:9001 is in service already"));
    typed(&mut view, "Gd");
    assert_eq!(view.note.as_deref(), Some("orders-3.internal.example.com:8080 is DRAINING already"));
    assert_eq!(view.mode, Mode::Table);
    typed(&mut view, "b");
    assert!(matches!(&view.mode, Mode::Question(order) if order.word == Word::InService));
}

#[test]
fn nothing_is_asked_of_one_that_is_gone_or_of_nobody() {
    let mut view = view();
    view.hear(Heard::Nothing("refused".to_owned()), NOW);
    typed(&mut view, "d");
    assert_eq!(view.mode, Mode::Table);
    assert!(view.note.as_deref().is_some_and(|note| note.contains("no Weir answers")));
    let mut nobody = View::new("a:1", false, NOW);
    assert_eq!(typed(&mut nobody, "vdxb\n\nsr?q"), Wish::Nothing, "the last key ends the help");
    assert_eq!(typed(&mut nobody, "q"), Wish::Quit);
}

#[test]
fn a_filter_is_typed_kept_and_taken_away() {
    let mut view = view();
    assert_eq!(typed(&mut view, "/qx\x08"), Wish::Nothing, "in a filter letters are letters");
    assert_eq!((view.filter.as_str(), &view.mode), ("q", &Mode::Filter));
    typed(&mut view, "\x08\x08unrea\n");
    assert_eq!((view.filter.as_str(), &view.mode), ("unrea", &Mode::Table));
    assert_eq!(view.selected().map(|(_, server)| &*server.address), Some("127.0.0.1:9002"));
    typed(&mut view, "\x1b");
    assert_eq!(view.filter, "");
    typed(&mut view, "/abc\x1b");
    assert_eq!((view.filter.as_str(), &view.mode), ("", &Mode::Table));
    typed(&mut view, &format!("/{}", "x".repeat(1000)));
    assert_eq!(view.filter.len(), FILTER_MAX);
    press(&mut view, KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL));
    assert_eq!(view.filter, "");
}

#[test]
fn control_c_ends_it_whatever_is_asked() {
    for before in ["", "/x", "d", "?", "\n"] {
        let mut view = view();
        typed(&mut view, before);
        let wish = press(&mut view, KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL));
        assert_eq!(wish, Wish::Quit, "{before:?}");
    }
}

#[test]
fn the_history_follows_the_selected_server() {
    let mut view = view();
    typed(&mut view, "\nv");
    assert_eq!(view.mode, Mode::History);
    assert_eq!(view.selected().map(|(_, server)| &*server.address), Some("127.0.0.1:9002"));
    typed(&mut view, "\n");
    assert_eq!(view.mode, Mode::Table);
    typed(&mut view, "\n\x1b");
    assert_eq!(view.mode, Mode::Table);
    assert_eq!(typed(&mut view, "\nq"), Wish::Quit);
}

#[test]
fn order_and_note_change_with_keys() {
    let mut view = view();
    typed(&mut view, "s");
    assert_eq!(view.sort, Sort::Name);
    typed(&mut view, "rb");
    assert!(view.is_reversed && view.note.is_some());
    typed(&mut view, "j");
    assert_eq!(view.note, None, "a note is there until the next key");
}
