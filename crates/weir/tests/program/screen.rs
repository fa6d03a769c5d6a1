//! A real terminal with the program in it: a window of tmux of its own.

use std::process::{Command, Output};

use super::scratch::Scratch;

/// Looks at the screen after which a test gives up. Each starts a process; on a machine with nothing else to do this is far
/// longer than anything here takes, and on a loaded one looking takes longer too.
const LOOKS_MAX: usize = 5000;

/// A terminal. It and what runs in it end with this.
pub(crate) struct Screen {
    server: String,
}

impl Screen {
    /// Opens one with so many columns and lines and runs these words of a shell in it. `WEIR` stands for the program. What is on
    /// the screen afterwards stays there.
    pub(crate) fn open(scratch: &Scratch, columns: u16, lines: u16, words: &str) -> Self {
        let server = scratch.path("").trim_end_matches('/').rsplit('/').next().unwrap().to_owned();
        let screen = Self { server };
        let words = words.replace("WEIR", env!("CARGO_BIN_EXE_weir"));
        // Nobody reads what is typed into `cat`; it keeps the window open.
        let words = format!("{words}; exec cat");
        let (columns, lines) = (columns.to_string(), lines.to_string());
        screen.tmux(&["new-session", "-d", "-x", &columns, "-y", &lines, &words]);
        screen
    }

    fn tmux(&self, arguments: &[&str]) -> Output {
        let output = Command::new("tmux")
            .env("LC_ALL", "C.UTF-8")
            // Else it takes itself for a window in the one that the tests are run in.
            .env_remove("TMUX")
            .env_remove("NO_COLOR")
            .args(["-L", &self.server, "-f", "/dev/null"])
            .args(arguments)
            .output()
            .unwrap_or_else(|error| {
                panic!("`tmux` can't be run: {error}\n\nhint: `cargo xtask test` installs what tests run")
            });
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    /// What is to be seen now.
    pub(crate) fn seen(&self) -> String {
        String::from_utf8(self.tmux(&["capture-pane", "-p"]).stdout).unwrap()
    }

    /// Waits until something is to be seen, and gives the screen.
    pub(crate) fn wait(&self, what: impl Fn(&str) -> bool) -> String {
        for _ in 0..LOOKS_MAX {
            let seen = self.seen();
            if what(&seen) {
                return seen;
            }
        }
        panic!("it is not to be seen:\n{}", self.seen())
    }

    /// Waits until this is to be seen.
    pub(crate) fn wait_for(&self, text: &str) -> String {
        self.wait(|seen| seen.contains(text))
    }

    /// Presses keys, by tmux's names of them.
    pub(crate) fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Makes it larger or smaller.
    pub(crate) fn resize(&self, columns: u16, lines: u16) {
        self.tmux(&["resize-window", "-x", &columns.to_string(), "-y", &lines.to_string()]);
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = Command::new("tmux").env_remove("TMUX").args(["-L", &self.server, "kill-server"]).output();
    }
}
