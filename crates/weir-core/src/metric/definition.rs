//! What a metric is.

/// What kind of number a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows while the process lives; its name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Observations in buckets with the bounds of [`DURATION_BOUNDS_SECONDS`](crate::ports::DURATION_BOUNDS_SECONDS).
    Histogram,
}

impl Kind {
    /// The word for it in the text formats of Prometheus and OpenMetrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// The whole name, with `_total` for counters.
    pub name: &'static str,
    /// What kind of number it is.
    pub kind: Kind,
    /// One line that says what is counted; ends with a full stop.
    pub help: &'static str,
    /// The labels' names, in the order in which they are written.
    pub labels: &'static [&'static str],
}

impl Metric {
    /// The name without `_total`: what OpenMetrics calls the family, whose counters get the ending back when written.
    pub fn family(&self) -> &'static str {
        match self.kind {
            Kind::Counter => self.name.strip_suffix("_total").unwrap_or(self.name),
            Kind::Gauge | Kind::Histogram => self.name,
        }
    }
}
