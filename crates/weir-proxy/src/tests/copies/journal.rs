//! What happened, as servers and clients saw it. Weir is not asked.

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use tokio::time::Instant;
use weir_upstream::io::deadline::now;

thread_local! {
    static ORDER: Cell<u64> = const { Cell::new(0) };
}

/// A moment, and its place among those at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stamp {
    pub at: Instant,
    pub order: u64,
}

impl Stamp {
    pub(super) fn now() -> Self {
        let order = ORDER.get();
        ORDER.set(order + 1);
        Self { at: now(), order }
    }
}

#[derive(Debug, Default)]
pub(super) struct Journal {
    pub requests: Vec<Request>,
    pub dials: Vec<Dialled>,
    pub visits: Vec<Visit>,
}

/// A request, as its client saw it. Its place in the journal is its number.
#[derive(Debug)]
pub(super) struct Request {
    pub client: usize,
    pub method: &'static str,
    pub content: Vec<u8>,
    pub trailers: String,
    /// How often it may happen.
    pub repeatable: bool,
    pub began: Stamp,
    /// All of it was written.
    pub sent: Option<Stamp>,
    /// The client is gone, does not say the rest, or has said it wrongly.
    pub left: Option<Stamp>,
    pub answer: Option<Answer>,
    /// The client has seen the end of the connection without a whole answer.
    pub cut: Option<Stamp>,
    /// The longest that the client makes everybody wait.
    pub pauses: Duration,
}

/// An answer, as a client saw it.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: u16,
    pub content: Vec<u8>,
    pub came: Stamp,
    pub whole: bool,
    pub from: From,
}

/// Whose answer it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    Weir,
    /// That of this visit.
    Visit(usize),
    /// The catch-up got it from this server.
    Delivery {
        server: usize,
    },
}

/// A connection that was asked for.
#[derive(Debug)]
pub(super) struct Dialled {
    pub server: usize,
    pub request: Option<usize>,
    pub began: Stamp,
    /// When it was decided, and whether there is one. `None`: Weir has waited for it in vain.
    pub outcome: Option<(Stamp, bool)>,
}

/// A request at a server.
pub(super) struct Visit {
    pub server: usize,
    pub request: usize,
    /// The number of its connection.
    pub line: usize,
    /// The connection had carried another one before.
    pub reused: bool,
    pub began: Stamp,
    pub key: Option<String>,
    pub content: Vec<u8>,
    pub trailers: String,
    /// All of the request has come.
    pub whole: Option<Stamp>,
    /// What the server says, once it has said the head.
    pub status: Option<u16>,
    pub says: Vec<u8>,
    /// The head of the answer was written.
    pub answered: Option<Stamp>,
    /// Something was written that is no answer.
    pub babbled: Option<Stamp>,
    /// All of the answer was written.
    pub done: Option<Stamp>,
    /// The connection has ended before the next request.
    pub ended: Option<(Stamp, By)>,
    /// The server reads on to the end of the request, whatever it has said.
    pub reads_on: bool,
}

/// Who has ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Server,
    Weir,
}

impl fmt::Debug for Visit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "visit that began at #{} on connection {}", self.began.order, self.line)
    }
}

impl Visit {
    /// When nothing more could come of it, by the server's doing.
    pub(super) fn resolved(&self) -> Option<Stamp> {
        let ended = self.ended.filter(|(_, by)| *by == By::Server).map(|(stamp, _)| stamp);
        [self.answered, self.babbled, ended].into_iter().flatten().min()
    }
}

/// A stamp as people read it: milliseconds and the place in the order.
fn shown(since: Instant, stamp: Option<Stamp>) -> String {
    stamp.map_or("-".to_owned(), |stamp| format!("{}ms#{}", (stamp.at - since).as_millis(), stamp.order))
}

impl Journal {
    /// All of it, for people.
    pub(super) fn lines(&self) -> Vec<String> {
        let since = self.requests.first().map_or_else(now, |request| request.began.at);
        let shown = |stamp| shown(since, stamp);
        let requests = self.requests.iter().enumerate().map(|(number, one)| {
            let answer = one.answer.as_ref().map_or("no answer".to_owned(), |answer| {
                let (came, bytes) = (shown(Some(answer.came)), answer.content.len());
                format!(
                    "{} from {:?} {came} {bytes} bytes, whole {}",
                    answer.status, answer.from, answer.whole
                )
            });
            format!(
                "request {number} of {}: {} {} bytes began {} sent {} left {} cut {}: {answer}",
                one.client,
                one.method,
                one.content.len(),
                shown(Some(one.began)),
                shown(one.sent),
                shown(one.left),
                shown(one.cut)
            )
        });
        let dials = self.dials.iter().map(|one| {
            let (began, outcome) =
                (shown(Some(one.began)), one.outcome.map(|(stamp, good)| (shown(Some(stamp)), good)));
            format!("dial to {} for {:?} began {began}: {outcome:?}", one.server, one.request)
        });
        let visits = self.visits.iter().enumerate().map(|(number, one)| {
            format!(
                "visit {number} of {} at {} on {} reused {} began {} got {} whole {}: {:?} {} bytes, answered {} babbled {} done {} ended {} {:?}",
                one.request,
                one.server,
                one.line,
                one.reused,
                shown(Some(one.began)),
                one.content.len(),
                shown(one.whole),
                one.status,
                one.says.len(),
                shown(one.answered),
                shown(one.babbled),
                shown(one.done),
                shown(one.ended.map(|(stamp, _)| stamp)),
                one.ended.map(|(_, by)| by)
            )
        });
        requests.chain(dials).chain(visits).collect()
    }

    pub(super) fn visits_of(&self, request: usize) -> impl Iterator<Item = &Visit> {
        self.visits.iter().filter(move |visit| visit.request == request)
    }
}
