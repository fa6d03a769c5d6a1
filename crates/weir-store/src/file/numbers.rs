//! The numbers of writes that this process gives.
//!
//! It takes them from the file in blocks, in the transaction that needs one. So two processes that put writes into one file never
//! give the same number, a number is never given twice, also when all writes have gone, and each knows which are its own. While there
//! are two, no block lasts longer than its transaction: numbers have the order of the commits, whoever made them.

use std::ops::Range;

use rusqlite::Connection;
use weir_core::queue::Sequence;

/// Numbers, and whose they are.
#[derive(Debug)]
pub(super) struct Numbers {
    /// The next one of the block; none is left when it is the block's end.
    next: u64,
    end: u64,
    /// Writes with smaller numbers were known from the beginning.
    known: u64,
    /// The blocks that were taken, those that follow each other as one.
    ours: Vec<Range<u64>>,
}

/// A moment of [`Numbers`].
#[derive(Debug)]
pub(super) struct Mark {
    next: u64,
    end: u64,
    blocks: usize,
    last: Option<Range<u64>>,
}

impl Numbers {
    /// For a file of which all writes below this number are known.
    pub(super) fn new(known: Sequence) -> Self {
        Self { next: known.0, end: known.0, known: known.0, ours: Vec::new() }
    }

    /// Where it stands, so that it can be put [`back`](Self::back) there when a transaction fails.
    pub(super) fn mark(&self) -> Mark {
        Mark { next: self.next, end: self.end, blocks: self.ours.len(), last: self.ours.last().cloned() }
    }

    /// What was given since then was not.
    pub(super) fn back(&mut self, mark: Mark) {
        self.next = mark.next;
        self.end = mark.end;
        self.ours.truncate(mark.blocks);
        if let (Some(last), Some(was)) = (self.ours.last_mut(), mark.last) {
            *last = was;
        }
    }

    /// The number of the next write. In a transaction. A block has so many.
    ///
    /// # Errors
    /// The file gives no more.
    pub(super) fn next(&mut self, connection: &Connection, block: u64) -> rusqlite::Result<Sequence> {
        if self.next == self.end {
            let first: i64 = connection
                .prepare_cached("UPDATE numbers SET next = max(next, ?1) + ?2 RETURNING next - ?2")?
                .query_row([self.next.cast_signed(), block.cast_signed()], |row| row.get(0))?;
            let first = first.cast_unsigned();
            self.next = first;
            self.end = first + block;
            match self.ours.last_mut() {
                Some(last) if last.end == first => last.end = self.end,
                _ => self.ours.push(first..self.end),
            }
        }
        let sequence = Sequence(self.next);
        self.next += 1;
        Ok(sequence)
    }

    /// The next number comes from a new block: it is larger than all that anybody has given.
    pub(super) fn begin_block(&mut self) {
        self.end = self.next;
    }

    /// Writes with smaller numbers were known from the beginning.
    pub(super) fn known(&self) -> Sequence {
        Sequence(self.known)
    }

    /// Whether this process has given the number, or may give it.
    pub(super) fn are_ours(&self, sequence: Sequence) -> bool {
        let before = self.ours.partition_point(|block| block.start <= sequence.0);
        before.checked_sub(1).is_some_and(|last| self.ours[last].contains(&sequence.0))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::schema;
    use super::*;

    #[test]
    fn two_who_number_never_give_the_same() {
        let connection = Connection::open_in_memory().unwrap();
        schema::create(&connection).unwrap();
        let mut all = std::collections::HashSet::new();
        let (mut one, mut other) = (Numbers::new(Sequence(1)), Numbers::new(Sequence(0)));
        for round in 0..100 {
            assert!(all.insert(one.next(&connection, 16).unwrap()));
            if round % 2 == 0 {
                let number = other.next(&connection, 3).unwrap();
                assert!(all.insert(number) && other.are_ours(number) && !one.are_ours(number));
            }
        }
        one.begin_block();
        let last = one.next(&connection, 1).unwrap();
        assert!(all.iter().all(|number| *number < last), "{last}");
        assert!(!one.are_ours(Sequence(0)));
    }

    #[test]
    fn what_a_transaction_that_failed_was_given_is_nobodys() {
        let connection = Connection::open_in_memory().unwrap();
        schema::create(&connection).unwrap();
        let mut numbers = Numbers::new(Sequence(1));
        for given in 0..3 {
            let mark = numbers.mark();
            connection.execute_batch("BEGIN").unwrap();
            let first: Vec<_> = (0..5).map(|_| numbers.next(&connection, 2).unwrap()).collect();
            connection.execute_batch("ROLLBACK").unwrap();
            numbers.back(mark);
            assert!(!numbers.are_ours(first[4]), "{given}");
            assert_eq!(numbers.next(&connection, 2).unwrap(), first[0]);
            assert!(numbers.are_ours(first[0]));
        }
    }
}
