//! The terminal: taken at the beginning, given back on every way out.
//!
//! Who leaves by an error or a signal drops the screen; who panics does too, and then its words come after the screen was
//! given back, or nobody could read them. Only a process that is killed without a word leaves the terminal as it was.

use std::io::{self, Stdout, stdout};
use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::event::{self, Event};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use tokio::sync::mpsc;

use super::draw::draw;
use super::view::View;

/// How long it takes the thread that reads keys to notice that nobody wants them any more.
const LOOK_UP: Duration = Duration::from_millis(200);

/// Keys that may wait. Somebody pastes; what is more waits in the terminal.
const KEYS_MAX: usize = 64;

/// Whether the terminal is ours.
static IS_OURS: AtomicBool = AtomicBool::new(false);

/// The screen, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    /// Takes the terminal: another screen, no cursor, keys as they are pressed.
    ///
    /// # Errors
    /// There is no terminal, or it takes nothing. It is as it was then.
    pub(crate) fn open() -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |panic| {
                give_back();
                before(panic);
            }));
        });
        IS_OURS.store(true, Ordering::SeqCst);
        let taken = enable_raw_mode()
            .and_then(|()| execute!(stdout(), EnterAlternateScreen, Hide))
            .and_then(|()| Terminal::new(CrosstermBackend::new(stdout())));
        match taken {
            Ok(terminal) => Ok(Self { terminal }),
            Err(error) => {
                give_back();
                Err(error)
            }
        }
    }

    /// Shows a view; sends what is different from what is there. Fits itself to the terminal's size.
    ///
    /// # Errors
    /// The terminal takes nothing.
    pub(crate) fn show(&mut self, view: &View) -> io::Result<()> {
        self.terminal.draw(|frame| draw(view, frame.area(), frame.buffer_mut()))?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Once, whoever comes first. Each step is tried, also when another one has failed: the terminal may be gone.
fn give_back() {
    if IS_OURS.swap(false, Ordering::SeqCst) {
        let _ = execute!(stdout(), LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}

/// What people do at the terminal, read by a thread of its own until nobody wants it any more.
///
/// # Errors
/// The system gives no thread.
pub(crate) fn events() -> io::Result<mpsc::Receiver<io::Result<Event>>> {
    let (sender, receiver) = mpsc::channel(KEYS_MAX);
    std::thread::Builder::new().name("weir-keys".to_owned()).spawn(move || {
        while !sender.is_closed() {
            let event = match event::poll(LOOK_UP) {
                Ok(false) => continue,
                Ok(true) => event::read(),
                Err(error) => Err(error),
            };
            let is_over = event.is_err();
            if sender.blocking_send(event).is_err() || is_over {
                return;
            }
        }
    })?;
    Ok(receiver)
}
