//! What balancing has noted of a server: how it answers, and what it says of its load.
//!
//! One atomic word each, written without a lock by whichever worker has something new to say. An upstream whose strategy
//! asks for neither pays a look at two numbers that do not change.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use weir_core::balance::{Decay, Observed, Reported, Reports, Rule, Standing, parse_report};
use weir_http::field::KnownName as K;
use weir_http::head::Head;

use crate::io::deadline::now;

/// See the module.
#[derive(Debug)]
pub struct Observation {
    /// The moment from which times are counted.
    since: Instant,
    observed: AtomicU64,
    reports: AtomicU64,
    /// How fast answers are forgotten; 0 where nobody wants to know.
    decay: AtomicU32,
    /// After how long a report is forgotten, in milliseconds; 0 where nobody wants to know.
    forget_millis: AtomicU32,
    reports_pass: AtomicBool,
}

impl Default for Observation {
    fn default() -> Self {
        Self {
            since: now(),
            observed: AtomicU64::new(0),
            reports: AtomicU64::new(0),
            decay: AtomicU32::new(0),
            forget_millis: AtomicU32::new(0),
            reports_pass: AtomicBool::new(false),
        }
    }
}

impl Observation {
    /// Notes from now on what this rule needs.
    pub(crate) fn serve(&self, rule: &Rule) {
        let millis = |wanted: bool, time: Duration| match wanted {
            true => u32::try_from(time.as_millis()).unwrap_or(u32::MAX).max(1),
            false => 0,
        };
        let needs = rule.strategy.needs();
        let decay = if needs.answers { Decay::over(rule.decay).to_bits() } else { 0 };
        self.decay.store(decay, Ordering::Relaxed);
        self.forget_millis.store(millis(needs.reports, rule.forget), Ordering::Relaxed);
        self.reports_pass.store(rule.reports_pass, Ordering::Relaxed);
    }

    /// Forgets all: what is known of a server that was away is about another time.
    pub fn forget(&self) {
        self.observed.store(0, Ordering::Relaxed);
        self.reports.store(0, Ordering::Relaxed);
    }

    /// Notes the head of a final answer that took so long. Takes away what the server says of its load, unless
    /// clients are to have it.
    #[inline]
    pub(crate) fn answered(&self, head: &mut Head, took: impl FnOnce() -> Duration, now: Instant) {
        if let Some(decay) = self.decay() {
            let (at, took) = (self.time(now), took());
            match has_failed(head.status()) {
                true => self.note(|known| Some(known.failed(at, took, decay))),
                false => self.note(|known| known.succeeded(at, took, decay)),
            }
        }
        if let Some(forget) = time(&self.forget_millis) {
            self.read_report(head, now, forget);
        }
    }

    /// Notes a good answer of another protocol that took so long.
    pub(crate) fn replied(&self, took: Duration, now: Instant) {
        if let Some(decay) = self.decay() {
            self.note(|known| known.succeeded(self.time(now), took, decay));
        }
    }

    /// Notes an exchange without an answer that was begun then.
    pub(crate) fn failed(&self, begun: Option<Instant>) {
        if let Some(decay) = self.decay() {
            let now = now();
            let took = begun.map_or(Duration::ZERO, |begun| now.saturating_duration_since(begun));
            self.note(|known| Some(known.failed(self.time(now), took, decay)));
        }
    }

    /// Notes an exchange that was begun then, and that nobody waits for any more.
    pub(crate) fn cut(&self, begun: Instant) {
        if let Some(decay) = self.decay() {
            let now = now();
            self.note(|known| known.cut(self.time(now), now.saturating_duration_since(begun), decay));
        }
    }

    /// How it has answered until now.
    pub(crate) fn standing(&self, now: Instant) -> Standing {
        let known = Observed::from_bits(self.observed.load(Ordering::Relaxed));
        self.decay().map_or_else(Standing::default, |decay| known.at(self.time(now), decay))
    }

    /// What it has said of its load.
    pub(crate) fn reported(&self, now: Instant) -> Option<Reported> {
        let known = Reports::from_bits(self.reports.load(Ordering::Relaxed));
        known.at(self.time(now), time(&self.forget_millis)?)
    }

    fn note(&self, change: impl Fn(Observed) -> Option<Observed>) {
        let change = |bits| change(Observed::from_bits(bits)).map(Observed::to_bits);
        // An error is that there was nothing new.
        let _ = self.observed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, change);
    }

    fn read_report(&self, head: &mut Head, now: Instant, forget: Duration) {
        if !head.has(K::XLoad) {
            return;
        }
        if let Some(load) = head.only(K::XLoad).and_then(parse_report) {
            let noted = |bits| Reports::from_bits(bits).noted(self.time(now), load, forget);
            let change = |bits| noted(bits).map(Reports::to_bits);
            let _ = self.reports.fetch_update(Ordering::Relaxed, Ordering::Relaxed, change);
        }
        if !self.reports_pass.load(Ordering::Relaxed) {
            head.remove(K::XLoad);
        }
    }

    fn decay(&self) -> Option<Decay> {
        match self.decay.load(Ordering::Relaxed) {
            0 => None,
            bits => Some(Decay::from_bits(bits)),
        }
    }

    fn time(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }
}

/// A time that is kept in milliseconds, unless it is 0.
fn time(millis: &AtomicU32) -> Option<Duration> {
    match millis.load(Ordering::Relaxed) {
        0 => None,
        millis => Some(Duration::from_millis(millis.into())),
    }
}

/// Whether an answer says that the server has failed. 501 and 505 are about the request, and 429 about its client: another
/// server would say the same.
fn has_failed(status: u16) -> bool {
    status >= 500 && !matches!(status, 501 | 505)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use weir_core::balance::Strategy;

    use super::*;

    fn serving(strategy: Strategy) -> Observation {
        let observation = Observation::default();
        observation.serve(&strategy.into());
        observation
    }

    fn answer(status: u16, fields: &[&str]) -> Head {
        let mut head = Head::answer(status);
        fields.iter().for_each(|value| head.append(K::XLoad, value.as_bytes()));
        head
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_noted_that_nobody_asks_for() {
        let observation = serving(Strategy::RoundRobin);
        let begun = now();
        let mut head = answer(200, &["cpu=0.9"]);
        observation.answered(&mut head, || Duration::from_millis(5), begun + Duration::from_millis(5));
        observation.failed(Some(begun));
        assert!(head.has(K::XLoad), "the field of somebody else");
        assert_eq!(observation.observed.load(Ordering::Relaxed), 0);
        assert_eq!(observation.reports.load(Ordering::Relaxed), 0);
        assert_eq!(observation.standing(begun), Standing::default());
        assert_eq!(observation.reported(begun), None);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_those_of_the_server() {
        for (status, failing) in
            [(200, false), (404, false), (429, false), (501, false), (505, false), (500, true), (503, true)]
        {
            let observation = serving(Strategy::PeakEwma);
            let begun = now();
            let end = begun + Duration::from_millis(20);
            observation.answered(&mut answer(status, &[]), || end - begun, end);
            assert_eq!(observation.standing(end).failing > 0.0, failing, "{status}");
        }
        let observation = serving(Strategy::PeakEwma);
        observation.failed(None);
        assert!(observation.standing(now()).failing > 0.0);
        observation.forget();
        assert_eq!(observation.standing(now()), Standing::default());
    }

    #[tokio::test(start_paused = true)]
    async fn a_report_is_read_and_kept_from_clients() {
        let observation = serving(Strategy::Load);
        let at = now();
        let load = || observation.reported(at).map(|reported| (reported.load * 100.0).round());
        for fields in [&[][..], &["cpu=0.5", "cpu=0.6"], &["cpu=2"], &["nonsense"]] {
            let mut head = answer(200, fields);
            observation.answered(&mut head, || Duration::ZERO, at);
            assert_eq!(load(), None, "{fields:?}");
            assert!(!head.has(K::XLoad));
        }
        observation.answered(&mut answer(500, &["cpu=0.25"]), || Duration::ZERO, at);
        assert_eq!(load(), Some(25.0), "one that fails may still say why");
        let passing = Observation::default();
        passing.serve(&Rule { reports_pass: true, ..Strategy::Load.into() });
        let mut head = answer(200, &["mem=0.5"]);
        passing.answered(&mut head, || Duration::ZERO, at);
        assert!(head.has(K::XLoad) && passing.reported(at).is_some());
    }
}
