//! Connections of clients as the admin listener tells of them: those of workers first, then those of listeners for policy groups.
//!
//! Both know their own, under names that the other one does not give, and neither knows of the other. Both begin to count anew in each
//! process, and the admin listener outlives processes: so every name begins with the process.

use std::time::Duration;

use weir_core::ports::connections::{
    ConnectionAnswer, ConnectionSource, Cursor, CutAnswer, CutOutcome, SharedConnectionSource,
};

/// Whoever has connections, in the order in which they are told. The numbers of one's workers are above those of all before it.
pub(crate) struct ClientConnections {
    sources: [SharedConnectionSource; 2],
    /// When the process began, which no other one did that had the same listener.
    process: String,
}

impl ClientConnections {
    /// Those of a process that began at this time after 1970.
    pub(crate) fn new(sources: [SharedConnectionSource; 2], began: Duration) -> Self {
        Self { sources, process: format!("{:x}-", began.as_millis()) }
    }
}

impl ConnectionSource for ClientConnections {
    fn connections(&self, from: Cursor, max: usize) -> ConnectionAnswer<'_> {
        Box::pin(async move {
            let [first, second] = &self.sources;
            let mut page = first.connections(from, max).await;
            // Behind a page that is not the last one only how many there are.
            let left = if page.next.is_none() { max - page.connections.len() } else { 0 };
            let more = second.connections(from, left).await;
            page.connections.extend(more.connections);
            page.total += more.total;
            page.silent_workers += more.silent_workers;
            page.next = page.next.or(more.next);
            page.connections.iter_mut().for_each(|one| one.id.insert_str(0, &self.process));
            page
        })
    }

    fn cut(&self, name: &str) -> CutAnswer<'_> {
        let name = name.strip_prefix(&self.process).map(str::to_owned);
        Box::pin(async move {
            let Some(name) = name else { return CutOutcome::Unknown };
            for source in &self.sources {
                let outcome = source.cut(&name).await;
                if outcome != CutOutcome::Unknown {
                    return outcome;
                }
            }
            CutOutcome::Unknown
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use weir_core::ports::connections::{ConnectionPage, ConnectionStatus};

    use super::*;

    /// Connections with these names, of one worker each, from this number on.
    struct Fixed(u64, &'static [&'static str]);

    impl ConnectionSource for Fixed {
        fn connections(&self, from: Cursor, max: usize) -> ConnectionAnswer<'_> {
            let Self(first, names) = *self;
            let mut page = ConnectionPage { total: names.len() as u64, ..ConnectionPage::default() };
            for (worker, name) in (first..).zip(names).filter(|(worker, _)| *worker >= from.worker) {
                if page.connections.len() == max {
                    page.next = Some(Cursor { worker, place: 0 });
                    break;
                }
                page.connections.push(ConnectionStatus { id: (*name).to_owned(), ..Default::default() });
            }
            Box::pin(std::future::ready(page))
        }

        fn cut(&self, name: &str) -> CutAnswer<'_> {
            let outcome = if self.1.contains(&name) { CutOutcome::Cut } else { CutOutcome::Unknown };
            Box::pin(std::future::ready(outcome))
        }
    }

    fn process(began_millis: u64) -> ClientConnections {
        let sources: [SharedConnectionSource; 2] =
            [Arc::new(Fixed(0, &["0-1", "1-1", "2-1"])), Arc::new(Fixed(9, &["p0-1", "p1-1"]))];
        ClientConnections::new(sources, Duration::from_millis(began_millis))
    }

    async fn told(all: &ClientConnections, max: usize) -> Vec<String> {
        let (mut from, mut told) = (Cursor::default(), Vec::new());
        loop {
            let page = all.connections(from, max).await;
            assert!(page.connections.len() <= max && page.total == 5, "{page:?}");
            told.extend(page.connections.into_iter().map(|one| one.id));
            let Some(next) = page.next else { return told };
            assert!(next > from, "{next:?} is not behind {from:?}");
            from = next;
        }
    }

    #[tokio::test]
    async fn those_of_both_are_told_once_and_cut_where_they_are() {
        let all = process(0x1f);
        for max in 1..7 {
            let expected = ["1f-0-1", "1f-1-1", "1f-2-1", "1f-p0-1", "1f-p1-1"];
            assert_eq!(told(&all, max).await, expected, "pages of {max}");
        }
        for (name, outcome) in
            [("1f-1-1", CutOutcome::Cut), ("1f-p1-1", CutOutcome::Cut), ("1f-p2-1", CutOutcome::Unknown)]
        {
            assert_eq!(all.cut(name).await, outcome, "{name}");
        }
    }

    /// Each process began with the same names, so who had looked before an upgrade closed somebody else's connection after it.
    #[tokio::test]
    async fn what_another_process_told_is_unknown() {
        for name in told(&process(0x1f), 9).await {
            assert_eq!(process(0x20).cut(&name).await, CutOutcome::Unknown, "{name}");
        }
        for name in ["0-1", "-0-1", "1f0-1", "1f--0-1", ""] {
            assert_eq!(process(0x1f).cut(name).await, CutOutcome::Unknown, "{name}");
        }
    }
}
