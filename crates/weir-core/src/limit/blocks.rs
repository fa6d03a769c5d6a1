//! A list of a fixed length whose parts are made when they are first touched.
//!
//! A table for a quarter of a million clients is 2.4 MB, and there is one for each rate of each route, and for its places. Most routes of a
//! large configuration never see that many clients; what nobody has touched costs a few bytes for each page. A part that
//! is there is found without a lock; two who touch the same new part at the same moment wait for one of them to make it.

use std::sync::OnceLock;

/// Entries of a part: of those that are a cache line, as many as a page holds.
const BLOCK: usize = 64;

/// So many entries, at first all as they are by default.
#[derive(Debug)]
pub(super) struct Blocks<T> {
    blocks: Box<[OnceLock<Box<[T]>>]>,
    length: usize,
}

impl<T: Default> Blocks<T> {
    /// A list of this length; nothing of it is made yet.
    pub(super) fn new(length: usize) -> Self {
        Self { blocks: (0..length.div_ceil(BLOCK)).map(|_| OnceLock::new()).collect(), length }
    }

    /// How many entries there are, made or not.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// The entry, if its part was ever touched: otherwise it is as it is by default.
    pub(super) fn touched(&self, index: usize) -> Option<&T> {
        self.blocks.get(index / BLOCK)?.get()?.get(index % BLOCK)
    }

    /// The entry.
    pub(super) fn at(&self, index: usize) -> &T {
        let begin = index / BLOCK * BLOCK;
        let make = || (begin..self.length.min(begin + BLOCK)).map(|_| T::default()).collect();
        &self.blocks[index / BLOCK].get_or_init(make)[index - begin]
    }

    /// Bytes of the parts that were touched.
    pub(super) fn touched_bytes(&self) -> usize {
        self.blocks.iter().filter_map(|block| block.get()).map(|block| size_of_val(&**block)).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

    use super::*;

    /// A rate at each of a thousand routes took 2.4 GB before the first client came.
    #[test]
    fn what_nobody_touches_takes_nothing() {
        let list = Blocks::<AtomicU64>::new(BLOCK * 3 + 5);
        assert_eq!((list.len(), list.touched_bytes()), (BLOCK * 3 + 5, 0));
        assert!((0..list.len()).all(|index| list.touched(index).is_none()));
        list.at(BLOCK + 3).store(7, SeqCst);
        assert_eq!(list.touched_bytes(), BLOCK * 8);
        assert_eq!(list.touched(BLOCK + 3).map(|entry| entry.load(SeqCst)), Some(7));
        assert_eq!(list.touched(BLOCK + 4).map(|entry| entry.load(SeqCst)), Some(0));
        assert!(list.touched(BLOCK - 1).is_none() && list.touched(2 * BLOCK).is_none());
        // The last one is shorter.
        list.at(list.len() - 1).store(8, SeqCst);
        assert_eq!(list.touched_bytes(), (BLOCK + 5) * 8);
        assert_eq!(list.at(BLOCK + 3).load(SeqCst), 7);
    }

    #[test]
    fn those_who_touch_it_at_once_get_the_same() {
        let list = Blocks::<AtomicU64>::new(1000);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|index| _ = list.at(index).fetch_add(1, SeqCst)));
            }
        });
        assert!((0..1000).all(|index| list.at(index).load(SeqCst) == 4));
    }
}
