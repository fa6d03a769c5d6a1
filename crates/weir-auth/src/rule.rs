//! Several proofs together: `any` and `all` of them, as a question that is asked step by step.
//!
//! Whether a proof holds may take a while to find out, and not every one has to be looked at. So the rule says which one
//! is next, and whoever performs it comes back with the answer; the rule itself waits for nothing.

/// Proofs that a rule may ask for.
pub const PROOFS_MAX: usize = 8;

/// How deep `any` and `all` may stand in each other.
pub const DEPTH_MAX: usize = 4;

/// What a client has to prove. Numbers are indexes into a list of proofs that stands elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Rule {
    /// This one.
    One(usize),
    /// One of these; asked in their order until one holds.
    Any(Vec<Self>),
    /// Each of these; asked in their order until one does not hold.
    All(Vec<Self>),
}

/// What was found out about one proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It holds.
    Holds,
    /// There is none, or it does not hold.
    Fails,
    /// That can't be said now.
    Unknown,
}

/// What a rule says as long as this much is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Find out about this one.
    Ask(usize),
    /// The client has proved what is asked for.
    Granted,
    /// It has not, whatever else it may have.
    Refused,
    /// It may have; what was needed to see it was not there.
    Unknown,
}

/// The answers so far, by the index of the proof.
#[derive(Debug, Clone, Copy, Default)]
pub struct Answers([Option<Answer>; PROOFS_MAX]);

impl Answers {
    /// Notes an answer. An index that no rule can have is passed over.
    pub fn note(&mut self, proof: usize, answer: Answer) {
        if let Some(place) = self.0.get_mut(proof) {
            *place = Some(answer);
        }
    }

    fn of(&self, proof: usize) -> Option<Answer> {
        // What has no place can't be answered, and must not be asked for again and again.
        self.0.get(proof).copied().unwrap_or(Some(Answer::Fails))
    }
}

impl Rule {
    /// What follows from the answers so far.
    ///
    /// Each proof is asked for at most once, and only if it can still matter. An empty `any` refuses, an empty `all` too:
    /// nothing is not a proof.
    pub fn decide(&self, answers: &Answers) -> Decision {
        match self {
            Self::One(proof) => match answers.of(*proof) {
                None => Decision::Ask(*proof),
                Some(Answer::Holds) => Decision::Granted,
                Some(Answer::Fails) => Decision::Refused,
                Some(Answer::Unknown) => Decision::Unknown,
            },
            Self::Any(rules) => {
                let mut decision = Decision::Refused;
                for rule in rules {
                    match rule.decide(answers) {
                        next @ (Decision::Ask(_) | Decision::Granted) => return next,
                        Decision::Unknown => decision = Decision::Unknown,
                        Decision::Refused => {}
                    }
                }
                decision
            }
            Self::All(rules) => {
                let mut decision = if rules.is_empty() { Decision::Refused } else { Decision::Granted };
                for rule in rules {
                    match rule.decide(answers) {
                        next @ (Decision::Ask(_) | Decision::Refused) => return next,
                        Decision::Unknown => decision = Decision::Unknown,
                        Decision::Granted => {}
                    }
                }
                decision
            }
        }
    }

    /// Calls `each` with the proofs by which the rule was granted, in their order, and says whether it was.
    pub fn granted_by(&self, answers: &Answers, each: &mut dyn FnMut(usize)) -> bool {
        if self.decide(answers) != Decision::Granted {
            return false;
        }
        match self {
            Self::One(proof) => each(*proof),
            Self::Any(rules) => {
                // The first one that holds is the one: those behind it were not asked.
                let _ = rules.iter().any(|rule| rule.granted_by(answers, each));
            }
            Self::All(rules) => rules.iter().for_each(|rule| {
                rule.granted_by(answers, each);
            }),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Answer::{Fails, Holds, Unknown};

    /// Performs a rule with these answers; gives which proofs were asked for, by which it was granted, and the end.
    fn perform(rule: &Rule, known: &[Answer]) -> (Vec<usize>, Vec<usize>, Decision) {
        let mut answers = Answers::default();
        let mut asked = Vec::new();
        loop {
            match rule.decide(&answers) {
                Decision::Ask(proof) => {
                    assert!(!asked.contains(&proof), "{proof} is asked for twice");
                    asked.push(proof);
                    answers.note(proof, known[proof]);
                }
                end => {
                    let mut by = Vec::new();
                    let granted = rule.granted_by(&answers, &mut |proof| by.push(proof));
                    assert_eq!(granted, end == Decision::Granted);
                    return (asked, by, end);
                }
            }
        }
    }

    fn check(rule: &Rule, known: &[Answer], asked: &[usize], by: &[usize], end: Decision) {
        let expected = (asked.to_vec(), by.to_vec(), end);
        assert_eq!(perform(rule, known), expected, "{rule:?} with {known:?}");
    }

    fn any(rules: &[Rule]) -> Rule {
        Rule::Any(rules.to_vec())
    }

    fn all(rules: &[Rule]) -> Rule {
        Rule::All(rules.to_vec())
    }

    #[test]
    fn one_is_what_it_is() {
        check(&Rule::One(0), &[Holds], &[0], &[0], Decision::Granted);
        check(&Rule::One(0), &[Fails], &[0], &[], Decision::Refused);
        check(&Rule::One(0), &[Unknown], &[0], &[], Decision::Unknown);
    }

    #[test]
    fn any_stops_at_the_first_that_holds() {
        let rule = any(&[Rule::One(0), Rule::One(1), Rule::One(2)]);
        check(&rule, &[Holds, Fails, Fails], &[0], &[0], Decision::Granted);
        check(&rule, &[Fails, Holds, Holds], &[0, 1], &[1], Decision::Granted);
        check(&rule, &[Fails, Fails, Fails], &[0, 1, 2], &[], Decision::Refused);
        check(&rule, &[Unknown, Fails, Holds], &[0, 1, 2], &[2], Decision::Granted);
        check(&rule, &[Fails, Unknown, Fails], &[0, 1, 2], &[], Decision::Unknown);
    }

    #[test]
    fn all_stops_at_the_first_that_fails() {
        let rule = all(&[Rule::One(0), Rule::One(1), Rule::One(2)]);
        check(&rule, &[Holds, Holds, Holds], &[0, 1, 2], &[0, 1, 2], Decision::Granted);
        check(&rule, &[Fails, Holds, Holds], &[0], &[], Decision::Refused);
        // Another one fails for certain, so what is unknown does not matter.
        check(&rule, &[Unknown, Fails, Holds], &[0, 1], &[], Decision::Refused);
        check(&rule, &[Holds, Unknown, Holds], &[0, 1, 2], &[], Decision::Unknown);
    }

    #[test]
    fn they_stand_in_each_other() {
        let rule = any(&[all(&[Rule::One(0), Rule::One(1)]), Rule::One(2)]);
        check(&rule, &[Holds, Holds, Fails], &[0, 1], &[0, 1], Decision::Granted);
        check(&rule, &[Holds, Fails, Holds], &[0, 1, 2], &[2], Decision::Granted);
        check(&rule, &[Fails, Holds, Fails], &[0, 2], &[], Decision::Refused);
        let rule = all(&[any(&[Rule::One(0), Rule::One(1)]), Rule::One(2)]);
        check(&rule, &[Fails, Holds, Holds], &[0, 1, 2], &[1, 2], Decision::Granted);
        check(&rule, &[Holds, Holds, Fails], &[0, 2], &[], Decision::Refused);
    }

    #[test]
    fn nothing_proves_nothing() {
        check(&any(&[]), &[], &[], &[], Decision::Refused);
        check(&all(&[]), &[], &[], &[], Decision::Refused);
        check(&all(&[Rule::One(0), all(&[])]), &[Holds], &[0], &[], Decision::Refused);
    }
}
