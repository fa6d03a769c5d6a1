//! What the servers say of one write that each of them got: how many took it, and whether they agree.
//!
//! Only live copies are heard. What comes from a backlog was answered at another time, and may be another answer for that reason.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use weir_core::ports::Disagreement;
use weir_upstream::upstream::Verdicts;

/// What was heard of one write. All of its copies share it, also when the exchange is over.
#[derive(Debug)]
pub(super) struct Agreement {
    verdicts: Arc<Verdicts>,
    /// The class of the first answer.
    class: Cell<Option<u16>>,
    /// The digest of the first body that came whole, of answers of 2xx and of those of 3xx.
    bodies: [Cell<Option<u64>>; 2],
    /// What was counted already, in the order of [`Disagreement::ALL`].
    counted: [Cell<bool>; Disagreement::ALL.len()],
}

impl Agreement {
    /// Nothing was heard yet; what will be is counted here.
    pub(super) fn new(verdicts: Arc<Verdicts>) -> Self {
        Self { verdicts, class: Cell::default(), bodies: Default::default(), counted: Default::default() }
    }

    /// A server has answered with this status.
    pub(super) fn hear(&self, status: u16) {
        if (200..400).contains(&status) {
            self.verdicts.acknowledgements.fetch_add(1, Ordering::Relaxed);
        }
        let class = status / 100;
        match self.class.get() {
            None => self.class.set(Some(class)),
            Some(first) if first != class => self.count(Disagreement::Status),
            Some(_) => {}
        }
    }

    /// Whether the bodies of answers with this status are compared: those of servers that took the write. What a refusal says is
    /// for people.
    pub(super) fn compares(status: u16) -> bool {
        (200..400).contains(&status)
    }

    /// The body of an answer with this status has come whole. It is compared within its class: bodies of two classes have nothing
    /// to do with each other, and that disagreement is counted already.
    pub(super) fn hear_body(&self, status: u16, digest: u64) {
        let first = match status / 100 {
            2 => &self.bodies[0],
            3 => &self.bodies[1],
            _ => return,
        };
        match first.get() {
            None => first.set(Some(digest)),
            Some(first) if first != digest => self.count(Disagreement::Body),
            Some(_) => {}
        }
    }

    /// Counts the write, once, however many servers disagree.
    fn count(&self, kind: Disagreement) {
        if !self.counted[kind as usize].replace(true) {
            self.verdicts.disagreements[kind as usize].fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is counted of these answers, each with the digest of its body if it came whole.
    fn check(answers: &[(u16, Option<u64>)], acknowledgements: u64, disagreements: [u64; 2]) {
        let verdicts = Arc::<Verdicts>::default();
        let agreement = Agreement::new(Arc::clone(&verdicts));
        for (status, digest) in answers {
            agreement.hear(*status);
            if let Some(digest) = digest {
                agreement.hear_body(*status, *digest);
            }
        }
        let counted = |kind: usize| verdicts.disagreements[kind].load(Ordering::Relaxed);
        let found = (verdicts.acknowledgements.load(Ordering::Relaxed), [counted(0), counted(1)]);
        assert_eq!(found, (acknowledgements, disagreements), "{answers:?}");
    }

    #[test]
    fn servers_that_give_answers_of_two_classes_disagree_once() {
        check(&[], 0, [0, 0]);
        check(&[(200, None), (201, None), (204, None)], 3, [0, 0]);
        check(&[(200, None), (303, None)], 2, [1, 0]);
        check(&[(503, None), (200, None), (409, None), (200, None)], 2, [1, 0]);
        check(&[(500, None), (503, None)], 0, [0, 0]);
    }

    #[test]
    fn servers_that_give_bodies_of_one_class_that_differ_disagree_once() {
        check(&[(200, Some(1)), (201, Some(1)), (200, None)], 3, [0, 0]);
        check(&[(200, Some(1)), (200, Some(2)), (200, Some(3))], 3, [0, 1]);
        check(&[(200, None), (200, Some(2)), (200, Some(2))], 3, [0, 0]);
        check(&[(200, Some(1)), (303, Some(2))], 2, [1, 0]);
        check(&[(303, Some(1)), (200, Some(2)), (301, Some(3))], 3, [1, 1]);
        check(&[(409, Some(1)), (409, Some(2))], 0, [0, 0]);
    }
}
