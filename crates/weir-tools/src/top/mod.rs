//! The live view of a running Weir: upstreams, servers and what they do, in a terminal, and keys to take servers out.
//!
//! Three things that know nothing of each other meet here: who asks (`asking`), what is to be seen (`view`, `keys`,
//! `draw`: pure, so that frames can be tested without a terminal), and the terminal (`terminal`). It asks the admin listener
//! like everybody else and sees nothing that others could not.

pub mod amount;
mod asking;
mod columns;
mod draw;
mod keys;
pub mod report;
mod terminal;
mod view;

use std::fmt;
use std::io;
use std::pin::pin;
use std::time::{Duration, SystemTime};

use ratatui::crossterm::event::{Event, KeyEventKind};
use ratatui::crossterm::terminal::size;
use tokio::sync::mpsc;

use self::keys::{Wish, press};
use self::terminal::{Screen, events};
use self::view::{Heard, View};
use crate::admin_client::AdminClient;

/// Orders and answers that may wait: there is one person and one who is asked.
const WAITING_MAX: usize = 16;

/// The terminal can't be used.
#[derive(Debug)]
pub struct TerminalError(io::Error);

impl fmt::Display for TerminalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the terminal can't be used: {}\n\nhint: `weir upstreams` prints what there is to see once",
            self.0
        )
    }
}

impl std::error::Error for TerminalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// Shows the Weir of this admin listener until somebody wants to quit or `stop` is ready. The terminal is as it was before when
/// this returns, and when its future is dropped.
///
/// # Errors
/// There is no terminal, or it is gone.
pub async fn run(
    client: AdminClient,
    color: bool,
    stop: impl Future<Output = ()>,
) -> Result<(), TerminalError> {
    let mut view = View::new(client.address(), color, now());
    let (orders, inbox) = mpsc::channel(WAITING_MAX);
    let (said, heard) = mpsc::channel(WAITING_MAX);
    let asking = tokio::spawn(asking::ask(client, inbox, said));
    let shown = show(&mut view, orders, heard, stop).await;
    asking.abort();
    shown.map_err(TerminalError)
}

/// Columns and lines of the terminal that this program writes to.
///
/// # Errors
/// There is none.
pub fn terminal_size() -> io::Result<(u16, u16)> {
    size()
}

async fn show(
    view: &mut View,
    orders: mpsc::Sender<view::Order>,
    mut heard: mpsc::Receiver<Heard>,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let mut screen = Screen::open()?;
    let mut events = events()?;
    let mut stop = pin!(stop);
    loop {
        screen.show(view)?;
        let mut event = tokio::select! {
            event = events.recv() => Some(event.ok_or(io::ErrorKind::UnexpectedEof)??),
            Some(heard) = heard.recv() => {
                view.hear(heard, now());
                None
            }
            () = &mut stop => return Ok(()),
        };
        // What was typed faster than it can be shown is shown once.
        while let Some(one) = event {
            if let Event::Key(key) = one
                && key.kind != KeyEventKind::Release
            {
                match press(view, key) {
                    Wish::Nothing => {}
                    Wish::Quit => return Ok(()),
                    Wish::Order(order) => {
                        let is_taken = orders.try_send(order).is_ok();
                        view.note =
                            Some(if is_taken { "asked for" } else { "not done: try again" }.to_owned());
                    }
                }
            }
            event = events.try_recv().ok().transpose()?;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the clock of the live view: how long ago something was")]
fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
