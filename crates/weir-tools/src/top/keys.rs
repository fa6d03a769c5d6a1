//! What keys do: a view and a key give another view, and perhaps something to be done.
//!
//! Nothing is changed in Weir without a question before, and only `y` is a yes.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::view::{Mode, Order, Place, View, Word};

/// Lines of a page.
const PAGE: isize = 10;

/// Characters of a filter; names are shorter.
const FILTER_MAX: usize = 60;

/// What somebody wants who has pressed a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Only to see something else.
    Nothing,
    /// To end.
    Quit,
    /// To change something.
    Order(Order),
}

/// All keys with what they do, those first that are needed most.
pub(crate) const ALL: [(&str, &str, &str); 12] = [
    ("q", "quit", "quit; Ctrl-C too"),
    ("?", "help", "this help"),
    ("/", "filter", "show only what has this in its name or state; Esc shows all"),
    ("s", "sort", "sort servers by something else"),
    ("Enter", "why", "the last changes of the selected server, with their reasons"),
    ("d", "drain", "no new requests for the selected server"),
    ("x", "disable", "no requests at all for it"),
    ("b", "back", "back in service"),
    ("r", "", "turn the order around"),
    ("Up Down", "", "select a server; k and j too"),
    ("PgUp PgDn", "", "ten servers at once"),
    ("Home End", "", "the first and the last server; g and G too"),
];

/// Does what a key says.
pub(crate) fn press(view: &mut View, key: KeyEvent) -> Wish {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Wish::Quit,
            KeyCode::Char('u') if view.mode == Mode::Filter => {
                view.filter.clear();
                view.settle();
                Wish::Nothing
            }
            _ => Wish::Nothing,
        };
    }
    view.note = None;
    match std::mem::take(&mut view.mode) {
        Mode::Question(order) => return answered(view, order, key.code),
        Mode::Filter => filtered(view, key.code),
        // Whatever it was, it was meant for the help.
        Mode::Help => {}
        mode @ (Mode::Table | Mode::History) => {
            if key.code == KeyCode::Char('q') {
                return Wish::Quit;
            }
            moved(view, mode, key.code);
        }
    }
    view.settle();
    Wish::Nothing
}

/// Yes is one key; everything else is no.
fn answered(view: &mut View, order: Order, code: KeyCode) -> Wish {
    if !matches!(code, KeyCode::Char('y' | 'Y')) {
        view.note = Some("nothing is changed".to_owned());
        return Wish::Nothing;
    }
    // Who has left meanwhile would join again with this.
    if view.find(&order.place).is_none() {
        view.note = Some("nothing is changed: it has left".to_owned());
        return Wish::Nothing;
    }
    Wish::Order(order)
}

fn filtered(view: &mut View, code: KeyCode) {
    view.mode = Mode::Filter;
    match code {
        KeyCode::Enter => view.mode = Mode::Table,
        KeyCode::Esc => {
            view.filter.clear();
            view.mode = Mode::Table;
        }
        KeyCode::Backspace => {
            view.filter.pop();
        }
        KeyCode::Char(character) if !character.is_control() && view.filter.chars().count() < FILTER_MAX => {
            view.filter.push(character);
        }
        KeyCode::Up => view.move_by(-1),
        KeyCode::Down => view.move_by(1),
        _ => {}
    }
}

fn moved(view: &mut View, mode: Mode, code: KeyCode) {
    let is_history = mode == Mode::History;
    view.mode = mode;
    match code {
        KeyCode::Up | KeyCode::Char('k') => view.move_by(-1),
        KeyCode::Down | KeyCode::Char('j') => view.move_by(1),
        KeyCode::PageUp => view.move_by(-PAGE),
        KeyCode::PageDown => view.move_by(PAGE),
        KeyCode::Home | KeyCode::Char('g') => view.move_by(isize::MIN),
        KeyCode::End | KeyCode::Char('G') => view.move_by(isize::MAX),
        KeyCode::Enter => view.mode = if is_history { Mode::Table } else { Mode::History },
        KeyCode::Esc if is_history => view.mode = Mode::Table,
        KeyCode::Esc => view.filter.clear(),
        KeyCode::Char('/') => view.mode = Mode::Filter,
        KeyCode::Char('?' | 'h') => view.mode = Mode::Help,
        KeyCode::Char('s') => view.sort = view.sort.next(),
        KeyCode::Char('r') => view.is_reversed = !view.is_reversed,
        KeyCode::Char('d') => question(view, Word::Drain),
        KeyCode::Char('x') => question(view, Word::Disable),
        KeyCode::Char('b') => question(view, Word::InService),
        _ => {}
    }
}

/// Asks whether this shall be said of the selected server, unless it is so already.
fn question(view: &mut View, word: Word) {
    let Some((pool, server)) = view.selected() else {
        view.note = Some("no server is selected".to_owned());
        return;
    };
    let is_taken_out = [Word::Drain, Word::Disable].iter().any(|word| word.state() == Some(&server.state));
    let is_so = match word.state() {
        Some(state) => server.state == state,
        None => !is_taken_out,
    };
    if view.gone.is_some() {
        view.note = Some("nothing can be changed: no Weir answers".to_owned());
    } else if is_so {
        let what = word.state().unwrap_or("in service");
        view.note = Some(format!("{} is {what} already", server.address));
    } else {
        view.mode = Mode::Question(Order { place: Place::of(pool, server), word });
    }
}

#[cfg(test)]
mod tests;
