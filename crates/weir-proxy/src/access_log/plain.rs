//! A line as a sentence, as `weir race` writes it: which endpoint's answer a client got, and how many were asked.
//!
//! What stands before the sentence follows the options of the original: a prefix, the date, the time of day, with microseconds
//! or without, in UTC or as the clocks of this place show it. One line tells of a whole request, because lines of several
//! requests in progress would stand in each other's way.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use weir_config::model::PlainLine;

use super::entry::Entry;
use super::escape::bare;
use super::field::seconds;
use super::number::decimal;
use super::timestamp;

/// What stands before each sentence.
#[derive(Debug)]
pub struct Plain {
    line: PlainLine,
    /// `None` for UTC. Found once, so that a line takes no lock.
    zone: Option<TimeZone>,
}

impl Plain {
    /// Finds out about the clocks of this place, where they are asked for.
    pub fn new(line: &PlainLine) -> Self {
        Self::in_zone(line, (!line.utc).then(TimeZone::system))
    }

    fn in_zone(line: &PlainLine, zone: Option<TimeZone>) -> Self {
        Self { line: line.clone(), zone }
    }

    /// Appends the line of a request.
    pub(super) fn write(&self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        // When the request is over, as the original writes it.
        self.begin(entry.received + entry.duration, out);
        out.extend_from_slice(b"request ");
        bare(entry.target, out);
        out.extend_from_slice(match entry.reason {
            None => b" served in ",
            Some(_) => b" not served in ",
        });
        seconds(entry.duration, out);
        out.extend_from_slice(b"s: ");
        match (entry.reason, entry.server) {
            (Some(reason), _) => bare(reason.as_bytes(), out),
            (None, Some(server)) => {
                out.extend_from_slice(b"endpoint \"");
                bare(server.as_bytes(), out);
                out.extend_from_slice(b"\" sent ");
                decimal(entry.bytes_sent, out);
                out.extend_from_slice(b" bytes");
            }
            (None, None) => out.extend_from_slice(b"no endpoint was asked"),
        }
        out.extend_from_slice(b" (status: ");
        decimal(entry.status.into(), out);
        out.extend_from_slice(b"), ");
        decimal(entry.attempts.into(), out);
        out.extend_from_slice(b" asked\n");
    }

    fn begin(&self, moment: SystemTime, out: &mut Vec<u8>) {
        let line = &self.line;
        if !line.prefix.is_empty() {
            out.extend_from_slice(line.prefix.as_bytes());
            out.push(b' ');
        }
        let shown = self.shown(moment);
        if line.date {
            timestamp::date(shown, out);
            out.push(b' ');
        }
        if line.time || line.microseconds {
            timestamp::time(shown, line.microseconds, out);
            out.push(b' ');
        }
    }

    /// The moment at which clocks in UTC show what the clocks of the zone show now.
    fn shown(&self, moment: SystemTime) -> SystemTime {
        let Some(zone) = &self.zone else { return moment };
        let seconds = moment.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        // Far behind the end of the calendar there are no zones.
        let now = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
        let ahead = now.map_or(0, |now| zone.to_offset(now).seconds());
        let difference = Duration::from_secs(ahead.unsigned_abs().into());
        let shown = if ahead < 0 { moment.checked_sub(difference) } else { moment.checked_add(difference) };
        shown.unwrap_or(moment)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::net::{IpAddr, Ipv4Addr};

    use jiff::tz::Offset;

    use super::*;

    #[track_caller]
    fn check(line: PlainLine, hours: Option<i8>, change: impl Fn(&mut Entry<'_>), expected: &str) {
        let zone = hours.map(|hours| TimeZone::fixed(Offset::constant(hours)));
        let plain = Plain::in_zone(&line, zone);
        // 2023-11-16 15:43:36.5 UTC, and half a second later it is over.
        let received = UNIX_EPOCH + Duration::from_micros(1_700_149_416_500_250);
        let mut entry = Entry {
            target: b"/x",
            status: 200,
            bytes_sent: 25,
            server: Some("http://localhost:8000#2"),
            attempts: 4,
            duration: Duration::from_millis(500),
            ..Entry::of(IpAddr::V4(Ipv4Addr::LOCALHOST), received)
        };
        change(&mut entry);
        let mut out = Vec::new();
        plain.write(&entry, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), format!("{expected}\n"));
    }

    const SERVED: &str = "request /x served in 0.500000s: endpoint \"http://localhost:8000#2\" sent 25 bytes (status: 200), 4 asked";

    #[test]
    fn what_is_asked_for_stands_before_the_sentence() {
        let none =
            || PlainLine { prefix: "".into(), date: false, time: false, microseconds: false, utc: true };
        let same = |_: &mut Entry<'_>| {};
        check(none(), None, same, SERVED);
        check(PlainLine { prefix: "race:".into(), ..none() }, None, same, &format!("race: {SERVED}"));
        check(PlainLine { date: true, ..none() }, None, same, &format!("2023/11/16 {SERVED}"));
        check(PlainLine { time: true, ..none() }, None, same, &format!("15:43:37 {SERVED}"));
        check(PlainLine { microseconds: true, ..none() }, None, same, &format!("15:43:37.000250 {SERVED}"));
        let all = PlainLine { prefix: "p".into(), date: true, time: true, ..none() };
        check(all, None, same, &format!("p 2023/11/16 15:43:37 {SERVED}"));
    }

    #[test]
    fn the_clocks_of_a_place_are_ahead_or_behind() {
        let both =
            || PlainLine { prefix: "".into(), date: true, time: true, microseconds: false, utc: false };
        check(both(), Some(9), |_| {}, &format!("2023/11/17 00:43:37 {SERVED}"));
        check(both(), Some(-16), |_| {}, &format!("2023/11/15 23:43:37 {SERVED}"));
        check(both(), Some(0), |_| {}, &format!("2023/11/16 15:43:37 {SERVED}"));
    }

    #[test]
    fn a_request_without_an_answer_says_why() {
        let none =
            || PlainLine { prefix: "".into(), date: false, time: false, microseconds: false, utc: true };
        let failed = |entry: &mut Entry<'_>| {
            entry.reason = Some("destination_unavailable");
            entry.status = 500;
        };
        check(
            none(),
            None,
            failed,
            "request /x not served in 0.500000s: destination_unavailable (status: 500), 4 asked",
        );
        let odd = |entry: &mut Entry<'_>| {
            (entry.target, entry.server, entry.attempts) = (b"/a b\n\"c", None, 0);
        };
        check(
            none(),
            None,
            odd,
            "request /a\\x20b\\x0a\\x22c served in 0.500000s: no endpoint was asked (status: 200), 0 asked",
        );
    }
}
