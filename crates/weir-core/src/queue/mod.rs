//! The backlog of a mode `duplicate`: which write each server has yet to get, when, and what becomes of it.
//!
//! A write that was acknowledged and that some server did not get stays in the queue until that server has got it
//! (`semantics.md` §3.1 to §3.3). The [`Ledger`] decides; it holds no byte of a write, keeps no time and sends nothing.
//! Whoever owns it (a file with a thread, or a place in memory) performs the [`Effect`]s, stores the bodies and lets
//! somebody deliver. So the same rules hold for `catch_up: memory` and `durable`, and a simulation can crash them at every step.
//!
//! Not here: which answers acknowledge a write (that is the dispatch mode), and how a request is sent.

mod backoff;
mod burial;
mod company;
mod dead_letters;
mod effect;
mod gate;
mod lane;
mod ledger;
mod limits;
mod next;
mod outcome;
mod refusal;
mod write;

pub use backoff::{BACKOFF_MAX, RETRY_AFTER_MAX};
pub use burial::Burial;
pub use company::Company;
pub use effect::{Effect, Effects};
pub use gate::{Gate, ServerId};
pub use lane::{Lane, LaneCounts};
pub use ledger::{Ledger, NoRoom, Reservation, Restored};
pub use limits::{Full, QueueLimits};
pub use next::Next;
pub use outcome::{Failure, Outcome, Verdict};
pub use refusal::Refusal;
pub use write::{Sequence, State, Target, WantedTarget, Write};
