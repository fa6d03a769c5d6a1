//! The columns of the table: what stands in each, and which of them a terminal has room for.

use std::time::Duration;

use super::amount::{latency, number, rate, span};
use super::report::{Pool, Report, Server, shown_state};

/// Columns for the name of a server, where there is room: marker, address and port of IPv4.
const NAME_WIDE: u16 = 23;

/// Columns that a name is not made narrower than.
const NAME_NARROW: u16 = 16;

/// A column, left to right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    /// The state.
    State,
    /// Failures.
    Failed,
    /// How long ago a check passed.
    LastHealthy,
    /// Requests in flight.
    InFlight,
    /// Requests in a second.
    Requests,
    /// p50.
    Median,
    /// p99.
    Slowest,
    /// Ejections.
    Ejections,
    /// Writes that wait.
    Backlog,
    /// The share of the requests.
    Share,
    /// Why it is in its state.
    Why,
}

impl Column {
    /// In the order in which they are left out when there is no room: the last ones first.
    const BY_NEED: [Self; 11] = [
        Self::State,
        Self::Requests,
        Self::Failed,
        Self::InFlight,
        Self::Slowest,
        Self::LastHealthy,
        Self::Backlog,
        Self::Ejections,
        Self::Median,
        Self::Share,
        Self::Why,
    ];

    const LEFT_TO_RIGHT: [Self; 11] = [
        Self::State,
        Self::Failed,
        Self::LastHealthy,
        Self::InFlight,
        Self::Requests,
        Self::Median,
        Self::Slowest,
        Self::Ejections,
        Self::Backlog,
        Self::Share,
        Self::Why,
    ];

    /// Its heading.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::State => "STATE",
            Self::Failed => "FAIL",
            Self::LastHealthy => "LAST OK",
            Self::InFlight => "BUSY",
            Self::Requests => "REQ/S",
            Self::Median => "P50",
            Self::Slowest => "P99",
            Self::Ejections => "EJECT",
            Self::Backlog => "QUEUE",
            Self::Share => "SHARE",
            Self::Why => "WHY",
        }
    }

    /// Its width, without the space before it.
    pub(crate) fn width(self) -> u16 {
        match self {
            Self::State => 13,
            Self::LastHealthy => 7,
            Self::Share => 6,
            Self::Why => 20,
            Self::Failed | Self::InFlight | Self::Requests | Self::Median | Self::Slowest => 5,
            Self::Ejections | Self::Backlog => 5,
        }
    }

    /// Whether it holds words and not numbers.
    pub(crate) fn is_text(self) -> bool {
        matches!(self, Self::State | Self::Why)
    }

    /// What it holds for a server; a dash where that is not known.
    pub(crate) fn of_server(self, server: &Server, now: Duration) -> String {
        let unknown = || "-".to_owned();
        match self {
            Self::State => shown_state(server),
            Self::Failed => number(server.failures_total),
            Self::LastHealthy => {
                server.last_healthy.map_or_else(unknown, |at| match span(now.saturating_sub(at)) {
                    ago if ago == "0s" => "now".to_owned(),
                    ago => ago,
                })
            }
            Self::InFlight => number(server.in_flight),
            Self::Requests => server.requests_per_second.map_or_else(unknown, rate),
            Self::Median => server.median.map_or_else(unknown, latency),
            Self::Slowest => server.slowest.map_or_else(unknown, latency),
            Self::Ejections => server.ejections.map_or_else(unknown, number),
            Self::Backlog => server.backlog.map_or_else(unknown, |backlog| number(backlog.writes)),
            Self::Share => format!("{}.{}%", server.share_permille / 10, server.share_permille % 10),
            Self::Why => server.changes.last().map_or_else(String::new, |change| change.reason.clone()),
        }
    }

    /// What it holds for an upstream; `None` where a sum means nothing.
    pub(crate) fn of_pool(self, pool: &Pool) -> Option<String> {
        match self {
            Self::InFlight => Some(number(pool.servers.iter().map(|server| server.in_flight).sum())),
            Self::Requests => Some(pool.requests_per_second().map_or_else(|| "-".to_owned(), rate)),
            Self::Backlog => pool.backlog.map(number),
            _ => None,
        }
    }

    /// Whether there is anything to see in it.
    fn is_wanted(self, report: &Report) -> bool {
        let any = |is: &dyn Fn(&Server) -> bool| report.pools.iter().any(|pool| pool.servers.iter().any(is));
        match self {
            Self::Ejections => any(&|server| server.ejections.is_some()),
            Self::Backlog => any(&|server| server.backlog.is_some()),
            _ => true,
        }
    }
}

/// The columns that there is room for, each with its width, and the width of names. Together they take the whole line.
pub(crate) fn chosen(report: &Report, width: u16) -> (Vec<(Column, u16)>, u16) {
    let names = report.pools.iter().flat_map(|pool| &pool.servers);
    let longest = names.map(|server| server.address.chars().count()).max().unwrap_or(0);
    let longest = u16::try_from(longest).unwrap_or(u16::MAX).saturating_add(2);
    // On a narrow terminal some of what a server does is worth more than the end of its name.
    let wide = NAME_WIDE.min(width * 2 / 5).max(NAME_NARROW);
    let mut name = longest.clamp(NAME_NARROW, wide).min(width);
    let mut left = width - name;
    let mut chosen = Vec::new();
    for column in Column::BY_NEED.into_iter().filter(|column| column.is_wanted(report)) {
        // Whoever is needed less does not take the place of one who is needed more.
        match left.checked_sub(column.width() + 1) {
            Some(rest) => left = rest,
            None => break,
        }
        chosen.push(column);
    }
    let has_why = chosen.contains(&Column::Why);
    let more = if has_why { longest.saturating_sub(name).min(left) } else { left };
    name += more;
    let width = |column: Column| column.width() + if column == Column::Why { left - more } else { 0 };
    let in_order = Column::LEFT_TO_RIGHT.into_iter().filter(|column| chosen.contains(column));
    (in_order.map(|column| (column, width(column))).collect(), name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_name(name: &str, more: Server) -> Report {
        let server = Server { address: name.to_owned(), ..more };
        Report { pools: vec![Pool { servers: vec![server], ..Pool::default() }], ..Report::default() }
    }

    fn check(report: &Report, width: u16, left_out: &[Column]) {
        let (columns, name) = chosen(report, width);
        let expected: Vec<_> =
            Column::LEFT_TO_RIGHT.into_iter().filter(|column| !left_out.contains(column)).collect();
        assert_eq!(columns.iter().map(|(column, _)| *column).collect::<Vec<_>>(), expected, "{width}");
        let sum: u16 = columns.iter().map(|(_, width)| width + 1).sum();
        assert_eq!(sum + name, width);
    }

    #[test]
    fn what_matters_least_is_left_out_first() {
        use Column::{Backlog, Ejections, Failed, InFlight, LastHealthy, Median, Share, Slowest, Why};
        let plain = with_name("127.0.0.1:9001", Server::default());
        check(&plain, 80, &[Ejections, Backlog, Why]);
        check(&plain, 120, &[Ejections, Backlog]);
        check(&plain, 40, &[Failed, LastHealthy, InFlight, Median, Slowest, Ejections, Backlog, Share, Why]);
        let full = with_name(
            "127.0.0.1:9001",
            Server { ejections: Some(0), backlog: Some(Default::default()), ..Server::default() },
        );
        check(&full, 80, &[Share, Why]);
        check(&full, 120, &[]);
    }

    #[test]
    fn a_long_name_takes_no_column_away() {
        let long = with_name(&"x".repeat(300), Server::default());
        let (columns, _) = chosen(&long, 80);
        assert!(columns.iter().any(|(column, _)| *column == Column::Slowest));
        for width in 0..400 {
            let (columns, name) = chosen(&long, width);
            let sum: u16 = columns.iter().map(|(_, width)| width + 1).sum();
            assert_eq!(sum + name, width);
        }
    }
}
