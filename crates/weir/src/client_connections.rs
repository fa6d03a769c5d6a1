//! Connections of clients as the admin listener tells of them: those of workers first, then those of listeners for policy groups.
//!
//! Both know their own, under names that the other one does not give, and neither knows of the other.

use weir_core::ports::connections::{
    ConnectionAnswer, ConnectionSource, Cursor, CutAnswer, CutOutcome, SharedConnectionSource,
};

/// Whoever has connections, in the order in which they are told. The numbers of one's workers are above those of all before it.
pub(crate) struct ClientConnections(pub(crate) [SharedConnectionSource; 2]);

impl ConnectionSource for ClientConnections {
    fn connections(&self, from: Cursor, max: usize) -> ConnectionAnswer<'_> {
        Box::pin(async move {
            let [first, second] = &self.0;
            let mut page = first.connections(from, max).await;
            // Behind a page that is not the last one only how many there are.
            let left = if page.next.is_none() { max - page.connections.len() } else { 0 };
            let more = second.connections(from, left).await;
            page.connections.extend(more.connections);
            page.total += more.total;
            page.silent_workers += more.silent_workers;
            page.next = page.next.or(more.next);
            page
        })
    }

    fn cut(&self, name: &str) -> CutAnswer<'_> {
        let name = name.to_owned();
        Box::pin(async move {
            for source in &self.0 {
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
        let all = ClientConnections([
            Arc::new(Fixed(0, &["0-1", "1-1", "2-1"])),
            Arc::new(Fixed(9, &["p0-1", "p1-1"])),
        ]);
        for max in 1..7 {
            assert_eq!(told(&all, max).await, ["0-1", "1-1", "2-1", "p0-1", "p1-1"], "pages of {max}");
        }
        for (name, outcome) in
            [("1-1", CutOutcome::Cut), ("p1-1", CutOutcome::Cut), ("p2-1", CutOutcome::Unknown)]
        {
            assert_eq!(all.cut(name).await, outcome, "{name}");
        }
    }
}
