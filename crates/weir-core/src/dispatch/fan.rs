//! Any of the modes that ask several servers at a time, so that one driver serves all.

use std::time::Duration;

use super::act::{Acts, Happened};
use super::duplicate::Duplicate;
use super::hedge::Hedge;
use super::majority::Majority;
use super::race::Race;

/// The state of one request in a mode with several copies at a time.
///
/// What every one of them promises:
///
/// - Of [`Answer`](super::Act::Answer), [`AnswerDelivered`](super::Act::AnswerDelivered) and
///   [`GiveUp`](super::Act::GiveUp) there is exactly one per request: the *decision*. It is the last of its [`Acts`].
/// - Every copy that was started ends in exactly one of a reported failure, `Cancel`, `Keep` and `Answer`, at the
///   decision at the latest. A copy that was kept may still be told of, once.
/// - Nothing is started after the decision. In mode `duplicate`, `Queue`, `Done` and `DeadLetter` may still come, and the
///   machine must live until each copy that was kept has been told of; the others can be dropped.
/// - Of one set of [`Acts`] at most one is a `Start` whose server has to be picked.
/// - Until the decision something is under way: a copy, the catch-up of a write, the client's body, or a `WakeAt`.
///
/// What a driver promises: acts are performed in their order, all of them before what comes of them is told. The machine is
/// told once of each copy, that it failed or has a head, and after that only of its body where a mode wants to know.
/// Whatever it is told late, of a copy that it has ended meanwhile, it ignores.
#[derive(Debug)]
pub enum Fan<'r> {
    /// Mode `race`.
    Race(Race<'r>),
    /// Mode `hedge`.
    Hedge(Hedge<'r>),
    /// Mode `majority`.
    Majority(Majority<'r>),
    /// Mode `duplicate`.
    Duplicate(Duplicate),
}

impl Fan<'_> {
    /// What to do first; `now` counts from the start of the exchange, here and everywhere.
    pub fn begin(&mut self, now: Duration) -> Acts {
        match self {
            Self::Race(machine) => machine.begin(now),
            Self::Hedge(machine) => machine.begin(now),
            Self::Majority(machine) => machine.begin(now),
            Self::Duplicate(machine) => machine.begin(now),
        }
    }

    /// What to do now that this has happened.
    pub fn on(&mut self, happened: Happened, now: Duration) -> Acts {
        match self {
            Self::Race(machine) => machine.on(happened, now),
            Self::Hedge(machine) => machine.on(happened, now),
            Self::Majority(machine) => machine.on(happened, now),
            Self::Duplicate(machine) => machine.on(happened, now),
        }
    }

    /// Whether the server may be picked for a [`To::Balanced`](super::To::Balanced) that is to be performed now.
    pub fn allows(&self, server: usize) -> bool {
        match self {
            Self::Race(machine) => machine.allows(server),
            Self::Hedge(machine) => machine.allows(server),
            Self::Majority(machine) => machine.allows(server),
            Self::Duplicate(machine) => machine.allows(server),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::mem::size_of;

    use super::super::act::Act;
    use super::*;

    /// It lives in the future of an exchange, and is moved with it.
    #[test]
    fn it_is_small() {
        assert!(size_of::<Fan<'_>>() <= 384, "{}", size_of::<Fan<'_>>());
        assert!(size_of::<Act>() <= 32, "{}", size_of::<Act>());
    }
}
