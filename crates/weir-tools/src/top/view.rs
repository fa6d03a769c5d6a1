//! What is on the screen: the last answer, and what somebody has chosen to see of it.
//!
//! Nothing here knows a terminal, a clock or a socket: answers and moments come in, and the same view always looks the same.
//! Somebody is selected by name and not by line, so that lines may change places under the cursor, and a change is for who was
//! selected when the key was pressed.

use std::cmp::Ordering;
use std::time::Duration;

use super::report::{Pool, Report, Server, harmless};

/// See the module.
#[derive(Debug, Clone, Default)]
pub(crate) struct View {
    /// Who is asked.
    pub(crate) admin: String,
    /// Whether colours may be used.
    pub(crate) color: bool,
    /// The moment, since 1970.
    pub(crate) now: Duration,
    /// The last answer.
    pub(crate) report: Option<Report>,
    /// Why there is no newer one, and since when, in time since 1970.
    pub(crate) gone: Option<(String, Duration)>,
    /// The order of the servers of an upstream.
    pub(crate) sort: Sort,
    /// Whether that order is turned around.
    pub(crate) is_reversed: bool,
    /// What an upstream, a server or its state must contain to be seen.
    pub(crate) filter: String,
    /// What keys mean now.
    pub(crate) mode: Mode,
    /// What a change has led to, until the next key.
    pub(crate) note: Option<String>,
    /// Who is selected, and the line where that was among those of servers.
    selected: Option<(Place, usize)>,
}

/// A server of an upstream, by the names that Weir uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The upstream.
    pub(crate) pool: String,
    /// The server.
    pub(crate) server: String,
}

/// What keys mean now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Mode {
    /// They move about and ask for things.
    #[default]
    Table,
    /// The same, with the history of the selected server below.
    History,
    /// They write the filter.
    Filter,
    /// They say yes or no.
    Question(Order),
    /// The next one ends the help.
    Help,
}

/// Something that shall be said of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    /// Of which one.
    pub(crate) place: Place,
    /// What.
    pub(crate) word: Word,
}

/// What can be said of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// No new requests.
    Drain,
    /// No requests at all.
    Disable,
    /// It does its work; what checks say counts.
    InService,
}

impl Word {
    /// Its name in the admin API.
    pub(crate) fn parameter(self) -> &'static str {
        match self {
            Self::Drain => "draining",
            Self::Disable => "disabled",
            Self::InService => "in_service",
        }
    }

    /// The state of a server of which it was said; `None` where others decide.
    pub(crate) fn state(self) -> Option<&'static str> {
        match self {
            Self::Drain => Some("DRAINING"),
            Self::Disable => Some("DISABLED"),
            Self::InService => None,
        }
    }
}

/// An order of servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Sort {
    /// As Weir lists them.
    #[default]
    Written,
    /// By name.
    Name,
    /// Those that need somebody first.
    State,
    /// Most failures first.
    Failures,
    /// Most requests in flight first.
    InFlight,
    /// Most requests in a second first.
    Requests,
    /// The slowest first.
    Slowest,
}

impl Sort {
    const ALL: [Self; 7] = [
        Self::Written,
        Self::Name,
        Self::State,
        Self::Failures,
        Self::InFlight,
        Self::Requests,
        Self::Slowest,
    ];

    /// The next one in turn.
    pub(crate) fn next(self) -> Self {
        let place = Self::ALL.iter().position(|sort| *sort == self).unwrap_or(0);
        Self::ALL[(place + 1) % Self::ALL.len()]
    }

    /// What people call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Written => "as listed",
            Self::Name => "by name",
            Self::State => "by state",
            Self::Failures => "by failures",
            Self::InFlight => "by requests in flight",
            Self::Requests => "by requests",
            Self::Slowest => "by p99",
        }
    }

    fn compare(self, a: &Server, b: &Server) -> Ordering {
        let more = |a: Option<f64>, b: Option<f64>| b.unwrap_or(-1.0).total_cmp(&a.unwrap_or(-1.0));
        match self {
            Self::Written => Ordering::Equal,
            Self::Name => a.address.cmp(&b.address),
            Self::State => urgency(a).cmp(&urgency(b)),
            Self::Failures => b.failures_total.cmp(&a.failures_total),
            Self::InFlight => b.in_flight.cmp(&a.in_flight),
            Self::Requests => more(a.requests_per_second, b.requests_per_second),
            Self::Slowest => b.slowest.cmp(&a.slowest),
        }
    }
}

/// Who needs somebody most comes first.
fn urgency(server: &Server) -> u8 {
    match &*server.state {
        "UNREACHABLE" => 0,
        "DISABLED" => 3,
        "DRAINING" => 2,
        _ if server.is_ejected => 1,
        "HEALTHY" => 5,
        _ => 4,
    }
}

/// A line of the table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Row<'view> {
    /// The head of an upstream.
    Pool(&'view Pool),
    /// One of its servers.
    Server(&'view Pool, &'view Server),
    /// It has none.
    Empty,
}

/// What has come from the one who asks.
#[derive(Debug)]
pub(crate) enum Heard {
    /// An answer, with the time since the one before.
    Report(Report, Duration),
    /// There was none; why, in one line.
    Nothing(String),
    /// What a change has led to.
    Done(String),
}

impl View {
    /// Nothing has been heard yet.
    pub(crate) fn new(admin: &str, color: bool, now: Duration) -> Self {
        Self { admin: harmless(admin), color, now, ..Self::default() }
    }

    /// Takes in what has come at this moment.
    pub(crate) fn hear(&mut self, heard: Heard, now: Duration) {
        self.now = now;
        match heard {
            Heard::Report(mut report, elapsed) => {
                // What happened while nobody answered is no rate of a second.
                if let (Some(before), None) = (&self.report, &self.gone) {
                    report.measure(before, elapsed);
                }
                self.report = Some(report);
                self.gone = None;
            }
            Heard::Nothing(why) => {
                let since = self.gone.as_ref().map_or(now, |(_, since)| *since);
                self.gone = Some((harmless(&why), since));
            }
            Heard::Done(what) => self.note = Some(harmless(&what)),
        }
        self.settle();
    }

    /// The lines of the table.
    pub(crate) fn rows(&self) -> Vec<Row<'_>> {
        let mut rows = Vec::new();
        for pool in self.report.iter().flat_map(|report| &report.pools) {
            let whole = self.filter.is_empty() || contains(&pool.name, &self.filter);
            let is_seen = |server: &&Server| {
                whole || contains(&server.address, &self.filter) || contains(&server.state, &self.filter)
            };
            let mut servers: Vec<&Server> = pool.servers.iter().filter(is_seen).collect();
            servers.sort_by(|a, b| self.sort.compare(a, b));
            if self.is_reversed {
                servers.reverse();
            }
            if servers.is_empty() && !whole {
                continue;
            }
            rows.push(Row::Pool(pool));
            if servers.is_empty() {
                rows.push(Row::Empty);
            }
            rows.extend(servers.into_iter().map(|server| Row::Server(pool, server)));
        }
        rows
    }

    /// The servers that are seen, in their order.
    fn servers(&self) -> Vec<(&Pool, &Server)> {
        let rows = self.rows().into_iter();
        rows.filter_map(|row| if let Row::Server(pool, server) = row { Some((pool, server)) } else { None })
            .collect()
    }

    /// Who is selected, if anybody is to be seen.
    pub(crate) fn selected(&self) -> Option<(&Pool, &Server)> {
        let (place, _) = self.selected.as_ref()?;
        self.find(place)
    }

    /// Whether this one is selected.
    pub(crate) fn is_selected(&self, pool: &Pool, server: &Server) -> bool {
        self.selected.as_ref().is_some_and(|(place, _)| place.is(pool, server))
    }

    /// The server of this name, while it is a member.
    pub(crate) fn find(&self, place: &Place) -> Option<(&Pool, &Server)> {
        let pools = self.report.iter().flat_map(|report| &report.pools);
        let mut all = pools.flat_map(|pool| pool.servers.iter().map(move |server| (pool, server)));
        all.find(|(pool, server)| place.is(pool, server))
    }

    /// Selects the server so many lines below, or above; the last and the first one hold.
    pub(crate) fn move_by(&mut self, lines: isize) {
        let last = self.servers().len().saturating_sub(1);
        let index = self.selected.as_ref().map_or(0, |(_, index)| *index);
        self.select(index.saturating_add_signed(lines).min(last));
    }

    /// Lets the same server be selected after lines have changed, or the one that is in its place now.
    pub(crate) fn settle(&mut self) {
        let servers = self.servers();
        let place = self.selected.as_ref();
        let found =
            place.and_then(|(place, _)| servers.iter().position(|(pool, server)| place.is(pool, server)));
        let index = found.or(place.map(|(_, index)| *index)).unwrap_or(0);
        let index = index.min(servers.len().saturating_sub(1));
        self.select(index);
    }

    fn select(&mut self, index: usize) {
        let found = self.servers().get(index).map(|(pool, server)| Place::of(pool, server));
        self.selected = found.map(|place| (place, index));
    }
}

impl Place {
    /// Where this server is.
    pub(crate) fn of(pool: &Pool, server: &Server) -> Self {
        Self { pool: pool.written.clone(), server: server.written.clone() }
    }

    fn is(&self, pool: &Pool, server: &Server) -> bool {
        self.server == server.written && self.pool == pool.written
    }
}

fn contains(text: &str, part: &str) -> bool {
    text.to_lowercase().contains(&part.to_lowercase())
}

#[cfg(test)]
pub(super) mod samples;
#[cfg(test)]
mod tests;
