//! What the servers say of one write that each of them got: how many took it, and whether they agree.
//!
//! Only live copies are heard. What comes from a backlog was answered at another time, and may be another answer for that reason.

use std::sync::atomic::Ordering;

use weir_upstream::upstream::Verdicts;

/// What was heard of one write.
#[derive(Debug, Default)]
pub(super) struct Agreement {
    /// The class of the first answer.
    class: Option<u16>,
    disagreed: bool,
}

impl Agreement {
    /// A server has answered with this status.
    pub(super) fn hear(&mut self, status: u16, verdicts: &Verdicts) {
        if (200..400).contains(&status) {
            verdicts.acknowledgements.fetch_add(1, Ordering::Relaxed);
        }
        let class = status / 100;
        if *self.class.get_or_insert(class) != class && !self.disagreed {
            self.disagreed = true;
            verdicts.disagreements.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(statuses: &[u16], acknowledgements: u64, disagreements: u64) {
        let verdicts = Verdicts::default();
        let mut agreement = Agreement::default();
        for status in statuses {
            agreement.hear(*status, &verdicts);
        }
        let counted = (verdicts.acknowledgements.into_inner(), verdicts.disagreements.into_inner());
        assert_eq!(counted, (acknowledgements, disagreements), "{statuses:?}");
    }

    #[test]
    fn servers_that_give_answers_of_two_classes_disagree_once() {
        check(&[], 0, 0);
        check(&[200, 201, 204], 3, 0);
        check(&[200, 303], 2, 1);
        check(&[503, 200, 409, 200], 2, 1);
        check(&[500, 503], 0, 0);
    }
}
