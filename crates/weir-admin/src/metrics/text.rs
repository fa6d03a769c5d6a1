//! The two text formats, and the page that is written in one of them.

use std::fmt::{Display, Write};

use hyper::header::{ACCEPT, HeaderMap};
use weir_core::metric::{Kind, Metric};
use weir_core::ports::{DURATION_BOUNDS_SECONDS, Histogram};

/// Buckets of a duration histogram: one per bound, and one above all of them.
pub(super) const BUCKETS: usize = DURATION_BOUNDS_SECONDS.len() + 1;

/// A text format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Prometheus text format 0.0.4: what everything understands.
    Prometheus,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Dialect {
    /// The format that a request prefers; without a word for OpenMetrics it is the older one.
    pub(crate) fn accepted_by(fields: &HeaderMap) -> Self {
        let mut open_metrics = 0;
        let mut prometheus = 0;
        let ranges = fields.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        for range in ranges.flat_map(|value| value.split(',')) {
            let mut parts = range.split(';').map(|part| part.trim().to_ascii_lowercase());
            let media_type = parts.next().unwrap_or_default();
            let parameters: Vec<_> = parts.collect();
            let parameter = |name: &str| {
                parameters
                    .iter()
                    .find_map(|part| part.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
            };
            let quality = parameter("q").map_or(1000, |q| thousandths(&q));
            let version = parameter("version");
            match media_type.as_str() {
                // 0.0.1 was the draft of 1.0.0; what is written here is right in both.
                "application/openmetrics-text"
                    if version.is_none_or(|v| matches!(v.trim_matches('"'), "1.0.0" | "0.0.1")) =>
                {
                    open_metrics = open_metrics.max(quality);
                }
                "text/plain" | "text/*" => prometheus = prometheus.max(quality),
                _ => {}
            }
        }
        if open_metrics > prometheus { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// The value of Content-Type.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// A quality value (RFC 9110 §12.4.2) in thousandths; what is none counts as zero, which asks for nothing.
fn thousandths(text: &str) -> u32 {
    match text.parse::<f32>() {
        // The range is checked, so the number fits.
        Ok(quality) if (0.0..=1.0).contains(&quality) => (quality * 1000.0) as u32,
        _ => 0,
    }
}

/// The counts of a histogram's buckets; missing ones are zero.
pub(crate) fn bucket_counts(histogram: &Histogram) -> [u64; BUCKETS] {
    debug_assert!(histogram.counts.len() <= BUCKETS, "a histogram has one bucket above its bounds");
    let mut counts = [0; BUCKETS];
    for (count, observed) in counts.iter_mut().zip(&histogram.counts) {
        *count = *observed;
    }
    counts
}

/// A page that is being written.
pub(super) struct Page {
    text: String,
    dialect: Dialect,
}

impl Page {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self { text: String::with_capacity(8 * 1024), dialect }
    }

    /// All of it.
    pub(super) fn end(mut self) -> String {
        if self.dialect == Dialect::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }

    /// The lines before the samples of a metric.
    fn family(&mut self, metric: &Metric) {
        let name = match self.dialect {
            Dialect::Prometheus => metric.name,
            Dialect::OpenMetrics => metric.family(),
        };
        self.text.push_str("# HELP ");
        self.text.push_str(name);
        self.text.push(' ');
        // OpenMetrics escapes quotes in help texts too; 0.0.4 would show the backslash.
        self.escaped(metric.help, self.dialect == Dialect::OpenMetrics);
        self.text.push_str("\n# TYPE ");
        self.text.push_str(name);
        self.text.push(' ');
        self.text.push_str(metric.kind.name());
        self.text.push('\n');
    }

    pub(super) fn single(&mut self, metric: &Metric, value: u64) {
        self.labelled(metric, [([], value)]);
    }

    pub(super) fn labelled<'a, const N: usize>(
        &mut self,
        metric: &Metric,
        samples: impl IntoIterator<Item = ([&'a str; N], impl Display)>,
    ) {
        debug_assert!(metric.labels.len() == N && metric.kind != Kind::Histogram, "{}", metric.name);
        self.family(metric);
        for (values, value) in samples {
            self.text.push_str(metric.name);
            if N > 0 {
                self.text.push('{');
                self.labels(metric, values);
                self.text.push('}');
            }
            self.value(value);
        }
    }

    /// Labels with their values, without braces.
    fn labels<const N: usize>(&mut self, metric: &Metric, values: [&str; N]) {
        for (place, (label, value)) in metric.labels.iter().zip(values).enumerate() {
            if place > 0 {
                self.text.push(',');
            }
            self.text.push_str(label);
            self.text.push_str("=\"");
            self.escaped(value, true);
            self.text.push('"');
        }
    }

    pub(super) fn histogram(&mut self, metric: &Metric, histogram: &Histogram) {
        self.histograms(metric, [([], histogram)]);
    }

    pub(super) fn histograms<'a, const N: usize>(
        &mut self,
        metric: &Metric,
        samples: impl IntoIterator<Item = ([&'a str; N], &'a Histogram)>,
    ) {
        debug_assert!(metric.labels.len() == N && metric.kind == Kind::Histogram, "{}", metric.name);
        self.family(metric);
        for (values, histogram) in samples {
            let counts = bucket_counts(histogram);
            let mut total = 0;
            for (place, count) in counts.iter().enumerate() {
                total += count;
                self.start(metric, "_bucket", values, false);
                // `{:?}` writes `1.0`, the form of OpenMetrics, which is right in both.
                let _ = match DURATION_BOUNDS_SECONDS.get(place) {
                    Some(bound) => write!(self.text, "le=\"{bound:?}\"}}"),
                    None => write!(self.text, "le=\"+Inf\"}}"),
                };
                self.value(total);
            }
            self.start(metric, "_sum", values, true);
            self.value(histogram.sum_seconds);
            self.start(metric, "_count", values, true);
            self.value(total);
        }
    }

    /// The name of a sample with its labels; without an end another label follows.
    fn start<const N: usize>(&mut self, metric: &Metric, ending: &str, values: [&str; N], has_end: bool) {
        self.text.push_str(metric.name);
        self.text.push_str(ending);
        if N > 0 || !has_end {
            self.text.push('{');
        }
        self.labels(metric, values);
        match (N, has_end) {
            (0, _) => {}
            (_, false) => self.text.push(','),
            (_, true) => self.text.push('}'),
        }
    }

    fn value(&mut self, value: impl Display) {
        // Writing into a string does not fail.
        let _ = writeln!(self.text, " {value}");
    }

    fn escaped(&mut self, text: &str, quotes: bool) {
        for character in text.chars() {
            match character {
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                '"' if quotes => self.text.push_str("\\\""),
                other => self.text.push(other),
            }
        }
    }
}
