//! Requests and answers by method and status, under the names of `weir duplicate`'s original.
//!
//! They are counted only where somebody asks for them, over all workers in one place: atomics that everybody adds to, which
//! a route without them does not pay for.

use std::sync::atomic::{AtomicU64, Ordering};

use weir_core::ports::MessageStatus;
use weir_http::method::Method;

/// The methods with their labels; what is none of them is the last.
const METHODS: [(Method, &str); 10] = [
    (Method::Get, "get"),
    (Method::Head, "head"),
    (Method::Post, "post"),
    (Method::Put, "put"),
    (Method::Delete, "delete"),
    (Method::Options, "options"),
    (Method::Patch, "patch"),
    (Method::Trace, "trace"),
    (Method::Connect, "connect"),
    (Method::Other, "other"),
];

/// Statuses from 100 to 599.
const STATUS_MIN: u16 = 100;
const STATUSES: usize = 500;

/// Where a message came from, as the original tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A request that a client sent; an answer that Weir got as the client of a server.
    Client,
    /// A request that Weir sent to a server; an answer that Weir sent to a client.
    Proxy,
}

impl Source {
    const ALL: [Self; 2] = [Self::Client, Self::Proxy];

    fn label(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Proxy => "proxy",
        }
    }
}

/// The counts of the process.
#[derive(Debug)]
pub struct MessageCounts {
    requests: [[AtomicU64; METHODS.len()]; Source::ALL.len()],
    answers: [[AtomicU64; STATUSES]; Source::ALL.len()],
}

impl Default for MessageCounts {
    fn default() -> Self {
        let none = || AtomicU64::new(0);
        Self {
            requests: std::array::from_fn(|_| std::array::from_fn(|_| none())),
            answers: std::array::from_fn(|_| std::array::from_fn(|_| none())),
        }
    }
}

impl MessageCounts {
    /// Counts a request.
    pub fn request(&self, source: Source, method: Method) {
        let place = METHODS.iter().position(|(known, _)| *known == method);
        self.requests[source as usize][place.unwrap_or(METHODS.len() - 1)].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an answer. A status outside of 100 to 599 is none.
    pub fn answer(&self, source: Source, status: u16) {
        let place = status.checked_sub(STATUS_MIN).map(usize::from);
        if let Some(count) = place.and_then(|place| self.answers[source as usize].get(place)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What there is to tell, without what never came.
    pub fn status(&self) -> MessageStatus {
        let mut status = MessageStatus::default();
        for source in Source::ALL {
            let requests = METHODS.iter().zip(&self.requests[source as usize]);
            let requests = requests.map(|((_, label), count)| (*label, source.label(), load(count)));
            status.requests.extend(requests.filter(|(_, _, count)| *count > 0));
            let answers = (STATUS_MIN..).zip(&self.answers[source as usize]);
            let answers = answers.map(|(code, count)| (code, source.label(), load(count)));
            status.answers.extend(answers.filter(|(_, _, count)| *count > 0));
        }
        status
    }
}

fn load(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_told_by_method_status_and_source() {
        let counts = MessageCounts::default();
        counts.request(Source::Client, Method::Post);
        counts.request(Source::Proxy, Method::Post);
        counts.request(Source::Proxy, Method::Post);
        counts.request(Source::Client, Method::Other);
        for status in [0, 99, 100, 200, 200, 599, 600, u16::MAX] {
            counts.answer(Source::Proxy, status);
        }
        let status = counts.status();
        assert_eq!(status.requests, [("post", "client", 1), ("other", "client", 1), ("post", "proxy", 2)]);
        assert_eq!(status.answers, [(100, "proxy", 1), (200, "proxy", 2), (599, "proxy", 1)]);
    }

    #[test]
    fn every_method_has_its_label() {
        for (method, label) in METHODS {
            let token = label.to_ascii_uppercase();
            assert_eq!(Method::of(token.as_bytes()), method);
        }
    }
}
