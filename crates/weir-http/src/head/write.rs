//! Writing a head out.

use std::ops::Range;

use super::{Head, Start};

impl Head {
    /// Appends the whole head in its canonical form, with the empty line at its end.
    ///
    /// The version is always ours, HTTP/1.1 (RFC 9110 §2.5: a proxy sends its own version).
    pub fn write(&self, out: &mut Vec<u8>) {
        self.write_open(out);
        out.extend_from_slice(b"\r\n");
    }

    /// Like [`write`](Self::write) without the final empty line, for a caller that adds lines of its own.
    pub fn write_open(&self, out: &mut Vec<u8>) {
        self.for_each_slice(|slice| out.extend_from_slice(slice));
    }

    /// Appends the fields alone, for a caller that writes another first line.
    pub fn write_fields(&self, out: &mut Vec<u8>) {
        self.lend_fields(0..0, &mut |slice| out.extend_from_slice(slice));
    }

    /// Lends the head's first line and fields as the longest slices that can be written as they are.
    pub fn for_each_slice<'a>(&'a self, mut lend: impl FnMut(&'a [u8])) {
        if self.intact {
            return lend(&self.buffer);
        }
        if self.first_line_bytes == 0 {
            self.lend_start(&mut lend);
        }
        self.lend_fields(0..self.first_line_bytes as usize, &mut lend);
    }

    /// Lends the fields behind a run of bytes that has been gathered and not yet lent.
    #[inline]
    fn lend_fields<'a>(&'a self, mut run: Range<usize>, lend: &mut impl FnMut(&'a [u8])) {
        let buffer = self.buffer.as_slice();
        for field in &self.fields {
            let line = field.name.start as usize..field.value.end() + 2;
            if field.canonical && line.start == run.end {
                run.end = line.end;
                continue;
            }
            if !run.is_empty() {
                lend(&buffer[run.clone()]);
            }
            if field.canonical {
                run = line;
            } else {
                run = 0..0;
                lend(field.name.of(buffer));
                lend(b": ");
                lend(field.value.of(buffer));
                lend(b"\r\n");
            }
        }
        if !run.is_empty() {
            lend(&buffer[run]);
        }
    }

    fn lend_start<'a>(&'a self, lend: &mut impl FnMut(&'a [u8])) {
        match self.start {
            Start::Request { token, target, .. } => {
                lend(token.of(&self.buffer));
                lend(b" ");
                lend(target.of(&self.buffer));
                lend(b" HTTP/1.1\r\n");
            }
            Start::Answer { status: 200, reason } if reason.of(&self.buffer) == b"OK" => {
                lend(b"HTTP/1.1 200 OK\r\n");
            }
            Start::Answer { status, reason } => {
                lend(b"HTTP/1.1 ");
                lend(digits(status));
                lend(b" ");
                lend(reason.of(&self.buffer));
                lend(b"\r\n");
            }
            Start::None => {}
        }
    }
}

/// The three digits of a status, from a table of all of them, so that they can be lent.
fn digits(status: u16) -> &'static [u8] {
    static TABLE: [[u8; 3]; 1000] = {
        let mut table = [[b'0'; 3]; 1000];
        let mut status = 0;
        while status < 1000 {
            table[status] =
                [b'0' + (status / 100) as u8, b'0' + (status / 10 % 10) as u8, b'0' + (status % 10) as u8];
            status += 1;
        }
        table
    };
    &TABLE[usize::from(status) % 1000]
}
