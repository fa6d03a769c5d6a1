//! Files that somebody else writes, looked at again and again: what they hold counts when two looks in a row have seen the same.
//!
//! So a file that is being written, and two files that are written one after the other, are not taken before they are done, as long
//! as whoever writes does not rest from one look to the next: that looks as if it were done.
//! What a look sees is the caller's: how files are (certificates), or what they hold (inventories).

/// What is seen of files, and what was used of it.
#[derive(Debug)]
pub(super) struct Settling<T> {
    used: T,
    seen: T,
}

/// What a look has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    /// What was used last.
    Same,
    /// Something else than at the last look; it may not be done yet.
    Changing,
    /// Something new, for the second time in a row.
    Settled,
}

impl<T: PartialEq + Clone> Settling<T> {
    /// Begins with what is in use.
    pub(super) fn new(used: T) -> Self {
        Self { seen: used.clone(), used }
    }

    /// Takes note of what is there now.
    pub(super) fn look(&mut self, now: T) -> Sight {
        let is_known = now == self.seen;
        self.seen = now;
        match (self.seen == self.used, is_known) {
            (true, _) => Sight::Same,
            (false, false) => Sight::Changing,
            (false, true) => Sight::Settled,
        }
    }

    /// What was seen last is used from now on, whatever comes of it.
    pub(super) fn use_seen(&mut self) {
        self.used.clone_from(&self.seen);
    }

    /// What is there now is our own doing, and no change.
    pub(super) fn own(&mut self, now: T) {
        self.used.clone_from(&now);
        self.seen = now;
    }

    /// What was seen last.
    pub(super) fn seen(&self) -> &T {
        &self.seen
    }
}

#[cfg(test)]
mod tests {
    use super::Sight::{Changing, Same, Settled};
    use super::*;

    fn check(looks: &[(char, Sight)]) {
        let mut settling = Settling::new('a');
        for (place, (now, expected)) in looks.iter().enumerate() {
            let sight = settling.look(*now);
            assert_eq!(sight, *expected, "look {place} of {looks:?}");
            if sight == Settled {
                settling.use_seen();
            }
        }
    }

    #[test]
    fn what_two_looks_have_seen_is_settled() {
        check(&[('a', Same), ('b', Changing), ('b', Settled), ('b', Same), ('c', Changing), ('c', Settled)]);
    }

    #[test]
    fn what_never_rests_is_never_settled() {
        check(&[('b', Changing), ('c', Changing), ('b', Changing), ('c', Changing)]);
    }

    #[test]
    fn what_comes_back_is_no_change() {
        check(&[('b', Changing), ('a', Same), ('b', Changing), ('a', Same), ('a', Same)]);
    }

    #[test]
    fn what_is_our_own_doing_is_no_change() {
        let mut settling = Settling::new('a');
        settling.own('b');
        assert_eq!(settling.look('b'), Same);
        assert_eq!(settling.seen(), &'b');
    }
}
