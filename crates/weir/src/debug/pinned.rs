//! Lines that stand still at the bottom of a terminal while others write above them.
//!
//! Redrawing over what was written last does not do: log lines come in between, also those of other threads. So the terminal is
//! told to scroll only what is above (DECSTBM), and the lines below are written at their places. Each frame is one write.

use crate::output;

/// See the module. Gives the whole terminal back when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Pinned {
    /// Lines of the table, and of the terminal; as they were when the room was made.
    room: Option<(u16, u16)>,
}

impl Pinned {
    /// What has to be written so that these lines are there, on a terminal of so many columns and lines. What there is no room
    /// for is cut off; half of the terminal stays for the others.
    pub(super) fn frame(&mut self, lines: &[String], (columns, height): (u16, u16)) -> String {
        let count = u16::try_from(lines.len()).unwrap_or(u16::MAX).min(height / 2);
        let mut frame = String::new();
        if self.room != Some((count, height)) {
            frame.push_str(&self.give_back());
            // Room below the cursor, by scrolling if need be; then only what is above scrolls, and the cursor is where it was.
            let down = "\n".repeat(count.into());
            let up = if count > 0 { format!("\x1b[{count}A") } else { String::new() };
            frame.push_str(&format!("{down}{up}\x1b7\x1b[1;{}r\x1b8", height - count));
            self.room = Some((count, height));
        }
        frame.push_str("\x1b7");
        for (row, line) in (height - count + 1..).zip(&lines[..count.into()]) {
            let line: String = line.chars().take(columns.into()).collect();
            frame.push_str(&format!("\x1b[{row};1H\x1b[2K{line}"));
        }
        frame.push_str("\x1b8");
        frame
    }

    /// What has to be written so that all of the terminal scrolls again. The cursor stays where it is, and what was pinned goes.
    fn give_back(&mut self) -> String {
        match self.room.take() {
            Some((count, height)) => {
                format!("\x1b7\x1b[r\x1b[{};1H\x1b[J\x1b8", height.saturating_sub(count) + 1)
            }
            None => String::new(),
        }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let back = self.give_back();
        if !back.is_empty() {
            // The terminal may be gone.
            let _ = output::data(back);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("line {number}")).collect()
    }

    #[test]
    fn room_is_made_once() {
        let mut pinned = Pinned::default();
        let first = pinned.frame(&lines(2), (80, 24));
        assert_eq!(
            first,
            "\n\n\x1b[2A\x1b7\x1b[1;22r\x1b8\x1b7\x1b[23;1H\x1b[2Kline 0\x1b[24;1H\x1b[2Kline 1\x1b8"
        );
        assert_eq!(
            pinned.frame(&lines(2), (80, 24)),
            "\x1b7\x1b[23;1H\x1b[2Kline 0\x1b[24;1H\x1b[2Kline 1\x1b8"
        );
        let more = pinned.frame(&lines(3), (80, 24));
        assert!(
            more.starts_with("\x1b7\x1b[r\x1b[23;1H\x1b[J\x1b8\n\n\n\x1b[3A\x1b7\x1b[1;21r\x1b8"),
            "{more:?}"
        );
        assert_eq!(pinned.give_back(), "\x1b7\x1b[r\x1b[22;1H\x1b[J\x1b8");
        assert_eq!(pinned.give_back(), "");
    }

    #[test]
    fn half_of_the_terminal_stays_for_others() {
        let mut pinned = Pinned::default();
        for (columns, height) in [(80, 24), (5, 9), (1, 1), (0, 0)] {
            let frame = pinned.frame(&lines(100), (columns, height));
            assert_eq!(frame.matches("\x1b[2K").count(), usize::from(height / 2), "{height}");
        }
        assert!(pinned.frame(&lines(1), (3, 24)).contains("Klin\x1b8"), "what is too wide is cut");
        pinned.give_back();
    }
}
